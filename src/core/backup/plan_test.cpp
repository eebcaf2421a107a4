#include "core/backup/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.hpp"

namespace belay::backup {
namespace {
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

constexpr std::string_view kIssue = R"yaml(
name: pg-prod
targets: ["tag:Role=postgres"]
source: {engine: pgbackrest, stanza: main}
schedule: {full: "cron(0 1 ? * SUN *)", differential: "cron(0 1 ? * MON-SAT *)", incremental: "rate(1 hour)", timezone: Europe/Berlin}
vault: main-nas
copies: [{vault: s3-offsite, keep: {monthly: 12}}]
keep: {daily: 7, weekly: 5, monthly: 12}
objectives: {rpo: 1h, rto: 30m}
prove: {schedule: "cron(0 4 * * ? *)", level: P5, pick: [newest, random, oldest, offsite], checks: [{sql: "select count(*) from orders", atLeast: 1000}]}
)yaml";

TEST(Plan, ReadsTheFileOfTheGuide) {
  const auto plan = read_plan(kIssue);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan->name, "pg-prod");
  EXPECT_EQ(plan->targets, std::vector<std::string>{"tag:Role=postgres"});
  EXPECT_EQ(plan->source.engine, EngineName::pgbackrest);
  EXPECT_EQ(plan->source.stanza, "main");
  EXPECT_TRUE(plan->source.logs);
  EXPECT_EQ(plan->schedule.differential, "cron(0 1 ? * MON-SAT *)");
  EXPECT_EQ(plan->schedule.timezone, "Europe/Berlin");
  EXPECT_EQ(plan->schedule.start_within, 1h);
  EXPECT_EQ(plan->vault, "main-nas");
  ASSERT_EQ(plan->copies.size(), 1u);
  EXPECT_EQ(plan->copies[0].keep.monthly, 12u);
  EXPECT_EQ(plan->copies[0].schedule, "");
  EXPECT_EQ(plan->keep.daily, 7u);
  EXPECT_EQ(plan->objectives.rpo, 1h);
  EXPECT_EQ(plan->objectives.rto, 30min);
  EXPECT_EQ(plan->prove.level, ProofLevel::P5);
  EXPECT_EQ(plan->prove.pick, (std::vector{Pick::newest, Pick::random, Pick::oldest, Pick::offsite}));
  ASSERT_EQ(plan->prove.checks.size(), 1u);
  EXPECT_EQ(plan->prove.checks[0].at_least, 1000);
  EXPECT_EQ(plan->limits.retries, 2u);
}

TEST(Plan, ReadsEveryMember) {
  const auto plan = read_plan(R"yaml(
name: maria
description: the shop
targets: ["*"]
source:
  engine: mariadb-backup
  dataDirectory: /srv/mysql/
  socket: /run/mysqld/mysqld.sock
  user: mysql
  logs: false
  heartbeat: belay.heartbeat
  before: [/usr/local/bin/quiesce, --fast]
  after: {command: [/usr/local/bin/release], user: deploy, timeout: 90s}
schedule: {full: "cron(0 1 ? * SUN *)", incremental: "rate(2 hours)", startWithin: 2h, jitter: 20m, calendars: [freeze]}
vault: nas
copies: [{vault: s3, keep: {within: 60d}, schedule: "cron(0 5 ? * SUN *)"}]
keep: {last: 3, yearly: 2, within: 14d}
objectives: {rpo: 2h}
prove:
  schedule: rate(7 days)
  level: P5
  checks:
    - {name: users, sql: "select count(*) from users", database: shop, atLeast: 1, atMost: 9000000000, timeout: 1m}
    - {command: [/usr/local/bin/ask, shop], equals: ok}
    - {command: /usr/local/bin/ask, equals: 7}
    - {file: /srv/mysql/ibdata1, atLeast: 1}
  scratch: /srv/scratch
limits: {bandwidth: 20MiB, idleIo: false, processes: 4, retries: 1, retryAfter: 10m, timeout: 3h}
notify: ["https://hooks.example.org/a"]
)yaml");
  ;
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan->source.data_directory, "/srv/mysql");
  EXPECT_EQ(plan->source.socket, "/run/mysqld/mysqld.sock");
  EXPECT_FALSE(plan->source.logs);
  EXPECT_EQ(plan->source.before->argv, (std::vector<std::string>{"/usr/local/bin/quiesce", "--fast"}));
  EXPECT_EQ(plan->source.after->user, "deploy");
  EXPECT_EQ(plan->source.after->timeout, 90s);
  EXPECT_EQ(plan->schedule.start_within, 2h);
  EXPECT_EQ(plan->schedule.jitter, 20min);
  EXPECT_EQ(plan->schedule.calendars, std::vector<std::string>{"freeze"});
  EXPECT_EQ(plan->copies[0].schedule, "cron(0 5 ? * SUN *)");
  EXPECT_EQ(plan->keep.within, std::chrono::days(14));
  ASSERT_EQ(plan->prove.checks.size(), 4u);
  EXPECT_EQ(plan->prove.checks[0].at_most, 9'000'000'000);
  EXPECT_EQ(plan->prove.checks[0].database, "shop");
  EXPECT_EQ(plan->prove.checks[2].equals, "7");
  EXPECT_EQ(plan->prove.scratch, "/srv/scratch");
  EXPECT_EQ(plan->limits.bytes_a_second_max, 20u << 20);
  EXPECT_FALSE(plan->limits.idle_io);
  EXPECT_EQ(plan->limits.processes, 4u);
  EXPECT_EQ(plan->limits.retry_after, 10min);
  EXPECT_EQ(plan->notify.size(), 1u);
  const auto again = json::decode_text<PlanSpec>(json::encode_text(*plan));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(json::encode_text(*again), json::encode_text(*plan));
}

