#include "server/engine/intake.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "server/engine/fixture_test.hpp"
#include "store/contents.hpp"
#include "store/orders.hpp"
#include "store/runs.hpp"

namespace belay::server {
namespace {

class IntakeTest : public EngineTest {};

wire::ScanReport good_report() {
  wire::ScanReport report;
  report.scan_id = "0b9cf2a8-4a3c-4f1e-9d5b-0a1b2c3d4e5f";
  report.package_set_hash = std::string(64, 'a');
  report.offer_set_hash = std::string(64, 'b');
  return report;
}

struct Hostile {
  const char* what;
  wire::Envelope message;
};

std::vector<Hostile> hostile_messages() {
  std::vector<Hostile> rows;
  const auto add = [&](const char* what, const auto& message) { rows.push_back({what, wire::pack("id", message)}); };
  auto report = good_report();
  report.scan_id = "1";
  add("scan id is no UUID", report);
  report = good_report();
  report.package_set_hash = "../../etc/passwd";
  add("hash is none", report);
  report = good_report();
  report.packages = 1'000'000;
  add("a million packages are announced", report);
  report = good_report();
  report.held = std::vector<std::string>(5'000, "x");
  add("too many held", report);
  report = good_report();
  report.facts.computer_name =
      "a\x01"
      "b";
  add("control characters in the name", report);
  report = good_report();
  report.facts.computer_name = std::string(300, 'a');
  add("name too long", report);
  wire::PackageSetUpload upload;
  upload.hash = std::string(64, 'a');
  upload.set.packages = {{"openssl", "amd64", "1"}};
  add("another set than the hash names", upload);
  upload.set.packages = std::vector<fleet::InstalledPackage>(60'000, {"a", "b", "c"});
  add("sixty thousand packages", upload);
  upload.set.packages = {{"open\nssl", "amd64", "1"}};
  add("a line break in a package's name", upload);
  upload.set.packages = {{"", "amd64", "1"}};
  add("a package without a name", upload);
  wire::OfferSetUpload offers;
  offers.set.offers.resize(1);
  offers.set.offers[0].name = "x";
  offers.set.offers[0].sha256 = "zz";
  add("an offer's hash is none", offers);
  wire::OrderResult result;
  result.order_id = "0b9cf2a8-4a3c-4f1e-9d5b-0a1b2c3d4e5f";
  result.standard_output = std::string(wire::kOutputBytesMax + 1, 'x');
  add("too much output", result);
  result.standard_output.clear();
  result.steps = wire::StepsReport{};
  result.steps->local_document = std::string(document::kDocumentBytesMax + 1, 'x');
  add("a document that is too long", result);
  result.steps->local_document.clear();
  result.steps->outputs = {{0, std::string(wire::kStepOutputsBytesMax * 2, 'x'), ""}};
  add("too much output of steps", result);
  result.steps->outputs.clear();
  result.steps->run.steps.resize(2 * document::kStepsMax + 1);
  add("too many steps", result);
  add("an ack of too much", wire::Ack{std::vector<std::string>(2'000, "x")});
  rows.push_back({"a type nobody knows", {1, "id", "please_run", json::Object()}});
  rows.push_back({"a body of another shape", {1, "id", "scan_report", json::Array()}});
  return rows;
}

TEST_F(IntakeTest, HostileMessagesAreRefused) {
  for (const auto& row : hostile_messages()) {
    SCOPED_TRACE(row.what);
    EXPECT_FALSE(intake_->check(row.message).ok());
  }
  for (const char* text :
       {"", "{", "[]", "{\"version\":1}", "{\"version\":99,\"id\":\"a\",\"type\":\"hello\",\"body\":{}}",
        "{\"version\":1,\"id\":\"\",\"type\":\"hello\"}", "{\"version\":1,\"id\":\"\xff\",\"type\":\"hello\"}"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(intake_->parse(text).ok());
  }
}

wire::Envelope backup_result(const std::function<void(backup::JobReport&)>& change) {
  wire::OrderResult result;
  result.order_id = make_uuid(std::string(16, 'x'));
  result.backup.emplace().points.emplace_back().reference = "20261127-010203F";
  change(*result.backup);
  return wire::pack("id", result);
}

TEST_F(IntakeTest, ABackupsReportNamesPointsByNamesAndIsBounded) {
  EXPECT_TRUE(intake_->check(backup_result([](auto&) {})).ok());
  const std::pair<const char*, std::function<void(backup::JobReport&)>> rows[] = {
      {"an option", [](auto& report) { report.points[0].reference = "--cache-dir=/etc"; }},
      {"a path", [](auto& report) { report.points[0].needs = {"../../etc"}; }},
      {"no name", [](auto& report) { report.points[0].reference = ""; }},
      {"a word of the tool", [](auto& report) { report.forgotten = {"latest"}; }},
      {"too many points", [](auto& report) { report.points.resize(backup::kReportedPointsMax + 1, report.points[0]); }},
      {"too much evidence", [](auto& report) { report.evidence.resize(backup::kEvidenceMax + 1); }},
      {"too many fingerprints",
       [](auto& report) { report.points[0].fingerprints.resize(backup::kFingerprintsMax + 1); }},
      {"control characters", [](auto& report) { report.points[0].position = "0/1\x1b[2J"; }},
      {"too long an output", [](auto& report) { report.output.assign(wire::kOutputBytesMax + 1, 'x'); }},
  };
  for (const auto& [what, change] : rows) {
    SCOPED_TRACE(what);
    const auto refused = intake_->check(backup_result(change));
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().message(), testing::HasSubstr("backup."));
  }
}

TEST_F(IntakeTest, AnotherNodesOrdersAndScansAreNotOnesOwn) {
  auto& victim = with_openssl(add_node("victim"));
  auto& thief = with_openssl(add_node("thief"));
  victim.answers = thief.answers = false;
  send({{"Operation", {"Scan"}}});
  settle();
  const auto orders =
      disk_->read([&](store::Sql& sql) { return store::orders::pending(sql, victim.id, clock_.now()); }).value();
  ASSERT_EQ(orders.size(), 1U);
  wire::OrderResult result;
  result.order_id = orders[0].order_id;
  result.outcome = wire::OrderOutcome::success;
  const auto taken = say(thief, result);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code(), Code::not_found);
  EXPECT_TRUE(say(thief, wire::Ack{{orders[0].order_id}}).ok());  // means nothing
  const auto after = disk_->read([&](store::Sql& sql) { return store::orders::get(sql, orders[0].order_id); }).value();
  EXPECT_EQ(after.state, store::orders::State::queued);
  EXPECT_TRUE(after.result.empty());

  auto report = good_report();
  ASSERT_TRUE(say(victim, report).ok());
  EXPECT_FALSE(say(thief, report).ok()) << "the scan's id is the victim's";
}

TEST_F(IntakeTest, TheSameMessageHasItsEffectOnce) {
  auto& node = with_openssl(add_node("web-1"));
  scan(node);
  const auto count = [&] {
    return disk_->read([&](store::Sql& sql) { return store::verdicts::history(sql, node.id, {}); })->items.size();
  };
  const auto before = count();
  say_twice_ = true;
  scan(node);
  EXPECT_EQ(count(), before + 1);
}

// What an administrator undid on the node by hand: in the history once, whatever the node repeats, and for itself only.
TEST_F(IntakeTest, ARunOfTheNodesOwnIsKeptOnce) {
  auto& node = with_openssl(add_node("web-1"));
  auto& other = with_openssl(add_node("web-2"));
  wire::OwnRun own;
  own.run_id = "0b9cf2a8-4a3c-4f1e-9d5b-0a1b2c3d4e5f";
  own.undoes = "0b9cf2a8-4a3c-4f1e-9d5b-0a1b2c3d4e60";
  own.started_at = own.finished_at = clock_.now() - Duration(60'000);
  own.run.outcome = patchrun::Outcome::committed;
  own.run.changed = {{"openssl", "amd64", "2", "1", "", 0}};
  const auto take = [&](const std::string& from, const std::string& message_id) {
    return disk_->write(
        [&](store::Sql& sql) { return intake_->take(sql, from, wire::pack(message_id, own), clock_.now()); });
  };
  const auto kept = [&](const std::string& id) {
    return disk_->read([&](store::Sql& sql) { return store::runs::history(sql, id, {}); }).value().items;
  };
  ASSERT_TRUE(intake_->check(wire::pack("a", own)).ok());
  EXPECT_TRUE(take(node.id, "a")->acknowledge);
  EXPECT_TRUE(take(node.id, "a").ok()) << "the acknowledgement was lost";
  EXPECT_TRUE(take(node.id, "b").ok()) << "and the agent's memory with it";
  ASSERT_EQ(kept(node.id).size(), 1U);
  EXPECT_EQ(kept(node.id)[0].run_id, own.run_id);
  EXPECT_EQ(kept(node.id)[0].report.changed, own.run.changed);
  EXPECT_FALSE(take(other.id, "c").ok()) << "another node's run";
  EXPECT_TRUE(kept(other.id).empty());
  own.run_id = "no uuid";
  EXPECT_FALSE(intake_->check(wire::pack("d", own)).ok());
}

TEST_F(IntakeTest, AClockThatRunsAheadMakesNothingFresher) {
  auto& node = with_openssl(add_node("web-1"));
  auto report = good_report();
  report.observed_at = clock_.now() + Duration(1'000'000'000);
  ASSERT_TRUE(say(node, report).ok());
  const auto scan = disk_->read([&](store::Sql& sql) { return store::scans::newest(sql, node.id); }).value();
  EXPECT_EQ(scan->observed_at, clock_.now());
}

TEST_F(IntakeTest, ARefusedOrderEndsTheInvocation) {
  auto& node = with_openssl(add_node("web-1"));
  node.answers = false;
  const auto sent = send({{"Operation", {"Scan"}}});
  settle();
  const auto orders =
      disk_->read([&](store::Sql& sql) { return store::orders::pending(sql, node.id, clock_.now()); }).value();
  ASSERT_TRUE(say(node, wire::Refused{orders[0].order_id, "unavailable", "full"}).ok());
  settle();
  EXPECT_EQ(command(sent.command_id).status, "InProgress") << "that passes";
  ASSERT_TRUE(say(node, wire::Refused{orders[0].order_id, "corrupt", "bad signature"}).ok());
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Failed");
  EXPECT_NE(invocation(sent.command_id, node).standard_error.find("bad signature"), std::string::npos);
}

// ---- enrolment

TEST_F(IntakeTest, Activations) {
  store::activations::Activation wanted;
  wanted.registration_limit = 2;
  wanted.default_instance_name = "batch";
  wanted.tags = {{"env", "prod"}};
  const auto made = nodes_->create_activation(wanted);
  ASSERT_TRUE(made.ok());
  const auto enroll = [&](const std::string& id, const std::string& code) {
    return nodes_->enroll({id, code, io::make_csr(io::make_key_pem(), "n").value(), "0.1.0", {}}, "10.0.0.1");
  };
  const auto& id = made->activation.activation_id;
  EXPECT_EQ(enroll(id, "wrong-code-wrong-code-wrong-code").error().code(), Code::unauthenticated);
  EXPECT_EQ(enroll("11111111-1111-4111-8111-111111111111", made->code).error().code(), Code::unauthenticated);
  const auto first = enroll(id, made->code);
  ASSERT_TRUE(first.ok()) << first.error().chain();
  const auto tags =
      disk_
          ->read([&](store::Sql& sql) { return store::tags::list(sql, store::tags::kManagedInstance, first->node_id); })
          .value();
  EXPECT_EQ(tags, (std::vector<store::tags::Tag>{{"env", "prod"}}));
  EXPECT_TRUE(enroll(id, made->code).ok());
  EXPECT_EQ(enroll(id, made->code).error().reason(), "activation-used-up");
  const auto other = nodes_->create_activation({});
  ASSERT_TRUE(other.ok());
  clock_.advance(Duration(25LL * 3600 * 1000));
  EXPECT_EQ(enroll(other->activation.activation_id, other->code).error().reason(), "activation-expired");
  wanted.registration_limit = 1'001;
  EXPECT_FALSE(nodes_->create_activation(wanted).ok());
}

}  // namespace
}  // namespace belay::server
