#include "store/rollouts.hpp"

#include <algorithm>

#include "store/fixture_test.hpp"

namespace belay::store {
namespace {

using Ids = std::vector<std::string>;

class RolloutsTest : public StoreTest {
 protected:
  rollouts::Rollout make(const std::string& id, int when, const std::string& name = "october") {
    rollouts::Rollout made;
    made.rollout_id = id;
    made.name = name;
    made.content = "name: " + name + "\nrings: []\n";
    made.spec = R"({"name":")" + name + R"("})";
    made.created_by = "anna";
    made.created_at = at_s(when);
    EXPECT_OK(write([&](Sql& sql) { return rollouts::create(sql, made); }));
    return made;
  }
  static rollouts::Node node(const std::string& rollout_id, const std::string& node_id, std::uint32_t ring,
                             const std::string& state = "Pending") {
    rollouts::Node made;
    made.rollout_id = rollout_id;
    made.node_id = node_id;
    made.ring = ring;
    made.state = state;
    made.machine = R"({"node_id":")" + node_id + R"("})";
    return made;
  }
  void put(const std::vector<rollouts::Node>& nodes) {
    ASSERT_OK(write([&](Sql& sql) { return rollouts::put_nodes(sql, nodes); }));
  }
  void update(const rollouts::Rollout& rollout) {
    ASSERT_OK(write([&](Sql& sql) { return rollouts::update(sql, rollout); }));
  }
  // Every page of it, two items at a time.
  template <typename Call, typename Name>
  Ids paged(Call call, Name name) {
    Ids found;
    Page page{.limit = 2, .after = {}};
    do {
      const auto part = *read([&](Sql& sql) { return call(sql, page); });
      for (const auto& item : part.items) found.push_back(name(item));
      page.after = part.next;
    } while (!page.after.empty());
    return found;
  }
  Ids listed(const rollouts::Filter& filter) {
    return paged([&](Sql& sql, const Page& page) { return rollouts::list(sql, filter, page); },
                 [](const auto& item) { return item.rollout_id; });
  }
  Ids nodes(const std::string& id, const rollouts::NodeFilter& filter) {
    return paged([&](Sql& sql, const Page& page) { return rollouts::list_nodes(sql, id, filter, page); },
                 [](const auto& item) { return item.node_id; });
  }
  static Ids ids(const Result<std::vector<rollouts::Node>>& nodes) {
    Ids found;
    for (const auto& item : nodes.value()) found.push_back(item.rollout_id + "/" + item.node_id);
    return found;
  }
};
BELAY_ON_EVERY_STORE(RolloutsTest);

TEST_P(RolloutsTest, ARolloutIsKeptAsItGoes) {
  auto made = make("ro-1", 1);
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return rollouts::create(sql, made); }));
  made.content = made.spec = made.name = "changed";  // never is
  made.state = "Halted";
  made.why = std::string(5'000, 'x') + "\x01";
  made.change_set_id = "cs-1";
  made.started_at = at_s(2);
  made.rings = R"([{"name":"dev"}])";
  made.report = R"({"suspects":[]})";
  update(made);
  made.report.clear();  // keeps the one before
  made.finished_at = at_s(3);
  update(made);
  reopen();
  const auto got = *read([](Sql& sql) { return rollouts::get(sql, "ro-1"); });
  EXPECT_EQ(got.name, "october");
  EXPECT_EQ(got.content, "name: october\nrings: []\n");
  EXPECT_EQ(got.spec, R"({"name":"october"})");
  EXPECT_EQ(got.state, "Halted");
  EXPECT_EQ(got.why.size(), rollouts::kWhyBytesMax);
  EXPECT_EQ(got.change_set_id, "cs-1");
  EXPECT_EQ(got.undoes, "");
  EXPECT_EQ(got.created_by, "anna");
  EXPECT_EQ(got.created_at, at_s(1));
  EXPECT_EQ(got.started_at, at_s(2));
  EXPECT_EQ(got.finished_at, at_s(3));
  EXPECT_EQ(got.rings, made.rings);
  EXPECT_EQ(got.report, R"({"suspects":[]})");
  const auto brief = *read([](Sql& sql) { return rollouts::get_brief(sql, "ro-1"); });
  EXPECT_EQ(brief.rings, made.rings);
  EXPECT_EQ(brief.content + brief.spec + brief.report, "");
  made.rollout_id = "ro-nobody";
  EXPECT_CODE(Code::not_found, write([&](Sql& sql) { return rollouts::update(sql, made); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return rollouts::get(sql, "ro-nobody"); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return rollouts::get_brief(sql, "ro-nobody"); }));
}

