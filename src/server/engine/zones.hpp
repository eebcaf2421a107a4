#pragma once
// The rules of time zones by their IANA names, read from the system's files and kept for a while, so that an update of
// them counts without a restart. Safe from any thread.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::server {

class Zones {
 public:
  using ReadFile = std::function<Result<std::string>(std::string_view name)>;  // io's read_zone_file, or a test's
  Zones(const Clock& clock, ReadFile read_file) : clock_(clock), read_file_(std::move(read_file)) {}

  // "" and "UTC" are UTC, without any file. not_found or invalid_argument where there is no such zone.
  using Rules = std::shared_ptr<const schedule::ZoneRules>;
  Result<Rules> of(std::string_view name);
  const ReadFile& reader() const { return read_file_; }

 private:
  const Clock& clock_;
  const ReadFile read_file_;
  struct Kept {
    Rules rules;
    Duration read_at{};
  };
  std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_;
};

}  // namespace belay::server
