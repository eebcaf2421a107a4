#include "agent/backup/real_fixture_test.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <thread>

namespace belay::agent::backups {
namespace {

namespace fs = std::filesystem;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Server::Server(std::vector<std::string> argv, std::map<std::string, std::string> environment) {
  process_ = ::fork();
  if (process_ != 0) return;
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> pointers;
  for (auto& argument : argv) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execvp(pointers[0], pointers.data());
  ::_exit(127);
}

void Server::kill_all() {
  if (process_ <= 0) return;
  ::kill(-process_, SIGKILL);
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

bool Server::is_running() const { return process_ > 0 && ::waitpid(process_, nullptr, WNOHANG) == 0; }

bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 6'000 && !holds(); ++i) std::this_thread::sleep_for(Duration(10));
  return holds();
}

bool answers(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = loopback(port);
  const bool there = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return there;
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

RealFixture::RealFixture()
    : host_{.files = io::real_files(),
            .processes = io::real_processes(),
            .clock = io::system_clock(),
            .work_directory = at("work"),
            .state_directory = at("state")} {
  for (const char* name : {"work", "state", "vault", "far", "source"}) fs::create_directories(at(name));
  job_.job_id = "bj-00000000000000001";
  job_.task = backup::Task::backup;
  job_.plan_id = "bp-1";
  job_.plan_name = "plan";
  job_.node_id = job_.source_node_id = "mi-1";
  job_.source.paths = {at("source")};
  job_.limits.idle_io = false;  // behind whatever else runs here it would take minutes
  job_.vault.name = "near";
  job_.vault.path = at("vault");
}

void RealFixture::lay_repository() {
  fakes::lay_restic_repository(at("vault/") + backup::repository_name(job_.plan_id, job_.source_node_id));
}

bool RealFixture::has(const std::string& program) {
  return shell("command -v " + program + " && echo yes").ends_with("yes\n");
}

std::string RealFixture::shell(const std::string& script) {
  io::ProcessSpec spec;
  spec.argv = {"sh", "-c", "exec 2>&1; " + script};
  spec.environment = io::plain_environment();
  if (const char* path = ::getenv("PATH")) spec.environment["PATH"] = path;
  const auto outcome = io::real_processes().run(spec);
  return outcome.ok() ? outcome->standard_output : outcome.error().chain();
}

void RealFixture::write(const std::string& path, const std::string& content) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

std::string RealFixture::noise(std::size_t bytes, unsigned seed) {
  std::mt19937 engine(seed);
  std::string text(bytes, '\0');
  for (auto& c : text) c = static_cast<char>(engine());
  return text;
}

bool RealFixture::spoil_largest(const std::string& directory) {
  fs::path largest;
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file() && entry.file_size() > bytes) largest = entry.path(), bytes = entry.file_size();
  if (bytes == 0) return false;
  fs::permissions(largest, fs::perms::owner_write, fs::perm_options::add);
  std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bytes / 2));
  const auto byte = static_cast<char>(file.get() ^ 0x40);
  file.seekp(static_cast<std::streamoff>(bytes / 2));
  file.put(byte);
  return file.good();
}

}  // namespace belay::agent::backups
