// What is told of a rollout for people: its nodes as they are now, its report, who has what.
#include <algorithm>
#include <map>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/fleet/problem_text.hpp"
#include "server/engine/order_desk.hpp"
#include "server/engine/quarantine.hpp"
#include "server/engine/rollout_kind.hpp"
#include "store/backups.hpp"
#include "store/runs.hpp"

namespace belay::server {
namespace {
using rollout::NodeState;
using store::Sql;

constexpr std::size_t kNodesTold = 200, kTurnsTold = 50, kRunsSearched = 1'000;
constexpr json::Limits kKeptReportLimits{.bytes_max = 64u << 20, .depth_max = 64};
constexpr json::Limits kLimits{.bytes_max = 8u << 20, .depth_max = 32};

std::string word(auto value) { return boost::describe::enum_to_string(value, "?"); }

// What the node said last of the run it is in, as the state it means.
NodeState live_state(std::string_view step, NodeState kept) {
  if (step == "protecting" || step == "downloading") return NodeState::Protecting;
  if (step == "installing") return NodeState::Installing;
  if (step == "rebooting") return NodeState::Rebooting;
  if (step == "verifying" || step == "committing" || step == "restarting") return NodeState::Verifying;
  if (step == "falling_back" || step.find("roll") != std::string_view::npos ||
      step.find("restor") != std::string_view::npos)
    return NodeState::RollingBack;
  return kept;
}

Result<std::optional<wire::OrderUpdate>> newest_update(Sql& sql, const std::string& order_id) {
  if (order_id.empty()) return std::optional<wire::OrderUpdate>();
  const auto order = store::orders::get(sql, order_id);
  if (!order.ok() && order.error().code() == Code::not_found) return std::optional<wire::OrderUpdate>();
  if (!order.ok()) return order.error();
  if (order->update.empty()) return std::optional<wire::OrderUpdate>();
  BELAY_TRY_ASSIGN(auto update, json::decode_text<wire::OrderUpdate>(order->update));
  return std::optional(std::move(update));
}

Result<std::optional<store::runs::Run>> run_of(Sql& sql, const rollout::Node& node) {
  const auto& id = node.undoes.empty() ? node.order_id : node.undoes;
  if (id.empty()) return std::optional<store::runs::Run>();
  auto run = store::runs::get(sql, id);
  if (!run.ok() && run.error().code() == Code::not_found) return std::optional<store::runs::Run>();
  if (!run.ok()) return run.error();
  return std::optional(std::move(*run));
}

json::Object change_row(const fleet::PackageChange& change) {
  return {{"Name", change.name},
          {"Architecture", change.arch},
          {"FromVersion", change.from_version},
          {"ToVersion", change.to_version}};
}

json::Array changes_rows(const std::vector<fleet::PackageChange>& changes) {
  json::Array out;
  for (const auto& change : changes) out.push_back(change_row(change));
  return out;
}

}  // namespace

json::Object data_reply(const rollout::DataRung& data) {
  json::Object out{{"Step", word(data.step)},
                   {"Moment", to_iso8601(data.moment)},
                   {"PlanName", data.plan_name},
                   {"PointId", data.point_id},
                   {"ProofId", data.proof_id},
                   {"JobId", data.job_id},
                   {"PutAside", json::encode(data.put_aside)},
                   {"Told", data.told}};
  if (data.restored_to) out["RestoredTo"] = to_iso8601(*data.restored_to);
  if (data.took) out["TookMs"] = data.took->count();
  return out;
}

namespace {

// One failed node: when what happened, which probe turned, what the logs said.
json::Object failure_row(const rollout::Node& node, const store::runs::Run& run) {
  json::Array line, probes, problems;
  for (const auto& step : run.report.steps)
    line.push_back(json::Object{{"At", to_iso8601(step.entered_at)},
                                {"What", step.state},
                                {"TookMs", step.took.count()},
                                {"Detail", step.detail}});
  for (const auto& turn : run.report.probe_turns)
    if (probes.size() < kTurnsTold)
      probes.push_back(json::Object{
          {"At", to_iso8601(turn.at)}, {"Probe", turn.probe}, {"Healthy", turn.healthy}, {"Detail", turn.detail}});
  for (const auto& problem : run.report.problems)
    problems.push_back(json::Object{{"Reason", word(problem.reason)},
                                    {"Subject", problem.subject},
                                    {"Detail", problem.detail},
                                    {"Next", problem.next}});
  auto rungs = run.report.rungs;
  if (node.data && !node.data->job_id.empty()) rungs.emplace_back("data");
  json::Object out{{"InstanceId", node.node_id},
                   {"State", word(node.state)},
                   {"Why", node.why},
                   {"RunId", run.run_id},
                   {"Outcome", word(run.report.outcome)},
                   {"Rungs", json::encode(rungs)},
                   {"WayBack", json::encode(run.report.way_back)},
                   {"Changes", changes_rows(run.report.changed)},
                   {"TimeLine", std::move(line)},
                   {"ProbeTurns", std::move(probes)},
                   {"Problems", std::move(problems)},
                   {"Journal", run.report.failure_log},
                   {"Output", run.report.output}};
  if (node.data) out["Data"] = data_reply(*node.data);
  return out;
}

// ---- which of the changed packages it was
struct Suspect {
  std::uint32_t failed = 0, well = 0;  // nodes that got this version and failed, or took it well
  bool named = false;                  // a problem or a probe speaks of it
};
using Suspects = std::map<std::pair<std::string, std::string>, Suspect>;  // by name and version

bool speaks_of(const store::runs::Run& run, const std::string& package) {
  const auto has = [&](const std::string& text) { return text.find(package) != std::string::npos; };
  return std::ranges::any_of(run.report.problems,
                             [&](const auto& p) { return p.subject == package || has(p.detail); }) ||
         std::ranges::any_of(run.report.probe_turns, [&](const auto& t) { return !t.healthy && has(t.detail); }) ||
         has(run.report.failure_log);
}

json::Array suspects_rows(const Suspects& suspects) {
  std::vector<Suspects::const_iterator> order;
  for (auto at = suspects.begin(); at != suspects.end(); ++at)
    if (at->second.failed > 0) order.push_back(at);
  std::ranges::sort(order, [](const auto& a, const auto& b) {
    const auto rank = [](const Suspect& s) {
      return std::tuple(!s.named, s.well, -static_cast<std::int64_t>(s.failed));
    };
    return rank(a->second) < rank(b->second);
  });
  json::Array out;
  for (const auto& at : order) {
    if (out.size() == 20) break;
    const auto& suspect = at->second;
    std::string why =
        std::to_string(suspect.failed) + " failed with it, " + std::to_string(suspect.well) + " took it well";
    if (suspect.named) why = "the failure speaks of it; " + why;
    out.push_back(json::Object{{"Package", at->first.first}, {"Version", at->first.second}, {"Why", why}});
  }
  return out;
}

json::Array advice(const store::rollouts::Rollout& row, const rollout::Spec& spec, const json::Array& suspects,
                   bool during_soak, bool restored) {
  json::Array out;
  if (restored)
    out.push_back(json::Value(
        "data was restored: what was written since the change is only in what was put aside; take out of it what is "
        "wanted, then delete it, and make a full backup soon"));
  if (!suspects.empty()) {
    const auto name = json::text_or_empty(suspects.front(), "Package");
    out.push_back(json::Value("leave it out until it is mended: belay exception add --package " + name +
                              " --owner YOU --until DATE --reason '" + row.rollout_id + "', then plan anew"));
  }
  if (spec.probes.empty()) out.push_back(json::Value("add probes: without them only package versions are checked"));
  if (during_soak) out.push_back(json::Value("lengthen the gate (gate.for): the fault showed itself after the commit"));
  if (!spec.rings.empty() && spec.rings.front().soak == Duration::zero())
    out.push_back(json::Value("give the first ring a soak: faults that need time then show where they cost least"));
  return out;
}

}  // namespace

Result<json::Object> make_rollout_report(Sql& sql, const store::rollouts::Rollout& row, Instant now) {
  BELAY_TRY_ASSIGN(const auto spec, json::decode_text<rollout::Spec>(row.spec, kLimits));
  BELAY_TRY_ASSIGN(const auto rows, store::rollouts::nodes_of(sql, row.rollout_id));
  BELAY_TRY_ASSIGN(const auto rings, json::decode_text<std::vector<RingView>>(row.rings));
  Suspects suspects;
  std::vector<rollout::Node> well;
  json::Array failures, nodes;
  bool during_soak = false, restored = false;
  for (const auto& kept : rows) {
    BELAY_TRY_ASSIGN(const auto node, json::decode_text<rollout::Node>(kept.machine, kLimits));
    const bool failed = rollout::has_failed(node);
    restored = restored || (node.data && node.data->step != rollout::DataStep::restoring && !node.data->told.empty());
    during_soak = during_soak || node.regressed;
    if (nodes.size() < kNodesTold)
      nodes.push_back(json::Object{{"InstanceId", node.node_id},
                                   {"Ring", kept.ring < spec.rings.size() ? spec.rings[kept.ring].name : ""},
                                   {"State", word(node.state)},
                                   {"Why", node.why},
                                   {"RunId", node.order_id}});
    if (!failed && node.state == NodeState::Committed && well.size() < kRunsSearched) well.push_back(node);
    if (!failed) continue;
    BELAY_TRY_ASSIGN(const auto run, run_of(sql, node));
    if (!run) continue;
    const auto ordered = content_of(sql, run->run_id);
    const auto& changes = ordered.ok() && ordered->patch ? ordered->patch->changes : run->report.changed;
    for (const auto& change : changes) {
      auto& suspect = suspects[{change.name, change.to_version}];
      ++suspect.failed;
      if (speaks_of(*run, change.name)) suspect.named = true;
    }
    if (failures.size() < kNodesTold) failures.push_back(failure_row(node, *run));
  }
  // Who took it well is asked only where somebody is suspected.
  for (const auto& node : suspects.empty() ? std::vector<rollout::Node>() : well) {
    BELAY_TRY_ASSIGN(const auto run, run_of(sql, node));
    for (const auto& change : run ? run->report.changed : std::vector<fleet::PackageChange>())
      if (const auto suspect = suspects.find({change.name, change.to_version}); suspect != suspects.end())
        ++suspect->second.well;
  }
  json::Array ring_rows;
  for (const auto& ring : rings) ring_rows.push_back(json::encode(ring));
  const auto ranked = suspects_rows(suspects);
  json::Object report{{"RolloutId", row.rollout_id},
                      {"Name", row.name},
                      {"State", row.state},
                      {"Why", row.why},
                      {"ChangeSetId", row.change_set_id},
                      {"CreatedBy", row.created_by},
                      {"CreatedAt", to_iso8601(row.created_at)},
                      {"MadeAt", to_iso8601(now)},
                      {"Rings", std::move(ring_rows)},
                      {"Nodes", std::move(nodes)},
                      {"NodeCount", rows.size()},
                      {"Failures", std::move(failures)},
                      {"Suspects", ranked},
                      {"Advice", advice(row, spec, ranked, during_soak, restored)}};
  if (row.started_at) report["StartedAt"] = to_iso8601(*row.started_at);
  if (row.finished_at) report["FinishedAt"] = to_iso8601(*row.finished_at);
  return report;
}

Result<json::Object> Rollouts::report(std::string_view rollout_id) {
  return store_.read([&](Sql& sql) -> Result<json::Object> {
    const auto row = store::rollouts::get(sql, rollout_id);
    if (!row.ok() && row.error().code() == Code::not_found)
      return Error(Code::not_found, "there is no rollout '" + sanitize(std::string(rollout_id), 64) + "'",
                   "DoesNotExistException");
    if (!row.ok()) return row.error();
    if (row->report.empty()) return make_rollout_report(sql, *row, clock_.now());
    BELAY_TRY_ASSIGN(const auto kept, json::parse(row->report, kKeptReportLimits));
    return kept.as_object();
  });
}

Result<std::vector<RolloutNodeView>> Rollouts::restored(std::string_view rollout_id) {
  std::vector<RolloutNodeView> out;
  BELAY_TRY_ASSIGN(const auto view, get(rollout_id));
  BELAY_TRY_ASSIGN(const auto spec, json::decode_text<rollout::Spec>(view.row.spec, kLimits));
  if (std::ranges::none_of(spec.rings, &rollout::RingSpec::restore_data)) return out;
  const store::rollouts::NodeFilter filter{{"RollingBack", "RolledBack", "RollbackFailed", "Inconsistent"}, {}};
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(auto some, nodes(rollout_id, filter, page));
    for (auto& node : some.items)
      if (node.data && out.size() < kNodesTold) out.push_back(std::move(node));
    page.after = some.next;
  } while (!page.after.empty() && out.size() < kNodesTold);
  return out;
}

