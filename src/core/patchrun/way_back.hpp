#pragma once
// Which way back a run has in hand before the first byte. Pure; agent/runner looks at the node.
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/package.hpp"
#include "core/patchrun/health.hpp"

namespace belay::patchrun {

// A package that brings a kernel.
bool is_kernel(std::string_view package);

// Whether installing it writes below /boot.
bool touches_boot(std::string_view package);

// A kernel that is new beside the running one, or goes without being it: the running one stays as a boot entry.
bool leaves_boot_entries(const fleet::PackageChange& change, std::string_view kernel_running);

// Of the mounts of the node those that the change writes to: / always; /usr, /var and /etc where they are separate;
// /opt where something new comes; /boot where a package touches it and not only leaves_boot_entries(); and every other
// one that any of `files` lies on: those of the changed packages as they are now. `kernel_running` as uname -r says it.
std::vector<std::string> mounts_that_change(const std::vector<fleet::PackageChange>& changes,
                                            const std::vector<std::string>& mounts, std::string_view kernel_running,
                                            const std::vector<std::string>& files = {});

// What was got hold of.
struct InHand {
  std::vector<std::string> held;       // old packages
  std::vector<std::string> not_held;   // why not; any: no R1
  std::vector<std::string> snapshots;  // as WayBack tells them
  std::vector<std::string> not_taken;  // why not; any: no R2
  std::vector<std::string> proofs{};   // of data, as the order brought them; none: no R3
};
WayBack judge_way_back(const InHand& in_hand);

std::string_view text_of(ReversibilityClass reached);

}  // namespace belay::patchrun
