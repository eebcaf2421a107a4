#include "server/engine/change_sets.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/change_set_plan.hpp"
#include "server/engine/judge.hpp"
#include "server/engine/quarantine.hpp"
#include "store/executions.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr std::size_t kNodesNamedMax = 1'000;
constexpr std::size_t kUnknownNamedMax = 20;
constexpr std::size_t kCandidatesKept = 3;
constexpr json::Limits kLimits{.bytes_max = 32u << 20, .depth_max = 32};

// Everything that the nodes' verdicts say; one part for each distinct (package set, offer set).
class Gathering {
 public:
  Gathering(Sql& sql, Judge& judge, const CreateChangeSetRequest& request)
      : sql_(sql), judge_(judge), request_(request) {}

  Result<PlanningState> gather() {
    std::vector<std::string> ids;
    if (request_.node_ids) {
      ids = *request_.node_ids;
    } else {
      BELAY_TRY_ASSIGN(ids, resolve_targets(sql_, request_.instance_ids, request_.targets));
    }
    if (ids.empty()) return Error(Code::not_found, "the targets name no node", "no-nodes");
    BELAY_TRY_ASSIGN(quarantine_, store::rollouts::in_quarantine(sql_));
    for (const auto& id : ids) BELAY_TRY(add(id));
    if (request_.leave_out_unknown) state_.view.left_out = unknown_;
    else if (!unknown_.empty())
      return Error(Code::conflict,
                   "cannot be judged, so it is not known what they need: " + join(unknown_, "; ") +
                       "; scan them, or leave them out",
                   "node-unknown");
    for (auto& [key, part] : planning_) {
      std::ranges::sort(candidates_[key], std::greater<>());  // heard of last first
      for (const auto& [seen, id] : candidates_[key])
        if (part.candidates.size() < kCandidatesKept) part.candidates.push_back(id);
      part.done = part.wanted.empty();
      state_.planning.push_back(std::move(part));
      state_.view.parts.push_back(std::move(parts_[key]));
    }
    for (const auto& text : quarantined_) state_.view.left_out.push_back(text);
    state_.view.baseline_id = baselines_.size() == 1 ? baselines_.begin()->second : "";
    return std::move(state_);
  }

 private:
  using Key = std::pair<std::string, std::string>;

  Status add(const std::string& id) {
    BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql_, id));
    JudgeQuestion question;
    question.node_id = id;
    question.baseline_id = request_.baseline_id;
    BELAY_TRY_ASSIGN(const auto judgement, judge_.judge(sql_, question));
    if (!judgement.reasons.empty()) {
      if (unknown_.size() < kUnknownNamedMax)
        unknown_.push_back(node.name + " (" + id +
                           "): " + json::encode(judgement.reasons.front().reason).as_string().c_str());
      return {};
    }
    // What is approved for one group is not for another, and the parts are told apart by packages alone.
    const auto [known, added] = baselines_.try_emplace(node.operating_system, judgement.choice.baseline_id);
    if (!added && known->second != judgement.choice.baseline_id)
      return Error(Code::conflict,
                   "the targets stand under different baselines (" + known->second + ", " +
                       judgement.choice.baseline_id + "); name one, or make a change set for each",
                   "several-baselines");
    state_.baseline_generation = judgement.baseline_generation;
    BELAY_TRY_ASSIGN(const auto offers, judge_.offers(sql_, judgement.scan->offer_set_hash));
    if (!offers) return Error(Code::internal, "the offers of " + id + " were judged and are not there");
    auto wanted = baseline::wanted_changes(judgement.evaluation, *offers);
    leave_out_quarantined(wanted, node.operating_system);
    put(node, judgement, std::move(wanted));
    return {};
  }

  void leave_out_quarantined(std::vector<fleet::PackageChange>& wanted, std::string_view system) {
    std::erase_if(wanted, [&](const auto& change) {
      const auto* hit = hit_by(quarantine_, change, system);
      if (hit)
        quarantined_.insert(change.name + " " + change.to_version + ": in quarantine (" + hit->quarantine_id + ")");
      return hit != nullptr;
    });
  }

  void put(const store::nodes::Node& node, const Judgement& judgement, std::vector<fleet::PackageChange> wanted) {
    const Key key{judgement.scan->package_set_hash, judgement.scan->offer_set_hash};
    auto& part = parts_[key];
    part.package_set_hash = key.first;
    part.offer_set_hash = key.second;
    part.operating_system = node.operating_system;
    if (part.node_ids.size() < kNodesNamedMax) part.node_ids.push_back(node.node_id);
    auto& planning = planning_[key];
    auto& candidates = candidates_[key];
    if (wanted.size() > planning.wanted.size()) {  // holds on a node take some away; plan on one that has all
      planning.wanted = std::move(wanted);
      candidates.clear();
    } else if (wanted.size() < planning.wanted.size()) {
      return;
    }
    candidates.emplace_back(node.last_seen_at.value_or(node.registered_at), node.node_id);
  }

  Sql& sql_;
  Judge& judge_;
  const CreateChangeSetRequest& request_;
  PlanningState state_;
  std::map<Key, ChangeSetPart> parts_;
  std::map<Key, PlanningPart> planning_;
  std::map<Key, std::vector<std::pair<Instant, std::string>>> candidates_;
  std::map<std::string, std::string> baselines_;  // by operating system
  std::vector<std::string> unknown_;
  std::vector<store::rollouts::Quarantine> quarantine_;
  std::set<std::string> quarantined_;
};

