#pragma once
// Which points stand on which, found by reference. Of this room.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/backup/point.hpp"

namespace belay::backup {

// Looks at `points` only, and keeps no copy of them: they must outlive it. References belong to one plan, node and
// vault. Points that are gone are not there.
class Chains {
 public:
  explicit Chains(std::span<const RecoveryPoint> points);

  // is_whole() of point.hpp.
  bool whole(const RecoveryPoint& point, std::vector<std::string>* missing = nullptr) const;
  // The places in `points` of all that `point` stands on, directly or not; itself left out, each once.
  std::vector<std::size_t> beneath(const RecoveryPoint& point) const;

 private:
  std::span<const std::size_t> named(const RecoveryPoint& kin, std::string_view reference) const;

  std::span<const RecoveryPoint> points_;
  std::vector<std::size_t> order_;  // by plan, node, vault, reference
};

// dated: neither taken nor recorded later than `now`, but for what a clock may be fast.
bool is_dated_ahead(const RecoveryPoint& point, Instant now);

}  // namespace belay::backup
