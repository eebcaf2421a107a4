// The reads that every page and every message makes go by an index, on both back-ends: their text is caught on its way
// and the database is asked how it would answer it.
#include "store/commands.hpp"
#include "store/contents.hpp"
#include "store/executions.hpp"
#include "store/fixture_test.hpp"
#include "store/inbox.hpp"
#include "store/nodes.hpp"
#include "store/orders.hpp"
#include "store/rollouts.hpp"
#include "store/runs.hpp"
#include "store/scans.hpp"
#include "store/tags.hpp"
#include "store/verdicts.hpp"

namespace belay::store {
namespace {

// Passes everything on, and remembers what was asked.
class ListeningSql final : public Sql {
 public:
  explicit ListeningSql(Sql& inner) : Sql(inner.seams()), inner_(inner) {}
  std::vector<std::pair<std::string, Params>> heard;

 private:
  void hear(std::string_view text, const Params& params) { heard.emplace_back(text, params); }
  Result<std::int64_t> do_exec(std::string_view text, const Params& params) override {
    hear(text, params);
    return inner_.exec(text, params);
  }
  Result<Rows> do_query(std::string_view text, const Params& params) override {
    hear(text, params);
    return inner_.query(text, params);
  }
  Result<std::int64_t> do_exec_many(std::string_view text, std::span<const Params> rows) override {
    if (!rows.empty()) hear(text, rows.front());
    return inner_.exec_many(text, rows);
  }
  Result<std::vector<Rows>> do_query_many(std::string_view text, std::span<const Params> rows) override {
    if (!rows.empty()) hear(text, rows.front());
    return inner_.query_many(text, rows);
  }
  Sql& inner_;
};

class HotReadsTest : public StoreTest {
 protected:
  // Lines of the plan that read a whole table without an index.
  Result<std::vector<std::string>> whole_scans(Sql& sql, const std::string& text, const Params& params) {
    const bool lite = GetParam() == Driver::sqlite;
    BELAY_TRY_ASSIGN(const auto rows, sql.query((lite ? "EXPLAIN QUERY PLAN " : "EXPLAIN ") + text, params));
    std::vector<std::string> found;
    for (const auto& row : rows) {
      const std::string& line = row.text(lite ? 3 : 0);
      const bool whole = lite
                             ? (line.starts_with("SCAN") && line.find("USING") == std::string::npos &&
                                line.find("CONSTANT ROW") == std::string::npos && line != "SCAN page") ||
                                   line.starts_with("SCAN n USING INDEX rollout_nodes") ||  // those of all rollouts
                                   line.ends_with("(resource_type=?)") || line.ends_with("(kind=?)") ||  // nearly all
                                   line.find("execution_events_by_execution") != std::string::npos  // all ever taken in
                             : line.find("Seq Scan") != std::string::npos;
      if (whole) found.push_back(line);
    }
    return found;
  }

