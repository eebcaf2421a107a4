// What pgBackRest 2.45 and PostgreSQL 15 print, as it was seen, and what is made of it.
#include "agent/backup/pg_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/pg_control.hpp"
#include "agent/backup/pgbackrest_text.hpp"

namespace belay::agent::backups {
namespace {

using namespace pgbackrest;

TEST(PgText, NamesAndLiteralsCannotEndTheirQuotes) {
  EXPECT_EQ(sql_literal("it's"), "'it''s'");
  EXPECT_EQ(sql_literal(std::string_view("a\0b", 3)), "'ab'");
  EXPECT_EQ(sql_identifier("odd\" name"), "\"odd\"\" name\"");
  EXPECT_EQ(pg_setting("a'b\\c\n"), "'a''b\\\\c'");
  EXPECT_EQ(*sql_table("belay.heartbeat"), "\"belay\".\"heartbeat\"");
  for (const char* bad : {"", "heartbeat", "a.", ".b", "a.b.c", "a.b;drop table x", "a.\"b\""})
    EXPECT_FALSE(sql_table(bad).ok()) << bad;
}

constexpr const char* kControl = R"(pg_control version number:            1300
Database system identifier:           7712912524483696180
Database cluster state:               in production
Latest checkpoint's TimeLineID:       3
max_connections setting:              100
max_worker_processes setting:         8
max_wal_senders setting:              10
max_prepared_xacts setting:           7
max_locks_per_xact setting:           64
Bytes per WAL segment:                16777216
Data page checksum version:           1
)";

TEST(PgText, ControlData) {
  const auto data = parse_control_data(kControl);
  ASSERT_TRUE(data.ok()) << data.error().chain();
  EXPECT_EQ(data->state, "in production");
  EXPECT_EQ(data->system_id, 7712912524483696180u);
  EXPECT_EQ(data->timeline, 3u);
  EXPECT_TRUE(data->has_checksums);
  EXPECT_EQ(data->segment_bytes, 16u << 20);
  EXPECT_EQ(data->least.at("max_prepared_transactions"), 7u);
  EXPECT_EQ(data->least.at("max_locks_per_transaction"), 64u);
  EXPECT_EQ(parse_control_data("pg_controldata: fatal: no").error().code(), Code::corrupt);
  EXPECT_FALSE(parse_control_data("").ok());
}

TEST(PgText, Fingerprints) {
  const auto found = parse_fingerprints("[\"shop.app.odd\\n name\", 3, \"-7\"]\n\n[\"a.b.c\", 0, \"0\"]\n");
  ASSERT_TRUE(found.ok()) << found.error().chain();
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0], (backup::Fingerprint{"shop.app.odd\n name", 3, "-7"}));
  for (const char* bad : {"x", "[1,2,3]", "[\"a\",-1,\"x\"]", "[\"a\",1]", "{}", "ERROR:  relation"})
    EXPECT_EQ(parse_fingerprints(bad).error().code(), Code::corrupt) << bad;
  const std::vector<backup::Fingerprint> before{{"a", 1, "x"}, {"b", 2, "y"}, {"c", 3, "z"}};
  const std::vector<backup::Fingerprint> after{{"b", 2, "y"}, {"a", 1, "other"}, {"d", 4, ""}};
  EXPECT_EQ(unchanged(before, after), (std::vector<backup::Fingerprint>{{"b", 2, "y"}}));
}

