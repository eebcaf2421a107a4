#include "core/backup/vault.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/backup/plan.hpp"

namespace belay::backup {
namespace {
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

constexpr std::string_view kKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

std::string with_key(std::string text) {
  for (auto at = text.find("KEY"); at != std::string::npos; at = text.find("KEY", at + kKey.size()))
    text.replace(at, 3, kKey);
  return text;
}

TEST(Vault, ReadsEachKind) {
  const auto nas = read_vault(
      "name: main-nas\nkind: mount\npath: /mnt/backup/\nsite: dc1\nlock: {mode: compliance, days: 30}\nbandwidth: "
      "50MiB");
  ASSERT_TRUE(nas.ok()) << nas.error().message();
  EXPECT_EQ(nas->kind, VaultKind::mount);
  EXPECT_EQ(nas->path, "/mnt/backup");
  EXPECT_EQ(nas->site, "dc1");
  EXPECT_EQ(nas->lock->mode, LockMode::compliance);
  EXPECT_EQ(nas->lock->days_min, 30u);
  EXPECT_EQ(nas->bytes_a_second_max, 50u << 20);

  const auto sftp =
      read_vault(with_key("name: s\nkind: sftp\noffsite: true\nsftp: {host: b.example.org, port: 2222, user: belay, "
                          "path: /srv/b, hostKeys: ['KEY b']}"));
  ASSERT_TRUE(sftp.ok()) << sftp.error().message();
  EXPECT_EQ(sftp->sftp->port, 2222u);
  EXPECT_EQ(sftp->sftp->host_keys.size(), 1u);
  EXPECT_TRUE(sftp->offsite);

  const auto s3 = read_vault(R"({"name": "s3", "kind": "s3", "s3": {"endpoint": "http://127.0.0.1:9000",
      "bucket": "backups", "prefix": "belay/", "region": "eu-central-1", "storageClass": "STANDARD_IA", "pathStyle": true}})");
  ASSERT_TRUE(s3.ok()) << s3.error().message();
  EXPECT_EQ(s3->s3->prefix, "belay");
  EXPECT_TRUE(s3->s3->path_style);

  const auto rest = read_vault("name: r\nkind: rest\nrest: {url: 'https://rest.example.org:8000/'}");
  ASSERT_TRUE(rest.ok()) << rest.error().message();

  const auto drives = read_vault("name: d\nkind: removable\nremovable: {labels: [belay-a, belay-b], path: backups}");
  ASSERT_TRUE(drives.ok()) << drives.error().message();
  EXPECT_EQ(drives->removable->asked_after, std::chrono::days(14)) << "two drives that change weekly";

  const auto tape = read_vault("name: t\nkind: tape\ntape: {device: /dev/nst0}");
  ASSERT_TRUE(tape.ok()) << tape.error().message();
  EXPECT_EQ(tape->tape->device, "/dev/nst0");
}

