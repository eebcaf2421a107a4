// Who is told of what, and how often.
#include "server/engine/backups_fixture_test.hpp"
#include "server/engine/mail.hpp"
#include "server/engine/webhooks.hpp"
#include "store/executions.hpp"

namespace belay::server {
namespace {

const std::string kTelling = std::string(kByHand) + "notify: [{webhook: 'https://chat/x'}, {mail: ops@example.org}]\n";

class BackupNoticesTest : public BackupsTest {
 protected:
  struct Told {
    std::string line;  // "failed backup"
    json::Value body;
    std::string mail;  // its subject
  };

  void given() {
    backups_->set_sends_mail(true);
    given_vault();
    given_plan(kTelling);
    settle();
  }
  // What was told since the last call. Each notice once by webhook and once by mail.
  std::vector<Told> told() {
    const auto effects = store_
                             ->write([&](store::Sql& sql) {
                               return store::executions::claim_effects(sql, "test", clock_.now(), kLong, 100);
                             })
                             .value();
    std::vector<Told> out;
    for (std::size_t i = 0; i + 1 < effects.size(); i += 2) {
      const auto webhook = json::decode_text<Webhook>(effects[i].body).value();
      EXPECT_EQ(webhook.url, "https://chat/x");
      const auto mail = json::decode_text<Mail>(effects[i + 1].body).value();
      EXPECT_EQ(mail.document, webhook.body);
      const auto body = json::parse(webhook.body).value();
      out.push_back({json::text_or_empty(body, "event") + " " + json::text_or_empty(body, "what"), body, mail.subject});
    }
    EXPECT_EQ(effects.size() % 2, 0u);
    return out;
  }
  std::vector<std::string> lines() {
    std::vector<std::string> out;
    for (const auto& one : told()) out.push_back(one.line);
    return out;
  }
  static constexpr Duration kLong{365LL * 24 * 3600 * 1000};
};
using Lines = std::vector<std::string>;

TEST_F(BackupNoticesTest, MailThatNobodySendsIsRefused) {
  given_vault();
  const auto made = backups_->put_plan({PutPlan::create, kTelling, "anna"});
  EXPECT_THAT(made.error().message(), HasSubstr("belayd --sendmail"));
}

TEST_F(BackupNoticesTest, AFailedRunIsToldOnceAfterItsRetriesAndSoIsItsEnd) {
  given();
  repository().outcome = JobOutcome::failed;
  run_now();
  EXPECT_EQ(lines(), Lines()) << "it is tried again";
  pass(Duration(1'800'000));
  const auto first = told();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].line, "failed backup");
  EXPECT_EQ(first[0].mail, "Belay: backup of db-1 by pg: backup failed");
  EXPECT_THAT(json::text_or_empty(first[0].body, "why"), HasSubstr("the vault is full"));
  EXPECT_EQ(json::text_or_empty(first[0].body, "node"), db_);
  run_now();
  pass(Duration(1'800'000));
  EXPECT_EQ(lines(), Lines()) << "they know";
  repository().outcome = JobOutcome::ok;
  run_now();
  EXPECT_EQ(lines(), Lines{"recovered backup"});
  run_now();
  EXPECT_EQ(lines(), Lines());
}

TEST_F(BackupNoticesTest, ATestThatProvesTooLittleIsToldThoughItsJobSucceeded) {
  given();
  run_now();
  repository().proves = backup::ProofLevel::P2;
  prove_now();
  const auto failed = told();
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].line, "failed proof");
  EXPECT_THAT(json::text_or_empty(failed[0].body, "why"), HasSubstr("pr-"));
  run_now();
  EXPECT_EQ(lines(), Lines()) << "a good backup proves nothing";
  repository().proves = backup::ProofLevel::P4;
  pass(Duration(60'000));
  prove_now();
  EXPECT_EQ(lines(), Lines{"recovered proof"});
}

TEST_F(BackupNoticesTest, AMissedObjectiveIsToldOnceAndThatItIsMetAgain) {
  given();
  run_now();
  pass(Duration(3 * 3'600'000));
  EXPECT_EQ(lines(), Lines{"failed rpo"});
  pass(Duration(3 * 3'600'000));
  EXPECT_EQ(lines(), Lines());
  run_now();
  EXPECT_EQ(lines(), Lines{"recovered rpo"});
}

TEST_F(BackupNoticesTest, ASuspectPointIsToldAndThatSomebodyAcceptedIt) {
  given();
  run_now();
  repository().bytes = 0;
  run_now();
  const auto suspect = told();
  ASSERT_EQ(suspect.size(), 1u);
  EXPECT_EQ(suspect[0].line, "failed points");
  EXPECT_THAT(json::text_or_empty(suspect[0].body, "why"), HasSubstr("suspect (empty"));
  run_now();
  EXPECT_EQ(lines(), Lines{"failed points"}) << "one more is news";
  for (const auto& point : points())
    if (point.state == PointState::suspect) ASSERT_TRUE(backups_->accept(point.point_id, "on purpose", "anna").ok());
  settle();
  EXPECT_EQ(lines(), Lines{"recovered points"});
}

TEST_F(BackupNoticesTest, OfAPlanThatIsRetiredNobodyHearsMore) {
  given();
  repository().outcome = JobOutcome::failed;
  run_now();
  pass(Duration(1'800'000));
  EXPECT_EQ(lines(), Lines{"failed backup"});
  ASSERT_TRUE(backups_->set_plan_state("pg", "Retired", "", "anna").ok());
  pass(Duration(3 * 3'600'000));
  EXPECT_EQ(lines(), Lines());
  const auto member = store_->read([&](store::Sql& sql) { return kept::get_member(sql, plan_, db_); }).value();
  EXPECT_TRUE(member.progress.alarms.empty());
  EXPECT_EQ(member.progress.tallies.at("backup").failed, member.progress.tallies.at("backup").runs);
}

}  // namespace
}  // namespace belay::server
