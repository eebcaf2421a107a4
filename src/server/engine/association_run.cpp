#include "server/engine/association_run.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/change_calendars.hpp"
#include "store/documents.hpp"

namespace belay::server {
namespace {
using association::Event, association::EventKind, association::Run;
using store::Sql;
namespace associations = store::associations;
using MaybeEvent = Result<std::optional<Event>>;

constexpr json::Limits kStateLimits{.bytes_max = store::kTextBytesMax, .depth_max = 64};
constexpr Duration kTakeInEvery{30'000};  // what nodes did, while a run is under way
constexpr std::size_t kStoppedAtOnce = 2'000;

std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }
template <typename E>
std::string word(E value) {
  return boost::describe::enum_to_string(value, "");
}

bool changes_sets(const Event& event) { return event.kind == EventKind::changed || event.kind == EventKind::deleted; }

class AssociationKind : public ExecutionKind {
 public:
  explicit AssociationKind(AssociationParts parts) : parts_(std::move(parts)) {}
  std::string_view name() const override { return kAssociationKind; }
  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    return AssociationRun(sql, parts_, now).advance(execution, events);
  }

 private:
  const AssociationParts parts_;
};

}  // namespace

std::unique_ptr<ExecutionKind> make_association_kind(AssociationParts parts) {
  return std::make_unique<AssociationKind>(std::move(parts));
}

SendCommandRequest association_command(const association::Settings& settings, std::vector<std::string> node_ids) {
  SendCommandRequest request;
  request.document_name = settings.document;
  request.document_version = settings.document_version;
  request.parameters = settings.parameters;
  request.targets = targets_of(settings);
  request.node_ids = std::move(node_ids);
  request.max_concurrency = settings.max_concurrency.empty() ? "100%" : settings.max_concurrency;
  request.max_errors = settings.max_errors.empty() ? "100%" : settings.max_errors;
  request.requested_by = "association";
  return request;
}

Status AssociationRun::load(const store::executions::Execution& execution) {
  id_ = execution.execution_id;
  BELAY_TRY_ASSIGN(state_, json::decode_text<AssociationState>(execution.state, kStateLimits));
  auto found = associations::get(sql_, id_);
  if (!found.ok() && found.error().code() != Code::not_found) return found.error();
  if (!found.ok()) return {};
  row_ = std::move(*found);
  BELAY_TRY_ASSIGN(settings_, settings_of(row_->content));
  return {};
}

Result<ExecutionKind::Advance> AssociationRun::advance(const store::executions::Execution& execution,
                                                       const std::vector<store::executions::Event>& posted) {
  BELAY_TRY(load(execution));
  BELAY_TRY_ASSIGN(auto events, translate(posted));
  bool more = false;
  for (const auto& run : state_.machine.runs) {
    BELAY_TRY_ASSIGN(const bool over, take_in(run));
    const bool ended = std::ranges::find(state_.ended, run.execution_id) != state_.ended.end();
    if (over) events.push_back({EventKind::ended, now_, 0, {}, run.execution_id});
    else more |= ended;
    if (over) std::erase(state_.ended, run.execution_id);
  }
  for (const auto& run : own_runs_) BELAY_TRY(note_own_run(run));
  if (std::ranges::any_of(events, changes_sets))
    BELAY_TRY(association_changed(sql_, id_, row_ ? &settings_ : nullptr, now_));
  BELAY_TRY(turn(std::move(events)));
  BELAY_TRY(save_standing());
  auto wake_at = step_.wake_at;
  const auto sooner = [&](Instant at) { wake_at = std::min(wake_at.value_or(at), at); };
  if (more) sooner(now_);
  else if (!state_.machine.runs.empty()) sooner(now_ + kTakeInEvery);
  return ExecutionKind::Advance{json::encode_text(state_), wake_at, step_.finished};
}

