#include "core/automation/machine.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/automation/signals.hpp"
#include "core/automation/values.hpp"

namespace belay::automation {
namespace {

using enum Status;

// ---- the table: what an event does to the step the execution is at. A pair that is not here changes nothing.
enum class Turn { succeed, fail, time_out, stopped_outside, stopped, decide, resume, allow, stop };
struct Row {
  Status status;
  EventKind event;
  Turn turn;
};
constexpr Row kRows[] = {
    {InProgress, EventKind::succeeded, Turn::succeed},  {InProgress, EventKind::failed, Turn::fail},
    {InProgress, EventKind::timed_out, Turn::time_out}, {InProgress, EventKind::cancelled, Turn::stopped_outside},
    {InProgress, EventKind::stop_step, Turn::stop},     {Waiting, EventKind::approve, Turn::decide},
    {Waiting, EventKind::reject, Turn::decide},         {Waiting, EventKind::resume, Turn::resume},
    {Waiting, EventKind::stop_step, Turn::stop},        {Waiting, EventKind::failed, Turn::fail},
    {Pending, EventKind::start_step, Turn::allow},      {Cancelling, EventKind::succeeded, Turn::succeed},
    {Cancelling, EventKind::failed, Turn::stopped},     {Cancelling, EventKind::timed_out, Turn::stopped},
    {Cancelling, EventKind::cancelled, Turn::stopped},
};

bool is_failure(Status status) { return status == Failed || status == TimedOut || status == Cancelled; }
// What somebody else does for the step, and can be stopped.
bool is_outside(const RunbookStep& step) {
  return step.action != Sleep::kKind && step.action != Pause::kKind && step.action != Approve::kKind &&
         step.action != Branch::kKind;
}

class Stepper {
 public:
  Stepper(const Runbook& runbook, Execution& execution, Instant now)
      : runbook_(runbook), execution_(execution), now_(now) {
    BELAY_ASSERT(execution.steps.size() == runbook.steps.size());
  }

  void take(const Event& event) {
    if (is_over(execution_.status)) return;
    switch (event.kind) {
      case EventKind::begin:
        if (execution_.current || execution_.status != Pending) return;
        execution_.started_at = now_;
        return go(0);
      case EventKind::cancel: return cancel();
      case EventKind::complete: return complete();
      default: break;
    }
    if (!execution_.current) return;
    const auto index = *execution_.current;
    const auto& run = execution_.steps[index];
    if (!event.step.empty() && event.step != runbook_.steps[index].name) return;
    if (event.attempt != 0 && event.attempt != run.attempt) return;
    for (const auto& row : kRows)
      if (row.status == run.status && row.event == event.kind) return turn(index, row.turn, event);
  }

  void run_clock() {
    while (!is_over(execution_.status) && execution_.current && tick(*execution_.current)) {
    }
  }

  Step result() {
    std::ranges::sort(step_.changed);
    const auto [first, last] = std::ranges::unique(step_.changed);
    step_.changed.erase(first, last);
    step_.finished = is_over(execution_.status);
    if (step_.finished || !execution_.current) return std::move(step_);
    const auto& run = execution_.steps[*execution_.current];
    step_.wake_at = run.deadline;
    if (run.wake_at && (!step_.wake_at || *run.wake_at < *step_.wake_at)) step_.wake_at = run.wake_at;
    return std::move(step_);
  }

 private:
  StepRun& touch(std::size_t index) {
    step_.changed.push_back(index);
    return execution_.steps[index];
  }

  void act(ActionKind kind, std::size_t index, Request request) {
    step_.actions.push_back({kind, runbook_.steps[index].name, execution_.steps[index].attempt, std::move(request)});
  }
  void withdraw(std::size_t index) {
    const auto request = build_request(runbook_.steps[index].action, execution_.steps[index].inputs);
    if (request.ok()) act(ActionKind::withdraw, index, *request);
  }

  // ---- the way through the runbook
  void go(std::size_t index) {
    execution_.current = static_cast<std::uint32_t>(index);
    execution_.may_start = false;
    try_begin(index);
  }

  void try_begin(std::size_t index) {
    const bool asks = execution_.mode == Mode::Interactive && !execution_.cleaning && !execution_.may_start;
    if (!asks) return begin_attempt(index);
    execution_.status = Waiting;
  }

  void route(std::size_t index) {
    const auto& step = runbook_.steps[index];
    const auto status = execution_.steps[index].status;
    if (execution_.cancel_wanted && !execution_.cleaning) {
      if (step.cancel_step.empty()) return finish();
      execution_.cleaning = true;
      return go(index_of(step.cancel_step));
    }
    if (is_failure(status) && step.on_failure == OnFailure::abort) return finish(index);
    if (execution_.complete_wanted) return finish();
    if (is_failure(status) && step.on_failure == OnFailure::jump) return go(index_of(step.failure_step));
    if (step.is_end) return finish();
    if (!step.next_step.empty()) return go(index_of(step.next_step));
    if (index + 1 < runbook_.steps.size()) return go(index + 1);
    finish();
  }

