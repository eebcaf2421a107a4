#pragma once
// Which backend this system gets: one table over os-release's ID and ID_LIKE.
#include <memory>
#include <string>
#include <string_view>

#include "agent/packages/package_manager.hpp"

namespace belay::agent {

enum class Backend { apt, dnf };

struct PackageManagerOptions {
  std::string root;             // prefix of every path that is read; "" on the host itself
  std::string lists_directory;  // apt: package lists of Belay's own instead of /var/lib/apt/lists; "" for the host's
  std::string
      cache_directory;  // apt: beside lists of our own, for what refresh() and simulate() write; "" for the host's
  Duration lists_age_max{std::chrono::hours(7 * 24)};  // older lists are a release_stale problem
};

// `os_release` is the content of /etc/os-release. unsupported (reason "unsupported-system") names the ID that no row
// knows.
Result<Backend> choose_backend(std::string_view os_release);

// Reads os-release under options.root and makes the backend. The host must outlive it.
Result<std::unique_ptr<PackageManager>> make_package_manager(const Host& host, const PackageManagerOptions& options);

}  // namespace belay::agent
