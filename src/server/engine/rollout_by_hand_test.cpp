#include "io/crypto.hpp"
#include "server/engine/rollouts_fixture_test.hpp"
#include "store/documents.hpp"

// What people do to a rollout that is under way, and what it owes to them: rollbacks by hand, exceptions, calendars.
namespace belay::server {
namespace {
using testing::HasSubstr;

class RolloutByHandTest : public RolloutsTest {
 protected:
  // One event from `from` to `to`; a newer version of the calendar where there is one.
  void put_calendar(Instant from, Instant to) {
    const auto stamp = [](Instant at) {
      auto text = to_iso8601(at);
      std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
      return text.substr(0, 15) + "Z";
    };
    store::documents::Version version;
    version.format = "TEXT";
    version.content =
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//AWS//Change Calendar 1.0//EN\r\n"
        "X-CALENDAR-TYPE:DEFAULT_OPEN\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:" +
        stamp(from) + "\r\nDTEND:" + stamp(to) + "\r\nSUMMARY:Year end\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    version.sha256 = io::sha256_hex(version.content);
    store::documents::Document document;
    document.name = "freeze";
    document.document_type = "ChangeCalendar";
    document.created_at = clock_.now();
    ASSERT_TRUE(store_
                    ->write([&](store::Sql& sql) {
                      static_cast<void>(store::documents::remove(sql, "freeze"));
                      return store::documents::create(sql, document, version);
                    })
                    .ok());
  }
};

constexpr const char* kSoaksInDev = R"(
name: october
approvals: 1
rings:
  - {name: dev, targets: ["tag:Env=dev"], soak: 10m}
  - {name: staging, targets: ["tag:Env=staging"]}
)";

TEST_F(RolloutByHandTest, ANodeThatIsTakenBackInTheSoakHaltsItsRollout) {
  const auto id = carried_out(kSoaksInDev);
  ASSERT_EQ(state(id), "Soaking") << why(id);
  RollbackRequest request;
  request.instance_ids = {node("dev").id};
  request.requested_by = "operator";
  request.reason = "it breaks the shop";
  const auto back = rollouts_->roll_back(request);
  ASSERT_TRUE(back.ok()) << back.error().chain();
  pass(15min);
  EXPECT_EQ(state(*back), "RolledBack") << why(*back);
  EXPECT_EQ(state_of(id, "dev"), "RolledBack");
  EXPECT_EQ(state(id), "Halted") << why(id);
  EXPECT_EQ(orders("staging", wire::OrderKind::patch), 0u);
  const auto in_force = store_->read([](store::Sql& sql) { return store::rollouts::in_quarantine(sql); });
  ASSERT_TRUE(in_force.ok());
  EXPECT_EQ(in_force->size(), 2u) << "its change set, and the version";
  EXPECT_EQ(rollouts_->resume(id, false, "operator").error().code(), Code::conflict) << "nobody has it any more";
}

// What another change brought meanwhile is no part of this one; where it stands on top of it, a person decides.
TEST_F(RolloutByHandTest, AnOpenRolloutTakesBackOnlyWhatItBrought) {
  for (const auto* later : {"nginx", "openssl"}) {
    for (auto& [id, node] : fleet_) scan(with_openssl(node));
    const auto id = carried_out(kSoaksInDev);
    ASSERT_EQ(state(id), "Soaking") << why(id);
    const auto upgraded = node("dev").done.back();
    store::runs::Run run;
    run.run_id = "later-" + std::string(later);
    run.node_id = node("dev").id;
    run.started_at = run.finished_at = run.received_at = clock_.now();
    run.report.run_id = run.run_id;
    run.report.outcome = patchrun::Outcome::committed;
    run.report.changed = {{later, upgraded.patch->changes[0].arch, "2", "3", "", 0}};
    ASSERT_TRUE(store_->write([&](store::Sql& sql) { return store::runs::add(sql, run); }).ok());
    RollbackRequest whole;
    whole.rollout_id = id;
    whole.requested_by = "operator";
    whole.quarantine = false;
    ASSERT_EQ(rollouts_->roll_back(whole).value(), id);
    pass(20s);
    if (later == std::string("openssl")) {
      EXPECT_EQ(state_of(id, "dev"), "RollbackFailed");
      EXPECT_EQ(node("dev").done.back().order_id, upgraded.order_id) << "nothing was ordered";
      continue;
    }
    EXPECT_EQ(state(id), "RolledBack") << why(id);
    const auto& changes = node("dev").done.back().patch->changes;
    ASSERT_EQ(changes.size(), 1u) << "nginx stays";
    EXPECT_EQ(changes[0].name, "openssl");
  }
}

// What a rollout that is over brought and somebody took back since: its list says so.
TEST_F(RolloutByHandTest, ARolloutThatIsOverSaysWhatWasTakenBackSince) {
  const auto id = carried_out();
  ASSERT_EQ(state(id), "Completed") << why(id);
  RollbackRequest request;
  request.instance_ids = {node("dev").id};
  request.requested_by = "operator";
  request.reason = "slow";
  const auto back = rollouts_->roll_back(request);
  ASSERT_TRUE(back.ok());
  pass(10s);
  const auto nodes = rollouts_->nodes(id, {}, {});
  ASSERT_TRUE(nodes.ok());
  for (const auto& one : nodes->items) {
    EXPECT_EQ(one.row.state, "Committed");
    const bool gone = one.row.why.find("was taken back by the run") != std::string::npos;
    EXPECT_EQ(gone, one.row.node_id == node("dev").id) << one.row.why;
    if (gone) EXPECT_NE(one.row.why.find(*back + ": slow"), std::string::npos) << one.row.why;
  }
}

// It had something to take: nothing was shown there that the next ring could rest on.
TEST_F(RolloutByHandTest, ARingThatIsExceptedIsNotGreen) {
  except_openssl_of("tag:Env=dev");
  const auto id = carried_out();
  EXPECT_EQ(state(id), "Halted");
  EXPECT_THAT(why(id), HasSubstr("1 are excepted or on hold"));
  EXPECT_EQ(state_of(id, "dev"), "Skipped");
  EXPECT_EQ(version(node("staging"), "openssl"), "1");
}

TEST_F(RolloutByHandTest, ARollbackOfNodesRebootsAsTheRolloutMay) {
  for (const auto& [text, reboot] :
       {std::pair{"never", patchrun::Reboot::never}, {"always", patchrun::Reboot::always}}) {
    for (auto& [id, node] : fleet_) scan(with_openssl(node));
    const auto id =
        carried_out("name: x\nreboot: " + std::string(text) + "\nrings: [{name: dev, targets: ['tag:Env=dev']}]");
    ASSERT_EQ(state(id), "Completed") << why(id);
    RollbackRequest request;
    request.instance_ids = {node("dev").id};
    request.requested_by = "operator";
    const auto back = rollouts_->roll_back(request);
    ASSERT_TRUE(back.ok()) << back.error().chain();
    pass(10s);
    ASSERT_FALSE(node("dev").done.back().patch->undoes.empty());
    EXPECT_EQ(node("dev").done.back().patch->reboot, reboot) << text;
  }
}

// The beginning of what a calendar forbids is a cut-off: nothing begins that would not be back before it.
TEST_F(RolloutByHandTest, ACalendarThatIsAboutToCloseIsACutOff) {
  const std::string content = "name: x\nrings: [{name: dev, targets: ['tag:Env=dev'], calendars: [freeze]}]";
  EXPECT_THAT(refused(content).message(), HasSubstr("there is no change calendar 'freeze'"));
  struct Case {
    Duration closes_in;
    bool begins;
  };
  for (const auto& one : {Case{20min, false}, Case{2h, true}}) {
    const auto closing =
        Instant(std::chrono::floor<std::chrono::seconds>((clock_.now() + one.closes_in).time_since_epoch()));
    put_calendar(closing, closing + 1h);
    const auto id = carried_out(content);
    EXPECT_EQ(state(id), one.begins ? "Completed" : "Running") << why(id);
    ASSERT_EQ(orders("dev", wire::OrderKind::patch), one.begins ? 1u : 0u);
    if (!one.begins) {
      ASSERT_TRUE(rollouts_->abort(id, "next", "operator").ok());
      settle();
      continue;
    }
    const auto& order = node("dev").done.back();
    EXPECT_EQ(order.patch->end_by, closing);
    EXPECT_LE(order.expires_at, closing);
  }
}

}  // namespace
}  // namespace belay::server
