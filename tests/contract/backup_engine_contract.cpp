#include "tests/contract/backup_engine_contract.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/json.hpp"
#include "io/files.hpp"

namespace belay::agent::contract {
namespace {

using backup::JobOutcome;
using backup::JobReport;
using backup::ProofLevel;
using backup::Task;
using testing::HasSubstr;
using testing::Not;

const BackupStandMaker kStands[] = {{"fake", make_fake_backup_stand},
                                    {"restic", make_restic_stand},
                                    {"borg", make_borg_stand},
                                    {"mariadb_backup", make_mariadb_backup_stand},
                                    {"mysqldump", make_mysqldump_stand},
                                    {"pgbackrest", make_pgbackrest_stand},
                                    {"pg_dump", make_pg_dump_stand},
                                    {"sqlite", make_sqlite_stand},
                                    {"command", make_command_stand},
                                    {"snapshot_copy", make_copied_snapshot_stand},
                                    {"snapshot_btrfs", make_btrfs_snapshot_stand}};

std::string told(const JobReport& report) { return json::to_pretty_text(json::encode(report)); }

std::string reason_of(const JobReport& report) {
  return report.problems.empty() ? "" : report.problems.front().subject;
}

class BackupEngineContract : public testing::TestWithParam<BackupStandMaker> {
 protected:
  void SetUp() override {
    auto made = GetParam().make();
    if (!made.stand) GTEST_SKIP() << made.why_not;
    stand_ = std::move(made.stand);
    stand_->lay_repository();
  }
  backup::Job about(Task task, const backup::MadePoint& point, ProofLevel level = ProofLevel::P3) {
    auto job = stand_->job(task);
    job.points = job.chain = {point};
    job.level = level;
    return job;
  }
  std::string restored(const backup::MadePoint& point, const std::string& name) {
    auto job = about(Task::restore, point);
    job.restore.emplace().path = stand_->directory(name);
    const auto report = stand_->run(job);
    EXPECT_EQ(report.outcome, JobOutcome::ok) << told(report);
    EXPECT_TRUE(report.restored_to.has_value());
    EXPECT_TRUE(report.time_to_restore.has_value());
    return stand_->content_restored(stand_->directory(name));
  }
  std::vector<std::string> listed() {
    std::vector<std::string> references;
    const auto report = stand_->run(stand_->job(Task::list));
    EXPECT_EQ(report.outcome, JobOutcome::ok) << told(report);
    for (const auto& point : report.points) references.push_back(point.reference);
    return references;
  }
  std::unique_ptr<BackupStand> stand_;
};

TEST_P(BackupEngineContract, MakesAPointAndTellsOfIt) {
  std::filesystem::remove_all(stand_->repository());  // the engine's to make
  const auto checked = stand_->run(stand_->job(Task::check));
  ASSERT_EQ(checked.outcome, JobOutcome::ok) << told(checked);
  const auto before = io::system_clock().now();
  const auto report = stand_->run(stand_->job(Task::backup));
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  ASSERT_EQ(report.points.size(), 1u);
  const auto& point = report.points[0];
  EXPECT_NE(point.reference, "");
  EXPECT_GT(point.bytes_source, 0u);
  EXPECT_FALSE(point.fingerprints.empty());
  EXPECT_LE(point.fingerprints.size(), backup::kFingerprintsMax);
  EXPECT_NE(point.engine_version, "");
  EXPECT_GE(point.taken_at + Duration(2'000), before);
  EXPECT_LE(point.taken_at, io::system_clock().now() + Duration(2'000));
  EXPECT_GE(backup::level_reached(report.evidence), ProofLevel::P1) << told(report);
  EXPECT_THAT(listed(), testing::ElementsAre(point.reference));
}

TEST_P(BackupEngineContract, RestoresWhatWasThen) {
  const auto content = stand_->content();
  const auto first = stand_->back_up();
  stand_->change_source();
  const auto content_later = stand_->content();
  ASSERT_NE(content, content_later);
  const auto second = stand_->back_up();
  EXPECT_NE(first.reference, second.reference);
  EXPECT_EQ(restored(first, "first"), content);
  EXPECT_EQ(restored(second, "second"), content_later);
}

TEST_P(BackupEngineContract, ProvesUpToWhatWasAsked) {
  const auto point = stand_->back_up();
  for (int rung = 0; rung <= static_cast<int>(stand_->proves_up_to()); ++rung) {
    const auto level = static_cast<ProofLevel>(rung);
    auto job = about(Task::prove, point, level);
    job.checks = stand_->checks();
    const auto report = stand_->run(job);
    ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
    EXPECT_GE(backup::level_reached(report.evidence), level) << told(report);
    EXPECT_EQ(report.time_to_restore.has_value(), level >= ProofLevel::P3);
    EXPECT_EQ(report.restored_to.has_value(), level >= ProofLevel::P3);
  }
  // Nothing is left of a drill.
  const auto scratch = stand_->directory("state/scratch");
  EXPECT_TRUE(!std::filesystem::exists(scratch) || std::filesystem::is_empty(scratch));
}

TEST_P(BackupEngineContract, AProofFailsWhereTheContentIsNotWhatItWas) {
  auto point = stand_->back_up();
  ASSERT_FALSE(point.fingerprints.empty());
  point.fingerprints.back().rows += 1;
  const auto report = stand_->run(about(Task::prove, point));
  EXPECT_EQ(report.outcome, JobOutcome::failed) << told(report);
  EXPECT_EQ(backup::level_reached(report.evidence), ProofLevel::P2) << told(report);
}

TEST_P(BackupEngineContract, ASpoiledByteIsFoundAndNothingIsBuiltOnIt) {
  const auto point = stand_->back_up();
  if (!stand_->spoil(stand_->repository())) GTEST_SKIP() << "what is stored cannot be spoiled here";
  const auto proof = stand_->run(about(Task::prove, point, stand_->finds_damage_at()));
  ASSERT_EQ(proof.outcome, JobOutcome::failed) << told(proof);
  EXPECT_NE(proof.why, "");
  // The next backup heals or says what a person must do; it never is a point that cannot be restored and says ok.
  const auto content = stand_->content();
  const auto next = stand_->run(stand_->job(Task::backup));
  if (next.outcome == JobOutcome::ok) {
    EXPECT_EQ(restored(next.points.at(0), "healed"), content);
    const auto again = stand_->run(about(Task::prove, next.points.at(0), stand_->finds_damage_at()));
    EXPECT_EQ(again.outcome, JobOutcome::ok) << told(again);
  } else {
    EXPECT_NE(next.why, "");
  }
}

TEST_P(BackupEngineContract, AWrongKeyIsNamedAndHarmsNothing) {
  const auto point = stand_->back_up();
  auto wrong = stand_->secrets();
  wrong["repository.key"] = "quite another key";
  for (const auto task : {Task::check, Task::backup, Task::list, Task::prove}) {
    auto job = about(task, point);
    const auto report = stand_->run(job, wrong);
    EXPECT_EQ(report.outcome, JobOutcome::failed) << told(report);
    EXPECT_EQ(reason_of(report), "wrong-key") << told(report);
  }
  EXPECT_THAT(listed(), testing::ElementsAre(point.reference));
}

TEST_P(BackupEngineContract, ForgetsByReference) {
  const auto first = stand_->back_up();
  stand_->change_source();
  const auto content = stand_->content();
  const auto second = stand_->back_up();
  auto job = about(Task::forget, first);
  job.compact = true;
  for (int twice = 0; twice < 2; ++twice) {
    const auto report = stand_->run(job);
    ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
    EXPECT_THAT(report.forgotten, testing::ElementsAre(first.reference));
  }
  EXPECT_THAT(listed(), testing::ElementsAre(second.reference));
  EXPECT_EQ(restored(second, "second"), content);
  const auto gone = stand_->run(about(Task::prove, first));
  EXPECT_EQ(gone.outcome, JobOutcome::failed);
}

TEST_P(BackupEngineContract, NothingThatIsThereIsOverwritten) {
  const auto content = stand_->content();
  const auto point = stand_->back_up();
  auto job = about(Task::restore, point);
  job.restore.emplace().path = stand_->directory("target");
  std::filesystem::create_directories(stand_->directory("target"));
  ASSERT_TRUE(io::real_files().write_durable(stand_->directory("target/mine"), "dear", 0600).ok());
  const auto refused = stand_->run(job);
  EXPECT_EQ(refused.outcome, JobOutcome::failed);
  EXPECT_EQ(reason_of(refused), "target-not-empty") << told(refused);
  job.restore->preview = true;
  job.restore->over = true;
  EXPECT_EQ(stand_->run(job).outcome, JobOutcome::ok);
  EXPECT_EQ(*io::real_files().read(stand_->directory("target/mine"), 100), "dear");
  job.restore->preview = false;
  const auto over = stand_->run(job);
  ASSERT_EQ(over.outcome, JobOutcome::ok) << told(over);
  EXPECT_EQ(stand_->content_restored(stand_->directory("target")), content);
  bool kept = false;
  for (const auto& entry : std::filesystem::directory_iterator(stand_->directory("")))
    kept = kept ||
           (entry.path().string() != stand_->directory("target") && std::filesystem::exists(entry.path() / "mine"));
  EXPECT_TRUE(kept) << told(over);
}

TEST_P(BackupEngineContract, OneFileComesBackAlone) {
  const auto file = stand_->one_file();
  if (!file) GTEST_SKIP() << "no single files here";
  const auto point = stand_->back_up();
  auto job = about(Task::restore, point);
  job.restore.emplace().path = stand_->directory("single");
  job.restore->paths = {*file};
  const auto report = stand_->run(job);
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_EQ(*io::real_files().read(stand_->directory("single") + *file, 1 << 20),
            *io::real_files().read(*file, 1 << 20));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(stand_->directory("single")))
    files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, 1u);
  job.restore->paths = {*file + ".never"};
  job.restore->path = stand_->directory("none");
  const auto absent = stand_->run(job);
  EXPECT_EQ(absent.outcome, JobOutcome::failed);
  EXPECT_EQ(reason_of(absent), "not-in-point") << told(absent);
}

TEST_P(BackupEngineContract, AMissingSourceIsNoSuccess) {
  const auto point = stand_->back_up();
  stand_->lose_source();
  const auto report = stand_->run(stand_->job(Task::backup));
  EXPECT_NE(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_NE(report.why, "");
  const auto proof = stand_->run(about(Task::prove, point));
  EXPECT_EQ(proof.outcome, JobOutcome::ok) << told(proof);  // what is stored needs no source
}

TEST_P(BackupEngineContract, ACopyIsWholeInTheOtherVault) {
  if (!stand_->copies()) GTEST_SKIP() << "its points are not copied";
  const auto first = stand_->back_up();
  const auto content = stand_->content();
  stand_->change_source();
  const auto second = stand_->back_up();
  auto job = stand_->job(Task::copy);
  job.points = job.chain = {second, first};
  job.copy_to = job.vault;
  job.copy_to->name = "far";
  job.copy_to->path = stand_->directory("far");
  auto report = stand_->run(job);
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  ASSERT_EQ(report.points.size(), 2u);
  const auto copied = report.points[1];
  report = stand_->run(job);  // again: what is there is passed over
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_EQ(report.points[1].reference, copied.reference);
  // The near vault burns down; the far one is opened with its own key and nothing that was cached.
  std::filesystem::remove_all(stand_->directory("vault"));
  auto far = about(Task::prove, copied);
  far.vault = *job.copy_to;
  far.offsite = true;
  Secrets key{{"repository.key", stand_->secrets().at("copy.repository.key")}};
  const auto proof = stand_->run(far, key);
  EXPECT_EQ(proof.outcome, JobOutcome::ok) << told(proof);
  EXPECT_EQ(backup::level_reached(proof.evidence), ProofLevel::P3);
}

TEST_P(BackupEngineContract, ACancelledOneIsNoSuccessAndTheNextIsWell) {
  std::atomic<bool> cancel{true};
  stand_->host().cancel = &cancel;
  const auto stopped = stand_->run(stand_->job(Task::backup));
  EXPECT_EQ(stopped.outcome, JobOutcome::failed) << told(stopped);
  stand_->host().cancel = nullptr;
  const auto content = stand_->content();
  const auto point = stand_->back_up();
  EXPECT_EQ(restored(point, "after"), content);
}

// Stopped before any of its programs, or with programs that are missing from any of them on.
TEST_P(BackupEngineContract, ATestThatCouldNotBeDoneSpeaksAgainstNoPoint) {
  const auto point = stand_->back_up();
  for (const bool stops : {true, false}) {
    for (int spared = 0;; spared = spared * 2 + 1) {
      std::atomic<bool> cancel{false};
      int calls = 0;
      stand_->host().cancel = &cancel;
      stand_->processes().before = [&](const io::ProcessSpec& spec) -> Status {
        if (calls++ < spared || spec.argv.front() == "umount" || spec.argv.front() == "kill") return {};
        if (!stops) return Error(Code::not_found, "no such program", "program-missing");
        cancel = true;
        return {};
      };
      const auto report = stand_->run(about(Task::prove, point));
      stand_->host().cancel = nullptr;
      stand_->processes().before = {};
      if (report.outcome == JobOutcome::ok) break;
      EXPECT_FALSE(backup::speaks_against(report.evidence)) << spared << told(report);
      EXPECT_TRUE(backup::could_not_be_done(report)) << spared << told(report);
    }
  }
  // One question alone that could not be asked.
  for (const char* question : {"select at from", "pg_database"}) {
    stand_->processes().before = [&](const io::ProcessSpec& spec) -> Status {
      if (spec.standard_input.find(question) == std::string::npos) return {};
      return Error(Code::not_found, "no such program", "program-missing");
    };
    const auto report = stand_->run(about(Task::prove, point));
    stand_->processes().before = {};
    if (report.outcome == JobOutcome::ok) continue;  // this engine asks nothing like it
    EXPECT_FALSE(backup::speaks_against(report.evidence)) << question << told(report);
    EXPECT_TRUE(backup::could_not_be_done(report)) << question << told(report);
  }
  EXPECT_EQ(stand_->run(about(Task::prove, point)).outcome, JobOutcome::ok);
}

TEST_P(BackupEngineContract, ATestWithoutRoomSpeaksAgainstNoPoint) {
  const auto point = stand_->back_up();
  auto job = about(Task::prove, point);
  job.scratch = stand_->directory("small");
  std::filesystem::create_directories(job.scratch);
  if (::mount("tmpfs", job.scratch.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "no tmpfs can be mounted here";
  const auto report = stand_->run(job);
  EXPECT_EQ(::umount2(job.scratch.c_str(), MNT_DETACH), 0);
  if (report.outcome == JobOutcome::ok) GTEST_SKIP() << "it needs no room";
  EXPECT_FALSE(backup::speaks_against(report.evidence)) << told(report);
  EXPECT_TRUE(backup::could_not_be_done(report)) << told(report);
}

// Whoever took it away, a new and empty one in its place would hide that.
TEST_P(BackupEngineContract, ARepositoryThatVanishedIsNotMadeAnew) {
  if (GetParam().name == "fake") GTEST_SKIP() << "it keeps no watch";
  const auto point = stand_->back_up();
  const auto watched = [&] {
    const auto job = stand_->job(Task::backup);
    backup::Watch watch;
    watch.plan_id = job.plan_id, watch.plan_name = job.plan_name, watch.vault_name = job.vault.name,
    watch.vault = job.vault, watch.source = job.source;
    return json::encode_text(stand_->engine().watch(watch));
  };
  std::filesystem::rename(stand_->repository(), stand_->directory("taken"));
  // pgBackRest's watch knows by its tools' words only that nothing answers there.
  EXPECT_THAT(watched(), HasSubstr(GetParam().name == "pgbackrest" ? "vault-away" : "repository-gone"));
  for (const auto task : {Task::check, Task::backup, Task::list, Task::prove, Task::forget}) {
    auto job = about(task, point);
    job.known_in = {""};
    const auto report = stand_->run(job);
    EXPECT_EQ(report.outcome, JobOutcome::failed) << told(report);
    EXPECT_EQ(reason_of(report), "repository-gone") << told(report);
    EXPECT_FALSE(backup::speaks_against(report.evidence));
    EXPECT_FALSE(std::filesystem::exists(stand_->repository() + "/config")) << static_cast<int>(task);
  }
  std::filesystem::remove_all(stand_->repository());
  std::filesystem::rename(stand_->directory("taken"), stand_->repository());
  EXPECT_THAT(listed(), testing::ElementsAre(point.reference));
  EXPECT_THAT(watched(), Not(HasSubstr("repository-gone")));
}

// Whatever the killed one was just starting has its lock, too, until it is another program.
void wait_until_let_go(const std::string& locks) {
  for (const auto& entry : std::filesystem::directory_iterator(locks))
    for (int i = 0; i < 3'000 && !io::FileLock::acquire(entry.path()).ok(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

TEST_P(BackupEngineContract, KilledAnywhereTheNextRunIsWell) {
  const auto first = stand_->back_up();
  const auto begun = io::system_clock().monotonic();
  stand_->change_source();
  stand_->back_up();
  const auto whole = io::system_clock().monotonic() - begun;
  for (int part = 1; part <= 4; ++part) {
    stand_->change_source();
    const pid_t child = ::fork();
    if (child == 0) {
      static_cast<void>(stand_->run(stand_->job(Task::backup)));
      ::_exit(0);
    }
    std::this_thread::sleep_for(whole * part / 5);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    wait_until_let_go(stand_->directory("state/locks"));
    const auto content = stand_->content();
    const auto point = stand_->back_up();
    EXPECT_EQ(restored(point, "after" + std::to_string(part)), content);
  }
  const auto proof = stand_->run(about(Task::prove, first));
  EXPECT_EQ(proof.outcome, JobOutcome::ok) << told(proof);
}

TEST_P(BackupEngineContract, NoSecretIsInArgumentsReportsOrFilesThatStay) {
  const auto point = stand_->back_up();
  auto copy = stand_->job(Task::copy);
  copy.points = copy.chain = {point};
  copy.copy_to = copy.vault;
  copy.copy_to->path = stand_->directory("far");
  std::string all = told(stand_->run(copy));
  all += told(stand_->run(about(Task::prove, point)));
  all += told(stand_->run(about(Task::forget, point)));
  all += stand_->processes().said();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(stand_->directory("state")))
    if (entry.is_regular_file()) all += *io::real_files().read(entry.path().string(), 64u << 20);
  for (const auto& [name, secret] : stand_->secrets()) EXPECT_THAT(all.find(secret), std::string::npos) << name;
  EXPECT_FALSE(std::filesystem::exists(stand_->directory("work")));
}

TEST_P(BackupEngineContract, WatchesWithoutSecrets) {
  stand_->back_up();
  const auto job = stand_->job(Task::backup);
  backup::Watch watch;
  watch.plan_id = job.plan_id;
  watch.plan_name = job.plan_name;
  watch.vault_name = job.vault.name;
  watch.source = job.source;
  watch.vault = job.vault;
  const auto report = stand_->engine().watch(watch);
  EXPECT_EQ(report.plan_id, job.plan_id);
  EXPECT_TRUE(report.findings.empty()) << json::to_text(json::encode(report));
}

INSTANTIATE_TEST_SUITE_P(Engines, BackupEngineContract, testing::ValuesIn(kStands),
                         [](const auto& parameter) { return parameter.param.name; });

}  // namespace
}  // namespace belay::agent::contract
