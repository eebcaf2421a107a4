#pragma once
// A real MariaDB server for a test alone: in a directory of its own, reached over its unix socket, without network. It
// ends with the test, whatever happens. The servers of the machine are never touched.
#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace belay::fakes {

class PrivateMariadb {
 public:
  // Why there is none here; "" where there is: root, and Debian's mariadb-server and mariadb-backup.
  static std::string why_not();
  // `directory` (absolute, others may go through it) gets "data" and "run/server.sock".
  explicit PrivateMariadb(std::string directory, std::vector<std::string> options = {});
  ~PrivateMariadb();
  PrivateMariadb(const PrivateMariadb&) = delete;
  PrivateMariadb& operator=(const PrivateMariadb&) = delete;

  // On `data`, made empty where it is absent. False: it does not answer, or runs already.
  bool start(const std::string& data);
  void stop(int signal = 15);
  void set_options(std::vector<std::string> options) { options_ = std::move(options); }
  const std::string& data() const { return data_; }
  const std::string& socket() const { return socket_; }
  // As root; rows as lines, fields by tabs. "ERROR: …" where a statement failed.
  std::string sql(std::string_view text) const;
  // Loads a file of SQL. "" or what was wrong.
  std::string load(const std::string& file) const;

 private:
  std::string directory_, data_, socket_;
  std::vector<std::string> options_;
  std::atomic<int> signal_{0};
  std::thread server_;
};

// For the shell of a test: its standard output, "ERROR: …" where it failed.
std::string shell(const std::string& command);

}  // namespace belay::fakes
