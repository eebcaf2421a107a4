#include <algorithm>
#include <thread>

#include "agent/backup/pg_control.hpp"
#include "agent/backup/pg_drill.hpp"
#include "agent/backup/pgbackrest.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::pgbackrest {
namespace {

using backup::JobReport;
using backup::ProofLevel;

constexpr Duration kLook{200};
constexpr int kLooksWithout = 25;
constexpr std::size_t kConfigBytesMax = 256 << 10;

// The node's configuration serves archive-push of the live server: its directory stays what it is.
std::string directory_in_config(const BackupHost& host, const std::string& path) {
  const auto text = host.files.read(path, kConfigBytesMax);
  if (text.ok())
    for (const auto line : split(*text, '\n'))
      if (line.starts_with("pg1-path=")) return std::string(line.substr(9));
  return {};
}

std::string parent_of(const std::string& path) { return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)); }

class Restore {
 public:
  Restore(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, JobReport& report)
      : host_(host), places_(places), job_(job), to_(*job.restore), report_(report), watch_(host.clock, report) {}

  Status run(const Secrets& secrets) {
    BELAY_TRY_ASSIGN(const auto node_config, node_config_path(places_, job_));
    live_ = job_.source.data_directory;
    if (live_.empty()) live_ = directory_in_config(host_, node_config);
    data_ = to_.in_place ? live_ : to_.path;
    while (data_.size() > 1 && data_.ends_with('/')) data_.pop_back();
    if (data_.size() < 2 || data_.front() != '/')
      return Error(Code::invalid_argument,
                   to_.in_place ? "which data directory the server has is not known: the plan may name it "
                                  "(source.data_directory)"
                                : "a restore of a database needs an absolute directory, not \"" + to_.path + "\"");
    const auto& reference = job_.points.front().reference;
    Session::Wants wants;
    std::optional<FetchedCopy> fetched;
    if (copied_snapshot(reference)) {
      BELAY_TRY_ASSIGN(auto copy, fetch_copy(host_, job_, secrets, report_));
      fetched.emplace(std::move(copy));
      wants.repository = fetched->repository;
      wants.key = fetched->key;
      is_self_contained_ = true;
    } else if (is_elsewhere(job_)) {
      // With the key of another node: for this job alone, so that nothing here needs it afterwards.
      wants.data_directory = data_;
      wants.spool = host_.work_directory + "/pgbackrest";
      is_self_contained_ = true;
    } else {
      wants.whom = Session::For::node;
      wants.data_directory = live_.empty() ? data_ : live_;
    }
    BELAY_TRY_ASSIGN(const auto session, Session::open(host_, places_, job_, secrets, std::move(wants)));
    BELAY_TRY_ASSIGN(const auto info, session.info());
    const auto* made = info.find(label_of(reference));
    if (!made) return Error(Code::not_found, "the repository does not list " + label_of(reference), "no-point");
    return restore(session, info, *made);
  }

 private:
  Status restore(const Session& session, const Info& info, const Made& made) {
    const auto noted =
        job_.points.front().position.empty() ? annotation(made, "belay-point") : job_.points.front().position;
    const auto position = parse_position(noted);
    if (!position && !to_.time)
      return Error(Code::conflict, "the point " + made.label + " has no restore point: name a time to restore to",
                   "no-target");
    if (to_.time && *to_.time < made.ended_at)
      return Error(Code::not_found,
                   "the backup " + made.label + " ended at " + to_iso8601(made.ended_at) + ", after " +
                       to_iso8601(*to_.time) + ": take an older point for that time",
                   "target-before-point");
    const auto chain =
        check_chain(report_, session, info, made, position, segment_bytes_of(made), to_.time.has_value());
    for (const auto& remark : chain.remarks) report_.output += remark + "\n";
    if (!holds_so_far(report_)) return {};
    const auto wal_bytes = is_self_contained_ ? chain.wal.size() * segment_bytes_of(made) : 0;
    BELAY_TRY(check_place(made, made.bytes + made.bytes / 20 + wal_bytes));
    const std::string target = to_.time ? "the time " + to_iso8601(*to_.time) : "its restore point " + position->name;
    report_.bytes = made.bytes;
    if (to_.preview) {
      say("would restore " + made.label + " (" + std::to_string(made.bytes >> 20) + " MiB, chain of " +
          std::to_string(chain.labels.size()) + ", " + std::to_string(chain.wal.size()) + " WAL segments) to " + data_ +
          ", up to " + target);
      if (to_.in_place) say("would stop the server, put " + data_ + " aside as " + aside() + ", and start it again");
      return {};
    }
    return to_.in_place ? in_place(session, made, chain, position.value_or(Position{}))
                        : beside(session, made, chain, position.value_or(Position{}));
  }

  std::string aside() const { return data_ + ".before-" + job_.job_id; }
  void say(const std::string& line) { report_.output += line + "\n"; }

