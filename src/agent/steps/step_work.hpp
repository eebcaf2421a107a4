#pragma once
// What a node does for one step of a document. The driver (agent/runner) keeps the journal and asks core/document what
// comes next; here a step is done, to its end, and what came of it is said.
#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/document/steps.hpp"
#include "core/inventory/report.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::agent {

// All outlive the steps.
struct StepTools {
  io::Files& files;
  io::Processes& processes;
  // Fetches one https address, redirects followed; bounded. Empty where this node fetches nothing.
  std::function<Result<std::string>(const std::string& url)> fetch;
};

struct StepContext {
  std::string order_id, node_id;
  // The document's own, kept through all its steps: where scripts begin, where downloads go. Only root reads it.
  std::string directory;
  std::string custom_inventory;  // the folder people lay their own inventory down in
  Instant now{};
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(std::string_view)> output;  // what it says, as it says it
};

struct StepEnd {
  enum class How { exited, timed_out, cancelled, failed };
  How how = How::failed;
  int exit_code = -1;                           // of `exited`
  std::string standard_output, standard_error;  // each at most kStepOutputBytesMax, head and tail
  std::string why;                              // of `failed`, for a person
  std::vector<inventory::ReportedItem> inventory;
};

inline constexpr std::size_t kStepOutputBytesMax = 2 << 20;  // of each stream
// As asked of a process: with room for the words about the cut, so that the last line is never what they cost.
inline constexpr std::size_t kProcessOutputBytesMax = kStepOutputBytesMax - 128;

// Whether the node does such a step by itself. Patches are driven by the server; reboots and local documents by the
// driver.
bool is_node_work(const document::Step& step);

// A script runs once; whoever calls twice has run it twice. Downloads may be repeated.
StepEnd do_step(const StepTools& tools, const document::Step& step, const StepContext& context);

}  // namespace belay::agent
