#pragma once
// What the backends share in calling a package manager's tools and in understanding what they say.
#include <algorithm>
#include <string>
#include <string_view>

#include "agent/packages/package_manager.hpp"

namespace belay::agent {

inline constexpr std::size_t kToolOutputBytesRead = 64u << 20;
inline constexpr std::size_t kToolOutputBytesReported = 256u << 10;

// Text of any length in bounded memory: its head and its tail, whole lines, and between them a line that says how much
// was left out. A tool's error stands at the end of what it says.
class HeadAndTail {
 public:
  explicit HeadAndTail(std::size_t bytes_max) : half_(bytes_max / 2) {}
  void add(std::string_view text);
  std::string text() const;

 private:
  std::size_t half_, bytes_ = 0;
  std::string head_, tail_;
};

struct ToolEnded {
  io::ProcessOutcome outcome;
  std::string output;  // both streams as they came; of too much its middle is left out
};

// Runs a tool to its end; whole lines, sanitized, go to `output` as they come.
Result<ToolEnded> run_tool(io::Processes& processes, const io::ProcessSpec& spec, const OutputLine& output);

// What part of a line means.
struct Meaning {
  std::string_view text;
  fleet::Reason reason;
  std::string_view next;  // what to do about it
};

// The first row whose text stands in the line: the order of a table matters.
template <typename Table>
const Meaning* meaning_of(const Table& meanings, std::string_view line) {
  const auto found = std::ranges::find_if(
      meanings, [&](const Meaning& meaning) { return line.find(meaning.text) != std::string_view::npos; });
  return found == std::end(meanings) ? nullptr : &*found;
}

// After an install by `tool`: what of the order did not come about, and what was changed beside it.
void add_deviations(const InstallOrder& order, const std::vector<fleet::PackageChange>& changed, std::string_view tool,
                    const std::function<bool(const fleet::PackageChange&)>& came_about,
                    std::vector<fleet::Problem>& problems);

}  // namespace belay::agent
