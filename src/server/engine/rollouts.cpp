#include "server/engine/rollouts.hpp"

#include <algorithm>
#include <set>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/approvals.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/change_calendars.hpp"
#include "server/engine/quarantine.hpp"
#include "server/engine/rollout_kind.hpp"
#include "server/engine/rollout_rows.hpp"
#include "server/engine/unsettled_nodes.hpp"
#include "store/baselines.hpp"
#include "store/runs.hpp"
#include "store/settings.hpp"

namespace belay::server {
namespace {
using rollout::EventKind;
using rollout::State;
using store::Sql;

constexpr std::uint32_t kApprovalsLeast = 1;  // setting "rollout.approvals-least"
constexpr Duration kSilenceShows{360'000};    // a heartbeat, and a minute
constexpr Duration kRunTakesLeast{120'000};   // of any change: check, install, and the same back

Result<std::uint32_t> approvals_least(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto text, store::settings::get(sql, "rollout.approvals-least"));
  return text ? static_cast<std::uint32_t>(std::stoul(*text)) : kApprovalsLeast;  // checked when it was set
}

Result<std::uint32_t> approvals_of(Sql& sql, const rollout::Spec& spec) {
  BELAY_TRY_ASSIGN(const auto least, approvals_least(sql));
  if (!spec.approvals) return least;
  if (*spec.approvals < least)
    return refused_rollout("approvals: " + std::to_string(*spec.approvals) + " is below the " + std::to_string(least) +
                           " that the policy wants (service setting /belay/rollout/approvals-least)");
  return *spec.approvals;
}

// By id, ARN or name; a name must be one baseline's.
Result<std::string> baseline_named(Sql& sql, const std::string& text) {
  const auto slash = text.rfind('/');
  const auto id = slash == std::string::npos ? text : text.substr(slash + 1);
  if (id.starts_with("pb-")) {
    const auto found = store::baselines::get(sql, id);
    if (found.ok()) return id;
    if (found.error().code() != Code::not_found) return found.error();
    return refused_rollout("baseline: there is no patch baseline " + id);
  }
  std::vector<std::string> ids;
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto some, store::baselines::list(sql, {{text}, {}, {}}, page));
    for (const auto& version : some.items)
      if (version.name == text) ids.push_back(version.baseline_id);
    page.after = some.next;
  } while (!page.after.empty());
  if (ids.size() == 1) return ids.front();
  if (ids.empty()) return refused_rollout("baseline: no patch baseline is called '" + sanitize(text, 100) + "'");
  return refused_rollout("baseline: " + std::to_string(ids.size()) + " patch baselines are called '" +
                         sanitize(text, 100) + "' (" + join(ids, ", ") + "); name one by its id");
}

// What the nodes' newest runs took at most: a window that is shorter can never hold a change and its rollback.
Status check_window(Sql& sql, const rollout::Spec& spec, std::uint32_t index,
                    const std::vector<rollout::Node>& members) {
  const auto& ring = spec.rings[index];
  if (ring.window.empty()) return {};
  const auto window = store::windows::get(sql, ring.window);
  const auto field = "rings[" + std::to_string(index) + "].window: ";
  if (!window.ok() && window.error().code() == Code::not_found)
    return refused_rollout(field + "there is no maintenance window " + ring.window);
  if (!window.ok()) return window.error();
  const Duration open = std::chrono::hours(window->duration_hours - window->cutoff_hours);
  Duration longest = 2 * kRunTakesLeast + spec.gate.watch;
  std::string whose = "any node";
  std::size_t looked_at = 0;
  for (const auto& node : members) {
    if (node.ring != index || ++looked_at > 200) continue;
    BELAY_TRY_ASSIGN(const auto run, store::runs::newest(sql, node.node_id));
    if (!run || run->report.changed.empty()) continue;
    Duration takes = spec.gate.watch;
    for (const auto& step : run->report.steps) takes += 2 * step.took;
    if (takes > longest) longest = takes, whose = node.node_id;
  }
  if (longest <= open) return {};
  return refused_rollout(field + ring.window + " lets changes begin for " + humanize(open) +
                         ", and a change with its checks " + "and its way back takes up to " + humanize(longest) +
                         " on " + whose + ": it would never begin");
}

Status check_calendars(Sql& sql, const rollout::Spec& spec, std::uint32_t index) {
  for (const auto& name : spec.rings[index].calendars) {
    const auto found = find_change_calendar(sql, name);
    if (found.ok()) continue;
    if (!is_no_calendar(found.error())) return found.error();
    return refused_rollout("rings[" + std::to_string(index) + "].calendars: " + found.error().message());
  }
  return {};
}

struct Plan {
  rollout::Spec spec;
  std::vector<rollout::Node> nodes;
  std::vector<std::string> warnings;
  std::uint32_t approvals = 0;
  std::string baseline_id;
};

Result<Plan> plan_of(Sql& sql, const std::string& content) {
  Plan plan;
  BELAY_TRY_ASSIGN(plan.spec, rollout::read_spec(content));
  const auto probes = patchrun::check_probes(plan.spec.probes);
  if (!probes.ok()) return refused_rollout(probes.error().message());
  BELAY_TRY_ASSIGN(plan.approvals, approvals_of(sql, plan.spec));
  if (!plan.spec.baseline.empty()) {
    BELAY_TRY_ASSIGN(plan.baseline_id, baseline_named(sql, plan.spec.baseline));
  }
  BELAY_TRY_ASSIGN(plan.nodes, members_of(sql, plan.spec, plan.warnings));
  for (std::uint32_t i = 0; i < plan.spec.rings.size(); ++i) {
    BELAY_TRY(check_window(sql, plan.spec, i, plan.nodes));
    BELAY_TRY(check_calendars(sql, plan.spec, i));
  }
  for (const auto& ring : plan.spec.rings)
    if (ring.soak > Duration::zero() && ring.soak < kSilenceShows)
      plan.warnings.push_back("the ring '" + ring.name + "' soaks for " + humanize(ring.soak) +
                              ": nodes are heard of every five minutes, so a soak below " + humanize(kSilenceShows) +
                              " cannot see one die");
  for (const auto& ring : plan.spec.rings)
    if (ring.restore_data)
      plan.warnings.push_back(
          "the ring '" + ring.name +
          "' restores data (restoreData): where a change fails there and nothing else helps, the "
          "database goes back to the moment before it, and what was written since is lost to it: it "
          "is only put aside");
  if (plan.spec.probes.empty())
    plan.warnings.push_back("there are no probes: only package versions are checked, no service's health");
  if (plan.spec.change_set_id.empty()) return plan;
  const auto frozen = frozen_change_set(sql, plan.spec.change_set_id);
  if (!frozen.ok() && frozen.error().code() == Code::not_found)
    return refused_rollout("changeSet: there is no frozen change set " + plan.spec.change_set_id);
  if (!frozen.ok()) return frozen.error();
  BELAY_TRY_ASSIGN(const auto in_force, store::rollouts::in_quarantine(sql));
  for (const auto& entry : in_force)
    if (entry.change_set_id == plan.spec.change_set_id)
      return refused_rollout("changeSet: " + plan.spec.change_set_id + " is in quarantine (" + entry.quarantine_id +
                             "): " + entry.reason);
  return plan;
}

rollout::Rollout machine_of(const Plan& plan, bool start) {
  rollout::Rollout machine;
  machine.started = start;
  machine.on_failure = plan.spec.on_failure;
  for (std::uint32_t i = 0; i < plan.spec.rings.size(); ++i) {
    const auto members = std::ranges::count(plan.nodes, i, &rollout::Node::ring);
    machine.rings.push_back(ring_of(plan.spec.rings[i], plan.spec, static_cast<std::uint32_t>(members)));
  }
  return machine;
}

Result<RolloutView> view_of(store::rollouts::Rollout row) {
  RolloutView view;
  BELAY_TRY_ASSIGN(view.rings, json::decode_text<std::vector<RingView>>(row.rings));
  view.row = std::move(row);
  return view;
}

// In which states an operator's event means something.
bool fits(EventKind kind, const store::rollouts::Rollout& row) {
  const auto is = [&](std::initializer_list<State> states) {
    return std::ranges::any_of(states,
                               [&](State state) { return row.state == boost::describe::enum_to_string(state, "?"); });
  };
  switch (kind) {
    case EventKind::start: return is({State::Planned}) && !row.started_at;
    case EventKind::pause: return is({State::Planned, State::AwaitingApproval, State::Running, State::Soaking});
    case EventKind::resume: return is({State::Paused, State::Halted});
    default: return !is({State::Completed, State::RolledBack, State::Aborted});
  }
}

}  // namespace