TEST_P(RolloutsTest, ARollbackOfNodesHasNoFileAndADamagedOneIsSeen) {
  rollouts::Rollout made;
  made.rollout_id = "ro-1";
  made.undoes = "run-1 of mi-1";
  made.report = "{}";
  made.finished_at = at_s(1);
  ASSERT_OK(write([&](Sql& sql) { return rollouts::create(sql, made); }));
  const auto got = *read([](Sql& sql) { return rollouts::get(sql, "ro-1"); });
  EXPECT_EQ(got.content + got.spec, "");
  EXPECT_EQ(got.undoes, "run-1 of mi-1");
  EXPECT_EQ(got.report, "{}");
  EXPECT_EQ(got.finished_at, at_s(1));
  tamper("UPDATE rollouts SET spec = CAST('x' AS " + std::string(GetParam() == Driver::sqlite ? "BLOB" : "BYTEA") +
         ")");
  EXPECT_CODE(Code::corrupt, read([](Sql& sql) { return rollouts::get(sql, "ro-1"); }));
  EXPECT_OK(read([](Sql& sql) { return rollouts::get_brief(sql, "ro-1"); }));
}

TEST_P(RolloutsTest, ANodeThatFailedIsKeptUntilItIsTakenAway) {
  const auto nodes = [&] {
    Ids found;
    const auto all = *read([](Sql& sql) { return rollouts::unsettled(sql); });
    for (const auto& one : all) found.push_back(one.node_id + " " + one.rollout_id + " " + one.state);
    return found;
  };
  const rollouts::Unsettled first{"mi-2", "ro-1", "o-1", "Inconsistent", "silent", at_s(1)};
  ASSERT_OK(write([&](Sql& sql) { return rollouts::put_unsettled(sql, first); }));
  ASSERT_OK(write(
      [&](Sql& sql) { return rollouts::put_unsettled(sql, {"mi-1", "ro-1", "o-2", "Inconsistent", "", at_s(1)}); }));
  auto again = first;
  again.rollout_id = "ro-2";
  again.state = "RollbackFailed";
  ASSERT_OK(write([&](Sql& sql) { return rollouts::put_unsettled(sql, again); }));
  reopen();
  EXPECT_EQ(nodes(), (Ids{"mi-1 ro-1 Inconsistent", "mi-2 ro-2 RollbackFailed"})) << "the newest failure of each";
  const auto taken = *write([](Sql& sql) { return rollouts::take_unsettled(sql, "mi-2"); });
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->why, "silent");
  EXPECT_EQ(taken->since, at_s(1));
  EXPECT_FALSE(*write([](Sql& sql) { return rollouts::take_unsettled(sql, "mi-2"); }));
  EXPECT_EQ(nodes(), Ids{"mi-1 ro-1 Inconsistent"});
}

TEST_P(RolloutsTest, ListsByEveryFilterNewestFirst) {
  for (int i = 1; i <= 3; ++i) make("ro-" + std::to_string(i), 1);  // at one moment
  auto fourth = make("ro-4", 0, "november");
  fourth.state = "Completed";
  fourth.change_set_id = "cs-4";
  fourth.finished_at = at_s(9);
  update(fourth);
  put({node("ro-2", "mi-1", 0), node("ro-4", "mi-1", 0), node("ro-4", "mi-2", 0)});
  EXPECT_EQ(listed({}), (Ids{"ro-3", "ro-2", "ro-1", "ro-4"}));
  EXPECT_EQ(listed({.states = {"Completed", "Halted"}}), Ids{"ro-4"});
  EXPECT_EQ(listed({.name = "october"}), (Ids{"ro-3", "ro-2", "ro-1"}));
  EXPECT_EQ(listed({.node_id = "mi-1"}), (Ids{"ro-2", "ro-4"}));
  EXPECT_EQ(listed({.change_set_id = "cs-4"}), Ids{"ro-4"});
  EXPECT_EQ(listed({.over = true}), Ids{"ro-4"});
  EXPECT_EQ(listed({.over = false}), (Ids{"ro-3", "ro-2", "ro-1"}));
  EXPECT_EQ(listed({.states = {"Planned"}, .name = "october", .node_id = "mi-1", .over = false}), Ids{"ro-2"});
  const auto first = *read([](Sql& sql) { return rollouts::list(sql, {}, {.limit = 1, .after = {}}); });
  EXPECT_EQ(first.items.at(0).content + first.items.at(0).spec, "");
  EXPECT_REASON("page-token-invalid",
                read([](Sql& sql) { return rollouts::list(sql, {}, {.limit = 1, .after = "x"}); }));
}

