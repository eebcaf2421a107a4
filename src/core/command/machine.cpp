#include "core/command/machine.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "core/command/rate.hpp"

namespace belay::command {
namespace {

// ---- the table: what an event does in a phase. A pair that is not here changes nothing (late, repeated).
enum class Turn {
  note_taken,
  next,
  note_done,
  note_ready,
  end_success,
  end_failed,
  end_timed_out,
  end_denied,
  end_cancelled,
  after_judge,
  after_final_judge,
  patch_ended_well,
  patch_ended_badly,
};
struct Row {
  Phase phase;
  EventKind event;
  Turn turn;
};
constexpr Row kRows[] = {
    {Phase::steps, EventKind::taken, Turn::note_taken},
    {Phase::steps, EventKind::succeeded, Turn::end_success},
    {Phase::steps, EventKind::failed, Turn::end_failed},
    {Phase::steps, EventKind::refused, Turn::end_failed},
    {Phase::steps, EventKind::forbidden, Turn::end_denied},
    {Phase::steps, EventKind::timed_out, Turn::end_timed_out},
    {Phase::steps, EventKind::cancelled, Turn::end_cancelled},
    {Phase::scan, EventKind::taken, Turn::note_taken},
    {Phase::scan, EventKind::succeeded, Turn::note_done},
    {Phase::scan, EventKind::scan_ready, Turn::note_ready},
    {Phase::scan, EventKind::failed, Turn::end_failed},
    {Phase::scan, EventKind::refused, Turn::end_failed},
    {Phase::scan, EventKind::forbidden, Turn::end_denied},
    {Phase::scan, EventKind::timed_out, Turn::end_timed_out},
    {Phase::scan, EventKind::cancelled, Turn::end_cancelled},
    {Phase::judge, EventKind::judged, Turn::after_judge},
    {Phase::plan, EventKind::taken, Turn::note_taken},
    {Phase::plan, EventKind::succeeded, Turn::next},
    {Phase::plan, EventKind::failed, Turn::end_failed},
    {Phase::plan, EventKind::refused, Turn::end_failed},
    {Phase::plan, EventKind::forbidden, Turn::end_denied},
    {Phase::plan, EventKind::timed_out, Turn::end_timed_out},
    {Phase::plan, EventKind::cancelled, Turn::end_cancelled},
    {Phase::patch, EventKind::taken, Turn::note_taken},
    {Phase::patch, EventKind::succeeded, Turn::patch_ended_well},
    {Phase::patch, EventKind::failed, Turn::patch_ended_badly},
    {Phase::patch, EventKind::timed_out, Turn::patch_ended_badly},
    {Phase::patch, EventKind::refused, Turn::end_failed},
    {Phase::patch, EventKind::forbidden, Turn::end_denied},
    {Phase::patch, EventKind::cancelled, Turn::end_cancelled},
    {Phase::final_scan, EventKind::taken, Turn::note_taken},
    {Phase::final_scan, EventKind::succeeded, Turn::note_done},
    {Phase::final_scan, EventKind::scan_ready, Turn::note_ready},
    {Phase::final_scan, EventKind::failed, Turn::end_failed},
    {Phase::final_scan, EventKind::refused, Turn::end_failed},
    {Phase::final_scan, EventKind::forbidden, Turn::end_failed},
    {Phase::final_scan, EventKind::timed_out, Turn::end_timed_out},
    {Phase::final_scan, EventKind::cancelled, Turn::end_failed},
    {Phase::final_judge, EventKind::judged, Turn::after_final_judge},
};

Phase first_phase(Shape shape) { return shape == Shape::steps ? Phase::steps : Phase::scan; }

Phase next_phase(Phase phase) {
  switch (phase) {
    case Phase::scan: return Phase::judge;
    case Phase::judge: return Phase::plan;
    case Phase::plan: return Phase::patch;
    case Phase::patch: return Phase::final_scan;
    case Phase::final_scan: return Phase::final_judge;
    case Phase::waiting:
    case Phase::steps:
    case Phase::final_judge:
    case Phase::ended: break;
  }
  assertion_failed("a phase follows", __FILE__, __LINE__);
}

bool is_judging(Phase phase) { return phase == Phase::judge || phase == Phase::final_judge; }
bool is_running(const Invocation& invocation) {
  return invocation.phase != Phase::waiting && invocation.phase != Phase::ended;
}

Duration time_for(const Settings& settings, const Invocation& invocation) {
  const Timeouts& timeouts = settings.timeouts;
  switch (invocation.phase) {
    case Phase::steps: return invocation.doing.time;
    case Phase::plan: return timeouts.plan;
    case Phase::patch: return timeouts.patch;
    case Phase::scan:
    case Phase::judge:
    case Phase::final_scan:
    case Phase::final_judge: return timeouts.scan;
    case Phase::waiting:
    case Phase::ended: break;
  }
  assertion_failed("the phase takes time", __FILE__, __LINE__);
}

std::string_view name_of(Phase phase) { return boost::describe::enum_to_string(phase, "?"); }

// One call of step(): collects what comes of it.
class Stepper {
 public:
  Stepper(Command& command, Instant now) : command_(command), now_(now), touched_(command.invocations.size(), false) {}

