#include "agent/packages/apt/dpkg_status.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "agent/packages/apt/control_file.hpp"
#include "agent/packages/problems.hpp"
#include "base/text.hpp"

namespace belay::agent::apt {
namespace {

using Key = std::pair<std::string, std::string>;

Error corrupt(std::string_view package, std::string_view what) {
  return Error(Code::corrupt, "package '" + sanitize(package, 100) + "': " + std::string(what), "database-unreadable");
}

std::optional<PackageState> state_named(std::string_view word) {
  static constexpr std::pair<std::string_view, PackageState> kStates[] = {
      {"installed", PackageState::installed},
      {"half-installed", PackageState::half_installed},
      {"unpacked", PackageState::unpacked},
      {"half-configured", PackageState::half_configured},
      {"triggers-awaited", PackageState::triggers_awaited},
      {"triggers-pending", PackageState::triggers_pending}};
  for (const auto& [name, state] : kStates)
    if (name == word) return state;
  return std::nullopt;
}

std::vector<std::string> conffiles_of(std::string_view value) {
  std::vector<std::string> paths;
  for (auto line : split(value, '\n')) {
    line = trim(line);
    const auto path = line.substr(0, line.find(' '));
    if (path.starts_with('/') && path.size() < 4096 && paths.size() < kConffilesMax) paths.emplace_back(path);
  }
  return paths;
}

// A package that the stanza says is there; nothing where it is not installed.
Result<std::optional<DpkgPackage>> package_of(const Stanza& stanza, std::string_view name, std::string_view arch) {
  const auto status = split(stanza.field("Status"), ' ');
  if (status.size() != 3) return corrupt(name, "its Status field is not three words");
  if (status[2] == "not-installed" || status[2] == "config-files") return std::optional<DpkgPackage>();
  const auto state = state_named(status[2]);
  if (!state) return corrupt(name, "its state '" + sanitize(status[2], 50) + "' is none that dpkg has");
  DpkgPackage package{std::string(name),
                      std::string(arch),
                      std::string(stanza.field("Version")),
                      *state,
                      status[0] == "hold",
                      status[1] == "reinstreq",
                      whole_number(stanza.field("Installed-Size")) * 1024,
                      conffiles_of(stanza.field("Conffiles")),
                      sanitize(stanza.field("Source"), 500)};
  if (!is_plain_word(package.version, 300) && *state != PackageState::half_installed)
    return corrupt(name, "its version is empty or has characters that no version has");
  if (package.version.empty()) package.version = "0";  // half-installed for the first time: dpkg knows no version yet
  return std::optional<DpkgPackage>(std::move(package));
}

Status read_into(std::map<Key, DpkgPackage>& packages, std::string_view text) {
  for (std::string_view part; take_stanza(text, part);) {
    const Stanza stanza(part);
    const auto name = stanza.field("Package"), arch = stanza.field("Architecture");
    if (!is_plain_word(name, 200)) return corrupt(name, "this is no package name; the file is damaged near here");
    if (!arch.empty() && !is_plain_word(arch, 50)) return corrupt(name, "its architecture is none");
    BELAY_TRY_ASSIGN(auto package, package_of(stanza, name, arch));
    const Key key(name, arch);
    if (!package) packages.erase(key);
    else packages.insert_or_assign(key, std::move(*package));
    if (packages.size() > kInstalledPackagesMax)
      return Error(Code::resource_exhausted, "more than " + std::to_string(kInstalledPackagesMax) + " packages",
                   "database-unreadable");
  }
  return {};
}

fleet::PackageChange change(const DpkgPackage& package, std::string from, std::string to) {
  return {package.name, package.arch, std::move(from), std::move(to), {}, 0};
}

}  // namespace

Result<DpkgPackages> parse_dpkg_status(std::string_view status, const std::vector<std::string>& journal) {
  if (status.size() > kStatusBytesMax)
    return Error(Code::resource_exhausted, "the status file is too large", "database-unreadable");
  std::map<Key, DpkgPackage> packages;
  BELAY_TRY(read_into(packages, status));
  for (const auto& update : journal) BELAY_TRY(read_into(packages, update).within("in dpkg's journal"));
  DpkgPackages sorted;
  sorted.reserve(packages.size());
  for (auto& [key, package] : packages) sorted.push_back(std::move(package));
  return sorted;
}

std::set<Key> parse_extended_states(std::string_view text) {
  std::set<Key> automatic;
  for_each_stanza(text, [&](const Stanza& stanza) {
    const auto name = stanza.field("Package"), arch = stanza.field("Architecture");
    if (stanza.field("Auto-Installed") == "1" && is_plain_word(name, 200) && automatic.size() < kInstalledPackagesMax)
      automatic.emplace(name, arch);
  });
  return automatic;
}

std::vector<fleet::Problem> health_of(const DpkgPackages& packages, bool journal_pending) {
  std::vector<fleet::Problem> problems;
  if (journal_pending)
    add_problem(problems, make_problem(fleet::Reason::dpkg_interrupted, "",
                                       "dpkg was stopped in the middle: its journal is not empty",
                                       "run 'dpkg --configure -a', or let the next patch run repair it"));
  for (const auto& package : packages) {
    if (package.state == PackageState::half_installed || package.reinstall_required)
      add_problem(
          problems,
          make_problem(fleet::Reason::package_broken, package.name,
                       "version " + package.version +
                           " is half installed and must be installed again; 'dpkg --configure -a' does not mend it",
                       "run 'apt-get install --reinstall " + package.name + "'"));
    else if (package.state != PackageState::installed)
      add_problem(problems, make_problem(fleet::Reason::dpkg_interrupted, package.name,
                                         "version " + package.version + " is unpacked but not configured",
                                         "run 'dpkg --configure -a'; where it fails, its output names the script"));
  }
  return problems;
}

const DpkgPackage* find_package(const DpkgPackages& packages, std::string_view name, std::string_view arch) {
  for (auto found = std::ranges::lower_bound(packages, name, {}, &DpkgPackage::name);
       found != packages.end() && found->name == name; ++found)
    if (arch.empty() || found->arch == arch) return &*found;
  return nullptr;
}

fleet::PackageSet package_set_of(const DpkgPackages& packages) {
  fleet::PackageSet set;
  set.packages.reserve(packages.size());
  for (const auto& package : packages) set.packages.push_back({package.name, package.arch, package.version});
  return set;
}

std::string native_architecture(const DpkgPackages& packages) {
  const auto* dpkg = find_package(packages, "dpkg", "");
  return dpkg ? dpkg->arch : std::string();
}

std::vector<fleet::PackageChange> changes_between(const DpkgPackages& before, const DpkgPackages& after) {
  std::vector<fleet::PackageChange> changes;
  for (const auto& now : after) {
    const auto* old = find_package(before, now.name, now.arch);
    // A package may go from amd64 to all and back: that is one package changing, not two.
    if (!old)
      old = find_package(after, now.name, "") == find_package(after, now.name, now.arch)
                ? find_package(before, now.name, "")
                : nullptr;
    if (!old || old->version != now.version) changes.push_back(change(now, old ? old->version : "", now.version));
  }
  for (const auto& old : before)
    if (!find_package(after, old.name, old.arch) && !find_package(after, old.name, ""))
      changes.push_back(change(old, old.version, ""));
  std::ranges::sort(changes);
  return changes;
}

}  // namespace belay::agent::apt
