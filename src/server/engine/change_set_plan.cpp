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
#include "server/engine/package_pool.hpp"
#include "server/engine/planned_lines.hpp"
#include "store/contents.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr Duration kAnswerWithin{900'000};   // taken and planned
constexpr Duration kFillWithin{3'600'000};   // fetched and sent to the pool
constexpr std::uint32_t kCandidatesMax = 3;  // asked of one part before the change set fails
constexpr json::Limits kStateLimits{.bytes_max = 32u << 20, .depth_max = 32};

class ChangeSetKind : public ExecutionKind {
 public:
  ChangeSetKind(const Authority& authority, bool fills_pool) : authority_(authority), fills_pool_(fills_pool) {}
  std::string_view name() const override { return kChangeSetKind; }

  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    BELAY_TRY_ASSIGN(auto state, json::decode_text<PlanningState>(execution.state, kStateLimits));
    if (state.filling) return fill(sql, std::move(state), events, now);
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
      auto planned = result->plan ? result->plan->changes : std::vector<fleet::PackageChange>();
      if (result->outcome == wire::OrderOutcome::success && result->plan) {
        BELAY_TRY_ASSIGN(problems, problems_of(sql, part.wanted, state.view.parts[i], planned));
      } else if (problems.empty())
        problems.push_back({fleet::Reason::other, "", "the node could not plan it", "", false});
      if (!problems.empty()) {
        const auto others = problems.size() - 1;
        part.failures.push_back(event.node_id + ": " + fleet::what_is_wrong_and_next(problems.front()) +
                                (others > 0 ? " (and " + std::to_string(others) + " more)" : ""));
        continue;
      }
      part.done = true;
      state.view.parts[i].planned_by = event.node_id;
      state.view.parts[i].changes = std::move(planned);
      state.view.parts[i].download_bytes = result->plan->download_bytes;
    }
    return {};
  }

  // What speaks against freezing it for every node of the part, and their pool.
  static Result<std::vector<fleet::Problem>> problems_of(Sql& sql, const std::vector<fleet::PackageChange>& wanted,
                                                         const ChangeSetPart& part,
                                                         std::vector<fleet::PackageChange>& planned) {
    auto problems = command::check_plan({wanted, planned, nullptr, {}});
    const auto add = [&](std::vector<fleet::Problem> more) {
      problems.insert(problems.end(), more.begin(), more.end());
    };
    BELAY_TRY_ASSIGN(const auto text, store::contents::get(sql, store::contents::Kind::offer_set, part.offer_set_hash));
    BELAY_TRY_ASSIGN(const auto offers, json::decode_text<fleet::OfferSet>(text, kStateLimits));
    add(check_origin(planned, offers));
    BELAY_TRY_ASSIGN(const auto in_force, store::rollouts::in_quarantine(sql));
    add(check_quarantine(planned, in_force, part.operating_system));
    return problems;
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
      if (open == 0 && fills_pool_) {
        for (std::size_t i = 0; i < state.planning.size(); ++i)  // who could plan it is asked first
          std::ranges::partition(state.planning[i].candidates,
                                 [&](const auto& node_id) { return node_id == state.view.parts[i].planned_by; });
        state.filling.emplace();
        return fill(sql, std::move(state), {}, now);
      }
    } else {
      state.view.status_details = std::to_string(open) + " of " + std::to_string(state.planning.size()) +
                                  " package sets are still planned by their nodes";
    }
    BELAY_TRY(store::change_sets::summarize(sql, summary_of(state.view)));
    advance.state = json::encode_text(state);
    return advance;
  }

  // ---- the pool: the change set is frozen and good without it, so nothing here changes it

  static std::string fill_id(const PlanningState& state, const std::string& node_id) {
    return order_id_for(kChangeSetKind, state.view.change_set_id, node_id, "fill");
  }

  Result<Advance> fill(Sql& sql, PlanningState state, const std::vector<store::executions::Event>& events,
                       Instant now) {
    auto& filling = *state.filling;
    for (const auto& posted : events) {
      BELAY_TRY_ASSIGN(const auto event, json::decode_text<NodeEvent>(posted.body));
      const bool ended = event.kind == NodeEventKind::order_ended || event.kind == NodeEventKind::node_removed;
      if (ended && filling.deadline && event.order_id == fill_id(state, node_asked(state))) filling.deadline.reset();
    }
    if (filling.deadline && *filling.deadline <= now) {
      const auto cancelled = store::orders::cancel(sql, fill_id(state, node_asked(state)), now);
      if (!cancelled.ok() && cancelled.error().code() != Code::not_found) return cancelled.error();
      filling.deadline.reset();
    }
    if (!filling.deadline) BELAY_TRY(ask_next_for_files(sql, state, now));
    Advance advance;
    advance.wake_at = filling.deadline;
    advance.finished = !filling.deadline;
    advance.state = json::encode_text(state);
    return advance;
  }

  static const std::string& node_asked(const PlanningState& state) {
    return state.planning[state.filling->part].candidates[state.filling->asked - 1];
  }

  // The node that planned a part first; each of its nodes once, as long as something of it is lacking.
  Status ask_next_for_files(Sql& sql, PlanningState& state, Instant now) {
    auto& filling = *state.filling;
    const auto& id = state.view.change_set_id;
    BELAY_TRY_ASSIGN(auto lacking, store::pool::lacking(sql, id));
    BELAY_TRY_ASSIGN(const auto old_ones, store::pool::lacking(sql, store::pool::old_files_of(id)));
    lacking.insert(lacking.end(), old_ones.begin(), old_ones.end());
    for (; filling.part < state.planning.size(); ++filling.part, filling.asked = 0) {
      const auto& part = state.view.parts[filling.part];
      const auto& candidates = state.planning[filling.part].candidates;
      const auto is_lacking = [&](const auto& change) {
        return std::ranges::find(lacking, change.sha256, &store::pool::Package::sha256) != lacking.end();
      };
      const bool lacks =
          std::ranges::any_of(part.changes, is_lacking) || std::ranges::any_of(part.old_files, is_lacking);
      while (lacks && filling.asked < std::min<std::size_t>(candidates.size(), kCandidatesMax)) {
        const auto& node_id = candidates[filling.asked++];
        wire::Order order;
        order.order_id = fill_id(state, node_id);
        order.node_id = node_id;
        order.issued_at = now;
        order.expires_at = now + kFillWithin;
        order.kind = wire::OrderKind::plan;
        order.plan = wire::PlanOrder{part.changes, false, true, part.old_files};
        order.requested_by = state.view.created_by;
        const Status queued = queue_order(sql, authority_, std::move(order), {std::string(kChangeSetKind), id});
        if (!queued.ok() && sql.failure()) return queued;
        if (!queued.ok()) continue;
        filling.deadline = now + kFillWithin;
        return {};
      }
    }
    return {};
  }

  const Authority& authority_;
  const bool fills_pool_;
};

}  // namespace

