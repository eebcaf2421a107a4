#pragma once
// The engine of fixture_test.hpp with associations in it, and words to make them with.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "server/engine/association_kind.hpp"
#include "server/engine/association_sets.hpp"
#include "server/engine/fixture_test.hpp"
#include "server/engine/remedy_kind.hpp"
#include "server/engine/zones.hpp"
#include "store/compliance_items.hpp"

namespace belay::server {
using namespace std::chrono_literals;
namespace associations = store::associations;
namespace compliance = store::compliance_items;

class AssociationsTest : public EngineTest {
 protected:
  AssociationsTest() { boot_all(); }

  void boot_all() {
    boot();
    const auto read_zone = [](std::string_view name) -> Result<std::string> {
      return Error(Code::not_found, "there is no zone " + std::string(name));
    };
    zones_ = std::make_unique<Zones>(clock_, read_zone);
    windows_ = std::make_unique<Windows>(*store_, clock_, *zones_);
    engine_->add(make_association_kind({*windows_, read_zone}));
    engine_->add(make_association_matcher_kind());
    engine_->add(make_association_sets_kind(authority_));
    engine_->add(make_remedy_kind(*judge_));
  }

  static association::Settings settings(const std::string& schedule = "") {
    association::Settings made;
    made.name = "hardening";
    made.document = "AWS-RunShellScript";
    made.parameters = {{"commands", {"true"}}};
    made.targets = {{"tag:role", {"web"}}};
    made.schedule = schedule;
    made.severity = association::Severity::HIGH;
    return made;
  }
  std::string make(const association::Settings& wanted) {
    const Status rehearsed = rehearse_association(*disk_, *windows_, wanted, clock_.now());
    EXPECT_TRUE(rehearsed.ok()) << rehearsed.error().chain();
    const auto made =
        disk_->write([&](store::Sql& sql) { return create_association(sql, wanted, "test", clock_.now()); });
    EXPECT_TRUE(made.ok());
    return made->association_id;
  }
  std::string reason_of(const association::Settings& wanted) {
    const Status status = rehearse_association(*disk_, *windows_, wanted, clock_.now());
    return status.ok() ? "" : status.error().reason();
  }
  FakeNode& web(const std::string& name) { return add_node(name, "12", {{"role", "web"}}); }
  associations::Association association(const std::string& id) {
    return disk_->read([&](store::Sql& sql) { return associations::get(sql, id); }).value();
  }
  std::vector<associations::Execution> executions(const std::string& id) {
    return disk_->read([&](store::Sql& sql) { return associations::list_executions(sql, id, {}, {1'000, ""}); })->items;
  }
  std::optional<associations::Node> standing(const std::string& id, const FakeNode& node) {
    return disk_->read([&](store::Sql& sql) { return associations::find_node(sql, id, node.id); }).value();
  }
  std::vector<compliance::Item> items(const FakeNode& node) {
    return disk_->read([&](store::Sql& sql) { return compliance::items(sql, node.id, compliance::kAssociation); })
        .value();
  }
  void tag(const FakeNode& node, const std::string& value) {
    const store::tags::Tag tags[] = {{"role", value}};
    ASSERT_TRUE(disk_
                    ->write([&](store::Sql& sql) -> Status {
                      BELAY_TRY(store::tags::set(sql, store::tags::kManagedInstance, node.id, tags));
                      return node_changed(sql, node.id, clock_.now());
                    })
                    .ok());
  }
  void pass(Duration time) {
    clock_.advance(time);
    settle();
  }

  std::unique_ptr<Zones> zones_;
  std::unique_ptr<Windows> windows_;
};

}  // namespace belay::server
