#include "server/engine/storage_view.hpp"

#include <gmock/gmock.h>

#include "server/engine/fixture_test.hpp"
#include "store/compliance_items.hpp"
#include "store/nodes.hpp"

namespace belay::server {
namespace {

using fleet::StorageState;

class StorageView : public EngineTest {
 protected:
  void say_storage(const std::string& node_id, std::vector<fleet::StorageHealth> storage) {
    ASSERT_TRUE(store_
                    ->write([&](store::Sql& sql) -> Status {
                      BELAY_TRY_ASSIGN(auto node, store::nodes::get(sql, node_id));
                      node.facts.storage = std::move(storage);
                      BELAY_TRY(
                          store::nodes::set_facts(sql, node_id, node.facts, node.operating_system, node.agent_version));
                      return judge_storage(sql, node_id, clock_.now());
                    })
                    .ok());
  }
  std::vector<std::string> items(const std::string& node_id) {
    std::vector<std::string> told;
    const auto all = store_->read(
        [&](store::Sql& sql) { return store::compliance_items::items(sql, node_id, kStorageComplianceType); });
    for (const auto& item : all.value()) told.push_back(item.item_id + " " + item.severity + " " + item.status);
    return told;
  }
};

TEST_F(StorageView, WhatIsNotWholeIsHeldAgainstTheNodeWhileItLasts) {
  const auto id = add_node("web-1").id;
  say_storage(id, {{"md", "md0", StorageState::degraded, "raid1, 1 of 2 disks", {"/"}},
                   {"disk", "sda", StorageState::failing, "", {"/"}},
                   {"disk", "sdb", StorageState::unknown, "asleep", {}},
                   {"disk", "sdc", StorageState::ok, "", {}}});
  EXPECT_THAT(items(id), testing::UnorderedElementsAre("md:md0 HIGH NON_COMPLIANT", "disk:sda CRITICAL NON_COMPLIANT"));
  say_storage(id, {{"md", "md0", StorageState::degraded, "raid1, recovery 3%", {"/"}}});
  EXPECT_THAT(items(id), testing::ElementsAre("md:md0 HIGH NON_COMPLIANT"));
  say_storage(id, {{"md", "md0", StorageState::ok, "raid1, 2 of 2 disks", {"/"}}});
  EXPECT_TRUE(items(id).empty());
  say_storage(id, {});
  EXPECT_TRUE(items(id).empty());
}

TEST(StorageSentences, RaidIsNoBackup) {
  fleet::NodeFacts facts;
  EXPECT_EQ(arrays_of(facts), "");
  facts.storage = {{"md", "md0", StorageState::ok, "raid1, 2 of 2 disks", {}},
                   {"md", "md1", StorageState::ok, "raid0", {}},
                   {"zfs", "tank", StorageState::ok, "ONLINE, raidz", {}}};
  EXPECT_EQ(arrays_of(facts), "md0 and tank");
  EXPECT_THAT(raid_is_no_backup("md0", "no copy is offsite"), testing::HasSubstr("RAID is not a backup: md0"));
}

}  // namespace
}  // namespace belay::server
