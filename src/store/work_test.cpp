// What is under way: commands, executions, effects, orders, messages.
#include <map>

#include "store/commands.hpp"
#include "store/executions.hpp"
#include "store/fixture_test.hpp"
#include "store/inbox.hpp"
#include "store/orders.hpp"

namespace belay::store {
namespace {

class WorkTest : public StoreTest {};
BELAY_ON_EVERY_STORE(WorkTest);
using Ids = std::vector<std::string>;

commands::Command command(const std::string& id, std::int64_t requested) {
  commands::Command made;
  made.command_id = id;
  made.document_name = "AWS-RunShellScript";
  made.requested_at = at_s(requested);
  made.instance_ids = {"mi-1"};
  return made;
}

commands::Invocation invocation(const std::string& command_id, const std::string& node_id, std::int64_t requested) {
  commands::Invocation made;
  made.command_id = command_id;
  made.node_id = node_id;
  made.requested_at = at_s(requested);
  return made;
}

TEST_P(WorkTest, CommandsAndTheirInvocations) {
  for (int i = 1; i <= 3; ++i) {
    const std::string id = "c" + std::to_string(i);
    ASSERT_OK(write([&](Sql& sql) {
      return commands::create(sql, command(id, i), std::vector{invocation(id, "mi-1", i), invocation(id, "mi-2", i)});
    }));
  }
  EXPECT_CODE(Code::already_exists, write([](Sql& sql) { return commands::create(sql, command("c1", 1), {}); }));
  auto one = *read([](Sql& sql) { return commands::get(sql, "c1"); });
  EXPECT_EQ(one.instance_ids, Ids{"mi-1"});
  one.status = "Success";
  one.completed_count = 2;
  ASSERT_OK(write([&](Sql& sql) { return commands::update(sql, one); }));
  EXPECT_EQ(read([](Sql& sql) { return commands::get(sql, "c1"); })->completed_count, 2u);

  const auto listed = [&](commands::Filter filter) {
    Ids ids;
    const auto found = read([&](Sql& sql) { return commands::list(sql, filter, {}); });
    EXPECT_OK(found);
    for (const auto& item : found->items) ids.push_back(item.command_id);
    return ids;
  };
  EXPECT_EQ(listed({}), (Ids{"c3", "c2", "c1"}));
  commands::Filter filter;
  filter.statuses = {"Success", "Failed"};
  EXPECT_EQ(listed(filter), Ids{"c1"});
  filter = {};
  filter.requested_after = at_s(1);
  filter.requested_before = at_s(3);
  filter.node_id = "mi-2";
  EXPECT_EQ(listed(filter), Ids{"c2"});
  filter.node_id = "mi-7";
  EXPECT_EQ(listed(filter), Ids{});

  Ids seen;
  Page page{.limit = 4, .after = {}};
  do {
    const auto part = read([&](Sql& sql) { return commands::list_invocations(sql, {}, page); });
    ASSERT_OK(part);
    for (const auto& item : part->items) seen.push_back(item.command_id + item.node_id);
    page.after = part->next;
  } while (!page.after.empty());
  EXPECT_EQ(seen, (Ids{"c3mi-2", "c3mi-1", "c2mi-2", "c2mi-1", "c1mi-2", "c1mi-1"}));
  EXPECT_EQ(read([](Sql& sql) { return commands::invocations_of(sql, "c1"); })->size(), 2u);
}

TEST_P(WorkTest, OutputIsCutForShowAndKeptWhole) {
  ASSERT_OK(write(
      [](Sql& sql) { return commands::create(sql, command("c1", 1), std::vector{invocation("c1", "mi-1", 1)}); }));
  auto done = invocation("c1", "mi-1", 1);
  done.status = "Success";
  done.order_id = "o1";
  done.response_code = 0;
  done.finished_at = at_s(9);
  for (int i = 0; i < 30'000; ++i) done.standard_output += "ä";
  done.standard_error = "\xff\x01";
  ASSERT_OK(write([&](Sql& sql) -> Status {
    BELAY_TRY(commands::update_invocation(sql, done));
    return commands::put_output(sql, "c1", "mi-1", commands::Stream::standard_output, done.standard_output);
  }));
  const auto found = read([](Sql& sql) { return commands::invocation_of_order(sql, "o1"); });
  ASSERT_OK(found);
  EXPECT_TRUE(found->standard_output.ends_with("ä\n---Output truncated---"));
  EXPECT_EQ(found->standard_output.size(), 2 * (24'000u - 23u) + 23u);
  EXPECT_EQ(found->standard_error, "\xEF\xBF\xBD\\x01");
  EXPECT_EQ(found->finished_at, at_s(9));
  EXPECT_EQ(*read([](Sql& sql) { return commands::get_output(sql, "c1", "mi-1", commands::Stream::standard_output); }),
            done.standard_output);
  EXPECT_CODE(Code::not_found,
              read([](Sql& sql) { return commands::get_output(sql, "c1", "mi-1", commands::Stream::standard_error); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return commands::invocation_of_order(sql, ""); }));
  EXPECT_CODE(Code::not_found,
              write([&](Sql& sql) { return commands::update_invocation(sql, invocation("c9", "mi-1", 1)); }));
}

TEST_P(WorkTest, StepsOfADocumentKeepWhatTheySaid) {
  ASSERT_OK(write(
      [](Sql& sql) { return commands::create(sql, command("c1", 1), std::vector{invocation("c1", "mi-1", 1)}); }));
  const auto put = [&](std::vector<commands::StepRow> steps) {
    return write([&](Sql& sql) { return commands::put_steps(sql, "c1", "mi-1", steps); });
  };
  commands::StepRow first{0, "a", "aws:runShellScript", "Success", 0, at_s(1), at_s(2), "said", ""};
  commands::StepRow second{1, "b", "belay:patch", "InProgress", -1, at_s(2), {}, "", ""};
  ASSERT_OK(put({first, second}));
  first.standard_output = "";
  second.status = "Failed";
  second.standard_error = "why";
  ASSERT_OK(put({first, second}));
  const auto kept = read([](Sql& sql) { return commands::steps_of(sql, "c1", "mi-1"); });
  ASSERT_OK(kept);
  ASSERT_EQ(kept->size(), 2u);
  EXPECT_EQ(kept->at(0).standard_output, "said");
  EXPECT_EQ(kept->at(1).status, "Failed");
  EXPECT_EQ(kept->at(1).standard_error, "why");
  EXPECT_EQ(read([](Sql& sql) { return commands::steps_of(sql, "c1", "mi-2"); })->size(), 0u);
}

executions::Execution execution(const std::string& id, std::optional<Instant> wake_at) {
  executions::Execution made;
  made.kind = "command";
  made.execution_id = id;
  made.wake_at = wake_at;
  made.created_at = at_s(0);
  return made;
}

TEST_P(WorkTest, ExecutionsAreClaimedOnceAndSavedByGeneration) {
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(executions::create(sql, execution("e1", at_s(10))));
    BELAY_TRY(executions::create(sql, execution("e2", at_s(5))));
    return executions::create(sql, execution("e3", std::nullopt));
  }));
  EXPECT_CODE(Code::already_exists, write([](Sql& sql) { return executions::create(sql, execution("e1", at_s(1))); }));
  EXPECT_EQ(*read([](Sql& sql) { return executions::next_wake(sql); }), at_s(5));
  const auto claim = [&](const char* who, std::int64_t when, std::uint32_t limit = 10) {
    return *write([&](Sql& sql) { return executions::claim_due(sql, who, at_s(when), Duration(30'000), limit); });
  };
  EXPECT_TRUE(claim("a", 4).empty());
  auto mine = claim("a", 10);
  ASSERT_EQ(mine.size(), 2u);
  EXPECT_EQ(mine[0].execution_id, "e2");
  EXPECT_TRUE(claim("b", 20).empty());
  const auto stolen = claim("b", 41);  // the lease of a ran out
  ASSERT_EQ(stolen.size(), 2u);
  mine[0].state = "{\"step\":2}";
  mine[0].wake_at = at_s(100);
  const auto saved = write([&](Sql& sql) { return executions::save(sql, mine[0], at_s(42)); });
  ASSERT_OK(saved);
  EXPECT_EQ(saved->generation, 2);
  EXPECT_REASON("generation-old", write([&](Sql& sql) { return executions::save(sql, stolen[0], at_s(43)); }));
  ASSERT_OK(write([&](Sql& sql) { return executions::release(sql, stolen[1], "b", at_s(44)); }));
  EXPECT_EQ(claim("c", 44, 1).at(0).execution_id, "e1");
  auto last = *read([](Sql& sql) { return executions::get(sql, "command", "e1"); });
  last.finished = true;
  ASSERT_OK(write([&](Sql& sql) { return executions::save(sql, last, at_s(45)); }));
  last.generation = 2;
  EXPECT_REASON("generation-old", write([&](Sql& sql) { return executions::save(sql, last, at_s(45)); }));
  EXPECT_EQ(
      read([](Sql& sql) { return executions::list(sql, {.kind = "command", .finished = false}, {}); })->items.size(),
      2u);
  EXPECT_EQ(*write([](Sql& sql) { return executions::forget_finished(sql, at_s(46), 10); }), 1);
}

TEST_P(WorkTest, ABacklogOfOneKindStarvesNoOther) {
  constexpr std::uint32_t kLimit = 8;
  ASSERT_OK(write([](Sql& sql) -> Status {
    for (int i = 0; i < 100; ++i) BELAY_TRY(executions::create(sql, execution("e" + std::to_string(i), at_s(1))));
    for (int i = 0; i < 10; ++i) {
      auto younger = execution("w" + std::to_string(i), at_s(5));
      younger.kind = "window";
      BELAY_TRY(executions::create(sql, younger));
    }
    auto not_yet = execution("a1", at_s(50));
    not_yet.kind = "automation";
    return executions::create(sql, not_yet);
  }));
  const auto claim = [&] {
    const auto claimed =
        *write([&](Sql& sql) { return executions::claim_due(sql, "a", at_s(9), Duration(30'000), kLimit); });
    std::map<std::string, std::size_t> kinds;
    for (const auto& each : claimed) ++kinds[each.kind];
    return kinds;
  };
  using Kinds = std::map<std::string, std::size_t>;
  const std::size_t share = executions::share_of_a_kind(kLimit);
  EXPECT_EQ(claim(), (Kinds{{"command", kLimit}, {"window", share}}));
  EXPECT_EQ(claim(), (Kinds{{"command", kLimit}, {"window", share}})) << "and again";
  for (int i = 0; i < 20; ++i) claim();
  EXPECT_EQ(claim(), Kinds{}) << "what is leased is nobody else's";
}

TEST_P(WorkTest, EventsWakeAndAreTakenOnce) {
  ASSERT_OK(write([](Sql& sql) { return executions::create(sql, execution("e1", std::nullopt)); }));
  const auto post = [&](const char* key, std::int64_t when) {
    return write([&](Sql& sql) {
      return executions::post(sql, "command", "e1", {.sequence = 0, .key = key, .body = "{}", .at = at_s(when)});
    });
  };
  const auto waiting = [&] { return *read([](Sql& sql) { return executions::events(sql, "command", "e1"); }); };
  ASSERT_OK(post("result/o1", 1));
  ASSERT_OK(post("result/o1", 2));
  ASSERT_OK(post("", 3));
  ASSERT_OK(post("", 3));
  EXPECT_EQ(waiting().size(), 3u);
  auto claimed = *write([](Sql& sql) { return executions::claim_due(sql, "a", at_s(4), Duration(30'000), 1); });
  ASSERT_EQ(claimed.size(), 1u);
  const auto taken_in = waiting();
  ASSERT_OK(post("late", 5));  // while the row is leased
  claimed[0].wake_at = at_s(1'000);
  const auto saved = write([&](Sql& sql) -> Result<executions::Execution> {
    BELAY_TRY(executions::taken(sql, "command", "e1", taken_in.back().sequence));
    return executions::save(sql, claimed[0], at_s(6));
  });
  ASSERT_OK(saved);
  EXPECT_LE(saved->wake_at, at_s(6)) << "the late event must not wait until the wake-up";
  ASSERT_EQ(waiting().size(), 1u);
  EXPECT_EQ(waiting()[0].key, "late");
  ASSERT_OK(post("result/o1", 7));
  EXPECT_EQ(waiting().size(), 1u) << "a key is taken once";
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return executions::post(sql, "command", "e9", {}); }));
}

TEST_P(WorkTest, AWakeWhileLeasedIsNotLost) {
  ASSERT_OK(write([](Sql& sql) { return executions::create(sql, execution("e1", at_s(1))); }));
  auto claimed = *write([](Sql& sql) { return executions::claim_due(sql, "a", at_s(1), Duration(30'000), 1); });
  ASSERT_OK(write([](Sql& sql) { return executions::wake(sql, "command", "e1", at_s(3)); }));
  claimed.at(0).wake_at = std::nullopt;
  EXPECT_EQ(write([&](Sql& sql) { return executions::save(sql, claimed[0], at_s(2)); })->wake_at, at_s(3));
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return executions::wake(sql, "command", "e9", at_s(3)); }));
}

TEST_P(WorkTest, EffectsComeBackUntilTheyAreDone) {
  ASSERT_OK(write([](Sql& sql) {
    return executions::add_effects(
        sql, std::vector<executions::Effect>{
                 {.kind = "command", .execution_id = "e1", .effect = "send", .due_at = at_s(1)},
                 {.kind = "command", .execution_id = "e1", .effect = "later", .due_at = at_s(50)}});
  }));
  const auto claim = [&](std::int64_t when) {
    return *write([&](Sql& sql) { return executions::claim_effects(sql, "a", at_s(when), Duration(10'000), 10); });
  };
  const auto first = claim(2);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].attempts, 1u);
  EXPECT_TRUE(claim(3).empty());
  EXPECT_EQ(claim(12).at(0).attempts, 2u) << "the one who claimed it died";
  ASSERT_OK(
      write([&](Sql& sql) { return executions::effect_failed(sql, first[0].sequence, "mirror away", at_s(20)); }));
  EXPECT_TRUE(claim(19).empty());
  EXPECT_EQ(claim(20).at(0).last_error, "mirror away");
  ASSERT_OK(write([&](Sql& sql) { return executions::effect_done(sql, first[0].sequence); }));
  EXPECT_EQ(claim(100).size(), 1u);
}

TEST_P(WorkTest, OrdersReachTheirNodeInOrderAndEndOnce) {
  add_node("mi-1");
  add_node("mi-2");
  const auto queue = [&](const std::string& id, const std::string& node, std::int64_t expires) {
    return write([&](Sql& sql) -> Status {
      orders::Order order;
      order.order_id = id;
      order.node_id = node;
      BELAY_TRY_ASSIGN(order.counter, orders::next_counter(sql, node));
      order.kind = "scan";
      order.payload = "{}";
      order.signature = "sig";
      order.issued_at = at_s(0);
      order.expires_at = at_s(expires);
      return orders::queue(sql, order);
    });
  };
  const auto pending = [&](std::int64_t now) {
    Ids ids;
    const auto found = read([&](Sql& sql) { return orders::pending(sql, "mi-1", at_s(now)); });
    EXPECT_OK(found);
    for (const auto& order : *found) ids.push_back(order.order_id);
    return ids;
  };
  ASSERT_OK(queue("o1", "mi-1", 100));
  ASSERT_OK(queue("o2", "mi-1", 50));
  ASSERT_OK(queue("o3", "mi-1", 100));
  EXPECT_CODE(Code::already_exists, queue("o1", "mi-2", 100));
  EXPECT_EQ(pending(10), (Ids{"o1", "o2", "o3"}));
  EXPECT_EQ(pending(50), (Ids{"o1", "o3"}));
  EXPECT_EQ(read([](Sql& sql) { return orders::nodes_to_reach(sql, at_s(1), {}); })->items, Ids{"mi-1"});
  ASSERT_OK(write([](Sql& sql) { return orders::delivered(sql, Ids{"o1", "o2", "o3"}, at_s(2)); }));
  EXPECT_TRUE(read([](Sql& sql) { return orders::nodes_to_reach(sql, at_s(1), {}); })->items.empty());
  EXPECT_EQ(pending(10).size(), 3u) << "delivered is not acknowledged: it goes out again";

  const auto update = [&](const char* node, std::uint64_t sequence) {
    return write([&](Sql& sql) {
      return orders::update(sql, node, "o1", sequence, "{\"n\":" + std::to_string(sequence) + "}", at_s(3));
    });
  };
  EXPECT_CODE(Code::not_found, update("mi-2", 1));
  EXPECT_TRUE(*update("mi-1", 2));
  EXPECT_FALSE(*update("mi-1", 1));
  EXPECT_FALSE(*update("mi-1", 2));
  EXPECT_EQ(pending(10), (Ids{"o2", "o3"}));
  const auto finish = [&](const char* node, const char* result) {
    return write([&](Sql& sql) { return orders::finish(sql, node, "o1", result, at_s(4)); });
  };
  EXPECT_CODE(Code::not_found, finish("mi-2", "{}"));
  EXPECT_TRUE(*finish("mi-1", "{\"first\":1}"));
  EXPECT_FALSE(*finish("mi-1", "{\"second\":1}"));
  const auto ended = *read([](Sql& sql) { return orders::get(sql, "o1"); });
  EXPECT_EQ(ended.state, orders::State::finished);
  EXPECT_EQ(ended.result, "{\"first\":1}");
  EXPECT_EQ(ended.update_sequence, 2u);

  ASSERT_OK(write([](Sql& sql) { return orders::acknowledged(sql, "mi-1", "o3", at_s(5)); }));
  EXPECT_EQ(write([](Sql& sql) { return orders::cancel(sql, "o3", at_s(6)); })->state, orders::State::acknowledged);
  EXPECT_EQ(read([](Sql& sql) { return orders::nodes_to_reach(sql, at_s(200), {}); })->items, Ids{"mi-1"});
  EXPECT_EQ(read([](Sql& sql) { return orders::cancel_requests(sql, "mi-1"); })->at(0).order_id, "o3");
  const auto expired = write([](Sql& sql) { return orders::expire(sql, at_s(60), 10); });
  ASSERT_OK(expired);
  ASSERT_EQ(expired->size(), 1u);
  EXPECT_EQ(expired->at(0).order_id, "o2");
  EXPECT_TRUE(*write([](Sql& sql) { return orders::finish(sql, "mi-1", "o2", "{}", at_s(70)); }))
      << "a late result is kept";
  ASSERT_OK(queue("o4", "mi-1", 100));
  EXPECT_EQ(write([](Sql& sql) { return orders::cancel(sql, "o4", at_s(6)); })->state, orders::State::cancelled);
  EXPECT_EQ(read([](Sql& sql) { return orders::history(sql, "mi-1", {}); })->items.at(0).order_id, "o4");
}

TEST_P(WorkTest, ResultsThatNobodyWaitsForAreForgotten) {
  add_node("mi-1");
  executions::Execution execution;
  execution.kind = "command";
  execution.created_at = at_s(1);
  for (const char* id : {"over", "running"}) {
    execution.execution_id = id;
    execution.finished = id == std::string("over");
    ASSERT_OK(write([&](Sql& sql) { return executions::create(sql, execution); }));
  }
  const auto order = [&](const std::string& id, std::uint64_t counter, const std::string& of, std::int64_t ended) {
    orders::Order made;
    made.order_id = id;
    made.node_id = "mi-1";
    made.counter = counter;
    made.kind = "scan";
    made.payload = "{\"of\":1}";
    made.signature = "s";
    made.execution_kind = of.empty() ? "" : "command";
    made.execution_id = of;
    made.expires_at = at_s(1'000);
    ASSERT_OK(write([&](Sql& sql) -> Status {
      BELAY_TRY(orders::queue(sql, made));
      if (ended > 0) BELAY_TRY(orders::finish(sql, "mi-1", id, "{\"result\":1}", at_s(ended)));
      return {};
    }));
  };
  order("o1", 1, "over", 10);
  order("o2", 2, "running", 10);
  order("o3", 3, "gone", 10);
  order("o4", 4, "", 10);
  order("o5", 5, "over", 90);
  order("o6", 6, "over", 0);
  const auto forget = [&](std::uint32_t limit) {
    return *write([&](Sql& sql) { return orders::forget_results(sql, at_s(50), limit); });
  };
  EXPECT_EQ(forget(2), 2);
  EXPECT_EQ(forget(2), 1);
  EXPECT_EQ(forget(2), 0);
  const auto result = [&](const char* id) { return read([&](Sql& sql) { return orders::get(sql, id); })->result; };
  for (const char* id : {"o1", "o3", "o4"}) EXPECT_EQ(result(id), orders::kForgottenResult) << id;
  for (const char* id : {"o2", "o5"}) EXPECT_EQ(result(id), "{\"result\":1}") << id;
  EXPECT_EQ(result("o6"), "");
  EXPECT_EQ(read([](Sql& sql) { return orders::get(sql, "o1"); })->payload, "{\"of\":1}") << "what was ordered stays";
  EXPECT_FALSE(*write([](Sql& sql) { return orders::finish(sql, "mi-1", "o1", "{}", at_s(95)); }))
      << "the first result was the one";
}

TEST_P(WorkTest, MessagesAreTakenInOnce) {
  const auto first = [&](const char* node, const char* id, std::int64_t when) {
    return *write([&](Sql& sql) { return inbox::first_time(sql, node, id, at_s(when)); });
  };
  EXPECT_TRUE(first("mi-1", "m1", 1));
  EXPECT_FALSE(first("mi-1", "m1", 2));
  EXPECT_TRUE(first("mi-2", "m1", 3));
  EXPECT_EQ(*write([](Sql& sql) { return inbox::forget(sql, at_s(2), 10); }), 1);
  EXPECT_TRUE(first("mi-1", "m1", 4));
}

}  // namespace
}  // namespace belay::store
