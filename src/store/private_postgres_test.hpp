#pragma once
// A PostgreSQL of the test's own: in a folder of its own, on a socket there, gone when the test ends.
#include <sys/types.h>

#include <string>

namespace belay::store {

class PrivatePostgres {
 public:
  // The tests' own: fast, and not durable against power cuts.
  static PrivatePostgres& instance();
  explicit PrivatePostgres(bool durable);
  ~PrivatePostgres();
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  // "" where it runs.
  const std::string& why_not() const { return why_not_; }
  // The connection string of a new, empty database.
  std::string new_database();

 private:
  bool start(const std::string& programs, bool durable);

  std::string folder_;
  std::string why_not_;
  pid_t server_ = -1;
  int databases_ = 0;
};

}  // namespace belay::store
