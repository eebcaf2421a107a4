#include "agent/packages/tool.hpp"

#include "agent/packages/problems.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kLineBytesMax = 2'000;

// Hands whole, sanitized lines on, and keeps the text as far as its bound.
class LineSplitter {
 public:
  explicit LineSplitter(const OutputLine& output) : output_(output) {}

  void take(std::string_view text) {
    if (kept_.size() < kToolOutputBytesRead) kept_ += text.substr(0, kToolOutputBytesRead - kept_.size());
    for (const char c : text) {
      if (c == '\n' || c == '\r') hand_on();
      else if (line_.size() < kLineBytesMax) line_ += c;
    }
  }
  std::string finish() {
    hand_on();
    return std::move(kept_);
  }

 private:
  void hand_on() {
    if (output_ && !line_.empty()) output_(sanitize(line_, kLineBytesMax));
    line_.clear();
  }
  const OutputLine& output_;
  std::string line_, kept_;
};

}  // namespace

Result<ToolEnded> run_tool(io::Processes& processes, const io::ProcessSpec& spec, const OutputLine& output) {
  LineSplitter lines(output);
  BELAY_TRY_ASSIGN(
      auto outcome,
      processes.run(spec, [&](int, std::string_view text) { lines.take(text); }).within("cannot run " + spec.argv[0]));
  return ToolEnded{std::move(outcome), lines.finish()};
}

void add_deviations(const InstallOrder& order, const std::vector<fleet::PackageChange>& changed, std::string_view tool,
                    const std::function<bool(const fleet::PackageChange&)>& came_about,
                    std::vector<fleet::Problem>& problems) {
  for (const auto& change : order.changes)
    if (!came_about(change))
      add_problem(problems,
                  make_problem(fleet::Reason::other, change.name,
                               "it did not come to " + (change.to_version.empty() ? std::string("be removed")
                                                                                  : "version " + change.to_version),
                               "read the output of " + std::string(tool)));
  for (const auto& change : changed) {
    const bool ordered = std::ranges::any_of(order.changes, [&](const auto& wanted) {
      return wanted.name == change.name && wanted.to_version == change.to_version;
    });
    if (!ordered)
      add_problem(problems, make_problem(fleet::Reason::other, change.name,
                                         "it went from '" + change.from_version + "' to '" + change.to_version +
                                             "', which the order does not list",
                                         "find out who changed it"));
  }
}

}  // namespace belay::agent
