#pragma once
// How many requests came, how they ended, and how long they took. From any thread.
#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.hpp"

namespace belay::server {

class RequestMetrics {
 public:
  // `operation` is one of the table, or "" for what it does not have: so the labels are as few as there are operations.
  void note(std::string_view operation, int http_status, Duration took);
  std::string text() const;

 private:
  // Upper bounds in milliseconds; the last bucket takes the rest.
  static constexpr std::array<std::int64_t, 11> kBounds{1, 2, 5, 10, 20, 50, 100, 200, 500, 1'000, 5'000};

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::uint64_t> counts_;
  std::array<std::uint64_t, kBounds.size() + 1> buckets_{};
  Duration total_{};
};

}  // namespace belay::server