  void take(const Event& event) {
    if (event.kind == EventKind::cancel && event.node_id.empty()) {
      command_.cancel_wanted = true;
      for (auto& invocation : command_.invocations) cancel(invocation);
      return;
    }
    Invocation* invocation = find(event.node_id);
    if (!invocation || invocation->phase == Phase::ended) return;
    switch (event.kind) {
      case EventKind::cancel: return cancel(*invocation);
      case EventKind::undeliverable: return end(*invocation, Details::Undeliverable, event.why);
      case EventKind::invalid_platform: return end(*invocation, Details::InvalidPlatform, event.why);
      default: break;
    }
    if (event.phase != invocation->phase || event.segment != invocation->segment) return;
    for (const auto& row : kRows)
      if (row.phase == event.phase && row.event == event.kind) return turn(*invocation, row.turn, event);
  }

  void run_clock() {
    for (auto& invocation : command_.invocations) {
      if (!is_running(invocation) || !invocation.deadline || *invocation.deadline > now_) continue;
      act(ActionKind::withdraw, invocation);
      const bool never_begun = !invocation.taken && invocation.segment == 0 &&
                               invocation.phase == first_phase(command_.settings.first.shape);
      if (never_begun) end(invocation, Details::DeliveryTimedOut, "the node did not take the order in time");
      else if (!invocation.taken)
        end(invocation, Details::ExecutionTimedOut,
            "the node was lost before its " + std::string(name_of(invocation.phase)) + " could begin");
      else
        end(invocation, Details::ExecutionTimedOut,
            "the " + std::string(name_of(invocation.phase)) + " did not end in its time");
    }
  }

  void keep_budget() {
    if (!command_.stopped && summarize(command_).errors > command_.settings.errors_max) command_.stopped = true;
    if (!command_.stopped) return;
    for (auto& invocation : command_.invocations)
      if (invocation.phase == Phase::waiting)
        end(invocation, Details::Terminated, "the command had more errors than MaxErrors before this node's turn");
  }

  void fill_slots() {
    auto running = static_cast<std::uint32_t>(std::ranges::count_if(command_.invocations, is_running));
    std::uint32_t begun = 0;
    for (auto& invocation : command_.invocations) {
      if (running >= command_.settings.concurrency_max) return;
      if (invocation.phase != Phase::waiting) continue;
      if (begun == kBegunAtOnce) {
        step_.wake_at = now_;
        return;
      }
      enter(invocation, first_phase(command_.settings.first.shape));
      ++running;
      ++begun;
    }
  }

  Step result() {
    step_.finished = true;
    for (std::size_t i = 0; i < command_.invocations.size(); ++i) {
      const auto& invocation = command_.invocations[i];
      if (touched_[i]) step_.changed.push_back(i);
      if (invocation.phase != Phase::ended) step_.finished = false;
      if (is_running(invocation) && invocation.deadline && (!step_.wake_at || *invocation.deadline < *step_.wake_at))
        step_.wake_at = invocation.deadline;
    }
    return std::move(step_);
  }

 private:
  Invocation* find(const std::string& node_id) {
    const auto at = std::ranges::lower_bound(command_.invocations, node_id, {}, &Invocation::node_id);
    return at != command_.invocations.end() && at->node_id == node_id ? &*at : nullptr;
  }