  std::size_t index_of(const std::string& name) const {
    const auto at = std::ranges::find(runbook_.steps, name, &RunbookStep::name);
    BELAY_ASSERT(at != runbook_.steps.end());
    return static_cast<std::size_t>(at - runbook_.steps.begin());
  }

  void finish(std::optional<std::size_t> aborted_by = {}) {
    std::optional<std::size_t> failed = aborted_by;
    for (std::size_t i = 0; i < execution_.steps.size() && !failed; ++i)
      if (is_failure(execution_.steps[i].status) && runbook_.steps[i].is_critical) failed = i;
    if (failed) execution_.why = "step " + runbook_.steps[*failed].name + ": " + execution_.steps[*failed].why;
    if (execution_.cancel_wanted) execution_.status = Cancelled;
    else if (aborted_by && execution_.steps[*aborted_by].status == TimedOut) execution_.status = TimedOut;
    else if (failed) execution_.status = execution_.complete_wanted && !aborted_by ? CompletedWithFailure : Failed;
    else execution_.status = execution_.complete_wanted ? CompletedWithSuccess : Success;
    if (execution_.cancel_wanted && execution_.why.empty()) execution_.why = "cancelled";
    execution_.outputs = final_outputs(runbook_, execution_, now_);
    execution_.finished_at = now_;
  }

  // ---- one step
  void begin_attempt(std::size_t index) {
    const auto& step = runbook_.steps[index];
    auto& run = touch(index);
    execution_.status = execution_.cancel_wanted ? Cancelling : InProgress;
    ++run.attempt;
    if (!run.started_at) run.started_at = now_;
    run.wake_at.reset();
    run.why.clear();
    run.status = InProgress;
    if (step.action == Branch::kKind) return branch(index);
    auto inputs = fill_inputs(step, runbook_, execution_, now_);
    if (!inputs.ok()) return end(index, Failed, inputs.error().chain());
    run.inputs = std::move(*inputs);
    const auto request = build_request(step.action, run.inputs);
    if (!request.ok()) return end(index, Failed, request.error().chain());
    run.deadline = now_ + step.timeout;
    begin_request(index, *request);
  }

  void begin_request(std::size_t index, const Request& request) {
    auto& run = execution_.steps[index];
    if (const auto* sleep = std::get_if<Sleep>(&request)) {
      run.wake_at = sleep->until ? *sleep->until : now_ + *sleep->duration;
      // Whichever comes first, also for a server that was away over both; what nobody named bounds no sleep.
      if (runbook_.steps[index].timeout_given && *run.deadline < *run.wake_at) run.wake_at.reset();
      else run.deadline.reset();
      return;
    }
    if (std::holds_alternative<Pause>(request) || std::holds_alternative<Approve>(request)) {
      run.status = Waiting;
      if (!execution_.cancel_wanted) execution_.status = Waiting;
      if (std::holds_alternative<Pause>(request)) return;
    }
    if (std::holds_alternative<ExecuteAutomation>(request) && execution_.depth + 1 >= kExecutionDepthMax)
      return end(index, Failed, "automations run each other more than 8 deep");
    act(ActionKind::send, index, request);
  }

  void branch(std::size_t index) {
    const auto& step = runbook_.steps[index];
    const auto value_of = values_of(runbook_, execution_, now_);
    std::string next = step.default_step;
    for (const auto& choice : step.choices) {
      const auto met = holds(choice.condition, value_of);
      if (!met.ok()) return end(index, Failed, met.error().chain());
      if (!*met) continue;
      next = choice.next_step;
      break;
    }
    auto& run = execution_.steps[index];
    run.status = Success;
    run.finished_at = now_;
    if (next.empty() || execution_.complete_wanted) return route(index);
    run.outputs["NextStep"] = next;
    go(index_of(next));
  }

  void end(std::size_t index, Status status, std::string why) {
    auto& run = touch(index);
    run.status = status;
    run.why = std::move(why);
    run.finished_at = now_;
    run.deadline.reset();
    run.wake_at.reset();
    route(index);
  }

  void end_attempt(std::size_t index, Status status, std::string why) {
    auto& run = touch(index);
    if (run.attempt >= runbook_.steps[index].attempts_max || execution_.complete_wanted)
      return end(index, status, std::move(why));
    run.status = Pending;
    run.why = std::move(why);
    run.deadline.reset();
    run.wake_at = now_ + back_off(run.attempt);
  }

  void succeed(std::size_t index, const json::Object& given) {
    auto outputs = pick_outputs(runbook_.steps[index], given);
    if (!outputs.ok()) return end(index, Failed, outputs.error().chain());
    execution_.steps[index].outputs = std::move(*outputs);
    end(index, Success, "");
  }

