#include <algorithm>

#include "agent/backup/files_engine.hpp"
#include "agent/backup/restore_note.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::Job;
using backup::JobOutcome;
using backup::JobReport;
using backup::ProofLevel;

constexpr std::uint64_t kRoomReserve = 16u << 20;
constexpr std::string_view kAside = ".belay-before-", kFailed = ".belay-failed-";

// A path or one below it.
bool is_in(std::string_view wanted, std::string_view path) {
  return path == wanted || (path.size() > wanted.size() && path.starts_with(wanted) && path[wanted.size()] == '/');
}

// What may be joined to a directory and stays in it.
bool is_plain(std::string_view path) {
  if (!path.starts_with('/')) return false;
  for (const auto part : split(path, '/'))
    if (part == "." || part == "..") return false;
  return true;
}

Status check_paths(const backup::RestoreTo& to) {
  for (const auto& path : to.paths)
    if (!is_plain(path) || path.find_first_not_of('/') == std::string::npos)
      return Error(Code::invalid_argument,
                   "the path " + sanitize(path, 200) + " is not an absolute one without . and .. in it, below /",
                   "path-refused");
  if (is_plain(to.path)) return {};
  return Error(Code::invalid_argument,
               sanitize(to.path, 200) + " is not an absolute path without . and .. in it: say where to restore to",
               "path-refused");
}

struct Size {
  std::uint64_t bytes = 0, files = 0;
};

// Each wanted path has to be in the point: nothing is put aside for what will not come back.
Result<Size> size_of(const Job& job, FileStore& store) {
  const auto& paths = job.restore->paths;
  Size size;
  std::vector<bool> found(paths.size());
  BELAY_TRY(store.each_file(job.points.front().reference, [&](const ListedFile& file) {
    bool wanted = paths.empty();
    for (std::size_t i = 0; i < paths.size(); ++i)
      if (is_in(paths[i], file.path)) wanted = found[i] = true;
    const bool is_file = file.kind == ListedFile::Kind::file || file.kind == ListedFile::Kind::hard_link;
    if (is_file && wanted) size.bytes += file.bytes, ++size.files;
  }));
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (!found[i]) missing.push_back(paths[i]);
  if (missing.empty()) return size;
  return Error(Code::not_found, join(missing, ", ") + " is not in the recovery point; nothing was touched",
               "not-in-point");
}

// What stands where something is to be restored, and what it is called afterwards.
struct InTheWay {
  std::string path, aside;
};

bool is_empty(const BackupHost& host, const std::string& path) {
  const auto names = host.files.list(path);
  return names.ok() ? names->empty() : names.error().code() == Code::not_found;
}

// Directories that a running system cannot do without for a moment.
bool holds_the_system(const std::string& path) {
  static constexpr std::string_view kHeld[] = {"/bin",   "/boot",    "/dev",     "/etc",    "/lib", "/lib32",
                                               "/lib64", "/proc",    "/run",     "/sbin",   "/sys", "/usr",
                                               "/var",   "/usr/lib", "/usr/bin", "/var/lib"};
  return std::ranges::find(kHeld, path) != std::end(kHeld);
}

// Of single files only those; "/" itself cannot be put aside. What belongs to a file by its name goes with it, also
// where the file itself went already: an older log beside a newer database would spoil it.
Result<std::vector<InTheWay>> in_the_way(const BackupHost& host, const Job& job,
                                         const std::vector<std::string>& companions) {
  const auto& to = *job.restore;
  const auto put = std::string(kAside) + job.job_id;
  std::vector<InTheWay> places;
  const auto root = to.path == "/" ? std::string() : to.path;
  // Once, and not below another one: that one takes it along.
  const auto add = [&](const std::string& place, const std::string& aside) {
    if (host.files.info(place).ok() &&
        std::ranges::none_of(places, [&](const auto& known) { return is_in(known.path, place); }))
      places.push_back({place, aside});
  };
  if (to.paths.empty() && to.path == "/")
    return Error(Code::unsupported,
                 "a whole system cannot be restored over the one that runs; restore to a directory, or name paths",
                 "target-in-use");
  if (to.paths.empty() && holds_the_system(to.path))
    return Error(Code::unsupported,
                 to.path +
                     " cannot be put aside as a whole: the system that runs lives in it. Restore to another "
                     "directory, or name the paths below it that are to come back",
                 "target-in-use");
  if (to.paths.empty() && !is_empty(host, to.path)) places.push_back({to.path, to.path + put});
  auto paths = to.paths;
  std::ranges::sort(paths);  // a directory before what is below it
  for (const auto& path : paths) {
    add(root + path, root + path + put);
    for (const auto& suffix : companions) add(root + path + suffix, root + path + put + suffix);
  }
  for (const auto& [place, aside] : places)
    if (host.files.info(aside).ok())
      return Error(Code::already_exists, aside + " is there already; move it away first", "target-in-use");
  return places;
}

// What was put aside comes back to its place; what had come there by then is kept for a look.
void put_back(const BackupHost& host, const Job& job, std::vector<InTheWay>& moved, JobReport& report) {
  for (; !moved.empty(); moved.pop_back()) {
    const auto& [place, aside] = moved.back();
    std::string came;
    Status done;
    if (host.files.info(place).ok()) {
      came = place + std::string(kFailed) + job.job_id;
      done = move_to(host, job, place, came);
    }
    if (done.ok()) done = move_to(host, job, aside, place);
    if (done.ok())
      pass(report, ProofLevel::P0, "put back",
           place + " is what it was" + (came.empty() ? "" : "; what had come by then is " + came));
    else fail(report, ProofLevel::P0, "put back", "move " + aside + " back to " + place + ": " + done.error().chain());
  }
}

