// mariadb-backup: physical copies of a running server, full ones and increments, and its binary logs beside them.
#include "agent/backup/engines.hpp"
#include "agent/backup/mariadb_restore.hpp"
#include "agent/backup/mariadb_watch.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace mariadb {
namespace {

using backup::BackupType;
using backup::Job;
using backup::JobOutcome;
using backup::JobReport;
using backup::ProofLevel;
using backup::Task;

constexpr const char* kTool = "mariadb-backup";

std::vector<std::string> backup_arguments(const Job& job, const Making& making, const std::string& set,
                                          const std::string& base) {
  std::vector<std::string> argv{kTool};
  argv.insert(argv.end(), making.source.client.options.begin(), making.source.client.options.end());
  argv.insert(argv.end(), {"--backup", "--target-dir=" + set, "--datadir=" + making.source.data_directory(),
                           "--parallel=" + std::to_string(std::max(job.limits.processes, 1U))});
  if (!base.empty()) argv.push_back("--incremental-basedir=" + base);
  return argv;
}

class MariadbBackup final : public BackupEngine {
 public:
  MariadbBackup(const BackupHost& host, std::string option_file) : host_(host), option_file_(std::move(option_file)) {}
  backup::EngineName name() const override { return backup::EngineName::mariadb_backup; }
  JobReport check(const Job& job, const Secrets& secrets) override {
    return check_source(host_, job, secrets, option_file_, {kTool});
  }
  JobReport back_up(const Job& job, const Secrets& secrets) override;
  JobReport copy(const Job& job, const Secrets& secrets) override { return copy_points(host_, job, secrets); }
  JobReport prove(const Job& job, const Secrets& secrets) override { return drill(host_, job, secrets, option_file_); }
  JobReport restore(const Job& job, const Secrets& secrets) override {
    return restore_server(host_, job, secrets, option_file_);
  }
  JobReport forget(const Job& job, const Secrets& secrets) override { return forget_points(host_, job, secrets); }
  JobReport list(const Job& job, const Secrets& secrets) override { return list_points(host_, job, secrets, name()); }
  backup::WatchReport watch(const backup::Watch& watch) override { return watch_server(host_, watch, option_file_); }

 private:
  Status make_point(const Job& job, const Secrets& secrets, JobReport& report);
  // The copy in `set`; when its content is as of.
  Result<Instant> copy_server(const Job& job, const Making& making, const Basis& basis, const std::string& set);

  const BackupHost& host_;
  std::string option_file_;
};

Result<Instant> MariadbBackup::copy_server(const Job& job, const Making& making, const Basis& basis,
                                           const std::string& set) {
  std::string base;
  if (basis.type != BackupType::full) {  // it reads the position of its base in this file, and needs nothing else of it
    base = host_.work_directory + "/base";
    BELAY_TRY(host_.files.make_directories(base, 0700));
    for (const char* prefix : {"xtrabackup_", "mariadb_backup_"})
      BELAY_TRY(host_.files.write_durable(base + "/" + prefix + "checkpoints", basis.base.checkpoints, 0600));
  }
  auto taken_at = host_.clock.now();
  Call what;
  what.argv = backup_arguments(job, making, set, base);
  what.gently = true;
  what.timeout = job.limits.timeout;
  what.sink = [&](int, std::string_view text) {
    if (text.find("BACKUP STAGE BLOCK_COMMIT") != std::string_view::npos) taken_at = host_.clock.now();
  };
  if (host_.progress) host_.progress({.phase = "backup", .bytes_total = making.bytes, .left = {}});
  BELAY_TRY_ASSIGN(const auto outcome, call(host_, job, std::move(what)));
  BELAY_TRY(judge_backup_tool(outcome, "mariadb-backup"));
  return taken_at;
}

Status MariadbBackup::make_point(const Job& job, const Secrets& secrets, JobReport& report) {
  BELAY_TRY_ASSIGN(auto making, Making::begin(host_, job, secrets, option_file_, {kTool}));
  BELAY_TRY_ASSIGN(const auto basis, choose_basis(host_, job, making));
  if (!basis.remark.empty()) making.remarks.push_back(basis.remark);
  BELAY_TRY_ASSIGN(const auto scratch, Scratch::make(host_, job, making.bytes + kSlackBytes));
  backup::MadePoint point;
  point.type = basis.type;
  point.begun_at = host_.clock.now();
  point.reference = label_of(point.begun_at, point.type);
  if (point.type != BackupType::full) {
    point.needs = basis.base.needs;
    point.needs.push_back(basis.base.label);
  }
  BELAY_TRY(making.count_before());
  const auto set = scratch.path() + "/" + kSetDirectory;
  Stopwatch watch(host_.clock, report);
  watch.begin("backup");
  BELAY_TRY_ASSIGN(point.taken_at, copy_server(job, making, basis, set));
  pass(report, ProofLevel::P0, kTool, "completed OK!");
  BELAY_TRY_ASSIGN(auto checkpoints, read_set_file(host_, set, "checkpoints"));
  BELAY_TRY_ASSIGN(const auto reaches, read_checkpoints(checkpoints));
  Checkpoints before;
  if (point.type != BackupType::full) {
    BELAY_TRY_ASSIGN(before, read_checkpoints(basis.base.checkpoints));
  }
  BELAY_TRY(check_follows(before, reaches));
  pass(report, ProofLevel::P1, "chain", std::to_string(reaches.from_lsn) + ".." + std::to_string(reaches.to_lsn));
  LogPosition from;
  if (const auto info = read_set_file(host_, set, "binlog_info"); info.ok()) from = read_binlog_info(*info);
  Call size;
  size.argv = {"du", "--summarize", "--bytes", set};
  BELAY_TRY_ASSIGN(const auto said, must(host_, job, std::move(size)));
  const auto lsn = std::to_string(reaches.to_lsn);
  point.position = text_of(from) + (from.file.empty() ? "lsn " : " lsn ") + lsn;
  watch.begin("store");
  BELAY_TRY(making.keep(
      scratch.path(), {kSetDirectory}, std::move(point), from,
      {"from=" + std::to_string(reaches.from_lsn), "lsn=" + lsn, "set=" + said.substr(0, said.find('\t'))}, report));
  watch.end();
  const auto& made = report.points.back();
  return remember_base(host_, job, making.source.identity, made.type,
                       {made.reference, made.needs, std::move(checkpoints)});
}

JobReport MariadbBackup::back_up(const Job& job, const Secrets& secrets) {
  JobReport report;
  report.task = Task::backup;
  if (const auto made = make_point(job, secrets, report); !made.ok()) {
    auto said = failed(Task::backup, made.error());
    said.evidence = std::move(report.evidence);
    said.points = std::move(report.points);
    if (!said.points.empty()) said.outcome = JobOutcome::partial;  // the point is there; the node cannot remember it
    return said;
  }
  report.outcome = JobOutcome::ok;
  return report;
}

}  // namespace

std::unique_ptr<BackupEngine> mariadb_backup_with(const BackupHost& host, std::string option_file) {
  return std::make_unique<MariadbBackup>(host, std::move(option_file));
}

}  // namespace mariadb

std::unique_ptr<BackupEngine> make_mariadb_backup(const BackupHost& host) {
  return mariadb::mariadb_backup_with(host, std::string(mariadb::kOptionFileDefault));
}

}  // namespace belay::agent::backups
