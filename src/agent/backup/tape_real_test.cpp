// Copies on a tape that is a plain file; and what a drive is told, by a table of what mt says.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "agent/backup/real_fixture_test.hpp"
#include "agent/backup/tape.hpp"
#include "base/json.hpp"

namespace belay::agent::backups {
namespace {

using backup::JobOutcome;
using backup::ProofLevel;
using backup::Task;
using testing::HasSubstr;

TEST(OnTape, ReferencesAreReadAsTheyAreWritten) {
  const auto text = text_of(OnTape{"1795000000000", 10'240, "abc"});
  EXPECT_EQ(text, "tape:1795000000000:10240:abc");
  EXPECT_EQ(text_of(*parse_on_tape(text)), text);
  for (const char* bad : {"", "abc", "tape:1:2", "tape:1:x:abc", "tape::2:abc", "tape:1:2:", "tape:1:2:a:b"})
    EXPECT_FALSE(parse_on_tape(bad)) << bad;
}

class TapeReal : public RealFixture {
 protected:
  void SetUp() override {
    if (!has("restic")) GTEST_SKIP() << "restic is not installed";
    if (::geteuid() != 0) GTEST_SKIP() << "drills need root";
    job_.source.engine = backup::EngineName::restic;
    write(at("source/rows"), noise(2 << 20, 1));
    write(at("tape"), "");
    lay_repository();
    tape_.name = "tapes";
    tape_.kind = backup::VaultKind::tape;
    tape_.offsite = true;
    tape_.tape.emplace().device = at("tape");
  }
  Secrets secrets() const { return {{"repository.key", kRepositoryKey}, {"copy.repository.key", "tape key"}}; }
  backup::MadePoint back_up() {
    const auto report = do_job(host_, job_, secrets());
    EXPECT_EQ(report.outcome, JobOutcome::ok) << report.why;
    return report.points.empty() ? backup::MadePoint() : report.points[0];
  }
  backup::JobReport copy(const backup::MadePoint& point) {
    auto job = job_;
    job.task = Task::copy;
    job.points = job.chain = {point};
    job.copy_to = tape_;
    return do_job(host_, job, secrets());
  }
  backup::JobReport from_tape(Task task, const backup::MadePoint& point) {
    auto job = job_;
    job.task = task;
    job.points = job.chain = {point};
    job.vault = tape_;
    job.offsite = true;
    job.level = ProofLevel::P3;
    job.restore.emplace().path = at("restored");
    return do_job(host_, job, {{"repository.key", "tape key"}});
  }
  backup::VaultSpec tape_;
};

TEST_F(TapeReal, EachCopyIsAnArchiveThatComesBackWithTheTapesKeyAlone) {
  const auto first = copy(back_up());
  ASSERT_EQ(first.outcome, JobOutcome::ok) << first.why;
  EXPECT_TRUE(std::ranges::any_of(first.evidence, [](const auto& item) { return item.what == "read again"; }));
  write(at("source/rows"), "later");
  const auto second = copy(back_up());
  ASSERT_EQ(second.outcome, JobOutcome::ok) << second.why;
  EXPECT_THAT(second.points.at(0).remarks.back(), HasSubstr("on tape"));
  // The near vault burns down.
  std::filesystem::remove_all(at("vault"));
  for (const auto* report : {&first, &second}) {
    const auto proof = from_tape(Task::prove, report->points.at(0));
    EXPECT_EQ(proof.outcome, JobOutcome::ok) << proof.why;
    EXPECT_EQ(backup::level_reached(proof.evidence), ProofLevel::P3);
  }
  const auto restored = from_tape(Task::restore, second.points.at(0));
  ASSERT_EQ(restored.outcome, JobOutcome::ok) << restored.why;
  EXPECT_EQ(*io::real_files().read(at("restored") + at("source/rows"), 100), "later");
}

TEST_F(TapeReal, AnotherTapeIsAskedForAndSomebodyElsesIsRefused) {
  const auto point = back_up();
  const auto copied = copy(point);
  ASSERT_EQ(copied.outcome, JobOutcome::ok) << copied.why;
  std::filesystem::rename(at("tape"), at("shelf"));
  write(at("tape"), "");
  const auto empty = from_tape(Task::prove, copied.points.at(0));
  EXPECT_EQ(empty.problems.at(0).subject, "drive-wanted") << empty.why;
  ASSERT_EQ(copy(point).outcome, JobOutcome::ok);
  const auto other = from_tape(Task::prove, copied.points.at(0));
  EXPECT_EQ(other.problems.at(0).subject, "drive-wanted") << other.why;
  write(at("tape"), "the accounts of 1999");
  EXPECT_EQ(copy(point).problems.at(0).subject, "vault-refused");
  EXPECT_EQ(*io::real_files().read(at("tape"), 100), "the accounts of 1999");
  std::filesystem::remove(at("tape"));
  EXPECT_EQ(copy(point).problems.at(0).subject, "drive-wanted");
}

TEST_F(TapeReal, ASpoiledByteIsFoundAndWhatWasCutOffIsPassedOver) {
  const auto point = back_up();
  const auto first = copy(point);
  ASSERT_EQ(first.outcome, JobOutcome::ok) << first.why;
  // A copy that was killed left half an archive.
  static_cast<void>(
      shell("head -c 70000 " + at("tape") + " >" + at("half") + " && cat " + at("half") + " >>" + at("tape")));
  const auto second = copy(point);
  ASSERT_EQ(second.outcome, JobOutcome::ok) << second.why;
  EXPECT_EQ(from_tape(Task::prove, second.points.at(0)).outcome, JobOutcome::ok);
  const auto place = parse_on_tape(second.points.at(0).reference)->place;
  static_cast<void>(shell("printf X | dd conv=notrunc bs=1 seek=" + std::to_string(place / 2) + " of=" + at("tape")));
  EXPECT_EQ(from_tape(Task::prove, first.points.at(0)).outcome, JobOutcome::failed);
  EXPECT_EQ(from_tape(Task::prove, second.points.at(0)).outcome, JobOutcome::ok);
}

}  // namespace
}  // namespace belay::agent::backups
