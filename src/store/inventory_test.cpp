#include "store/inventory.hpp"

#include "store/compliance_items.hpp"
#include "store/fixture_test.hpp"
#include "store/remedies.hpp"

namespace belay::store {
namespace {

class InventoryTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    if (!IsSkipped()) add_node("mi-1"), add_node("mi-2");
  }
  static inventory::Item rack(const std::string& node_id, const std::string& entries, std::int64_t at = 1) {
    inventory::Item item;
    item.node_id = node_id;
    item.type_name = "Custom:Rack";
    item.schema_version = "1.0";
    item.captured_at = item.received_at = at_s(at);
    item.entry_count = 1;
    item.entries = entries;
    return item;
  }
  std::optional<inventory::Item> found(const std::string& node_id) {
    auto item = read([&](Sql& sql) { return inventory::find(sql, node_id, "Custom:Rack"); });
    EXPECT_OK(item);
    return item.ok() ? *item : std::nullopt;
  }
};
BELAY_ON_EVERY_STORE(InventoryTest);

TEST_P(InventoryTest, AnItemIsReplacedAndConfirmedByItsHash) {
  EXPECT_FALSE(found("mi-1"));
  ASSERT_OK(write([](Sql& sql) { return inventory::put(sql, rack("mi-1", R"([{"Bay":"A"}])")); }));
  const auto first = found("mi-1");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->content_hash, first->sha256) << "nobody named a hash, so it is ours";
  EXPECT_EQ(first->entries, R"([{"Bay":"A"}])");
  const auto confirm = [&](const std::string& hash, std::int64_t at) {
    const auto done =
        write([&](Sql& sql) { return inventory::confirm(sql, "mi-1", "Custom:Rack", hash, at_s(at), at_s(at)); });
    EXPECT_OK(done);
    return done.ok() && *done;
  };
  EXPECT_TRUE(confirm(first->content_hash, 9));
  EXPECT_EQ(found("mi-1")->captured_at, at_s(9));
  EXPECT_TRUE(confirm(first->content_hash, 3)) << "a late message";
  EXPECT_EQ(found("mi-1")->captured_at, at_s(9)) << "time never goes back";
  EXPECT_FALSE(confirm("another", 10));
  EXPECT_EQ(found("mi-1")->captured_at, at_s(9));
  auto named = rack("mi-1", R"([{"Bay":"B"}])", 12);
  named.content_hash = "md5-of-theirs";
  ASSERT_OK(write([&](Sql& sql) { return inventory::put(sql, named); }));
  EXPECT_EQ(found("mi-1")->content_hash, "md5-of-theirs");
  EXPECT_REASON("node-unknown", write([](Sql& sql) { return inventory::put(sql, rack("mi-9", "[]")); }));
  const std::string ids[] = {"mi-2", "mi-1"};
  const auto many = read([&](Sql& sql) { return inventory::find_many(sql, ids, "Custom:Rack"); });
  ASSERT_OK(many);
  EXPECT_FALSE(many->at(0));
  EXPECT_TRUE(many->at(1));
  const auto types = read([](Sql& sql) { return inventory::types_of(sql, "mi-1"); });
  EXPECT_EQ(*types, std::vector<std::string>{"Custom:Rack"});
}

