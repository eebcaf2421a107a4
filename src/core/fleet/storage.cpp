#include "core/fleet/storage.hpp"

#include <algorithm>
#include <boost/describe/enum_to_string.hpp>

#include "base/text.hpp"

namespace belay::fleet {
bool holds_up(const StorageHealth& health) {
  if (health.state == StorageState::failing) return true;
  return health.state == StorageState::degraded && health.what != "disk";
}

std::string text_of(const StorageHealth& health) {
  std::string text = health.what + " " + health.subject;
  if (!health.mounts.empty() && health.what != "mount" && health.what != "filesystem")
    text += " (" + join(health.mounts, ", ") + ")";
  return text + ": " + boost::describe::enum_to_string(health.state, "unknown") +
         (health.detail.empty() ? "" : ": " + health.detail);
}

std::vector<Problem> storage_problems(const std::vector<StorageHealth>& storage,
                                      const std::vector<std::string>& written_to) {
  std::vector<Problem> problems;
  for (const auto& health : storage) {
    const bool touched = std::ranges::any_of(
        health.mounts, [&](const auto& mount) { return std::ranges::find(written_to, mount) != written_to.end(); });
    if (touched && holds_up(health))
      problems.push_back({Reason::storage_degraded, health.subject,
                          "the change would be written to storage that is not whole: " + text_of(health),
                          "mend it first; to patch all the same, order with illBefore: patch", false});
  }
  return problems;
}

bool is_redundant_array(const StorageHealth& health) {
  if (health.what == "zfs")
    return health.detail.find("raidz") != std::string::npos || health.detail.find("mirror") != std::string::npos;
  if (health.what == "lvm") return health.detail.starts_with("mirrored");
  return health.what == "md" && !health.detail.starts_with("raid0") && !health.detail.starts_with("linear");
}

}  // namespace belay::fleet
