// The ladder, of both engines.
#include "agent/backup/mariadb_restore.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

using backup::JobOutcome;
using backup::JobReport;
using backup::ProofLevel;

class Drill {
 public:
  Drill(const BackupHost& host, const backup::Job& job, const Secrets& secrets, const std::string& option_file)
      : host_(host), job_(job), secrets_(secrets), option_file_(option_file) {}
  JobReport run();

 private:
  Status lower_rungs();
  Status check_repository(bool read_data, const char* seen);
  Status upper_rungs();
  Status climb_with(const DrilledServer& server, const BroughtBack& back, const std::string& scratch);
  Status recover_to(const DrilledServer& server, const LogsWanted& wanted, const std::string& scratch);
  void measure(const DrilledServer& server);
  bool wants(ProofLevel level) const { return job_.level >= level; }
  bool has_failed() const { return report_.outcome == JobOutcome::failed; }

  const BackupHost& host_;
  const backup::Job& job_;
  const Secrets& secrets_;
  const std::string& option_file_;
  JobReport report_;
  Stopwatch watch_{host_.clock, report_};
  ProofLevel rung_ = ProofLevel::P0;
  std::optional<OpenRepository> repository_;
  std::vector<Stored> all_;
  std::vector<const Stored*> members_;
  Instant restored_to_{};
};

// What is damaged may be another point's: then this one is read for itself.
Status Drill::check_repository(bool read_data, const char* seen) {
  const auto whole = (*repository_)->check(read_data);
  if (!whole.ok() && whole.error().reason() != "repository-damaged") return whole;
  if (whole.ok()) {
    pass(report_, rung_, "repository", seen);
    return {};
  }
  BELAY_TRY_ASSIGN(const auto ids, ids_of(all_, {point_of(*members_.back())}));
  BELAY_TRY_ASSIGN(const auto scratch, Scratch::make(host_, job_, bytes_to_restore(members_)));
  for (const auto& id : ids) {
    const auto place = scratch.path() + "/" + id;
    BELAY_TRY(host_.files.make_directories(place, 0700));
    const auto read = (*repository_)->restore(id, place);
    if (!read.ok())
      return Error(Code::corrupt, whole.error().message() + "; " + read.error().chain(), "repository-damaged");
    BELAY_TRY(host_.files.remove_tree(place));
  }
  pass(report_, rung_, "point",
       "every byte of it was read; the repository has damage elsewhere: delete the points that are damaged");
  return {};
}

Status Drill::lower_rungs() {
  if (job_.points.empty()) return Error(Code::invalid_argument, "the job names no point to drill");
  BELAY_TRY_ASSIGN(auto opened, OpenRepository::open(host_, job_, job_.vault, secrets_, {}, false));
  repository_.emplace(std::move(opened));
  BELAY_TRY_ASSIGN(all_, (*repository_)->snapshots());
  BELAY_TRY_ASSIGN(members_, members_of(all_, job_.points.front().reference));
  pass(report_, ProofLevel::P0, "point", std::to_string(members_.size()) + " snapshots, all there");
  if (!wants(ProofLevel::P1)) return {};
  rung_ = ProofLevel::P1;
  watch_.begin("check");
  if (job_.source.engine == backup::EngineName::mariadb_backup) check_members(members_, report_);
  BELAY_TRY(check_repository(false, "its index and its trees are sound"));
  if (!wants(ProofLevel::P2)) return {};
  rung_ = ProofLevel::P2;
  BELAY_TRY(check_repository(true, "every byte was read, and is what was written"));
  watch_.end();
  return {};
}

Status Drill::recover_to(const DrilledServer& server, const LogsWanted& wanted, const std::string& scratch) {
  const auto aim = wanted.to ? text_of(*wanted.to) : to_iso8601(*wanted.until);
  const auto directory = scratch + "/logs";
  watch_.begin("fetch");
  BELAY_TRY_ASSIGN(const auto files, fetch_logs(host_, **repository_, all_, wanted, directory));
  watch_.begin("recover");
  BELAY_TRY_ASSIGN(const auto newest, recover(server.client(), files, wanted, scratch));
  watch_.end();
  pass(report_, ProofLevel::P3, "recovered by binary logs",
       "from " + text_of(wanted.from) + " to " + aim +
           (newest ? ", newest change at " + to_iso8601(*newest) : std::string(", no change in between")));
  return host_.files.remove_tree(directory);
}

void Drill::measure(const DrilledServer& server) {
  pass(report_, ProofLevel::P5, "time to restore", humanize(*report_.time_to_restore));
  if (job_.source.heartbeat.empty()) return;
  const auto beat = newest_beat(server.client(), job_.source.heartbeat);
  if (!beat.ok()) return fail(report_, ProofLevel::P5, "heartbeat", beat.error());
  if (!*beat) return fail(report_, ProofLevel::P5, "heartbeat", "there is none in " + job_.source.heartbeat);
  const auto lost = *report_.restored_to - **beat;
  pass(report_, ProofLevel::P5, "heartbeat",
       "newest at " + to_iso8601(**beat) +
           (lost > Duration(0) ? ", " + humanize(lost) + " before the moment restored" : ""));
}

