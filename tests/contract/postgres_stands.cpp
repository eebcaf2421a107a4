// PostgreSQL of a test's own, as the user postgres, for the engines pgbackrest and pg_dump.
#include <pwd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/backup/pgbackrest.hpp"
#include "base/text.hpp"
#include "tests/contract/backup_engine_contract.hpp"
#include "tests/fakes/postgres_data.hpp"

namespace belay::agent::contract {
namespace {

namespace fs = std::filesystem;

const std::string kPrograms = "/usr/lib/postgresql/15/bin/";
const std::string kAsPostgres = "cd /; setpriv --reuid=postgres --regid=postgres --init-groups ";

int sh(const std::string& command) { return std::system(("(" + command + ") >/dev/null 2>&1").c_str()); }

std::string output_of(const std::string& command) {
  std::string text;
  if (FILE* pipe = popen((command + " 2>&1").c_str(), "r")) {
    char buffer[4096];
    for (std::size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, count);
    pclose(pipe);
  }
  return std::string(trim(text));
}

class PostgresStand : public BackupStand {
 public:
  explicit PostgresStand(const std::string& settings) {
    const auto base = directory("");
    fs::permissions(base, fs::perms::others_exec | fs::perms::group_exec, fs::perm_options::add);
    fs::permissions(directory("vault"), fs::perms(0755));
    sh("install -d -o postgres -g postgres -m 0700 " + directory("socket"));
    EXPECT_TRUE(fakes::lay_postgres_data(kPrograms, directory("data")));
    std::ofstream(directory("data/postgresql.conf"), std::ios::app)
        << "listen_addresses = ''\nunix_socket_directories = '" << directory("socket")
        << "'\nfsync = off\nshared_buffers = 16MB\n"
        << settings;
    start();
    ask("create database shop");
    ask("create table orders as select g as id, md5(g::text) as text from generate_series(1, 5000) g; create index on "
        "orders (id)",
        "shop");
  }
  ~PostgresStand() override { stop(); }
  void start() {
    sh(kAsPostgres + kPrograms + "pg_ctl -D " + directory("data") + " -l " + directory("socket/log") + " -w start");
  }
  void stop() { sh(kAsPostgres + kPrograms + "pg_ctl -D " + directory("data") + " -m fast -w stop"); }
  std::string ask(const std::string& sql, const std::string& database = "postgres",
                  const std::string& socket = {}) const {
    std::ofstream(directory("sql"), std::ios::trunc) << sql;
    return output_of(kAsPostgres + kPrograms + "psql -XAtq -v ON_ERROR_STOP=1 -h " +
                     (socket.empty() ? directory("socket") : socket) + " -d " + database + " < " + directory("sql"));
  }
  void change_source() override {
    ++turns_;
    ask("insert into orders select g, 'turn " + std::to_string(turns_) +
            "' from generate_series(1, 100) g; delete from orders where id = " + std::to_string(turns_ + 200) +
            " and text not like 'turn%'; create table t" + std::to_string(turns_) + " as select 1 as x",
        "shop");
  }
  void lose_source() override { stop(); }
  std::string content() override { return content_of("shop", ""); }
  backup::ProofLevel proves_up_to() const override { return backup::ProofLevel::P5; }
  std::vector<backup::Check> checks() const override {
    std::vector<backup::Check> checks(2);
    checks[0].name = "orders";
    checks[0].sql = "select count(*) from orders";
    checks[0].at_least = 4'000;
    checks[1].name = "no network";
    checks[1].command = {
        "sh", "-c", "ls " + directory("data") + "/PG_VERSION >/dev/null 2>&1 && echo reaches production || echo apart"};
    checks[1].equals = "apart";
    return checks;
  }
  backup::SourceSpec source_of(backup::EngineName engine) const {
    backup::SourceSpec source;
    source.engine = engine;
    source.socket = directory("socket");
    source.data_directory = directory("data");
    source.heartbeat = "belay.heartbeat";
    return source;
  }