TEST_P(InventoryTest, TypesAndTheirDeletion) {
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(inventory::put_type(sql, {"Custom:Rack", "1.0", {"Bay", "Row"}, ""}, at_s(1)));
    BELAY_TRY(inventory::put_type(sql, {"Custom:Other", "1.0", {}, "0.9"}, at_s(1)));
    auto older = rack("mi-2", "[]", 5);
    older.schema_version = "0.9";
    BELAY_TRY(inventory::put(sql, older));
    return inventory::put(sql, rack("mi-1", "[]", 2));
  }));
  const auto type = read([](Sql& sql) { return inventory::find_type(sql, "Custom:Rack"); });
  ASSERT_TRUE(type.ok() && *type);
  EXPECT_EQ((*type)->attributes, (std::vector<std::string>{"Bay", "Row"}));
  EXPECT_EQ(*read([](Sql& sql) { return inventory::count_types(sql); }), 2);
  const auto page = read([](Sql& sql) { return inventory::list_types(sql, {1, ""}); });
  ASSERT_OK(page);
  EXPECT_EQ(page->items.at(0).type_name, "Custom:Other");
  EXPECT_EQ(page->next, "Custom:Other");
  const auto counts = read([](Sql& sql) { return inventory::count_items(sql, "Custom:Rack"); });
  EXPECT_EQ(*counts, (std::map<std::string, std::int64_t>{{"0.9", 1}, {"1.0", 1}}));
  const auto remove = [&](std::int64_t until, std::uint32_t limit) {
    return *write([&](Sql& sql) { return inventory::remove_items(sql, "Custom:Rack", at_s(until), limit); });
  };
  EXPECT_EQ(remove(3, 10), 1) << "what came later than the request stays";
  EXPECT_EQ(remove(9, 0), 0);
  EXPECT_EQ(remove(9, 1), 1);
  inventory::Deletion deletion;
  deletion.deletion_id = "d-1";
  deletion.type_name = "Custom:Rack";
  deletion.option = "DeleteSchema";
  deletion.started_at = deletion.updated_at = at_s(9);
  deletion.total_count = deletion.remaining_count = 2;
  deletion.versions = {{"1.0", 2}};
  ASSERT_OK(write([&](Sql& sql) { return inventory::add_deletion(sql, deletion); }));
  deletion.status = "Complete";
  deletion.remaining_count = 0;
  ASSERT_OK(write([&](Sql& sql) { return inventory::update_deletion(sql, deletion); }));
  const auto kept = read([](Sql& sql) { return inventory::get_deletion(sql, "d-1"); });
  ASSERT_OK(kept);
  EXPECT_EQ(kept->status, "Complete");
  EXPECT_EQ(kept->versions.at("1.0"), 2);
  EXPECT_EQ(read([](Sql& sql) { return inventory::list_deletions(sql, {}); })->items.size(), 1U);
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return inventory::get_deletion(sql, "d-2"); }));
}

TEST_P(InventoryTest, ComplianceReportsAreWholeOrInPart) {
  namespace ci = compliance_items;
  const auto report = [](std::int64_t at) {
    ci::Report made;
    made.node_id = "mi-1";
    made.compliance_type = "Custom:Antivirus";
    made.execution = {"run-" + std::to_string(at), "Command", at_s(at)};
    made.received_at = at_s(at);
    made.reported_by = "admin";
    return made;
  };
  const auto item = [](const std::string& id, bool compliant, const std::string& severity) {
    ci::Item made;
    made.item_id = made.title = id;
    made.severity = severity;
    made.status = compliant ? "COMPLIANT" : "NON_COMPLIANT";
    made.details = {{"k", "v"}};
    return made;
  };
  const auto put = [&](std::int64_t at, std::vector<ci::Item> items, bool partial) {
    auto stands = write([&](Sql& sql) { return ci::put(sql, report(at), items, partial); });
    EXPECT_OK(stands);
    return stands.ok() ? *stands : ci::Report();
  };
  auto stands = put(1, {item("a", true, "LOW"), item("b", false, "HIGH"), item("c", false, "MEDIUM")}, false);
  EXPECT_EQ(stands.compliant_count, 1);
  EXPECT_EQ(stands.non_compliant_count, 2);
  EXPECT_EQ(stands.severity, "HIGH");
  EXPECT_EQ(stands.non_compliant_since, at_s(1));
  const std::string hash = stands.sha256;
  stands = put(2, {item("b", true, "HIGH")}, true);
  EXPECT_EQ(stands.non_compliant_count, 1);
  EXPECT_EQ(stands.severity, "MEDIUM");
  EXPECT_EQ(stands.non_compliant_since, at_s(1)) << "it never complied in between";
  EXPECT_NE(stands.sha256, hash);
  const auto items = read([](Sql& sql) { return ci::items(sql, "mi-1", "Custom:Antivirus"); });
  ASSERT_EQ(items->size(), 3U);
  EXPECT_EQ(items->at(1).execution.execution_id, "run-2");
  EXPECT_EQ(items->at(2).execution.execution_id, "run-1");
  EXPECT_EQ(items->at(2).details.at("k"), "v");
  stands = put(3, {item("a", true, "LOW")}, false);
  EXPECT_FALSE(stands.non_compliant_since);
  EXPECT_EQ(read([](Sql& sql) { return ci::items(sql, "mi-1", "Custom:Antivirus"); })->size(), 1U);
  const std::string ids[] = {"mi-1", "mi-2"};
  const auto reports = read([&](Sql& sql) { return ci::reports_of(sql, ids); });
  ASSERT_OK(reports);
  EXPECT_EQ(reports->size(), 1U);
  EXPECT_EQ(*read([](Sql& sql) { return ci::types(sql); }), std::vector<std::string>{"Custom:Antivirus"});
  auto again = report(9);
  const auto confirm = [&] { return *write([&](Sql& sql) { return ci::confirm(sql, again); }); };
  EXPECT_FALSE(confirm()) << "no hash was named";
  again.content_hash = "theirs";
  EXPECT_FALSE(confirm()) << "of something else";
  ASSERT_OK(write([&](Sql& sql) { return ci::put(sql, again, std::vector{item("a", true, "LOW")}, false); }));
  again.execution = {"run-11", "Command", at_s(11)};
  EXPECT_TRUE(confirm());
  EXPECT_EQ(read([](Sql& sql) { return ci::items(sql, "mi-1", "Custom:Antivirus"); })->at(0).execution.executed_at,
            at_s(11));
  again.execution.executed_at = at_s(10);
  EXPECT_FALSE(confirm()) << "a late message";
  auto stranger = report(4);
  stranger.node_id = "mi-9";
  EXPECT_REASON("node-unknown", write([&](Sql& sql) { return ci::put(sql, stranger, {}, false); }));
}

