#include "server/engine/remedy_kind.hpp"

#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/commands.hpp"
#include "server/engine/notices.hpp"
#include "server/engine/remedy_run.hpp"
#include "store/windows.hpp"

namespace belay::server {
namespace {

using store::Sql;

class RemedyKind : public ExecutionKind {
 public:
  explicit RemedyKind(Judge& judge) : judge_(judge) {}
  std::string_view name() const override { return kRemedyKind; }
  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    return RemedyRun(sql, judge_, now).advance(execution, events);
  }

 private:
  Judge& judge_;
};

Error refuse(std::string what) { return Error(Code::invalid_argument, std::move(what)); }

// What the policy would do is tried on nobody, so that a wrong document or parameter is told now, not when it is due.
Status check_command(Sql& sql, const remedy::Policy& policy, Instant now) {
  const auto sent = Commands::send(sql, remedy_command(policy, {}), now);
  if (!sent.ok()) return sent.error().within("the command of the policy");
  return {};
}

Status check_window(Sql& sql, const remedy::Policy& policy) {
  const auto window = store::windows::get(sql, policy.window_id);
  if (!window.ok() && window.error().code() == Code::not_found)
    return refuse("WindowId: there is no maintenance window " + policy.window_id);
  if (!window.ok()) return window.error();
  BELAY_TRY_ASSIGN(const auto tasks, store::windows::tasks_of(sql, policy.window_id));
  for (const auto& task : tasks)
    if (task.type == "RUN_COMMAND") return {};
  return refuse("WindowId: the maintenance window " + policy.window_id + " has no RUN_COMMAND task to place a node in");
}

Status check_targets(Sql& sql, const remedy::Policy& policy) {
  if (policy.targets.empty()) return {};
  BELAY_TRY(require_named_nodes(sql, remedy_targets(policy)));
  const auto ids = resolve_targets(sql, {}, remedy_targets(policy));
  return ids.ok() ? Status() : Status(ids.error().within("Targets"));
}

Status start(Sql& sql, const store::remedies::Policy& kept) {
  BELAY_TRY(store::remedies::create_policy(sql, kept));
  store::executions::Execution execution;
  execution.execution_id = kept.policy_id;
  execution.kind = kRemedyKind;
  execution.wake_at = execution.created_at = execution.updated_at = kept.created_at;
  return store::executions::create(sql, execution);
}

}  // namespace

std::unique_ptr<ExecutionKind> make_remedy_kind(Judge& judge) { return std::make_unique<RemedyKind>(judge); }

Status rehearse_remedy(Sql& sql, const remedy::Policy& policy, Instant now) {
  BELAY_TRY(remedy::validate(policy));
  BELAY_TRY(recipients_of(sql, policy.notify, "Notify"));
  BELAY_TRY(check_targets(sql, policy));
  if (policy.action == remedy::Action::command) return check_command(sql, policy, now);
  if (policy.action == remedy::Action::next_window) return check_window(sql, policy);
  return {};
}

Result<store::remedies::Policy> put_remedy(Sql& sql, const remedy::Policy& policy, std::string_view by, Instant now) {
  BELAY_TRY_ASSIGN(const auto before, store::remedies::find_policy_by_name(sql, policy.name));
  store::remedies::Policy kept;
  kept.policy_id = before ? before->policy_id : make_id("rp", io::random_bytes(kIdRandomBytes));
  kept.name = policy.name;
  kept.content = json::encode_text(policy);
  kept.created_at = before ? before->created_at : now;
  kept.updated_at = now;
  kept.updated_by = by;
  if (before) {
    BELAY_TRY_ASSIGN(kept.generation, store::remedies::update_policy(sql, kept));
    store::executions::Event event;
    event.key = "generation " + std::to_string(kept.generation);
    event.at = now;
    BELAY_TRY(store::executions::post(sql, kRemedyKind, kept.policy_id, event));
  } else {
    BELAY_TRY(start(sql, kept));
  }
  BELAY_TRY(note_in_audit(sql, now, by, "belay:PutRemedyPolicy", policy.name,
                          {{"generation", kept.generation}, {"policy", json::encode(policy)}}));
  return kept;
}

Status remove_remedy(Sql& sql, std::string_view name, std::string_view by, Instant now) {
  BELAY_TRY_ASSIGN(const auto policy, store::remedies::find_policy_by_name(sql, name));
  if (!policy) return Error(Code::not_found, "there is no remedy policy '" + std::string(name) + "'");
  BELAY_TRY(store::remedies::remove_policy(sql, policy->policy_id));
  BELAY_TRY(store::remedies::close_all(sql, policy->policy_id, now));
  BELAY_TRY(store::executions::wake(sql, kRemedyKind, policy->policy_id, now));  // it sees that it is gone, and ends
  return note_in_audit(sql, now, by, "belay:DeleteRemedyPolicy", name, {{"policy", policy->policy_id}});
}

Status tell_remedies(Sql& sql, std::string_view node_id, Instant now) {
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto policies, store::remedies::list_policies(sql, page));
    for (const auto& policy : policies.items) {
      store::executions::Event event;
      event.body = json::to_text(json::Object{{"node_id", node_id}});
      event.at = now;
      const Status posted = store::executions::post(sql, kRemedyKind, policy.policy_id, event);
      // Too many wait: the next look at every node sees this one too.
      if (!posted.ok() && posted.error().code() != Code::resource_exhausted) return posted;
    }
    page.after = policies.next;
  } while (!page.after.empty());
  return {};
}

}  // namespace belay::server
