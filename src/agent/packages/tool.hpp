#pragma once
// What the backends share in calling a package manager's tools and in understanding what they say.
#include <algorithm>
#include <string>
#include <string_view>

#include "agent/packages/package_manager.hpp"

namespace belay::agent {

inline constexpr std::size_t kToolOutputBytesRead = 64u << 20;
inline constexpr std::size_t kToolOutputBytesReported = 256u << 10;

struct ToolEnded {
  io::ProcessOutcome outcome;
  std::string output;  // both streams as they came, bounded
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