TEST(Plan, TellsByWebhookAndByMail) {
  const std::string head = "name: x\ntargets: ['*']\nsource: {engine: pg_dump}\nvault: nas\n";
  const auto many = read_plan(head + "notify: [{webhook: 'https://chat/x'}, {mail: ops+backup@example.org}]\n");
  ASSERT_TRUE(many.ok()) << many.error().chain();
  EXPECT_EQ(many->notify, std::vector<std::string>{"https://chat/x"});
  EXPECT_EQ(many->mails, std::vector<std::string>{"ops+backup@example.org"});
  const auto one = read_plan(head + "notify: {mail: ops@example.org}\n");
  ASSERT_TRUE(one.ok()) << one.error().chain();
  EXPECT_EQ(one->mails.size(), 1u);
}

TEST(Plan, ReadsJsonToo) {
  const auto plan = read_plan(
      R"({"name": "etc", "targets": "*", "vault": "nas", "source": {"engine": "restic", "paths": ["/etc"]}})");
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan->source.paths, std::vector<std::string>{"/etc"});
  EXPECT_TRUE(plan->keep.empty()) << "everything stays";
}

// What stands after this is whole.
constexpr std::string_view kHead = "name: a\ntargets: ['*']\nvault: v\n";
constexpr std::string_view kRestic = "source: {engine: restic, paths: [/etc]}\n";
constexpr std::string_view kPg = "source: {engine: pgbackrest, stanza: main}\n";
constexpr std::string_view kDump = "source: {engine: pg_dump}\n";

struct Case {
  const char* name;
  std::string_view source;
  const char *rest, *says;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }
std::string text_of(const Case& one) { return std::string(kHead) + std::string(one.source) + one.rest; }

class WrongPlan : public testing::TestWithParam<Case> {};
TEST_P(WrongPlan, IsRefusedWithItsField) {
  const auto plan = read_plan(text_of(GetParam()));
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code(), Code::invalid_argument);
  EXPECT_EQ(plan.error().reason(), "ValidationException");
  EXPECT_THAT(plan.error().message(), HasSubstr(GetParam().says));
}

