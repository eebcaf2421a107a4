#include "agent/runner/desk_fixture_test.hpp"
#include "agent/runner/journal.hpp"
#include "agent/snapshots/fake_snapshots.hpp"
#include "agent/steps/step_work.hpp"
#include "base/json.hpp"
#include "base/log.hpp"

namespace belay::agent {
namespace {

TEST_F(DeskTest, AShellOrderSaysWhatItSaid) {
  ASSERT_TRUE(
      desk_
          ->receive(
              sign(shell({"echo out", "echo err >&2", "test -d \"$TMPDIR\" && echo \"$BELAY_NODE_ID\"", "exit 3"})), {})
          .ok());
  finish();
  const auto results = sent<wire::OrderResult>();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].exit_code, 3);
  EXPECT_EQ(results[0].outcome, wire::OrderOutcome::failed);
  EXPECT_EQ(output_of(results[0]), "out\n" + kNode + "\n");
  EXPECT_EQ(errors_of(results[0]), "err\n");
  EXPECT_EQ(results[0].standard_error, "step script: exit status 3");
}

TEST_F(DeskTest, WhatFailsAtEveryTickIsSaidWhenItBeginsAndWhenItIsOver) {
  ASSERT_TRUE(desk_->receive(sign(shell({"echo out"})), {}).ok());
  const auto outbox = paths_.outbox(), away = outbox + ".away";
  std::filesystem::rename(outbox, away);
  ASSERT_TRUE(files_.write_durable(outbox, "no folder", 0600).ok());  // as good as a full disk
  log::set_level(log::Level::info);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 10; ++i) {
    clock_.advance(Duration(1'000));
    desk_->tick();
  }
  const auto while_it_fails = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(files_.remove(outbox).ok());
  std::filesystem::rename(away, outbox);
  testing::internal::CaptureStderr();
  finish();
  const auto afterwards = testing::internal::GetCapturedStderr();
  const auto count = [](const std::string& text, std::string_view word) {
    std::size_t found = 0;
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count(while_it_fails, "\"level\":\"error\""), 1u) << while_it_fails;
  EXPECT_EQ(count(while_it_fails, "result_not_collected"), 1u);
  EXPECT_EQ(count(afterwards, "works_again"), 1u) << afterwards;
  EXPECT_EQ(sent<wire::OrderResult>().size(), 1u);
}

TEST_F(DeskTest, AScriptsStatusIsThatOfItsLastCommand) {
  ASSERT_TRUE(desk_->receive(sign(shell({"false", "echo went on"})), {}).ok());
  finish();
  const auto results = sent<wire::OrderResult>();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].outcome, wire::OrderOutcome::success);
  EXPECT_EQ(output_of(results[0]), "went on\n");
}

TEST_F(DeskTest, AScriptThatEndsWith194IsRunAgainInTheNextBoot) {
  const auto counter = (directory_ / "turns").string();
  const auto made =
      shell({"echo turn >>" + counter, "wc -l <" + counter, "[ $(wc -l <" + counter + ") -ge 3 ] || exit 194"});
  ASSERT_TRUE(desk_->receive(sign(made), {}).ok());
  finish();
  const auto results = sent<wire::OrderResult>();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].outcome, wire::OrderOutcome::success) << results[0].standard_error;
  EXPECT_EQ(output_of(results[0]), "1\n2\n3\n");
  EXPECT_EQ(host_.boots, 3);
}

TEST_F(DeskTest, ARestartThatDoesNotComeIsTold) {
  host_.ignores_reboot = true;
  ASSERT_TRUE(desk_->receive(sign(shell({"echo before", "exit 194"})), {}).ok());
  finish();
  const auto results = sent<wire::OrderResult>();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].outcome, wire::OrderOutcome::failed);
  EXPECT_EQ(output_of(results[0]), "before\n");
  EXPECT_NE(results[0].standard_error.find("did not within"), std::string::npos) << results[0].standard_error;
}