 protected:
  std::string content_of(const std::string& database, const std::string& socket) const {
    return ask(
        "select count(*), sum(hashtext(o::text)) from orders o; select string_agg(relname, ',' order by relname) from "
        "pg_class "
        "where relkind = 'r' and relnamespace = 'public'::regnamespace",
        database, socket);
  }

 private:
  int turns_ = 0;
};

class PgBackRestStand final : public PostgresStand {
 public:
  explicit PgBackRestStand(const std::string& settings = {}) : PostgresStand(settings) {
    std::ofstream(directory("data/postgresql.conf"), std::ios::app)
        << "archive_mode = on\narchive_command = '"
        << backups::pgbackrest::archive_command(directory("etc/pgbackrest-plan.conf"), "main") << "'\n";
    stop();
    start();
  }
  BackupEngine& engine() override {
    if (!engine_)
      engine_ = backups::make_pgbackrest_at(host_, {.configs = directory("etc"), .spool = directory("spool")});
    return *engine_;
  }
  backup::SourceSpec source() const override { return source_of(backup::EngineName::pgbackrest); }
  void lay_repository() override {}
  bool spoil(const std::string& repository) override { return spoil_largest(repository + "/backup/main"); }
  // What a person would do with it: start it apart, and ask.
  std::string content_restored(const std::string& path) override {
    const auto socket = path + ".socket";
    sh("install -d -o postgres -g postgres -m 0700 " + socket);
    sh(kAsPostgres + kPrograms + "pg_ctl -D " + path + " -l " + socket + "/log -w -t 300 -o \"-k " + socket +
       "\" start");
    for (int i = 0; i < 600 && ask("select pg_is_in_recovery()", "postgres", socket) != "f"; ++i) ::usleep(100'000);
    auto content = content_of("shop", socket);
    sh(kAsPostgres + kPrograms + "pg_ctl -D " + path + " -m fast -w stop");
    return content;
  }

 private:
  std::unique_ptr<BackupEngine> engine_;
};

class PgDumpStand final : public PostgresStand {
 public:
  PgDumpStand() : PostgresStand("") {}
  BackupEngine& engine() override {
    if (!engine_) engine_ = make_engine(host_, backup::EngineName::pg_dump);
    return *engine_;
  }
  backup::SourceSpec source() const override { return source_of(backup::EngineName::pg_dump); }
  bool spoil(const std::string& repository) override { return spoil_largest(repository + "/data"); }
  std::string content_restored(const std::string& path) override {
    ask("drop database if exists again");
    ask("create database again");
    // 0002: databases are dumped by their names, and "shop" is behind "postgres".
    sh("cp " + path + "/0002.dump " + directory("again.dump") + " && chown postgres " + directory("again.dump"));
    sh(kAsPostgres + kPrograms + "pg_restore --exit-on-error -h " + directory("socket") + " -d again " +
       directory("again.dump"));
    auto content = content_of("again", "");
    ask("drop database again");
    return content;
  }

 private:
  std::unique_ptr<BackupEngine> engine_;
};

std::string why_not(const std::string& program) {
  if (::geteuid() != 0) return "drills need root";
  if (!fs::exists(kPrograms + "initdb")) return "PostgreSQL 15 is not installed";
  if (::getpwnam("postgres") == nullptr) return "there is no user postgres";
  return has_program(program) ? "" : program + " is not installed";
}

}  // namespace

MadeBackupStand make_pgbackrest_stand() {
  if (const auto why = why_not("pgbackrest"); !why.empty()) return {nullptr, why};
  auto stand = std::make_unique<PgBackRestStand>();
  const auto checked = stand->run(stand->job(backup::Task::check));
  EXPECT_EQ(checked.outcome, backup::JobOutcome::ok) << checked.why << checked.output;
  return {std::move(stand), ""};
}

MadeBackupStand make_pg_dump_stand() {
  if (const auto why = why_not("restic"); !why.empty()) return {nullptr, why};
  return {std::make_unique<PgDumpStand>(), ""};
}

}  // namespace belay::agent::contract
