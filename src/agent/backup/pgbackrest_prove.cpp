#include <algorithm>

#include "agent/backup/pg_drill.hpp"
#include "agent/backup/pgbackrest.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::pgbackrest {
namespace {

using backup::JobReport;
using backup::ProofLevel;

constexpr std::uint64_t kRoomBeside = 512u << 20;  // the server's own files, sorts, what recovery writes
constexpr Duration kHeartbeatOld{120'000};
constexpr std::uint64_t kFetchedAheadMax = 256u << 20;  // of WAL, where restore_command reads the repository itself

// P2: every byte of the repository is read. A damaged backup of another chain does not count against this one, but is
// told; a damaged segment of WAL counts, whichever it is: it may be one that is needed.
void check_bytes(JobReport& report, const Session& session, const Chain& chain, const backup::Job& job) {
  const auto outcome = session.try_run({"verify", "--output=text", "--verbose", "--log-level-console=off",
                                        "--log-level-stderr=info", "--no-log-timestamp"},
                                       job.limits.timeout);
  if (!outcome.ok()) return fail(report, ProofLevel::P2, "pgbackrest verify", outcome.error());
  if (!outcome->success()) return fail(report, ProofLevel::P2, "pgbackrest verify", error_of(*outcome, "verify"));
  const auto verified = parse_verify(outcome->standard_output);
  if (!verified.ok()) return fail(report, ProofLevel::P2, "pgbackrest verify", verified.error().chain());
  for (const auto& label : chain.labels) {
    const auto* part = verified->backup(label);
    if (part && part->valid) pass(report, ProofLevel::P2, label, part->figures);
    else fail(report, ProofLevel::P2, label, part ? part->figures : "pgbackrest verify does not name it: it is gone");
  }
  for (const auto& archive : verified->archives)
    if (archive.valid) pass(report, ProofLevel::P2, "WAL " + archive.name, archive.figures);
    else fail(report, ProofLevel::P2, "WAL " + archive.name, archive.figures);
  bool named = false;
  for (const auto& other : verified->backups)
    if (!other.valid) {
      named = true;
      if (std::find(chain.labels.begin(), chain.labels.end(), other.name) == chain.labels.end())
        report.problems.push_back({.reason = fleet::Reason::other,
                                   .subject = other.name,
                                   .detail = "pgbackrest verify: " + other.figures,
                                   .next = "make a full backup, and expire this one",
                                   .blocks_judgement = false});
    }
  for (const auto& archive : verified->archives) named = named || !archive.valid;
  if (!verified->said_ok && !named) fail(report, ProofLevel::P2, "pgbackrest verify", "it says error, and not of what");
  if (!verified->said_ok) report.output += sanitize(outcome->standard_error, 4'000);
}

}  // namespace

Status fetch_wal(const Session& session, const Chain& chain, const Made& made, const std::string& target,
                 const std::string& data, const std::string& into) {
  auto names = wal_between(chain.wal, made.wal_start, target);
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    const auto got = session.run({"archive-get", "--pg1-path=" + data, name, into + "/" + name,
                                  "--log-level-console=warn", "--no-archive-async"});
    if (!got.ok()) return got.error().within("fetching the WAL segment " + name);
  }
  // How the timelines follow each other. Of the first there is no such file.
  std::string timeline;
  for (const auto& name : names) {
    if (name.compare(0, 8, timeline) == 0 || name.starts_with("00000001")) continue;
    timeline = name.substr(0, 8);
    const auto file = timeline + ".history";
    static_cast<void>(session.run({"archive-get", "--pg1-path=" + data, file, into + "/" + file,
                                   "--log-level-console=warn", "--no-archive-async"}));
  }
  return {};
}

std::vector<std::string> target_options(const std::optional<Instant>& time, const Position& position) {
  if (time) return {"--type=time", "--target=" + pg_time(*time), "--target-action=promote"};
  // Its own timeline: a branch that was left later is no concern of this point's.
  return {"--type=name", "--target=" + position.name, "--target-timeline=current", "--target-action=promote"};
}

namespace {

// All of one drill; parts are torn down in the reverse order.
class Drill {
 public:
  Drill(const BackupHost& host, const backup::Job& job, JobReport& report, const Session& session, const Made& made,
        const Chain& chain, Position position)
      : host_(host),
        job_(walled(job)),
        report_(report),
        session_(session),
        made_(made),
        chain_(chain),
        position_(std::move(position)),
        watch_(host.clock, report) {}

