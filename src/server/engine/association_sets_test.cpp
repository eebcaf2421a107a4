#include "server/engine/association_sets.hpp"

#include "io/crypto.hpp"
#include "server/engine/associations_fixture_test.hpp"
#include "store/association_sets.hpp"
#include "store/documents.hpp"
#include "store/orders.hpp"
#include "store/remedies.hpp"

namespace belay::server {
namespace {

class AssociationSetsTest : public AssociationsTest {
 protected:
  // "" or the error.
  template <class Message>
  std::string tell(FakeNode& node, const Message& message) {
    const auto taken = say(node, message);
    return taken.ok() ? "" : taken.error().chain();
  }
  std::string make_daily() { return make(settings("rate(1 day)")); }

  std::string change(const std::string& id, const association::Settings& wanted) {
    const auto done =
        disk_->write([&](store::Sql& sql) { return update_association(sql, id, wanted, "test", clock_.now()); });
    return done.ok() ? "" : done.error().chain();
  }
  Status greet(const FakeNode& node, wire::Hello hello = {}) {
    if (!hello.associations_hash) hello.associations_hash = node.kept.hash;
    return store_->write([&](store::Sql& sql) -> Status {
      BELAY_TRY(greet_associations(sql, node.id, hello, clock_.now()));
      return node_came_back(sql, node.id, clock_.now());
    });
  }
  std::string why_not(const association::Settings& wanted) {
    associations::Association row;
    row.association_id = "a";
    return disk_->read([&](store::Sql& sql) { return offline_refusal(sql, row, wanted, clock_.now()); }).value();
  }
  // What a node says that ran it by itself.
  wire::OrderResult own_run(const FakeNode& node, const std::string& id, Instant due,
                            wire::OrderOutcome outcome = wire::OrderOutcome::success) {
    wire::OrderResult result;
    result.due = wire::AssociationDue{id, association(id).version, due};
    result.order_id = own_run_id(node.id, *result.due);
    result.outcome = outcome;
    result.exit_code = outcome == wire::OrderOutcome::success ? 0 : 1;
    if (outcome != wire::OrderOutcome::success) result.standard_error = "it did not work";
    result.steps.emplace();
    for (const auto& kept : node.kept.associations) {
      if (kept.association_id != id) continue;
      wire::StepsOrder order{kept.steps, document::new_run(kept.steps), ""};
      document::step(order.steps, order.run, {}, due);
      result.steps = fakes::steps_done(order, "by itself\n", node.failing_steps, due + 1min);
    }
    result.started_at = result.finished_at = due + 1min;
    return result;
  }
  std::size_t orders_of_sets(const FakeNode& node) {
    std::size_t found = 0;
    const auto all = disk_->read([&](store::Sql& sql) { return store::orders::history(sql, node.id, {1'000, ""}); });
    for (const auto& order : all->items) found += order.kind == "associations";
    return found;
  }
  // Its own, due a day after it was made; the node was away then.
  struct Away {
    std::string id;
    Instant due;
  };
  Away away_when_due(FakeNode& node) {
    Away away{make_daily(), {}};
    settle();
    away.due = *association(away.id).next_at;
    node.answers = false;
    return away;
  }
};

TEST_F(AssociationSetsTest, ANodeKeepsWhatNeedsNoDecisionAndGetsItOnlyWhereItChanged) {
  auto& node = web("web-1");
  auto& other = add_node("db-1", "12", {{"role", "db"}});
  const auto id = make_daily();
  make(settings());  // no schedule: it is nothing to run later
  settle();
  ASSERT_EQ(node.kept.associations.size(), 1U);
  const auto& kept = node.kept.associations[0];
  EXPECT_EQ(kept.association_id, id);
  EXPECT_EQ(kept.version, 1);
  EXPECT_EQ(kept.schedule, "rate(1 day)");
  EXPECT_EQ(kept.since, association(id).updated_at);
  EXPECT_EQ(std::get<document::RunShellScript>(kept.steps.at(0).work).commands.at(0), "true");
  EXPECT_EQ(node.kept.hash, io::sha256_hex(wire::canonical_text(node.kept.associations)));
  EXPECT_TRUE(other.kept.associations.empty());
  ASSERT_TRUE(greet(node).ok());
  tag(node, "web");
  settle();
  EXPECT_EQ(orders_of_sets(node), 1U) << "it has this one";

  auto wanted = settings("rate(1 day)");
  wanted.parameters = {{"commands", {"date"}}};
  EXPECT_EQ(change(id, wanted), "");
  settle();
  ASSERT_EQ(node.kept.associations.size(), 1U);
  EXPECT_EQ(node.kept.associations[0].version, 2);
  tag(node, "db");
  settle();
  EXPECT_TRUE(node.kept.associations.empty()) << "it is no target any more";
  EXPECT_EQ(node.kept.hash, "");
  tag(node, "web");
  settle();
  EXPECT_EQ(node.kept.associations.size(), 1U);
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return remove_association(sql, id, "test", clock_.now()); }).ok());
  settle();
  EXPECT_TRUE(node.kept.associations.empty());
}

TEST_F(AssociationSetsTest, TheSetIsSentAnewBeforeItEndsAndWhereTheNodeHasLostIt) {
  auto& node = web("web-1");
  make_daily();
  settle();
  const auto first = node.kept;
  pass(kSetValidFor / 2 - 1min);
  EXPECT_EQ(orders_of_sets(node), 1U);
  pass(2min);
  EXPECT_EQ(orders_of_sets(node), 2U);
  EXPECT_EQ(node.kept.hash, first.hash);
  EXPECT_GT(node.kept.valid_until, first.valid_until + kSetValidFor / 2 - 1h);
  node.kept = {};
  ASSERT_TRUE(greet(node).ok());
  settle();
  EXPECT_EQ(node.kept.hash, first.hash);
}

TEST_F(AssociationSetsTest, AChangedDocumentIsAnotherSet) {
  auto& node = web("web-1");
  store::documents::Document document;
  document.name = "Greet";
  document.document_type = "Command";
  document.created_at = clock_.now();
  const auto version = [&](const std::string& word) {
    store::documents::Version made;
    made.format = "YAML";
    made.content =
        "schemaVersion: '2.2'\nmainSteps:\n- action: aws:runShellScript\n  name: a\n  inputs: {runCommand: [echo " +
        word + "]}\n";
    made.sha256 = io::sha256_hex(made.content);
    made.created_at = clock_.now();
    return made;
  };
  ASSERT_TRUE(
      disk_->write([&](store::Sql& sql) { return store::documents::create(sql, document, version("one")); }).ok());
  auto wanted = settings("rate(1 day)");
  wanted.document = "Greet";
  wanted.parameters.clear();
  make(wanted);
  settle();
  const auto before = node.kept.hash;
  ASSERT_FALSE(before.empty());
  ASSERT_TRUE(disk_
                  ->write([&](store::Sql& sql) -> Status {
                    BELAY_TRY_ASSIGN(const auto number, store::documents::add_version(sql, "Greet", version("two")));
                    BELAY_TRY(store::documents::set_default_version(sql, "Greet", number));
                    return association_documents_changed(sql, clock_.now());
                  })
                  .ok());
  settle();
  EXPECT_NE(node.kept.hash, before);
  EXPECT_EQ(std::get<document::RunShellScript>(node.kept.associations.at(0).steps.at(0).work).commands.at(0),
            "echo two");
}

TEST_F(AssociationSetsTest, WhatTheServerMustDecideStaysHereAndSaysWhy) {
  const auto with = [](const std::function<void(association::Settings&)>& change) {
    auto made = settings("rate(1 day)");
    change(made);
    return made;
  };
  EXPECT_EQ(why_not(with([](auto&) {})), "");
  EXPECT_EQ(why_not(with([](auto& s) { s.max_errors = "100%", s.max_concurrency = "100%"; })), "");
  EXPECT_NE(why_not(with([](auto& s) { s.schedule = ""; })).find("no schedule"), std::string::npos);
  EXPECT_NE(why_not(with([](auto& s) { s.calendars = {"freeze"}; })).find("calendars"), std::string::npos);
  EXPECT_NE(why_not(with([](auto& s) { s.window_id = "mw-1"; })).find("window"), std::string::npos);
  EXPECT_NE(why_not(with([](auto& s) { s.max_concurrency = "1"; })).find("MaxConcurrency"), std::string::npos);
  EXPECT_NE(why_not(with([](auto& s) { s.max_errors = "10%"; })).find("MaxErrors"), std::string::npos);
  for (const char* document : {"AWS-RunPatchBaseline", "AWS-RefreshAssociation", "AWS-Nothing"})
    EXPECT_NE(why_not(with([&](auto& s) { s.document = document, s.parameters.clear(); })), "") << document;
}

TEST_F(AssociationSetsTest, WhatTheNodeRanWhileTheServerWasDownIsAnExecutionOfTheAssociation) {
  auto& node = web("web-1");
  auto& second = web("web-2");
  const auto [id, due] = away_when_due(node);
  second.answers = false;
  clock_.advance(48h + 2min);  // and the engine stands still
  say_twice_ = true;
  ASSERT_EQ(tell(node, own_run(node, id, due + 24h)), "") << "of the day after that";
  ASSERT_EQ(tell(second, own_run(second, id, due + 24h, wire::OrderOutcome::failed)), "");
  advance_engine();
  const auto ran = executions(id);
  const auto own = std::ranges::find(ran, "offline", &associations::Execution::cause);
  ASSERT_NE(own, ran.end());
  EXPECT_EQ(own->due_at, due + 24h);
  EXPECT_EQ(own->status, "Failed");
  EXPECT_EQ(own->counts, (associations::Counts{{"Failed", 1}, {"Success", 1}}));
  EXPECT_TRUE(own->finished_at.has_value());
  EXPECT_EQ(std::ranges::count(ran, "offline", &associations::Execution::cause), 1) << "one for both nodes";
}

TEST_F(AssociationSetsTest, OneRunForOneDueTimeWhoeverBeganIt) {
  auto& node = web("web-1");
  const auto [id, due] = away_when_due(node);
  pass(24h + 2min);
  ASSERT_EQ(executions(id).size(), 2U) << "the server's, which waits for the node";
  EXPECT_EQ(executions(id)[0].status, "InProgress");
  const auto before = node.done.size();
  ASSERT_TRUE(greet(node).ok());
  ASSERT_EQ(tell(node, own_run(node, id, due)), "");
  node.answers = true;
  settle();
  ASSERT_EQ(executions(id).size(), 2U);
  EXPECT_EQ(executions(id)[0].status, "Success");
  EXPECT_EQ(executions(id)[0].cause, "schedule");
  EXPECT_EQ(node.done.size(), before) << "it has done that one";
  EXPECT_EQ(standing(id, node)->status, "Success");
  EXPECT_EQ(items(node)[0].status, "COMPLIANT");
}

TEST_F(AssociationSetsTest, AnOrderThatComesBeforeTheResultIsTheSameOrder) {
  auto& node = web("web-1");
  const auto [id, due] = away_when_due(node);
  pass(24h + 2min);
  const auto sent = disk_->read([&](store::Sql& sql) { return store::orders::pending(sql, node.id, clock_.now()); });
  ASSERT_EQ(sent->size(), 1U);
  EXPECT_EQ(sent->at(0).order_id, own_run(node, id, due).order_id);
  const auto order = json::decode_text<wire::Order>(sent->at(0).payload);
  EXPECT_EQ(*order->due, (wire::AssociationDue{id, 1, due}));
}

TEST_F(AssociationSetsTest, ALateResultTakesThePlaceOfTheTimeOutAndNothingRunsAgain) {
  auto& node = web("web-1");
  const auto [id, due] = away_when_due(node);
  pass(24h + 2min);
  pass(2h);
  ASSERT_EQ(standing(id, node)->status, "TimedOut");
  ASSERT_TRUE(standing(id, node)->missed);
  EXPECT_EQ(items(node)[0].status, "NON_COMPLIANT");
  wire::Hello hello;
  hello.taken_up = {{id, 1, due}};
  ASSERT_TRUE(greet(node, hello).ok());
  node.answers = true;
  const auto before = node.done.size();
  settle();
  say_twice_ = true;
  ASSERT_EQ(tell(node, own_run(node, id, due)), "");
  settle();
  EXPECT_EQ(node.done.size(), before);
  ASSERT_EQ(executions(id).size(), 2U);
  EXPECT_EQ(executions(id)[0].status, "Success");
  EXPECT_EQ(standing(id, node)->status, "Success");
  EXPECT_EQ(items(node)[0].status, "COMPLIANT");
}

TEST_F(AssociationSetsTest, ANodeThatTookUpOnlyAnEarlierRunHasMissedTheLaterOne) {
  auto& node = web("web-1");
  const auto [id, due] = away_when_due(node);
  pass(24h + 2min);
  pass(2h);
  wire::Hello hello;
  hello.taken_up = {{id, 1, due - 24h}};
  ASSERT_TRUE(greet(node, hello).ok());
  node.answers = true;
  settle();
  EXPECT_EQ(executions(id)[0].cause, "node");
}

TEST_F(AssociationSetsTest, AResultThatComesBeforeTheNodesTurnAnswersTheOrder) {
  auto& first = web("web-1");
  auto& second = web("web-2");
  auto wanted = settings("rate(1 day)");
  const auto id = make(wanted);
  settle();
  auto kept = first.kept;
  wanted.max_concurrency = "1";  // one after the other, and the second was cut off before it heard of it
  EXPECT_EQ(change(id, wanted), "");
  settle();
  const auto due = *association(id).next_at;
  first.answers = second.answers = false;
  clock_.set_wall(due);
  settle();
  const auto waiting = [&](const FakeNode& node) {
    return disk_->read([&](store::Sql& sql) { return store::orders::pending(sql, node.id, clock_.now()); })->empty();
  };
  auto& later = waiting(first) ? first : second;
  auto& now = waiting(first) ? second : first;
  ASSERT_TRUE(waiting(later) && !waiting(now));
  later.kept = kept;
  later.kept.associations.at(0).version = association(id).version;
  ASSERT_EQ(tell(later, own_run(later, id, due)), "");
  settle();
  const auto before = later.done.size();
  now.answers = later.answers = true;
  settle();
  EXPECT_EQ(later.done.size(), before);
  EXPECT_EQ(executions(id)[0].status, "Success");
  EXPECT_EQ(executions(id)[0].counts, (associations::Counts{{"Success", 2}}));
}

TEST_F(AssociationSetsTest, WhatIsNotTheNodesToTellIsRefused) {
  auto& node = web("web-1");
  auto& stranger = add_node("db-1", "12", {{"role", "db"}});
  const auto [id, due] = away_when_due(node);
  EXPECT_EQ(say(stranger, own_run(stranger, id, clock_.now() - 1h)).error().code(), Code::not_found);
  auto wrong = own_run(node, id, due);
  wrong.order_id = new_id();
  EXPECT_EQ(say(node, wrong).error().code(), Code::invalid_argument);
  EXPECT_EQ(say(node, own_run(node, id, clock_.now() + 1h)).error().code(), Code::invalid_argument);
  EXPECT_EQ(say(node, own_run(stranger, id, due)).error().code(), Code::invalid_argument) << "in another's name";
  auto twice = own_run(node, id, clock_.now() - 1h);
  ASSERT_EQ(tell(node, twice), "");
  twice.outcome = wire::OrderOutcome::failed;
  ASSERT_EQ(tell(node, twice), "") << "the first word stands";
  settle();
  EXPECT_EQ(executions(id)[0].status, "Success");
}

TEST_F(AssociationSetsTest, AnOlderVersionsRunIsHistoryAndNotHowTheNodeStands) {
  auto& node = web("web-1");
  const auto [id, due] = away_when_due(node);
  auto late = own_run(node, id, clock_.now() - 1h, wire::OrderOutcome::failed);
  node.answers = true;
  EXPECT_EQ(change(id, settings("rate(1 day)")), "");
  settle();
  ASSERT_EQ(tell(node, late), "");
  settle();
  const auto ran = executions(id);
  const auto own = std::ranges::find(ran, "offline", &associations::Execution::cause);
  ASSERT_NE(own, ran.end());
  EXPECT_EQ(own->version, 1);
  EXPECT_EQ(own->status, "Failed");
  EXPECT_EQ(standing(id, node)->status, "Success");
}

TEST_F(AssociationSetsTest, ANodeThatAsksGetsItsAssociationsNow) {
  auto& node = web("web-1");
  auto wanted = settings("cron(0 2 * * ? *)");
  wanted.only_at_schedule = true;
  const auto id = make(wanted), other = make(settings());
  settle();
  EXPECT_TRUE(executions(id).empty());
  ASSERT_TRUE(say(node, wire::AssociationsWanted{{id, "of-somebody-else"}}).ok());
  settle();
  ASSERT_EQ(executions(id).size(), 1U);
  EXPECT_EQ(executions(id)[0].cause, "node");
  EXPECT_EQ(executions(other).size(), 1U);
  clock_.advance(1min);
  ASSERT_TRUE(say(node, wire::AssociationsWanted{}).ok());
  settle();
  EXPECT_EQ(executions(id).size(), 2U);
  EXPECT_EQ(executions(other).size(), 2U);
}

TEST_F(AssociationSetsTest, RemediesHearOfWhatAssociationsSay) {
  auto& node = web("web-1");
  node.failing_steps = {"runShellScript"};
  remedy::Policy policy;
  policy.name = "associations";
  policy.compliance_types = {"Association"};
  policy.action = remedy::Action::notice;
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return put_remedy(sql, policy, "test", clock_.now()); }).ok());
  settle();
  make(settings());
  settle();
  ASSERT_EQ(items(node).at(0).status, "NON_COMPLIANT");
  const auto episodes = disk_->read([&](store::Sql& sql) { return store::remedies::list(sql, {}, {100, ""}); });
  EXPECT_EQ(episodes->items.size(), 1U) << "and not only at the next look at every node";
}

