#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/borg_text.hpp"

namespace belay::agent::backups {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Lines, ComeWholeWhateverThePieces) {
  std::vector<std::string> seen;
  Lines lines([&](std::string_view line) { seen.emplace_back(line); });
  lines.add("a\nb");
  lines.add("c\n\n");
  lines.add(std::string(200'000, 'x'));  // longer than any of ours: passed over
  lines.add("x\nd");
  lines.end();
  lines.end();
  EXPECT_THAT(seen, ElementsAre("a", "bc", "", "d"));
}

// As restic 0.14 says them.
TEST(ResticError, IsJudgedByItsWords) {
  const struct {
    const char* said;
    const char* reason;
  } kCases[] = {
      {"Fatal: wrong password or no key found", "wrong-key"},
      {"Fatal: unable to open config file: stat /x/config: no such file or directory\nIs there a repository at the "
       "following location?\n/x",
       "no-repository"},
      {"Fatal: unable to open config file: <config/> does not exist\nIs there a repository at the following location?",
       "no-repository"},
      {"Fatal: unable to open config file: Stat: The specified key does not exist.\nIs there a repository at the "
       "following location?",
       "no-repository"},
      {"Fatal: unable to open config file: Stat: The specified bucket does not exist\nIs there a repository at the "
       "following location?",
       "vault-refused"},
      {"Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized\nIs there a repository at "
       "the following location?",
       "vault-refused"},
      {"Fatal: unable to open config file: client.Head: dial tcp 127.0.0.1:1: connect: connection refused\nIs there a "
       "repository at the following location?",
       "vault-away"},
      {"subprocess ssh: Timeout, server 10.0.0.1 not responding.\nSave(<data/74e68fd77e>) returned error, retrying "
       "after "
       "552.330144ms: Write: connection lost\nFatal: unable to save snapshot: ssh command exited: exit status 255",
       "vault-away"},
      {"unable to create lock in backend: repository is already locked exclusively by PID 7 on h by root (UID 0, GID "
       "0)",
       "repository-locked"},
      {"Fatal: unable to save snapshot: write /r/data/x: no space left on device", "vault-full"},
      {"subprocess ssh: Host key verification failed.", "vault-refused"},
      {"subprocess ssh: root@h: Permission denied (publickey).", "vault-refused"},
      {"Fatal: repository contains errors", "repository-damaged"},
      {"ignoring error for /a: ciphertext verification failed\nFatal: There were 2 errors", "repository-damaged"},
      {"something else", ""},
  };
  for (const auto& one : kCases) EXPECT_EQ(restic_error("restic", one.said).reason(), one.reason) << one.said;
}

TEST(ResticBackup, ReadsItsLines) {
  ResticBackup backup;
  BackupProgress last;
  const auto note = [&](const BackupProgress& progress) { last = progress; };
  for (
      const char* line :
      {R"({"message_type":"status","percent_done":0.5,"total_bytes":200,"bytes_done":100,"seconds_remaining":7})",
       R"({"message_type":"error","error":{"Op":"open","Path":"/a","Err":13},"during":"archival","item":"/a"})",
       "/b does not exist, skipping", "Warning: at least one source file could not be read", "{broken",
       R"({"message_type":"summary","data_added":5,"total_files_processed":2,"total_bytes_processed":9,"snapshot_id":"701df68e"})"})
    read_backup_line(line, backup, note);
  EXPECT_EQ(last.bytes_done, 100u);
  EXPECT_EQ(last.bytes_total, 200u);
  EXPECT_EQ(last.left, Duration(7'000));
  ASSERT_TRUE(backup.summary.has_value());
  EXPECT_EQ(backup.summary->snapshot_id, "701df68e");
  EXPECT_EQ(backup.summary->bytes_source, 9u);
  EXPECT_EQ(backup.summary->bytes_added, 5u);
  EXPECT_THAT(backup.unreadable, ElementsAre("/a"));
  EXPECT_THAT(backup.skipped, ElementsAre("/b"));
  EXPECT_THAT(backup.said, ElementsAre(HasSubstr("Warning"), "{broken"));
}

TEST(ResticSnapshots, AreOldestFirstAndNothingElseIsTaken) {
  const auto list = parse_snapshots(
      R"([{"time":"2026-11-27T18:17:45.303072786+01:00","id":"b","paths":["/x"],"tags":["belay"],"original":"o"},
                                        {"time":"2020-01-01T00:00:00Z","id":"a"}])");
  ASSERT_TRUE(list.ok()) << list.error().chain();
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].snapshot_id, "a");
  EXPECT_EQ((*list)[1].original, "o");
  EXPECT_EQ(to_iso8601((*list)[1].taken_at).substr(0, 19), "2026-11-27T17:17:45");
  EXPECT_TRUE(parse_snapshots("null")->empty());
  EXPECT_FALSE(parse_snapshots("").ok());
  EXPECT_FALSE(parse_snapshots(R"([{"id":"x"}])").ok());
}

TEST(ResticPacks, AreNamedOnce) {
  const std::string one(64, 'a'), two(64, 'b');
  EXPECT_THAT(damaged_packs("Pack ID does not match, want " + one + ", got " + two + "\npack " + one + ": bad\npack " +
                            two + " contains 2 errors"),
              ElementsAre(one, two));
  EXPECT_TRUE(damaged_packs("no errors were found").empty());
}

TEST(ResticLock, IsReadOrRefused) {
  const auto lock =
      parse_lock(R"({"time":"2026-11-27T18:17:50Z","exclusive":true,"hostname":"vm","username":"root","pid":27763})");
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE(lock->exclusive);
  EXPECT_EQ(lock->process, 27763u);
  EXPECT_FALSE(parse_lock("{}").ok());
}

// As borg 1.2.4 says them.
TEST(BorgMessages, AreJudgedByTheirIds) {
  const struct {
    const char* line;
    const char* reason;
  } kCases[] = {
      {R"({"type":"log_message","message":"passphrase … is incorrect.","levelname":"ERROR","msgid":"PassphraseWrong"})",
       "wrong-key"},
      {R"({"type":"log_message","message":"Repository /x does not exist.","levelname":"ERROR","msgid":"Repository.DoesNotExist"})",
       "no-repository"},
      {R"({"type":"log_message","message":"Failed to create/acquire the lock (timeout).","levelname":"ERROR","msgid":"LockTimeout"})",
       "repository-locked"},
      {R"({"type":"log_message","message":"OSError: [Errno 28] No space left on device","levelname":"ERROR"})",
       "vault-full"},
      {R"({"type":"log_message","message":"Cache is newer than repository","levelname":"ERROR","msgid":"Cache.RepositoryReplay"})",
       "repository-replayed"},
      {R"({"type":"log_message","message":"Data integrity error: x","levelname":"ERROR","msgid":"IntegrityError"})",
       "repository-damaged"},
      {"ssh: connect to host x port 22: Connection refused", "vault-away"},
      {"Traceback (most recent call last):", ""},
  };
  for (const auto& one : kCases) {
    BorgMessages messages;
    read_borg_message(one.line, messages, {});
    EXPECT_EQ(borg_error("borg", messages).reason(), one.reason) << one.line;
  }
  BorgMessages warned;
  read_borg_message(
      R"({"type":"log_message","message":"/nix: [Errno 2] No such file or directory: 'nix'","levelname":"WARNING"})",
      warned, {});
  read_borg_message(
      R"({"type":"log_message","message":"/a: file changed while we backed it up","levelname":"WARNING"})", warned, {});
  EXPECT_EQ(warned.warnings.size(), 2u);
  EXPECT_THAT(warned.unreadable, ElementsAre(HasSubstr("/nix")));
}

TEST(BorgArchives, AreRead) {
  const auto made = parse_borg_created(
      R"({"archive":{"name":"n1","start":"2026-11-27T18:48:58.000000","stats":{"nfiles":1,"original_size":531,"deduplicated_size":572}}})");
  ASSERT_TRUE(made.ok()) << made.error().chain();
  EXPECT_EQ(made->bytes_source, 531u);
  EXPECT_EQ(to_iso8601(made->taken_at), "2026-11-27T18:48:58Z");
  EXPECT_FALSE(parse_borg_created("").ok());
  EXPECT_FALSE(parse_borg_list("{}").ok());
  const auto link =
      parse_listed(R"({"type":"-","mode":"hrw-r--r--","path":"a","size":0,"isomtime":"2026-11-27T18:48:56.712911"})");
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(link->kind, ListedFile::Kind::hard_link);
}

}  // namespace
}  // namespace belay::agent::backups
