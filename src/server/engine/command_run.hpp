#pragma once
// One turn of one command, inside one transaction. Used by command_kind.cpp.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/command/machine.hpp"
#include "server/engine/agent_program.hpp"
#include "server/engine/change_sets.hpp"
#include "server/engine/command_cache.hpp"
#include "server/engine/command_options.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/judge.hpp"
#include "server/engine/node_registry.hpp"
#include "store/commands.hpp"
#include "wire/messages.hpp"

namespace belay::server {

class CommandRun {
 public:
  CommandRun(store::Sql& sql, const Authority& authority, Judge& judge, const AgentProgram* program,
             CommandCache& cache, Instant now)
      : sql_(sql), authority_(authority), judge_(judge), program_(program), cache_(cache), now_(now) {}

  Result<ExecutionKind::Advance> advance(const store::executions::Execution& execution,
                                         const std::vector<store::executions::Event>& events);

 private:
  // What a node is to be changed to, and what could not be served.
  struct Wish {
    std::vector<fleet::PackageChange> changes;
    std::vector<std::string> remarks;  // for people
    std::string impossible;            // not empty: the node cannot be served at all
  };

  // ---- loading and saving
  Status load(const store::executions::Execution& execution);
  Status read_rows(const std::string& command_id);
  Status save(const std::set<std::size_t>& changed);
  Status save_invocation(std::size_t index);

  // ---- what happened
  Result<std::optional<command::Event>> translate(const store::executions::Event& event);
  Result<std::optional<command::Event>> order_ended(const std::string& node_id, const std::string& order_id,
                                                    command::Phase phase);
  Result<command::Event> steps_ended(const std::string& node_id, const wire::OrderResult& result);
  command::Phase phase_of(const std::string& node_id, const std::string& order_id) const;

  // ---- documents (command_document.cpp)
  const DocumentProgress& progress(const std::string& node_id);  // of the segment under way
  const std::vector<document::Step>& steps_for(const DocumentProgress& progress) const;
  const PatchOptions& patch_for(const std::string& node_id);  // of the patch step under way
  // What follows where this event ends the segment of a patch step.
  void say_what_follows(command::Event& event);
  void say_what_follows(command::Event& event, DocumentProgress after);
  Status expand_local(DocumentProgress& progress, const std::string& text);
  Status keep_steps(const std::string& node_id, const DocumentProgress& progress,
                    const std::vector<wire::StepOutput>& outputs);
  Status keep_output(const std::string& node_id, const DocumentProgress& progress,
                     const std::vector<wire::StepOutput>& outputs);
  Status add_output(const std::string& node_id, store::commands::Stream stream, const std::string& text);
  Result<std::string> kept_output(const std::string& node_id, store::commands::Stream stream);
  Status settle_progress(std::size_t index);  // once the machine has taken the event
  Status whole_output(const std::string& node_id, std::string& output, std::string& errors);

  // ---- what to do; each may answer with an event
  using Answer = Result<std::optional<command::Event>>;
  Answer act(const command::Action& action);
  Answer send(const command::Action& action);
  Answer judge_scan(const command::Action& action);
  Answer withdraw(const command::Action& action);
  Result<std::optional<std::string>> fill_order(const command::Action& action, const store::nodes::Node& node,
                                                wire::Order& order);
  Result<std::optional<std::string>> fill_patch(const std::string& node_id, wire::Order& order);

  // ---- judging
  struct Rules {
    const baseline::PatchBaseline* content = nullptr;  // nullptr: the one in force
    bool ad_hoc = false;
  };
  Result<baseline::PatchBaseline> frozen_by_snapshot(const store::nodes::Node& node, const Judge::InForce& rules);
  Result<baseline::PatchBaseline> rules_of(const store::nodes::Node& node);
  Result<Judgement> judge_node(const store::nodes::Node& node);
  Result<Wish> wish_of(const store::nodes::Node& node, const Judgement& judgement);
  Result<Wish> wish_of_change_set(const Judgement& judgement, const std::string& change_set_id);
  Status leave_out_quarantined(const store::nodes::Node& node, Wish& wish);
  Result<const ChangeSetView*> change_set(const std::string& change_set_id);
  Status record_refusal(const std::string& node_id, const std::string& order_id,
                        const std::vector<fleet::Problem>& problems);

  Status load_due();
  std::string order_id(const std::string& node_id, command::Phase phase) const;
  std::size_t index_of(const std::string& node_id) const;

  store::Sql& sql_;
  const Authority& authority_;
  Judge& judge_;
  const AgentProgram* program_;
  CommandCache& cache_;
  const Instant now_;

  store::commands::Command row_;
  CommandOptions options_;
  command::Command command_;
  std::vector<store::commands::Invocation> invocation_rows_;
  std::optional<Parent> parent_;
  std::optional<wire::AssociationDue> due_;  // of an association's run by its schedule: nodes may begin it too
  std::map<std::string, ChangeSetView> change_sets_;
  std::optional<baseline::PatchBaseline> frozen_rules_;
  // Where the segment ends with what was just heard: so it is once the machine says that it ended.
  struct After {
    std::uint32_t segment = 0;
    DocumentProgress progress;
    std::vector<wire::StepOutput> outputs;
  };
  std::map<std::string, DocumentProgress> progress_;  // by node, as the others here
  std::map<std::string, After> after_;
  std::map<std::string, bool> nothing_missing_;  // as just judged
  std::map<std::string, PatchOptions> patches_;  // by text of the step
  std::map<std::string, std::string> output_;    // by node: what its invocation shows at its end
  std::map<std::string, std::string> error_output_;
  std::map<std::string, int> exit_code_;
};

// Why an order ended as it did, for a person; "" where it does not say.
std::string why_of(const wire::OrderResult& result);
// Whether the node's own policy stood against it.
bool is_forbidden(const wire::OrderResult& result);

// The text of a verdict as AWS-RunPatchBaseline prints it, for an invocation's output.
std::string describe_judgement(const Judgement& judgement);

}  // namespace belay::server