Status Drill::climb_with(const DrilledServer& server, const BroughtBack& back, const std::string& scratch) {
  const auto& point = job_.points.front();
  auto at = back.prepared.at;
  const auto epoch = tag_of(*members_.back(), "epoch");
  const auto marker = read_position(value_of(back.prepared.about, "marker"));
  const auto counted_at = from_unix_ms(static_cast<std::int64_t>(number_of(back.prepared.about, "marker_at")));
  // What was done between the copy and the count.
  if (!marker.file.empty() && !at.file.empty() && (marker.file != at.file || marker.offset != at.offset)) {
    BELAY_TRY(recover_to(server, {epoch, at, marker, std::nullopt}, scratch));
    at = marker;
  }
  compare_content(server.client(), job_.source.databases, point, report_);
  restored_to_ = point.taken_at;
  if (at == marker && !marker.file.empty()) restored_to_ = counted_at;
  if (job_.target && *job_.target > restored_to_) {
    if (at.file.empty())
      return Error(Code::unsupported,
                   "the point has no position in binary logs: no point in time can be recovered from it",
                   "logs-too-short");
    BELAY_TRY(recover_to(server, {epoch, at, std::nullopt, *job_.target}, scratch));
    restored_to_ = *job_.target;
  }
  report_.time_to_restore = time_to_restore(report_);
  report_.restored_to = restored_to_;
  if (has_failed() || !wants(ProofLevel::P4)) return {};
  rung_ = ProofLevel::P4;
  pass(report_, ProofLevel::P4, "server", "started in isolation on what was restored, and answers");
  watch_.begin("verify");
  check_tables(server.client(), report_);
  watch_.end();
  if (has_failed() || !wants(ProofLevel::P5)) return {};
  rung_ = ProofLevel::P5;
  ask_operators_checks(server, job_, back.prepared.directory, report_);
  measure(server);
  return {};
}

Status Drill::upper_rungs() {
  rung_ = ProofLevel::P3;
  BELAY_TRY(check_time(job_, *members_.back()));
  BELAY_TRY_ASSIGN(const auto scratch, Scratch::make(host_, job_, bytes_to_restore(members_), server_user(job_)));
  BELAY_TRY_ASSIGN(const auto back, bring_back(host_, job_, **repository_, members_, scratch.path(), watch_));
  if (back.dump.empty()) {
    pass(report_, ProofLevel::P3, "prepared", std::to_string(members_.size()) + " sets, each \"completed OK!\"");
    watch_.begin("verify");
    check_pages(host_, job_, back.prepared.directory, report_);
    if (has_failed()) return {};
  }
  watch_.begin("start");
  BELAY_TRY_ASSIGN(const auto server,
                   DrilledServer::start(host_, job_, option_file_, back.prepared.directory, back.prepared.about));
  if (!back.dump.empty()) {
    watch_.begin("load");
    BELAY_TRY(load(server->client(), back.dump));
    pass(report_, ProofLevel::P3, "loaded", "complete by its last line, and loaded without an error");
  }
  watch_.end();
  return climb_with(*server, back, scratch.path());
}

JobReport Drill::run() {
  report_.task = backup::Task::prove;
  report_.outcome = JobOutcome::ok;
  auto done = lower_rungs();
  if (done.ok() && !has_failed() && wants(ProofLevel::P3)) done = upper_rungs();
  watch_.end();
  if (!done.ok()) {
    fail(report_, rung_, done.error().reason().empty() ? "drill" : done.error().reason(), done.error());
    auto said = failed(report_.task, done.error());
    report_.problems.insert(report_.problems.end(), said.problems.begin(), said.problems.end());
  }
  // What does not stand is not built upon.
  const bool damaged = backup::speaks_against(report_.evidence) && (done.ok() || done.error().code() == Code::corrupt);
  if (damaged && rung_ > ProofLevel::P0 && rung_ < ProofLevel::P5 && !job_.offsite &&
      job_.node_id == job_.source_node_id)
    static_cast<void>(want_full(host_, job_));
  const auto reached = backup::level_reached(report_.evidence);
  if (report_.outcome == JobOutcome::ok && (!reached || *reached < job_.level)) {
    report_.outcome = JobOutcome::failed;
    report_.why = "the drill did not reach the level that was asked for";
  }
  return std::move(report_);
}

}  // namespace

backup::JobReport drill(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                        const std::string& option_file) {
  return Drill(host, job, secrets, option_file).run();
}

backup::JobReport check_source(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                               const std::string& option_file, const std::vector<std::string>& tools) {
  JobReport report;
  report.task = backup::Task::check;
  const auto source = open_source(host, job, option_file);
  if (!source.ok()) return failed(report.task, source.error());
  const auto tool = program_for(host, job, tools, source->version_text);
  if (!tool.ok()) return failed(report.task, tool.error());
  const auto opened = OpenRepository::open(host, job, job.vault, secrets, {}, true);
  if (!opened.ok()) return failed(report.task, opened.error());
  pass(report, ProofLevel::P0, "source", text_of(source->version) + " answers, " + tool->name + " is of its series");
  pass(report, ProofLevel::P0, "binary logs",
       source->logs_are_complete ? "on, and complete"
       : source->logs            ? "on; " + source->why_incomplete
                                 : "not kept: no point in time can be restored");
  opened->measure(report);
  report.outcome = JobOutcome::ok;
  return report;
}

}  // namespace belay::agent::backups::mariadb