Result<RolloutView> Rollouts::create(const CreateRolloutRequest& request) {
  const Instant now = clock_.now();
  const auto recalled = [&](Sql& sql) -> Result<std::optional<std::string>> {
    if (!request.client_token) return std::optional<std::string>();
    return store::idempotency::recall(sql, request.client_token->key, request.client_token->request_hash, now);
  };
  BELAY_TRY_ASSIGN(const auto before, store_.read(recalled));
  if (before) return get(*before);
  BELAY_TRY_ASSIGN(const auto plan, store_.read([&](Sql& sql) { return plan_of(sql, request.content); }));
  if (!plan.spec.mails.empty() && !sends_mail_)
    return refused_rollout("notify: mail is wanted, and this server sends none; name its program (belayd --sendmail)");

  store::rollouts::Rollout row;
  row.rollout_id = make_id("ro", io::random_bytes(kIdRandomBytes));
  row.name = plan.spec.name;
  row.content = request.content;
  row.spec = json::encode_text(plan.spec);
  row.change_set_id = plan.spec.change_set_id;
  row.created_by = request.requested_by;
  row.created_at = now;
  if (row.change_set_id.empty()) {
    CreateChangeSetRequest wanted;
    wanted.name = plan.spec.name;
    wanted.description = "of the rollout " + row.rollout_id;
    wanted.baseline_id = plan.baseline_id;
    wanted.requested_by = request.requested_by;
    wanted.leave_out_unknown = true;
    wanted.node_ids.emplace();
    for (const auto& node : plan.nodes) wanted.node_ids->push_back(node.node_id);
    BELAY_TRY_ASSIGN(const auto made, change_sets_.create(wanted));
    row.change_set_id = made.change_set_id;
  }
  RolloutExecution state;
  state.machine = machine_of(plan, request.start);
  state.change_set_id = row.change_set_id;
  state.approvals_wanted = plan.approvals;
  auto shown = state.machine;
  shown.nodes = plan.nodes;
  row.rings = json::encode_text(views_of(shown));
  const auto made = store_.write([&](Sql& sql) -> Result<std::string> {
    BELAY_TRY_ASSIGN(const auto meanwhile, recalled(sql));
    if (meanwhile) return *meanwhile;
    BELAY_TRY(keep_rollout(sql, row, state, plan.nodes));
    if (request.client_token)
      BELAY_TRY(store::idempotency::remember(sql, request.client_token->key, request.client_token->request_hash,
                                             row.rollout_id, now));
    BELAY_TRY(note_in_audit(sql, now, request.requested_by, "belay:CreateRollout", row.rollout_id,
                            {{"name", row.name},
                             {"changeSet", row.change_set_id},
                             {"nodes", plan.nodes.size()},
                             {"sha256", io::sha256_hex(row.content)}}));
    return row.rollout_id;
  });
  if (!made.ok()) return made.error();
  BELAY_TRY_ASSIGN(auto view, get(*made));
  view.warnings = plan.warnings;
  return view;
}