TEST_F(DeskTest, AScriptThatTakesTooLongIsEnded) {
  auto made = shell({"sleep 60"});
  std::get<document::RunShellScript>(made.steps->steps[0].work).timeout = Duration(1'000);
  ASSERT_TRUE(desk_->receive(sign(made), {}).ok());
  finish();
  ASSERT_EQ(sent<wire::OrderResult>().size(), 1u);
  EXPECT_EQ(sent<wire::OrderResult>()[0].outcome, wire::OrderOutcome::timed_out);
}

TEST_F(DeskTest, OutputIsBounded) {
  ASSERT_TRUE(desk_->receive(sign(shell({"head -c 3000000 /dev/zero | tr '\\0' x"})), {}).ok());
  finish();
  ASSERT_EQ(sent<wire::OrderResult>().size(), 1u);
  EXPECT_LE(output_of(sent<wire::OrderResult>()[0]).size(), kStepOutputBytesMax);
}

TEST_F(DeskTest, AScriptWhoseProcessDiedIsNotRunTwice) {
  const auto made = shell({"echo again >> " + (directory_ / "ran").string()});
  ASSERT_TRUE(desk_->receive(sign(made), {}).ok());
  // What a process leaves that was killed in the script: the step is in progress, on this boot.
  auto run = made.steps->run;
  document::step(made.steps->steps, run, {}, clock_.now());
  const json::Object journal{{"boot_id", host_.boot_id().value()},
                             {"steps", json::encode(made.steps->steps)},
                             {"run", json::encode(run)},
                             {"outputs", json::Array()}};
  ASSERT_TRUE(files_.write_durable(paths_.steps(made.order_id), json::to_text(journal), 0600).ok());
  finish();
  EXPECT_EQ(sent<wire::OrderResult>().at(0).outcome, wire::OrderOutcome::failed);
  EXPECT_NE(sent<wire::OrderResult>().at(0).standard_error.find("not run twice"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "ran"));
}

TEST_F(DeskTest, TheStepsOfADocumentFollowOneAnotherInOneDirectory) {
  document::RunShellScript first, second, third, last;
  first.commands = {"echo kept > here", "exit 5"};
  second.commands = {"cat here"};
  third.commands = {"exit 4"};
  last.commands = {"echo at last"};
  auto leaving = step("c", third);
  leaving.on_failure = document::OnFailure::exit;
  auto finally = step("e", last);
  finally.finally = true;
  ASSERT_TRUE(
      desk_->receive(sign(steps({step("a", first), step("b", second), leaving, step("d", first), finally})), {}).ok());
  finish();
  const auto result = sent<wire::OrderResult>().at(0);
  EXPECT_EQ(output_of(result), "kept\nat last\n");
  EXPECT_EQ(result.outcome, wire::OrderOutcome::failed);
  EXPECT_EQ(result.standard_error, "step a: exit status 5");
  EXPECT_EQ(result.steps->run.steps[3].status, document::StepStatus::Skipped);
  EXPECT_EQ(result.steps->run.steps[4].status, document::StepStatus::Success);
}

TEST_F(DeskTest, ExitStatus194RestartsTheMachineAndBeginsTheStepAgain) {
  ASSERT_TRUE(desk_->receive(sign(shell({"if [ -e been ]; then echo back; else touch been; exit 194; fi"})), {}).ok());
  finish();
  const auto result = sent<wire::OrderResult>().at(0);
  EXPECT_EQ(result.outcome, wire::OrderOutcome::success) << result.standard_error;
  EXPECT_EQ(output_of(result), "back\n");
  EXPECT_EQ(result.steps->run.steps[0].reboots, 1u);
  EXPECT_EQ(host_.boots, 2);
}

TEST_F(DeskTest, AStepThatAlwaysWantsAnotherRebootIsBounded) {
  ASSERT_TRUE(desk_->receive(sign(shell({"exit 194"})), {}).ok());
  finish();
  EXPECT_EQ(sent<wire::OrderResult>().at(0).outcome, wire::OrderOutcome::failed);
  EXPECT_EQ(host_.boots, 1 + static_cast<int>(document::kRebootsMax));
}

TEST_F(DeskTest, APatchStepIsHandedBackAndTheRestTakenUpAgain) {
  document::RunShellScript before, after;
  before.commands = {"echo before"};
  after.commands = {"echo after"};
  const std::vector<document::Step> all = {step("a", before), step("b", document::Patch{}), step("c", after)};
  ASSERT_TRUE(desk_->receive(sign(steps(all)), {}).ok());
  finish();
  auto half = sent<wire::OrderResult>().at(0);
  EXPECT_EQ(half.outcome, wire::OrderOutcome::success);
  EXPECT_EQ(output_of(half), "before\n");
  ASSERT_EQ(half.steps->run.steps[1].status, document::StepStatus::InProgress);
  document::step(all, half.steps->run, {document::EventKind::exited, 0, ""}, clock_.now());
  auto rest = steps(all);
  rest.steps->run = half.steps->run;
  ASSERT_TRUE(desk_->receive(sign(rest), {}).ok());
  finish();
  const auto whole = sent<wire::OrderResult>().at(1);
  EXPECT_EQ(output_of(whole), "after\n");
  EXPECT_EQ(document::summarize(all, whole.steps->run).status, document::StepStatus::Success);
}

TEST_F(DeskTest, ADocumentThatLiesOnTheNodeGoesToTheServer) {
  document::RunShellScript writes;
  writes.commands = {"echo '{\"schemaVersion\":\"2.2\"}' > doc.json"};
  document::RunDocument local, missing;
  local.local_path = "doc.json";
  missing.local_path = "/no/such";
  ASSERT_TRUE(desk_->receive(sign(steps({step("a", writes), step("b", missing), step("c", local)})), {}).ok());
  finish();
  const auto result = sent<wire::OrderResult>().at(0);
  EXPECT_EQ(result.steps->local_document, "{\"schemaVersion\":\"2.2\"}\n");
  EXPECT_EQ(result.steps->run.steps[1].status, document::StepStatus::Failed);
  EXPECT_EQ(result.steps->run.steps[2].status, document::StepStatus::InProgress);
}

TEST_F(DeskTest, APatchOrderReportsTheRunAndAheadOfItWhatTheNodeHasNow) {
  ASSERT_TRUE(desk_->receive(sign(patch()), {}).ok());
  finish();
  const auto results = sent<wire::OrderResult>();
  ASSERT_EQ(results.size(), 1u);
  ASSERT_TRUE(results[0].run);
  EXPECT_EQ(results[0].run->outcome, patchrun::Outcome::committed) << results[0].standard_error;
  EXPECT_EQ(results[0].outcome, wire::OrderOutcome::success);
  const auto reports = sent<wire::ScanReport>();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].order_id, results[0].order_id);
  const auto set = SetStore(files_, paths_).package_set(reports[0].package_set_hash);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->packages.at(0).version, "2");
  EXPECT_EQ(desk_->package_set_hash(), reports[0].package_set_hash);
}