Result<std::vector<Event>> AssociationRun::translate(const std::vector<store::executions::Event>& posted) {
  std::vector<Event> events;
  for (const auto& event : posted) {
    BELAY_TRY_ASSIGN(const auto child, child_ended(event));
    if (child) {
      state_.ended.push_back(child->key);
      continue;
    }
    if (event.key.starts_with(kOwnRunKey)) {
      BELAY_TRY_ASSIGN(auto own, json::decode_text<OfflineRun>(event.body, kStateLimits));
      own_runs_.push_back(std::move(own));
      continue;
    }
    BELAY_TRY_ASSIGN(auto told, json::decode_text<Event>(event.body, kStateLimits));
    events.push_back(std::move(told));
  }
  return events;
}

Status AssociationRun::turn(std::vector<Event> events) {
  BELAY_TRY_ASSIGN(const auto surroundings, around());
  do {
    step_ = association::step(state_.machine, settings_, surroundings, events, now_, new_id);
    events.clear();
    for (const auto& action : step_.actions) {
      BELAY_TRY_ASSIGN(auto answer, act(action));
      if (answer) events.push_back(std::move(*answer));
    }
  } while (!events.empty());
  // More may wait than can be stopped in one go.
  for (const auto& run : state_.machine.runs)
    if (run.cut_off && !run.stopped) BELAY_TRY(stop(run, false));
  return {};
}

// ---- what lies around

Result<association::Around> AssociationRun::around() {
  association::Around found;
  if (!row_) return found;
  BELAY_TRY(look_at_calendars(found));
  BELAY_TRY(look_at_window(found));
  BELAY_TRY_ASSIGN(const auto schedule, association::schedule_of(settings_, row_->updated_at));
  if (schedule)
    found.next_due = [schedule = *schedule](Instant after) {
      return schedule::next(schedule, schedule::ZoneRules{}, after);
    };
  return found;
}

Status AssociationRun::look_at_calendars(association::Around& around) {
  BELAY_TRY_ASSIGN(const auto holds, held_by_calendars(sql_, parts_.read_zone, settings_.calendars, now_));
  for (const auto& hold : holds) around.holds.push_back({hold.why, hold.until});
  return {};
}

Status AssociationRun::look_at_window(association::Around& around) {
  if (settings_.window_id.empty()) return {};
  around.in_window = true;
  const auto window = store::windows::get(sql_, settings_.window_id);
  if (!window.ok() && window.error().code() != Code::not_found) return window.error();
  if (!window.ok() || !window->enabled) {
    around.holds.push_back(
        {"the maintenance window " + settings_.window_id + (window.ok() ? " is disabled" : " is gone"), {}});
    return {};
  }
  BELAY_TRY_ASSIGN(const auto opening, parts_.windows.opening_before(*window, now_));
  if (opening && now_ < opening->closes) around.opening = *opening;
  BELAY_TRY_ASSIGN(const auto next, parts_.windows.openings(*window, now_, 1));
  if (!next.empty()) around.window_opens = next.front().opens;
  around.next_due = [this, window = *window](Instant after) -> std::optional<Instant> {
    const auto openings = parts_.windows.openings(window, after, 1);
    return openings.ok() && !openings->empty() ? std::optional(openings->front().opens) : std::nullopt;
  };
  return {};
}

// ---- what to do

MaybeEvent AssociationRun::act(const association::Action& action) {
  switch (action.kind) {
    case association::ActionKind::start: return start(action.run);
    case association::ActionKind::skip: BELAY_TRY(note_skipped(action.run, action.why)); break;
    case association::ActionKind::stop_waiting: BELAY_TRY(stop(action.run, false)); break;
    case association::ActionKind::stop_all: BELAY_TRY(stop(action.run, true)); break;
  }
  return std::optional<Event>();
}

Result<std::vector<std::string>> AssociationRun::nodes_for(const Run& run) {
  BELAY_TRY_ASSIGN(auto matching, resolve_targets(sql_, {}, targets_of(settings_)));
  if (run.of_all()) {
    BELAY_TRY(drop_strangers(matching));
    return matching;
  }
  std::vector<std::string> wanted;
  for (const auto& node : run.nodes)
    if (std::ranges::binary_search(matching, node)) wanted.push_back(node);
  std::ranges::sort(wanted);
  return wanted;
}

