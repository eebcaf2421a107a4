#include "core/document/run.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace belay::document {
namespace {

using enum StepStatus;

// ---- the table: what an event does to the step that is in progress. A pair that is not here changes nothing.
enum class Turn { by_exit_code, time_out, fail, cancel, begin_again, interrupt };
struct Row {
  StepStatus status;
  EventKind event;
  Turn turn;
};
constexpr Row kRows[] = {
    {InProgress, EventKind::exited, Turn::by_exit_code}, {InProgress, EventKind::timed_out, Turn::time_out},
    {InProgress, EventKind::failed, Turn::fail},         {InProgress, EventKind::cancelled, Turn::cancel},
    {InProgress, EventKind::restarted, Turn::interrupt}, {InProgress, EventKind::rebooted, Turn::interrupt},
    {Rebooting, EventKind::rebooted, Turn::begin_again}, {Rebooting, EventKind::failed, Turn::fail},
    {Rebooting, EventKind::cancel, Turn::cancel},
};

bool is_over(StepStatus status) { return status != Pending && status != InProgress && status != Rebooting; }

// Scripts are never run twice by accident; what only looks, or keeps a journal of its own, goes on.
bool may_run_again(const Step& step) {
  return !std::holds_alternative<RunShellScript>(step.work) && !std::holds_alternative<Reboot>(step.work);
}

// The steps of one document: [first, last), inner documents of inner steps within.
struct Block {
  std::size_t first = 0, last = 0;
};

class Machine {
 public:
  Machine(std::span<const Step> steps, Run& run, Instant now) : steps_(steps), run_(run), now_(now) {
    BELAY_ASSERT(run.steps.size() == steps.size());
  }

  void take(const Event& event) {
    if (event.kind == EventKind::cancel) run_.cancel_wanted = true;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const bool leaf = inner_steps_of(steps_[i]) == 0;
      if (!leaf || is_over(run_.steps[i].status) || run_.steps[i].status == Pending) continue;
      for (const auto& row : kRows)
        if (row.status == run_.steps[i].status && row.event == event.kind) return turn(i, row.turn, event);
    }
  }

  // The first thing to do in the block; nothing where all of it is over.
  std::optional<Action> advance(const Block& block) {
    bool leaving = false;
    for (auto i = block.first; i < block.last; i += 1 + inner_steps_of(steps_[i])) {
      const auto& step = steps_[i];
      auto& own = run_.steps[i];
      if (own.status == Pending) settle_without_running(i, leaving);
      if (own.status == Rebooting) return Action{ActionKind::reboot, i};
      const auto inner = inner_steps_of(step);
      if (inner > 0 && !is_over(own.status)) {
        start(own);
        if (auto action = advance({i + 1, i + 1 + inner})) return action;
        fold(i);
      } else if (own.status == InProgress) {
        const bool stop = run_.cancel_wanted && !step.finally;
        return Action{stop ? ActionKind::stop : ActionKind::wait, i};
      } else if (own.status == Pending) {
        start(own);
        return Action{ActionKind::execute, i};
      }
      leaving = leaving || leaves(step, own);
    }
    return {};
  }

  // How a block whose steps are all over went.
  Summary judge(const Block& block) const {
    Summary summary{Success, 0, ""};
    for (auto i = block.first; i < block.last; i += 1 + inner_steps_of(steps_[i])) {
      const auto& own = run_.steps[i];
      if (own.status == Skipped) continue;
      const bool forgiven = steps_[i].on_failure == OnFailure::success_and_exit && own.status != Cancelled;
      if (own.status == Success || forgiven) {
        const bool well = forgiven || own.exit_code == kLeaveWithSuccess;
        if (summary.status == Success) summary.exit_code = well ? 0 : own.exit_code;
        continue;
      }
      if (rank(own.status) <= rank(summary.status)) continue;
      summary = {own.status, own.exit_code, "step " + steps_[i].name + ": " + own.why};
    }
    return summary;
  }

 private:
  static int rank(StepStatus status) {
    return status == Failed ? 3 : status == TimedOut ? 2 : status == Cancelled ? 1 : 0;
  }

  // An inner document's exit code is that of a step that left it, and does not leave the outer one.
  static bool leaves(const Step& step, const StepRun& own) {
    const bool asked = own.exit_code == kLeaveWithSuccess || own.exit_code == kLeaveWithFailure;
    if (asked && inner_steps_of(step) == 0 && (own.status == Success || own.status == Failed)) return true;
    if (own.status == Failed || own.status == TimedOut) return step.on_failure != OnFailure::proceed;
    return own.status == Success && step.exit_on_success;
  }

  void start(StepRun& own) {
    if (!own.started_at) own.started_at = now_;
    own.status = InProgress;
  }

  void end(StepRun& own, StepStatus status, std::int32_t exit_code, std::string why) {
    own.status = status;
    own.exit_code = exit_code;
    own.why = std::move(why);
    own.finished_at = now_;
  }

  void pass_over(std::size_t i, StepStatus status, const std::string& why) {
    for (auto k = i; k <= i + inner_steps_of(steps_[i]); ++k) end(run_.steps[k], status, -1, why);
  }

