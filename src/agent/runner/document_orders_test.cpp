// Orders of a document: what the node's policy lets be begun, and what they share.
#include "agent/runner/desk_fixture_test.hpp"

namespace belay::agent {
namespace {

TEST_F(DeskTest, WhatTheNodesPolicyForbidsIsRefusedBeforeAnythingIsDone) {
  allow("users = ['admin']\npatching = false");
  const auto mark = (directory_ / "mark").string();
  auto mine = shell({"touch " + mark});
  mine.requested_by = "eve";
  auto run = patch();
  run.requested_by = "admin";
  ASSERT_TRUE(desk_->receive(sign(mine), {}).ok());
  ASSERT_TRUE(desk_->receive(sign(run), {}).ok());
  finish();
  EXPECT_FALSE(std::filesystem::exists(mark));
  const auto results = sent<wire::OrderResult>();
  ASSERT_EQ(results.size(), 2u);
  for (const auto& result : results) {
    EXPECT_EQ(result.outcome, wire::OrderOutcome::refused);
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_EQ(result.problems[0].reason, fleet::Reason::policy_forbids);
    EXPECT_NE(result.standard_error.find(result.order_id == run.order_id ? "patching" : "'eve'"), std::string::npos);
  }
  allow("users = ['ad");
  auto again = shell({"touch " + mark});
  again.requested_by = "admin";
  ASSERT_TRUE(desk_->receive(sign(again), {}).ok());
  finish();
  EXPECT_EQ(sent<wire::OrderResult>().back().problems.at(0).reason, fleet::Reason::policy_unusable);
  EXPECT_FALSE(std::filesystem::exists(mark));
  allow("users = ['admin']");
  auto allowed = shell({"touch " + mark});
  allowed.requested_by = "admin";
  ASSERT_TRUE(desk_->receive(sign(allowed), {}).ok());
  finish();
  EXPECT_TRUE(std::filesystem::exists(mark));
}

TEST_F(DeskTest, AnInterruptedDocumentGoesOnWhateverThePolicySaysByThen) {
  auto both = shell({"true"});
  ASSERT_TRUE(desk_->receive(sign(both), {}).ok());
  ASSERT_TRUE(files_.write_durable(paths_.steps(both.order_id), "{}", 0600).ok());
  allow("scripts = false");
  finish();
  const auto result = sent<wire::OrderResult>().at(0);
  EXPECT_EQ(result.outcome == wire::OrderOutcome::refused, false);
}

TEST_F(DeskTest, TheOrdersOfOneDocumentShareADirectoryUntilItsEnd) {
  document::RunShellScript before, after;
  before.commands = {"echo kept > \"$TMPDIR/file\""};
  after.commands = {"cat \"$TMPDIR/file\""};
  const std::vector<document::Step> all{step("before", before), step("patch", document::Patch{}), step("after", after)};
  auto first = steps(all);
  first.steps->run_id = make_uuid(io::random_bytes(kIdRandomBytes));
  ASSERT_TRUE(desk_->receive(sign(first), {}).ok());
  finish();
  auto report = sent<wire::OrderResult>().at(0).steps.value();
  EXPECT_EQ(report.run.steps[1].status, document::StepStatus::InProgress) << "handed over";
  document::step(all, report.run, {document::EventKind::exited, 0, ""}, clock_.now());

  auto second = steps(all);
  second.steps->run_id = first.steps->run_id;
  second.steps->run = report.run;
  ASSERT_TRUE(desk_->receive(sign(second), {}).ok());
  finish();
  EXPECT_EQ(output_of(sent<wire::OrderResult>().at(1)), "kept\n");
  EXPECT_FALSE(files_.info(paths_.run_directory(first.steps->run_id)).ok()) << "gone with its end";
}

TEST_F(DeskTest, InventoryTravelsWithTheResultAndPackagesAhead) {
  ASSERT_TRUE(files_.make_directories(paths_.custom_inventory(), 0700).ok());
  ASSERT_TRUE(files_
                  .write_durable(paths_.custom_inventory() + "/rack.json",
                                 R"({"SchemaVersion":"1.0","TypeName":"Custom:Rack","Content":{"Bay":"A"}})", 0600)
                  .ok());
  ASSERT_TRUE(
      desk_
          ->receive(sign(steps({step("gather", document::SoftwareInventory{{{"applications", "Enabled"},
                                                                            {"customInventory", "Enabled"}}})})),
                    {})
          .ok());
  finish();
  const auto result = sent<wire::OrderResult>().at(0);
  ASSERT_EQ(result.steps->inventory.size(), 1u) << result.standard_error;
  EXPECT_EQ(result.steps->inventory[0].type_name, "Custom:Rack");
  const auto scans = sent<wire::ScanReport>();
  ASSERT_EQ(scans.size(), 1u);
  EXPECT_EQ(scans[0].packages, 1u);
}

}  // namespace
}  // namespace belay::agent