  void touch(const Invocation& invocation) {
    touched_[static_cast<std::size_t>(&invocation - command_.invocations.data())] = true;
  }

  void act(ActionKind kind, const Invocation& invocation) {
    step_.actions.push_back({kind, invocation.phase, invocation.node_id, invocation.segment});
  }

  void enter(Invocation& invocation, Phase phase) {
    touch(invocation);
    if (invocation.phase == Phase::waiting) invocation.doing = command_.settings.first;
    if (!invocation.started_at) invocation.started_at = now_;
    if (!invocation.cancel_wanted) invocation.details = Details::InProgress;
    invocation.phase = phase;
    invocation.taken = is_judging(phase);
    invocation.order_done = invocation.scan_ready = false;
    invocation.deadline =
        now_ + (is_judging(phase) ? time_for(command_.settings, invocation) : command_.settings.timeouts.delivery);
    act(is_judging(phase) ? ActionKind::judge : ActionKind::send, invocation);
  }

  // Nothing was done on the node, though its order was sent: such an invocation has no start.
  static bool never_began(const Invocation& invocation, Details details) {
    if (invocation.segment > 0 || invocation.phase != first_phase(invocation.doing.shape)) return false;
    return details == Details::DeliveryTimedOut || details == Details::InvalidPlatform ||
           details == Details::AccessDenied || (details == Details::Undeliverable && !invocation.taken);
  }

  void end(Invocation& invocation, Details details, std::string why) {
    touch(invocation);
    if (never_began(invocation, details)) invocation.started_at.reset();
    // Whatever became of the scan after it, a failed patch is what people must hear of.
    if (invocation.patch_failed) details = Details::Failed, why = invocation.why;
    invocation.phase = Phase::ended;
    invocation.details = details;
    invocation.why = std::move(why);
    invocation.finished_at = now_;
    invocation.deadline.reset();
  }

  // The segment is over: the next one that the caller named, else the end. Whoever wanted a stop gets it in between.
  void finish(Invocation& invocation, Details details, std::string why, const Event& event) {
    if (!event.next_segment && details == Details::Success && !event.failed_before.empty())
      return end(invocation, Details::Failed, event.failed_before);
    if (!event.next_segment) return end(invocation, details, std::move(why));
    if (invocation.cancel_wanted) return end(invocation, Details::Canceled, "cancelled between two steps");
    if (invocation.segment + 1 >= kSegmentsMax)
      return end(invocation, Details::Failed, "its document never comes to an end");
    ++invocation.segment;
    invocation.doing = *event.next_segment;
    invocation.patch_failed = false;
    invocation.why.clear();
    enter(invocation, first_phase(invocation.doing.shape));
  }

  // Goes on, unless somebody wanted a stop and nothing was changed yet.
  void go_on(Invocation& invocation) {
    const Phase next = next_phase(invocation.phase);
    const bool changes_nothing_yet = next == Phase::judge || next == Phase::plan || next == Phase::patch;
    if (invocation.cancel_wanted && changes_nothing_yet)
      return end(invocation, Details::Canceled, "cancelled before anything was changed");
    enter(invocation, next);
  }

  void cancel(Invocation& invocation) {
    if (invocation.phase == Phase::ended || invocation.cancel_wanted) return;
    touch(invocation);
    invocation.cancel_wanted = true;
    if (invocation.phase == Phase::waiting) return end(invocation, Details::Canceled, "cancelled before it began");
    invocation.details = Details::Cancelling;
    // What comes after the patch only looks at the node; it is let finish.
    if (invocation.phase != Phase::final_scan && !is_judging(invocation.phase)) act(ActionKind::withdraw, invocation);
  }

