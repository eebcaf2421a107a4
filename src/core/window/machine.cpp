#include "core/window/machine.hpp"

#include <algorithm>

namespace belay::window {
namespace {

// ---- the table: what an event does to an invocation in a status. A pair that is not here changes nothing (late,
// repeated).
enum class Turn { note_child, end_refused, end_as_child };
struct Row {
  Status status;
  EventKind event;
  Turn turn;
};
constexpr Row kRows[] = {
    {Status::IN_PROGRESS, EventKind::started, Turn::note_child},
    {Status::IN_PROGRESS, EventKind::refused, Turn::end_refused},
    {Status::IN_PROGRESS, EventKind::ended, Turn::end_as_child},
    {Status::CANCELLING, EventKind::started, Turn::note_child},
    {Status::CANCELLING, EventKind::refused, Turn::end_refused},
    {Status::CANCELLING, EventKind::ended, Turn::end_as_child},
};

constexpr const char* kTooLate = "the cut-off came before its turn";
constexpr const char* kCancelled = "cancelled before it began";
constexpr const char* kOverBudget = "the task had more errors than MaxErrors before its turn";

bool is_running(const Invocation& invocation) {
  return invocation.status == Status::IN_PROGRESS || invocation.status == Status::CANCELLING;
}

// The worst of what has ended, as the whole is called by it.
int badness(Status status) {
  switch (status) {
    case Status::FAILED: return 3;
    case Status::TIMED_OUT: return 2;
    case Status::CANCELLED: return 1;
    default: return 0;
  }
}
template <typename Parts>
Status worst_of(const Parts& parts) {
  Status worst = Status::SUCCESS;
  for (const auto& part : parts)
    if (badness(part.status) > badness(worst)) worst = part.status;
  return worst;
}

void add_words(std::string& details, std::string_view more) {
  if (more.empty()) return;
  if (!details.empty()) details += "; ";
  details += more;
}

// A success on nobody is not silent: a wrong tag would be one for ever.
std::string nobody_in(const Task& task) {
  const auto empty = std::ranges::count(task.invocations, 0U, &Invocation::targets);
  if (empty == 0) return {};
  if (empty == std::ssize(task.invocations)) return std::string(kNobodyMatched);
  return "no node matched " + std::to_string(empty) + " of its " + std::to_string(task.invocations.size()) + " targets";
}
bool ran_on_nobody(const Task& task) {
  return task.status == Status::SUCCESS &&
         std::ranges::all_of(task.invocations, [](const auto& i) { return i.targets == 0; });
}

// One call of step(): collects what comes of it.
class Stepper {
 public:
  Stepper(Execution& execution, Instant now) : execution_(execution), now_(now) {}

  void take(const Event& event) {
    if (event.kind == EventKind::cancel) return cancel();
    for (auto& task : execution_.tasks)
      for (auto& invocation : task.invocations)
        if (invocation.invocation_id == event.invocation_id) return take(event, task, invocation);
  }

  void run_clock() {
    if (execution_.cut_off || now_ < execution_.cutoff_at) return;
    execution_.cut_off = true;
    for (auto& task : execution_.tasks) {
      drop_waiting(task, Status::TIMED_OUT, kTooLate);
      if (task.cutoff_behavior != CutoffBehavior::CANCEL_TASK) continue;
      for (auto& invocation : task.invocations) {
        if (!is_running(invocation) || invocation.cut_off) continue;
        invocation.cut_off = true;
        invocation.status = Status::CANCELLING;
        step_.actions.push_back(
            {ActionKind::cancel_child, task.task_execution_id, invocation.invocation_id, invocation.child_id, 0});
      }
    }
  }

  // Until nothing moves any more: a priority that has ended opens the next.
  void go_on() {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& task : execution_.tasks) moved |= settle(task);
      const auto turn = priority_at_turn();
      if (!turn) break;
      for (auto& task : execution_.tasks)
        if (task.priority == *turn && !has_ended(task.status)) moved |= begin_next(task);
    }
    settle_execution();
  }

  Step result() {
    step_.finished = has_ended(execution_.status);
    if (!step_.finished && !execution_.cut_off) step_.wake_at = execution_.cutoff_at;
    return std::move(step_);
  }

 private:
  void take(const Event& event, Task& task, Invocation& invocation) {
    for (const auto& row : kRows) {
      if (row.status != invocation.status || row.event != event.kind) continue;
      switch (row.turn) {
        case Turn::note_child: invocation.child_id = event.child_id; return;
        case Turn::end_refused: ++task.errors; return end(invocation, Status::FAILED, event.why);
        case Turn::end_as_child: return end_as_child(event, task, invocation);
      }
    }
  }

  // A child that the cut-off stopped has timed out, unless it was done all the same.
  void end_as_child(const Event& event, Task& task, Invocation& invocation) {
    task.errors += event.errors;
    if (invocation.cut_off && event.result != Status::SUCCESS)
      return end(invocation, Status::TIMED_OUT,
                 "stopped at the cut-off" + (event.why.empty() ? std::string() : ": " + event.why));
    end(invocation, event.result, event.why);
  }

