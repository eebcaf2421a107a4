// One runbook over targets: starts an execution for each, as core/automation/fan_out.hpp says, and sums them up.
#include <charconv>

#include "base/text.hpp"
#include "server/engine/automation_kind.hpp"

namespace belay::server {
namespace {
using automation::FanOutEvent, automation::FanOutEventKind;
using store::Sql;
namespace automations = store::automations;

class FanOutRun {
 public:
  FanOutRun(Sql& sql, Instant now) : sql_(sql), now_(now) {}

  Result<ExecutionKind::Advance> advance(const store::executions::Execution& execution,
                                         const std::vector<store::executions::Event>& posted) {
    BELAY_TRY_ASSIGN(state_, json::decode_text<AutomationFanOutState>(execution.state, kAutomationStateLimits));
    BELAY_TRY_ASSIGN(row_, automations::get(sql_, execution.execution_id));
    std::vector<FanOutEvent> events;
    for (const auto& event : posted) {
      BELAY_TRY_ASSIGN(auto translated, translate(event));
      if (translated) events.push_back(std::move(*translated));
    }
    do {
      const auto actions = automation::step(state_.machine, events);
      events.clear();
      for (const auto& action : actions) {
        BELAY_TRY_ASSIGN(auto answer, act(action));
        if (answer) events.push_back(std::move(*answer));
      }
    } while (!events.empty());
    BELAY_TRY_ASSIGN(const bool over, save());
    return ExecutionKind::Advance{json::encode_text(state_), {}, over};
  }

 private:
  using Answer = Result<std::optional<FanOutEvent>>;

  Answer translate(const store::executions::Event& posted) {
    FanOutEvent event;
    event.child = state_.machine.children.size();  // of none
    BELAY_TRY_ASSIGN(const auto child, child_ended(posted));
    if (child) {
      event.kind = FanOutEventKind::ended;
      event.execution_id = child->child_id;
      std::from_chars(child->key.data(), child->key.data() + child->key.size(), event.child);
      if (!boost::describe::enum_from_string(child->status_details.c_str(), event.status))
        event.status = automation::Status::Failed;
      BELAY_TRY_ASSIGN(const auto inner, automations::get(sql_, child->child_id));
      event.why = inner.failure;
      return std::optional(std::move(event));
    }
    BELAY_TRY_ASSIGN(const auto told, json::decode_text<automation::Event>(posted.body));
    if (told.kind == automation::EventKind::cancel) event.kind = FanOutEventKind::cancel;
    else if (told.kind == automation::EventKind::complete) event.kind = FanOutEventKind::complete;
    else return std::optional<FanOutEvent>();
    return std::optional(std::move(event));
  }

  Answer act(const automation::FanOutAction& action) {
    const auto& child = state_.machine.children[action.child];
    if (action.kind == automation::FanOutActionKind::stop) {
      BELAY_TRY(cancel_automation(sql_, child.execution_id, now_));
      return std::optional<FanOutEvent>();
    }
    const auto started = start_automation_of_target(sql_, row_, child, std::to_string(action.child), now_);
    FanOutEvent answer;
    answer.child = action.child;
    if (started.ok()) {
      answer.kind = FanOutEventKind::started;
      answer.execution_id = started->execution_id;
      return std::optional(std::move(answer));
    }
    if (!is_refusal(started.error().code()) || sql_.failure()) return started.error();
    answer.kind = FanOutEventKind::ended;
    answer.status = automation::Status::Failed;
    answer.why = started.error().chain();
    return std::optional(std::move(answer));
  }

  // Whether it is over.
  Result<bool> save() {
    const auto summary = automation::summarize(state_.machine);
    const bool over = automation::is_over(summary.status);
    const auto errors = summary.failed + summary.timed_out;
    row_.status = boost::describe::enum_to_string(summary.status, "?");
    if (over) row_.finished_at = now_;
    if (errors > 0) row_.failure = std::to_string(errors) + " of " + std::to_string(summary.total) + " targets failed";
    for (const auto& child : state_.machine.children) {
      if (child.status != automation::Status::Failed && child.status != automation::Status::TimedOut) continue;
      row_.failure += "; " + sanitize(child.target, 100) + ": " + sanitize(child.why, 300);
      break;
    }
    BELAY_TRY(automations::update(sql_, row_));
    if (over && state_.parent) BELAY_TRY(tell_parent(sql_, *state_.parent, ended_of(row_, errors), now_));
    return over;
  }

  Sql& sql_;
  const Instant now_;
  automations::Execution row_;
  AutomationFanOutState state_;
};

class AutomationFanOutKind : public ExecutionKind {
 public:
  std::string_view name() const override { return kAutomationFanOutKind; }
  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    return FanOutRun(sql, now).advance(execution, events);
  }
};

}  // namespace

std::unique_ptr<ExecutionKind> make_automation_fan_out_kind() { return std::make_unique<AutomationFanOutKind>(); }

}  // namespace belay::server