TEST(PgText, Times) {
  struct Row {
    const char* text;
    const char* iso;  // "" refused
  };
  for (const auto& row :
       {Row{"2026-11-23 15:42:55.123456+00", "2026-11-23T15:42:55.123Z"},
        Row{"2026-11-23 15:42:55+01", "2026-11-23T14:42:55Z"}, Row{"2026-11-23 15:42:55+05:30", "2026-11-23T10:12:55Z"},
        Row{"2026-11-23", ""}, Row{"", ""}, Row{"infinity", ""}}) {
    const auto time = parse_pg_time(row.text);
    EXPECT_EQ(time.ok() ? to_iso8601(*time) : "", row.iso) << row.text;
  }
  EXPECT_EQ(pg_time(*parse_iso8601("2026-11-23T15:42:55.120Z")), "2026-11-23 15:42:55.120+00");
  EXPECT_EQ(to_iso8601(*last_transaction_in(
                "x\n2026 LOG:  last completed transaction was at log time 2026-11-23 15:00:00.5+00\n"
                "LOG:  last completed transaction was at log time 2026-11-23 15:42:55 UTC\nmore")),
            "2026-11-23T15:42:55Z");
  EXPECT_FALSE(last_transaction_in("nothing"));
}

TEST(PgText, WhyAServerEnded) {
  const auto said = last_errors_in(
      "2026 FATAL:  the database system is starting up\n2026 LOG:  x\n2026 FATAL:  recovery ended before configured "
      "recovery target was reached\n2026 FATAL:  the database system is not yet accepting connections\n");
  EXPECT_EQ(said, "FATAL:  recovery ended before configured recovery target was reached");
  EXPECT_EQ(parse_server_options("/usr/lib/postgresql/15/bin/postgres \"-D\" \"/srv/data\" \"-c\" \"port=5433\"\n"),
            (std::vector<std::string>{"/usr/lib/postgresql/15/bin/postgres", "-D", "/srv/data", "-c", "port=5433"}));
  EXPECT_EQ(parse_server_options(""), std::vector<std::string>{""});
  EXPECT_EQ(parse_dump_entries(";\n;     TOC Entries: 12\n;\n"), 12u);
  EXPECT_FALSE(parse_dump_entries("pg_restore: error: input file is too short"));
}

TEST(PgText, TheUnitOfAServer) {
  EXPECT_EQ(unit_in("0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n",
                    "0::/system.slice/belay-agent.service"),
            "postgresql@15-main.service");
  EXPECT_EQ(unit_in("0::/system.slice/belay-agent.service\n", "0::/system.slice/belay-agent.service"), "");
  EXPECT_EQ(unit_in("0::/user.slice/session-1.scope", ""), "");
}

Config config(const backup::VaultSpec& vault) {
  Config config;
  config.stanza = "main";
  config.data_directory = "/srv/data";
  config.repository = "/vault/bp-1/mi-1";
  config.vault = &vault;
  config.key = "a=b;c#d [e]";
  config.lock_path = "/spool/lock";
  config.spool_path = "/spool/spool";
  return config;
}

TEST(PgBackRestText, ConfigurationOfADirectory) {
  backup::VaultSpec vault;
  const auto text = config_text(config(vault));
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text,
            "[global]\nrepo1-path=/vault/bp-1/mi-1\nrepo1-bundle=y\nrepo1-cipher-type=aes-256-cbc\n"
            "repo1-cipher-pass=a=b;c#d [e]\nrepo1-retention-full=9999999\ncompress-type=zst\ncompress-level=3\n"
            "process-max=1\nstart-fast=y\nexpire-auto=n\nlog-level-file=off\nlock-path=/spool/lock\n"
            "spool-path=/spool/spool\n\n[main]\npg1-path=/srv/data\n");
}

TEST(PgBackRestText, ConfigurationRefusesWhatItCannotHold) {
  backup::VaultSpec vault;
  struct Row {
    const char* why;
    void (*change)(Config&, backup::VaultSpec&);
    Code code;
  };
  const Row rows[] = {{"a line break", [](Config& c, auto&) { c.key = "x\nrepo1-path=/etc"; }, Code::invalid_argument},
                      {"blanks at the end", [](Config& c, auto&) { c.key = "x "; }, Code::invalid_argument},
                      {"no key", [](Config& c, auto&) { c.key.clear(); }, Code::unauthenticated},
                      {"sftp", [](Config&, auto& v) { v.kind = backup::VaultKind::sftp; }, Code::unsupported},
                      {"plain http",
                       [](Config&, auto& v) {
                         v.kind = backup::VaultKind::s3, v.s3 = backup::S3Place{},
                         v.s3->endpoint = "http://127.0.0.1:9";
                       },
                       Code::unsupported}};
  for (const auto& row : rows) {
    vault = {};
    auto made = config(vault);
    row.change(made, vault);
    const auto text = config_text(made);
    ASSERT_FALSE(text.ok()) << row.why;
    EXPECT_EQ(text.error().code(), row.code) << row.why;
    EXPECT_EQ(text.error().message().find("repo1-path=/etc"), std::string::npos);
  }
}

