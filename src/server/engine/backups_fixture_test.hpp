#pragma once
// Backup plans over a store and nodes of the test's own, each with a repository that does what it is told.
#include <gmock/gmock.h>

#include "server/engine/backup_kind.hpp"
#include "server/engine/backups.hpp"
#include "server/engine/windows_fixture_test.hpp"
#include "store/compliance_items.hpp"

namespace belay::server {
using backup::BackupType;
using backup::JobOutcome;
using backup::PointState;
using backup::Task;
using testing::HasSubstr;
namespace kept = store::backups;

inline constexpr const char* kPlan = R"yaml(
name: pg
targets: ["tag:Role=db"]
source: {engine: pgbackrest, stanza: main}
schedule: {full: "cron(0 1 ? * SUN *)", incremental: "rate(1 hour)"}
vault: nas
keep: {last: 3}
objectives: {rpo: 2h, rto: 1h}
prove: {schedule: "cron(0 4 * * ? *)", level: P4, pick: [newest]}
)yaml";

// The same, and nothing begins by itself.
inline constexpr const char* kByHand = R"yaml(
name: pg
targets: ["tag:Role=db"]
source: {engine: pgbackrest, stanza: main}
vault: nas
keep: {last: 3}
objectives: {rpo: 2h, rto: 1h}
prove: {level: P4, pick: [newest]}
)yaml";

// A repository that does what it is told.
struct FakeRepository {
  Clock& clock;
  std::vector<backup::MadePoint> points;
  std::vector<backup::Job> jobs;
  JobOutcome outcome = JobOutcome::ok;
  backup::ProofLevel proves = backup::ProofLevel::P4;
  std::uint64_t bytes = 1'000'000;
  int made = 0;

  // A job that is done again says what it said: the node keeps its result.
  std::map<std::string, backup::JobReport> done{};
  backup::JobReport work(const backup::Job& job) {
    if (!done.contains(job.job_id)) done[job.job_id] = begin(job);
    return done[job.job_id];
  }
  backup::JobReport begin(const backup::Job& job) {
    jobs.push_back(job);
    backup::JobReport report;
    report.task = job.task;
    report.outcome = outcome;
    if (outcome != JobOutcome::ok) report.why = "the vault is full";
    if (outcome == JobOutcome::failed) return report;
    if (job.task == Task::backup) report.points = {make(job)};
    if (job.task == Task::copy) report.points = job.points;
    if (job.task == Task::list) report.points = points;
    if (job.task == Task::restore) {
      report.restored_to = job.restore->time.value_or(job.points.front().taken_at);
      report.time_to_restore = Duration(40'000);
      if (job.restore->in_place) report.put_aside = {"/srv/pg.before-" + job.job_id};
    }
    if (job.task == Task::forget)
      for (const auto& point : job.points) {
        report.forgotten.push_back(point.reference);
        std::erase_if(points, [&](const auto& one) { return one.reference == point.reference; });
      }
    if (job.task == Task::prove) {
      for (int level = 0; level <= static_cast<int>(proves); ++level)
        report.evidence.push_back({static_cast<backup::ProofLevel>(level), "looked", true, "well"});
      report.time_to_restore = Duration(660'000);
    }
    return report;
  }
  backup::MadePoint make(const backup::Job& job) {
    backup::MadePoint point;
    point.reference = "label-" + std::to_string(++made);
    point.type = job.type;
    point.begun_at = point.taken_at = clock.now();
    point.bytes_source = bytes;
    point.bytes_added = bytes / 10;
    point.files = 100;
    point.rows = 5'000;
    if (job.type != BackupType::full)
      for (const auto& before : job.chain) point.needs.push_back(before.reference);
    points.push_back(point);
    return point;
  }
  std::size_t count(Task task) const {
    return static_cast<std::size_t>(std::ranges::count(jobs, task, &backup::Job::task));
  }
};

class BackupsTest : public WindowsTest {
 protected:
  BackupsTest() {
    boot_backups();
    add("db-1");
  }
  void boot_backups() {
    boot_windows();
    backups_ = std::make_unique<Backups>(*store_, clock_, *zones_);
    engine_->add(make_backup_kind(
        {authority_,
         [](std::string_view name) -> Result<std::string> { return Error(Code::not_found, std::string(name)); },
         clock_.now()}));
    engine_->add(make_coverage_kind());
  }
  FakeNode& add(const std::string& name) {
    auto& node = add_node(name, "12", {{"Role", "db"}});
    repositories_.emplace(node.id, FakeRepository{clock_, {}, {}});
    node.does_backups = [this, id = node.id](const backup::Job& job) { return repositories_.at(id).work(job); };
    db_ = node.id;
    return node;
  }
  FakeRepository& repository() { return repositories_.at(db_); }
  void given_vault(const std::string& name = "nas", const std::string& more = "") {
    const auto made = backups_->create_vault(
        {"name: " + name + "\nkind: mount\npath: /srv/" + name + "\n" + more, {}, false, "anna"});
    ASSERT_TRUE(made.ok()) << made.error().chain();
  }
  void given_plan(const std::string& content = kByHand) {
    const auto made = backups_->put_plan({PutPlan::create, content, "anna"});
    ASSERT_TRUE(made.ok()) << made.error().chain();
    plan_ = made->plan.plan_id;
  }
  void pass(Duration time, Duration step = Duration(300'000)) {
    for (Duration gone{}; gone < time; gone += step) {
      clock_.advance(step);
      settle();
    }
  }
  std::vector<backup::RecoveryPoint> points(const std::string& vault = "nas") {
    return store_->read([&](store::Sql& sql) { return kept::points_of(sql, plan_, db_, vault); }).value();
  }
  std::vector<kept::Job> jobs(Task task) {
    const kept::JobFilter filter{
        .plan_id = plan_, .node_id = {}, .tasks = {boost::describe::enum_to_string(task, "")}, .states = {}};
    return store_->read([&](store::Sql& sql) { return kept::list_jobs(sql, filter, {100, {}}); })->items;
  }
  kept::Job job(const std::string& id) {
    return store_->read([&](store::Sql& sql) { return kept::get_job(sql, id); }).value();
  }
  std::string run_now() {
    const auto made = backups_->start_runs({.plan = "pg", .node_ids = {}, .type = {}, .requested_by = "anna"});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    settle();
    return made.ok() ? made->front() : "";
  }
  std::string prove_now() {
    ProveRequest request;
    request.plan = "pg";
    request.requested_by = "anna";
    const auto made = backups_->start_proofs(request);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    settle();
    return made.ok() ? made->front() : "";
  }
  // The node's watch of this moment.
  void watched() {
    backup::WatchReport report;
    report.plan_id = plan_;
    report.at = clock_.now();
    ASSERT_TRUE(store_->write([&](store::Sql& sql) { return kept::put_watch(sql, db_, report); }).ok());
  }
  backup::Posture posture() { return backups_->posture("pg", {}, {10, {}})->items.at(0).posture; }
  std::string compliance() {
    const auto items =
        store_->read([&](store::Sql& sql) { return store::compliance_items::items(sql, db_, "Custom:Backup"); });
    for (const auto& item : *items)
      if (item.item_id == plan_) return item.status;
    return "none";
  }

  std::unique_ptr<Backups> backups_;
  std::map<std::string, FakeRepository> repositories_;
  std::string db_, plan_;
};

}  // namespace belay::server
