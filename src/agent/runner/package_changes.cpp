#include "agent/runner/package_changes.hpp"

#include <algorithm>
#include <iterator>

namespace belay::agent {
namespace {

PackageKey key_of(const fleet::InstalledPackage& package) { return {package.name, package.arch}; }

bool is_installed(const fleet::PackageSet& set, const std::string& name, const std::string& arch,
                  const std::string& version) {
  return std::ranges::any_of(set.packages, [&](const auto& p) {
    return p.name == name && p.arch == arch && (version.empty() || p.version == version);
  });
}

std::vector<std::string> versions_of(const std::vector<fleet::InstalledPackage>& packages, const PackageKey& key) {
  std::vector<std::string> versions;
  for (const auto& package : packages)
    if (key_of(package) == key) versions.push_back(package.version);
  std::ranges::sort(versions);
  return versions;
}

}  // namespace

std::vector<PackageKey> touched_keys(const std::vector<fleet::PackageChange>& changes) {
  std::vector<PackageKey> keys;
  for (const auto& change : changes) keys.emplace_back(change.name, change.arch);
  std::ranges::sort(keys);
  const auto repeats = std::ranges::unique(keys);
  keys.erase(repeats.begin(), repeats.end());
  return keys;
}

std::vector<fleet::InstalledPackage> installed_of(const fleet::PackageSet& set, const std::vector<PackageKey>& keys) {
  std::vector<fleet::InstalledPackage> found;
  for (const auto& package : set.packages)
    if (std::ranges::binary_search(keys, key_of(package))) found.push_back(package);
  std::ranges::sort(found);
  return found;
}

std::vector<fleet::PackageChange> difference(const std::vector<fleet::InstalledPackage>& before,
                                             const std::vector<fleet::InstalledPackage>& after,
                                             const std::vector<PackageKey>& keys) {
  std::vector<fleet::PackageChange> changes;
  for (const auto& key : keys) {
    const auto was = versions_of(before, key);
    const auto is = versions_of(after, key);
    std::vector<std::string> gone, come;
    std::ranges::set_difference(was, is, std::back_inserter(gone));
    std::ranges::set_difference(is, was, std::back_inserter(come));
    for (std::size_t i = 0; i < std::max(gone.size(), come.size()); ++i)
      changes.push_back({key.first, key.second, i < gone.size() ? gone[i] : "", i < come.size() ? come[i] : "", "", 0});
  }
  return changes;
}

bool is_there(const fleet::PackageChange& change, const fleet::PackageSet& set) {
  if (!change.to_version.empty()) return is_installed(set, change.name, change.arch, change.to_version);
  return !is_installed(set, change.name, change.arch, change.from_version);
}

bool starts_here(const fleet::PackageChange& change, const fleet::PackageSet& set) {
  // An rpm system keeps several versions of a kernel beside each other, so a new one starts from any.
  if (change.from_version.empty())
    return set.format == fleet::PackageFormat::rpm || !is_installed(set, change.name, change.arch, "");
  return is_installed(set, change.name, change.arch, change.from_version);
}

std::string describe(const fleet::PackageChange& change) {
  const auto package = change.name + " " + change.arch + " ";
  if (change.from_version.empty()) return package + change.to_version + " (new)";
  if (change.to_version.empty()) return package + change.from_version + " (removed)";
  return package + change.from_version + " -> " + change.to_version;
}

}  // namespace belay::agent