TEST(PgBackRestText, ConfigurationOfS3) {
  backup::VaultSpec vault;
  vault.kind = backup::VaultKind::s3;
  vault.s3 = backup::S3Place{};
  vault.s3->bucket = "backups";
  vault.s3->region = "eu-central-1";
  vault.s3->path_style = true;
  auto made = config(vault);
  made.access_key = "AK";
  made.secret_key = "SK";
  made.ca_file = "/etc/ca";
  made.archive_get_bytes_max = 1 << 20;
  const auto text = config_text(made);
  ASSERT_TRUE(text.ok());
  for (const char* line :
       {"repo1-type=s3\n", "repo1-s3-bucket=backups\n", "repo1-s3-endpoint=s3.eu-central-1.amazonaws.com\n",
        "repo1-s3-uri-style=path\n", "repo1-s3-key=AK\n", "repo1-s3-key-secret=SK\n", "repo1-storage-ca-file=/etc/ca\n",
        "[global:archive-get]\narchive-async=y\narchive-get-queue-max=1048576\n"})
    EXPECT_NE(text->find(line), std::string::npos) << line << *text;
  vault.s3->endpoint = "https://minio.example:9000/";
  EXPECT_NE(config_text(made)->find("repo1-s3-endpoint=minio.example:9000\n"), std::string::npos);
}

constexpr const char* kInfo =
    R"([{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"0000000100000000000000A7","min":"000000010000000000000001"}],
"backup":[{"archive":{"start":"000000010000000000000003","stop":"000000010000000000000003"},"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":false,"info":{"delta":29832632,"repository":{"delta":5427664,"size":5427664},"size":29832632},"label":"20261127-175958F","lsn":{"start":"0/3000028","stop":"0/3000100"},"prior":null,"reference":null,"timestamp":{"start":1795802398,"stop":1795802401},"type":"full","annotation":{"belay-point":"belay-x@0/3000200"}},
{"archive":{"start":"000000010000000000000007","stop":"000000010000000000000007"},"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":true,"info":{"delta":8458,"repository":{"delta":464,"size":5427664},"size":29832632},"label":"20261127-175958F_20261127-180007I","lsn":{"start":"0/7000028","stop":"0/7000100"},"prior":"20261127-175958F_20261127-180003D","reference":["20261127-175958F_20261127-180003D","20261127-175958F"],"timestamp":{"start":1795802407,"stop":1795802409},"type":"incr"}],
"cipher":"aes-256-cbc","db":[{"id":1,"repo-key":1,"system-id":7712912524483696180,"version":"15"}],"name":"main","repo":[{"cipher":"aes-256-cbc","key":1,"status":{"code":0,"message":"ok"}}],"status":{"code":0,"lock":{"backup":{"held":true}},"message":"ok"}}])";