TEST_P(InventoryTest, AnEpisodeIsOpenOnceAndActsOnce) {
  remedies::Policy policy{"rp-1", "patch-late", 1, "{}", at_s(1), at_s(1), "admin"};
  ASSERT_OK(write([&](Sql& sql) { return remedies::create_policy(sql, policy); }));
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return remedies::create_policy(sql, policy); }));
  EXPECT_EQ(*write([&](Sql& sql) { return remedies::update_policy(sql, policy); }), 2);
  remedies::Episode episode;
  episode.episode_id = "e-1";
  episode.policy_id = "rp-1";
  episode.policy_name = "patch-late";
  episode.node_id = "mi-1";
  episode.opened_at = at_s(10);
  episode.due_at = at_s(20);
  episode.compliance = "non_compliant";
  ASSERT_OK(write([&](Sql& sql) { return remedies::open(sql, episode); }));
  auto second = episode;
  second.episode_id = "e-2";
  EXPECT_REASON("episode-open", write([&](Sql& sql) { return remedies::open(sql, second); }));
  EXPECT_EQ(*read([](Sql& sql) { return remedies::next_due(sql, "rp-1"); }), at_s(20));
  EXPECT_TRUE(read([](Sql& sql) { return remedies::due(sql, "rp-1", at_s(19), 10); })->empty());
  EXPECT_EQ(read([](Sql& sql) { return remedies::due(sql, "rp-1", at_s(20), 10); })->size(), 1U);
  episode.acted_at = at_s(21);
  episode.action = "command";
  episode.outcome = "sent";
  episode.command_id = "c-1";
  const auto act = [&] { return *write([&](Sql& sql) { return remedies::mark_acted(sql, episode); }); };
  EXPECT_TRUE(act());
  episode.command_id = "c-2";
  EXPECT_FALSE(act());
  const std::string ids[] = {"mi-1", "mi-2"};
  const auto open = read([&](Sql& sql) { return remedies::open_of(sql, "rp-1", ids); });
  ASSERT_EQ(open->size(), 1U);
  EXPECT_EQ(open->front().command_id, "c-1");
  EXPECT_FALSE(read([](Sql& sql) { return remedies::next_due(sql, "rp-1"); })->has_value());
  episode.closed_at = at_s(30);
  ASSERT_OK(write([&](Sql& sql) { return remedies::update(sql, episode); }));
  ASSERT_OK(write([&](Sql& sql) { return remedies::open(sql, second); }));  // a new episode
  EXPECT_EQ(read([](Sql& sql) { return remedies::list(sql, {}, {}); })->items.size(), 2U);
  EXPECT_EQ(read([](Sql& sql) {
              return remedies::list(sql, {.policy_name = {}, .node_id = {}, .open = false, .acted = true}, {});
            })->items.size(),
            1U);
  EXPECT_EQ(*write([](Sql& sql) { return remedies::close_all(sql, "rp-1", at_s(40)); }), 1);
  ASSERT_OK(write([](Sql& sql) { return remedies::remove_policy(sql, "rp-1"); }));
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return remedies::remove_policy(sql, "rp-1"); }));
}

}  // namespace
}  // namespace belay::store
