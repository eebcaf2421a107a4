#include "server/engine/change_set_plan.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/command/plan_check.hpp"
#include "core/fleet/problem_text.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/node_event.hpp"
#include "server/engine/order_desk.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr Duration kAnswerWithin{900'000};   // taken and planned
constexpr std::uint32_t kCandidatesMax = 3;  // asked of one part before the change set fails
constexpr json::Limits kStateLimits{.bytes_max = 32u << 20, .depth_max = 32};

class ChangeSetKind : public ExecutionKind {
 public:
  explicit ChangeSetKind(const Authority& authority) : authority_(authority) {}
  std::string_view name() const override { return kChangeSetKind; }

  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    BELAY_TRY_ASSIGN(auto state, json::decode_text<PlanningState>(execution.state, kStateLimits));
    for (const auto& posted : events) {
      BELAY_TRY_ASSIGN(const auto event, json::decode_text<NodeEvent>(posted.body));
      if (event.kind == NodeEventKind::order_ended || event.kind == NodeEventKind::node_removed)
        BELAY_TRY(take_answer(sql, state, event));
    }
    for (std::size_t i = 0; i < state.planning.size(); ++i) BELAY_TRY(ask_on(sql, state, i, now));
    return conclude(sql, std::move(state), now);
  }

 private:
  static std::string order_id(const PlanningState& state, const std::string& node_id) {
    return order_id_for(kChangeSetKind, state.view.change_set_id, node_id, "plan");
  }

  Status take_answer(Sql& sql, PlanningState& state, const NodeEvent& event) {
    for (std::size_t i = 0; i < state.planning.size(); ++i) {
      auto& part = state.planning[i];
      if (part.done || part.asked == 0 || part.candidates[part.asked - 1] != event.node_id) continue;
      if (order_id(state, event.node_id) != event.order_id) continue;
      BELAY_TRY_ASSIGN(const auto result, result_of(sql, event.order_id));
      if (!result) continue;
      part.deadline.reset();
      std::vector<fleet::Problem> problems = result->problems;
      if (result->outcome == wire::OrderOutcome::success && result->plan)
        problems = command::check_plan({part.wanted, result->plan->changes, nullptr, {}});
      else if (problems.empty())
        problems.push_back({fleet::Reason::other, "", "the node could not plan it", "", false});
      if (!problems.empty()) {
        const auto others = problems.size() - 1;
        part.failures.push_back(event.node_id + ": " + fleet::what_is_wrong_and_next(problems.front()) +
                                (others > 0 ? " (and " + std::to_string(others) + " more)" : ""));
        continue;
      }
      part.done = true;
      state.view.parts[i].planned_by = event.node_id;
      state.view.parts[i].changes = result->plan->changes;
      state.view.parts[i].download_bytes = result->plan->download_bytes;
    }
    return {};
  }

  // Asks the next node where the one before gave no plan, or no answer in time.
  Status ask_on(Sql& sql, PlanningState& state, std::size_t index, Instant now) {
    auto& part = state.planning[index];
    if (part.done || (part.deadline && *part.deadline > now)) return {};
    if (part.deadline) {
      const auto& silent = part.candidates[part.asked - 1];
      part.failures.push_back(silent + ": no answer in " + humanize(kAnswerWithin));
      const auto cancelled = store::orders::cancel(sql, order_id(state, silent), now);
      if (!cancelled.ok() && cancelled.error().code() != Code::not_found) return cancelled.error();
      part.deadline.reset();
    }
    while (part.asked < std::min<std::size_t>(part.candidates.size(), kCandidatesMax)) {
      const auto& node_id = part.candidates[part.asked++];
      wire::Order order;
      order.order_id = order_id(state, node_id);
      order.node_id = node_id;
      order.issued_at = now;
      order.expires_at = now + kAnswerWithin;
      order.kind = wire::OrderKind::plan;
      order.plan = wire::PlanOrder{part.wanted};
      order.requested_by = state.view.created_by;
      const Status queued =
          queue_order(sql, authority_, std::move(order), {std::string(kChangeSetKind), state.view.change_set_id});
      if (queued.ok()) {
        part.deadline = now + kAnswerWithin;
        return {};
      }
      part.failures.push_back(node_id + ": " + queued.error().chain());
    }
    return {};
  }

  Result<Advance> conclude(Sql& sql, PlanningState state, Instant now) {
    Advance advance;
    std::size_t open = 0;
    for (std::size_t i = 0; i < state.planning.size(); ++i) {
      const auto& part = state.planning[i];
      if (part.done) continue;
      ++open;
      if (part.deadline) {
        if (!advance.wake_at || *part.deadline < *advance.wake_at) advance.wake_at = part.deadline;
        continue;
      }
      state.view.status = ChangeSetStatus::Failed;
      state.view.status_details = "no node could plan it: " + sanitize(join(part.failures, "; "), 2'000);
    }
    if (state.view.status == ChangeSetStatus::Failed || open == 0) {
      advance.finished = true;
      advance.wake_at.reset();
      if (open == 0) BELAY_TRY(freeze(sql, state, now));
    } else {
      state.view.status_details = std::to_string(open) + " of " + std::to_string(state.planning.size()) +
                                  " package sets are still planned by their nodes";
    }
    BELAY_TRY(store::change_sets::summarize(sql, summary_of(state.view)));
    advance.state = json::encode_text(state);
    return advance;
  }

  const Authority& authority_;
};

}  // namespace

Status freeze(Sql& sql, PlanningState& state, Instant now) {
  state.view.status = ChangeSetStatus::Ready;
  state.view.status_details.clear();
  state.view.frozen_at = now;
  store::change_sets::ChangeSet kept;
  kept.change_set_id = state.view.change_set_id;
  kept.name = state.view.name;
  kept.description = state.view.description;
  kept.content = json::to_canonical_text(json::encode(state.view));
  kept.sha256 = io::sha256_hex(kept.content);
  kept.baseline_id = state.view.baseline_id;
  kept.baseline_generation = state.baseline_generation;
  kept.created_at = state.view.created_at;
  kept.created_by = state.view.created_by;
  for (const auto& part : state.view.parts)
    kept.parts.push_back({part.package_set_hash, part.offer_set_hash, json::encode_text(part.changes)});
  BELAY_TRY(store::change_sets::create(sql, kept));
  state.view.sha256 = kept.sha256;
  BELAY_TRY(store::change_sets::summarize(sql, summary_of(state.view)));
  return note_in_audit(sql, now, "belayd", "belay:FreezeChangeSet", kept.change_set_id,
                       {{"sha256", kept.sha256}, {"parts", kept.parts.size()}});
}

std::unique_ptr<ExecutionKind> make_change_set_kind(const Authority& authority) {
  return std::make_unique<ChangeSetKind>(authority);
}

}  // namespace belay::server