  void settle_without_running(std::size_t i, bool leaving) {
    const auto& step = steps_[i];
    if (!step.skip.empty()) return pass_over(i, Skipped, step.skip);
    if (step.finally) return;
    if (run_.cancel_wanted) return pass_over(i, Cancelled, "cancelled before it began");
    if (leaving)
      pass_over(i, Skipped, "Step execution skipped due to prior step with an exit condition. Step name: " + step.name);
  }

  void fold(std::size_t i) {
    const auto inner = judge({i + 1, i + 1 + inner_steps_of(steps_[i])});
    end(run_.steps[i], inner.status, inner.exit_code, inner.why);
  }

  void turn(std::size_t i, Turn turn, const Event& event) {
    auto& own = run_.steps[i];
    switch (turn) {
      case Turn::by_exit_code: return by_exit_code(steps_[i], own, event.exit_code);
      case Turn::time_out: return end(own, TimedOut, -1, event.why.empty() ? "it did not end in its time" : event.why);
      case Turn::fail: return end(own, Failed, -1, event.why);
      case Turn::cancel:
        if (event.kind == EventKind::cancel && steps_[i].finally) return;  // it is let finish
        return end(own, Cancelled, own.exit_code, "cancelled");
      case Turn::begin_again: own.status = Pending; return;
      case Turn::interrupt:
        if (may_run_again(steps_[i])) own.status = Pending;
        else if (std::holds_alternative<Reboot>(steps_[i].work)) reboot_step_interrupted(own, event.kind);
        else
          end(own, Failed, -1,
              event.kind == EventKind::rebooted ? "the machine restarted while it ran; it is not run twice"
                                                : "the process that ran it was killed; it is not run twice");
        return;
    }
  }

  // The step that is to reboot is killed by what it asked for.
  void reboot_step_interrupted(StepRun& own, EventKind event) {
    if (event == EventKind::rebooted) end(own, Success, 0, "");
    else own.status = Pending;
  }

  void by_exit_code(const Step& step, StepRun& own, std::int32_t code) {
    if (code != kRebootExitCode) {
      if (code == 0 || code == kLeaveWithSuccess) return end(own, Success, code, "");
      return end(own, Failed, code, "exit status " + std::to_string(code));
    }
    if (run_.cancel_wanted && !step.finally) return end(own, Cancelled, code, "cancelled where it asked for a reboot");
    if (own.reboots >= kRebootsMax)
      return end(own, Failed, code,
                 "it asked for a reboot (exit status 194) after " + std::to_string(kRebootsMax) +
                     " reboots; a step that needs one must see that it happened");
    ++own.reboots;
    own.exit_code = code;
    own.status = Rebooting;
  }

  std::span<const Step> steps_;
  Run& run_;
  Instant now_;
};

}  // namespace

Run new_run(std::span<const Step> steps) {
  Run run;
  run.steps.resize(steps.size());
  return run;
}

Action step(std::span<const Step> steps, Run& run, const Event& event, Instant now) {
  Machine machine(steps, run, now);
  machine.take(event);
  return machine.advance({0, steps.size()}).value_or(Action{ActionKind::finish, steps.size()});
}

Status splice(std::vector<Step>& steps, Run& run, std::size_t index, std::vector<Step> inner) {
  BELAY_ASSERT(index < steps.size() && run.steps.size() == steps.size());
  auto* document = std::get_if<RunDocument>(&steps[index].work);
  BELAY_ASSERT(document && document->inner_steps == 0);
  if (steps.size() + inner.size() > kStepsMax)
    return Error(Code::resource_exhausted, "more than 200 steps, inner documents counted");
  if (inner.empty()) return Error(Code::invalid_argument, "the inner document has no steps");
  // Outer documents that this step stands in grow with it.
  for (std::size_t i = 0; i < index; ++i)
    if (auto* outer = std::get_if<RunDocument>(&steps[i].work); outer && i + outer->inner_steps >= index)
      outer->inner_steps += static_cast<std::uint32_t>(inner.size());
  document->inner_steps = static_cast<std::uint32_t>(inner.size());
  const auto at = static_cast<std::ptrdiff_t>(index + 1);
  for (auto& step : inner) step.name = steps[index].name + "/" + step.name;
  run.steps.insert(run.steps.begin() + at, inner.size(), StepRun{});
  steps.insert(steps.begin() + at, std::make_move_iterator(inner.begin()), std::make_move_iterator(inner.end()));
  return {};
}

Summary summarize(std::span<const Step> steps, const Run& run) {
  Run copy = run;
  const bool over = std::ranges::all_of(run.steps, [](const StepRun& one) { return is_over(one.status); });
  if (over) return Machine(steps, copy, Instant{}).judge({0, steps.size()});
  const bool begun = std::ranges::any_of(run.steps, [](const StepRun& one) { return one.status != Pending; });
  return {begun ? InProgress : Pending, 0, ""};
}

std::vector<StepReport> report(std::span<const Step> steps, const Run& run) {
  std::vector<StepReport> reports;
  for (std::size_t i = 0; i < steps.size(); i += 1 + inner_steps_of(steps[i])) {
    StepReport one{steps[i].name, steps[i].action, run.steps[i], {}};
    for (auto k = i; k <= i + inner_steps_of(steps[i]); ++k)
      if (inner_steps_of(steps[k]) == 0 && run.steps[k].started_at) one.outputs.push_back(k);
    reports.push_back(std::move(one));
  }
  return reports;
}

}  // namespace belay::document