constexpr Case kWrong[] = {
    // ---- the engine and its members
    {"no_source", "", "", "source (line 1): is missing"},
    {"no_engine", "source: {paths: [/etc]}", "", "source.engine (line 4): is missing"},
    {"other_engine", "source: {engine: mysqlhotcopy}", "", "Known are pgbackrest,pg_dump,mariadb-backup"},
    {"mistyped", "source: {engine: pgbackrset}", "", "did you mean pgbackrest?"},
    {"underscore", "source: {engine: mariadb_backup}", "", "did you mean mariadb-backup?"},
    {"other_name", "source: {engine: mariabackup}", "", "did you mean mariadb-backup?"},
    {"needs_stanza", "source: {engine: pgbackrest}", "", "source.stanza (line 4): is missing; pgbackrest needs it"},
    {"stanza", "source: {engine: pgbackrest, stanza: ../x}", "", "is no stanza's name"},
    {"stanza_of_dump", "source: {engine: pg_dump, stanza: main}", "",
     "source.stanza (line 4): is not known to pg_dump, which takes databases"},
    {"paths_of_database", "source: {engine: mysqldump, paths: [/var/lib/mysql]}", "", "is not known to mysqldump"},
    {"logs_of_files", "source: {engine: restic, paths: [/etc], logs: true}", "", "is not known to restic"},
    {"unknown_member", "source: {engine: restic, paths: [/etc], pathes: [/a]}", "", "source.pathes (line 4)"},
    {"nothing_to_store", "source: {engine: restic}", "", "list paths, or say wholeSystem: true"},
    {"empty_paths", "source: {engine: sqlite, paths: []}", "", "source.paths (line 4): names nothing"},
    {"both", "source: {engine: borg, paths: [/etc], wholeSystem: true}", "", "stands beside paths"},
    {"relative_path", "source: {engine: restic, paths: [etc]}", "", "source.paths[0] (line 4): is no absolute path"},
    {"dotted_path", "source: {engine: restic, paths: [/srv/../etc]}", "", "has a '..' in it"},
    {"sqlite_without", "source: {engine: sqlite}", "", "source.paths (line 4): is missing"},
    {"no_program", "source: {engine: command}", "", "source.program (line 4): is missing"},
    {"relative_program", "source: {engine: command, program: dump.sh}", "", "is no absolute path"},
    {"freeze_alone", "source: {engine: snapshot, paths: [/srv], freeze: [/bin/a]}", "",
     "what is frozen must be thawed"},
    {"hook_shell", "source: {engine: restic, paths: [/etc], before: 'systemctl stop x'}", "", "there is no shell"},
    {"hook_spaces", "source: {engine: restic, paths: [/etc], before: '/bin/systemctl stop x'}", "",
     "there is no shell"},
    {"hook_member", "source: {engine: restic, paths: [/etc], before: {run: [/bin/a]}}", "", "source.before.run"},
    {"heartbeat", "source: {engine: pg_dump, heartbeat: beat}", "", "write schema.table"},
    {"database_option", "source: {engine: pg_dump, databases: ['--help']}", "", "is no database's name"},
    {"port", "source: {engine: pg_dump, port: 70000}", "", "source.port"},
    // ---- schedules
    {"not_a_schedule", kPg, "schedule: {full: daily}", "schedule.full (line 5)"},
    {"too_often", kPg, "schedule: {full: 'rate(1 minute)'}", "keep the logs of the database"},
    {"incremental_restic", kRestic, "schedule: {incremental: 'rate(1 hour)'}", "restic makes no such backups"},
    {"differential_dump", kDump, "schedule: {full: 'rate(1 day)', differential: 'rate(1 hour)'}",
     "schedule.differential (line 5): pg_dump makes no such backups"},
    {"no_full", kPg, "schedule: {incremental: 'rate(1 hour)'}", "schedule.full (line 5): is missing; a chain"},
    {"zone", kPg, "schedule: {full: 'rate(1 day)', timezone: '../etc/passwd'}", "is no time zone"},
    {"jitter", kPg, "schedule: {full: 'rate(1 day)', jitter: 3d}", "schedule.jitter"},
    {"schedule_member", kPg, "schedule: {incr: 'rate(1 hour)'}", "schedule.incr (line 5): is not known"},
    // ---- objectives
    {"rpo_too_short", kRestic, "schedule: {full: 'rate(1 hour)'}\nobjectives: {rpo: 30m}",
     "objectives.rpo (line 6): is 30 min, but by the schedule two backups are up to 1 h apart; back up more often"},
    {"rpo_without_logs", "source: {engine: pgbackrest, stanza: a, logs: false}\n",
     "schedule: {full: 'rate(1 day)', incremental: 'rate(1 hour)'}\nobjectives: {rpo: 30m}",
     "keep the logs (source.logs)"},
    {"rpo_at_weekends", kRestic, "schedule: {full: 'cron(0 1 ? * MON-FRI *)'}\nobjectives: {rpo: 1d}",
     "up to 3 d apart"},
    {"rpo_by_hand", kRestic, "objectives: {rpo: 1d}", "nothing is backed up again and again"},
    {"rpo_once", kRestic, "schedule: {full: 'at(2027-01-01T00:00:00)'}\nobjectives: {rpo: 1d}",
     "nothing is backed up again and again"},
    {"rto_unmeasured", kPg, "objectives: {rto: 1h}\nprove: {level: P2}", "is measured by restoring"},
    {"objective_number", kPg, "objectives: {rpo: 60}", "objectives.rpo (line 5): is a number"},
    // ---- keep and copies
    {"keeps_nothing", kPg, "keep: {daily: 0}", "keep (line 5): keeps nothing"},
    {"keep_member", kPg, "keep: {hourly: 5}", "keep.hourly (line 5): is not known"},
    {"gone_before_the_next", kPg, "schedule: {full: 'cron(0 1 ? * SUN *)'}\nkeep: {within: 3d}",
     "keep.within (line 6): is 3 d, but the next backup may come only 7 d after"},
    {"copy_gone", kPg,
     "schedule: {full: 'rate(1 day)'}\ncopies: [{vault: b, keep: {within: 2d}, schedule: 'rate(7 days)'}]",
     "copies[0].keep.within (line 6)"},
    {"copy_into_own", kPg, "copies: [{vault: v}]", "copies[0].vault (line 5): is the plan's own vault"},
    {"copy_twice", kPg, "copies: [{vault: b}, {vault: b}]", "copies[1].vault (line 5): is 'b' like that of another"},
    {"copy_schedule", kPg, "copies: [{vault: b, schedule: weekly}]", "copies[0].schedule"},
    // ---- proof
    {"level", kPg, "prove: {level: P7}", "prove.level (line 5): is 'P7'"},
    {"level_of_files", kRestic, "prove: {level: P4}", "restic restores no service: say P3"},
    {"p5_of_files", kRestic, "prove: {level: P5, checks: [{file: /etc/passwd}]}", "none of the checks has a command"},
    {"p5_without_checks", kPg, "prove: {level: P5}", "write checks, or say P4"},
    {"checks_below_p5", kPg, "prove: {level: P4, checks: [{sql: select 1, atLeast: 1}]}", "are asked at P5 alone"},
    {"sql_of_files", kRestic, "prove: {level: P5, checks: [{command: /bin/a}, {sql: select 1, atLeast: 1}]}",
     "prove.checks[1].sql (line 5): asks a database"},
    {"asks_nothing", kPg, "prove: {level: P5, checks: [{name: x}]}", "prove.checks[0] (line 5): asks nothing"},
    {"asks_twice", kPg, "prove: {level: P5, checks: [{sql: a, file: /b, atLeast: 1}]}", "asks several things"},
    {"expects_nothing", kPg, "prove: {level: P5, checks: [{sql: select 1}]}", "so an empty table passes"},
    {"expects_the_impossible", kPg, "prove: {level: P5, checks: [{sql: a, atLeast: 5, atMost: 1}]}", "nothing passes"},
    {"equals_beside", kPg, "prove: {level: P5, checks: [{sql: a, atLeast: 5, equals: 5}]}", "stands beside"},
    {"database_alone", kPg, "prove: {level: P5, checks: [{command: /bin/a, database: x}]}", "belongs to sql"},
    {"pick", kPg, "prove: {pick: [latest]}", "prove.pick[0] (line 5): is 'latest'"},
    {"pick_twice", kPg, "prove: {pick: [newest, newest]}", "stands twice"},
    {"pick_none", kPg, "prove: {pick: []}", "names none of"},
    {"scratch", kPg, "prove: {scratch: tmp}", "prove.scratch (line 5): is no absolute path"},
    // ---- limits, names
    {"bandwidth_number", kPg, "limits: {bandwidth: 20}", "has no unit; write 20MiB"},
    {"bandwidth_word", kPg, "limits: {bandwidth: fast}", "is no size"},
    {"bandwidth_little", kPg, "limits: {bandwidth: 1KiB}", "nothing would end"},
    {"retries", kPg, "limits: {retries: 100}", "limits.retries"},
    {"notify_mail", kPg, "notify: [{mail: 'a@b.example, c@d.example'}]", "notify[0].mail (line 5): is no plain mail"},
    {"notify_both", kPg, "notify: {mail: 'a@b.example', webhook: 'https://x.example/'}", "names neither or both"},
    {"notify_mixed", kPg, "notify: ['https://x.example/', {mail: 'a@b.example'}]", "notify[0]"},
    {"notify", kPg, "notify: ['http://a.example/x']", "notify[0] (line 5): is no https:// address"},
    {"unknown", kPg, "keeps: {daily: 1}", "keeps (line 5): is not known"},
    {"target", kPg, "targets: ['tag:Role']", "stands twice"},
    // ---- secrets
    {"secret_member", kPg, "limits: {password: hunter2}", "limits.password (line 5): looks like a secret"},
    {"secret_spelling", kPg, "access_key: AKIA", "access_key (line 5): looks like a secret"},
    {"secret_in_address", kPg, "notify: ['https://me:hunter2@a.example/']", "holds a password in an address"},
    {"secret_in_hook", "source: {engine: restic, paths: [/etc], before: [/bin/mysql, --password=hunter2]}\n", "",
     "looks as if it held a password"},
    {"private_key", kPg, "description: '-----BEGIN OPENSSH PRIVATE KEY-----'", "holds a private key"},
};
INSTANTIATE_TEST_SUITE_P(Table, WrongPlan, testing::ValuesIn(kWrong),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Plan, NoRefusalRepeatsASecret) {
  for (const auto& one : kWrong)
    if (const auto plan = read_plan(text_of(one)); !plan.ok())
      EXPECT_THAT(plan.error().message(), Not(HasSubstr("hunter2"))) << one.name;
}

