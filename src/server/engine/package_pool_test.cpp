#include "server/engine/package_pool.hpp"

#include "io/crypto.hpp"
#include "server/engine/fixture_test.hpp"
#include "store/executions.hpp"

namespace belay::server {
namespace {

// Change sets whose files are asked for. The nodes of this fixture give none: what comes, the test sends.
class PackagePoolTest : public EngineTest {
 protected:
  PackagePoolTest() {
    fills_pool_ = true;
    boot();
    pool_ = std::make_unique<PackagePool>(*store_, clock_, 1 << 20);
  }
  static fleet::Offer sized(fleet::Offer offer) {
    offer.sha256 = io::sha256_hex(content(offer.version));
    offer.size_bytes = content(offer.version).size();
    return offer;
  }
  static std::string content(const std::string& version) { return "the file of openssl " + version; }
  FakeNode& add(const std::string& name) {
    auto& node = add_node(name);
    node.installed = {{"openssl", "amd64", "1"}};
    node.offers = {sized(offer("openssl", "1", false)), sized(offer("openssl", "2"))};
    scan(node);
    return node;
  }
  ChangeSetView freeze(const std::vector<std::string>& names) {
    CreateChangeSetRequest request;
    request.instance_ids = names;
    const auto created = change_sets_->create(request);
    EXPECT_TRUE(created.ok()) << (created.ok() ? "" : created.error().chain());
    settle();
    return change_sets_->get(created->change_set_id).value();
  }
  PoolCoverage coverage(const ChangeSetView& view) {
    return store_->read([&](store::Sql& sql) { return pool_coverage(sql, view); }).value();
  }
  void give(const FakeNode& node, const std::string& version) {
    const auto text = content(version);
    EXPECT_TRUE(pool_->put(node.id, io::sha256_hex(text), 0, text).ok());
  }
  static std::vector<wire::PlanOrder> asked(const FakeNode& node) {
    std::vector<wire::PlanOrder> orders;
    for (const auto& order : node.done)
      if (order.plan && order.plan->fetch_into_pool) orders.push_back(*order.plan);
    return orders;
  }

  std::unique_ptr<PackagePool> pool_;
};

TEST_F(PackagePoolTest, EachNodeOfAPartIsAskedOnceForWhatIsLacking) {
  auto &one = add("one"), &two = add("two");
  const auto view = freeze({"one", "two"});
  EXPECT_EQ(view.status, ChangeSetStatus::Ready);
  ASSERT_EQ(asked(one).size(), 1U);
  ASSERT_EQ(asked(two).size(), 1U);
  EXPECT_EQ(asked(one)[0].changes, view.parts[0].changes);
  ASSERT_EQ(asked(one)[0].old_files.size(), 1U) << "what is replaced is for the way back";
  EXPECT_EQ(asked(one)[0].old_files[0].sha256, io::sha256_hex(content("1")));
  EXPECT_EQ(coverage(view).status, PoolStatus::Partial) << "they did not give it";
  const auto open = store_->read([](store::Sql& sql) { return store::executions::open_by_kind(sql); });
  EXPECT_TRUE(open->empty()) << "and nobody is asked for ever";
  give(one, "2");
  EXPECT_EQ(coverage(view).status, PoolStatus::Complete) << "without its old files, too";
  EXPECT_EQ(coverage(view).in_pool, 1);
}

TEST_F(PackagePoolTest, WhatThePoolHasIsNotAskedForAgain) {
  auto& one = add("one");
  freeze({"one"});
  give(one, "1"), give(one, "2");
  auto& two = add("two");
  const auto again = freeze({"two"});
  EXPECT_TRUE(asked(two).empty());
  EXPECT_EQ(coverage(again).status, PoolStatus::Complete);
}

TEST_F(PackagePoolTest, ASilentNodeIsWaitedForAnHourAndTheChangeSetIsGoodMeanwhile) {
  auto& one = add("one");
  CreateChangeSetRequest request;
  request.instance_ids = {"one"};
  const auto created = change_sets_->create(request);
  advance_engine();
  nodes_work();
  one.answers = false;
  settle();
  EXPECT_EQ(change_sets_->get(created->change_set_id)->status, ChangeSetStatus::Ready);
  const auto open = [&] {
    return store_->read([](store::Sql& sql) { return store::executions::open_by_kind(sql); })->size();
  };
  EXPECT_EQ(open(), 1U);
  clock_.advance(Duration(3'600'001));
  settle();
  EXPECT_EQ(open(), 0U);
}

TEST_F(PackagePoolTest, ARunOfAChangeSetIsToldOfItsFiles) {
  auto& one = add("one");
  const auto view = freeze({"one"});
  give(one, "1"), give(one, "2");
  EXPECT_EQ(pool_->get(one.id, io::sha256_hex(content("2")), 0).error().reason(), "pool-not-ordered");
  const auto sent = send({{"ChangeSetId", {view.change_set_id}}}, "Belay-ApplyChangeSet");
  settle();
  const auto patch = std::ranges::find_if(one.done, [](const auto& order) { return order.patch.has_value(); });
  ASSERT_NE(patch, one.done.end());
  EXPECT_TRUE(patch->patch->use_pool);
  ASSERT_EQ(patch->patch->old_files.size(), 1U);
  EXPECT_EQ(patch->patch->old_files[0].to_version, "1");
  EXPECT_EQ(command(sent.command_id).status, "Success");
}

}  // namespace
}  // namespace belay::server
