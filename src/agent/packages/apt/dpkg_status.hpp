#pragma once
// What dpkg and apt remember of a system: /var/lib/dpkg/status, its updates/ journal, /var/lib/apt/extended_states.
// Pure parsers over text that may be hostile: bounded, and a value that cannot be is refused with its line's package.
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"

namespace belay::agent::apt {

inline constexpr std::size_t kInstalledPackagesMax = 50'000;
inline constexpr std::size_t kStatusBytesMax = 256u << 20;
inline constexpr std::size_t kConffilesMax = 2'000;  // of one package

// dpkg's states, dpkg(1) "Package states"; what is not or no longer installed (config-files) is left out on reading.
enum class PackageState { half_installed, unpacked, half_configured, triggers_awaited, triggers_pending, installed };

struct DpkgPackage {
  std::string name;
  std::string arch;
  std::string version;
  PackageState state = PackageState::installed;
  bool held = false;                // selection "hold"
  bool reinstall_required = false;  // error flag "reinstreq"
  std::uint64_t installed_bytes = 0;
  std::vector<std::string> conffiles;  // paths
  std::string source{};  // the Source field, "brotli (1.0.9-2)"; "" where it is the package's own name and version
};

// Sorted by name, then architecture.
using DpkgPackages = std::vector<DpkgPackage>;

// `journal` are the contents of /var/lib/dpkg/updates/*, in the order of their names: each replaces packages of
// `status`. corrupt: not a status file; the message says where. resource_exhausted: more than the bounds above.
Result<DpkgPackages> parse_dpkg_status(std::string_view status, const std::vector<std::string>& journal = {});

// (name, architecture) of every package that came in only as a dependency.
std::set<std::pair<std::string, std::string>> parse_extended_states(std::string_view text);

// What is not whole, in problems' words. `journal_pending`: updates/ is not empty.
std::vector<fleet::Problem> health_of(const DpkgPackages& packages, bool journal_pending);

const DpkgPackage* find_package(const DpkgPackages& packages, std::string_view name, std::string_view arch);
fleet::PackageSet package_set_of(const DpkgPackages& packages);
// The architecture of dpkg itself; "" where it is not among them.
std::string native_architecture(const DpkgPackages& packages);

// What differs between two moments. Sorted.
std::vector<fleet::PackageChange> changes_between(const DpkgPackages& before, const DpkgPackages& after);

}  // namespace belay::agent::apt