Result<store::Listed<RolloutNodeView>> Rollouts::nodes(std::string_view rollout_id,
                                                       const store::rollouts::NodeFilter& filter,
                                                       const store::Page& page) {
  return store_.read([&](Sql& sql) -> Result<store::Listed<RolloutNodeView>> {
    BELAY_TRY_ASSIGN(const auto row, store::rollouts::get(sql, rollout_id));
    BELAY_TRY_ASSIGN(const auto spec, json::decode_text<rollout::Spec>(row.spec, kLimits));
    BELAY_TRY_ASSIGN(auto rows, store::rollouts::list_nodes(sql, rollout_id, filter, page));
    std::vector<std::string> ids;
    for (const auto& node : rows.items) ids.push_back(node.node_id);
    BELAY_TRY_ASSIGN(const auto briefs, store::nodes::get_briefs(sql, ids));
    store::Listed<RolloutNodeView> out;
    out.next = rows.next;
    for (auto& kept : rows.items) {
      BELAY_TRY_ASSIGN(const auto node, json::decode_text<rollout::Node>(kept.machine, kLimits));
      RolloutNodeView view;
      view.state = node.state;
      view.started_at = node.started_at;
      view.ended_at = node.ended_at;
      view.ring_name = kept.ring < spec.rings.size() ? spec.rings[kept.ring].name : "";
      const auto brief = std::ranges::find(briefs, kept.node_id, &store::nodes::Brief::node_id);
      if (brief != briefs.end()) view.node_name = brief->name;
      if (rollout::is_at_work(node.state)) {
        BELAY_TRY_ASSIGN(const auto update, newest_update(sql, node.order_id));
        if (update && node.state != NodeState::RollingBack) view.state = live_state(update->step, node.state);
        if (update) view.detail = update->detail;
      }
      view.data = node.data;
      if (node.data && node.data->step == rollout::DataStep::restoring && rollout::is_at_work(node.state)) {
        const auto job = store::backups::get_job(sql, node.data->job_id);
        view.detail = "its data is put back" + (job.ok() && !job->progress.empty() ? ": " + job->progress : "");
      }
      view.row = std::move(kept);
      out.items.push_back(std::move(view));
    }
    return out;
  });
}

