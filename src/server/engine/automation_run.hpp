#pragma once
// One turn of one automation, inside one transaction. Used by the kind in automation_run.cpp.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/engine/automation_kind.hpp"

namespace belay::server {

class AutomationRun {
 public:
  AutomationRun(store::Sql& sql, Instant now) : sql_(sql), now_(now) {}

  Result<ExecutionKind::Advance> advance(const store::executions::Execution& execution,
                                         const std::vector<store::executions::Event>& events);

 private:
  using Answer = Result<std::optional<automation::Event>>;

  Status load(const store::executions::Execution& execution);
  Status save(const std::set<std::size_t>& changed);

  // ---- what happened
  Answer translate(const store::executions::Event& posted);
  Result<automation::Event> ended(const ChildEnded& child);
  Status read_command(const std::string& command_id, automation::Event& event);
  Status read_automation(const std::string& execution_id, automation::Event& event);

  // ---- what to do (automation_actions.cpp)
  Answer act(const automation::Action& action);
  Answer send(const automation::Action& action);
  Answer withdraw(const automation::Action& action);
  // Whether the user the execution acts for may do this: permission_denied that says who and what.
  Status allowed(std::string_view permission);
  Answer begin(const automation::Action& action, const automation::RunCommand& wanted);
  Answer begin(const automation::Action& action, const automation::ExecuteAutomation& wanted);
  Answer begin(const automation::Action& action, const automation::InvokeWebhook& wanted);
  Answer begin(const automation::Action& action, const automation::CreateTags& wanted);
  Answer begin(const automation::Action& action, const automation::Approve& wanted);
  Status tell_approvers(const automation::Action& action, const automation::Approve& wanted);
  template <typename Own>  // what the machine does by itself
  Answer begin(const automation::Action&, const Own&) {
    return std::optional<automation::Event>();
  }
  // `child_id` is remembered; a refusal is the attempt's failure.
  Answer began(const automation::Action& action, const Result<std::string>& child_id);
  Answer refused(const automation::Action& action, const Error& error);

  store::Sql& sql_;
  const Instant now_;

  store::automations::Execution row_;
  AutomationSettings settings_;
  automation::Runbook runbook_;
  AutomationState state_;
};

}  // namespace belay::server