  Status run(const Scratch& scratch) {
    const auto begun = host_.clock.monotonic();
    BELAY_TRY(restore_into(scratch.path()));
    watch_.begin("recover");
    BELAY_TRY_ASSIGN(auto drill, PgDrill::start(host_, job_, place_));
    const auto recovered = drill.wait_until_recovered();
    if (!recovered.ok()) {
      fail(report_, ProofLevel::P3, "recovery", recovered.error());
      const auto log = drill.output();
      report_.output +=
          sanitize(std::string_view(log).substr(log.size() - std::min<std::size_t>(log.size(), 4'000)), 4'000);
      return {};
    }
    const auto server = drill.server();
    BELAY_TRY(server.ask("postgres", "select count(*) from pg_class;"));
    report_.time_to_restore = host_.clock.monotonic() - begun;
    pass(report_, ProofLevel::P3, "recovery", "ended at its target, the server is out of recovery and answers");
    watch_.begin("verify");
    look_at(server, drill);
    if (job_.level >= ProofLevel::P4 && holds_so_far(report_)) check_running(host_, report_, server);
    if (job_.level >= ProofLevel::P5 && holds_so_far(report_)) check_wishes(host_, job_, report_, drill, place_);
    if (job_.level >= ProofLevel::P4 && holds_so_far(report_)) check_stopped(host_, job_, report_, drill, place_);
    watch_.end();
    return {};
  }

 private:
  Status restore_into(const std::string& root) {
    place_.root = root;
    place_.data = root + "/data";
    place_.user = session_.user_name();
    place_.libraries = annotation(made_, "belay-libraries");
    std::vector<std::string> arguments{"restore",
                                       "--set=" + made_.label,
                                       "--pg1-path=" + place_.data,
                                       "--archive-mode=off",
                                       "--tablespace-map-all=" + root + "/tablespaces",
                                       "--log-level-console=detail"};
    for (auto& option : target_options(job_.target, position_)) arguments.push_back(std::move(option));
    for (const char* name : {"/data", "/tablespaces", "/wal"}) {
      BELAY_TRY(host_.files.make_directories(root + name, 0700));
      BELAY_TRY(give_to(host_, session_.user(), root + name));
    }
    // The walls of the drill shut a vault out that is no directory: its WAL is fetched before.
    const bool is_fetched = !session_.is_directory();
    if (is_fetched) arguments.push_back("--recovery-option=restore_command=cp \"" + root + "/wal/%f\" \"%p\"");
    else place_.shown = {session_.directory()};
    watch_.begin("restore");
    const auto restored =
        session_.run(std::move(arguments), job_.limits.timeout, progress_sink(host_, "restore", made_.bytes));
    if (!restored.ok()) return restored.error();
    report_.bytes = made_.bytes;
    if (is_fetched) {
      watch_.begin("fetch");
      BELAY_TRY(fetch_wal(session_, chain_, made_, last_segment(), place_.data, root + "/wal"));
    }
    BELAY_TRY_ASSIGN(const auto major, major_of(host_, place_.data));
    std::uint32_t number = 0;
    for (const char c : major)
      if (c >= '0' && c <= '9' && number < 1'000) number = number * 10 + static_cast<std::uint32_t>(c - '0');
    place_.programs = pg_programs(host_, number);
    if (place_.programs.empty())
      return Error(Code::not_found, "PostgreSQL " + major + " is not installed here; install postgresql-" + major,
                   "program-missing");
    pass(report_, ProofLevel::P3, "restored", made_.label + " into scratch, every file's checksum right");
    return {};
  }

  // Of the WAL that the target needs; of a time nobody knows.
  std::string last_segment() const {
    return job_.target ? std::string() : wal_name(1, position_.lsn, segment_bytes_of(made_));
  }

  // The target was reached, else recovery would have ended with an error: so everything up to it is there. Of an idle
  // server the newest transaction is old all the same; the heartbeat tells more exactly, where there is one.
  void look_at(const PgServer& server, const PgDrill& drill) {
    const auto& point = job_.points.front();
    const auto beat = server.newest_beat();
    const auto last = last_transaction_in(drill.output());
    report_.restored_to = beat.ok() ? *beat : job_.target.value_or(point.taken_at);
    if (!job_.target) return compare_with_point(report_, server, point);
    // Of another moment than the point's nothing was counted.
    const auto seen = to_iso8601(beat.ok() ? *beat : last.value_or(*job_.target));
    if (beat.ok() && *beat > *job_.target)
      fail(report_, ProofLevel::P3, "target", "there is a heartbeat of " + seen + ", behind the target");
    else if (beat.ok() && *beat < point.taken_at - kHeartbeatOld)
      fail(report_, ProofLevel::P3, "target", "the newest heartbeat is of " + seen + ", before the point itself");
    else
      pass(report_, ProofLevel::P3, "target",
           "recovered to " + to_iso8601(*job_.target) + ", the newest change is of " + seen);
  }

  const BackupHost& host_;
  const backup::Job job_;
  JobReport& report_;
  const Session& session_;
  const Made& made_;
  const Chain& chain_;
  const Position position_;
  PgDrillPlace place_;
  Stopwatch watch_;
};

Status prove_with(const BackupHost& host, const backup::Job& job, JobReport& report, const Session& session,
                  const std::string& label) {
  BELAY_TRY_ASSIGN(const auto info, session.info());
  const auto* made = info.find(label);
  if (!made) {
    fail(report, ProofLevel::P0, label, "the repository does not list it");
    return {};
  }
  const auto noted =
      job.points.front().position.empty() ? annotation(*made, "belay-point") : job.points.front().position;
  const auto position = parse_position(noted);
  const auto segment_bytes = segment_bytes_of(*made);
  const auto chain = check_chain(report, session, info, *made, position, segment_bytes, job.target.has_value());
  for (const auto& remark : chain.remarks) report.output += remark + "\n";
  if (!position && !job.target && job.level >= ProofLevel::P3)
    return Error(Code::conflict,
                 "the point " + label +
                     " has no restore point, and the drill no time: nothing to recover to. Name a "
                     "time, or make a new backup",
                 "no-target");
  if (job.level >= ProofLevel::P2 && holds_so_far(report)) check_bytes(report, session, chain, job);
  if (job.level < ProofLevel::P3 || !holds_so_far(report)) return {};
  const auto wal_room = chain.wal.size() * segment_bytes;
  const auto needed =
      made->bytes + made->bytes / 10 + kRoomBeside + (session.is_directory() ? kFetchedAheadMax : wal_room);
  BELAY_TRY_ASSIGN(const auto scratch, Scratch::make(host, job, needed, session.user_name()));
  return Drill(host, job, report, session, *made, chain, position.value_or(Position{})).run(scratch);
}

}  // namespace

Status prove(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
             JobReport& report) {
  if (job.points.empty()) return Error(Code::invalid_argument, "the job names no point to prove");
  const auto& reference = job.points.front().reference;
  Session::Wants wants;
  wants.archive_get_bytes_max = kFetchedAheadMax;
  wants.spool = host.work_directory + "/pgbackrest";
  if (copied_snapshot(reference)) {
    BELAY_TRY_ASSIGN(const auto fetched, fetch_copy(host, job, secrets, report));
    wants.repository = fetched.repository;
    wants.key = fetched.key;
    BELAY_TRY_ASSIGN(const auto session, Session::open(host, places, job, secrets, std::move(wants)));
    return prove_with(host, job, report, session, label_of(reference));
  }
  BELAY_TRY_ASSIGN(const auto session, Session::open(host, places, job, secrets, std::move(wants)));
  return prove_with(host, job, report, session, label_of(reference));
}

}  // namespace belay::agent::backups::pgbackrest
