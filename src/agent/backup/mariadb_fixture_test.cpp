#include "agent/backup/mariadb_fixture_test.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/backup/engines.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::mariadb {

void Stand::SetUp() {
  if (const auto why = fakes::PrivateMariadb::why_not(); !why.empty()) GTEST_SKIP() << why;
  if (fakes::shell("command -v restic").starts_with("ERROR")) GTEST_SKIP() << "restic is not installed";
  own_ = std::make_unique<fakes::OwnDirectory>("mariadb", 0755);
  root_ = own_->path();
  data_ = root_ + "/data";
  option_file_ = root_ + "/mysql.cnf";  // absent: root by unix_socket
  for (const char* directory : {"/state", "/scratch", "/vault"}) ::mkdir((root_ + directory).c_str(), 0755);
  host_ = std::make_unique<BackupHost>(BackupHost{
      io::real_files(), io::real_processes(), io::system_clock(), root_ + "/work", root_ + "/state", &cancel_, {}});
  server_ = std::make_unique<fakes::PrivateMariadb>(
      root_, std::vector<std::string>{"--log-bin=bin", "--binlog-format=ROW", "--server-id=7", "--max-binlog-size=1M"});
  lay_repository();
  start_server();
}

void Stand::TearDown() {
  server_.reset();
  own_.reset();
}

void Stand::lay_repository() {
  const auto about = job(backup::Task::backup);
  fakes::lay_restic_repository(about.vault.path + "/" + backup::repository_name(about.plan_id, about.source_node_id));
}

std::string Stand::shell(const std::string& command) {
  auto said = fakes::shell(command);
  EXPECT_FALSE(said.starts_with("ERROR: ")) << command << "\n" << said;
  return said;
}

std::string Stand::sql(const std::string& text) {
  auto said = server_->sql(text);
  EXPECT_FALSE(said.starts_with("ERROR: ")) << text << "\n" << said;
  return said;
}

backup::Job Stand::job(backup::Task task, backup::BackupType type, backup::EngineName engine) {
  backup::Job job;
  job.job_id = "bj-00000000000000001";
  job.task = task;
  job.type = type;
  job.plan_id = "bp-00000000000000001";
  job.plan_name = "db";
  job.node_id = job.source_node_id = "mi-00000000000000001";
  job.source.engine = engine;
  job.source.socket = server_->socket();
  job.source.data_directory = data_;
  job.source.heartbeat = heartbeat_;
  job.vault.name = "here";
  job.vault.kind = backup::VaultKind::local;
  job.vault.path = root_ + "/vault";
  job.scratch = root_ + "/scratch";
  job.limits.idle_io = false;
  return job;
}

std::unique_ptr<BackupEngine> Stand::engine(backup::EngineName name) {
  return name == backup::EngineName::mysqldump ? mysqldump_with(*host_, option_file_)
                                               : mariadb_backup_with(*host_, option_file_);
}

backup::JobReport Stand::run(const backup::Job& job) {
  return do_job_with(*host_, *engine(job.source.engine), job, secrets_);
}

backup::MadePoint Stand::back_up(backup::BackupType type, backup::EngineName engine) {
  const auto report = run(job(backup::Task::backup, type, engine));
  EXPECT_EQ(report.outcome, backup::JobOutcome::ok) << told(report);
  EXPECT_EQ(report.points.size(), 1u);
  return report.points.empty() ? backup::MadePoint() : report.points.front();
}

backup::Job Stand::drill_of(const backup::MadePoint& point, backup::ProofLevel level, backup::EngineName engine) {
  auto drill = job(backup::Task::prove, point.type, engine);
  drill.points = {point};
  drill.level = level;
  return drill;
}

std::string told(const backup::JobReport& report) {
  std::string text = report.why + "\n" + report.output + "\n";
  for (const auto& item : report.evidence)
    text += "P" + std::to_string(static_cast<int>(item.level)) + (item.passed ? " ok   " : " FAIL ") + item.what +
            ": " + item.seen + "\n";
  for (const auto& point : report.points)
    for (const auto& remark : point.remarks) text += "remark: " + remark + "\n";
  for (const auto& phase : report.phases) text += phase.name + " " + std::to_string(phase.took.count()) + " ms\n";
  return text;
}

bool passed(const backup::JobReport& report, std::string_view what) {
  for (const auto& item : report.evidence)
    if (item.passed && item.what.find(what) != std::string::npos) return true;
  return false;
}

bool failed_at(const backup::JobReport& report, std::string_view what) {
  for (const auto& item : report.evidence)
    if (!item.passed && (item.what.find(what) != std::string::npos || item.seen.find(what) != std::string::npos))
      return true;
  return false;
}

}  // namespace belay::agent::backups::mariadb
