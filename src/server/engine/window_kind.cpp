#include "server/engine/window_kind.hpp"

#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/window_snapshot.hpp"

namespace belay::server {
namespace {
using store::Sql;
namespace history = store::window_history;

class WindowKind : public ExecutionKind {
 public:
  explicit WindowKind(WindowParts parts) : parts_(std::move(parts)) {}
  std::string_view name() const override { return kWindowKind; }

  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>&, Instant now) override {
    BELAY_TRY_ASSIGN(auto state, json::decode_text<WindowState>(execution.state));
    const auto found = store::windows::get(sql, execution.execution_id);
    if (!found.ok() && found.error().code() != Code::not_found) return found.error();
    if (!found.ok()) return Advance{json::encode_text(state), {}, true};  // it was deleted
    const auto& window = *found;
    if (state.version != window.version) {
      state.version = window.version;
      BELAY_TRY_ASSIGN(state.opens_at, next_after(window, window.scheduled_at));
    }
    if (window.enabled && state.opens_at && *state.opens_at <= now) BELAY_TRY(open(sql, window, state, now));
    const auto waits_for = window.enabled ? state.opens_at : std::optional<Instant>();
    if (waits_for != window.next_at) BELAY_TRY(store::windows::set_next(sql, window.window_id, waits_for));
    return Advance{json::encode_text(state), waits_for, false};
  }

 private:
  Result<std::optional<Instant>> next_after(const store::windows::Window& window, Instant after) const {
    BELAY_TRY_ASSIGN(const auto next, parts_.windows.openings(window, after, 1));
    return next.empty() ? std::optional<Instant>() : std::optional(next.front().opens);
  }

  // Where no server ran for a while, only the latest of the openings that passed counts.
  Status open(Sql& sql, const store::windows::Window& window, WindowState& state, Instant now) const {
    BELAY_TRY_ASSIGN(const auto opening, parts_.windows.opening_before(window, now));
    if (!opening) {
      state.opens_at.reset();
      return {};
    }
    const bool passed_over = opening->opens > *state.opens_at;
    const std::string remark =
        passed_over ? "openings since " + to_iso8601(*state.opens_at) + " passed while no server was running"
                    : std::string();
    BELAY_TRY_ASSIGN(state.opens_at, next_after(window, opening->opens));
    BELAY_TRY_ASSIGN(const auto running, history::running(sql, window.window_id));
    if (running)
      return record(
          sql, window, *opening, window::Status::SKIPPED_OVERLAPPING,
          "the execution " + running->execution_id + " of " + to_iso8601(running->started_at) + " was still running",
          now);
    BELAY_TRY_ASSIGN(const auto why, parts_.windows.held(sql, window, opening->opens));
    if (!why.empty()) return record(sql, window, *opening, window::Status::CANCELLED, "held back: " + why, now);
    return start(sql, window, *opening, remark, now);
  }

  Status start(Sql& sql, const store::windows::Window& window, const schedule::Opening& opening,
               const std::string& remark, Instant now) const {
    BELAY_TRY_ASSIGN(auto snapshot, take_snapshot(sql, window, opening, now - parts_.online_within, now));
    auto& details = snapshot.machine.details;
    details = remark + (remark.empty() || details.empty() ? "" : "; ") + details;
    snapshot.execution.status_details = details;
    for (const auto& stale : snapshot.stale)
      BELAY_TRY(
          store::windows::clear_missed(sql, window.window_id, stale.window_task_id, std::span(&stale.node_id, 1)));
    BELAY_TRY(history::create(sql, snapshot.execution, snapshot.tasks, snapshot.invocations));
    store::executions::Execution row;
    row.kind = kWindowExecutionKind;
    row.execution_id = snapshot.execution.execution_id;
    row.state = json::encode_text(snapshot.machine);
    row.wake_at = row.created_at = row.updated_at = now;
    BELAY_TRY(store::executions::create(sql, row));
    return note_in_audit(sql, now, "belayd", "window:open", window.window_id,
                         {{"execution", row.execution_id}, {"tasks", snapshot.tasks.size()}});
  }

  Status record(Sql& sql, const store::windows::Window& window, const schedule::Opening& opening, window::Status status,
                const std::string& why, Instant now) const {
    history::Execution row;
    row.execution_id = make_uuid(io::random_bytes(kIdRandomBytes));
    row.window_id = window.window_id;
    row.status = boost::describe::enum_to_string(status, "");
    row.status_details = why;
    row.started_at = opening.opens;
    row.cutoff_at = opening.cutoff;
    row.ends_at = opening.closes;
    row.finished_at = now;
    BELAY_TRY(history::create(sql, row, {}, {}));
    return note_in_audit(sql, now, "belayd", "window:skip", window.window_id, {{"status", row.status}, {"why", why}});
  }

  const WindowParts parts_;
};

}  // namespace

std::unique_ptr<ExecutionKind> make_window_kind(WindowParts parts) {
  return std::make_unique<WindowKind>(std::move(parts));
}

}  // namespace belay::server
