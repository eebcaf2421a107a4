#include "store/backups.hpp"

#include "base/json.hpp"
#include "store/fixture_test.hpp"

namespace belay::store {
namespace {

class BackupsTest : public StoreTest {
 protected:
  backups::Vault vault(const std::string& name) {
    backups::Vault made;
    made.name = name;
    made.content = "name: " + name + "\n";
    made.spec.name = name;
    made.spec.path = "/srv/" + name;
    made.key_fingerprint = std::string(64, 'a');
    made.created_by = "anna";
    made.created_at = made.updated_at = at_s(1);
    return made;
  }
  backups::Plan plan(const std::string& id, const std::string& name) {
    backups::Plan made;
    made.plan_id = id;
    made.name = name;
    made.content = "name: " + name + "\n";
    made.spec.name = name;
    made.spec.vault = "nas";
    made.spec.objectives.rpo = Duration(3'600'000);
    made.created_by = "anna";
    made.created_at = made.updated_at = at_s(1);
    return made;
  }
  void given_plan(const std::string& id = "bp-1", const std::string& name = "pg-prod") {
    ASSERT_OK(write([&](Sql& sql) { return backups::create_plan(sql, plan(id, name)); }));
  }
  backup::RecoveryPoint point(const std::string& id, int when, const std::string& node = "mi-1") {
    backup::RecoveryPoint made;
    made.point_id = id;
    made.plan_id = "bp-1";
    made.node_id = node;
    made.vault = "nas";
    made.made.reference = "ref " + id;
    made.made.taken_at = at_s(when);
    made.made.fingerprints = {{"shop.orders", 12, "abc"}};
    made.recorded_at = at_s(when);
    return made;
  }
  void given_points(const std::vector<backup::RecoveryPoint>& points) {
    ASSERT_OK(write([&](Sql& sql) { return backups::add_points(sql, points); }));
  }
  backups::Job job(const std::string& id, int when) {
    backups::Job made;
    made.job.job_id = id;
    made.job.plan_id = "bp-1";
    made.job.node_id = "mi-1";
    made.job.task = backup::Task::prove;
    made.job.level = backup::ProofLevel::P5;
    made.requested_by = "anna";
    made.reason = "by hand";
    made.created_at = at_s(when);
    return made;
  }
};
BELAY_ON_EVERY_STORE(BackupsTest);

TEST_P(BackupsTest, WhatIsSecretAboutAVaultIsSealed) {
  const backups::VaultSecrets secrets{"0123456789abcdef0123456789abcdef", {{"secretKey", "very secret"}}};
  ASSERT_OK(write([&](Sql& sql) { return backups::create_vault(sql, vault("nas"), secrets); }));
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return backups::create_vault(sql, vault("nas"), secrets); }));
  reopen();
  const auto got = *read([](Sql& sql) { return backups::vault_secrets(sql, "nas"); });
  EXPECT_EQ(got.key, secrets.key);
  EXPECT_EQ(got.access, secrets.access);
  const auto row = *read([](Sql& sql) { return sql.query_one("SELECT sealed_key, sealed_secrets, spec FROM vaults"); });
  for (int column : {0, 1}) EXPECT_TRUE(row->blob(static_cast<std::size_t>(column)).starts_with("sealed:"));
  EXPECT_EQ(row->blob(1).find("very secret"), std::string::npos);
}

TEST_P(BackupsTest, AVaultIsChangedAndItsSecretsStayUnlessNewOnesAreGiven) {
  ASSERT_OK(write([&](Sql& sql) { return backups::create_vault(sql, vault("nas"), {"key", {{"user", "u"}}}); }));
  auto changed = vault("nas");
  changed.spec.path = "/srv/other";
  changed.escrowed_at = at_s(5);
  ASSERT_OK(write([&](Sql& sql) { return backups::update_vault(sql, changed, std::nullopt); }));
  EXPECT_EQ(read([](Sql& sql) { return backups::vault_secrets(sql, "nas"); })->access.at("user"), "u");
  ASSERT_OK(write([&](Sql& sql) {
    return backups::update_vault(sql, changed, std::map<std::string, std::string>{{"user", "v"}});
  }));
  const auto got = *read([](Sql& sql) { return backups::get_vault(sql, "nas"); });
  EXPECT_EQ(got.spec.path, "/srv/other");
  EXPECT_EQ(got.escrowed_at, at_s(5));
  const auto secrets = *read([](Sql& sql) { return backups::vault_secrets(sql, "nas"); });
  EXPECT_EQ(secrets.access.at("user"), "v");
  EXPECT_EQ(secrets.key, "key");
  ASSERT_OK(write([](Sql& sql) { return backups::remove_vault(sql, "nas"); }));
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return backups::remove_vault(sql, "nas"); }));
}

