#include "tests/fakes/private_mariadb.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.hpp"
#include "io/process.hpp"
#include "tests/fakes/own_directory.hpp"

namespace belay::fakes {
namespace {

constexpr const char* kAsMysql = "setpriv --reuid mysql --regid mysql --init-groups ";

std::string run(io::ProcessSpec spec) {
  spec.environment = io::plain_environment();
  spec.timeout = Duration(900'000);
  spec.output_bytes_max = 8 << 20;
  const auto outcome = io::real_processes().run(spec);
  if (!outcome.ok()) return "ERROR: " + outcome.error().message();
  if (!outcome->success()) return "ERROR: " + outcome->standard_error;
  return outcome->standard_output;
}

// Small: what is copied for each test, and by each backup.
constexpr const char* kSmallLog = "--innodb-log-file-size=16M";

// An empty data directory, made once for all tests of the process.
struct Template {
  const OwnDirectory own{"template"};
  Template() {
    const auto& path = own.path();
    for (int tries = 0; tries < 3; ++tries) {  // one that was cut off leaves tables that let nobody in
      const auto said = shell("rm -rf " + path + "/data && chown mysql:mysql " + path + " && " + kAsMysql +
                              "mariadb-install-db --no-defaults --datadir=" + path +
                              "/data --auth-root-authentication-method=socket --skip-test-db " + kSmallLog + " >" +
                              path + "/log 2>&1");
      if (!said.starts_with("ERROR")) return;
    }
  }
};

}  // namespace

std::string shell(const std::string& command) {
  io::ProcessSpec spec;
  spec.argv = {"/bin/sh", "-c", command};
  return run(std::move(spec));
}

std::string PrivateMariadb::why_not() {
  if (::geteuid() != 0) return "a server of its own needs root";
  for (const char* program : {"mariadbd", "mariadb", "mariadb-install-db", "mariadb-backup", "mariadb-dump",
                              "mariadb-binlog", "innochecksum", "setpriv"})
    if (shell(std::string("command -v ") + program).starts_with("ERROR"))
      return std::string(program) + " is not installed";
  return {};
}

PrivateMariadb::PrivateMariadb(std::string directory, std::vector<std::string> options)
    : directory_(std::move(directory)), socket_(directory_ + "/run/server.sock"), options_(std::move(options)) {
  shell("mkdir -p " + directory_ + "/run && chown mysql " + directory_ + "/run && chmod 755 " + directory_ + "/run");
}

PrivateMariadb::~PrivateMariadb() { stop(9); }

bool PrivateMariadb::start(const std::string& data) {
  if (server_.joinable()) return false;  // it runs
  data_ = data;
  if (::access(data_.c_str(), F_OK) != 0) {
    static const Template empty;
    shell("cp -a " + empty.own.path() + "/data " + data_);
  }
  const auto* const user = ::getpwnam("mysql");
  if (!user) return false;
  io::ProcessSpec spec;
  spec.argv = {"mariadbd", "--no-defaults", "--datadir=" + data_, "--socket=" + socket_,
               "--pid-file=" + directory_ + "/run/pid", "--skip-networking", "--innodb-buffer-pool-size=32M", kSmallLog,
               // A server that is killed loses nothing by these two, a machine that loses its power would.
               "--innodb-flush-log-at-trx-commit=2", "--skip-innodb-doublewrite"};
  spec.argv.insert(spec.argv.end(), options_.begin(), options_.end());
  spec.environment = io::plain_environment();
  spec.working_directory = data_;
  spec.timeout = Duration(3'600'000);
  spec.user_id = user->pw_uid;
  spec.group_id = user->pw_gid;
  spec.dies_with_caller = true;
  signal_ = 0;
  spec.send_signal = &signal_;
  ::unlink(socket_.c_str());
  server_ = std::thread([spec] { static_cast<void>(io::real_processes().run(spec)); });
  for (int i = 0; i < 6'000; ++i) {
    if (::access(socket_.c_str(), F_OK) == 0 && sql("select 1") == "1") return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

void PrivateMariadb::stop(int signal) {
  if (!server_.joinable()) return;
  signal_ = signal;
  server_.join();
}

std::string PrivateMariadb::sql(std::string_view text) const {
  io::ProcessSpec spec;
  spec.argv = {"mariadb", "--no-defaults", "-N", "-B", "--socket=" + socket_};
  spec.standard_input = std::string(text) + ";\n";
  return std::string(trim(run(std::move(spec))));
}

std::string PrivateMariadb::load(const std::string& file) const {
  io::ProcessSpec spec;
  spec.argv = {"mariadb", "--no-defaults", "--binary-mode", "--socket=" + socket_};
  spec.input_file = file;
  return run(std::move(spec));
}

}  // namespace belay::fakes
