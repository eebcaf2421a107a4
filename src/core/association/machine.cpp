#include "core/association/machine.hpp"

#include <algorithm>
#include <utility>

namespace belay::association {
namespace {

constexpr Duration kHour{3'600'000};
constexpr Duration kLookAgain{3'600'000};  // calendars and windows may be edited, too

class Turn {
 public:
  Turn(State& state, const Settings& settings, const Around& around, Instant now,
       const std::function<std::string()>& new_id)
      : state_(state), settings_(settings), around_(around), now_(now), new_id_(new_id) {}

  void take(const Event& event) {
    switch (event.kind) {
      case EventKind::changed: return take_change(event);
      case EventKind::once: return take_request(event);
      case EventKind::nodes:
        if (!settings_.only_at_schedule) take_nodes(event);  // else their time is the schedule's
        return;
      case EventKind::refresh: return take_nodes(event);
      case EventKind::ended:
        std::erase_if(state_.runs, [&](const Run& run) { return run.execution_id == event.execution_id; });
        return;
      case EventKind::deleted: return take_deletion();
    }
  }

  void run_clock() {
    if (!state_.deleted) take_due();
    for (auto& run : state_.runs) {
      if (run.ends_at && *run.ends_at <= now_) stop(run, true, "its Duration is over");
      else if (run.cutoff_at && *run.cutoff_at <= now_) stop(run, false, "the cut-off has come");
    }
  }

  void begin() {
    state_.held.clear();
    if (state_.deleted || (!state_.want && state_.nodes.empty())) return;
    if (!may_begin()) return;
    if (state_.want && !run_of_all()) {
      const Want want = *state_.want;
      state_.want.reset();
      state_.nodes.clear();  // they are among all
      return start(want.cause, want.at, {});
    }
    const auto node_runs = std::ranges::count_if(state_.runs, [](const Run& run) { return !run.of_all(); });
    if (state_.nodes.empty() || static_cast<std::size_t>(node_runs) >= kNodeRunsMax) return;
    start(Cause::node, now_, std::exchange(state_.nodes, {}));
  }

  Step result() {
    step_.finished = state_.deleted && state_.runs.empty();
    if (!state_.deleted) wake(state_.due);
    for (const auto& run : state_.runs) {
      if (!run.cut_off) wake(run.cutoff_at);
      if (!run.stopped) wake(run.ends_at);
    }
    if (!state_.held.empty()) wake(look_again_);
    return std::move(step_);
  }

 private:
  void take_change(const Event& event) {
    if (event.version <= state_.version) return;
    const bool first = state_.version == 0;
    state_.version = event.version;
    state_.due = around_.next_due ? around_.next_due(event.at) : std::nullopt;
    state_.want.reset();
    state_.nodes.clear();
    for (auto& run : state_.runs) stop(run, false, "the association was edited");
    if (!settings_.only_at_schedule) state_.want = Want{first ? Cause::created : Cause::edited, event.at};
  }

  void take_request(const Event& event) {
    if (state_.asked_at && event.at <= *state_.asked_at) return;
    state_.asked_at = event.at;
    if (!state_.want) state_.want = Want{Cause::once, event.at};
  }

  void take_nodes(const Event& event) {
    for (const auto& node : event.nodes) {
      const bool known = std::ranges::find(state_.nodes, node) != state_.nodes.end() ||
                         std::ranges::any_of(state_.runs, [&](const Run& run) {
                           return !run.of_all() && std::ranges::find(run.nodes, node) != run.nodes.end();
                         });
      if (!known) state_.nodes.push_back(node);
    }
  }

  void take_deletion() {
    state_.deleted = true;
    state_.want.reset();
    state_.due.reset();
    state_.nodes.clear();
    for (auto& run : state_.runs) stop(run, false, "the association was deleted");
  }

  // Of several that passed while no server was running, the last counts.
  void take_due() {
    // A window's openings move when the window is edited.
    if (!state_.due || *state_.due > now_) {
      if (state_.due && around_.next_due) state_.due = around_.next_due(now_);
      return;
    }
    const Instant due = *state_.due;
    state_.due = around_.next_due ? around_.next_due(now_) : std::nullopt;
    const Run* under_way = run_of_all();
    if (!under_way) {
      if (!state_.want) state_.want = Want{Cause::schedule, due};
      return;
    }
    Run skipped;
    skipped.execution_id = new_id_();
    skipped.cause = Cause::schedule;
    skipped.due_at = skipped.started_at = due;
    step_.actions.push_back(
        {ActionKind::skip, skipped,
         "the execution " + under_way->execution_id + " of " + to_iso8601(under_way->due_at) + " was still running"});
  }