class RightPlan : public testing::TestWithParam<Case> {};
TEST_P(RightPlan, IsTaken) {
  const auto plan = read_plan(text_of(GetParam()));
  EXPECT_TRUE(plan.ok()) << plan.error().message();
}
constexpr Case kRight[] = {
    {"rpo_by_logs", kPg, "schedule: {full: 'rate(1 day)'}\nobjectives: {rpo: 1m}", ""},
    {"rpo_exact", kRestic, "schedule: {full: 'rate(1 day)'}\nobjectives: {rpo: 1d}", ""},
    {"rpo_by_all_types", "source: {engine: mariadb-backup, logs: false}\n",
     "schedule: {full: 'rate(7 days)', incremental: 'rate(1 hour)'}\nobjectives: {rpo: 1h}", ""},
    {"within_long_enough", kPg, "schedule: {full: 'cron(0 1 ? * SUN *)'}\nkeep: {within: 8d}", ""},
    {"within_a_chain", kPg, "schedule: {full: 'cron(0 1 ? * SUN *)', incremental: 'rate(1 day)'}\nkeep: {within: 2d}",
     ""},
    {"files_with_a_command", kRestic, "prove: {level: P5, checks: [{command: [/usr/local/bin/start, x], equals: ok}]}",
     ""},
    {"sql_of_sqlite", "source: {engine: sqlite, paths: [/srv/a.db]}\n",
     "prove: {level: P5, checks: [{sql: 'select 1', equals: 1}]}", ""},
    {"column_called_password", kPg,
     "prove: {level: P5, checks: [{sql: \"select count(*) from u where password=''\", atMost: 0}]}", ""},
    {"whole_system", "source: {engine: borg, wholeSystem: true, excludes: [/home/*/.cache]}\n", "", ""},
    {"snapshot", "source: {engine: snapshot, paths: [/srv], providers: [btrfs], freeze: [/bin/a], thaw: [/bin/b]}\n",
     "", ""},
    {"no_keep", kPg, "schedule: {full: 'rate(1 day)'}", ""},
};
INSTANTIATE_TEST_SUITE_P(Table, RightPlan, testing::ValuesIn(kRight),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Plan, TellsEverythingThatIsWrongAtOnce) {
  const auto plan = read_plan(
      "targets: []\nsource: {engine: restic, stanza: main, paths: [etc]}\nschedule: {incremental: 'rate(1 hour)'}\n"
      "keep: {}\nprove: {level: P4}\npassphrase: hunter2\n");
  ASSERT_FALSE(plan.ok());
  for (const char* says : {"name (line 1): is missing", "vault (line 1): is missing", "targets (line 1): names nobody",
                           "source.stanza (line 2)", "source.paths[0] (line 2)", "schedule.incremental (line 3)",
                           "keep (line 4): keeps", "prove.level (line 5)", "passphrase (line 6): looks like a secret"})
    EXPECT_THAT(plan.error().message(), HasSubstr(says));
}

TEST(EngineRules, StandForEveryEngineAndAgreeWithThemselves) {
  for (int i = 0; i <= static_cast<int>(EngineName::command); ++i) {
    const auto engine = static_cast<EngineName>(i);
    const auto& rules = engine_rules(engine);
    EXPECT_EQ(rules.engine, engine);
    EXPECT_FALSE(rules.vaults.empty()) << text_of(engine);
    EXPECT_TRUE(!rules.point_in_time || rules.is_database) << text_of(engine);
    EXPECT_TRUE(!rules.incremental || rules.is_database) << "files are stored whole: " << text_of(engine);
    EXPECT_THAT(rules.copies_from, Not(testing::Contains(VaultKind::tape))) << "a tape is not read at random";
  }
  EXPECT_FALSE(engine_rules(EngineName::pgbackrest).files);
  EXPECT_THAT(engine_rules(EngineName::pgbackrest).vaults, Not(testing::Contains(VaultKind::sftp))) << "from 2.46";
  EXPECT_TRUE(engine_rules(EngineName::borg).copies_from.empty()) << "borg 1.2 has no transfer";
}

}  // namespace
}  // namespace belay::backup
