#include "core/patchrun/way_back.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace belay::patchrun {
namespace {

constexpr std::size_t kReasonsMax = 200;
constexpr std::size_t kReasonBytesMax = 500;

std::string_view without_epoch(std::string_view version) {
  const auto colon = version.find(':');
  return colon == std::string_view::npos ? version : version.substr(colon + 1);
}

// deb names a kernel by its release (linux-image-6.1.0-50-amd64), rpm by its version (kernel-core 5.14.0-1.el9).
bool is_running_kernel(const fleet::PackageChange& change, std::string_view kernel_running) {
  if (kernel_running.empty()) return true;  // it cannot be told, so it may be
  return change.name.find(kernel_running) != std::string::npos ||
         kernel_running.starts_with(without_epoch(change.from_version));
}

// The one whose path is the longest of those that it lies below.
const std::string* mount_below(const std::vector<std::string>& mounts, std::string_view path) {
  const std::string* found = nullptr;
  for (const auto& mount : mounts) {
    const bool below =
        mount == "/" || (path.size() > mount.size() && path.starts_with(mount) && path[mount.size()] == '/');
    if (below && (!found || mount.size() > found->size())) found = &mount;
  }
  return found;
}

}  // namespace

bool is_kernel(std::string_view package) {
  for (const std::string_view prefix : {"linux-image-", "linux-modules-", "kernel"})
    if (package.starts_with(prefix)) return true;
  return false;
}

bool leaves_boot_entries(const fleet::PackageChange& change, std::string_view kernel_running) {
  if (!is_kernel(change.name)) return false;
  return change.from_version.empty() || !is_running_kernel(change, kernel_running);
}

bool touches_boot(std::string_view package) {
  for (const std::string_view prefix : {"linux-image-", "kernel", "initramfs-tools", "dracut", "grub", "shim"})
    if (package.starts_with(prefix)) return true;
  return false;
}

std::vector<std::string> mounts_that_change(const std::vector<fleet::PackageChange>& changes,
                                            const std::vector<std::string>& mounts, std::string_view kernel_running,
                                            const std::vector<std::string>& files) {
  const bool boot = std::ranges::any_of(changes, [&](const auto& change) {
    return touches_boot(change.name) && !leaves_boot_entries(change, kernel_running);
  });
  std::vector<std::string> changing{"/"};
  const bool brings = std::ranges::any_of(changes, [](const auto& change) { return change.from_version.empty(); });
  for (const std::string_view mount : {"/usr", "/var", "/etc", "/opt", "/boot"})
    if ((mount != "/boot" || boot) && (mount != "/opt" || brings) && std::ranges::find(mounts, mount) != mounts.end())
      changing.emplace_back(mount);
  std::set<std::string> others;
  for (const auto& file : files)
    if (const auto* mount = mount_below(mounts, file); mount && std::ranges::find(changing, *mount) == changing.end())
      others.insert(*mount);
  changing.insert(changing.end(), others.begin(), others.end());
  return changing;
}

WayBack judge_way_back(const InHand& in_hand) {
  WayBack way;
  way.held = in_hand.held;
  way.snapshots = in_hand.snapshots;
  way.proofs = in_hand.proofs;
  for (const auto* reasons : {&in_hand.not_held, &in_hand.not_taken})
    for (const auto& why : *reasons)
      if (way.why_not_more.size() < kReasonsMax) way.why_not_more.push_back(sanitize(why, kReasonBytesMax));
  if (!in_hand.not_held.empty()) return way;
  way.reached = ReversibilityClass::R1;
  if (in_hand.snapshots.empty() || !in_hand.not_taken.empty()) return way;
  way.reached = ReversibilityClass::R2;
  if (in_hand.proofs.empty()) way.why_not_more = {"the order brought no proof of a restore point of data"};
  else way.reached = ReversibilityClass::R3;
  return way;
}

std::string_view text_of(ReversibilityClass reached) { return boost::describe::enum_to_string(reached, "?"); }

}  // namespace belay::patchrun