// ---- who has it already

Result<std::vector<WhereRow>> Rollouts::where(std::string_view package, std::string_view version) {
  return store_.read([&](Sql& sql) -> Result<std::vector<WhereRow>> {
    BELAY_TRY_ASSIGN(const auto in_force, store::rollouts::in_quarantine(sql));
    std::map<std::string, std::vector<fleet::InstalledPackage>> found_in;  // by package set
    std::vector<WhereRow> out;
    std::size_t searched = 0;
    store::Page page{store::kPageLimitMax, {}};
    do {
      BELAY_TRY_ASSIGN(const auto heads, store::scans::heads(sql, {}, page));
      for (const auto& head : heads.items) {
        auto [known, added] = found_in.try_emplace(head.package_set_hash);
        if (added) {
          BELAY_TRY_ASSIGN(const auto set, judge_.packages(sql, head.package_set_hash));
          for (const auto& one : set ? set->packages : std::vector<fleet::InstalledPackage>())
            if (one.name == package && (version.empty() || one.version == version)) known->second.push_back(one);
        }
        for (const auto& one : known->second) {
          BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, head.node_id));
          if (node.state != store::nodes::NodeState::active) continue;
          WhereRow row{node.node_id, node.name, node.operating_system, one.arch, one.version, false, "", ""};
          BELAY_TRY_ASSIGN(const auto roles, roles_of(sql, node.node_id));
          row.quarantined =
              hit_by(in_force, {one.name, one.arch, "", one.version, "", 0}, node.operating_system, roles);
          if (++searched <= kRunsSearched) {
            BELAY_TRY_ASSIGN(const auto runs, store::runs::history(sql, node.node_id, {50, {}}));
            for (const auto& run : runs.items) {
              if (run.report.outcome != patchrun::Outcome::committed || !row.came_by_run.empty()) continue;
              for (const auto& change : run.report.changed)
                if (change.name == one.name && change.arch == one.arch && change.to_version == one.version) {
                  row.came_by_run = run.run_id;
                  row.from_version = change.from_version;
                }
            }
          }
          out.push_back(std::move(row));
        }
      }
      page.after = heads.next;
    } while (!page.after.empty());
    return out;
  });
}

