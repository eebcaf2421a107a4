#pragma once
// When an association runs, and on whom (ssm.md §3.3). Pure: the caller keeps the state, carries out the actions, and
// comes back with what happened. docs/machines/association.md draws it.
//
// A run is one command. A run of all nodes that match is *wanted* at once when the association is made or edited
// (unless ApplyOnlyAtCronInterval), when its schedule is due, when somebody asks; it *begins* when no calendar and no
// window holds it back and the run before has ended. Nodes that are new get runs of their own, side by side with it.
#include <boost/describe.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/association/settings.hpp"
#include "core/command/machine.hpp"
#include "core/schedule/window.hpp"

namespace belay::association {

// SSM's words, of a node, of an execution and of the whole.
enum class Status { Pending, InProgress, Success, Failed, TimedOut, Skipped, Cancelled };
BOOST_DESCRIBE_ENUM(Status, Pending, InProgress, Success, Failed, TimedOut, Skipped, Cancelled)
inline bool has_ended(Status status) { return status != Status::Pending && status != Status::InProgress; }

// What an invocation's end means for its node. A node that its turn never came to (the error budget, the cut-off) is
// Skipped; one that was not there in time is TimedOut.
Status node_status(command::Details details);
// The worst of the nodes': Failed, TimedOut, Cancelled, Skipped, then Success; `open` while one has not ended.
Status overall(std::span<const Status> nodes, Status open);

enum class Cause { created, edited, schedule, node, once };
BOOST_DESCRIBE_ENUM(Cause, created, edited, schedule, node, once)

inline constexpr std::size_t kNodeRunsMax = 10;  // at a time; who comes later waits for one to end

struct Run {
  std::string execution_id;
  Cause cause = Cause::created;
  Instant due_at{}, started_at{};
  std::vector<std::string> nodes;             // empty: all that match
  std::optional<Instant> cutoff_at, ends_at;  // nothing begins any more; everything is stopped
  bool cut_off = false, stopped = false;      // … and was
  bool of_all() const { return cause != Cause::node; }
};
BOOST_DESCRIBE_STRUCT(Run, (), (execution_id, cause, due_at, started_at, nodes, cutoff_at, ends_at, cut_off, stopped))

struct Want {
  Cause cause = Cause::created;
  Instant at{};
};
BOOST_DESCRIBE_STRUCT(Want, (), (cause, at))

struct State {
  std::int64_t version = 0;  // of the settings it goes by
  bool deleted = false;
  std::optional<Instant> due;       // the schedule's next
  std::optional<Want> want;         // a run of all that has not begun
  std::optional<Instant> asked_at;  // of the last request that was taken in
  std::vector<std::string> nodes;   // new ones that wait
  std::vector<Run> runs;            // under way
  std::string held;                 // why what is wanted does not begin; for a person
};
BOOST_DESCRIBE_STRUCT(State, (), (version, deleted, due, want, asked_at, nodes, runs, held))

// What lies around an association at this time.
struct Hold {
  std::string why;               // "the change calendar freeze is closed (year's end)"
  std::optional<Instant> until;  // when to look again; nothing: nobody knows
};
struct Around {
  std::vector<Hold> holds;                   // calendars that are closed now, a window that is gone
  bool in_window = false;                    // it has a window
  std::optional<schedule::Opening> opening;  // of the window, now …
  std::optional<Instant> window_opens;       // … and next
  std::function<std::optional<Instant>(Instant after)> next_due;  // of the schedule; of the window where it has none
};

enum class EventKind {
  changed,  // made or edited: `version`
  once,     // somebody asks for a run
  nodes,    // new matching ones: `nodes`
  refresh,  // matching ones that ask for it themselves: `nodes`
  ended,    // the run `execution_id` has
  deleted,
};
BOOST_DESCRIBE_ENUM(EventKind, changed, once, nodes, refresh, ended, deleted)
struct Event {
  EventKind kind = EventKind::once;
  Instant at{};
  std::int64_t version = 0;
  std::vector<std::string> nodes;
  std::string execution_id;
};
BOOST_DESCRIBE_STRUCT(Event, (), (kind, at, version, nodes, execution_id))

enum class ActionKind {
  start,         // `run` as it stands in the state; where it cannot be started, come back with Event ended
  skip,          // the schedule was due at `run.due_at` and nothing is done; `why`
  stop_waiting,  // what of the run has not begun on its node
  stop_all,
};
struct Action {
  ActionKind kind = ActionKind::start;
  Run run;
  std::string why;
};
struct Step {
  std::vector<Action> actions;
  std::optional<Instant> wake_at;
  bool finished = false;  // deleted, and nothing runs any more
};
// Takes the events in order, then the clock, then begins what may begin. The same events again change nothing.
Step step(State& state, const Settings& settings, const Around& around, std::span<const Event> events, Instant now,
          const std::function<std::string()>& new_id);

}  // namespace belay::association
