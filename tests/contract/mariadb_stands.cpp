// Stands of the contract of backups: a MariaDB server of its own, and what its engines bring back.
#include <filesystem>
#include <fstream>

#include "agent/backup/engines.hpp"
#include "tests/contract/backup_engine_contract.hpp"
#include "tests/fakes/private_mariadb.hpp"

namespace belay::agent::contract {
namespace {

namespace fs = std::filesystem;

constexpr const char* kContent =
    "select * from shop.orders order by id; select * from shop.notes order by a; show tables from shop";

class MariadbStand : public BackupStand {
 public:
  explicit MariadbStand(backup::EngineName name)
      : name_(name), server_(opened(directory("")), {"--log-bin=bin", "--binlog-format=ROW", "--server-id=7"}) {
    EXPECT_TRUE(server_.start(directory("data")));
    EXPECT_EQ(server_.sql("create database shop; use shop;"
                          "create table orders (id int primary key auto_increment, what varchar(80)) engine=InnoDB;"
                          "insert into orders (what) select concat('row ', seq) from seq_1_to_2000;"
                          "create table notes (a int, t text) engine=Aria; insert into notes values (1, 'one')"),
              "");
  }
  BackupEngine& engine() override {
    if (!engine_) engine_ = make_engine(host_, name_);
    return *engine_;
  }
  backup::SourceSpec source() const override {
    backup::SourceSpec source;
    source.engine = name_;
    source.socket = server_.socket();
    source.data_directory = directory("data");
    return source;
  }
  void change_source() override {
    const auto turn = std::to_string(++turns_);
    EXPECT_EQ(
        server_.sql("use shop; insert into orders (what) select concat('more ', seq) from seq_1_to_50;"
                    "update orders set what = 'changed " +
                    turn + "' where id = " + turn + "; delete from orders where id = 100 + " + turn +
                    "; insert into notes values (1 + " + turn + ", 'more'); create table new_" + turn + " (a int)"),
        "");
  }
  void lose_source() override { server_.stop(); }
  std::string content() override { return server_.sql(kContent); }
  std::string content_restored(const std::string& path) override {
    fakes::PrivateMariadb other(directory("other"));
    if (name_ == backup::EngineName::mariadb_backup) {
      EXPECT_TRUE(other.start(path));
    } else {
      EXPECT_TRUE(other.start(directory("other/data" + std::to_string(++others_))));
      EXPECT_EQ(other.load(path + "/dump.sql"), "");
    }
    auto content = other.sql(kContent);
    other.stop();
    return content;
  }
  bool spoil(const std::string& repository) override { return spoil_largest(repository + "/data"); }
  backup::ProofLevel proves_up_to() const override { return backup::ProofLevel::P5; }
  std::vector<backup::Check> checks() const override {
    std::vector<backup::Check> checks(2);
    checks[0].sql = "select count(*) from orders";
    checks[0].database = "shop";
    checks[0].at_least = checks[0].at_most = 2'000;
    checks[1].sql = "select 'a\\tb'";
    checks[1].equals = "a\tb";
    return checks;
  }

 private:
  // The server's user goes through it.
  static std::string opened(const std::string& base) {
    fs::permissions(base, static_cast<fs::perms>(0711));
    return base.substr(0, base.size() - 1);
  }

  backup::EngineName name_;
  fakes::PrivateMariadb server_;
  std::unique_ptr<BackupEngine> engine_;
  unsigned turns_ = 0, others_ = 0;
};

MadeBackupStand make(backup::EngineName name) {
  if (auto why = fakes::PrivateMariadb::why_not(); !why.empty()) return {nullptr, std::move(why)};
  if (!has_program("restic")) return {nullptr, "restic is not installed"};
  return {std::make_unique<MariadbStand>(name), ""};
}

}  // namespace

MadeBackupStand make_mariadb_backup_stand() { return make(backup::EngineName::mariadb_backup); }
MadeBackupStand make_mysqldump_stand() { return make(backup::EngineName::mysqldump); }

}  // namespace belay::agent::contract