TEST_F(DeskTest, APlanOrderReportsWhatTheResolverWouldDo) {
  auto made = order(wire::OrderKind::plan);
  made.plan = wire::PlanOrder{{{"curl", "amd64", "1", "2", "", 0}}};
  ASSERT_TRUE(desk_->receive(sign(made), {}).ok());
  finish();
  const auto results = sent<wire::OrderResult>();
  ASSERT_EQ(results.size(), 1u);
  ASSERT_TRUE(results[0].plan);
  EXPECT_EQ(results[0].plan->changes.at(0).to_version, "2");
}

TEST_F(DeskTest, TheSameOrderTwiceTakesEffectOnce) {
  const auto signed_order = sign(shell({"echo once >> " + (directory_ / "ran").string()}));
  ASSERT_TRUE(desk_->receive(signed_order, {}).ok());
  ASSERT_TRUE(desk_->receive(signed_order, {}).ok());
  finish();
  ASSERT_TRUE(desk_->receive(signed_order, {}).ok());  // archived by now
  finish();
  EXPECT_EQ(sent<wire::OrderResult>().size(), 1u);
  EXPECT_EQ(files_.read((directory_ / "ran").string(), 100).value(), "once\n");
}

TEST_F(DeskTest, AnOrderThatEndedIsNotBegunWhereAPowerCutBringsItsDirectoryBack) {
  const auto made = shell({"echo once >> " + (directory_ / "ran").string()});
  ASSERT_TRUE(desk_->receive(sign(made), {}).ok());
  finish();
  const auto directory = paths_.order_directory(made.order_id);
  ASSERT_FALSE(std::filesystem::exists(directory));
  // It was only removed, and its result, which was moved for good, is no longer in it.
  ASSERT_TRUE(files_.make_directories(directory, 0700).ok());
  ASSERT_TRUE(
      files_
          .write_durable(paths_.order(made.order_id), json::encode_text(AcceptedOrder{made, clock_.now(), false}), 0600)
          .ok());
  desk_->adopt();
  finish();
  EXPECT_EQ(files_.read((directory_ / "ran").string(), 100).value(), "once\n");
  EXPECT_EQ(sent<wire::OrderResult>().size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST_F(DeskTest, AnOrderWhoseCounterCouldNotBeKeptIsBegunWhenItIsSaidAgain) {
  const auto made = shell({"echo once >> " + (directory_ / "ran").string()});
  // What a disk leaves that is full a moment later: the order is kept, the server was told that it is not taken.
  ASSERT_TRUE(OrderBook(files_, paths_).add({made, clock_.now(), false}).ok());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(desk_->receive(sign(made), {}).ok());
    finish();
    EXPECT_EQ(sent<wire::OrderResult>().size(), 1u);
  }
  EXPECT_EQ(files_.read((directory_ / "ran").string(), 100).value(), "once\n");
}

TEST_F(DeskTest, AnOrderSurvivesTheAgent) {
  ASSERT_TRUE(desk_->receive(sign(shell({"echo late"})), {}).ok());
  open_desk();  // a new process, before anything was begun
  finish();
  EXPECT_EQ(output_of(sent<wire::OrderResult>().at(0)), "late\n");
}

TEST_F(DeskTest, AReplayIsRefusedAndTold) {
  const auto first = shell({"true"});
  auto older = shell({"true"});
  older.counter = first.counter;  // another order with a counter that was used
  ASSERT_TRUE(desk_->receive(sign(first), {}).ok());
  ASSERT_TRUE(desk_->receive(sign(older), {}).ok());
  const auto results = sent<wire::OrderResult>();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].order_id, older.order_id);
  EXPECT_EQ(results[0].outcome, wire::OrderOutcome::refused);
}