// ---- whether there is a way back

namespace {

void assess(const store::nodes::Node& node, const Shipment& shipment, Reversibility& out) {
  using patchrun::ReversibilityClass;
  std::uint64_t bytes = 0;
  for (const auto& change : shipment.changes) bytes += change.size_bytes;
  std::uint64_t free = 0;
  std::size_t longest = 0;
  for (const auto& mount : node.facts.mounts)
    if (std::string_view("/var/lib/belay-agent").starts_with(mount.path) && mount.path.size() > longest)
      longest = mount.path.size(), free = mount.bytes_free;
  if (longest > 0 && free < 2 * bytes) {
    out.why_not_more.push_back("too little space to hold the old packages: " + std::to_string(free >> 20) +
                               " MiB free, " + std::to_string(2 * bytes >> 20) + " MiB wanted");
    return;
  }
  out.reached = ReversibilityClass::R1;
  out.evidence.push_back("old packages can be held: " + std::to_string(free >> 20) + " MiB are free for them");
}

void learn_from(const store::runs::Run& run, std::string_view change_set_id, Instant now, Reversibility& out) {
  const auto age = humanize(now - run.finished_at);
  if (run.change_set_id == change_set_id && !run.report.way_back.held.empty()) out.proven = run.report.way_back;
  if (run.report.way_back.reached >= patchrun::ReversibilityClass::R2) {
    out.reached = std::max(out.reached, patchrun::ReversibilityClass::R2);
    out.evidence.push_back("its run " + run.run_id + ", " + age + " ago, took " +
                           join(run.report.way_back.snapshots, ", "));
  }
  for (const auto& why : run.report.way_back.why_not_more) out.why_not_more.push_back(why + " (" + age + " ago)");
}

// That the newest rollout it takes part in ships.
Result<std::string> newest_change_set_of(Sql& sql, const std::string& node_id) {
  store::rollouts::Filter filter;
  filter.node_id = node_id;
  BELAY_TRY_ASSIGN(const auto rows, store::rollouts::list(sql, filter, {20, {}}));
  for (const auto& row : rows.items)
    if (!row.change_set_id.empty()) return row.change_set_id;
  return Error(Code::not_found, node_id + " takes part in no rollout that ships something; name the change set",
               "DoesNotExistException");
}

}  // namespace

