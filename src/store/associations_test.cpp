#include "store/associations.hpp"

#include "store/association_sets.hpp"
#include "store/fixture_test.hpp"

namespace belay::store {
namespace {

using Ids = std::vector<std::string>;
class AssociationsTest : public StoreTest {
 protected:
  void make(const std::string& id, const std::string& document = "AWS-RunShellScript") {
    associations::Association made;
    made.association_id = id;
    made.name = "name-" + id;
    made.document = document;
    made.content = R"({"a":1})";
    made.created_at = made.updated_at = at_s(0);
    made.created_by = "test";
    ASSERT_OK(write([&](Sql& sql) { return associations::create(sql, made); }));
    EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return associations::create(sql, made); }));
  }
  Ids listed(const associations::Filter& filter) {
    Ids found;
    Page page{.limit = 2, .after = {}};
    do {
      const auto part = *read([&](Sql& sql) { return associations::list(sql, filter, page); });
      for (const auto& item : part.items) found.push_back(item.association_id);
      page.after = part.next;
    } while (!page.after.empty());
    return found;
  }
};
BELAY_ON_EVERY_STORE(AssociationsTest);

TEST_P(AssociationsTest, EveryVersionIsKeptAndNoneIsLost) {
  make("a1");
  auto got = *read([](Sql& sql) { return associations::get(sql, "a1"); });
  EXPECT_CODE(Code::conflict, write([&](Sql& sql) { return associations::add_version(sql, got, "test"); }));
  for (std::int64_t version = 2; version <= associations::kVersionsMax; ++version) {
    got.version = version;
    got.content = std::to_string(version);
    got.updated_at = at_s(version);
    ASSERT_OK(write([&](Sql& sql) { return associations::add_version(sql, got, "other"); }));
  }
  ++got.version;
  EXPECT_CODE(Code::resource_exhausted, write([&](Sql& sql) { return associations::add_version(sql, got, "test"); }));
  const auto newest =
      *read([](Sql& sql) { return associations::list_versions(sql, "a1", Page{.limit = 3, .after = {}}); });
  ASSERT_EQ(newest.items.size(), 3u);
  EXPECT_EQ(newest.items[0].version, 1000);
  const auto next =
      *read([&](Sql& sql) { return associations::list_versions(sql, "a1", Page{.limit = 3, .after = newest.next}); });
  EXPECT_EQ(next.items[0].version, 997);
  EXPECT_EQ(read([](Sql& sql) { return associations::get_version(sql, "a1", 1); })->content, R"({"a":1})");
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return associations::get_version(sql, "a1", 1001); }));
}

TEST_P(AssociationsTest, NodesStandAndAreCounted) {
  make("a1");
  make("a2", "AWS-RunPatchBaseline");
  const std::vector<associations::Node> nodes = {{"a1", "mi-1", 1, "Success", "Success", "", "e1", at_s(5), false},
                                                 {"a1", "mi-2", 1, "TimedOut", "DeliveryTimedOut", "", "e1", {}, true},
                                                 {"a2", "mi-1", 1, "Failed", "Failed", "exit 1", "e2", at_s(6), false},
                                                 {"gone", "mi-1", 1, "Success", "", "", "", {}, false}};
  ASSERT_OK(write([&](Sql& sql) { return associations::put_nodes(sql, nodes); }));
  ASSERT_OK(write([&](Sql& sql) { return associations::put_nodes(sql, nodes); }));
  const associations::Counts counts = {{"Success", 1}, {"TimedOut", 1}};
  EXPECT_EQ(read([](Sql& sql) { return associations::count_nodes(sql, "a1"); }).value(), counts);
  EXPECT_TRUE(read([](Sql& sql) { return associations::has_missed(sql, "mi-2"); }).value());
  EXPECT_FALSE(read([](Sql& sql) { return associations::has_missed(sql, "mi-1"); }).value());
  const auto of_node = *read([](Sql& sql) { return associations::associations_of(sql, "mi-1", {}); });
  ASSERT_EQ(of_node.items.size(), 2u);
  EXPECT_EQ(of_node.items[1].summary, "exit 1");
  EXPECT_EQ(of_node.items[1].executed_at, at_s(6));
  ASSERT_OK(write([](Sql& sql) { return associations::remove_node(sql, "a1", "mi-2"); }));
  EXPECT_FALSE(read([](Sql& sql) { return associations::find_node(sql, "a1", "mi-2"); })->has_value());

  auto standing = *read([](Sql& sql) { return associations::get(sql, "a2"); });
  standing.status = "Failed";
  standing.counts = {{"Failed", 1}};
  standing.last_run_at = at_s(6);
  standing.held = "closed";
  ASSERT_OK(write([&](Sql& sql) { return associations::set_standing(sql, standing); }));
  EXPECT_EQ(listed({}), (Ids{"a1", "a2"}));
  EXPECT_EQ(listed({.statuses = {"Failed"}}), Ids{"a2"});
  EXPECT_EQ(listed({.documents = {"AWS-RunShellScript"}}), Ids{"a1"});
  EXPECT_EQ(listed({.node_id = "mi-1"}), (Ids{"a1", "a2"}));
  EXPECT_EQ(listed({.run_before = at_s(7)}), Ids{"a2"});
  EXPECT_EQ(listed({.run_after = at_s(6)}), Ids{});
  ASSERT_OK(write([](Sql& sql) { return associations::remove(sql, "a2"); }));
  ASSERT_OK(write([](Sql& sql) { return associations::remove(sql, "a2"); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return associations::get(sql, "a2"); }));
}