TEST_P(RolloutsTest, NodesAreAddedAndChangedAndListedByRingAndId) {
  make("ro-1", 1);
  make("ro-2", 2);
  put({node("ro-1", "mi-b", 1), node("ro-1", "mi-c", 0), node("ro-1", "mi-a", 1), node("ro-2", "mi-a", 7)});
  auto changed = node("ro-1", "mi-a", 1, "Held");
  changed.why = std::string(5'000, 'x');
  changed.order_id = "or-1";
  changed.machine = R"({"attempt":1})";
  put({changed, node("ro-1", "mi-d", 2, "Committed")});
  const auto all = *read([](Sql& sql) { return rollouts::nodes_of(sql, "ro-1"); });
  ASSERT_EQ(ids(all), (Ids{"ro-1/mi-c", "ro-1/mi-a", "ro-1/mi-b", "ro-1/mi-d"}));
  EXPECT_EQ(all[1].ring, 1u);
  EXPECT_EQ(all[1].state, "Held");
  EXPECT_EQ(all[1].why.size(), rollouts::kWhyBytesMax);
  EXPECT_EQ(all[1].order_id, "or-1");
  EXPECT_EQ(all[1].machine, R"({"attempt":1})");
  EXPECT_EQ(all[2].machine, R"({"node_id":"mi-b"})");
  EXPECT_EQ(ids(read([](Sql& sql) { return rollouts::nodes_of(sql, "ro-2"); })), Ids{"ro-2/mi-a"});
  EXPECT_EQ(nodes("ro-1", {}), (Ids{"mi-c", "mi-a", "mi-b", "mi-d"}));
  EXPECT_EQ(nodes("ro-1", {.ring = 1}), (Ids{"mi-a", "mi-b"}));
  EXPECT_EQ(nodes("ro-1", {.states = {"Pending"}}), (Ids{"mi-c", "mi-b"}));
  EXPECT_EQ(nodes("ro-1", {.states = {"Pending", "Held", "Pending", "Committed"}}),
            (Ids{"mi-c", "mi-a", "mi-b", "mi-d"}));
  EXPECT_EQ(nodes("ro-1", {.states = {"Pending", "Held"}, .ring = 0}), Ids{"mi-c"});
  EXPECT_EQ(nodes("ro-none", {}), Ids{});
  EXPECT_REASON("reference-missing",
                write([&](Sql& sql) { return rollouts::put_nodes(sql, std::vector{node("ro-none", "mi-a", 0)}); }));
  EXPECT_OK(write([](Sql& sql) { return rollouts::put_nodes(sql, {}); }));
}

TEST_P(RolloutsTest, WhatIsOpenIsFoundByNodeAndByState) {
  make("ro-1", 1);
  make("ro-2", 2);
  auto over = make("ro-3", 3);
  put({node("ro-1", "mi-a", 0, "Checking"), node("ro-2", "mi-a", 1, "Pending"), node("ro-3", "mi-a", 0, "Checking"),
       node("ro-2", "mi-b", 0, "RolledBack"), node("ro-1", "mi-c", 0, "Committed")});
  over.finished_at = at_s(4);
  update(over);
  EXPECT_EQ(ids(read([](Sql& sql) { return rollouts::open_of_node(sql, "mi-a"); })), (Ids{"ro-1/mi-a", "ro-2/mi-a"}));
  EXPECT_EQ(ids(read([](Sql& sql) { return rollouts::open_of_node(sql, "mi-z"); })), Ids{});
  EXPECT_EQ(ids(read([](Sql& sql) { return rollouts::all_of_node(sql, "mi-a"); })).size(), 3u);
  const auto in_states = [&](const std::string& but, const std::vector<std::string>& states) {
    return ids(read([&](Sql& sql) { return rollouts::open_in_states(sql, but, states); }));
  };
  EXPECT_EQ(in_states("", {"Checking", "RolledBack"}), (Ids{"ro-1/mi-a", "ro-2/mi-b"}));
  EXPECT_EQ(in_states("ro-1", {"Checking", "RolledBack"}), Ids{"ro-2/mi-b"});
  EXPECT_EQ(in_states("", {}), Ids{});
}

// As large as a rollout gets: written, changed and read whole, each in one transaction.
TEST_P(RolloutsTest, HoldsFiftyThousandNodes) {
  make("ro-1", 1);
  std::vector<rollouts::Node> many;
  for (int i = 0; i < 50'000; ++i) {
    many.push_back(node("ro-1", "mi-" + fake_hash(std::to_string(i)).substr(0, 17), i < 100 ? 0 : 1));
    many.back().machine = R"({"groups":["Role=web"],"padding":")" + std::string(300, 'x') + R"("})";
  }
  put(many);
  for (auto& item : many) item.state = "Committed";
  many.back().state = "Held";
  put(many);
  const auto all = *read([](Sql& sql) { return rollouts::nodes_of(sql, "ro-1"); });
  ASSERT_EQ(all.size(), many.size());
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, [](const auto& item) { return std::pair(item.ring, item.node_id); }));
  EXPECT_EQ(nodes("ro-1", {.states = {"Held"}}), Ids{many.back().node_id});
  EXPECT_EQ(nodes("ro-1", {.ring = 0}).size(), 100u);
}

