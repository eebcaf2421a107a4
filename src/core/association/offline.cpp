#include "core/association/offline.hpp"

#include <algorithm>

namespace belay::association {

std::optional<Instant> due_offline(const schedule::Schedule& schedule, const CutOff& cut, Instant now) {
  if (now - cut.since < kPatience) return std::nullopt;
  const auto due = schedule::previous(schedule, schedule::ZoneRules{}, now - kPatience);
  // What was due when the version was made belongs to the run that its making brought.
  if (!due || *due <= schedule.since) return std::nullopt;
  if (cut.since > *due + kNoticedWithin) return std::nullopt;
  if (cut.taken_up && *due <= *cut.taken_up) return std::nullopt;
  return due;
}

std::optional<Instant> ask_again(const schedule::Schedule& schedule, const CutOff& cut, Instant now) {
  const auto next = schedule::next(schedule, schedule::ZoneRules{}, std::max(now - kPatience, schedule.since));
  const Instant patient = cut.since + kPatience;
  if (now < patient) return next ? std::min(patient, *next + kPatience) : patient;
  return next ? std::optional(*next + kPatience) : std::nullopt;
}

}  // namespace belay::association
