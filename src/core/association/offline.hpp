#pragma once
// When a node that is cut off from its server runs an association by itself. Pure.
//
// A run is the node's own only where the server cannot have decided about it: it was out of reach when the run was due,
// or so soon after it that the cut was noticed late. Of several due times that passed, the last counts, as on the
// server.
#include <optional>

#include "core/schedule/schedule.hpp"

namespace belay::association {

inline constexpr Duration kPatience{60'000};        // out of reach, and overdue, for at least so long
inline constexpr Duration kNoticedWithin{600'000};  // a dead connection is noticed at the latest

struct CutOff {
  Instant since{};                  // the server is out of reach
  std::optional<Instant> taken_up;  // the newest due time that the node has taken up, for the server or by itself
};
// The due time that is to be run now, if any. Times of an association are UTC.
std::optional<Instant> due_offline(const schedule::Schedule& schedule, const CutOff& cut, Instant now);
// When to ask again, if the server stays away; nothing where the schedule has no more times.
std::optional<Instant> ask_again(const schedule::Schedule& schedule, const CutOff& cut, Instant now);

}  // namespace belay::association