Status Rollouts::post(std::string_view rollout_id, RolloutEvent event, std::string_view operation) {
  const Instant now = clock_.now();
  return store_.write([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(const auto row, rollout_named(sql, rollout_id));
    if (!fits(event.kind, row))
      return wrong_rollout_state("the rollout " + row.rollout_id + " is " + row.state +
                                 (row.why.empty() ? "" : ": " + row.why));
    const auto key = std::string(kRolloutEventKey) + make_uuid(io::random_bytes(kIdRandomBytes));
    const auto posted = store::executions::post(sql, kRolloutKind, rollout_id, {0, key, json::encode_text(event), now});
    if (!posted.ok()) return posted;
    return note_in_audit(sql, now, event.who, "belay:" + std::string(operation), rollout_id,
                         {{"why", event.why}, {"ring", event.ring_name}});
  });
}

Status Rollouts::start(std::string_view rollout_id, std::string_view by) {
  return post(rollout_id, {EventKind::start, "", std::string(by), "", ""}, "StartRollout");
}

Status Rollouts::approve_ring(std::string_view rollout_id, std::string_view ring, std::string_view by) {
  // By its name, so that the audit log says which it was.
  const auto known = store_.read([&](Sql& sql) -> Result<std::string> {
    BELAY_TRY_ASSIGN(const auto row, rollout_named(sql, rollout_id));
    BELAY_TRY_ASSIGN(const auto rings, json::decode_text<std::vector<RingView>>(row.rings));
    const auto found = ring.empty() ? std::ranges::find_if(rings,
                                                           [](const auto& one) {
                                                             return one.state != rollout::RingState::Green &&
                                                                    one.approvals_wanted > one.approved_by.size();
                                                           })
                                    : std::ranges::find(rings, ring, &RingView::name);
    if (found == rings.end() && ring.empty())
      return wrong_rollout_state("no ring of " + row.rollout_id + " wants an approval");
    if (found == rings.end())
      return refused_rollout("the rollout " + row.rollout_id + " has no ring '" + sanitize(std::string(ring), 64) +
                             "'");
    if (found->approvals_wanted == 0) return wrong_rollout_state("the ring " + found->name + " wants no approval");
    if (row.created_by == by)
      return Error(
          Code::permission_denied,
          std::string(by) + " made the rollout " + row.rollout_id + "; it takes somebody else to approve its rings",
          "own-rollout");
    return found->name;
  });
  if (!known.ok()) return known.error();
  return post(rollout_id, {EventKind::ring_approved, "", std::string(by), "", *known}, "ApproveRing");
}

