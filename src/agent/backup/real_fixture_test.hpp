#pragma once
// A source and a vault below a directory that goes with the test, and servers that go with it, too.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "agent/backup/repository.hpp"
#include "io/process.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/own_directory.hpp"
#include "tests/fakes/restic_repository.hpp"

namespace belay::agent::backups {

using fakes::kRepositoryKey;

// A child of the test, with all that it starts.
class Server {
 public:
  explicit Server(std::vector<std::string> argv, std::map<std::string, std::string> environment = {});
  ~Server() { kill_all(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  void kill_all();
  bool is_running() const;

 private:
  int process_ = -1;
};

bool eventually(const std::function<bool()>& holds);
bool answers(int port);  // on loopback
int free_port();

class RealFixture : public testing::Test {
 protected:
  RealFixture();
  std::string at(const std::string& name) const { return own_.path() + "/" + name; }
  void lay_repository();  // into the vault, opened by kRepositoryKey: it need not be made
  static bool has(const std::string& program);
  static std::string shell(const std::string& script);  // what it prints, both streams
  static void write(const std::string& path, const std::string& content);
  static std::string noise(std::size_t bytes, unsigned seed);
  static bool spoil_largest(const std::string& directory);

  fakes::OwnDirectory own_{"real"};
  BackupHost host_;
  backup::Job job_;
};

}  // namespace belay::agent::backups
