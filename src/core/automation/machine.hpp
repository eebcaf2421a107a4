#pragma once
// The machine of one automation: pure. The caller keeps the execution, carries out the actions, and comes back with
// what happened; docs/machines/automation.md draws it. Steps run one after the other and only ever forward.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/automation/requests.hpp"
#include "core/automation/runbook.hpp"

namespace belay::automation {

inline constexpr std::uint32_t kExecutionFormat = 1;
inline constexpr std::uint32_t kExecutionDepthMax = 8;  // automations within automations
inline constexpr std::size_t kOutputTextMax = 24'000;   // bytes kept of one text among a step's outputs
inline constexpr Duration kCancelGrace{600'000};        // for what a step began to say that it stopped

// SSM's, of executions and of steps.
enum class Status {
  Pending,
  InProgress,
  Waiting,  // for a person: an approval, a pause, the next step of an interactive execution
  Success,
  TimedOut,
  Cancelling,
  Cancelled,
  Failed,
  CompletedWithSuccess,  // stopped with Complete: what ran went well
  CompletedWithFailure,
};
BOOST_DESCRIBE_ENUM(Status, Pending, InProgress, Waiting, Success, TimedOut, Cancelling, Cancelled, Failed,
                    CompletedWithSuccess, CompletedWithFailure)
bool is_over(Status status);

enum class Mode { Auto, Interactive };
BOOST_DESCRIBE_ENUM(Mode, Auto, Interactive)

struct Decision {
  std::string who, comment;
  bool approved = false;
  Instant at{};
};
BOOST_DESCRIBE_STRUCT(Decision, (), (who, comment, approved, at))

struct StepRun {
  Status status = Status::Pending;  // Pending for ever: it was passed by
  std::uint32_t attempt = 0;        // from 1
  std::optional<Instant> started_at, finished_at, deadline;
  std::optional<Instant> wake_at;  // the end of a sleep, or when the next attempt begins
  json::Object inputs, outputs;    // inputs with references replaced
  std::string why;
  std::vector<Decision> decisions;  // of aws:approve
};
BOOST_DESCRIBE_STRUCT(StepRun, (),
                      (status, attempt, started_at, finished_at, deadline, wake_at, inputs, outputs, why, decisions))

struct Execution {
  std::uint32_t format = kExecutionFormat;
  std::string id, region;
  std::uint32_t depth = 0;  // of automations around it
  Mode mode = Mode::Auto;
  Status status = Status::Pending;
  std::optional<std::uint32_t> current;  // the step it is at
  bool may_start = false;                // interactive: somebody said so for `current`
  bool cancel_wanted = false, complete_wanted = false;
  bool cleaning = false;  // on the way that onCancel leads
  document::Values parameters;
  std::vector<StepRun> steps;  // one for each of the runbook's
  std::map<std::string, Texts> outputs;
  std::string why;
  std::optional<Instant> started_at, finished_at;
};
BOOST_DESCRIBE_STRUCT(Execution, (),
                      (format, id, region, depth, mode, status, current, may_start, cancel_wanted, complete_wanted,
                       cleaning, parameters, steps, outputs, why, started_at, finished_at))

// "InvalidAutomationExecutionParametersException" names the parameter.
Result<Execution> new_execution(const Runbook& runbook, std::string id, const document::GivenValues& given,
                                Mode mode = Mode::Auto);

enum class EventKind {
  begin,
  succeeded,  // what `step` began in `attempt` ended well; `outputs`
  failed,     // … badly; `why`
  timed_out,  // … by its own clock
  cancelled,  // … because it was asked to stop, or somebody stopped it
  approve,    // `who`, `comment`
  reject,
  resume,      // a pause is over
  start_step,  // interactive: the step may begin
  stop_step,   // the step is to stop; how it goes on is what its onFailure says
  cancel,      // StopAutomationExecution Cancel
  complete,    // … Complete: the step that runs is let finish, no further one begins
};
BOOST_DESCRIBE_ENUM(EventKind, begin, succeeded, failed, timed_out, cancelled, approve, reject, resume, start_step,
                    stop_step, cancel, complete)

struct Event {
  EventKind kind = EventKind::begin;
  std::string step;           // "" is the one it is at
  std::uint32_t attempt = 0;  // 0: of the present one; one of another attempt than the present is passed over
  json::Object outputs;
  std::string why, who, comment;
};
BOOST_DESCRIBE_STRUCT(Event, (), (kind, step, attempt, outputs, why, who, comment))

enum class ActionKind { send, withdraw };
// send: carry out `request` for (execution, step, attempt), once however often it is said; answer with succeeded,
// failed or timed_out (an Approve only tells the approvers: it is answered with failed where that cannot be, else not).
// withdraw: stop it; answer with cancelled, or with how it ended after all.
struct Action {
  ActionKind kind = ActionKind::send;
  std::string step;
  std::uint32_t attempt = 0;
  Request request;
};

struct Step {
  std::vector<Action> actions;
  std::vector<std::size_t> changed;  // indexes of steps that are not as they were
  std::optional<Instant> wake_at;
  bool finished = false;
};
// Takes the events in order, then the clock. The same events again change nothing.
Step step(const Runbook& runbook, Execution& execution, std::span<const Event> events, Instant now);

// How long after the attempt failed the next begins: 5 s, 10 s, … at most 5 min.
Duration back_off(std::uint32_t attempt);

}  // namespace belay::automation