Status Rollouts::pause(std::string_view rollout_id, std::string_view why, std::string_view by) {
  return post(rollout_id, {EventKind::pause, "", std::string(by), std::string(why), ""}, "PauseRollout");
}

namespace {

// What there is to accept of a ring that halted, and who says why.
Status check_resume(const store::rollouts::Rollout& row, const rollout::Rollout& machine, bool held_ones_again,
                    std::string_view why) {
  if (machine.state != State::Halted || held_ones_again || machine.ring >= machine.rings.size()) return {};
  const auto& ring = machine.rings[machine.ring];
  if (ring.state != rollout::RingState::Halted) return {};
  BELAY_TRY_ASSIGN(const auto rings, json::decode_text<std::vector<RingView>>(row.rings));
  const auto& counts = rings[machine.ring].counts;
  if (counts.committed == 0 && counts.pending == 0 && counts.at_work == 0 && ring.sample_size > 0)
    return wrong_rollout_state("in the ring " + ring.name + " of " + row.rollout_id +
                               " nobody took the change, so it shows nothing that could be accepted: mend what held "
                               "its nodes and resume with RetryHeld, or start a new rollout");
  if (why.empty())
    return refused_rollout("the ring " + ring.name + " halted (" + row.why +
                           "); say why it may go on all the same (Reason): it stands in the audit log");
  return {};
}

}  // namespace

Status Rollouts::resume(std::string_view rollout_id, bool held_ones_again, std::string_view by, std::string_view why) {
  const auto may = store_.read([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(const auto row, rollout_named(sql, rollout_id));
    BELAY_TRY_ASSIGN(const auto execution, store::executions::get(sql, kRolloutKind, rollout_id));
    BELAY_TRY_ASSIGN(const auto state, json::decode_text<RolloutExecution>(execution.state, {.bytes_max = 8u << 20}));
    if (state.machine.rolled_back)
      return wrong_rollout_state("the rollout " + row.rollout_id +
                                 " was rolled back; it is not resumed: start a new one");
    BELAY_TRY(check_resume(row, state.machine, held_ones_again, why));
    const auto frozen = frozen_change_set(sql, row.change_set_id);
    if (!frozen.ok()) return {};
    BELAY_TRY_ASSIGN(const auto in_force, store::rollouts::in_quarantine(sql));
    BELAY_TRY_ASSIGN(const auto* hit, hit_by(sql, in_force, *frozen));
    if (hit)
      return wrong_rollout_state("what the rollout " + row.rollout_id + " ships is in quarantine (" +
                                 hit->quarantine_id + "): lift that first, with your reason, or plan anew without it");
    return {};
  });
  if (!may.ok()) return may;
  return post(rollout_id, {EventKind::resume, "", std::string(by), std::string(why), "", held_ones_again},
              "ResumeRollout");
}

Status Rollouts::abort(std::string_view rollout_id, std::string_view why, std::string_view by) {
  return post(rollout_id, {EventKind::abort, "", std::string(by), std::string(why), ""}, "AbortRollout");
}

Result<std::string> Rollouts::settle(std::string_view instance_id, std::string_view reason, std::string_view by) {
  if (reason.empty()) return refused_rollout("say what you saw there (Reason)");
  return store_.write([&](Sql& sql) -> Result<std::string> {
    BELAY_TRY_ASSIGN(const auto ids, resolve_targets(sql, {std::string(instance_id)}, {}));
    BELAY_TRY_ASSIGN(const bool settled, settle_node(sql, ids.front(), by, reason, clock_.now()));
    if (!settled)
      return wrong_rollout_state("the node " + ids.front() + " failed in no rollout, or is settled already");
    return ids.front();
  });
}

// ---- approvals and quarantine

