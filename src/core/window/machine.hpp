#pragma once
// One execution of a maintenance window (ssm.md §2), over the window as it was when it opened. Pure: the caller keeps
// the state, carries out the actions, and comes back with what happened. docs/machines/window.md draws it.
//
// Tasks of equal priority run side by side; the next priority begins when all of the earlier have ended. Within a task
// its invocations (one a window target) run one after another. After the cut-off nothing begins.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace belay::window {

inline constexpr std::string_view kNobodyMatches = "no node matches its targets";  // before it runs
inline constexpr std::string_view kNobodyMatched = "no node matched its targets";  // an invocation without nodes

// SSM's words, for the execution, its tasks and their invocations alike.
enum class Status { PENDING, IN_PROGRESS, SUCCESS, FAILED, TIMED_OUT, CANCELLING, CANCELLED, SKIPPED_OVERLAPPING };
BOOST_DESCRIBE_ENUM(Status, PENDING, IN_PROGRESS, SUCCESS, FAILED, TIMED_OUT, CANCELLING, CANCELLED,
                    SKIPPED_OVERLAPPING)
bool has_ended(Status status);

enum class TaskType { RUN_COMMAND, AUTOMATION };
BOOST_DESCRIBE_ENUM(TaskType, RUN_COMMAND, AUTOMATION)
enum class CutoffBehavior { CONTINUE_TASK, CANCEL_TASK };
BOOST_DESCRIBE_ENUM(CutoffBehavior, CONTINUE_TASK, CANCEL_TASK)

// One window target of a task; what it starts is its child: a command or an automation.
struct Invocation {
  std::string invocation_id;
  std::uint32_t targets = 0;  // nodes
  Status status = Status::PENDING;
  std::string details;   // for a person
  std::string child_id;  // "" until it was started
  bool cut_off = false;  // its child was asked to stop by the cut-off
  std::optional<Instant> started_at, finished_at;
  bool operator==(const Invocation&) const = default;
};
BOOST_DESCRIBE_STRUCT(Invocation, (),
                      (invocation_id, targets, status, details, child_id, cut_off, started_at, finished_at))

struct Task {
  std::string task_execution_id;
  TaskType type = TaskType::RUN_COMMAND;
  std::uint32_t priority = 0;  // lowest first
  CutoffBehavior cutoff_behavior = CutoffBehavior::CONTINUE_TASK;
  std::uint32_t errors_max = 0;  // one more, over all invocations, and no further one begins
  std::uint32_t errors = 0;
  Status status = Status::PENDING;
  std::string details;
  std::optional<Instant> started_at, finished_at;
  std::vector<Invocation> invocations;  // in the order they run
  bool operator==(const Task&) const = default;
};
BOOST_DESCRIBE_STRUCT(Task, (),
                      (task_execution_id, type, priority, cutoff_behavior, errors_max, errors, status, details,
                       started_at, finished_at, invocations))

struct Execution {
  Instant cutoff_at{};
  bool cut_off = false;        // the cut-off has been
  bool cancel_wanted = false;  // by an operator
  Status status = Status::PENDING;
  std::string details;
  std::optional<Instant> finished_at;
  std::vector<Task> tasks;
  bool operator==(const Execution&) const = default;
};
BOOST_DESCRIBE_STRUCT(Execution, (), (cutoff_at, cut_off, cancel_wanted, status, details, finished_at, tasks))

enum class EventKind {
  started,  // answer to Action start: the child is there; `child_id`
  refused,  // answer to Action start: it cannot be; `why`
  ended,    // the child has ended as `result`, with `errors`; `why` says more
  cancel,   // an operator wants a stop
};
BOOST_DESCRIBE_ENUM(EventKind, started, refused, ended, cancel)

struct Event {
  EventKind kind = EventKind::ended;
  std::string invocation_id;
  std::string child_id;
  Status result = Status::SUCCESS;  // SUCCESS, FAILED, TIMED_OUT or CANCELLED
  std::uint32_t errors = 0;
  std::string why;
};
BOOST_DESCRIBE_STRUCT(Event, (), (kind, invocation_id, child_id, result, errors, why))

enum class ActionKind { start, cancel_child };
// start: the invocation's child, with what is left of the task's errors; answer at once with started or refused.
// cancel_child: ask it to stop; it tells its end like any other. Both harmless twice.
struct Action {
  ActionKind kind = ActionKind::start;
  std::string task_execution_id, invocation_id, child_id;
  std::uint32_t errors_left = 0;
  bool operator==(const Action&) const = default;
};

struct Step {
  std::vector<Action> actions;
  std::optional<Instant> wake_at;  // the cut-off, while it can still change something
  bool finished = false;           // every task has ended
};
// Takes the events in order, then the clock, then begins what may begin. The same events again change nothing.
Step step(Execution& execution, std::span<const Event> events, Instant now);

}  // namespace belay::window
