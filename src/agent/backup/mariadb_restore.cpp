#include "agent/backup/mariadb_restore.hpp"

#include <thread>

#include "agent/backup/restore_note.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

using backup::JobOutcome;
using backup::JobReport;

constexpr std::size_t kAboutBytesMax = 64u << 10;
constexpr Duration kAnswerPatience{300'000}, kLookAgain{200}, kUnitTimeout{600'000};

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// The unit that the server runs as; "" where it is none of systemd's.
std::string running_unit(const BackupHost& host, const backup::Job& job) {
  for (const char* unit : {"mariadb", "mysql", "mysqld"}) {
    Call what;
    what.argv = {"systemctl", "is-active", unit};
    const auto outcome = call(host, job, std::move(what));
    if (outcome.ok() && outcome->success() && trim(outcome->standard_output) == "active") return unit;
  }
  return {};
}

Status order_unit(const BackupHost& host, const backup::Job& job, const char* verb, const std::string& unit) {
  Call what;
  what.argv = {"systemctl", verb, unit};
  what.timeout = kUnitTimeout;
  const auto done = must(host, job, std::move(what));
  return done.ok() ? Status() : done.error();
}

// Sockets that listen for it: whoever connects to one (we, too, to see whether it still answers) would start it anew.
std::vector<std::string> sockets_of(const BackupHost& host, const backup::Job& job, const std::string& unit) {
  Call what;
  what.argv = {"systemctl", "show", "--property=TriggeredBy", "--value", unit};
  what.timeout = kUnitTimeout;
  const auto told = must(host, job, std::move(what));
  std::vector<std::string> sockets;
  if (!told.ok()) return sockets;
  for (const auto word : split(trim(*told), ' ')) {
    if (!word.ends_with(".socket")) continue;
    Call active;
    active.argv = {"systemctl", "--quiet", "is-active", std::string(word)};
    const auto state = call(host, job, std::move(active));
    if (state.ok() && state->success()) sockets.emplace_back(word);
  }
  return sockets;
}

bool answers(const BackupHost& host, const backup::Job& job, const std::string& option_file) {
  const auto source = open_source(host, job, option_file);
  return source.ok() || source.error().reason() != "source-down";
}

// Everything that a restore of a server knows before it does anything.
struct Restoring {
  const BackupHost& host;
  const backup::Job& job;
  const std::string& option_file;
  JobReport& report;
  std::optional<OpenRepository> repository;
  std::vector<Stored> all;
  std::vector<const Stored*> members;
  std::string target, unit;
  std::vector<std::string> sockets;  // of the unit, that were stopped with it
  bool is_up = false;
  bool was_stopped_for_it = false;  // by an earlier restore that was cut off
  std::string label{};              // of what is put aside
  void say(const std::string& line) { report.output += line + "\n"; }
};

Status look(Restoring& now, const Secrets& secrets) {
  const auto& job = now.job;
  if (!job.restore || job.points.empty())
    return Error(Code::invalid_argument, "the job does not say what to restore where");
  if (!job.restore->paths.empty())
    return Error(
        Code::invalid_argument,
        "single databases cannot be taken out of a copy of the whole server; restore it beside, and dump them there");
  BELAY_TRY_ASSIGN(auto opened, OpenRepository::open(now.host, job, job.vault, secrets, {}, false));
  now.repository.emplace(std::move(opened));
  BELAY_TRY_ASSIGN(now.all, (*now.repository)->snapshots());
  now.target = job.restore->path;
  if (job.restore->in_place) {
    const auto source = open_source(now.host, job, now.option_file);
    now.is_up = source.ok() || source.error().reason() != "source-down";
    if (now.target.empty()) now.target = source.ok() ? source->data_directory() : job.source.data_directory;
    if (now.target.empty()) now.target = "/var/lib/mysql";
    now.unit = running_unit(now.host, job);
    if (now.is_up && now.unit.empty())
      return Error(Code::conflict,
                   "the server runs, and not as a service of systemd; stop it, and order the restore again",
                   "server-running");
    if (source.ok() && source->logs && !job.restore->preview && job.node_id == job.source_node_id)
      BELAY_TRY(archive_newest(now.host, job, now.option_file, **now.repository, now.all));
  }
  BELAY_TRY_ASSIGN(now.members, members_of(now.all, job.points.front().reference));
  BELAY_TRY(check_time(job, *now.members.back()));
  if (now.target.size() < 2 || now.target.front() != '/')
    return Error(Code::invalid_argument, "a restore needs an absolute path to go to");
  return check_target(now.host, now.target, job.restore->over);
}