TEST_P(AssociationsTest, HistoryOutlivesTheAssociationAndIsForgottenInTime) {
  for (int i = 0; i < 5; ++i) {
    associations::Execution made{
        "e" + std::to_string(i), "a1", 1, "schedule", "InProgress", "", "c1", at_s(i), at_s(i), {}, {}};
    ASSERT_OK(write([&](Sql& sql) { return associations::add_execution(sql, made, Ids{"mi-1", "mi-2"}); }));
    made.status = i == 4 ? "Failed" : "Success";
    made.finished_at = at_s(10 + i);
    made.counts = {{"Success", 2}};
    ASSERT_OK(write([&](Sql& sql) { return associations::update_execution(sql, made); }));
  }
  ASSERT_OK(write([](Sql& sql) {
    return associations::update_targets(
        sql, std::vector<associations::Target>{{"e4", "mi-2", "Failed", "ExecutionTimedOut", at_s(9)}});
  }));
  const auto failed = *read([](Sql& sql) { return associations::list_targets(sql, "e4", {"Failed"}, {}, {}); });
  ASSERT_EQ(failed.items.size(), 1u);
  EXPECT_EQ(failed.items[0].executed_at, at_s(9));
  const auto page =
      *read([](Sql& sql) { return associations::list_executions(sql, "a1", {}, {.limit = 2, .after = {}}); });
  ASSERT_EQ(page.items.size(), 2u);
  EXPECT_EQ(page.items[0].execution_id, "e4");
  const auto rest =
      *read([&](Sql& sql) { return associations::list_executions(sql, "a1", {}, {.limit = 9, .after = page.next}); });
  EXPECT_EQ(rest.items.size(), 3u);
  EXPECT_EQ(write([](Sql& sql) { return associations::forget(sql, at_s(12), 10); }).value(), 2);
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return associations::get_execution(sql, "e1"); }));
  EXPECT_EQ(read([](Sql& sql) { return associations::get_execution(sql, "e2"); })->counts.at("Success"), 2);
}

TEST_P(AssociationsTest, ChangedNodesAreTakenOnce) {
  for (const char* node : {"mi-2", "mi-1", "mi-2"})
    ASSERT_OK(write([&](Sql& sql) { return associations::mark_changed(sql, node, at_s(node[3])); }));
  EXPECT_EQ(write([](Sql& sql) { return associations::take_changed(sql, 1); }).value(), Ids{"mi-1"});
  EXPECT_EQ(write([](Sql& sql) { return associations::take_changed(sql, 9); }).value(), Ids{"mi-2"});
  EXPECT_EQ(write([](Sql& sql) { return associations::take_changed(sql, 9); }).value(), Ids{});
}