TEST_P(RolloutsTest, WhatEndedLongAgoIsForgottenWithItsNodes) {
  for (int i = 1; i <= 3; ++i) {
    auto made = make("ro-" + std::to_string(i), i);
    put({node(made.rollout_id, "mi-a", 0)});
    if (i == 3) continue;
    made.finished_at = at_s(10 + i);
    update(made);
  }
  EXPECT_EQ(write([](Sql& sql) { return rollouts::forget(sql, at_s(11), 10); }).value(), 0);
  EXPECT_EQ(write([](Sql& sql) { return rollouts::forget(sql, at_s(99), 1); }).value(), 1);
  EXPECT_EQ(listed({}), (Ids{"ro-3", "ro-2"}));
  EXPECT_EQ(ids(read([](Sql& sql) { return rollouts::nodes_of(sql, "ro-1"); })), Ids{});
  EXPECT_EQ(ids(read([](Sql& sql) { return rollouts::nodes_of(sql, "ro-2"); })), Ids{"ro-2/mi-a"});
  EXPECT_EQ(write([](Sql& sql) { return rollouts::forget(sql, at_s(99), 10); }).value(), 1);
  EXPECT_EQ(listed({}), Ids{"ro-3"});
}

// ---- what the fleet remembers

TEST_P(RolloutsTest, QuarantineIsInForceUntilItIsLifted) {
  const auto add = [&](const std::string& id, int when, const std::string& change_set_id, const std::string& name) {
    rollouts::Quarantine made;
    made.quarantine_id = id;
    made.change_set_id = change_set_id;
    made.name = name;
    made.version = name.empty() ? "" : "1.2-3";
    made.operating_system = "DEBIAN";
    made.role = "web";
    made.reason = "nginx did not come back";
    made.rollout_id = "ro-forgotten";
    made.node_id = "mi-a";
    made.added_by = "rollout";
    made.added_at = at_s(when);
    return write([&](Sql& sql) { return rollouts::add_quarantine(sql, made); });
  };
  EXPECT_OK(add("qu-1", 1, "", "nginx"));
  EXPECT_OK(add("qu-2", 2, "cs-1", ""));
  EXPECT_OK(add("qu-3", 2, "", "curl"));
  EXPECT_CODE(Code::already_exists, add("qu-1", 3, "cs-2", ""));
  EXPECT_CODE(Code::invalid_argument, add("qu-4", 3, "", ""));
  EXPECT_CODE(Code::invalid_argument, add("qu-4", 3, "cs-1", "nginx"));
  const auto lift = [&](const std::string& id) {
    return write([&](Sql& sql) { return rollouts::lift_quarantine(sql, id, "anna", "1.2-4 is out", at_s(5)); });
  };
  EXPECT_OK(lift("qu-2"));
  EXPECT_REASON("already-lifted", lift("qu-2"));
  EXPECT_CODE(Code::conflict, lift("qu-2"));
  EXPECT_CODE(Code::not_found, lift("qu-none"));
  const auto first = *read([](Sql& sql) { return rollouts::get_quarantine(sql, "qu-1"); });
  EXPECT_EQ(first.name + " " + first.version + first.arch, "nginx 1.2-3");
  EXPECT_EQ(first.operating_system + "/" + first.role, "DEBIAN/web");
  EXPECT_EQ(first.reason, "nginx did not come back");
  EXPECT_EQ(first.rollout_id + "/" + first.node_id, "ro-forgotten/mi-a");
  EXPECT_EQ(first.added_by, "rollout");
  EXPECT_EQ(first.added_at, at_s(1));
  EXPECT_FALSE(first.lifted_at.has_value());
  const auto second = *read([](Sql& sql) { return rollouts::get_quarantine(sql, "qu-2"); });
  EXPECT_EQ(second.change_set_id, "cs-1");
  EXPECT_EQ(second.lifted_by + ": " + second.lift_reason, "anna: 1.2-4 is out");
  EXPECT_EQ(second.lifted_at, at_s(5));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return rollouts::get_quarantine(sql, "qu-none"); }));
  const auto name = [](const auto& item) { return item.quarantine_id; };
  Ids in_force;
  const auto entries = *read([](Sql& sql) { return rollouts::in_quarantine(sql); });
  for (const auto& item : entries) in_force.push_back(name(item));
  EXPECT_EQ(in_force, (Ids{"qu-3", "qu-1"}));
  for (const bool lifted_too : {false, true})
    EXPECT_EQ(paged([&](Sql& sql, const Page& page) { return rollouts::list_quarantine(sql, lifted_too, page); }, name),
              lifted_too ? (Ids{"qu-3", "qu-2", "qu-1"}) : in_force);
}

