// Rollouts over the API: who may make them, and what is refused.
#include "io/crypto.hpp"
#include "server/api/fixture_test.hpp"
#include "server/engine/rollout_kind.hpp"
#include "store/change_sets.hpp"

namespace belay::server {
namespace {

class RolloutsApiTest : public ApiTest {
 protected:
  void SetUp() override {
    const auto keys = io::make_signing_key();  // approvals are signed
    authority_.order_private_key = keys.private_key;
    authority_.order_public_key = keys.public_key;
    add_node(kNode, "web-1");
    add_scan(kNode, debian_packages(), debian_offers());
    ok("UpdateServiceSetting", json::Object{{"SettingId", "/belay/rollout/approvals-least"}, {"SettingValue", "0"}});
  }
  // One ring of every node, with these members besides.
  static json::Object file(json::Object more = {}, json::Object ring_more = {}) {
    json::Object ring{{"name", "all"}, {"targets", json::Array{"*"}}};
    for (auto& [name, value] : ring_more) ring[name] = value;
    json::Object out{{"name", "autumn"}, {"rings", json::Array{std::move(ring)}}};
    for (auto& [name, value] : more) out[name] = value;
    return out;
  }
  // A change set with one part for the node, as if it had been planned.
  std::string frozen_set(const std::string& id, const std::string& author) {
    ChangeSetView view;
    view.change_set_id = id;
    view.status = ChangeSetStatus::Ready;
    view.created_by = author;
    view.frozen_at = view.created_at = clock_.now();
    auto& part = view.parts.emplace_back();
    part.operating_system = "DEBIAN";
    part.changes = {{"openssl", "amd64", "3.0.1", "3.0.2", "", 0}};
    store::change_sets::ChangeSet kept;
    kept.change_set_id = id;
    kept.content = json::to_canonical_text(json::encode(view));
    kept.sha256 = io::sha256_hex(kept.content);
    kept.created_by = author;
    kept.created_at = clock_.now();
    EXPECT_TRUE(store_->write([&](store::Sql& sql) { return store::change_sets::create(sql, kept); }).ok());
    return id;
  }
  void run(Duration time) {
    clock_.advance(time);
    Engine engine(*store_, clock_, {.owner = "test"});
    engine.add(make_rollout_kind({authority_, *judge_, *windows_}));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(engine.run_once().ok());
  }
  static json::Object creating(const json::Object& file) { return {{"Content", json::to_text(file)}}; }
};

TEST_F(RolloutsApiTest, WhoMayNotSendCommandsHasNoProbeOrRoleRunThem) {
  constexpr const char* kPlanner = "the-token-of-the-planner-0123456789";
  add_principal("planner", {"belay:*Rollout*", "belay:*ChangeSet*", "ssm:Describe*"}, kPlanner);
  const auto probes = file({{"probes", json::Array{json::Object{{"name", "app"}, {"command", "id"}}}}});
  const auto roles = file({}, {{"order", json::Object{{"command", "role"}, {"last", json::Array{"primary"}}}}});
  const struct {
    const json::Object& file;
    const char* field;
  } rows[] = {{probes, "probes[0].command"}, {roles, "rings[0].order.command"}};
  for (const auto& row : rows) {
    const auto answer = call("CreateRollout", creating(row.file), kPlanner);
    EXPECT_EQ(answer.type, "AccessDeniedException") << row.field;
    EXPECT_NE(answer.message.find(std::string("ssm:SendCommand, which a rollout with ") + row.field), std::string::npos)
        << answer.message;
  }
  EXPECT_TRUE(ok("ListRollouts").list("Rollouts").empty());
  const auto by_admin = ok("CreateRollout", creating(probes)).body.at("Rollout").at("RolloutId");
  const json::Object starting{{"RolloutId", by_admin}};
  EXPECT_EQ(call("StartRollout", starting, kPlanner).type, "AccessDeniedException") << "nor does he start another's";
  EXPECT_EQ(call("StartRollout", starting).status, 200);
  EXPECT_EQ(call("CreateRollout", creating(file()), kPlanner).status, 200) << "a file without commands";
}

// A set of versions, however often approved, is no rollout: how it is rolled out is what people are asked about.
TEST_F(RolloutsApiTest, AnApprovalIsOfOneRolloutAndOfNobodysOwn) {
  constexpr const char* kBob = "the-token-of-bob-who-approves-012345";
  constexpr const char* kEve = "the-token-of-eve-who-makes-one-01234";
  add_principal("bob", {"belay:*"}, kBob);
  add_principal("eve", {"belay:*"}, kEve);
  const auto set = frozen_set("cs-0123456789abcdef0", "admin");
  const auto state = [&](const std::string& rollout) {
    run(std::chrono::seconds(1));
    return json::text_or_empty(ok("GetRollout", json::Object{{"RolloutId", rollout}}).body.at("Rollout"), "State");
  };
  const auto make = [&](std::string_view token) {
    auto request = creating(file({{"changeSet", set}, {"approvals", 1}}));
    request["Start"] = true;
    return json::text_or_empty(call("CreateRollout", request, token).body.at("Rollout"), "RolloutId");
  };
  const json::Object versions{{"ChangeSetId", set}};
  EXPECT_EQ(call("ApproveChangeSet", versions, kBob).status, 200) << "of the versions, before there is a rollout";
  const auto staged = make(kToken);
  EXPECT_EQ(state(staged), "AwaitingApproval") << "of how it is rolled out nobody has said anything";
  EXPECT_EQ(call("ApproveChangeSet", versions, kToken).type, "AccessDeniedException");
  EXPECT_EQ(call("ApproveChangeSet", versions, kBob).status, 200) << "it is the only one there is";
  EXPECT_NE(state(staged), "AwaitingApproval");

  const auto hasty = make(kEve);
  const json::Object of_hasty{{"ChangeSetId", set}, {"RolloutId", hasty}};
  EXPECT_EQ(state(hasty), "AwaitingApproval") << "bob was asked about another file";
  EXPECT_EQ(call("ApproveChangeSet", of_hasty, kEve).type, "AccessDeniedException") << "she made the rollout";
  EXPECT_EQ(call("ApproveChangeSet", of_hasty, kToken).type, "AccessDeniedException") << "he made the set";
  EXPECT_NE(expect_error("AccessDeniedException", "ApproveChangeSet", of_hasty).find("made the change set"),
            std::string::npos);
  const auto given_up = make(kEve);
  const auto which = call("ApproveChangeSet", versions, kBob);
  EXPECT_EQ(which.type, "InvalidStateException") << "which of the two?";
  EXPECT_NE(which.message.find(hasty), std::string::npos) << which.message;
  EXPECT_EQ(state(hasty), "AwaitingApproval");
  EXPECT_EQ(call("ApproveChangeSet", of_hasty, kBob).status, 200);
  EXPECT_NE(state(hasty), "AwaitingApproval");

  ok("AbortRollout", json::Object{{"RolloutId", given_up}, {"Reason", "no"}});
  EXPECT_EQ(state(given_up), "Aborted");
  EXPECT_EQ(call("ApproveChangeSet", json::Object{{"ChangeSetId", set}, {"RolloutId", given_up}}, kBob).type,
            "InvalidStateException")
      << "it is over";
}

}  // namespace
}  // namespace belay::server
