#include <algorithm>

#include "agent/backup/files_engine.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::Job;
using backup::JobOutcome;
using backup::JobReport;
using backup::ProofLevel;

constexpr std::uint64_t kRoomReserve = 16u << 20;
constexpr std::string_view kAside = ".belay-before-";

bool is_wanted(const std::vector<std::string>& paths, std::string_view path) {
  return paths.empty() || std::ranges::any_of(paths, [&](const auto& wanted) {
           return path == wanted || (path.size() > wanted.size() && path.starts_with(wanted) &&
                                     (wanted.ends_with('/') || path[wanted.size()] == '/'));
         });
}

Result<std::pair<std::uint64_t, std::uint64_t>> size_of(const Job& job, FileStore& store) {
  std::uint64_t bytes = 0, files = 0;
  BELAY_TRY(store.each_file(job.points.front().reference, [&](const ListedFile& file) {
    const bool is_file = file.kind == ListedFile::Kind::file || file.kind == ListedFile::Kind::hard_link;
    if (is_file && is_wanted(job.restore->paths, file.path)) bytes += file.bytes, ++files;
  }));
  return std::pair(bytes, files);
}

// What stands where something is to be restored, and what it is called afterwards.
struct InTheWay {
  std::string path, aside;
};

bool is_empty(const BackupHost& host, const std::string& path) {
  const auto names = host.files.list(path);
  return names.ok() ? names->empty() : names.error().code() == Code::not_found;
}

// Of single files only those; "/" itself cannot be put aside. What belongs to a file by its name goes with it, also
// where the file itself went already: an older log beside a newer database would spoil it.
Result<std::vector<InTheWay>> in_the_way(const BackupHost& host, const Job& job,
                                         const std::vector<std::string>& companions) {
  const auto& to = *job.restore;
  const auto put = std::string(kAside) + job.job_id;
  std::vector<InTheWay> places;
  const auto root = to.path == "/" ? std::string() : to.path;
  if (to.paths.empty() && to.path == "/")
    return Error(Code::unsupported,
                 "a whole system cannot be restored over the one that runs; restore to a directory, or name paths",
                 "target-in-use");
  if (to.paths.empty() && !is_empty(host, to.path)) places.push_back({to.path, to.path + put});
  for (const auto& path : to.paths) {
    const auto place = root + (path.starts_with('/') ? "" : "/") + path;
    if (host.files.info(place).ok()) places.push_back({place, place + put});
    for (const auto& suffix : companions)
      if (host.files.info(place + suffix).ok()) places.push_back({place + suffix, place + put + suffix});
  }
  return places;
}

Status put_aside(const BackupHost& host, const backup::Job& job, const std::vector<InTheWay>& places,
                 JobReport& report) {
  for (const auto& [place, aside] : places) {
    if (host.files.info(aside).ok())
      return Error(Code::already_exists, aside + " is there already; move it away first", "target-in-use");
    BELAY_TRY(move_to(host, job, place, aside).within(place + " cannot be put aside"));
    report.put_aside.push_back(aside);
    pass(report, ProofLevel::P0, "put aside", place + " is " + aside + " now; remove it when you no longer need it");
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

Status work(const BackupHost& host, const Job& job, FileStore& store, const std::vector<std::string>& companions,
            JobReport& report, Stopwatch& watch) {
  const auto& to = *job.restore;
  BELAY_TRY_ASSIGN(const auto size, size_of(job, store));
  if (size.second == 0 && !to.paths.empty())
    return Error(Code::not_found, join(to.paths, ", ") + " is not in the recovery point", "not-in-point");
  report.bytes = size.first;
  report.files = size.second;
  BELAY_TRY_ASSIGN(const auto places, in_the_way(host, job, companions));
  const auto plan = std::to_string(size.second) + " files, " + std::to_string(size.first) + " bytes into " + to.path;
  if (to.preview) {
    pass(report, ProofLevel::P0, "would restore", plan);
    for (const auto& place : places)
      pass(report, ProofLevel::P0, to.over ? "would put aside" : "is in the way", place.path);
    return {};
  }
  if (!places.empty() && !to.over) return not_empty(places);
  // Room for it beside what is put aside.
  const auto above = to.path == "/" ? to.path : to.path.substr(0, std::max<std::size_t>(1, to.path.rfind('/')));
  BELAY_TRY(host.files.make_directories(above, 0755));
  BELAY_TRY_ASSIGN(const auto space, host.files.space(above));
  if (space.bytes_free < size.first + kRoomReserve)
    return Error(Code::resource_exhausted,
                 above + " has " + std::to_string(space.bytes_free >> 20) + " MiB free, and the restore needs " +
                     std::to_string(size.first >> 20) + " MiB; make room there, or restore to another place",
                 "no-room");
  BELAY_TRY(put_aside(host, job, places, report));
  BELAY_TRY(host.files.make_directories(to.path, 0755));
  watch.begin("restore");
  if (host.progress)
    host.progress({.phase = "restore", .bytes_done = 0, .bytes_total = size.first, .left = std::nullopt});
  BELAY_TRY_ASSIGN(const auto came, store.restore(job.points.front().reference, to.path, to.paths));
  if (to.paths.empty() && (came.first < size.first || came.second < size.second))
    return Error(Code::corrupt,
                 "only " + std::to_string(came.second) + " files came back of " + std::to_string(size.second) +
                     "; what came is in " + to.path,
                 "not-understood");
  pass(report, ProofLevel::P3, "restore", plan);
  return {};
}

}  // namespace

JobReport restore_files(const BackupHost& host, const Job& job, FileStore& store,
                        const std::vector<std::string>& companions) {
  JobReport report;
  report.task = backup::Task::restore;
  report.outcome = JobOutcome::ok;
  if (job.points.empty() || !job.restore || !job.restore->path.starts_with('/'))
    return failed(backup::Task::restore,
                  Error(Code::invalid_argument, "the order names no recovery point or no absolute path to restore to"));
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