Result<ChangeSetView> view_of(const store::change_sets::ChangeSet& kept) {
  BELAY_TRY_ASSIGN(auto view, json::decode_text<ChangeSetView>(kept.content, kLimits));
  view.sha256 = kept.sha256;
  return view;
}

}  // namespace

std::vector<fleet::PackageChange> old_files_of(const ChangeSetView& view,
                                               const std::vector<fleet::PackageChange>& changes) {
  std::set<fleet::PackageChange> files;
  for (const auto& part : view.parts)
    for (const auto& file : part.old_files)
      for (const auto& change : changes)
        if (change.name == file.name && change.arch == file.arch && change.from_version == file.to_version)
          files.insert(file);
  return {files.begin(), files.end()};
}

OwnPart own_part(const ChangeSetView& view, std::string_view node_id, std::string_view package_set_hash,
                 std::string_view offer_set_hash) {
  const ChangeSetPart *named = nullptr, *like = nullptr;
  bool several = false;
  for (const auto& part : view.parts) {
    if (std::ranges::find(part.node_ids, node_id) != part.node_ids.end()) named = &part;
    if (part.package_set_hash != package_set_hash) continue;
    several = several || (like && like->changes != part.changes);
    if (!like || part.offer_set_hash == offer_set_hash) like = &part;
  }
  // By name first: its mirror may have moved on since, and what was planned for it is what it gets.
  if (named && named->package_set_hash == package_set_hash) return {named, true};
  if (like && (!several || like->offer_set_hash == offer_set_hash)) return {like, true};
  return {named, false};
}

std::vector<const ChangeSetPart*> parts_for(const ChangeSetView& view, const OwnPart& own) {
  std::vector<const ChangeSetPart*> parts;
  if (own.part) parts.push_back(own.part);
  for (const auto& part : view.parts)
    if (&part != own.part) parts.push_back(&part);
  return parts;
}

std::string two_targets(const fleet::PackageChange& one, const fleet::PackageChange& other) {
  return "the change set leads " + one.name + " from " + one.from_version + " to " + one.to_version + " on some nodes" +
         " and to " + other.to_version + " on others, whose repositories offer it, and was planned for neither here; " +
         "make one that covers this node";
}

store::change_sets::Summary summary_of(const ChangeSetView& view) {
  store::change_sets::Summary line;
  line.change_set_id = view.change_set_id;
  line.name = view.name;
  line.description = view.description;
  line.status = json::encode(view.status).as_string().c_str();
  line.status_details = view.status_details;
  line.baseline_id = view.baseline_id;
  line.created_at = view.created_at;
  line.created_by = view.created_by;
  line.frozen_at = view.frozen_at;
  line.sha256 = view.sha256;
  std::set<std::pair<std::string_view, std::string_view>> packages;
  std::int64_t nodes = 0, bytes = 0;
  for (const auto& part : view.parts) {
    nodes += static_cast<std::int64_t>(part.node_ids.size());
    bytes += static_cast<std::int64_t>(part.download_bytes);
    for (const auto& change : part.changes) packages.emplace(change.name, change.arch);
  }
  line.nodes = nodes;
  line.packages = static_cast<std::int64_t>(packages.size());
  line.download_bytes = bytes;
  return line;
}