TEST_P(BackupsTest, APlansNameIsFreeAgainOnceItIsRetired) {
  given_plan();
  EXPECT_CODE(Code::already_exists,
              write([&](Sql& sql) { return backups::create_plan(sql, plan("bp-2", "pg-prod")); }));
  auto retired = plan("bp-1", "pg-prod");
  retired.state = "Retired";
  ASSERT_OK(write([&](Sql& sql) { return backups::update_plan(sql, retired); }));
  given_plan("bp-2");
  EXPECT_EQ(read([](Sql& sql) { return backups::plan_named(sql, "pg-prod"); })->plan_id, "bp-2");
  EXPECT_EQ(read([](Sql& sql) { return backups::plan_named(sql, "bp-1"); })->state, "Retired");
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return backups::plan_named(sql, "none"); }));
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) {
                retired.state = "Active";
                return backups::update_plan(sql, retired);
              }));
}

TEST_P(BackupsTest, PlansAreListedByNamePageByPage) {
  given_plan("bp-1", "c");
  given_plan("bp-2", "a");
  given_plan("bp-3", "b");
  std::vector<std::string> names;
  Page page{.limit = 2, .after = {}};
  do {
    const auto part = *read([&](Sql& sql) { return backups::list_plans(sql, false, page); });
    for (const auto& item : part.items) names.push_back(item.name);
    page.after = part.next;
  } while (!page.after.empty());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c"}));
}

TEST_P(BackupsTest, MembersAreDueInTheirTimeAndKeepTheirNewestWatch) {
  given_plan();
  backups::Member one{.plan_id = "bp-1", .node_id = "mi-1", .joined_at = at_s(1), .look_at = at_s(10)};
  backups::Member two{.plan_id = "bp-1", .node_id = "mi-2", .joined_at = at_s(1), .look_at = at_s(20)};
  one.progress.node_id = "mi-1";
  one.progress.failures = 3;
  ASSERT_OK(write([&](Sql& sql) { return backups::put_members(sql, std::vector{one, two}); }));
  const auto due = *read([&](Sql& sql) { return backups::members_due(sql, "bp-1", at_s(15), 10); });
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].progress.failures, 3u);
  EXPECT_EQ(*read([](Sql& sql) { return backups::next_look(sql, "bp-1"); }), at_s(10));
  backup::WatchReport watch;
  watch.plan_id = "bp-1";
  watch.at = at_s(30);
  watch.findings = {{"log-gap", "000…1 to 000…3"}};
  ASSERT_OK(write([&](Sql& sql) { return backups::put_watch(sql, "mi-1", watch); }));
  watch.at = at_s(29);
  watch.findings.clear();
  ASSERT_OK(write([&](Sql& sql) { return backups::put_watch(sql, "mi-1", watch); }));  // came late
  ASSERT_OK(write([&](Sql& sql) { return backups::put_watch(sql, "mi-9", watch); }));
  ASSERT_OK(write([&](Sql& sql) { return backups::put_members(sql, std::vector{one}); }));
  const auto got = *read([](Sql& sql) { return backups::get_member(sql, "bp-1", "mi-1"); });
  ASSERT_TRUE(got.watch);
  EXPECT_EQ(got.watch->findings.size(), 1u);
  EXPECT_EQ(read([](Sql& sql) { return backups::plans_of_node(sql, "mi-2"); })->size(), 1u);
}

TEST_P(BackupsTest, APointIsKeptOnceAndItsFingerprintsComeWithItAlone) {
  given_plan();
  given_points({point("rp-1", 10), point("rp-2", 20)});
  auto again = point("rp-3", 30);
  again.made.reference = "ref rp-1";
  given_points({again});  // the same reference: passed over
  const auto all = *read([](Sql& sql) { return backups::points_of(sql, "bp-1", "mi-1"); });
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].point_id, "rp-2");
  EXPECT_TRUE(all[0].made.fingerprints.empty());
  auto one = *read([](Sql& sql) { return backups::get_point(sql, "rp-1"); });
  EXPECT_EQ(one.made.fingerprints, point("rp-1", 10).made.fingerprints);
  one.state = backup::PointState::damaged;
  one.why = {"a byte is wrong"};
  one.proven = backup::ProofLevel::P4;
  one.proven_at = at_s(40);
  one.legal_hold = true;
  ASSERT_OK(write([&](Sql& sql) { return backups::update_point(sql, one); }));
  one = *read([](Sql& sql) { return backups::get_point(sql, "rp-1"); });
  EXPECT_EQ(one.state, backup::PointState::damaged);
  EXPECT_EQ(one.why, std::vector<std::string>{"a byte is wrong"});
  EXPECT_EQ(one.proven, backup::ProofLevel::P4);
  EXPECT_TRUE(one.legal_hold);
  EXPECT_EQ(one.made.fingerprints.size(), 1u);
  one.state = backup::PointState::gone;
  ASSERT_OK(write([&](Sql& sql) { return backups::update_point(sql, one); }));
  EXPECT_EQ(read([](Sql& sql) { return backups::points_of(sql, "bp-1", "mi-1"); })->size(), 1u);
  EXPECT_EQ(*read([](Sql& sql) { return backups::count_points(sql, "nas"); }), 1);
  EXPECT_EQ(read([](Sql& sql) { return backups::list_points(sql, {.states = {"gone"}}, {}); })->items.size(), 1u);
  const auto has = [&](const char* vault, const char* reference) {
    return *read([&](Sql& sql) { return backups::has_reference(sql, "bp-1", "mi-1", vault, reference); });
  };
  EXPECT_TRUE(has("nas", "ref rp-1")) << "gone, and its name is not free for that";
  EXPECT_FALSE(has("nas", "ref rp-9") || has("s3", "ref rp-1"));
}

