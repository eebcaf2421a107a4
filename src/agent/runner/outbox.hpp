#pragma once
// What the server has not acknowledged yet, on disk. A message keeps its id through every resending, so that it takes
// effect once. Results are never dropped; what only tells of progress is, oldest first, when it gets too much.
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "agent/runner/state_paths.hpp"
#include "base/result.hpp"
#include "io/files.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

struct OutboxLimits {
  std::size_t messages_max = 2'000;
  std::uint64_t bytes_max = 64u << 20;
};

class Outbox {
 public:
  enum class Keep { always, while_room, newest_of_type };

  // Finds what an earlier process left.
  static Result<Outbox> open(io::Files& files, const StatePaths& paths, OutboxLimits limits = {});

  // Durable when it returns. A message whose id is there already is left as it is. resource_exhausted where what must
  // be kept fills it: then nothing new may be begun.
  Status put(const wire::Envelope& message, Keep keep);
  // Absent is fine.
  void acknowledge(std::string_view id);

  // The oldest message after `sequence` (0: the oldest), with its own sequence.
  struct Item {
    std::uint64_t sequence = 0;
    wire::Envelope message;
  };
  std::optional<Item> next(std::uint64_t after) const;

  std::size_t size() const { return entries_.size(); }
  std::uint64_t bytes() const { return bytes_; }
  bool has_room_for_results() const;

 private:
  struct Entry {
    std::uint64_t sequence = 0;
    Keep keep = Keep::always;
    std::string type, id;
    std::uint64_t bytes = 0;
  };
  Outbox(io::Files& files, std::string directory, OutboxLimits limits)
      : files_(&files), directory_(std::move(directory)), limits_(limits) {}
  static std::string file_name(const Entry& entry);
  static std::optional<Entry> parse_file_name(std::string_view name);
  void erase(std::deque<Entry>::iterator entry);
  bool make_room(std::uint64_t bytes);

  io::Files* files_;
  std::string directory_;
  OutboxLimits limits_;
  std::deque<Entry> entries_;  // by sequence
  std::uint64_t bytes_ = 0;
  std::uint64_t last_sequence_ = 0;
};

}  // namespace belay::agent
