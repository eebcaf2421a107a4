#include "agent/packages/tool.hpp"

#include "agent/packages/problems.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kLineBytesMax = 2'000;

// Hands whole, sanitized lines on, and keeps the text within its bound.
class LineSplitter {
 public:
  explicit LineSplitter(const OutputLine& output) : output_(output) {}

  void take(std::string_view text) {
    kept_.add(text);
    for (const char c : text) {
      if (c == '\n' || c == '\r') hand_on();
      else if (line_.size() < kLineBytesMax) line_ += c;
    }
  }
  std::string finish() {
    hand_on();
    return kept_.text();
  }

 private:
  void hand_on() {
    if (output_ && !line_.empty()) output_(sanitize(line_, kLineBytesMax));
    line_.clear();
  }
  const OutputLine& output_;
  std::string line_;
  HeadAndTail kept_{kToolOutputBytesRead};
};

}  // namespace

void HeadAndTail::add(std::string_view text) {
  bytes_ += text.size();
  const auto to_head = text.substr(0, half_ - head_.size());
  head_ += to_head;
  tail_ += text.substr(to_head.size());
  if (tail_.size() > 2 * half_) tail_.erase(0, tail_.size() - half_);  // seldom, so that it stays linear
}

std::string HeadAndTail::text() const {
  if (bytes_ <= 2 * half_) return head_ + tail_;
  std::string_view end = std::string_view(tail_).substr(tail_.size() - half_);
  if (const auto line = end.find('\n'); line != std::string_view::npos) end.remove_prefix(line + 1);
  const auto line = head_.rfind('\n');
  const auto begin = std::string_view(head_).substr(0, line == std::string::npos ? head_.size() : line + 1);
  return std::string(begin) + "[" + std::to_string(bytes_ - begin.size() - end.size()) + " bytes left out]\n" +
         std::string(end);
}

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