TEST_F(DeskTest, AForgedOrderIsNotAcknowledged) {
  auto forged = sign(shell({"true"}));
  forged.signature = to_base64(std::string(64, 'f'));
  EXPECT_EQ(desk_->receive(forged, {}).error().code(), Code::unauthenticated);
  EXPECT_TRUE(desk_->is_idle());
  EXPECT_EQ(outbox_->size(), 0u);
}

TEST_F(DeskTest, AWrongClockIsMeasuredAgainstTheServers) {
  auto made = shell({"true"});
  made.issued_at = clock_.now() + std::chrono::hours(5);  // the server is five hours ahead of us
  made.expires_at = made.issued_at + std::chrono::hours(1);
  ASSERT_TRUE(desk_->receive(sign(made), std::chrono::hours(5)).ok());
  finish();
  EXPECT_EQ(sent<wire::OrderResult>().at(0).outcome, wire::OrderOutcome::success);
}

TEST_F(DeskTest, AScanSaysThatTheClockIsWrong) {
  constexpr Duration kMax{600'000};
  const auto problems_at = [&](Duration skew) {
    desk_->set_clock_skew(skew);
    EXPECT_TRUE(desk_->scan_self(true).ok());
    finish();
    return sent<wire::ScanReport>().back().problems;
  };
  EXPECT_TRUE(problems_at(kMax).empty());
  for (const auto& [skew, said] : {std::pair{kMax + Duration(1), "behind the server's"},
                                   std::pair{-kMax - Duration(1), "ahead of the server's"}}) {
    const auto problems = problems_at(skew);
    ASSERT_EQ(problems.size(), 1u) << said;
    EXPECT_EQ(problems[0].reason, fleet::Reason::clock_wrong);
    EXPECT_TRUE(problems[0].blocks_judgement);
    EXPECT_NE(problems[0].detail.find(said), std::string::npos) << problems[0].detail;
  }
}

TEST_F(DeskTest, ACancelBeforeItsBeginningStopsAnOrder) {
  const auto made = shell({"echo ran > " + (directory_ / "ran").string()});
  ASSERT_TRUE(desk_->receive(sign(made), {}).ok());
  ASSERT_TRUE(desk_->cancel(made.order_id).ok());
  finish();
  EXPECT_EQ(sent<wire::OrderResult>().at(0).outcome, wire::OrderOutcome::cancelled);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "ran"));
}

