#pragma once
// A whole scan of an apt system from its files alone: no process, no lock, no network, no root.
#include "agent/packages/apt/dpkg_status.hpp"
#include "agent/packages/apt/lists.hpp"

namespace belay::agent::apt {

// dpkg's database as it stands now, its journal applied. corrupt or not_found with reason "database-unreadable".
struct Database {
  DpkgPackages packages;
  std::set<std::pair<std::string, std::string>> automatic;
  bool journal_pending = false;
};
Result<Database> read_database(const io::Files& files, const Layout& layout);

Result<ScanResult> scan(const io::Files& files, const Layout& layout, Instant now);

// What the lists say of exact versions, for sizes and checksums of an order.
struct Wanted {
  std::string name, arch, version;
  auto operator<=>(const Wanted&) const = default;
};
struct PackageFile {
  std::string sha256;
  std::uint64_t size_bytes = 0, installed_bytes = 0;
};
std::map<Wanted, PackageFile> find_package_files(const io::Files& files, const Layout& layout, Instant now,
                                                 const std::set<Wanted>& wanted);

}  // namespace belay::agent::apt