  // What was known of it before stays said.
  void end(Invocation& invocation, Status status, std::string_view details) {
    invocation.status = status;
    add_words(invocation.details, details);
    invocation.finished_at = now_;
  }

  bool drop_waiting(Task& task, Status status, const char* why) {
    bool any = false;
    for (auto& invocation : task.invocations) {
      if (invocation.status != Status::PENDING) continue;
      end(invocation, status, why);
      any = true;
    }
    return any;
  }

  // Only what has not begun: what runs is let finish.
  void cancel() {
    if (execution_.cancel_wanted || has_ended(execution_.status)) return;
    execution_.cancel_wanted = true;
    for (auto& task : execution_.tasks) drop_waiting(task, Status::CANCELLED, kCancelled);
  }

  std::optional<std::uint32_t> priority_at_turn() const {
    std::optional<std::uint32_t> lowest;
    for (const auto& task : execution_.tasks)
      if (!has_ended(task.status) && (!lowest || task.priority < *lowest)) lowest = task.priority;
    return lowest;
  }

  bool begin_next(Task& task) {
    if (execution_.cut_off || execution_.cancel_wanted) return false;
    if (std::ranges::any_of(task.invocations, is_running)) return false;
    if (task.errors > task.errors_max) return drop_waiting(task, Status::FAILED, kOverBudget);
    const auto next = std::ranges::find(task.invocations, Status::PENDING, &Invocation::status);
    if (next == task.invocations.end()) return false;
    next->started_at = now_;
    if (!task.started_at) task.started_at = now_;
    if (next->targets == 0) {
      end(*next, Status::SUCCESS, kNobodyMatched);
      return true;
    }
    next->status = Status::IN_PROGRESS;
    step_.actions.push_back(
        {ActionKind::start, task.task_execution_id, next->invocation_id, "", task.errors_max - task.errors});
    return false;  // it moves when the answer comes
  }

  // What a task is, by what its invocations are. True where it has just ended.
  bool settle(Task& task) {
    if (has_ended(task.status)) return false;
    const bool over = std::ranges::all_of(task.invocations, [](const auto& i) { return has_ended(i.status); });
    const bool at_turn = priority_at_turn() == task.priority || execution_.cut_off || execution_.cancel_wanted;
    if (over && (at_turn || !task.invocations.empty())) {
      task.status = task.invocations.empty() && !task.details.empty() ? Status::FAILED : worst_of(task.invocations);
      if (task.invocations.empty() && task.details.empty()) task.details = kNobodyMatched;
      for (const auto& invocation : task.invocations)
        if (invocation.status == task.status && !invocation.details.empty() && task.status != Status::SUCCESS) {
          task.details = invocation.details;
          break;
        }
      if (task.status == Status::SUCCESS && task.details.empty()) task.details = nobody_in(task);
      task.finished_at = now_;
      return true;
    }
    const bool begun = std::ranges::any_of(task.invocations, [](const auto& i) { return i.started_at.has_value(); });
    const bool stopping = execution_.cancel_wanted || std::ranges::any_of(task.invocations, [](const auto& i) {
                            return i.status == Status::CANCELLING;
                          });
    task.status = !begun ? Status::PENDING : stopping ? Status::CANCELLING : Status::IN_PROGRESS;
    return false;
  }

  void settle_execution() {
    for (auto& task : execution_.tasks) settle(task);
    if (has_ended(execution_.status)) return;
    const auto& tasks = execution_.tasks;
    if (!std::ranges::all_of(tasks, [](const auto& t) { return has_ended(t.status); })) {
      const bool begun = std::ranges::any_of(tasks, [](const auto& t) { return t.started_at.has_value(); });
      execution_.status = execution_.cancel_wanted ? Status::CANCELLING : begun ? Status::IN_PROGRESS : Status::PENDING;
      return;
    }
    execution_.finished_at = now_;
    execution_.status = worst_of(tasks);
    const bool dropped = std::ranges::any_of(tasks, [](const auto& t) { return t.status == Status::CANCELLED; });
    if (execution_.cancel_wanted && dropped) execution_.status = Status::CANCELLED;
    if (tasks.empty()) return add_words(execution_.details, "the window has no tasks");
    const auto idle = std::ranges::count_if(tasks, ran_on_nobody);
    if (idle == std::ssize(tasks))
      add_words(execution_.details, "it ran on nobody: no node matched the targets of any task");
    else if (idle > 0)
      add_words(execution_.details, "no node matched the targets of " + std::to_string(idle) + " of its " +
                                        std::to_string(tasks.size()) + " tasks");
  }

  Execution& execution_;
  Instant now_;
  Step step_;
};

}  // namespace

bool has_ended(Status status) {
  switch (status) {
    case Status::PENDING:
    case Status::IN_PROGRESS:
    case Status::CANCELLING: return false;
    case Status::SUCCESS:
    case Status::FAILED:
    case Status::TIMED_OUT:
    case Status::CANCELLED:
    case Status::SKIPPED_OVERLAPPING: return true;
  }
  return true;
}

Step step(Execution& execution, std::span<const Event> events, Instant now) {
  Stepper stepper(execution, now);
  for (const auto& event : events) stepper.take(event);
  stepper.run_clock();
  stepper.go_on();
  return stepper.result();
}

}  // namespace belay::window