TEST(PgBackRestText, Info) {
  const auto info = parse_info(kInfo, "main");
  ASSERT_TRUE(info.ok()) << info.error().chain();
  EXPECT_TRUE(judge(*info).ok());
  EXPECT_TRUE(info->backup_runs);
  EXPECT_EQ(info->archive_id, "15-1");
  ASSERT_EQ(info->made.size(), 2u);
  const auto& full = info->made[0];
  EXPECT_EQ(full.bytes, 29832632u);
  EXPECT_EQ(full.bytes_repository_added, 5427664u);
  EXPECT_EQ(full.wal_start, "000000010000000000000003");
  EXPECT_EQ(full.annotations.at("belay-point"), "belay-x@0/3000200");
  EXPECT_EQ(to_unix_ms(full.ended_at), 1795802401000);
  const auto& incremental = info->made[1];
  EXPECT_TRUE(incremental.page_errors);
  EXPECT_EQ(incremental.references,
            (std::vector<std::string>{"20261127-175958F", "20261127-175958F_20261127-180003D"}));
  EXPECT_EQ(type_of(incremental.label), backup::BackupType::incremental);
  EXPECT_FALSE(parse_info(kInfo, "other").ok());
  EXPECT_FALSE(parse_info("ERROR: [055]", "main").ok());
}

TEST(PgBackRestText, InfoEndsWithZeroWhateverItFound) {
  struct Row {
    int code;
    const char* message;
    const char* reason;  // "" fine
  };
  for (const auto& row :
       {Row{0, "ok", ""}, Row{1, "missing stanza path", "no-repository"}, Row{2, "no valid backups", ""},
        Row{3, "missing stanza data", "no-repository"}, Row{4, "different across repos", "repositories-differ"},
        Row{5, "database mismatch across repos", "other-cluster"},
        Row{99, "[FormatError] unable to load info file: key/value found outside of section: \xe3\x01 junk",
            "wrong-key"},
        Row{99, "[CryptoError] unable to flush", "wrong-key"},
        Row{99, "[FileOpenError] unable to open", "repository-damaged"},
        Row{6, "requested backup not found", "repository-damaged"}}) {
    const auto text = R"([{"backup":[],"db":[],"name":"main","repo":[{"status":{"code":0,"message":")" +
                      std::string(row.message) + R"("}}],"status":{"code":)" + std::to_string(row.code) +
                      R"(,"message":"other"}}])";
    const auto info = parse_info(text, "main");
    ASSERT_TRUE(info.ok()) << info.error().chain();
    const auto judged = judge(*info);
    EXPECT_EQ(judged.ok() ? "" : judged.error().reason(), row.reason) << row.code << row.message;
  }
}

TEST(PgBackRestText, VerifyIsReadForItDoesNotSayByItsStatus) {
  const auto bad = parse_verify(R"(stanza: main
status: error
  archiveId: 15-1, total WAL checked: 7, total valid WAL: 6
    missing: 0, checksum invalid: 0, size invalid: 0, other: 1
  backup: 20261127-175958F, status: invalid, total files checked: 967, total valid files: 966
    checksum invalid: 1
  backup: 20261127-175958F_20261127-180007I, status: valid, total files checked: 967, total valid files: 967
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
)");
  ASSERT_TRUE(bad.ok());
  EXPECT_FALSE(bad->said_ok);
  ASSERT_EQ(bad->archives.size(), 1u);
  EXPECT_FALSE(bad->archives[0].valid);
  EXPECT_FALSE(bad->backup("20261127-175958F")->valid);
  EXPECT_NE(bad->backup("20261127-175958F")->figures.find("checksum invalid: 1"), std::string::npos);
  EXPECT_TRUE(bad->backup("20261127-175958F_20261127-180007I")->valid);
  EXPECT_EQ(bad->backup("20261127-190000F"), nullptr);  // its directory vanished: it is passed over
  const auto good = parse_verify("stanza: main\nstatus: ok\n");
  ASSERT_TRUE(good.ok());
  EXPECT_TRUE(good->said_ok);
  EXPECT_EQ(parse_verify("").error().code(), Code::corrupt);
}