TEST_F(AssociationSetsTest, KilledAtEveryWriteTheResultIsTakenInOnce) {
  auto& node = web("web-1");
  const auto [id, due] = away_when_due(node);
  pass(24h + 2min);
  say_twice_ = true;
  int kills = 0;
  for (int write = 1; write < 60; ++write)
    for (const bool after : {false, true}) {
      SCOPED_TRACE("write " + std::to_string(write) + (after ? " after" : " before"));
      const Instant at = due - 1h * (2 * write + (after ? 1 : 0));  // a run of its own each time
      store_->kill_at(write, after);
      const auto message = wire::pack(new_id(), own_run(node, id, at));
      for (bool done = false; !done;) {
        try {
          ASSERT_EQ(tell(node, message), "");  // until it is acknowledged
          settle();
          done = true;
        } catch (const fakes::Killed&) {
          ++kills;
          boot_all();
          clock_.advance(60s);
        }
      }
      const bool armed = store_->armed();
      store_->disarm();
      const auto ran = executions(id);
      ASSERT_EQ(std::ranges::count(ran, at, &associations::Execution::due_at), 1);
      const auto own = std::ranges::find(ran, at, &associations::Execution::due_at);
      ASSERT_EQ(own->status, "Success");
      ASSERT_EQ(own->counts, (associations::Counts{{"Success", 1}}));
      if (armed) {
        EXPECT_GT(kills, 3);
        return;
      }
    }
  FAIL() << "the scenario has more writes than were tried";
}

}  // namespace
}  // namespace belay::server
