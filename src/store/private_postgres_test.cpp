#include "store/private_postgres_test.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

namespace belay::store {
namespace {

// PostgreSQL refuses to run as root.
const passwd* account() { return geteuid() == 0 ? getpwnam("postgres") : getpwuid(geteuid()); }

std::string programs_folder() {
  for (int version = 20; version >= 13; --version) {
    const std::string folder = "/usr/lib/postgresql/" + std::to_string(version) + "/bin";
    if (access((folder + "/initdb").c_str(), X_OK) == 0) return folder;
  }
  return {};
}

// As the account, output thrown away; it dies with us, however we end.
pid_t launch(const std::vector<std::string>& command, const std::string& folder) {
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const passwd* user = account();
  const pid_t child = fork();
  if (child != 0) return child;
  if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
    _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGINT);
  if (chdir(folder.c_str()) != 0) _exit(126);
  const int log = open((folder + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(log, 1);
  dup2(log, 2);
  unsetenv("PGDATABASE");
  execv(arguments[0], arguments.data());
  _exit(127);
}

bool succeeds(const std::vector<std::string>& command, const std::string& folder) {
  const pid_t child = launch(command, folder);
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

PrivatePostgres& PrivatePostgres::instance() {
  static PrivatePostgres server(false);
  return server;
}

PrivatePostgres::PrivatePostgres(bool durable) {
  const std::string programs = programs_folder();
  if (programs.empty()) {
    why_not_ = "not installed (package postgresql)";
    return;
  }
  if (account() == nullptr) {
    why_not_ = "there is no account to run it under (postgres)";
    return;
  }
  std::string pattern = (std::filesystem::temp_directory_path() / "belay-pg-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    why_not_ = "no folder for it can be made";
    return;
  }
  folder_ = pattern;
  if (geteuid() == 0 && chown(folder_.c_str(), account()->pw_uid, account()->pw_gid) != 0)
    why_not_ = "its folder cannot be given away";
  else if (!start(programs, durable)) why_not_ = "it does not start; see " + folder_ + "/log";
}

bool PrivatePostgres::start(const std::string& programs, bool durable) {
  const std::string data = folder_ + "/data";
  if (!succeeds(
          {programs + "/initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"},
          folder_))
    return false;
  server_ = launch({programs + "/postgres", "-D", data, "-k", folder_, "-c", "listen_addresses=", "-c",
                    durable ? "fsync=on" : "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=200"},
                   folder_);
  for (int i = 0; i < 600; ++i) {
    if (succeeds({programs + "/pg_isready", "-q", "-h", folder_, "-U", "postgres"}, folder_)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

std::string PrivatePostgres::new_database() {
  const std::string name = "belay" + std::to_string(++databases_);
  if (!succeeds({programs_folder() + "/createdb", "-h", folder_, "-U", "postgres", "-T", "template0", "-E", "UTF8",
                 "--locale=C", name},
                folder_))
    return {};
  return "host=" + folder_ + " user=postgres dbname=" + name;
}

PrivatePostgres::~PrivatePostgres() {
  if (server_ > 0) {
    kill(server_, SIGINT);
    waitpid(server_, nullptr, 0);
  }
  if (!folder_.empty() && why_not_.empty()) std::filesystem::remove_all(folder_);
}

}  // namespace belay::store
