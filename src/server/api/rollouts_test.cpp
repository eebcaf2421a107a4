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

}  // namespace
}  // namespace belay::server