  void turn(Invocation& invocation, Turn turn, const Event& event) {
    const Phase phase = invocation.phase;
    switch (turn) {
      case Turn::note_taken: return note_taken(invocation);
      case Turn::next: return go_on(invocation);
      case Turn::note_done: return note_half(invocation, invocation.order_done);
      case Turn::note_ready: return note_half(invocation, invocation.scan_ready);
      case Turn::end_success: return finish(invocation, Details::Success, "", event);
      case Turn::end_failed:
        return finish(invocation, Details::Failed,
                      phase == Phase::final_scan ? "patched, but the scan after it failed: " + event.why : event.why,
                      event);
      case Turn::end_timed_out: return finish(invocation, Details::ExecutionTimedOut, event.why, event);
      case Turn::end_denied: return finish(invocation, Details::AccessDenied, event.why, event);
      case Turn::end_cancelled: return end(invocation, Details::Canceled, event.why);
      case Turn::after_judge: return after_judge(invocation, event);
      case Turn::after_final_judge: return after_final_judge(invocation, event);
      case Turn::patch_ended_well: return enter(invocation, Phase::final_scan);
      case Turn::patch_ended_badly:
        enter(invocation, Phase::final_scan);
        invocation.patch_failed = true;
        invocation.why = event.why;
        return;
    }
  }

  void note_taken(Invocation& invocation) {
    if (invocation.taken) return;
    touch(invocation);
    invocation.taken = true;
    invocation.deadline = now_ + time_for(command_.settings, invocation);
  }

  // A scan is there when its order succeeded and its report came, in either order.
  void note_half(Invocation& invocation, bool& half) {
    note_taken(invocation);
    touch(invocation);
    half = true;
    if (invocation.order_done && invocation.scan_ready) go_on(invocation);
  }

  void after_judge(Invocation& invocation, const Event& event) {
    if (!event.why.empty()) return finish(invocation, Details::Failed, event.why, event);
    const Shape shape = invocation.doing.shape;
    if (shape == Shape::scan || event.wanted == 0) return finish(invocation, Details::Success, "", event);
    go_on(invocation);
  }

  void after_final_judge(Invocation& invocation, const Event& event) {
    if (invocation.patch_failed) return finish(invocation, Details::Failed, "", event);
    if (!event.why.empty())
      return finish(invocation, Details::Failed, "patched, but it cannot be judged now: " + event.why, event);
    finish(invocation, Details::Success, "", event);
  }

  Command& command_;
  Instant now_;
  std::vector<bool> touched_;
  Step step_;
};

}  // namespace

std::string_view status_of(Details details) {
  switch (details) {
    case Details::Pending: return "Pending";
    case Details::InProgress: return "InProgress";
    case Details::Success:
    case Details::NoInstancesInTag: return "Success";
    case Details::Canceled:
    case Details::Terminated: return "Cancelled";
    case Details::Cancelling: return "Cancelling";
    case Details::DeliveryTimedOut:
    case Details::ExecutionTimedOut: return "TimedOut";
    case Details::Failed:
    case Details::Undeliverable:
    case Details::InvalidPlatform:
    case Details::AccessDenied:
    case Details::Incomplete: return "Failed";
  }
  return "Failed";
}

bool counts_as_error(Details details) { return details == Details::Failed || details == Details::ExecutionTimedOut; }

Step step(Command& command, std::span<const Event> events, Instant now) {
  Stepper stepper(command, now);
  for (const auto& event : events) stepper.take(event);
  stepper.run_clock();
  stepper.keep_budget();
  stepper.fill_slots();
  return stepper.result();
}

Summary summarize(const Command& command) {
  Summary summary;
  std::uint32_t succeeded = 0, begun = 0;
  for (const auto& invocation : command.invocations) {
    ++summary.targets;
    if (invocation.phase != Phase::waiting) ++begun;
    if (invocation.phase != Phase::ended) continue;
    ++summary.completed;
    if (counts_as_error(invocation.details)) ++summary.errors;
    if (invocation.details == Details::DeliveryTimedOut) ++summary.delivery_timed_out;
    if (invocation.details == Details::Success) ++succeeded;
  }
  const bool over = summary.completed == summary.targets;
  if (summary.targets == 0) summary.details = Details::NoInstancesInTag;
  else if (!over)
    summary.details = command.cancel_wanted ? Details::Cancelling : begun > 0 ? Details::InProgress : Details::Pending;
  else if (succeeded == summary.targets) summary.details = Details::Success;
  else if (command.stopped || summary.errors > command.settings.errors_max) summary.details = Details::Failed;
  else if (command.cancel_wanted) summary.details = Details::Canceled;
  else if (summary.delivery_timed_out == summary.targets) summary.details = Details::DeliveryTimedOut;
  else summary.details = Details::Incomplete;
  return summary;
}

}  // namespace belay::command