namespace {

// As the part's own archive offers them: with what stands in the signed index.
Result<std::vector<fleet::PackageChange>> offered_old_files(Sql& sql, const ChangeSetPart& part) {
  std::vector<fleet::PackageChange> files;
  if (std::ranges::all_of(part.changes, [](const auto& change) { return change.from_version.empty(); })) return files;
  const auto text = store::contents::get(sql, store::contents::Kind::offer_set, part.offer_set_hash);
  if (!text.ok() && text.error().code() == Code::not_found) return files;
  if (!text.ok()) return text.error();
  BELAY_TRY_ASSIGN(const auto set, json::decode_text<fleet::OfferSet>(*text, kStateLimits));
  for (const auto& change : part.changes)
    for (const auto& offer : set.offers)
      if (!change.from_version.empty() && change.from_version != change.to_version && offer.name == change.name &&
          offer.arch == change.arch && offer.version == change.from_version && !offer.sha256.empty()) {
        files.push_back({offer.name, offer.arch, "", offer.version, offer.sha256, offer.size_bytes});
        break;
      }
  return files;
}

}  // namespace

Status freeze(Sql& sql, PlanningState& state, Instant now) {
  for (auto& part : state.view.parts) {
    BELAY_TRY_ASSIGN(part.old_files, offered_old_files(sql, part));
  }
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
  const auto& id = kept.change_set_id;
  for (const auto& part : state.view.parts) {
    BELAY_TRY(store::pool::reference(sql, id, part.changes, now, now + kPoolKeepsChangeSets));
    BELAY_TRY(
        store::pool::reference(sql, store::pool::old_files_of(id), part.old_files, now, now + kPoolKeepsChangeSets));
  }
  state.view.sha256 = kept.sha256;
  BELAY_TRY(store::change_sets::summarize(sql, summary_of(state.view)));
  return note_in_audit(sql, now, "belayd", "belay:FreezeChangeSet", kept.change_set_id,
                       {{"sha256", kept.sha256}, {"parts", kept.parts.size()}});
}

std::unique_ptr<ExecutionKind> make_change_set_kind(const Authority& authority, bool fills_pool) {
  return std::make_unique<ChangeSetKind>(authority, fills_pool);
}

}  // namespace belay::server
