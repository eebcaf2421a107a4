#pragma once
// Rollouts over a fleet of three nodes, one for each of dev, staging and prod, that lack openssl 2.
#include <gmock/gmock.h>

#include "base/json.hpp"
#include "server/engine/rollout_kind.hpp"
#include "server/engine/windows_fixture_test.hpp"
#include "store/runs.hpp"

namespace belay::server {

inline constexpr const char* kThreeRings = R"(
name: october
approvals: 1
rings:
  - {name: dev, targets: ["tag:Env=dev"], maxConcurrency: "100%"}
  - {name: staging, targets: ["tag:Env=staging"], maxConcurrency: "100%"}
  - {name: prod, targets: ["tag:Env=prod"], maxConcurrency: "100%"}
probes: [{name: units, systemd: newly-failed}]
gate: {for: 2m, every: 10s, misses: 2}
)";

class RolloutsTest : public WindowsTest {
 protected:
  RolloutsTest() {
    boot_rollouts();
    for (const auto* name : {"dev", "staging", "prod"})
      nodes_by_env_[name] = with_openssl(add_node(name, "12", {{"Env", name}})).id;
    for (auto& [id, node] : fleet_) scan(node);
  }
  // For a day.
  void except_openssl_of(const std::string& target) {
    store::rollouts::Exception exception;
    exception.exception_id = "ex-1";
    exception.package = "openssl";
    exception.target = target;
    exception.owner = "dba";
    exception.reason = "certified on 1";
    exception.created_by = "operator";
    exception.created_at = clock_.now();
    exception.expires_at = clock_.now() + 24h;
    ASSERT_TRUE(store_->write([&](store::Sql& sql) { return store::rollouts::add_exception(sql, exception); }).ok());
  }
  void boot_rollouts() {
    boot_windows();
    rollouts_ = std::make_unique<Rollouts>(*store_, clock_, authority_, *judge_, *change_sets_, *windows_);
    engine_->add(make_rollout_kind({authority_, *judge_, *windows_}));
  }
  FakeNode& node(const std::string& env) { return fleet_.at(nodes_by_env_.at(env)); }

  std::string create(const std::string& content = kThreeRings, bool start = true) {
    const auto made = rollouts_->create({content, start, "author", {}});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    return made.ok() ? made->row.rollout_id : "";
  }
  Error refused(const std::string& content) {
    const auto made = rollouts_->create({content, true, "author", {}});
    EXPECT_FALSE(made.ok());
    return made.ok() ? Error(Code::internal, "") : made.error();
  }
  // Time goes on in small steps, so that what looks again by itself does.
  void pass(Duration time) {
    for (Duration gone{}; gone < time; gone += Duration(5'000)) {
      clock_.advance(Duration(5'000));
      settle();
    }
  }
  void approve(const std::string& id) {
    const auto count = rollouts_->approve_change_set(rollouts_->get(id)->row.change_set_id, id, "somebody else");
    ASSERT_TRUE(count.ok()) << count.error().chain();
  }
  // Created, planned, approved, and given the time to go as far as it does by itself.
  std::string carried_out(const std::string& content = kThreeRings, Duration time = 30s) {
    const auto id = create(content);
    pass(10s);
    approve(id);
    pass(time);
    return id;
  }
  std::string state(const std::string& id) { return rollouts_->get(id)->row.state; }
  std::string why(const std::string& id) { return rollouts_->get(id)->row.why; }
  std::string state_of(const std::string& id, const std::string& env) {
    const auto nodes = rollouts_->nodes(id, {}, {});
    EXPECT_TRUE(nodes.ok());
    for (const auto& one : nodes->items)
      if (one.row.node_id == nodes_by_env_[env]) return boost::describe::enum_to_string(one.state, "?");
    return "not there";
  }
  static std::string version(const FakeNode& node, const std::string& package) {
    for (const auto& one : node.installed)
      if (one.name == package) return one.version;
    return "";
  }
  std::size_t orders(const std::string& env, wire::OrderKind kind) {
    return static_cast<std::size_t>(std::ranges::count(node(env).done, kind, &wire::Order::kind));
  }

  std::unique_ptr<Rollouts> rollouts_;
  std::map<std::string, std::string> nodes_by_env_;
};

}  // namespace belay::server