  Status check_place(const Made& made, std::uint64_t bytes) {
    const auto space = host_.files.space(parent_of(data_));
    if (!space.ok()) return space.error().within("the room for " + data_ + " is not known");
    if (space->bytes_free < bytes)
      return Error(Code::resource_exhausted,
                   parent_of(data_) + " has " + std::to_string(space->bytes_free >> 20) + " MiB free, and " +
                       made.label + " needs " + std::to_string(bytes >> 20) + " MiB beside what is there",
                   "no-room");
    const auto tablespaces = host_.files.list(data_ + "/pg_tblspc");
    if (to_.in_place && tablespaces.ok() && !tablespaces->empty())
      return Error(Code::unsupported,
                   "the server has tablespaces outside of " + data_ +
                       ": it is not restored in place. Restore to a directory beside, and move it by hand",
                   "has-tablespaces");
    if (to_.in_place) return {};
    if (postmaster_of(host_, data_) != 0)
      return Error(Code::conflict, "a server runs on " + data_ + ": stop it, or restore in place", "server-runs");
    const auto there = host_.files.list(data_);
    if (there.ok() && !there->empty() && !to_.over)
      return Error(Code::conflict,
                   data_ +
                       " is not empty: name an empty directory, or ask for what is there to be put "
                       "aside",
                   "target-not-empty");
    return {};
  }

  Status make_data_directory(const Session& session) {
    BELAY_TRY(host_.files.make_directories(parent_of(data_), 0755));
    BELAY_TRY(host_.files.make_directories(data_, 0700));
    return give_to(host_, session.user(), data_);
  }

  Status run_restore(const Session& session, const Made& made, const Chain& chain, const Position& position) {
    BELAY_TRY(make_data_directory(session));
    std::vector<std::string> arguments{"restore", "--set=" + made.label, "--pg1-path=" + data_,
                                       "--log-level-console=detail"};
    if (!to_.in_place) {
      arguments.emplace_back("--archive-mode=off");  // it must not push into the archive of the server it came from
      arguments.push_back("--tablespace-map-all=" + data_ + ".tablespaces");
      BELAY_TRY(host_.files.make_directories(data_ + ".tablespaces", 0700));
      BELAY_TRY(give_to(host_, session.user(), data_ + ".tablespaces"));
    }
    for (auto& option : target_options(to_.time, position)) arguments.push_back(std::move(option));
    // What opens the repository is gone after this job: the WAL goes into the directory itself.
    if (is_self_contained_) arguments.emplace_back("--recovery-option=restore_command=false");
    const auto restored =
        session.run(std::move(arguments), job_.limits.timeout, progress_sink(host_, "restore", made.bytes));
    if (!restored.ok()) return restored.error();
    if (is_self_contained_) {
      const auto last = to_.time ? std::string() : wal_name(1, position.lsn, segment_bytes_of(made));
      BELAY_TRY(fetch_wal(session, chain, made, last, data_, data_ + "/pg_wal"));
    }
    if (!to_.in_place)
      if (const auto spaces = host_.files.list(data_ + ".tablespaces"); spaces.ok() && spaces->empty())
        static_cast<void>(host_.files.remove_tree(data_ + ".tablespaces"));
    return {};
  }

  Status beside(const Session& session, const Made& made, const Chain& chain, const Position& position) {
    if (const auto there = host_.files.list(data_); there.ok() && !there->empty()) {
      BELAY_TRY(move_to(host_, job_, data_, aside()));
      say("what was in " + data_ + " is now " + aside());
      report_.put_aside = {aside()};
    }
    watch_.begin("restore");
    const auto begun = host_.clock.monotonic();
    BELAY_TRY(run_restore(session, made, chain, position));
    watch_.end();
    report_.time_to_restore = host_.clock.monotonic() - begun;  // of the files: it is not started here
    report_.restored_to = to_.time.value_or(job_.points.front().taken_at);
    pass(report_, ProofLevel::P3, "restored", made.label + " to " + data_);
    say("start it with archive_mode off, as it is, on a port of its own: it recovers to its target and is promoted. "
        "Where the configuration of the server lies apart (Debian: /etc/postgresql), name it: -c config_file=…");
    return {};
  }

  Status in_place(const Session& session, const Made& made, const Chain& chain, const Position& position) {
    const auto begun = host_.clock.monotonic();
    BELAY_TRY(heal());
    BELAY_TRY_ASSIGN(const auto major, major_of(host_, data_));
    const auto programs = pg_programs(host_, static_cast<std::uint32_t>(std::strtoul(major.c_str(), nullptr, 10)));
    BELAY_TRY_ASSIGN(const auto control, PgControl::of(host_, job_, session.user_name(), programs, data_, unit_noted_));
    BELAY_TRY(must_be_movable());
    watch_.begin("stop");
    BELAY_TRY(host_.files.write_durable(restore_note(host_, job_), control.unit() + "\n" + aside() + "\n", 0600));
    if (const auto stopped = control.stop(); !stopped.ok()) return start_again(control, stopped.error());
    say("stopped the server: " + control.told());
    if (const auto moved = move_to(host_, job_, data_, aside()); !moved.ok())
      return start_again(control, moved.error());
    say("what was in " + data_ + " is now " + aside());
    report_.put_aside = {aside()};
    watch_.begin("restore");
    auto done = run_restore(session, made, chain, position);
    if (done.ok()) {
      watch_.begin("recover");
      done = control.start();
      if (done.ok()) done = wait_for(control);
    }
    watch_.end();
    if (done.ok()) {
      report_.time_to_restore = host_.clock.monotonic() - begun;
      pass(report_, ProofLevel::P3, "restored", made.label + " in place, the server is out of recovery and answers");
      BELAY_TRY(host_.files.remove(restore_note(host_, job_)));
      say("once everything is as it should be, " + aside() +
          " may be deleted; make a full backup soon, the server is "
          "on a new timeline");
      return {};
    }
    return take_back(control, done.error());
  }