Status recover_until(Restoring& now, const BroughtBack& back, const std::string& parent, Stopwatch& watch) {
  const auto& at = back.prepared.at;
  if (at.file.empty())
    return Error(Code::unsupported,
                 "the point has no position in binary logs: no point in time can be recovered from it",
                 "logs-too-short");
  const LogsWanted wanted{tag_of(*now.members.back(), "epoch"), at, std::nullopt, now.job.restore->time};
  watch.begin("fetch");
  BELAY_TRY_ASSIGN(const auto files, fetch_logs(now.host, **now.repository, now.all, wanted, parent + "/logs"));
  watch.begin("start");
  BELAY_TRY_ASSIGN(const auto server, DrilledServer::start(now.host, now.job, now.option_file, back.prepared.directory,
                                                           back.prepared.about));
  if (!back.dump.empty()) {
    watch.begin("load");
    BELAY_TRY(load(server->client(), back.dump));
  }
  watch.begin("recover");
  BELAY_TRY_ASSIGN(const auto newest, recover(server->client(), files, wanted, parent));
  watch.begin("stop");
  BELAY_TRY(server->stop());
  watch.end();
  now.say("recovered by binary logs to " + to_iso8601(*wanted.until) +
          (newest ? "; newest change at " + to_iso8601(*newest) : "; no change in between"));
  return {};
}

Status start_again(Restoring& now, Stopwatch& watch) {
  if (now.unit.empty()) {
    now.say("start the server");
    return {};
  }
  watch.begin("start");
  for (const auto& socket : now.sockets)
    if (const auto listens = order_unit(now.host, now.job, "start", socket); !listens.ok())
      now.say("start " + socket + " by hand: " + listens.error().chain());
  BELAY_TRY(order_unit(now.host, now.job, "start", now.unit));
  const auto give_up = now.host.clock.monotonic() + kAnswerPatience;
  while (!answers(now.host, now.job, now.option_file)) {
    if (now.host.clock.monotonic() >= give_up)
      return Error(Code::timed_out, "the service " + now.unit + " was started and does not answer; see its log",
                   "source-down");
    std::this_thread::sleep_for(kLookAgain);
  }
  watch.end();
  now.say("the service " + now.unit + " was started, and answers");
  return {};
}

// Its sockets first: they would start it anew.
Status stop_service(Restoring& now) {
  for (const auto& socket : now.sockets) BELAY_TRY(order_unit(now.host, now.job, "stop", socket));
  BELAY_TRY(order_unit(now.host, now.job, "stop", now.unit));
  if (answers(now.host, now.job, now.option_file))
    return Error(Code::conflict, "the service " + now.unit + " was stopped, and still answers", "server-running");
  now.say("the service " + now.unit + " was stopped");
  return {};
}

// Stopped, replaced, started. `aside` becomes the name of what was there, once it is elsewhere.
Status replace_and_start(Restoring& now, const std::string& built, std::string& aside, Stopwatch& watch) {
  if (now.job.restore->in_place && now.is_up) {
    watch.begin("stop");
    BELAY_TRY(stop_service(now));
  }
  watch.end();
  BELAY_TRY_ASSIGN(aside, put_in_place(now.host, now.job, built, now.target, now.job.restore->over, now.label));
  now.say("restored to " + now.target + (aside.empty() ? "" : "; what was there is now " + aside));
  return now.job.restore->in_place ? start_again(now, watch) : Status();
}

// The server as it was before; what was restored is kept for a look.
Status take_back(Restoring& now, const std::string& aside, const Error& why, Stopwatch& watch) {
  now.say("it failed: " + why.chain());
  if (!now.unit.empty() && !aside.empty()) BELAY_TRY(stop_service(now));
  if (!aside.empty()) {
    BELAY_TRY_ASSIGN(const auto restored,
                     put_in_place(now.host, now.job, aside, now.target, true, now.label + ".failed"));
    now.say(now.target + " is what it was before; what was restored is now " + restored);
  }
  if (now.is_up || now.was_stopped_for_it) BELAY_TRY(start_again(now, watch));
  BELAY_TRY(remove_restore_note(now.host, now.job));
  return why.within("the restore in place failed, and the server was put back as it was");
}

Status check_room(const Restoring& now) {
  const auto above = parent_of(now.target);
  const auto needed = bytes_to_restore(now.members);
  BELAY_TRY_ASSIGN(const auto space, now.host.files.space(above.empty() ? "/" : above));
  if (space.bytes_free >= needed) return {};
  return Error(Code::resource_exhausted,
               "the restore needs " + std::to_string(needed >> 20) + " MiB beside " + now.target + ", and " +
                   std::to_string(space.bytes_free >> 20) + " MiB are free",
               "no-room");
}

// Of an earlier restore that was killed: which service it had stopped, and what it had put where.
void read_earlier(Restoring& now) {
  const auto note = read_restore_note(now.host, now.job);
  for (const auto& line : note.said) now.say("an earlier restore was cut off: " + line);
  if (!now.job.restore->in_place || !now.unit.empty() || note.unit.empty()) return;
  now.unit = note.unit;
  now.sockets = note.sockets;
  now.was_stopped_for_it = true;
}