Result<std::optional<ChangeSetView>> ChangeSets::made_before(Sql& sql, const CreateChangeSetRequest& request,
                                                             Instant now) {
  if (!request.client_token) return std::optional<ChangeSetView>();
  const auto& token = *request.client_token;
  BELAY_TRY_ASSIGN(const auto id, store::idempotency::recall(sql, token.key, token.request_hash, now));
  if (!id) return std::optional<ChangeSetView>();
  BELAY_TRY_ASSIGN(auto view, get(sql, *id));
  return std::optional(std::move(view));
}

Result<ChangeSetView> ChangeSets::create(const CreateChangeSetRequest& request) {
  const Instant now = clock_.now();
  BELAY_TRY_ASSIGN(auto before, store_.read([&](Sql& sql) { return made_before(sql, request, now); }));
  if (before) return std::move(*before);
  BELAY_TRY_ASSIGN(auto state, store_.read([&](Sql& sql) { return Gathering(sql, judge_, request).gather(); }));
  auto& view = state.view;
  view.change_set_id = make_id("cs", io::random_bytes(kIdRandomBytes));
  view.name = request.name;
  view.description = request.description;
  view.created_at = now;
  view.created_by = request.requested_by;
  view.status_details = "begun";
  const bool nothing_to_ask = std::ranges::all_of(state.planning, [](const auto& part) { return part.done; });
  return store_.write([&](Sql& sql) -> Result<ChangeSetView> {
    // Asked once more, where nobody comes in between: the same request may have been at work beside this one.
    BELAY_TRY_ASSIGN(auto meanwhile, made_before(sql, request, now));
    if (meanwhile) return std::move(*meanwhile);
    auto planned = state;
    if (nothing_to_ask) BELAY_TRY(freeze(sql, planned, view.created_at));
    else BELAY_TRY(store::change_sets::summarize(sql, summary_of(planned.view)));
    store::executions::Execution execution;
    execution.execution_id = view.change_set_id;
    execution.kind = kChangeSetKind;
    execution.state = json::encode_text(planned);
    execution.finished = nothing_to_ask;
    if (!nothing_to_ask) execution.wake_at = view.created_at;
    execution.created_at = execution.updated_at = view.created_at;
    BELAY_TRY(store::executions::create(sql, execution));
    if (request.client_token)
      BELAY_TRY(store::idempotency::remember(sql, request.client_token->key, request.client_token->request_hash,
                                             view.change_set_id, now));
    BELAY_TRY(note_in_audit(sql, view.created_at, request.requested_by, "belay:CreateChangeSet", view.change_set_id,
                            {{"parts", planned.view.parts.size()}, {"baseline", planned.view.baseline_id}}));
    return planned.view;
  });
}

Result<ChangeSetView> ChangeSets::get(std::string_view change_set_id) {
  return store_.read([&](Sql& sql) { return get(sql, change_set_id); });
}

Result<ChangeSetView> ChangeSets::get(Sql& sql, std::string_view change_set_id) {
  const auto kept = store::change_sets::get(sql, change_set_id);
  if (kept.ok()) return view_of(*kept);
  if (kept.error().code() != Code::not_found) return kept.error();
  const auto planning = store::executions::get(sql, kChangeSetKind, change_set_id);
  if (!planning.ok())
    return Error(planning.error().code(), "there is no change set '" + sanitize(change_set_id, 64) + "'");
  BELAY_TRY_ASSIGN(auto state, json::decode_text<PlanningState>(planning->state, kLimits));
  return std::move(state.view);
}

Result<store::Listed<store::change_sets::Summary>> ChangeSets::list(const store::Page& page) {
  return store_.read([&](Sql& sql) { return store::change_sets::list(sql, page); });
}

}  // namespace belay::server