TEST_P(BackupsTest, JobsGoFromPendingToTheirEnd) {
  given_plan();
  auto made = job("bj-1", 1);
  ASSERT_OK(write([&](Sql& sql) { return backups::create_job(sql, made); }));
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return backups::create_job(sql, made); }));
  EXPECT_EQ(read([](Sql& sql) { return backups::open_jobs(sql, "bp-1", "mi-1"); })->size(), 1u);
  EXPECT_EQ(read([](Sql& sql) { return backups::open_jobs(sql, "bp-1", ""); })->size(), 1u);
  EXPECT_TRUE(read([](Sql& sql) { return backups::open_jobs(sql, "bp-1", "mi-2"); })->empty());
  made.state = "Running";
  made.order_id = "order-1";
  ASSERT_OK(write([&](Sql& sql) { return backups::update_job(sql, made); }));
  ASSERT_OK(write([](Sql& sql) { return backups::note_progress(sql, "order-1", "restore: 42 %"); }));
  EXPECT_EQ(read([](Sql& sql) { return backups::job_of_order(sql, "order-1"); }).value()->progress, "restore: 42 %");
  EXPECT_FALSE(read([](Sql& sql) { return backups::job_of_order(sql, ""); }).value());
  made.state = "Failed";
  made.why = "the vault is away";
  made.finished_at = at_s(9);
  made.report.emplace();
  made.report->evidence = {{backup::ProofLevel::P1, "chain", false, "a full is missing"}};
  ASSERT_OK(write([&](Sql& sql) { return backups::update_job(sql, made); }));
  const auto got = *read([](Sql& sql) { return backups::get_job(sql, "bj-1"); });
  EXPECT_EQ(got.job.level, backup::ProofLevel::P5);
  ASSERT_TRUE(got.report);
  EXPECT_EQ(got.report->evidence[0].seen, "a full is missing");
  EXPECT_TRUE(read([](Sql& sql) { return backups::open_jobs(sql, "bp-1", "mi-1"); })->empty());
  EXPECT_EQ(read([](Sql& sql) { return backups::list_jobs(sql, {.states = {"Failed"}}, {}); })->items.size(), 1u);
  EXPECT_EQ(*write([](Sql& sql) { return backups::forget_jobs(sql, at_s(10), 5); }), 1);
}

TEST_P(BackupsTest, AProofIsTheTextThatWasSigned) {
  given_plan();
  given_points({point("rp-1", 10)});
  backups::SignedProof kept;
  kept.proof.proof_id = "pr-1";
  kept.proof.point_id = "rp-1";
  kept.proof.plan_id = "bp-1";
  kept.proof.node_id = "mi-1";
  kept.proof.level = backup::ProofLevel::P5;
  kept.proof.passed = true;
  kept.proof.at = at_s(20);
  kept.text = json::encode_text(kept.proof);
  kept.signature = "c2ln";
  ASSERT_OK(write([&](Sql& sql) { return backups::add_proof(sql, kept); }));
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return backups::add_proof(sql, kept); }));
  const auto got = *read([](Sql& sql) { return backups::get_proof(sql, "pr-1"); });
  EXPECT_EQ(got.text, kept.text);
  EXPECT_EQ(got.signature, "c2ln");
  EXPECT_EQ(read([](Sql& sql) { return backups::proofs_of(sql, "bp-1", "mi-1"); })->size(), 1u);
  EXPECT_EQ(read([](Sql& sql) { return backups::list_proofs(sql, {.point_id = "rp-1"}, {}); })->items.size(), 1u);
}

}  // namespace
}  // namespace belay::store