  template <typename Work>
  void expect_indexed(const char* what, Work work) {
    SCOPED_TRACE(what);
    const auto checked = write([&](Sql& sql) -> Status {
      // Small tables are read whole by right; what counts is that an index is there.
      if (GetParam() == Driver::postgres) BELAY_TRY(sql.exec("SET LOCAL enable_seqscan = off"));
      ListeningSql listening(sql);
      const auto answer = work(listening);
      if (!answer.ok()) return answer.error();
      for (const auto& [text, params] : listening.heard) {
        BELAY_TRY_ASSIGN(const auto scans, whole_scans(sql, text, params));
        for (const auto& line : scans) ADD_FAILURE() << line << " in: " << text;
      }
      EXPECT_FALSE(listening.heard.empty());
      return {};
    });
    ASSERT_OK(checked);
  }
};
BELAY_ON_EVERY_STORE(HotReadsTest);

TEST_P(HotReadsTest, AReadWithoutAnIndexIsSeen) {
  const auto found = write([&](Sql& sql) -> Result<std::vector<std::string>> {
    if (GetParam() == Driver::postgres) BELAY_TRY(sql.exec("SET LOCAL enable_seqscan = off"));
    return whole_scans(sql, "SELECT iam_role FROM nodes WHERE os_name = $1", {"x"});
  });
  ASSERT_OK(found);
  EXPECT_EQ(found->size(), 1u);
}

TEST_P(HotReadsTest, GoByAnIndex) {
  for (int i = 0; i < 9; ++i) add_node("mi-" + std::to_string(i));
  const std::vector<std::string> ids{"mi-1", "mi-2"};
  const Page page{.limit = 50, .after = "mi-3"};
  nodes::NodeFilter by_tag, by_name, by_system;
  by_tag.tags = {{"PatchGroup", {"web"}}};
  by_name.names = {"name of mi-1"};
  by_system.operating_systems = {"DEBIAN"};
  // A page of 50 nodes with their states
  expect_indexed("page of nodes", [&](Sql& sql) { return nodes::list(sql, {}, page); });
  expect_indexed("page of one system", [&](Sql& sql) { return nodes::list_briefs(sql, by_system, page); });
  expect_indexed("page by tag", [&](Sql& sql) { return nodes::list_ids(sql, by_tag, page); });
  expect_indexed("by name", [&](Sql& sql) { return nodes::list_ids(sql, by_name, page); });
  expect_indexed("several nodes", [&](Sql& sql) { return nodes::get_many(sql, ids); });
  expect_indexed("several briefs", [&](Sql& sql) { return nodes::get_briefs(sql, ids); });
  expect_indexed("their tags", [&](Sql& sql) { return tags::list_many(sql, tags::kManagedInstance, ids); });
  expect_indexed("newest scan", [](Sql& sql) { return scans::newest(sql, "mi-1"); });
  expect_indexed("scan as of", [](Sql& sql) { return scans::as_of(sql, "mi-1", at_s(5)); });
  expect_indexed("heads", [&](Sql& sql) { return scans::heads(sql, std::nullopt, page); });
  expect_indexed("heads of", [&](Sql& sql) { return scans::heads_of(sql, ids); });
  expect_indexed("newest run", [](Sql& sql) { return runs::newest(sql, "mi-1"); });
  expect_indexed("reboot", [](Sql& sql) { return runs::pending_reboot(sql, "mi-1"); });
  expect_indexed("newest verdict", [](Sql& sql) { return verdicts::newest(sql, "mi-1"); });
  expect_indexed("newest verdicts", [&](Sql& sql) { return verdicts::newest_of(sql, ids); });
  expect_indexed("page of verdicts", [&](Sql& sql) { return verdicts::list_newest(sql, {}, page); });
  // What every connection and message asks
  expect_indexed("certificate", [](Sql& sql) -> Status {
    const auto found = nodes::authenticate(sql, "00", at_s(1));
    return found.error().code() == Code::unauthenticated ? Status() : Status(found.error());
  });
  expect_indexed("message seen", [](Sql& sql) { return inbox::first_time(sql, "mi-1", "m1", at_s(1)); });
  expect_indexed("orders", [](Sql& sql) { return orders::pending(sql, "mi-1", at_s(1)); });
  expect_indexed("nodes with orders", [&](Sql& sql) { return orders::nodes_to_reach(sql, at_s(1), page); });
  expect_indexed("cancels", [](Sql& sql) { return orders::cancel_requests(sql, "mi-1"); });
  expect_indexed("expiry", [](Sql& sql) { return orders::expire(sql, at_s(1), 10); });
  expect_indexed("old results", [](Sql& sql) { return orders::forget_results(sql, at_s(1), 10); });
  expect_indexed("due work", [](Sql& sql) { return executions::claim_due(sql, "me", at_s(1), Duration(1'000), 10); });
  expect_indexed("waiting events", [](Sql& sql) { return executions::events(sql, "command", "c1"); });
  expect_indexed("next wake-up", [](Sql& sql) { return executions::next_wake(sql); });
  expect_indexed("sets missing", [&](Sql& sql) { return contents::missing(sql, contents::Kind::offer_set, ids); });
  expect_indexed("unused sets", [](Sql& sql) {
    return contents::forget_unused_sets(sql, contents::Kind::offer_set, at_s(1), "", 10);
  });
  // Lists of commands
  expect_indexed("commands", [&](Sql& sql) { return commands::list(sql, {}, {}); });
  commands::Filter of_node;
  of_node.node_id = "mi-1";
  expect_indexed("commands of a node", [&](Sql& sql) { return commands::list_invocations(sql, of_node, {}); });
}

TEST_P(HotReadsTest, OfRolloutsGoByAnIndex) {
  const std::string id = "ro-1";
  const Page page{.limit = 50, .after = "7." + id};
  const std::vector<std::string> at_work{"Checking", "Installing"};
  for (const rollouts::Filter& filter :
       {rollouts::Filter{}, {.name = "october"}, {.node_id = "mi-1"}, {.change_set_id = "cs-1"}, {.over = false}})
    expect_indexed("page of rollouts", [&](Sql& sql) { return rollouts::list(sql, filter, page); });
  for (const rollouts::NodeFilter& filter : {rollouts::NodeFilter{}, {.states = at_work}, {.ring = 2}})
    expect_indexed("page of nodes", [&](Sql& sql) { return rollouts::list_nodes(sql, id, filter, page); });
  expect_indexed("all nodes", [&](Sql& sql) { return rollouts::nodes_of(sql, id); });
  expect_indexed("open of a node", [](Sql& sql) { return rollouts::open_of_node(sql, "mi-1"); });
  expect_indexed("open in states", [&](Sql& sql) { return rollouts::open_in_states(sql, id, at_work); });
  expect_indexed("quarantine", [](Sql& sql) { return rollouts::in_quarantine(sql); });
  expect_indexed("page of quarantine", [&](Sql& sql) { return rollouts::list_quarantine(sql, true, page); });
  expect_indexed("exceptions", [](Sql& sql) { return rollouts::exceptions(sql, at_s(1)); });
  expect_indexed("saved states", [&](Sql& sql) { return rollouts::list_states(sql, page); });
  expect_indexed("old rollouts", [](Sql& sql) { return rollouts::forget(sql, at_s(1), 10); });
}

}  // namespace
}  // namespace belay::store
