// Stands of what is made ready before restic keeps it: databases of SQLite, volumes, and a program of the operator's.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>

#include "agent/backup/engines.hpp"
#include "agent/snapshots/providers.hpp"
#include "main/snapshot_taker.hpp"
#include "tests/contract/backup_engine_contract.hpp"

namespace belay::agent::contract {
namespace {

namespace fs = std::filesystem;

std::string said_by(std::vector<std::string> argv, const std::string& input = {}) {
  io::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.environment = io::plain_environment();
  spec.standard_input = input;
  const auto outcome = io::real_processes().run(spec);
  return outcome.ok() && outcome->success() ? outcome->standard_output : "failed";
}

void must_say(std::vector<std::string> argv, const std::string& input = {}) {
  EXPECT_NE(said_by(argv, input), "failed") << argv[0];
}

void write(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

// Bytes that do not shrink, so that what is stored of them is the largest file of a repository.
std::string noise(std::size_t bytes) {
  std::mt19937 engine(7);
  std::string text(bytes, '\0');
  for (auto& c : text) c = static_cast<char>(engine());
  return text;
}

class StagedStand : public BackupStand {
 public:
  explicit StagedStand(backup::EngineName name) : name_(name) {
    // Who owns a part of the source comes to it.
    fs::permissions(directory(""), fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
  }
  BackupEngine& engine() override {
    if (!engine_) engine_ = make_engine(host_, name_);
    return *engine_;
  }
  bool spoil(const std::string& repository) override { return spoil_largest(repository + "/data"); }
  backup::ProofLevel proves_up_to() const override { return backup::ProofLevel::P5; }

 private:
  backup::EngineName name_;
  std::unique_ptr<BackupEngine> engine_;
};

class SqliteStand final : public StagedStand {
 public:
  SqliteStand() : StagedStand(backup::EngineName::sqlite) {
    fs::create_directories(directory("source/other"));
    must_say({"sqlite3", main()},
             "pragma journal_mode = wal; create table orders (id integer primary key, what text);"
             "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)"
             "insert into orders (what) select 'row ' || i || hex(randomblob(100)) from n;"
             "create table \"odd \"\" 'name\" (x); create virtual table words using fts5(text);"
             "insert into words values ('one of many');");
    must_say({"sqlite3", other()}, "create table t (x); insert into t values (1), (2), (3);");
    must_say({"chown", "--recursive", "nobody:nogroup", directory("source/other")});
    fs::permissions(other(), static_cast<fs::perms>(0640));
  }
  backup::SourceSpec source() const override {
    backup::SourceSpec source;
    source.engine = backup::EngineName::sqlite;
    source.paths = {main(), other()};
    return source;
  }
  void change_source() override {
    must_say({"sqlite3", main()}, "insert into orders (what) values ('late ' || hex(randomblob(2000)));");
    must_say({"sqlite3", other()}, "insert into t values (7);");
  }
  void lose_source() override { fs::rename(directory("source"), directory("elsewhere")); }
  std::string content() override { return dump(main()) + dump(other()) + owner_of(other()); }
  std::string content_restored(const std::string& path) override {
    return dump(path + main()) + dump(path + other()) + owner_of(path + other());
  }
  std::vector<backup::Check> checks() const override {
    std::vector<backup::Check> checks(2);
    checks[0].sql = "select count(*), 'second' from orders";
    checks[0].database = "app.db";
    checks[0].at_least = 20'000;
    checks[1].sql = "select max(x) from t;";
    checks[1].database = other();
    checks[1].equals = "3";
    return checks;
  }

 private:
  std::string main() const { return directory("source/app.db"); }
  std::string other() const { return directory("source/other/second.db"); }
  static std::string dump(const std::string& path) { return said_by({"sqlite3", path}, ".dump\n"); }
  static std::string owner_of(const std::string& path) { return said_by({"stat", "--format=%U:%G %a", path}); }
};

// The example of the guide, as it stands there.
class CommandStand final : public StagedStand {
 public:
  CommandStand() : StagedStand(backup::EngineName::command) {
    std::ifstream file("docs/guide/backup-protocol.md");
    const std::string guide{std::istreambuf_iterator<char>(file), {}};
    const auto begin = guide.find("```python\n"), end = guide.find("\n```", begin);
    auto script = begin == std::string::npos ? "" : guide.substr(begin + 10, end - begin - 9);
    script = std::regex_replace(script, std::regex("/srv/example"), directory("source"));
    write(program(), script);
    // Nobody runs it who verifies: its content is root's to read all the same.
    fs::permissions(program(), static_cast<fs::perms>(0711));
    for (int i = 0; i < 20; ++i)
      write(directory("source/" + std::to_string(i)), std::string(50'000, static_cast<char>('a' + i)));
  }
  backup::SourceSpec source() const override {
    backup::SourceSpec source;
    source.engine = backup::EngineName::command;
    source.program = program();
    return source;
  }
  void change_source() override { write(directory("source/new" + std::to_string(++turn_)), "new"); }
  void lose_source() override { fs::rename(directory("source"), directory("elsewhere")); }
  std::string content() override { return tree_as_text(directory("source")); }
  std::string content_restored(const std::string& path) override {
    const auto unpacked = directory("unpacked");
    fs::remove_all(unpacked);
    fs::create_directories(unpacked);
    must_say({"tar", "--extract", "--file", path + "/content.tar", "--directory", unpacked});
    return tree_as_text(unpacked);
  }
  std::vector<backup::Check> checks() const override {
    std::vector<backup::Check> checks(1);
    checks[0].command = {"sh", "-c", "tar --list --file \"$BELAY_RESTORED/content.tar\" | wc -l"};
    checks[0].at_least = 20;
    return checks;
  }

 private:
  std::string program() const { return directory("program"); }
  int turn_ = 0;
};

// Folders that are copied, or a btrfs in a file.
class SnapshotStand final : public StagedStand {
 public:
  explicit SnapshotStand(bool on_btrfs) : StagedStand(backup::EngineName::snapshot) {
    fs::create_directories(directory("source"));
    if (on_btrfs) make_btrfs_source();
    const SnapshotHost host{io::real_files(), io::real_processes(), io::system_clock()};
    auto own = host;
    own.run_directory = directory("run");
    provider_ = on_btrfs ? make_btrfs(own) : make_copied_tree(own, {directory("source")}, directory("copies"));
    host_.take_snapshot = [this](const SnapshotWish& wish) { return take_snapshot({provider_.get()}, wish); };
    write(directory("source/data/rows"), noise(3 << 20));
    write(directory("source/etc/app.conf"), "listen 80\n");
    write(directory("source/tmp/not wanted"), "no");
    fs::create_symlink("app.conf", directory("source/etc/link"));
  }
  ~SnapshotStand() override {
    provider_.reset();
    if (!is_mounted_) return;
    said_by({"umount", "--lazy", directory("source")});
  }
  backup::SourceSpec source() const override {
    backup::SourceSpec source;
    source.engine = backup::EngineName::snapshot;
    source.paths = {directory("source")};
    source.excludes = {directory("source/tmp")};
    source.freeze.emplace().argv = {"/usr/bin/touch", directory("frozen")};
    source.thaw.emplace().argv = {"/usr/bin/rm", "--force", directory("frozen")};
    return source;
  }
  void change_source() override { write(directory("source/new" + std::to_string(++turn_)), "new"); }
  void lose_source() override {
    if (is_mounted_) must_say({"umount", directory("source")});
    is_mounted_ = false;
    fs::remove_all(directory("source"));
  }
  std::string content() override { return without_tmp(tree_as_text(directory("source"))); }
  std::string content_restored(const std::string& path) override { return tree_as_text(path + directory("source")); }
  std::vector<backup::Check> checks() const override {
    std::vector<backup::Check> checks(1);
    checks[0].command = {"sh", "-c", "wc -c <\"$BELAY_RESTORED" + directory("source/data/rows") + "\""};
    checks[0].equals = std::to_string(3 << 20);
    return checks;
  }
  std::optional<std::string> one_file() const override { return directory("source/etc/app.conf"); }

 private:
  void make_btrfs_source() {
    const auto image = directory("image"), at = directory("source");
    must_say({"truncate", "--size", "300M", image});
    must_say({"mkfs.btrfs", "--quiet", image});
    must_say({"mount", "-o", "loop", image, at});
    must_say({"btrfs", "subvolume", "create", at + "/@data"});
    must_say({"btrfs", "subvolume", "set-default", at + "/@data"});
    must_say({"umount", at});
    must_say({"mount", "-o", "loop", image, at});
    is_mounted_ = true;
  }
  static std::string without_tmp(const std::string& text) {
    return std::regex_replace(text, std::regex("(^|\n)tmp [^\n]*\ntmp/[^\n]*(?=\n)"), "");
  }
  std::unique_ptr<SnapshotProvider> provider_;
  bool is_mounted_ = false;
  int turn_ = 0;
};

std::string missing(std::initializer_list<const char*> programs) {
  if (::geteuid() != 0) return "drills need root";
  for (const char* program : programs)
    if (!has_program(program)) return std::string(program) + " is not installed";
  return {};
}

}  // namespace

MadeBackupStand make_sqlite_stand() {
  if (const auto why = missing({"restic", "sqlite3"}); !why.empty()) return {nullptr, why};
  return {std::make_unique<SqliteStand>(), ""};
}

MadeBackupStand make_command_stand() {
  if (const auto why = missing({"restic", "python3"}); !why.empty()) return {nullptr, why};
  return {std::make_unique<CommandStand>(), ""};
}

MadeBackupStand make_copied_snapshot_stand() {
  if (const auto why = missing({"restic"}); !why.empty()) return {nullptr, why};
  return {std::make_unique<SnapshotStand>(false), ""};
}

MadeBackupStand make_btrfs_snapshot_stand() {
  if (const auto why = missing({"restic", "mkfs.btrfs"}); !why.empty()) return {nullptr, why};
  if (said_by({"losetup", "--find"}) == "failed") return {nullptr, "no loop device is free"};
  return {std::make_unique<SnapshotStand>(true), ""};
}

}  // namespace belay::agent::contract