Result<Reversibility> Rollouts::reversibility(std::string_view instance_id, std::string_view change_set_id) {
  const Instant now = clock_.now();
  return store_.read([&](Sql& sql) -> Result<Reversibility> {
    Reversibility out;
    BELAY_TRY_ASSIGN(const auto ids, resolve_targets(sql, {std::string(instance_id)}, {}));
    BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, ids.front()));
    out.node_id = node.node_id;
    out.change_set_id = change_set_id;
    if (out.change_set_id.empty()) {
      BELAY_TRY_ASSIGN(out.change_set_id, newest_change_set_of(sql, node.node_id));
    }
    const auto frozen = frozen_change_set(sql, out.change_set_id);
    if (!frozen.ok() && frozen.error().code() == Code::not_found)
      return Error(Code::not_found, "there is no frozen change set '" + sanitize(out.change_set_id, 64) + "'",
                   "DoesNotExistException");
    if (!frozen.ok()) return frozen.error();
    BELAY_TRY_ASSIGN(const auto shipment, shipment_for(sql, judge_, *frozen, node, now));
    if (!shipment.why_not.empty()) {
      out.why_not_more.push_back("the node " + shipment.why_not);
      return out;
    }
    assess(node, shipment, out);
    BELAY_TRY_ASSIGN(const auto run, store::runs::newest(sql, node.node_id));
    if (run) learn_from(*run, out.change_set_id, now, out);
    if (out.reached < patchrun::ReversibilityClass::R2)
      out.why_not_more.push_back("no snapshot of this node has been seen; the node says so itself before it begins");
    return out;
  });
}

}  // namespace belay::server