  void stop(Run& run, bool all, std::string why) {
    if (run.stopped || (run.cut_off && !all)) return;
    run.cut_off = true;
    run.stopped = all;
    step_.actions.push_back({all ? ActionKind::stop_all : ActionKind::stop_waiting, run, std::move(why)});
  }

  bool may_begin() {
    look_again_ = now_ + kLookAgain;
    for (const auto& hold : around_.holds) {
      state_.held += (state_.held.empty() ? "" : "; ") + hold.why;
      if (hold.until && *hold.until > now_) look_again_ = std::min(*look_again_, *hold.until);
    }
    if (!state_.held.empty()) return false;
    if (!around_.in_window || cutoff_in_window() > now_) return true;
    state_.held = around_.opening ? "the maintenance window is past its cut-off" : "the maintenance window is not open";
    if (around_.window_opens && *around_.window_opens > now_)
      look_again_ = std::min(*look_again_, *around_.window_opens);
    return false;
  }

  // The time before which it may begin in the window that is open; far behind where none is.
  Instant cutoff_in_window() {
    if (!around_.opening) return Instant::min();
    return settings_.cutoff_hours ? around_.opening->closes - *settings_.cutoff_hours * kHour : around_.opening->cutoff;
  }

  void start(Cause cause, Instant due, std::vector<std::string> nodes) {
    Run run;
    run.execution_id = new_id_();
    run.cause = cause;
    run.due_at = due;
    run.started_at = now_;
    run.nodes = std::move(nodes);
    if (around_.in_window) run.cutoff_at = cutoff_in_window();
    if (settings_.duration_hours) {
      run.ends_at = now_ + *settings_.duration_hours * kHour;
      if (settings_.cutoff_hours) {
        const Instant cutoff = *run.ends_at - *settings_.cutoff_hours * kHour;
        run.cutoff_at = std::min(run.cutoff_at.value_or(cutoff), cutoff);
      }
    }
    step_.actions.push_back({ActionKind::start, run, ""});
    state_.runs.push_back(std::move(run));
  }

  const Run* run_of_all() const {
    const auto found = std::ranges::find_if(state_.runs, [](const Run& run) { return run.of_all(); });
    return found == state_.runs.end() ? nullptr : &*found;
  }

  void wake(const std::optional<Instant>& at) {
    if (at && (!step_.wake_at || *at < *step_.wake_at)) step_.wake_at = at;
  }

  State& state_;
  const Settings& settings_;
  const Around& around_;
  const Instant now_;
  const std::function<std::string()>& new_id_;
  std::optional<Instant> look_again_;
  Step step_;
};

}  // namespace

Status node_status(command::Details details) {
  using enum command::Details;
  switch (details) {
    case Pending: return Status::Pending;
    case InProgress:
    case Cancelling: return Status::InProgress;
    case Success: return Status::Success;
    case DeliveryTimedOut:
    case ExecutionTimedOut: return Status::TimedOut;
    case Canceled: return Status::Cancelled;
    case Terminated:
    case InvalidPlatform:
    case NoInstancesInTag: return Status::Skipped;
    case Failed:
    case Undeliverable:
    case AccessDenied:
    case Incomplete: return Status::Failed;
  }
  return Status::Failed;
}

Status overall(std::span<const Status> nodes, Status open) {
  if (std::ranges::any_of(nodes, [](Status s) { return !has_ended(s); })) return open;
  for (const Status worse : {Status::Failed, Status::TimedOut, Status::Cancelled, Status::Skipped})
    if (std::ranges::find(nodes, worse) != nodes.end()) return worse;
  return Status::Success;
}

Step step(State& state, const Settings& settings, const Around& around, std::span<const Event> events, Instant now,
          const std::function<std::string()>& new_id) {
  Turn turn(state, settings, around, now, new_id);
  for (const auto& event : events) turn.take(event);
  turn.run_clock();
  turn.begin();
  return turn.result();
}

}  // namespace belay::association
