#pragma once
// One document over many nodes: rate control, error budget, time-outs, cancelling (ssm.md §3.2). Pure: the caller keeps
// the state, carries out the actions, and comes back with what happened. docs/machines/command.md draws it.
//
// A document is one or more segments, one after another on each node. A segment goes
//   steps      waiting → steps → ended               what the node does by itself
//   a scan     waiting → scan → judge → ended
//   an install waiting → scan → judge → plan → patch → final_scan → final_judge → ended, ended early where nothing is
//                                                                                    wanted
// and where the caller says so (Event::next_segment) the first phase of another segment follows instead of the end.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace belay::command {

enum class Shape { steps, scan, install };
BOOST_DESCRIBE_ENUM(Shape, steps, scan, install)

enum class Phase { waiting, steps, scan, judge, plan, patch, final_scan, final_judge, ended };
BOOST_DESCRIBE_ENUM(Phase, waiting, steps, scan, judge, plan, patch, final_scan, final_judge, ended)

// SSM's StatusDetails of an invocation; those of the command besides.
enum class Details {
  Pending,
  InProgress,
  Success,
  DeliveryTimedOut,
  ExecutionTimedOut,
  Failed,
  Canceled,
  Cancelling,
  Undeliverable,
  Terminated,
  InvalidPlatform,
  AccessDenied,
  Incomplete,
  NoInstancesInTag,
};
BOOST_DESCRIBE_ENUM(Details, Pending, InProgress, Success, DeliveryTimedOut, ExecutionTimedOut, Failed, Canceled,
                    Cancelling, Undeliverable, Terminated, InvalidPlatform, AccessDenied, Incomplete, NoInstancesInTag)
// SSM's Status that goes with it: "Cancelled" for Canceled and Terminated, "TimedOut" for both time-outs, …
std::string_view status_of(Details details);
// Failed and ExecutionTimedOut only.
bool counts_as_error(Details details);

struct Timeouts {
  Duration delivery{3'600'000};  // an order not taken by then was never begun
  Duration scan{1'800'000};      // this and the others: from the node's taking it
  Duration plan{900'000};
  Duration patch{10'800'000};
};
BOOST_DESCRIBE_STRUCT(Timeouts, (), (delivery, scan, plan, patch))

inline constexpr std::uint32_t kSegmentsMax = 400;  // of one invocation

struct Segment {
  Shape shape = Shape::scan;
  Duration time{3'600'000};  // of steps: from the node's taking them
};
BOOST_DESCRIBE_STRUCT(Segment, (), (shape, time))

struct Settings {
  Segment first;
  std::uint32_t concurrency_max = 50;
  std::uint32_t errors_max = 0;
  Timeouts timeouts;
};
BOOST_DESCRIBE_STRUCT(Settings, (), (first, concurrency_max, errors_max, timeouts))

struct Invocation {
  std::string node_id;
  std::uint32_t segment = 0;           // counts them
  Segment doing;                       // what it is
  Phase phase = Phase::waiting;        // where it is in that
  Details details = Details::Pending;  // how it went
  bool taken = false;                  // the node has this phase's order
  bool order_done = false;             // scans: the order succeeded; the report may still be on its way
  bool scan_ready = false;             // and the report with its sets is here
  bool cancel_wanted = false;
  bool patch_failed = false;                                 // remembered over the final scan
  std::string why;                                           // for a person, of a failure
  std::string progress;                                      // the caller's own: how far its document came
  std::optional<Instant> started_at, finished_at, deadline;  // started_at: empty where nothing was begun on the node
};
BOOST_DESCRIBE_STRUCT(Invocation, (),
                      (node_id, segment, doing, phase, details, taken, order_done, scan_ready, cancel_wanted,
                       patch_failed, why, progress, started_at, finished_at, deadline))

struct Command {
  Settings settings;
  bool stopped = false;                 // the error budget is used up
  bool cancel_wanted = false;           // of the whole
  std::vector<Invocation> invocations;  // sorted by node
};

enum class EventKind {
  taken,          // the node acknowledged the order of `phase`, or told of it
  succeeded,      // the order of `phase` ended well
  failed,         // … badly; `why`
  timed_out,      // … by the node's own clock
  cancelled,      // … because it was asked to, or it was withdrawn before the node had it
  refused,        // the node, or the check before sending, refused: nothing was begun
  forbidden,      // the node's own policy does not allow it: nothing was begun
  scan_ready,     // the scan of `phase`'s order is in the store with its sets
  judged,         // answer to Action judge: `wanted` changes; `why` not empty: it cannot be judged
  undeliverable,  // the node is not there (any more)
  invalid_platform,
  cancel,  // an operator wants a stop; `node_id` empty: of all
};
BOOST_DESCRIBE_ENUM(EventKind, taken, succeeded, failed, timed_out, cancelled, refused, forbidden, scan_ready, judged,
                    undeliverable, invalid_platform, cancel)

struct Event {
  EventKind kind = EventKind::taken;
  std::string node_id;
  Phase phase = Phase::waiting;  // that the event is about; one of another phase than the present is passed over
  std::uint32_t wanted = 0;
  std::string why;
  std::uint32_t segment = 0;  // likewise
  // Where this event ends its segment: what follows. At most kSegmentsMax, so that every invocation ends.
  std::optional<Segment> next_segment{};
  // Where it ends the invocation: what went wrong in an earlier segment; it has Failed then, however this one went.
  std::string failed_before{};
};
BOOST_DESCRIBE_STRUCT(Event, (), (kind, node_id, phase, wanted, why, segment, next_segment, failed_before))

enum class ActionKind { send, judge, withdraw };
// send: the order of `phase` to the node. judge: the scan that came; answer with Event judged at once. withdraw: the
// order of `phase`; where the node never had it, answer with Event cancelled. All harmless twice.
struct Action {
  ActionKind kind = ActionKind::send;
  Phase phase = Phase::waiting;
  std::string node_id;
  std::uint32_t segment = 0;
  bool operator==(const Action&) const = default;
};

struct Step {
  std::vector<Action> actions;
  std::vector<std::size_t> changed;  // indexes of invocations that are not as they were; sorted, each once
  std::optional<Instant> wake_at;    // the earliest deadline; absent: only an event can change anything
  bool finished = false;             // every invocation has ended
};
// Takes the events in order, then the clock, then fills free slots. The same events again change nothing.
Step step(Command& command, std::span<const Event> events, Instant now);

struct Summary {
  Details details = Details::Pending;
  std::uint32_t targets = 0, completed = 0, errors = 0, delivery_timed_out = 0;
};
Summary summarize(const Command& command);

}  // namespace belay::command
