#include "server/engine/window_preview.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "core/command/rate.hpp"
#include "server/engine/window_snapshot.hpp"
#include "store/run_times.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kNodesMeasuredMax = 20'000;  // of one target: a preview is an answer to a person who waits

std::string operation_of(const WindowTask& content) {
  const auto at = content.parameters.find("Operation");
  return at == content.parameters.end() || at->second.empty() ? "" : at->second.front();
}

Result<window::PlannedInvocation> plan(store::Sql& sql, const std::string& document, const WindowTask& content,
                                       const PreviewedInvocation& invocation) {
  window::PlannedInvocation planned;
  planned.concurrency_max = invocation.concurrency_max;
  const auto looked_at = std::span(invocation.nodes).first(std::min(invocation.nodes.size(), kNodesMeasuredMax));
  BELAY_TRY_ASSIGN(auto times, store::run_times::of(sql, document, operation_of(content), looked_at));
  for (auto& runs : times) planned.nodes.push_back(window::measure(std::move(runs)));
  planned.nodes.resize(invocation.nodes.size());  // who was not looked at was not measured
  return planned;
}

// What comes before all time: something that cannot run, or nobody to run on.
window::Fit fit_of(const WindowPreview& preview, bool any_run, Duration until_cutoff) {
  for (const auto& task : preview.tasks)
    for (const auto& invocation : task.invocations)
      if (!invocation.problem.empty()) return window::Fit::WILL_FAIL;
  return any_run ? window::fit(preview.estimate, until_cutoff) : window::Fit::NOTHING;
}

}  // namespace

Result<WindowPreview> preview_window(store::Sql& sql, const Windows& windows, const store::windows::Window& window,
                                     Duration online_within, std::size_t openings, Instant now) {
  WindowPreview preview;
  BELAY_TRY_ASSIGN(preview.openings, windows.openings(window, now, openings));
  for (const auto& next : preview.openings) {
    BELAY_TRY_ASSIGN(auto why, windows.held(sql, window, next.opens));
    preview.held.push_back(std::move(why));
  }
  const Duration open_for = std::chrono::hours(window.duration_hours),
                 no_more = std::chrono::hours(window.cutoff_hours);
  const auto opening = preview.openings.empty() ? schedule::Opening{now, now + open_for - no_more, now + open_for}
                                                : preview.openings.front();
  BELAY_TRY_ASSIGN(const auto snapshot, take_snapshot(sql, window, opening, now - online_within, now));
  std::vector<window::PlannedTask> planned;
  bool any_run = false;
  for (const auto& row : snapshot.tasks) {
    BELAY_TRY_ASSIGN(const auto content, json::decode_text<WindowTask>(row.content));
    auto& task = preview.tasks.emplace_back();
    task.window_task_id = row.window_task_id;
    task.task_arn = row.task_arn;
    task.type = row.type;
    task.priority = row.priority;
    auto& plan_of_task = planned.emplace_back();
    plan_of_task.priority = row.priority;
    for (const auto& part : snapshot.invocations) {
      if (part.task_execution_id != row.task_execution_id) continue;
      auto& invocation = task.invocations.emplace_back();
      invocation.window_target_id = part.window_target_id;
      invocation.catch_up = part.catch_up;
      invocation.nodes = part.nodes;
      const bool for_nobody = part.nodes.empty() && !content.targets.empty();
      any_run |= !for_nobody;
      (part.status == "FAILED" ? invocation.problem : invocation.remark) = part.status_details;
      if (for_nobody && invocation.problem.empty())
        invocation.remark += (invocation.remark.empty() ? "" : "; ") + std::string(window::kNobodyMatches);
      if (!content.max_concurrency.empty()) {
        BELAY_TRY_ASSIGN(invocation.concurrency_max,
                         command::max_concurrency(content.max_concurrency, part.node_count));
      }
      if (!invocation.problem.empty()) continue;
      BELAY_TRY_ASSIGN(auto times, plan(sql, row.task_arn, content, invocation));
      plan_of_task.invocations.push_back(std::move(times));
    }
    task.estimate = window::estimate(std::span(&plan_of_task, 1));
  }
  preview.estimate = window::estimate(planned);
  preview.fit = fit_of(preview, any_run, opening.cutoff - opening.opens);
  return preview;
}

}  // namespace belay::server
