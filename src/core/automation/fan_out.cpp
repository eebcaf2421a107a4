#include "core/automation/fan_out.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "core/command/rate.hpp"

namespace belay::automation {
namespace {

using enum Status;

Error refused(std::string what) {
  return Error(Code::invalid_argument, std::move(what), "InvalidAutomationExecutionParametersException");
}

bool is_running(const Child& child) { return child.status != Pending && !is_over(child.status); }

bool counts_as_error(Status status) { return status == Failed || status == TimedOut || status == CompletedWithFailure; }

// With its rate, once every child's values are such as the runbook takes.
Result<FanOut> rated(FanOut fan_out, const Runbook& runbook, const document::GivenValues& given,
                     std::string_view max_concurrency, std::string_view max_errors) {
  const auto count = static_cast<std::uint32_t>(fan_out.children.size());
  BELAY_TRY_ASSIGN(fan_out.concurrency_max,
                   command::max_concurrency(max_concurrency.empty() ? "1" : max_concurrency, count));
  BELAY_TRY_ASSIGN(fan_out.errors_max, command::max_errors(max_errors.empty() ? "0" : max_errors, count));
  for (const auto& child : fan_out.children) {
    auto values = given;
    if (child.values.empty()) values[fan_out.target_parameter] = {child.target};
    else values.insert(child.values.begin(), child.values.end());
    if (const auto resolved = document::resolve_values(runbook.parameters, values); !resolved.ok())
      return refused(resolved.error().message());
  }
  return fan_out;
}

}  // namespace

Result<FanOut> new_fan_out(const Runbook& runbook, const document::GivenValues& given, std::string target_parameter,
                           const std::vector<std::string>& targets, std::string_view max_concurrency,
                           std::string_view max_errors) {
  if (!document::find_parameter(runbook.parameters, target_parameter))
    return refused("TargetParameterName '" + sanitize(target_parameter, 60) + "' is no parameter of the runbook");
  if (given.contains(target_parameter))
    return refused("parameter " + target_parameter + " is TargetParameterName; the targets are its values");
  FanOut fan_out;
  fan_out.target_parameter = std::move(target_parameter);
  std::set<std::string> seen;
  for (const auto& target : targets)
    if (seen.insert(target).second) fan_out.children.push_back({target, Pending, "", ""});
  if (fan_out.children.empty()) return refused("Targets match nothing");
  return rated(std::move(fan_out), runbook, given, max_concurrency, max_errors);
}

Result<FanOut> new_fan_out_of_maps(const Runbook& runbook, const document::GivenValues& given,
                                   const std::vector<document::GivenValues>& maps, std::string_view max_concurrency,
                                   std::string_view max_errors) {
  FanOut fan_out;
  for (const auto& map : maps) {
    if (map.empty()) return refused("TargetMaps: a map without parameters names nobody");
    std::string target;
    for (const auto& [name, values] : map) {
      if (!document::find_parameter(runbook.parameters, name))
        return refused("TargetMaps: '" + sanitize(name, 60) + "' is no parameter of the runbook");
      if (given.contains(name)) return refused("parameter " + name + " stands in TargetMaps, which give its values");
      target += (target.empty() ? "" : ", ") + name + "=" + join(values, ",");
    }
    fan_out.children.push_back({target, Pending, "", "", map});
  }
  if (fan_out.children.empty()) return refused("TargetMaps name nobody");
  return rated(std::move(fan_out), runbook, given, max_concurrency, max_errors);
}

std::vector<FanOutAction> step(FanOut& fan_out, std::span<const FanOutEvent> events) {
  std::vector<FanOutAction> actions;
  for (const auto& event : events) {
    if (event.kind == FanOutEventKind::complete) fan_out.complete_wanted = true;
    if (event.kind == FanOutEventKind::cancel && !fan_out.cancel_wanted) {
      fan_out.cancel_wanted = true;
      for (std::size_t i = 0; i < fan_out.children.size(); ++i)
        if (is_running(fan_out.children[i])) actions.push_back({FanOutActionKind::stop, i});
    }
    if (event.child >= fan_out.children.size()) continue;
    auto& child = fan_out.children[event.child];
    if (event.kind == FanOutEventKind::started && is_running(child)) child.execution_id = event.execution_id;
    if (event.kind == FanOutEventKind::ended && is_running(child) && is_over(event.status)) {
      child.status = event.status;
      child.why = event.why;
    }
  }
  const auto errors =
      static_cast<std::uint32_t>(std::ranges::count_if(fan_out.children, counts_as_error, &Child::status));
  fan_out.stopped = fan_out.stopped || errors > fan_out.errors_max;
  const bool no_more = fan_out.stopped || fan_out.cancel_wanted || fan_out.complete_wanted;
  auto running = static_cast<std::uint32_t>(std::ranges::count_if(fan_out.children, is_running));
  for (std::size_t i = 0; i < fan_out.children.size(); ++i) {
    auto& child = fan_out.children[i];
    if (child.status != Pending) continue;
    if (no_more) {
      child.status = Cancelled;
      child.why =
          fan_out.stopped ? "more targets than MaxErrors failed before this one's turn" : "stopped before its turn";
    } else if (running < fan_out.concurrency_max) {
      child.status = InProgress;
      ++running;
      actions.push_back({FanOutActionKind::start, i});
    }
  }
  return actions;
}

FanOutSummary summarize(const FanOut& fan_out) {
  FanOutSummary summary;
  std::uint32_t over = 0, running = 0;
  for (const auto& child : fan_out.children) {
    ++summary.total;
    over += is_over(child.status) ? 1 : 0;
    running += is_running(child) ? 1 : 0;
    if (child.status == Success || child.status == CompletedWithSuccess) ++summary.success;
    if (child.status == TimedOut) ++summary.timed_out;
    else if (counts_as_error(child.status)) ++summary.failed;
    if (child.status == Cancelled) ++summary.cancelled;
  }
  if (over < summary.total) {
    summary.status = fan_out.cancel_wanted ? Cancelling : over + running > 0 ? InProgress : Pending;
  } else if (summary.success == summary.total) summary.status = Success;
  else if (fan_out.stopped) summary.status = Failed;
  else if (fan_out.cancel_wanted) summary.status = Cancelled;
  else if (summary.failed + summary.timed_out > 0) summary.status = CompletedWithFailure;
  else summary.status = fan_out.complete_wanted ? CompletedWithSuccess : Cancelled;
  return summary;
}

}  // namespace belay::automation