  void turn(std::size_t index, Turn turn, const Event& event) {
    switch (turn) {
      case Turn::succeed: return succeed(index, event.outputs);
      case Turn::fail: keep_outputs(index, event); return end_attempt(index, Failed, event.why);
      case Turn::time_out:
        keep_outputs(index, event);
        return end_attempt(index, TimedOut, event.why.empty() ? "timed out" : event.why);
      case Turn::stopped_outside:
        return end(index, Failed, event.why.empty() ? "what it began was cancelled from outside" : event.why);
      case Turn::stopped: keep_outputs(index, event); return end(index, Cancelled, "cancelled");
      case Turn::decide: return decide(index, event);
      case Turn::resume:
        if (runbook_.steps[index].action == Pause::kKind) end(index, Success, "");
        return;
      case Turn::allow:
        if (execution_.steps[index].attempt > 0 || execution_.mode != Mode::Interactive) return;
        execution_.may_start = true;
        return begin_attempt(index);
      case Turn::stop:
        if (is_outside(runbook_.steps[index])) withdraw(index);
        return end(index, Cancelled, "stopped by a signal");
    }
  }

  // What a failed step found out is there for the steps that its failure leads to.
  void keep_outputs(std::size_t index, const Event& event) {
    auto outputs = pick_outputs({}, event.outputs);
    if (outputs.ok()) touch(index).outputs = std::move(*outputs);
  }

  void decide(std::size_t index, const Event& event) {
    if (runbook_.steps[index].action != Approve::kKind) return;
    const auto approval = approval_of(runbook_.steps[index], execution_.steps[index]);
    if (!may_decide(approval, event.who)) return;
    auto& run = touch(index);
    const auto who = plain_user(event.who);
    std::erase_if(run.decisions, [&](const Decision& one) { return one.who == who; });
    run.decisions.push_back({who, sanitize(event.comment, 1'000), event.kind == EventKind::approve, now_});
    const auto approved = std::ranges::count_if(run.decisions, &Decision::approved);
    const bool rejected = event.kind == EventKind::reject;
    if (!rejected && approved < approval.approvals_needed) return;
    run.outputs["ApprovalStatus"] = rejected ? "Rejected" : "Approved";
    run.outputs["ApproverDecisions"] = json::encode_text(run.decisions);
    if (!rejected) return end(index, Success, "");
    end(index, Failed, "rejected by " + who + (event.comment.empty() ? "" : ": " + sanitize(event.comment, 200)));
  }

  // ---- stops
  void cancel() {
    if (execution_.cancel_wanted) return;
    execution_.cancel_wanted = true;
    execution_.status = Cancelling;
    if (!execution_.current) return finish();
    const auto index = *execution_.current;
    auto& run = touch(index);
    if (run.status != InProgress || !is_outside(runbook_.steps[index])) return end(index, Cancelled, "cancelled");
    run.status = Cancelling;
    run.deadline = now_ + kCancelGrace;
    withdraw(index);
  }

  void complete() {
    if (execution_.complete_wanted || execution_.cancel_wanted) return;
    execution_.complete_wanted = true;
    if (!execution_.current) return finish();
    const auto index = *execution_.current;
    const auto& run = execution_.steps[index];
    if (run.status != Pending) return;
    if (run.attempt > 0) end(index, Failed, std::string(run.why));  // between two attempts: there is no further one
    else finish();
  }

  // ---- the clock; whether anything came of it
  bool tick(std::size_t index) {
    const auto& run = execution_.steps[index];
    const auto& step = runbook_.steps[index];
    if (run.wake_at && *run.wake_at <= now_) {
      if (run.status == Pending) begin_attempt(index);
      else end(index, Success, "");
      return true;
    }
    if (!run.deadline || *run.deadline > now_) return false;
    if (run.status == Cancelling) {
      end(index, Cancelled, "cancelled; what it began did not say that it stopped");
      return true;
    }
    const auto why = "it did not end within " + humanize(step.timeout);
    if (is_outside(step)) withdraw(index);
    if (run.status == Waiting) end(index, TimedOut, why);
    else end_attempt(index, TimedOut, why);
    return true;
  }

  const Runbook& runbook_;
  Execution& execution_;
  Instant now_;
  Step step_;
};

}  // namespace

bool is_over(Status status) {
  return status == Success || status == TimedOut || status == Cancelled || status == Failed ||
         status == CompletedWithSuccess || status == CompletedWithFailure;
}

Result<Execution> new_execution(const Runbook& runbook, std::string id, const document::GivenValues& given, Mode mode) {
  auto values = document::resolve_values(runbook.parameters, given);
  if (!values.ok())
    return Error(Code::invalid_argument, values.error().message(), "InvalidAutomationExecutionParametersException");
  Execution execution;
  execution.id = std::move(id);
  execution.mode = mode;
  execution.parameters = std::move(*values);
  execution.steps.resize(runbook.steps.size());
  return execution;
}

Step step(const Runbook& runbook, Execution& execution, std::span<const Event> events, Instant now) {
  Stepper stepper(runbook, execution, now);
  for (const auto& event : events) stepper.take(event);
  stepper.run_clock();
  return stepper.result();
}

Duration back_off(std::uint32_t attempt) {
  constexpr Duration kFirst{5'000}, kMax{300'000};
  return std::min(kFirst * (1 << std::min(attempt > 0 ? attempt - 1 : 0, 10u)), kMax);
}

}  // namespace belay::automation
