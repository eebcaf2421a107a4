#include "server/engine/zones.hpp"

#include "core/schedule/tzif.hpp"

namespace belay::server {
namespace {
constexpr Duration kKeep{3'600'000};
constexpr std::size_t kKeptMax = 2'000;  // more than there are zones
}  // namespace

Result<Zones::Rules> Zones::of(std::string_view name) {
  static const auto utc = std::make_shared<const schedule::ZoneRules>();
  if (name.empty() || name == "UTC") return Rules(utc);
  const std::scoped_lock lock(mutex_);
  const Duration passed = clock_.monotonic();
  const auto at = kept_.find(name);
  if (at != kept_.end() && passed - at->second.read_at < kKeep) return at->second.rules;
  BELAY_TRY_ASSIGN(const auto bytes, read_file_(name));
  BELAY_TRY_ASSIGN(auto rules, schedule::parse_tzif(bytes, name));
  if (kept_.size() >= kKeptMax) kept_.clear();
  auto made = std::make_shared<const schedule::ZoneRules>(std::move(rules));
  kept_[std::string(name)] = {made, passed};
  return Rules(std::move(made));
}

}  // namespace belay::server