TEST(PgBackRestText, Listings) {
  const auto listed = parse_repo_ls(
      R"({".":{"type":"path"},"0000000100000000":{"type":"path"},"0000000100000000/000000010000000000000001-567a.zst":{"type":"file","size":1295872,"time":1795802394},"0000000100000000/000000010000000000000003.00000028.backup":{"type":"file","size":400,"time":1795802402}})");
  ASSERT_TRUE(listed.ok());
  EXPECT_EQ(listed->directories, std::vector<std::string>{"0000000100000000"});
  EXPECT_EQ(listed->files.size(), 2u);
  EXPECT_EQ(listed->times.size(), 2u);
  EXPECT_EQ(listed->bytes, 1296272u);
  EXPECT_EQ(wal_between(listed->files, "", ""), std::vector<std::string>{"000000010000000000000001"});
  EXPECT_FALSE(parse_repo_ls("[]").ok());
}

TEST(PgBackRestText, Segments) {
  EXPECT_EQ(parse_lsn("16/B374D848"), 0x16B374D848u);
  EXPECT_FALSE(parse_lsn("16B374D848"));
  EXPECT_FALSE(parse_lsn("0/123456789"));
  EXPECT_EQ(wal_name(2, "16/B374D848", 16u << 20), "0000000200000016000000B3");
  EXPECT_EQ(wal_name(1, "1/00000000", 64u << 20), "000000010000000100000000");
  EXPECT_EQ(wal_name(1, "x", 16u << 20), "");
  const std::vector<std::string> files{"000000010000000000000001-aa.zst",
                                       "000000010000000000000002-bb.zst",
                                       "000000020000000000000002-cc.zst",
                                       "000000020000000000000003.partial",
                                       "00000002.history",
                                       "000000020000000000000004-dd.zst"};
  EXPECT_EQ(wal_between(files, "000000010000000000000002", "000000010000000000000003"),
            (std::vector<std::string>{"000000010000000000000002", "000000020000000000000002"}));
  const auto position = parse_position("belay-20261127-175958F@0/3000200");
  ASSERT_TRUE(position);
  EXPECT_EQ(position->name, "belay-20261127-175958F");
  EXPECT_EQ(to_text(*position), "belay-20261127-175958F@0/3000200");
  for (const char* bad : {"", "@0/1", "name", "name@", "name@x/y"}) EXPECT_FALSE(parse_position(bad)) << bad;
}

TEST(PgBackRestText, EndsAndComplaints) {
  EXPECT_EQ(exit_meaning(50).reason, "repository-busy");
  EXPECT_EQ(exit_meaning(64).reason, "vault-full");
  EXPECT_EQ(exit_meaning(82).reason, "archiver-failing");
  EXPECT_EQ(exit_meaning(95).reason, "wrong-key");
  EXPECT_EQ(exit_meaning(222).code, Code::internal);
  EXPECT_EQ(complaints("P00   INFO: x\nERROR: [055]: unable to load\n       HINT: has a stanza\nWARN: y\n"),
            "ERROR: [055]: unable to load HINT: has a stanza");
  EXPECT_EQ(complaints("WARN: y\n", "WARN"), "WARN: y");
}

TEST(PgText, NamesThatGlobalsCreate) {
  const auto* sql =
      "SET standard_conforming_strings = on;\nCREATE ROLE app;\nALTER ROLE app WITH SUPERUSER PASSWORD 'x';\n"
      "CREATE ROLE \"My \"\"own\"\"; role\";\nCOMMENT ON ROLE app IS 'it''s\nCREATE ROLE evil;\n';\n"
      "CREATE TABLESPACE fast OWNER app LOCATION '/srv/CREATE TABLESPACE no';\nCREATE ROLE last";
  EXPECT_THAT(names_created(sql, "ROLE"), testing::ElementsAre("app", "\"My \"\"own\"\"; role\"", "last"));
  EXPECT_THAT(names_created(sql, "TABLESPACE"), testing::ElementsAre("fast"));
  EXPECT_TRUE(names_created("CREATE ROLE \"unended", "ROLE").size() <= 1);
  EXPECT_TRUE(names_created("", "ROLE").empty());
}

}  // namespace
}  // namespace belay::agent::backups