// Nodes that do not match any more stand for nothing here.
Status AssociationRun::drop_strangers(const std::vector<std::string>& matching) {
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto known, associations::nodes_of(sql_, id_, page));
    for (const auto& node : known.items)
      if (!std::ranges::binary_search(matching, node.node_id))
        BELAY_TRY(drop_association_node(sql_, id_, node.node_id, now_));
    page.after = known.next;
  } while (!page.after.empty());
  return {};
}

MaybeEvent AssociationRun::start(const Run& run) {
  BELAY_ASSERT(row_.has_value());
  const auto ids = nodes_for(run);
  if (!ids.ok() && (!is_refusal(ids.error().code()) || sql_.failure())) return ids.error();
  associations::Execution execution;
  execution.execution_id = run.execution_id;
  execution.association_id = id_;
  execution.version = row_->version;
  execution.cause = word(run.cause);
  execution.status = "InProgress";
  execution.due_at = run.due_at;
  execution.created_at = now_;
  row_->last_run_at = now_;
  BELAY_TRY(associations::add_execution(sql_, execution, ids.ok() ? *ids : std::vector<std::string>()));
  const Event over{EventKind::ended, now_, 0, {}, run.execution_id};
  if (!ids.ok() || ids->empty()) {
    BELAY_TRY(finish(execution, ids.ok() ? std::string(kNobodyMatches) : ids.error().chain()));
    return std::optional(over);
  }
  auto request = association_command(settings_, *ids);
  request.comment = "association " + (settings_.name.empty() ? id_ : settings_.name);
  request.requested_by = "association " + id_;
  request.parent = Parent{std::string(kAssociationKind), id_, run.execution_id};
  const auto sent = Commands::send(sql_, request, now_);
  if (!sent.ok() && (!is_refusal(sent.error().code()) || sql_.failure())) return sent.error();
  if (!sent.ok()) {
    std::vector<associations::Target> failed;
    for (const auto& node : *ids) failed.push_back({run.execution_id, node, "Failed", "Failed", now_});
    BELAY_TRY(keep(execution, failed, sent.error().chain()));
    BELAY_TRY(finish(execution, sent.error().chain()));
    return std::optional(over);
  }
  execution.command_id = sent->command_id;
  BELAY_TRY(associations::update_execution(sql_, execution));
  std::vector<associations::Node> nodes;
  for (const auto& node : *ids)
    nodes.push_back({id_, node, row_->version, "Pending", "Pending", "", run.execution_id, now_, false});
  BELAY_TRY(associations::put_nodes(sql_, nodes));
  BELAY_TRY(note_in_audit(sql_, now_, "belayd", "association:run", id_,
                          {{"execution", run.execution_id},
                           {"cause", execution.cause},
                           {"command", execution.command_id},
                           {"nodes", ids->size()}}));
  return std::optional<Event>();
}

Status AssociationRun::stop(const Run& run, bool all) {
  const auto execution = associations::get_execution(sql_, run.execution_id);
  if (!execution.ok()) return execution.error();
  if (execution->command_id.empty()) return {};
  std::vector<std::string> waiting;
  if (!all) {
    BELAY_TRY_ASSIGN(const auto invocations, store::commands::invocations_of(sql_, execution->command_id));
    for (const auto& invocation : invocations)
      if (invocation.status == "Pending" && waiting.size() < kStoppedAtOnce) waiting.push_back(invocation.node_id);
    if (waiting.empty()) return {};
  }
  return Commands::cancel(sql_, execution->command_id, waiting, "association " + id_, now_);
}

Status AssociationRun::note_skipped(const Run& run, const std::string& why) {
  associations::Execution execution;
  execution.execution_id = run.execution_id;
  execution.association_id = id_;
  execution.version = row_ ? row_->version : 0;
  execution.cause = word(run.cause);
  execution.status = "Skipped";
  execution.details = why;
  execution.due_at = run.due_at;
  execution.created_at = now_;
  execution.finished_at = now_;
  BELAY_TRY(associations::add_execution(sql_, execution, {}));
  return note_in_audit(sql_, now_, "belayd", "association:skip", id_, {{"why", why}});
}

}  // namespace belay::server
