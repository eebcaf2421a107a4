// Remedy policies over the real engine and store: what is done, when, once; killed at every write.
#include "server/engine/fixture_test.hpp"
#include "server/engine/mail.hpp"
#include "server/engine/notices.hpp"
#include "server/engine/remedy_kind.hpp"
#include "server/engine/webhooks.hpp"
#include "store/audit.hpp"
#include "store/compliance_items.hpp"
#include "store/windows.hpp"

namespace belay::server {
namespace {

constexpr Duration kHour{3'600'000};

class RemedyTest : public EngineTest {
 protected:
  RemedyTest() { engine_->add(make_remedy_kind(*judge_)); }
  void boot_again() {
    boot();
    engine_->add(make_remedy_kind(*judge_));
  }
  static remedy::Policy policy(remedy::Action action, Duration after) {
    remedy::Policy made;
    made.name = "late";
    made.action = action;
    made.after = after;
    if (action == remedy::Action::command) {
      made.document_name = "AWS-RunPatchBaseline";
      made.parameters = {{"Operation", {"Install"}}};
    }
    return made;
  }
  void put(const remedy::Policy& wanted) {
    const auto kept = store_->write([&](store::Sql& sql) { return put_remedy(sql, wanted, "test", clock_.now()); });
    ASSERT_TRUE(kept.ok()) << kept.error().chain();
  }
  std::vector<store::remedies::Episode> episodes() {
    return disk_->read([](store::Sql& sql) { return store::remedies::list(sql, {}, {1'000, ""}); })->items;
  }
  std::size_t commands() {
    return disk_->read([](store::Sql& sql) { return store::commands::list(sql, {}, {1'000, ""}); })->items.size();
  }
  // Time passes, the nodes are heard of, and whatever is due is done.
  void pass(Duration time) {
    clock_.advance(time);
    std::vector<store::nodes::Touch> beats;
    for (const auto& [id, node] : fleet_) beats.push_back({id, clock_.now()});
    ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return store::nodes::touch_many(sql, beats); }).ok());
    settle();
  }
  Status rehearse(const remedy::Policy& wanted) {
    return disk_->write([&](store::Sql& sql) -> Status {
      BELAY_TRY(rehearse_remedy(sql, wanted, clock_.now()));
      return Error(Code::cancelled, "undone");
    });
  }
};

TEST_F(RemedyTest, WhoIsNamedIsToldOnceAnEpisode) {
  auto& node = with_openssl(add_node("web-1"));
  scan(node);
  auto wanted = policy(remedy::Action::notice, kHour);
  wanted.notify = {"https://chat.example/x", "ops@example.org"};
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return note_sends_mail(sql, true, clock_.now()); }).ok());
  put(wanted);
  const auto effects = [&] {
    return disk_
        ->write([&](store::Sql& sql) {
          return store::executions::claim_effects(sql, "test", clock_.now(), Duration(1'000'000'000), 10);
        })
        .value();
  };
  settle();
  EXPECT_TRUE(effects().empty()) << "it has not lasted yet";
  pass(kHour);
  const auto sent = effects();
  ASSERT_EQ(sent.size(), 2U);
  const auto webhook = json::decode_text<Webhook>(sent[0].body).value();
  EXPECT_EQ(webhook.url, "https://chat.example/x");
  const auto told = json::parse(webhook.body).value();
  EXPECT_EQ(json::text_or_empty(told, "policy"), "late");
  ASSERT_EQ(told.at("nodes").get_array().size(), 1U);
  EXPECT_EQ(json::text_or_empty(told.at("nodes").at(0), "node"), node.id);
  EXPECT_EQ(told.at("nodes").at(0).at("outcome"), "noticed");
  EXPECT_FALSE(told.at("nodes").at(0).at("detail").at("reasons").get_array().empty());
  const auto mail = json::decode_text<Mail>(sent[1].body).value();
  EXPECT_EQ(mail.to, std::vector<std::string>{"ops@example.org"});
  EXPECT_NE(mail.text.find("web-1 non_compliant"), std::string::npos) << mail.text;
  // What came of it is passed over, and makes no new one.
  store::executions::Event answer;
  answer.key = "webhook " + webhook.step + " " + std::to_string(webhook.attempt);
  answer.body = R"({"kind": "failed", "why": "unreachable"})";
  answer.at = clock_.now();
  ASSERT_TRUE(disk_
                  ->write([&](store::Sql& sql) {
                    return store::executions::post(sql, kRemedyKind, sent[0].execution_id, answer);
                  })
                  .ok());
  pass(10 * kHour);
  EXPECT_TRUE(effects().empty());
  EXPECT_EQ(episodes()[0].outcome, "noticed");
}

TEST_F(RemedyTest, WhoCannotBeToldIsRefused) {
  with_openssl(add_node("web-1"));
  auto wanted = policy(remedy::Action::notice, kHour);
  for (const char* word : {"http://chat/x", "https://me:pw@chat/x", "https://", "ops", "ops@example.org"}) {
    wanted.notify = {word};
    const auto refused = rehearse(wanted);
    EXPECT_NE(refused.error().chain().find("Notify: "), std::string::npos) << word << ": " << refused.error().chain();
  }
  wanted.notify = {"https://chat/x"};
  EXPECT_EQ(rehearse(wanted).error().message(), "undone");
}

TEST_F(RemedyTest, ANoticeIsGivenOnceAnEpisode) {
  auto& node = with_openssl(add_node("web-1"));
  scan(node);
  put(policy(remedy::Action::notice, 2 * kHour));
  settle();
  ASSERT_EQ(episodes().size(), 1U);
  EXPECT_FALSE(episodes()[0].acted_at) << "it has not lasted yet";
  pass(kHour);
  EXPECT_FALSE(episodes()[0].acted_at);
  pass(kHour);
  ASSERT_TRUE(episodes()[0].acted_at);
  EXPECT_EQ(episodes()[0].outcome, "noticed");
  EXPECT_EQ(episodes()[0].compliance, "non_compliant");
  const auto first = *episodes()[0].acted_at;
  pass(10 * kHour);
  EXPECT_EQ(episodes().size(), 1U);
  EXPECT_EQ(episodes()[0].acted_at, first) << "never twice";
  node.installed[1].version = "2";
  scan(node);
  settle();
  EXPECT_TRUE(episodes()[0].closed_at);
  node.installed[1].version = "1";
  clock_.advance(Duration(1'000));
  scan(node);
  pass(2 * kHour);
  ASSERT_EQ(episodes().size(), 2U) << "it began anew";
  EXPECT_TRUE(episodes()[0].acted_at);
  store::audit::Filter of_remedies;
  of_remedies.action = "belay:Remedy";
  const auto told = disk_->read([&](store::Sql& sql) { return store::audit::list(sql, of_remedies, {}); });
  EXPECT_EQ(told->items.size(), 2U);
  EXPECT_EQ(told->items[0].resource, node.id);
}

TEST_F(RemedyTest, ACommandMendsTheNode) {
  auto& late = with_openssl(add_node("web-1"));
  auto& fine = add_node("web-2");
  fine.installed = {{"bash", "amd64", "5"}};
  fine.offers = {offer("bash", "5", false)};
  scan(late);
  scan(fine);
  put(policy(remedy::Action::command, kHour));
  pass(kHour);
  settle();
  ASSERT_EQ(episodes().size(), 1U);
  EXPECT_EQ(episodes()[0].outcome, "sent");
  EXPECT_EQ(episodes()[0].node_id, late.id);
  EXPECT_EQ(commands(), 1U);
  EXPECT_EQ(command(episodes()[0].command_id).status, "Success");
  EXPECT_EQ(late.installed[1].version, "2");
  EXPECT_TRUE(episodes()[0].closed_at) << "the scan after the run told it";
  EXPECT_TRUE(fine.done.empty());
}

TEST_F(RemedyTest, SeverityTargetsAndUnknown) {
  auto& node = with_openssl(add_node("web-1", "12", {{"ring", "dev"}}));
  scan(node);
  auto grave = policy(remedy::Action::notice, Duration(0));
  grave.severity_at_least = remedy::Severity::CRITICAL;
  put(grave);
  settle();
  EXPECT_TRUE(episodes().empty()) << "not severe enough";
  auto elsewhere = policy(remedy::Action::notice, Duration(0));
  elsewhere.targets = {{"tag:ring", {"prod"}}};
  put(elsewhere);
  settle();
  EXPECT_TRUE(episodes().empty()) << "not a target";
  elsewhere.targets = {{"tag:ring", {"dev"}}};
  put(elsewhere);
  settle();
  ASSERT_EQ(episodes().size(), 1U);
  EXPECT_TRUE(episodes()[0].acted_at);
  add_node("dark-1", "12", {{"ring", "dev"}});
  pass(kRemedySweepEvery);
  ASSERT_EQ(episodes().size(), 2U) << "never scanned is unknown, and unknown is never compliant";
  EXPECT_EQ(episodes()[0].compliance, "unknown");
  ASSERT_TRUE(nodes_->deregister(episodes()[0].node_id, "test").ok());
  pass(kRemedySweepEvery);
  EXPECT_TRUE(episodes()[0].closed_at) << "it left the fleet";
  EXPECT_FALSE(episodes()[1].closed_at);
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return remove_remedy(sql, "late", "test", clock_.now()); }).ok());
  settle();
  EXPECT_TRUE(episodes()[1].closed_at);
  const auto execution =
      disk_->read([&](store::Sql& sql) { return store::executions::get(sql, kRemedyKind, episodes()[1].policy_id); });
  EXPECT_TRUE(execution->finished);
}

TEST_F(RemedyTest, UnknownThatIsIgnoredWaitsAndActsOnceItIsKnown) {
  auto& node = with_openssl(add_node("web-1"));
  scan(node);
  auto known = policy(remedy::Action::notice, kHour);
  known.include_unknown = false;
  put(known);
  settle();
  ASSERT_EQ(episodes().size(), 1U);
  clock_.advance(48 * kHour);  // nobody hears of it: unknown
  settle();
  ASSERT_EQ(episodes().size(), 1U);
  EXPECT_FALSE(episodes()[0].acted_at);
  EXPECT_GT(episodes()[0].due_at, clock_.now());
  scan(node);
  pass(kRemedySweepEvery);
  EXPECT_TRUE(episodes()[0].acted_at);
}

TEST_F(RemedyTest, CustomComplianceCountsToo) {
  auto& node = add_node("web-1");
  auto custom = policy(remedy::Action::notice, kHour);
  custom.compliance_types = {"Custom:Antivirus"};
  put(custom);
  settle();
  EXPECT_TRUE(episodes().empty()) << "nothing was reported";
  store::compliance_items::Report report;
  report.node_id = node.id;
  report.compliance_type = "Custom:Antivirus";
  report.execution.executed_at = report.received_at = clock_.now();
  store::compliance_items::Item item;
  item.item_id = item.title = "signatures";
  item.status = "NON_COMPLIANT";
  ASSERT_TRUE(disk_
                  ->write([&](store::Sql& sql) -> Status {
                    BELAY_TRY(store::compliance_items::put(sql, report, std::vector{item}, false));
                    return tell_remedies(sql, node.id, clock_.now());
                  })
                  .ok());
  settle();
  ASSERT_EQ(episodes().size(), 1U);
  pass(kHour);
  EXPECT_EQ(episodes()[0].outcome, "noticed");
}

TEST_F(RemedyTest, APlaceInTheNextWindow) {
  auto& node = with_openssl(add_node("web-1"));
  scan(node);
  auto placed = policy(remedy::Action::next_window, Duration(0));
  placed.window_id = "mw-0123456789abcdef0";
  EXPECT_EQ(rehearse(placed).error().code(), Code::invalid_argument) << "there is no such window";
  store::windows::Window window;
  window.window_id = placed.window_id;
  window.name = "nightly";
  window.schedule = "rate(1 day)";
  window.created_at = window.modified_at = window.scheduled_at = clock_.now();
  store::windows::Task task;
  task.window_task_id = new_id();
  task.window_id = window.window_id;
  task.type = "RUN_COMMAND";
  task.task_arn = "AWS-RunPatchBaseline";
  task.created_at = clock_.now();
  ASSERT_TRUE(disk_
                  ->write([&](store::Sql& sql) -> Status {
                    BELAY_TRY(store::windows::create(sql, window));
                    return store::windows::add_task(sql, task);
                  })
                  .ok());
  EXPECT_EQ(rehearse(placed).error().code(), Code::cancelled);
  put(placed);
  settle();
  EXPECT_EQ(episodes()[0].outcome, "placed");
  const auto waiting = disk_->read([&](store::Sql& sql) { return store::windows::missed_of(sql, window.window_id); });
  ASSERT_EQ(waiting->size(), 1U);
  EXPECT_EQ(waiting->front().node_id, node.id);
  EXPECT_EQ(waiting->front().reason, store::windows::MissedReason::remedy);
}

TEST_F(RemedyTest, WhatCannotWorkIsToldBeforeItIsKept) {
  add_node("web-1");
  const struct {
    const char* what;
    std::function<void(remedy::Policy&)> change;
    bool fine;
  } rows[] = {
      {"as it is", [](auto&) {}, true},
      {"no such document", [](auto& p) { p.document_name = "No-Such"; }, false},
      {"no such parameter", [](auto& p) { p.parameters["Dance"] = {"yes"}; }, false},
      {"a target key that is none", [](auto& p) { p.targets = {{"colour", {"red"}}}; }, false},
      {"a document without a command", [](auto& p) { p.action = remedy::Action::notice; }, false},
  };
  for (const auto& row : rows) {
    auto wanted = policy(remedy::Action::command, kHour);
    row.change(wanted);
    EXPECT_EQ(rehearse(wanted).error().code() == Code::cancelled, row.fine) << row.what;
  }
  EXPECT_EQ(commands(), 0U) << "the rehearsal left nothing";
}

TEST_F(RemedyTest, KilledAtEveryWriteItActsOnce) {
  auto& node = with_openssl(add_node("web-1"));
  say_twice_ = true;
  const auto original = node.installed;
  int kills = 0;
  for (int write = 1; write < 80; ++write) {
    for (const bool after : {false, true}) {
      SCOPED_TRACE("write " + std::to_string(write) + (after ? " after" : " before"));
      node.installed = original;
      node.done.clear();
      scan(node);
      settle();
      const auto before = episodes().size();
      const auto sent = commands();
      auto mends = policy(remedy::Action::command, kHour);
      mends.name = "mends-" + std::to_string(write) + (after ? "a" : "b");
      put(mends);
      store_->kill_at(write, after);
      for (bool done = false; !done;) {
        try {
          recover();
          settle();
          pass(kHour);
          settle();
          done = true;
        } catch (const fakes::Killed&) {
          ++kills;
          boot_again();
          clock_.advance(Duration(60'000));
        }
      }
      const bool armed = store_->armed();
      store_->disarm();
      pass(kHour);
      ASSERT_EQ(episodes().size(), before + 1);
      ASSERT_EQ(commands(), sent + 1) << "one command for the episode, never two";
      ASSERT_EQ(node.installed[1].version, "2");
      ASSERT_TRUE(episodes()[0].closed_at);
      ASSERT_TRUE(
          disk_->write([&](store::Sql& sql) { return remove_remedy(sql, mends.name, "test", clock_.now()); }).ok());
      settle();
      if (armed) {
        EXPECT_GT(kills, 20);
        return;
      }
    }
  }
  FAIL() << "the scenario has more writes than were tried";
}

}  // namespace
}  // namespace belay::server