Result<BroughtBack> build(Restoring& now, const std::string& parent, Stopwatch& watch) {
  BELAY_TRY_ASSIGN(auto back, bring_back(now.host, now.job, **now.repository, now.members, parent, watch));
  if (const auto& inside = back.prepared.inside; !inside.empty())
    now.say("tables that lay outside (DATA DIRECTORY) are inside of " + now.target + " now: " + join(inside, ", "));
  if (now.job.restore->time) BELAY_TRY(recover_until(now, back, parent, watch));
  for (const char* name : {"backup-my.cnf", "drill.pid", "drill.sock"})
    BELAY_TRY(now.host.files.remove(back.prepared.directory + "/" + name));
  return back;
}

Status restore_now(Restoring& now) {
  const auto& job = now.job;
  const auto& host = now.host;
  Stopwatch watch(host.clock, now.report);
  now.label = label_of(host.clock.now(), backup::BackupType::full);
  read_earlier(now);
  BELAY_TRY(check_room(now));
  // On the same file system, so that it can take the place at once.
  BELAY_TRY_ASSIGN(const auto parent, make_building_place(host, job, now.target, now.label, now.report));
  const auto back = build(now, parent, watch);
  if (!back.ok()) {
    static_cast<void>(host.files.remove_tree(parent));  // nothing of what is live was ever in it
    return back.error();
  }
  if (now.is_up) now.sockets = sockets_of(host, job, now.unit);
  BELAY_TRY(write_restore_note(host, job,
                               {now.unit,
                                now.sockets,
                                {"what was in " + now.target + " is " + put_aside_name(now.target, now.label) +
                                 " where the restore came so far, else still in its place"}}));
  std::string aside;
  const auto done = replace_and_start(now, back->prepared.directory, aside, watch);
  watch.end();
  if (!done.ok()) return take_back(now, aside, done.error(), watch);
  BELAY_TRY(remove_restore_note(host, job));
  BELAY_TRY(host.files.remove_tree(parent));
  if (!aside.empty()) now.report.put_aside = {aside};
  if (job.restore->in_place) now.say("its binary logs begin anew: make a full backup");
  return {};
}

void preview(Restoring& now) {
  for (const auto* member : now.members) now.say("fetch " + tag_of(*member, "point"));
  now.say("needs up to " + std::to_string(bytes_to_restore(now.members) >> 20) + " MiB beside " + now.target);
  if (now.job.restore->time) now.say("recover by binary logs to " + to_iso8601(*now.job.restore->time));
  if (!now.unit.empty()) now.say("stop and start the service " + now.unit);
  now.report.bytes = to_number(tag_of(*now.members.back(), "bytes")).value_or(0);
}

}  // namespace

Status check_time(const backup::Job& job, const Stored& point) {
  const auto wanted = job.restore && job.restore->time ? job.restore->time : job.target;
  const auto taken = point_of(point).taken_at;
  if (!wanted || *wanted >= taken) return {};
  return Error(Code::invalid_argument,
               to_iso8601(*wanted) + " is before the point was taken, " + to_iso8601(taken) + "; choose an older point",
               "before-the-point");
}

Status check_dump(const std::string& file) {
  BELAY_TRY_ASSIGN(const auto mapped, io::MappedFile::open(file));
  const auto text = mapped.text();
  constexpr std::size_t kTail = 4096;
  if (is_dump_complete(text.substr(text.size() - std::min(text.size(), kTail)))) return {};
  return Error(Code::corrupt, "the dump is not complete: its last line is not \"-- Dump completed\"", "dump-cut");
}

Result<std::string> fetch_dump(const BackupHost& host, Repository& repository, const Stored& point,
                               const std::string& directory, Stopwatch& watch) {
  watch.begin("fetch");
  BELAY_TRY(host.files.make_directories(directory, 0755));
  BELAY_TRY_ASSIGN(const auto got, repository.restore(point.snapshot_id, directory));
  static_cast<void>(got);
  watch.end();
  const auto dump = directory + "/" + kDumpFile;
  BELAY_TRY(check_dump(dump));
  return dump;
}