TEST_F(DeskTest, AProcessThatDiesIsStartedAgainAndThatIsBounded) {
  launcher_.dies = 2;
  ASSERT_TRUE(desk_->receive(sign(patch()), {}).ok());
  finish();
  EXPECT_EQ(launcher_.launches, 3);
  EXPECT_EQ(sent<wire::OrderResult>().at(0).outcome, wire::OrderOutcome::success);

  launcher_.dies = 1'000;
  ASSERT_TRUE(desk_->receive(sign(shell({"true"})), {}).ok());
  finish();
  EXPECT_EQ(sent<wire::OrderResult>().at(1).outcome, wire::OrderOutcome::failed);
}

// What it left half done is nothing for another: its place is kept through the pause before it is started again.
TEST_F(DeskTest, ARunWhoseProcessDiedGoesOnBeforeAnythingElseOfItsLane) {
  launcher_.dies = 2;
  const auto first = patch();
  ASSERT_TRUE(desk_->receive(sign(first), {}).ok());
  desk_->tick();  // it was begun, and its process is gone
  const auto second = patch();
  ASSERT_TRUE(desk_->receive(sign(second), {}).ok());
  finish();
  EXPECT_EQ(launcher_.launched, (std::vector{first.order_id, first.order_id, first.order_id, second.order_id}));
  EXPECT_EQ(sent<wire::OrderResult>().size(), 2u);
}

TEST_F(DeskTest, AnAgentThatBeginsAnewTakesUpTheRunThatWasBegunFirst) {
  const auto waiting = patch();  // with the lower counter
  const auto begun = patch();
  for (const auto& one : {begun, waiting}) ASSERT_TRUE(OrderBook(files_, paths_).add({one, clock_.now(), false}).ok());
  const auto state =
      patchrun::begin(begun.order_id, *begun.patch, begun.expires_at, host_.boot_id().value(), clock_.now());
  ASSERT_TRUE(RunJournal(files_, paths_, begun.order_id).save(state).ok());
  open_desk();
  ASSERT_TRUE(desk_->scan_self(true).ok());  // in the same lane, and begun by nobody
  launcher_.dies = 1;
  finish();
  ASSERT_EQ(launcher_.launched.size(), 4u);
  EXPECT_EQ(launcher_.launched[0], begun.order_id);
  EXPECT_EQ(launcher_.launched[1], begun.order_id);
  EXPECT_NE(launcher_.launched[2], waiting.order_id) << "the scan: the agent's own have the lowest counter";
  EXPECT_EQ(launcher_.launched[3], waiting.order_id);
}

TEST_F(DeskTest, ItsOwnScanHasNoOrderAndNoResult) {
  ASSERT_TRUE(desk_->scan_self(true).ok());
  ASSERT_TRUE(desk_->scan_self(true).ok());  // one is under way
  finish();
  EXPECT_TRUE(sent<wire::OrderResult>().empty());
  ASSERT_EQ(sent<wire::ScanReport>().size(), 1u);
  EXPECT_EQ(sent<wire::ScanReport>()[0].order_id, "");
  EXPECT_TRUE(desk_->scanned_at());
}

// Nothing is kept silently: what no run accounts for travels with every scan.
TEST_F(DeskTest, AScanTellsTheServerOfSnapshotsThatWereLeft) {
  FakeSnapshots snapshots(clock_);
  ASSERT_TRUE(snapshots.create("belay-11111111-2222-4333-8444-999999999999", {"/"}).ok());
  snapshots_ = {&snapshots};
  ASSERT_TRUE(desk_->scan_self(true).ok());
  finish();
  ASSERT_EQ(sent<wire::ScanReport>().size(), 1u);
  const auto report = sent<wire::ScanReport>()[0];
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_NE(report.problems[0].detail.find("belongs to no run"), std::string::npos) << report.problems[0].detail;
  EXPECT_EQ(report.problems[0].subject, "fake:belay-11111111-2222-4333-8444-999999999999");
  EXPECT_FALSE(report.problems[0].blocks_judgement);
  ASSERT_TRUE(snapshots.remove(snapshots.list()->front()).ok());
  ASSERT_TRUE(desk_->scan_self(true).ok());
  finish();
  EXPECT_TRUE(sent<wire::ScanReport>().back().problems.empty());
}

}  // namespace
}  // namespace belay::agent
