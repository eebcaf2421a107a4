#include "core/backup/point.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "core/backup/chains.hpp"

namespace belay::backup {
namespace {

constexpr const char* kNotNamed = "the point it builds on (not named)";

auto key_of(const RecoveryPoint& point) {
  return std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>(
      point.plan_id, point.node_id, point.vault, point.made.reference);
}

}  // namespace

bool is_reference(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  return !text.empty() && text.size() <= kReferenceBytesMax && is_plain(text.front()) && text != "latest" &&
         text.find("..") == std::string_view::npos && std::ranges::all_of(text, [&](char c) {
           return is_plain(c) || std::string_view("._:+@-").find(c) != std::string_view::npos;
         });
}

Chains::Chains(std::span<const RecoveryPoint> points) : points_(points) {
  order_.reserve(points.size());
  for (std::size_t i = 0; i < points.size(); ++i)
    if (points[i].state != PointState::gone) order_.push_back(i);
  std::sort(order_.begin(), order_.end(),
            [&](std::size_t a, std::size_t b) { return key_of(points_[a]) < key_of(points_[b]); });
}

std::span<const std::size_t> Chains::named(const RecoveryPoint& kin, std::string_view reference) const {
  auto wanted = key_of(kin);
  std::get<3>(wanted) = reference;
  const auto first = std::lower_bound(order_.begin(), order_.end(), wanted,
                                      [&](std::size_t i, const auto& key) { return key_of(points_[i]) < key; });
  auto last = first;
  while (last != order_.end() && key_of(points_[*last]) == wanted) ++last;
  return {first, last};
}

bool Chains::whole(const RecoveryPoint& point, std::vector<std::string>* missing) const {
  bool all = true, grounded = point.made.type == BackupType::full;
  const auto lacks = [&](std::string_view reference) {
    all = false;
    if (missing) missing->emplace_back(reference);
  };
  std::set<std::string_view> seen;
  std::vector<const RecoveryPoint*> open{&point};
  while (!open.empty() && (all || missing)) {
    const auto* above = open.back();
    open.pop_back();
    for (const std::string& reference : above->made.needs) {
      if (!seen.insert(reference).second) continue;
      const auto there = named(point, reference);
      const auto found = std::find_if(there.begin(), there.end(),
                                      [&](std::size_t i) { return points_[i].state == PointState::available; });
      if (found == there.end()) {
        lacks(reference);
        continue;
      }
      grounded = grounded || points_[*found].made.type == BackupType::full;
      open.push_back(&points_[*found]);
    }
  }
  // A chain that never comes to a full (nothing named, or a circle) cannot be restored.
  if (all && !grounded) lacks(kNotNamed);
  return all && point.state == PointState::available;
}

std::vector<std::size_t> Chains::beneath(const RecoveryPoint& point) const {
  std::set<std::string_view> seen{point.made.reference};
  std::vector<std::size_t> found;
  std::vector<const RecoveryPoint*> open{&point};
  while (!open.empty()) {
    const auto* above = open.back();
    open.pop_back();
    for (const std::string& reference : above->made.needs) {
      if (!seen.insert(reference).second) continue;
      for (const std::size_t i : named(point, reference)) {
        found.push_back(i);
        open.push_back(&points_[i]);
      }
    }
  }
  return found;
}

bool is_dated_ahead(const RecoveryPoint& point, Instant now) {
  return std::max(point.made.taken_at, point.recorded_at) > now + kClockTolerance;
}

bool is_whole(const RecoveryPoint& point, const std::vector<RecoveryPoint>& all, std::vector<std::string>* missing) {
  return Chains(all).whole(point, missing);
}

}  // namespace belay::backup