Result<BroughtBack> bring_back(const BackupHost& host, const backup::Job& job, Repository& repository,
                               const std::vector<const Stored*>& members, const std::string& parent, Stopwatch& watch) {
  BroughtBack back;
  if (job.source.engine == backup::EngineName::mariadb_backup) {
    BELAY_TRY_ASSIGN(back.prepared, fetch_and_prepare(host, job, repository, members, parent, watch));
    return back;
  }
  const auto place = parent + "/dump";
  BELAY_TRY_ASSIGN(back.dump, fetch_dump(host, repository, *members.back(), place, watch));
  BELAY_TRY_ASSIGN(back.prepared.about, host.files.read(place + "/" + kAboutFile, kAboutBytesMax));
  back.prepared.at = read_position(value_of(back.prepared.about, "from"));
  back.prepared.directory = parent + "/data";
  watch.begin("prepare");
  BELAY_TRY_ASSIGN(const auto owner, system_user(host, server_user(job)));
  BELAY_TRY(give_to(host, owner, parent));
  BELAY_TRY(make_data_directory(host, job, back.prepared.directory));
  watch.end();
  return back;
}

Status check_target(const BackupHost& host, const std::string& target, bool over) {
  const auto there = host.files.list(target);
  if (!there.ok() && there.error().code() == Code::not_found) return {};
  if (!there.ok()) return there.error();
  if (there->empty() || over) return {};
  return Error(Code::conflict, target + " is not empty; name another place, or order it to be replaced",
               "target-not-empty");
}

std::string put_aside_name(const std::string& target, std::string_view label) {
  return target + ".before-" + std::string(label);
}

Result<std::string> make_building_place(const BackupHost& host, const backup::Job& job, const std::string& target,
                                        std::string_view label, backup::JobReport& report) {
  auto place = target + ".belay-new";
  if (host.files.info(place).ok()) {
    const auto left = target + ".left-" + std::string(label);
    BELAY_TRY(move_to(host, job, place, left));
    report.output += "what a restore that was cut off left in " + place + " is now " + left +
                     ": look at it, and delete it when nothing in it is needed\n";
  }
  BELAY_TRY(host.files.make_directories(place, 0755));
  return place;
}

namespace {

// Where a disk cannot exchange them: one after the other, and back where the second one fails.
Status move_both(const BackupHost& host, const backup::Job& job, const std::string& built, const std::string& target,
                 const std::string& aside) {
  BELAY_TRY(move_to(host, job, target, aside));
  const auto placed = move_to(host, job, built, target);
  if (placed.ok()) return {};
  if (!host.files.info(target).ok()) BELAY_TRY(move_to(host, job, aside, target));
  return placed;
}

}  // namespace

Result<std::string> put_in_place(const BackupHost& host, const backup::Job& job, const std::string& built,
                                 const std::string& target, bool over, std::string_view label) {
  BELAY_TRY(check_target(host, target, over));
  const auto there = host.files.list(target);
  if (there.ok() && there->empty()) BELAY_TRY(host.files.remove_tree(target));
  if (!there.ok() || there->empty()) {
    BELAY_TRY(move_to(host, job, built, target));
    return std::string();
  }
  // Under the last name first, so that the exchange is all that ever happens to what is live: at each moment it lies
  // in its place, or under the name that is told.
  auto aside = put_aside_name(target, label);
  BELAY_TRY(move_to(host, job, built, aside));
  const auto swapped = host.files.exchange_durable(aside, target);
  if (swapped.ok()) return aside;
  BELAY_TRY(move_to(host, job, aside, built));
  if (swapped.error().reason() != "cross-device") return swapped.error();
  BELAY_TRY(move_both(host, job, built, target, aside));
  return aside;
}

Status archive_newest(const BackupHost& host, const backup::Job& job, const std::string& option_file,
                      Repository& repository, std::vector<Stored>& all) {
  BELAY_TRY_ASSIGN(const auto source, open_source(host, job, option_file));
  auto archived = load_archived(host, job.plan_id, all);
  BELAY_TRY_ASSIGN(const auto server, flush_logs(source));
  if (archived.last == 0 || is_another_sequence(archived, server)) return {};
  std::vector<std::string> remarks;
  BELAY_TRY(archive_logs(source, repository, {}, archived, remarks));
  BELAY_TRY_ASSIGN(all, repository.snapshots());
  return {};
}

backup::JobReport restore_server(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                                 const std::string& option_file) {
  JobReport report;
  Restoring now{host, job, option_file, report, {}, {}, {}, {}, {}, {}, false};
  auto done = look(now, secrets);
  if (done.ok() && job.restore->preview) preview(now);
  else if (done.ok()) done = restore_now(now);
  if (!done.ok()) {
    auto said = failed(backup::Task::restore, done.error());
    said.output = report.output;
    said.phases = report.phases;
    said.put_aside = report.put_aside;
    return said;
  }
  report.task = backup::Task::restore;
  report.outcome = JobOutcome::ok;
  if (!job.restore->preview) {
    report.time_to_restore = time_to_restore(report);
    report.restored_to = job.restore->time ? *job.restore->time : point_of(*now.members.back()).taken_at;
    report.bytes = to_number(tag_of(*now.members.back(), "bytes")).value_or(0);
  }
  return report;
}

}  // namespace belay::agent::backups::mariadb
