// Runs of associations that nodes began by themselves: taken in as results of orders, recorded as executions.
#include <algorithm>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/association_run.hpp"
#include "server/engine/association_sets.hpp"
#include "server/engine/command_run.hpp"
#include "server/engine/order_desk.hpp"
#include "store/association_sets.hpp"
#include "wire/codec.hpp"

namespace belay::server {
namespace {
using store::Sql;
namespace associations = store::associations;
using association::Status::Cancelled, association::Status::Skipped, association::Status::TimedOut;

constexpr Duration kClockDisagreementMax{600'000};
constexpr std::string_view kByNode = "run by the node itself, cut off from the server";

std::string word(association::Status status) { return boost::describe::enum_to_string(status, ""); }

// A due time that came while the run before was under way was passed over, on the node as here.
association::Status status_of(const wire::OrderResult& result) {
  switch (result.outcome) {
    // A success is believed only with what proves it.
    case wire::OrderOutcome::success: return result.steps ? association::Status::Success : association::Status::Failed;
    case wire::OrderOutcome::timed_out: return TimedOut;
    case wire::OrderOutcome::cancelled: return result.steps ? Cancelled : Skipped;
    case wire::OrderOutcome::failed:
    case wire::OrderOutcome::refused: break;
  }
  return association::Status::Failed;
}

std::string details_of(association::Status status) { return status == TimedOut ? "ExecutionTimedOut" : word(status); }

// Whether the server ended it without knowing what the node did.
bool is_open_question(const std::string& status) {
  return status == word(TimedOut) || status == word(Skipped) || status == word(Cancelled);
}

// One for a due time, whichever nodes ran it.
std::string own_execution_id(const wire::AssociationDue& due) {
  return make_uuid(io::sha256(wire::own_run_name("", due)).substr(0, kIdRandomBytes));
}

Result<std::optional<associations::Target>> target_of(Sql& sql, const std::string& execution_id,
                                                      const std::string& node_id) {
  BELAY_TRY_ASSIGN(const auto found, associations::list_targets(sql, execution_id, {}, {node_id}, {1, ""}));
  return found.items.empty() ? std::nullopt : std::optional(found.items.front());
}

}  // namespace

std::string own_run_id(std::string_view node_id, const wire::AssociationDue& due) {
  return make_uuid(io::sha256(wire::own_run_name(node_id, due)).substr(0, kIdRandomBytes));
}

Status keep_own_run(Sql& sql, std::string_view node_id, const wire::OrderResult& result, Instant now) {
  const auto& due = *result.due;
  if (due.due_at > now + kClockDisagreementMax)
    return Error(Code::invalid_argument,
                 "the association's run was due at " + to_iso8601(due.due_at) + ", and here it is " + to_iso8601(now));
  BELAY_TRY_ASSIGN(const auto set, store::association_sets::find(sql, node_id));
  const bool kept = set && std::ranges::find(set->associations, due.association_id) != set->associations.end();
  BELAY_TRY_ASSIGN(const bool ran, associations::has_run_on(sql, due.association_id, node_id));
  if (!kept && !ran)
    return Error(Code::not_found, "association " + sanitize(due.association_id, 64) + " is not this node's");
  store::orders::Order order;
  order.order_id = result.order_id;
  order.node_id = node_id;
  BELAY_TRY_ASSIGN(order.counter, store::orders::next_counter(sql, node_id));
  order.kind = json::encode(wire::OrderKind::steps).as_string().c_str();
  order.payload = "{}";  // the node made it, so nobody signed it
  order.signature = "none";
  order.issued_at = std::min(result.started_at, now);
  order.expires_at = now;
  return store::orders::queue(sql, order);
}

Status tell_own_run(Sql& sql, std::string_view node_id, const wire::OrderResult& result, Instant now) {
  store::executions::Event event;
  event.key = std::string(kOwnRunKey) + result.order_id;
  event.body = json::encode_text(OfflineRun{std::string(node_id), result.order_id, *result.due});
  event.at = now;
  const Status posted = store::executions::post(sql, kAssociationKind, result.due->association_id, event);
  return posted.ok() || posted.error().code() == Code::not_found ? Status() : posted;
}

Result<std::optional<AssociationRun::Own>> AssociationRun::own_of(const std::string& order_id) {
  const auto result = result_of(sql_, order_id);
  if (!result.ok() && result.error().code() == Code::not_found) return std::optional<Own>();
  if (!result.ok()) return result.error();
  if (!*result || !(*result)->due) return std::optional<Own>();
  const auto status = status_of(**result);
  Own own{word(status), details_of(status), std::string(kByNode), std::min((*result)->finished_at, now_)};
  if (const auto why = why_of(**result); status != association::Status::Success && !why.empty())
    own.summary += ": " + why;
  return std::optional(std::move(own));
}

// The server's own run of that time, where it has one, is what this is the end of; else it is an execution of its own.
Status AssociationRun::note_own_run(const OfflineRun& run) {
  BELAY_TRY_ASSIGN(const auto own, own_of(run.order_id));
  if (!own) return {};
  BELAY_TRY_ASSIGN(auto execution, associations::find_run(sql_, id_, run.due.version, run.due.due_at, run.node_id));
  if (execution) {
    BELAY_TRY_ASSIGN(const auto known, target_of(sql_, execution->execution_id, run.node_id));
    // One that has not ended yet ends with its command, which hears of the same result.
    if (known && !is_open_question(known->status)) return {};
  } else {
    BELAY_TRY_ASSIGN(execution, own_execution(run));
  }
  const associations::Target target{execution->execution_id, run.node_id, own->status, own->details, own->at};
  BELAY_TRY_ASSIGN(const bool newest, is_newest(*execution, target));
  if (newest) BELAY_TRY(keep(*execution, std::span(&target, 1), own->summary));
  else BELAY_TRY(associations::update_targets(sql_, std::span(&target, 1)));
  if (row_ && (!row_->last_run_at || *row_->last_run_at < own->at)) row_->last_run_at = own->at;
  if (execution->cause != kOfflineCause && !execution->finished_at) return {};
  std::string why = execution->details;
  if (why.find(kByNode) == std::string::npos) why += (why.empty() ? "" : "; ") + std::string(kByNode);
  return finish(*execution, why);
}

Result<associations::Execution> AssociationRun::own_execution(const OfflineRun& run) {
  const auto id = own_execution_id(run.due);
  const auto known = associations::get_execution(sql_, id);
  if (!known.ok() && known.error().code() != Code::not_found) return known.error();
  if (known.ok()) {
    BELAY_TRY(associations::add_target(sql_, id, run.node_id));
    return *known;
  }
  associations::Execution made;
  made.execution_id = id;
  made.association_id = id_;
  made.version = run.due.version;
  made.cause = kOfflineCause;
  made.status = "InProgress";
  made.due_at = run.due.due_at;
  made.created_at = now_;
  const std::string nodes[] = {run.node_id};
  BELAY_TRY(associations::add_execution(sql_, made, nodes));
  return made;
}

// Whether how the node stands is what this run says: not where a newer run, or a newer version, has said more, nor
// where the node is no target any more.
Result<bool> AssociationRun::is_newest(const associations::Execution& execution, const associations::Target& target) {
  if (!row_ || execution.version != row_->version) return false;
  BELAY_TRY_ASSIGN(const auto standing, associations::find_node(sql_, id_, target.node_id));
  if (standing) {
    if (standing->execution_id == execution.execution_id || is_open_question(standing->status)) return true;
    return standing->status != "Pending" && (!standing->executed_at || *standing->executed_at <= *target.executed_at);
  }
  const auto node = store::nodes::get(sql_, target.node_id);
  if (!node.ok()) return node.error().code() == Code::not_found ? Result<bool>(false) : Result<bool>(node.error());
  BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql_, store::tags::kManagedInstance, target.node_id));
  return matches(settings_, *node, tags);
}

}  // namespace belay::server
