#pragma once
// The machine of one document on one node: pure. Its driver (the agent) saves the run, durably, before it does what
// step() says, and comes back with what became of it. docs/machines/document.md draws it.
//
// Steps run in order. A step that fails does not stop those after it unless it says so (onFailure), as in SSM; a step
// that never ran never counts as success. The finally step runs whatever happened, after a cancel too.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/document/steps.hpp"

namespace belay::document {

inline constexpr std::uint32_t kRunFormat = 1;
inline constexpr std::int32_t kRebootExitCode = 194;
// A step may leave its document by itself, as SSM's documents do: well, or as a failure.
inline constexpr std::int32_t kLeaveWithSuccess = 168, kLeaveWithFailure = 169;
inline constexpr std::uint32_t kRebootsMax = 8;  // of one step; one that asks again turns in a circle

enum class StepStatus { Pending, InProgress, Rebooting, Success, Failed, TimedOut, Cancelled, Skipped };
BOOST_DESCRIBE_ENUM(StepStatus, Pending, InProgress, Rebooting, Success, Failed, TimedOut, Cancelled, Skipped)

struct StepRun {
  StepStatus status = StepStatus::Pending;
  std::int32_t exit_code = -1;  // of its last run; -1: it did not end by itself
  std::uint32_t reboots = 0;    // asked for by this step
  std::string why;              // for a person: of a failure, or why it was passed over
  std::optional<Instant> started_at, finished_at;
};
BOOST_DESCRIBE_STRUCT(StepRun, (), (status, exit_code, reboots, why, started_at, finished_at))

struct Run {
  std::uint32_t format = kRunFormat;
  bool cancel_wanted = false;
  std::vector<StepRun> steps;  // one for each step, inner ones too
};
BOOST_DESCRIBE_STRUCT(Run, (), (format, cancel_wanted, steps))
Run new_run(std::span<const Step> steps);

enum class EventKind {
  begin,
  exited,     // the step in progress ended by itself; `exit_code`
  timed_out,  // it ran out of its time and was stopped
  failed,     // it could not be run, or was ended from outside; `why`
  cancelled,  // it was stopped because somebody asked
  cancel,     // somebody asks
  restarted,  // the driver found this run; the machine is the one it ran on before, still up
  rebooted,   // the same, after another boot
};
BOOST_DESCRIBE_ENUM(EventKind, begin, exited, timed_out, failed, cancelled, cancel, restarted, rebooted)

struct Event {
  EventKind kind = EventKind::begin;
  std::int32_t exit_code = 0;
  std::string why;
};

enum class ActionKind {
  execute,  // the step `index`
  stop,     // the step `index`, which runs: answer with `cancelled`, or with how it ended after all
  reboot,   // the machine, for the step `index`, which is run again after it
  finish,   // nothing is left; summarize() says how it went
  wait,     // the step `index` runs
};
BOOST_DESCRIBE_ENUM(ActionKind, execute, stop, reboot, finish, wait)
struct Action {
  ActionKind kind = ActionKind::finish;
  std::size_t index = 0;
  bool operator==(const Action&) const = default;
};

// Takes the event and says what to do now. An event that does not fit the state changes nothing.
Action step(std::span<const Step> steps, Run& run, const Event& event, Instant now);

// A local document, read by the node, takes the place behind the step that runs it (which is in progress). Afterwards
// step() goes on with {begin}. resource_exhausted where it would be more than kStepsMax.
Status splice(std::vector<Step>& steps, Run& run, std::size_t index, std::vector<Step> inner);

struct Summary {
  StepStatus status = StepStatus::Pending;  // InProgress, Success, Failed, TimedOut, Cancelled
  std::int32_t exit_code = 0;               // of the step that decided the status; else of the last that ran
  std::string why;                          // "step NAME: …" of the first that failed
};
Summary summarize(std::span<const Step> steps, const Run& run);

// What the API shows of a document: its own steps, inner documents folded into the step that runs them.
struct StepReport {
  std::string name, action;
  StepRun run;
  std::vector<std::size_t> outputs;  // indexes of the steps whose output is this one's, in order
};
std::vector<StepReport> report(std::span<const Step> steps, const Run& run);

}  // namespace belay::document
