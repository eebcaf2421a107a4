#include "server/engine/audit_check.hpp"

#include "server/engine/fixture_test.hpp"
#include "server/engine/rejudge.hpp"
#include "store/audit.hpp"
#include "store/baselines.hpp"

namespace belay::server {
namespace {

class AuditCheckTest : public EngineTest {
 protected:
  AuditCheckTest() {
    engine_->add(make_rejudge_kind(*judge_));
    for (const char* name : {"web-1", "web-2"}) scan(with_openssl(add_node(name)));
    clock_.advance(Duration(25LL * 3600 * 1000));  // both are dark now: the fleet is judged anew
    EXPECT_TRUE(disk_->write([&](store::Sql& sql) { return ensure_rejudge(sql, clock_.now()); }).ok());
    settle();
  }

  VerdictCheck check(store::Sql& sql, bool evidence) {
    VerdictQuestion question;
    question.evidence = evidence;
    const auto checked = check_verdicts(sql, question);
    EXPECT_TRUE(checked.ok()) << (checked.ok() ? "" : checked.error().chain());
    return checked.ok() ? *checked : VerdictCheck();
  }
};

TEST_F(AuditCheckTest, WhatWasToldIsThere) {
  const auto checked = disk_->read([&](store::Sql& sql) -> Result<VerdictCheck> { return check(sql, true); });
  EXPECT_FALSE(checked->broken_at) << checked->why;
  EXPECT_EQ(checked->verdicts, 4) << "two at their scans, two when they went dark";
  EXPECT_EQ(checked->next, "");
}

TEST_F(AuditCheckTest, AnEditIsFound) {
  const struct {
    const char* edit;
    const char* why;
    bool needs_evidence;
  } rows[] = {
      {"UPDATE verdicts SET compliance = 'compliant' WHERE sequence = 1", "verdict 1", false},
      {"UPDATE verdicts SET baseline_id = 'pb-1' WHERE sequence = 2", "verdict 2", false},
      {"UPDATE verdicts SET judged_at = judged_at + 1 WHERE sequence = 1", "verdict 1", false},
      {"UPDATE verdicts SET node_id = 'mi-1' WHERE sequence = 2", "verdict 2", false},
      {"UPDATE verdicts SET compliance = 'compliant' WHERE sequence = 4", "verdicts 3-4", false},
      {"UPDATE verdicts SET judged_at = judged_at + 1 WHERE sequence = 3", "verdicts 3-4", false},
      {"DELETE FROM verdicts WHERE sequence = 1", "verdict 1 is gone", false},
      {"DELETE FROM verdicts WHERE sequence = 4", "verdict 4 is gone", false},
      {"UPDATE verdicts SET counters = '{}' WHERE sequence = 1", "something else than its evidence", true},
      {"UPDATE verdicts SET counters = '{}' WHERE sequence = 3", "something else than its evidence", true},
      {"UPDATE scans SET observed_at = observed_at - 1", "the scan", true},
      {"DELETE FROM contents WHERE kind = 'evidence'", "no evidence any more", true},
      {"UPDATE contents SET body = (SELECT MIN(body) FROM contents WHERE kind = 'evidence') WHERE kind = 'evidence'",
       "no evidence any more", true},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.edit);
    const auto undone = disk_->write([&](store::Sql& sql) -> Status {
      if (const auto done = sql.exec("PRAGMA defer_foreign_keys = ON"); !done.ok()) return done.error();
      if (const auto done = sql.exec("DELETE FROM verdict_heads"); !done.ok()) return done.error();
      if (const auto done = sql.exec(row.edit); !done.ok()) return done.error();
      EXPECT_EQ(check(sql, false).broken_at.has_value(), !row.needs_evidence);
      const auto checked = check(sql, true);
      EXPECT_TRUE(checked.broken_at);
      EXPECT_NE(checked.why.find(row.why), std::string::npos) << checked.why;
      return Error(Code::cancelled, "the edit was seen");
    });
    ASSERT_EQ(undone.error().code(), Code::cancelled) << undone.error().chain();
  }
}

}  // namespace
}  // namespace belay::server