TEST_P(RolloutsTest, ExceptionsEndAtTheirExpiry) {
  const auto add = [&](const std::string& id, int expires) {
    const rollouts::Exception made{id,    "linux-*", "tag:Role=db", "anna", "vendor's driver",
                                   "ben", at_s(1),   at_s(expires)};
    return write([&](Sql& sql) { return rollouts::add_exception(sql, made); });
  };
  EXPECT_OK(add("ex-1", 30));
  EXPECT_OK(add("ex-2", 20));
  EXPECT_OK(add("ex-3", 10));
  EXPECT_CODE(Code::already_exists, add("ex-1", 40));
  const auto at = [&](std::optional<Instant> when) {
    Ids found;
    const auto items = *read([&](Sql& sql) { return rollouts::exceptions(sql, when); });
    for (const auto& item : items) found.push_back(item.exception_id);
    return found;
  };
  EXPECT_EQ(at(std::nullopt), (Ids{"ex-3", "ex-2", "ex-1"}));
  EXPECT_EQ(at(at_s(9)), (Ids{"ex-3", "ex-2", "ex-1"}));
  EXPECT_EQ(at(at_s(10)), (Ids{"ex-2", "ex-1"}));
  EXPECT_OK(write([](Sql& sql) { return rollouts::remove_exception(sql, "ex-2"); }));
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return rollouts::remove_exception(sql, "ex-2"); }));
  const auto left = *read([](Sql& sql) { return rollouts::exceptions(sql, at_s(10)); });
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].package + " " + left[0].target, "linux-* tag:Role=db");
  EXPECT_EQ(left[0].owner + ", " + left[0].reason + ", " + left[0].created_by, "anna, vendor's driver, ben");
  EXPECT_EQ(left[0].created_at, at_s(1));
  EXPECT_EQ(left[0].expires_at, at_s(30));
}

TEST_P(RolloutsTest, PackageStatesAreSavedUnderAName) {
  const auto save = [&](const std::string& name) {
    const rollouts::SavedState made{name, "before the move", "mi-a", "DEBIAN", std::string(64, 'a'), "anna", at_s(1)};
    return write([&](Sql& sql) { return rollouts::save_state(sql, made); });
  };
  for (const char* name : {"web", "db", "mail"}) EXPECT_OK(save(name));
  EXPECT_CODE(Code::already_exists, save("db"));
  const auto got = *read([](Sql& sql) { return rollouts::get_state(sql, "db"); });
  EXPECT_EQ(got.description, "before the move");
  EXPECT_EQ(got.node_id + "/" + got.operating_system, "mi-a/DEBIAN");
  EXPECT_EQ(got.package_set_hash, std::string(64, 'a'));
  EXPECT_EQ(got.saved_by, "anna");
  EXPECT_EQ(got.saved_at, at_s(1));
  const auto names = [&] {
    return paged([](Sql& sql, const Page& page) { return rollouts::list_states(sql, page); },
                 [](const auto& item) { return item.name; });
  };
  EXPECT_EQ(names(), (Ids{"db", "mail", "web"}));
  EXPECT_OK(write([](Sql& sql) { return rollouts::remove_state(sql, "mail"); }));
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return rollouts::remove_state(sql, "mail"); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return rollouts::get_state(sql, "mail"); }));
  EXPECT_EQ(names(), (Ids{"db", "web"}));
}

}  // namespace
}  // namespace belay::store
