#pragma once
// What a maintenance window would do at its next opening, as things are now: where each task would run, and whether it
// fits before the cut-off by what the same documents took on the same nodes before.
#include <optional>
#include <string>
#include <vector>

#include "core/window/estimate.hpp"
#include "server/engine/windows.hpp"

namespace belay::server {

struct PreviewedInvocation {
  std::string window_target_id;
  bool catch_up = false;
  std::vector<std::string> nodes;
  std::uint32_t concurrency_max = 1;
  std::string problem;  // not empty: it would fail for this
  std::string remark;   // for a person: whom it would not reach
};
struct PreviewedTask {
  std::string window_task_id, task_arn, type;
  std::uint32_t priority = 0;
  std::vector<PreviewedInvocation> invocations;
  window::Estimate estimate;  // of this task alone
};
struct WindowPreview {
  std::vector<schedule::Opening> openings;  // the next ones
  std::vector<std::string> held;            // for each of them: why it is held back, "" where it is not
  std::vector<PreviewedTask> tasks;         // in the order they run
  window::Estimate estimate;                // of the whole
  window::Fit fit = window::Fit::UNKNOWN;   // before the cut-off, if it opens
};

// Nothing is changed. Where the window never opens again, `openings` is empty and the tasks are shown all the same.
Result<WindowPreview> preview_window(store::Sql& sql, const Windows& windows, const store::windows::Window& window,
                                     Duration online_within, std::size_t openings, Instant now);

}  // namespace belay::server