TEST_P(AssociationsTest, ARunIsFoundByWhenItWasDueAndOnWhom) {
  associations::Execution run;
  run.execution_id = "e1";
  run.association_id = "a1";
  run.cause = "offline";
  run.due_at = at_s(5);
  run.created_at = at_s(6);
  const Ids nodes{"mi-1"};
  ASSERT_OK(write([&](Sql& sql) { return associations::add_execution(sql, run, nodes); }));
  const auto found = [&](std::int64_t version, Instant due, const char* node) {
    const auto row = *read([&](Sql& sql) { return associations::find_run(sql, "a1", version, due, node); });
    return row ? row->execution_id : "";
  };
  EXPECT_EQ(found(1, at_s(5), "mi-1"), "e1");
  EXPECT_EQ(found(2, at_s(5), "mi-1"), "");
  EXPECT_EQ(found(1, at_s(6), "mi-1"), "");
  EXPECT_EQ(found(1, at_s(5), "mi-2"), "");
  EXPECT_FALSE(*read([](Sql& sql) { return associations::has_run_on(sql, "a1", "mi-2"); }));
  for (int i = 0; i < 2; ++i) ASSERT_OK(write([](Sql& sql) { return associations::add_target(sql, "e1", "mi-2"); }));
  EXPECT_EQ(found(1, at_s(5), "mi-2"), "e1");
  EXPECT_TRUE(*read([](Sql& sql) { return associations::has_run_on(sql, "a1", "mi-2"); }));
}

TEST_P(AssociationsTest, SetsOfNodesAreLookedAtWhenTheyAreDue) {
  namespace sets = association_sets;
  sets::Set set;
  set.node_id = "mi-1";
  set.hash = "h";
  set.associations = {"a1", "a2"};
  set.order_id = "o";
  set.valid_until = at_s(100);
  set.due_at = at_s(50);
  ASSERT_OK(write([&](Sql& sql) { return sets::put(sql, set); }));
  EXPECT_EQ(read([](Sql& sql) { return sets::find(sql, "mi-1"); }).value()->associations, (Ids{"a1", "a2"}));
  EXPECT_FALSE(read([](Sql& sql) { return sets::find(sql, "mi-9"); }).value().has_value());
  const auto due = [&](Instant now) {
    const auto found = read([&](Sql& sql) { return sets::due(sql, now, 10); });
    Ids ids;
    for (const auto& each : *found) ids.push_back(each.node_id);
    return ids;
  };
  EXPECT_EQ(due(at_s(49)), Ids{});
  EXPECT_EQ(due(at_s(50)), Ids{"mi-1"});
  EXPECT_EQ(*read([](Sql& sql) { return sets::next_due(sql); }), at_s(50));
  const Ids marked{"mi-1", "mi-2"};
  for (int i = 0; i < 2; ++i) ASSERT_OK(write([&](Sql& sql) { return sets::mark(sql, marked, at_s(10)); }));
  EXPECT_EQ(due(at_s(10)), marked);
  EXPECT_EQ(read([](Sql& sql) { return sets::find(sql, "mi-1"); }).value()->hash, "h") << "only when changes";
  set.due_at.reset();
  ASSERT_OK(write([&](Sql& sql) { return sets::put(sql, set); }));
  EXPECT_EQ(due(at_s(10)), Ids{"mi-2"});
  ASSERT_OK(write([](Sql& sql) { return sets::mark_holders(sql, "a2", at_s(5)); }));
  EXPECT_EQ(due(at_s(5)), Ids{"mi-1"});
  ASSERT_OK(write([](Sql& sql) { return sets::mark_all(sql, at_s(7)); }));
  EXPECT_EQ(due(at_s(7)), marked);
  ASSERT_OK(write([](Sql& sql) { return sets::remove(sql, "mi-1"); }));
  ASSERT_OK(write([](Sql& sql) { return sets::remove(sql, "mi-1"); }));
  EXPECT_EQ(due(at_s(9)), Ids{"mi-2"});
}

}  // namespace
}  // namespace belay::store