namespace {

// The rollout that an approval of a change set is about; nothing where none of it is open.
Result<std::optional<store::rollouts::Rollout>> rollout_to_approve(Sql& sql, std::string_view change_set_id,
                                                                   std::string_view rollout_id) {
  if (!rollout_id.empty()) {
    BELAY_TRY_ASSIGN(auto row, rollout_named(sql, rollout_id));
    if (row.change_set_id != change_set_id)
      return wrong_rollout_state("the rollout " + row.rollout_id + " does not ship " + std::string(change_set_id));
    if (!fits(EventKind::approved, row))
      return wrong_rollout_state("the rollout " + row.rollout_id + " is " + row.state +
                                 ": there is nothing left to approve");
    return std::optional(std::move(row));
  }
  store::rollouts::Filter filter;
  filter.over = false;
  filter.change_set_id = change_set_id;
  BELAY_TRY_ASSIGN(auto open, store::rollouts::list(sql, filter, {store::kPageLimitMax, {}}));
  std::erase_if(open.items, [](const auto& row) { return !fits(EventKind::approved, row); });
  if (open.items.empty()) return std::optional<store::rollouts::Rollout>();
  if (open.items.size() == 1) return std::optional(std::move(open.items.front()));
  std::vector<std::string> ids;
  for (const auto& row : open.items) ids.push_back(row.rollout_id);
  return wrong_rollout_state("several rollouts ship " + std::string(change_set_id) + " (" + join(ids, ", ") +
                             "), each in its own way: name the one you approve (RolloutId)");
}

Status post_approval(Sql& sql, const store::rollouts::Rollout& row, std::string_view by, Instant now) {
  if (row.created_by == by)
    return Error(
        Code::permission_denied,
        std::string(by) + " made the rollout " + row.rollout_id + "; it takes somebody else to approve what it ships",
        "own-rollout");
  const auto key = std::string(kRolloutEventKey) + make_uuid(io::random_bytes(kIdRandomBytes));
  const RolloutEvent event{EventKind::approved, "", std::string(by), "", ""};
  return store::executions::post(sql, kRolloutKind, row.rollout_id, {0, key, json::encode_text(event), now});
}

}  // namespace

Result<std::uint32_t> Rollouts::approve_change_set(std::string_view change_set_id, std::string_view rollout_id,
                                                   std::string_view by) {
  const Instant now = clock_.now();
  return store_.write([&](Sql& sql) -> Result<std::uint32_t> {
    const auto kept = store::change_sets::get(sql, change_set_id);
    if (!kept.ok() && kept.error().code() == Code::not_found)
      return Error(Code::not_found,
                   "there is no frozen change set '" + sanitize(std::string(change_set_id), 64) +
                       "'; one that is still planned cannot be approved",
                   "DoesNotExistException");
    if (!kept.ok()) return kept.error();
    if (kept->created_by == by)
      return Error(
          Code::permission_denied,
          std::string(by) + " made the change set " + kept->change_set_id + "; it takes somebody else to approve it",
          "own-change-set");
    BELAY_TRY_ASSIGN(const auto rollout, rollout_to_approve(sql, change_set_id, rollout_id));
    BELAY_TRY_ASSIGN(const auto view, frozen_change_set(sql, change_set_id));
    BELAY_TRY(store::change_sets::approve(sql, change_set_id, sign_approval(authority_, view, by, now)));
    json::Object detail{{"sha256", kept->sha256}};
    if (rollout) {
      BELAY_TRY(post_approval(sql, *rollout, by, now));
      BELAY_TRY_ASSIGN(const auto whole, store::rollouts::get(sql, rollout->rollout_id));
      detail["rollout"] = whole.rollout_id;
      detail["rolloutSha256"] = io::sha256_hex(whole.content);
    }
    BELAY_TRY(note_in_audit(sql, now, by, "belay:ApproveChangeSet", change_set_id, std::move(detail)));
    BELAY_TRY_ASSIGN(const auto approvals, store::change_sets::approvals(sql, change_set_id));
    return static_cast<std::uint32_t>(approvals.size());
  });
}

// ---- reading

Result<RolloutView> Rollouts::get(std::string_view rollout_id) {
  BELAY_TRY_ASSIGN(auto row, store_.read([&](Sql& sql) { return rollout_named(sql, rollout_id); }));
  return view_of(std::move(row));
}

Result<store::Listed<RolloutView>> Rollouts::list(const store::rollouts::Filter& filter, const store::Page& page) {
  BELAY_TRY_ASSIGN(auto rows, store_.read([&](Sql& sql) { return store::rollouts::list(sql, filter, page); }));
  store::Listed<RolloutView> out;
  out.next = rows.next;
  for (auto& row : rows.items) {
    BELAY_TRY_ASSIGN(auto view, view_of(std::move(row)));
    out.items.push_back(std::move(view));
  }
  return out;
}

}  // namespace belay::server
