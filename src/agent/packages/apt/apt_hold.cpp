// Putting the installed versions by, so that there is a way back when no repository offers them any more.
#include <algorithm>

#include "agent/packages/apt/apt_package_manager.hpp"
#include "agent/packages/apt/control_file.hpp"
#include "agent/packages/apt/output.hpp"
#include "agent/packages/problems.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::agent {

using fleet::Reason;

namespace {

constexpr Duration kFetchTimeout{1'800'000};
constexpr Duration kRepackTimeout{300'000};
constexpr std::size_t kPieceBytes = 1 << 20;

Result<std::string> sha256_of_file(const std::string& path) {
  BELAY_TRY_ASSIGN(const auto file, io::MappedFile::open(path));
  io::Sha256Stream hash;
  for (auto rest = file.text(); !rest.empty(); rest.remove_prefix(std::min(rest.size(), kPieceBytes)))
    hash.update(rest.substr(0, kPieceBytes));
  return hash.finish_hex();
}

// What is to be held, as an order to find its files by.
InstallOrder as_order(const InstallOrder& order, const std::string& directory) {
  InstallOrder old;
  old.held_directory = directory;
  for (const auto& change : order.changes)
    if (!change.from_version.empty() && change.from_version != change.to_version)
      old.changes.push_back({change.name, change.arch, "", change.from_version, "", 0});
  return old;
}

}  // namespace

bool AptPackageManager::is_package_file(const std::string& path, const fleet::PackageChange& change) {
  if (path.empty()) return false;
  const auto ended = run({{"dpkg-deb", "--field", path, "Package", "Version"}, Duration(60'000)}, {});
  if (!ended.ok() || !ended->outcome.success()) return false;
  const apt::Stanza stanza(ended->output);
  if (stanza.field("Package") != change.name || stanza.field("Version") != change.to_version) return false;
  // Reading the whole archive finds what was cut off by a full disk or a crash.
  const auto contents = run({{"dpkg-deb", "--contents", path}, Duration(300'000)}, {});
  return contents.ok() && contents->outcome.success();
}

std::string AptPackageManager::held_name(const fleet::PackageChange& change) const {
  return change.name + "_" + apt::version_in_file_name(change.to_version) + "_" + change.arch + ".deb";
}

std::string AptPackageManager::downloaded_file(const fleet::PackageChange& change) const {
  const auto directory = layout_.on_disk(layout_.cache_directory + "/archives");
  const auto names = host_.files.list(directory);
  if (!names.ok() || change.to_version.empty()) return {};
  const auto begin = change.name + "_" + apt::version_in_file_name(change.to_version) + "_";
  for (const auto& name : *names)
    if (name.starts_with(begin) && name.ends_with(".deb")) return directory + "/" + name;
  return {};
}

std::string AptPackageManager::package_file(const InstallOrder& order, const fleet::PackageChange& change) const {
  const auto held = held_file(order, change);
  return held.empty() ? downloaded_file(change) : layout_.on_disk(held);
}

Status AptPackageManager::check_downloaded(const fleet::PackageChange& change) const {
  if (change.sha256.empty()) return {};
  const auto path = downloaded_file(change);
  if (path.empty()) return {};  // installed already, or taken from a local repository without a copy
  BELAY_TRY_ASSIGN(const auto sum, sha256_of_file(path));
  if (sum == change.sha256) return {};
  return Error(Code::corrupt, "the package file " + path + " has another checksum than the order's", "signature-bad");
}

std::optional<fleet::Problem> AptPackageManager::repack(const fleet::PackageChange& change,
                                                        const std::string& directory) {
  const auto cannot = [&](std::string_view why) {
    return make_problem(Reason::version_not_offered, change.name,
                        "version " + change.to_version + " cannot be held for a rollback: " + std::string(why),
                        "install dpkg-repack, or let the rollout use snapshots");
  };
  const auto ended = run({{"dpkg-repack", change.name}, kRepackTimeout, directory}, {});
  if (!ended.ok()) return cannot("no repository offers it any more and dpkg-repack is not installed");
  if (!ended->outcome.success()) return cannot("dpkg-repack failed: " + tail_of(ended->output, 500));
  InstallOrder look;
  look.held_directory = directory;
  const auto file = held_file(look, change);
  if (!is_package_file(file, change)) return cannot("the file that dpkg-repack made is not whole");
  const auto note = "made by dpkg-repack from the installed files: configuration files are as they were modified\n";
  if (const auto written = host_.files.write_durable(layout_.on_disk(file + ".repacked"), note, 0644); !written.ok())
    return cannot(written.error().chain());
  return std::nullopt;
}

Result<std::vector<fleet::Problem>> AptPackageManager::hold_old_versions(const InstallOrder& order,
                                                                         const std::string& directory) {
  BELAY_TRY(write_lists_configuration());
  BELAY_TRY(host_.files.make_directories(layout_.on_disk(directory), 0755));
  BELAY_TRY_ASSIGN(const auto database, apt::read_database(host_.files, layout_));
  auto old = as_order(order, directory);
  std::vector<fleet::Problem> problems;
  std::erase_if(old.changes, [&](const auto& change) { return is_package_file(held_file(old, change), change); });
  std::set<apt::Wanted> wanted;
  for (const auto& change : old.changes) wanted.insert({change.name, change.arch, change.to_version});
  const auto offered = apt::find_package_files(host_.files, layout_, host_.clock.now(), wanted);
  InstallOrder fetched;
  for (const auto& change : old.changes)
    if (offered.contains({change.name, change.arch, change.to_version})) fetched.changes.push_back(change);
  if (!fetched.changes.empty()) {
    BELAY_TRY_ASSIGN(const auto words, targets(fetched, database));
    auto argv = apt_get({"-o", "Acquire::Retries=2", "download"});
    argv.insert(argv.end(), words.begin(), words.end());
    BELAY_TRY(run({argv, kFetchTimeout, directory}, {}).ok()
                  ? Status()
                  : Status(Error(Code::unavailable, "apt-get cannot be started")));
  }
  for (const auto& change : old.changes) {
    const auto file = held_file(old, change);
    const auto record = offered.find({change.name, change.arch, change.to_version});
    const auto sum = file.empty() || record == offered.end() ? Result<std::string>(std::string())
                                                             : sha256_of_file(layout_.on_disk(file));
    if (!file.empty() && record != offered.end() && sum.ok() && *sum == record->second.sha256 &&
        is_package_file(file, change))
      continue;
    if (!file.empty()) BELAY_TRY(host_.files.remove(layout_.on_disk(file)));
    if (auto problem = repack(change, directory)) add_problem(problems, std::move(*problem));
  }
  return problems;
}

}  // namespace belay::agent