// `moved`: what was, also at an error.
Status put_aside(const BackupHost& host, const Job& job, const std::vector<InTheWay>& places,
                 std::vector<InTheWay>& moved) {
  RestoreNote note;
  for (const auto& [place, aside] : places) note.said.push_back(place + " is put aside as " + aside);
  if (!places.empty()) BELAY_TRY(write_restore_note(host, job, note));
  for (const auto& place : places) {
    BELAY_TRY(move_to(host, job, place.path, place.aside).within(place.path + " cannot be put aside"));
    moved.push_back(place);
  }
  return {};
}

Error not_empty(const std::vector<InTheWay>& places) {
  std::vector<std::string> names;
  for (const auto& place : places) names.push_back(place.path);
  return Error(Code::conflict,
               join(names, ", ") +
                   " is not empty; restore to another place, or order it `over`: what is there is put aside then",
               "target-not-empty");
}

// Room for it beside what is put aside.
Status check_room(const BackupHost& host, const std::string& target, std::uint64_t bytes) {
  const auto above = target == "/" ? target : target.substr(0, std::max<std::size_t>(1, target.rfind('/')));
  BELAY_TRY(host.files.make_directories(above, 0755));
  BELAY_TRY_ASSIGN(const auto space, host.files.space(above));
  if (space.bytes_free >= bytes + kRoomReserve) return {};
  return Error(Code::resource_exhausted,
               above + " has " + std::to_string(space.bytes_free >> 20) + " MiB free, and the restore needs " +
                   std::to_string(bytes >> 20) + " MiB; make room there, or restore to another place",
               "no-room");
}

Status bring_back(const BackupHost& host, const Job& job, FileStore& store, const Size& size) {
  const auto& to = *job.restore;
  BELAY_TRY(host.files.make_directories(to.path, 0755));
  if (host.progress)
    host.progress({.phase = "restore", .bytes_done = 0, .bytes_total = size.bytes, .left = std::nullopt});
  BELAY_TRY_ASSIGN(const auto came, store.restore(job.points.front().reference, to.path, to.paths));
  if (!to.paths.empty() || (came.first >= size.bytes && came.second >= size.files)) return {};
  return Error(Code::corrupt,
               "only " + std::to_string(came.second) + " files came back of " + std::to_string(size.files),
               "not-understood");
}

Status work(const BackupHost& host, const Job& job, FileStore& store, const std::vector<std::string>& companions,
            JobReport& report, Stopwatch& watch) {
  const auto& to = *job.restore;
  BELAY_TRY_ASSIGN(const auto size, size_of(job, store));
  report.bytes = size.bytes;
  report.files = size.files;
  BELAY_TRY_ASSIGN(const auto places, in_the_way(host, job, companions));
  const auto plan = std::to_string(size.files) + " files, " + std::to_string(size.bytes) + " bytes into " + to.path;
  if (to.preview) {
    pass(report, ProofLevel::P0, "would restore", plan);
    for (const auto& place : places)
      pass(report, ProofLevel::P0, to.over ? "would put aside" : "is in the way", place.path);
    return {};
  }
  if (!places.empty() && !to.over) return not_empty(places);
  BELAY_TRY(check_room(host, to.path, size.bytes));
  std::vector<InTheWay> moved;
  auto done = put_aside(host, job, places, moved);
  watch.begin("restore");
  if (done.ok()) done = bring_back(host, job, store, size);
  if (!done.ok()) put_back(host, job, moved, report);
  for (const auto& [place, aside] : moved) {
    pass(report, ProofLevel::P0, "put aside", place + " is " + aside + " now; remove it when you no longer need it");
    report.put_aside.push_back(aside);
  }
  if (!places.empty()) static_cast<void>(remove_restore_note(host, job));
  if (done.ok()) pass(report, ProofLevel::P3, "restore", plan);
  return done;
}

}  // namespace

JobReport restore_files(const BackupHost& host, const Job& given, FileStore& store,
                        const std::vector<std::string>& companions) {
  if (given.points.empty() || !given.restore)
    return failed(backup::Task::restore,
                  Error(Code::invalid_argument, "the order names no recovery point, or no place to restore to"));
  if (const auto plain = check_paths(*given.restore); !plain.ok()) return failed(backup::Task::restore, plain.error());
  auto job = given;
  const auto trim_end = [](std::string& path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  };
  trim_end(job.restore->path);
  for (auto& path : job.restore->paths) trim_end(path);
  JobReport report;
  report.task = backup::Task::restore;
  report.outcome = JobOutcome::ok;
  Stopwatch watch(host.clock, report);
  const auto begin = host.clock.monotonic();
  const auto done = work(host, job, store, companions, report, watch);
  watch.end();
  if (!done.ok()) {
    auto ended = failed(backup::Task::restore, done.error());
    ended.evidence = std::move(report.evidence);  // what was put aside is told in any case
    ended.put_aside = std::move(report.put_aside);
    return ended;
  }
  if (job.restore->preview) return report;
  report.time_to_restore = host.clock.monotonic() - begin;
  report.restored_to = job.points.front().taken_at;
  return report;
}

}  // namespace belay::agent::backups