struct Case {
  const char *name, *text, *says;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class WrongVault : public testing::TestWithParam<Case> {};
TEST_P(WrongVault, IsRefusedWithItsField) {
  const auto vault = read_vault(with_key(GetParam().text));
  ASSERT_FALSE(vault.ok());
  EXPECT_EQ(vault.error().code(), Code::invalid_argument);
  EXPECT_EQ(vault.error().reason(), "ValidationException");
  EXPECT_THAT(vault.error().message(), HasSubstr(GetParam().says));
  EXPECT_THAT(vault.error().message(), Not(HasSubstr("hunter2")));
}

#define SFTP "name: a\nkind: sftp\nsftp: "
#define S3 "name: a\nkind: s3\ns3: "
constexpr Case kWrong[] = {
    {"empty", "", "is empty"},
    {"no_kind", "name: a", "kind (line 1): is missing; one of local,mount"},
    {"other_kind", "name: a\nkind: nfs", "kind (line 2): is 'nfs'"},
    {"name", "name: a b\nkind: local\npath: /srv/b", "name (line 1): is 'a b'"},
    {"unknown", "name: a\nkind: local\npath: /srv/b\nsize: 1", "size (line 4): is not known"},
    {"no_path", "name: a\nkind: local", "path (line 1): is missing"},
    {"relative", "name: a\nkind: local\npath: srv", "is no absolute path"},
    {"root", "name: a\nkind: local\npath: /", "which is no place to keep anything"},
    {"volatile", "name: a\nkind: mount\npath: /run/backup", "which is no place to keep anything"},
    {"foreign_member", "name: a\nkind: local\npath: /srv/b\nrest: {url: 'https://a/'}",
     "rest (line 4): does not belong to a vault of kind local"},
    {"path_of_sftp", "name: a\nkind: rest\npath: /srv\nrest: {url: 'https://a/'}", "path (line 3): does not belong"},
    {"local_offsite", "name: a\nkind: local\npath: /srv/b\noffsite: true", "burns with the node"},
    {"lock_days", "name: a\nkind: local\npath: /srv/b\nlock: {mode: governance}", "lock.days (line 4): is missing"},
    {"lock_mode", "name: a\nkind: local\npath: /srv/b\nlock: {mode: hard, days: 1}", "lock.mode"},
    {"bandwidth", "name: a\nkind: local\npath: /srv/b\nbandwidth: 100", "has no unit"},
    // ---- sftp
    {"sftp_missing", "name: a\nkind: sftp", "sftp (line 1): is missing"},
    {"sftp_no_keys", SFTP "{host: b, user: u, path: /srv}", "sftp.hostKeys (line 3): names no key"},
    {"sftp_bad_key", SFTP "{host: b, user: u, path: /srv, hostKeys: ['AAAAC3']}", "is no host key"},
    {"sftp_cut_key", SFTP "{host: b, user: u, path: /srv, hostKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA']}",
     "is cut or is no key of its type"},
    {"sftp_old_key", SFTP "{host: b, user: u, path: /srv, hostKeys: ['ssh-dss AAAA']}", "is of the type 'ssh-dss'"},
    {"sftp_host", SFTP "{host: '-oProxyCommand=x', user: u, path: /srv, hostKeys: ['KEY']}", "is no name or address"},
    {"sftp_user", SFTP "{host: b, user: 'u;id', path: /srv, hostKeys: ['KEY']}", "is no user's name"},
    {"sftp_path", SFTP "{host: b, user: u, path: srv, hostKeys: ['KEY']}", "sftp.path (line 3): is no absolute path"},
    // ---- s3
    {"s3_bucket", S3 "{bucket: A, region: eu-central-1}", "is no bucket's name"},
    {"s3_region", S3 "{bucket: abc}", "Amazon's S3 wants the bucket's region"},
    {"s3_plain", S3 "{bucket: abc, endpoint: 'http://minio:9000'}", "everybody on the way reads along"},
    {"s3_user", S3 "{bucket: abc, endpoint: 'https://u@minio/'}", "a user name or password must not stand in it"},
    {"s3_prefix", S3 "{bucket: abc, region: r1, prefix: ../x}", "without '/' before it or '..'"},
    {"s3_class", S3 "{bucket: abc, region: eu-central-1, storageClass: COLD}", "is 'COLD', expected STANDARD"},
    {"s3_glacier", S3 "{bucket: abc, region: eu-central-1, storageClass: GLACIER}", "only after 3 to 12 hours"},
    {"s3_deep", S3 "{bucket: abc, region: eu-central-1, storageClass: DEEP_ARCHIVE}", "only after 12 to 48 hours"},
    {"s3_deep_compatible", S3 "{bucket: abc, endpoint: 'https://s3.example.org', storageClass: DEEP_ARCHIVE}",
     "Use GLACIER_IR"},
    {"s3_lifecycle", S3 "{bucket: abc, region: eu-central-1, storageClass: GLACIER}",
     "never let a lifecycle rule archive or expire this vault's own objects"},
    {"s3_ca", S3 "{bucket: abc, endpoint: 'https://s3.example.org', ca: /etc/ca.pem}", "is no certificate in PEM"},
    // ---- rest, removable, tape
    {"rest_plain", "name: a\nkind: rest\nrest: {url: 'http://b.example.org/'}", "use https"},
    {"rest_restic", "name: a\nkind: rest\nrest: {url: 'rest:https://b/'}", "begins with 'rest:'"},
    {"drive_none", "name: a\nkind: removable\nremovable: {labels: []}", "names no drive"},
    {"drive_twice", "name: a\nkind: removable\nremovable: {labels: [b, b]}", "stands twice"},
    {"drive_path", "name: a\nkind: removable\nremovable: {labels: [b], path: /x}", "removable.path"},
    {"tape_both", "name: a\nkind: tape\ntape: {device: /dev/nst0, ltfs: /mnt/t}", "names one of device"},
    {"tape_none", "name: a\nkind: tape\ntape: {}", "names one of device"},
    {"tape_rewinds", "name: a\nkind: tape\ntape: {device: /dev/st0}", "name the device that does not, /dev/nst0"},
    {"tape_file", "name: a\nkind: tape\ntape: {device: /srv/tape}", "is no device below /dev"},
    // ---- secrets
    {"secret_key", S3 "{bucket: abc, region: r1, secretKey: hunter2}", "s3.secretKey (line 3): looks like a secret"},
    {"secret_password", "name: a\nkind: rest\nrest: {url: 'https://b/', password: hunter2}", "rest.password"},
    {"secret_address", "name: a\nkind: rest\nrest: {url: 'https://u:hunter2@b/'}", "holds a password in an address"},
    {"secret_passphrase", "name: a\nkind: local\npath: /srv/b\npass-phrase: hunter2", "looks like a secret"},
    {"secret_ssh", SFTP "{host: b, user: u, path: /srv, hostKeys: ['KEY'], sshKey: hunter2}", "sftp.sshKey"},
};
INSTANTIATE_TEST_SUITE_P(Table, WrongVault, testing::ValuesIn(kWrong),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Vault, StorageClasses) {
  for (const char* word : {"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"})
    EXPECT_TRUE(read_vault(std::string(S3 "{bucket: abc, region: r1, storageClass: ") + word + "}").ok()) << word;
  EXPECT_TRUE(read_vault(S3 "{bucket: abc, endpoint: 'https://s3.example.org', storageClass: FAST-HDD}").ok())
      << "others than Amazon have classes of their own";
}

TEST(Vault, EachKindSaysWhichSecretsItTakes) {
  for (int i = 0; i <= static_cast<int>(VaultKind::tape); ++i) {
    const auto names = secrets_of(static_cast<VaultKind>(i));
    for (const auto needed : names.needed) EXPECT_THAT(names.known, testing::Contains(needed));
  }
  EXPECT_THAT(secrets_of(VaultKind::sftp).needed, testing::ElementsAre("sshKey"));
  EXPECT_THAT(secrets_of(VaultKind::s3).needed, testing::ElementsAre("accessKey", "secretKey"));
  EXPECT_THAT(secrets_of(VaultKind::rest).known, testing::ElementsAre("user", "password"));
  EXPECT_TRUE(secrets_of(VaultKind::rest).needed.empty());
  EXPECT_TRUE(secrets_of(VaultKind::mount).known.empty());
}

// ---- a plan and its vaults

VaultSpec vault(const std::string& text) { return read_vault(with_key(text)).value(); }
const VaultSpec kNas = vault("name: v\nkind: mount\npath: /mnt/b\nsite: dc1");
const VaultSpec kBucket = vault("name: s3\nkind: s3\noffsite: true\nsite: aws\ns3: {bucket: abc, region: r1}");
const VaultSpec kSftp =
    vault("name: far\nkind: sftp\noffsite: true\nsftp: {host: b, user: u, path: /srv, hostKeys: ['KEY']}");
const VaultSpec kTape = vault("name: tape\nkind: tape\ntape: {ltfs: /mnt/t}");

PlanSpec plan(const std::string& engine, const std::string& rest = "") {
  const auto source = engine == "pgbackrest" ? "{engine: pgbackrest, stanza: a}"
                      : engine == "pg_dump"  ? "{engine: pg_dump}"
                                             : "{engine: " + engine + ", paths: [/etc]}";
  return read_plan("name: a\ntargets: ['*']\nvault: v\nsource: " + source + "\n" + rest).value();
}
VaultSpec named(VaultSpec one, const std::string& name) { return one.name = name, one; }
std::string says(const PlanSpec& what, const VaultSpec& own, const std::vector<VaultSpec>& copies = {}) {
  const auto checked = check_plan_with_vaults(what, own, copies);
  return checked.ok() ? "ok" : checked.error().message();
}

TEST(PlanWithVaults, WhatGoesTogether) {
  EXPECT_EQ(says(plan("pgbackrest", "copies: [{vault: s3, keep: {monthly: 12}}]\nprove: {pick: [newest, offsite]}"),
                 kNas, {kBucket}),
            "ok");
  EXPECT_EQ(says(plan("restic", "copies: [{vault: far}, {vault: tape}]"), kNas, {kTape, kSftp}), "ok");
  EXPECT_EQ(says(plan("borg"), kNas), "ok");
}

TEST(PlanWithVaults, WhatDoesNot) {
  EXPECT_THAT(says(plan("restic"), kBucket), HasSubstr("vault: is 'v', and what was found is 's3'"));
  EXPECT_THAT(says(plan("pgbackrest"), named(kSftp, "v")), HasSubstr("pgBackRest learnt SFTP in 2.46"));
  EXPECT_THAT(says(plan("borg"), named(kBucket, "v")), HasSubstr("take the engine restic"));
  EXPECT_THAT(says(plan("restic"), named(kTape, "v")), HasSubstr("copy to the tape"));
  EXPECT_THAT(says(plan("borg", "copies: [{vault: s3}]"), kNas, {kBucket}), HasSubstr("make a second plan"));
  EXPECT_THAT(says(plan("pgbackrest", "copies: [{vault: far}]"), named(kBucket, "v"), {kSftp}),
              HasSubstr("it can out of local, mount, removable"));
  EXPECT_THAT(says(plan("restic", "copies: [{vault: s3}]"), kNas),
              HasSubstr("copies[0].vault: is 's3', and there is no"));
  EXPECT_THAT(says(plan("restic", "copies: [{vault: w}]"), kNas, {named(kNas, "w")}), HasSubstr("is the same place"));
  EXPECT_THAT(says(plan("restic", "prove: {pick: [offsite]}"), kNas), HasSubstr("prove.pick: names offsite"));
  auto near = kBucket;
  near.site = "dc1";
  EXPECT_THAT(says(plan("restic", "copies: [{vault: s3}]"), kNas, {near}), HasSubstr("at the site 'dc1'"));
  const auto plain = vault("name: v\nkind: s3\ns3: {bucket: abc, endpoint: 'http://127.0.0.1:9000'}");
  EXPECT_THAT(says(plan("pgbackrest"), plain), HasSubstr("pgBackRest speaks TLS alone"));
}

TEST(PlanWithVaults, RetentionAndLock) {
  auto locked = kNas;
  locked.lock = VaultLock{LockMode::compliance, 30};
  EXPECT_THAT(says(plan("restic", "keep: {daily: 7}"), locked), HasSubstr("keep: reaches back 7 d, but 'v' locks"));
  EXPECT_EQ(says(plan("restic", "keep: {daily: 7, weekly: 5}"), locked), "ok");
  EXPECT_EQ(says(plan("restic", "keep: {within: 30d}"), locked), "ok");
  EXPECT_EQ(says(plan("restic"), locked), "ok") << "everything stays";
  EXPECT_EQ(says(plan("restic", "schedule: {full: 'rate(1 day)'}\nkeep: {last: 30}"), locked), "ok");
  EXPECT_NE(says(plan("restic", "schedule: {full: 'rate(1 day)'}\nkeep: {last: 20}"), locked), "ok");
  auto copy = kBucket;
  copy.lock = VaultLock{LockMode::governance, 400};
  EXPECT_THAT(says(plan("restic", "copies: [{vault: s3, keep: {monthly: 12}}]"), kNas, {copy}),
              HasSubstr("copies[0].keep: reaches back"));
}

TEST(PlanWithVaults, TellsEverythingAtOnce) {
  const auto all = says(plan("pgbackrest", "copies: [{vault: s3}, {vault: x}]"), named(kSftp, "v"), {kBucket});
  for (const char* one : {"vault: 'v' is of kind sftp", "copies[0]: pgbackrest cannot copy", "copies[1].vault: is 'x'"})
    EXPECT_THAT(all, HasSubstr(one));
}

TEST(Vault, SecretsAreOldByThePlansWordAlone) {
  const auto read =
      read_vault("name: s3\nkind: s3\ns3: {bucket: our-bucket, region: eu-central-1}\nrotateWithin: 90d\n");
  ASSERT_TRUE(read.ok()) << read.error().chain();
  auto vault = *read;
  const Instant given{Duration(1'790'000'000'000)};
  constexpr Duration day{86'400'000};
  EXPECT_EQ(secrets_problem(vault, given), "") << "nobody knows when they came";
  vault.secrets_at = given;
  EXPECT_EQ(secrets_problem(vault, given + 90 * day), "");
  EXPECT_NE(secrets_problem(vault, given + 91 * day).find("vault s3"), std::string::npos);
  vault.rotate_within = Duration(0);
  EXPECT_EQ(secrets_problem(vault, given + 9'000 * day), "");
  const auto local = read_vault("name: nas\nkind: mount\npath: /srv/nas\nrotateWithin: 90d\n");
  ASSERT_FALSE(local.ok());
  EXPECT_NE(local.error().message().find("rotateWithin"), std::string::npos);
}

}  // namespace
}  // namespace belay::backup