  // A restore in place that was killed in the middle: pgBackRest writes global/pg_control last, so where it is missing
  // nothing is usable there, and what was put aside comes back first.
  Status heal() {
    const auto note = host_.files.read(restore_note(host_, job_), kConfigBytesMax);
    if (!note.ok()) return {};
    const auto lines = split(*note, '\n');
    unit_noted_ = std::string(lines.front());
    const std::string before(lines.size() > 1 ? lines[1] : std::string_view());
    if (before.empty() || !host_.files.info(before).ok()) return {};
    if (host_.files.info(data_ + "/global/pg_control").ok()) return {};
    if (host_.files.info(data_).ok()) BELAY_TRY(host_.files.remove_tree(data_));
    BELAY_TRY(move_to(host_, job_, before, data_));
    say("an earlier restore was cut off; what was there before it is back in " + data_);
    return {};
  }

  Status wait_for(const PgControl& control) {
    const auto server = PgServer::of(host_, job_);
    const auto begun = host_.clock.monotonic();
    int looks_without = 0;  // in a row, at which there was no server
    while (host_.clock.monotonic() - begun < job_.limits.timeout) {
      const auto answer = server.ask("postgres", "select pg_is_in_recovery();");
      if (answer.ok() && *answer == "f") {
        const auto beat = server.newest_beat();
        report_.restored_to = beat.ok() ? *beat : to_.time.value_or(job_.points.front().taken_at);
        return {};
      }
      looks_without = control.is_running() ? 0 : looks_without + 1;
      if (looks_without > kLooksWithout)
        return Error(Code::conflict,
                     "the restored server ended before it was out of recovery: see its log. Most "
                     "likely the archive ends before the target",
                     "target-not-reached");
      if (host_.cancel && host_.cancel->load()) return Error(Code::cancelled, "stopped while the server recovered");
      std::this_thread::sleep_for(kLook);
    }
    return Error(Code::timed_out, "the restored server was not out of recovery in time");
  }

  // What is put aside is renamed, and nothing renames the root of a volume: asked before anything is stopped.
  Status must_be_movable() const {
    Call what;
    what.argv = {"mountpoint", "--quiet", "--", data_};
    what.timeout = Duration(10'000);
    BELAY_TRY_ASSIGN(const auto outcome, call(host_, job_, std::move(what)));
    if (!outcome.success()) return {};
    return Error(Code::unsupported,
                 data_ +
                     " is a volume of its own, which cannot be put aside by its name; nothing was stopped. Restore "
                     "beside it (--to a directory below another path), then stop the server and exchange what is in "
                     "them by hand",
                 "data-is-a-mount");
  }

  // Nothing was moved yet.
  Status start_again(const PgControl& control, const Error& why) {
    say("it failed: " + why.chain());
    BELAY_TRY(control.start().within("what is in " + data_ +
                                     " is as it was, and the server does not start: start it by hand"));
    BELAY_TRY(host_.files.remove(restore_note(host_, job_)));
    return why.within("nothing was restored; the server runs on what it had");
  }

  // The server as it was before; what was restored is kept for a look.
  Status take_back(const PgControl& control, const Error& why) {
    say("it failed: " + why.chain());
    const auto failed_restore = data_ + ".failed-" + job_.job_id;
    BELAY_TRY(control.stop());
    if (host_.files.info(data_).ok()) BELAY_TRY(move_to(host_, job_, data_, failed_restore));
    BELAY_TRY(move_to(host_, job_, aside(), data_));
    report_.put_aside.clear();
    BELAY_TRY(control.start());
    BELAY_TRY(host_.files.remove(restore_note(host_, job_)));
    say("the server runs again on what it had before; the failed restore is " + failed_restore);
    return why.within("the restore in place failed, and the server was put back as it was");
  }

  const BackupHost& host_;
  const PgBackRestPlaces& places_;
  const backup::Job& job_;
  const backup::RestoreTo& to_;
  JobReport& report_;
  Stopwatch watch_;
  std::string live_, data_, unit_noted_;
  bool is_self_contained_ = false;
};

}  // namespace

std::string restore_note(const BackupHost& host, const backup::Job& job) {
  return host.state_directory + "/pgbackrest-restore-" + job.plan_name;
}

Status restore(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
               JobReport& report) {
  if (job.points.empty() || !job.restore)
    return Error(Code::invalid_argument, "the job names no point to restore, or no place for it");
  return Restore(host, places, job, report).run(secrets);
}

}  // namespace belay::agent::backups::pgbackrest
