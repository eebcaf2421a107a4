// What became of an association's runs: executions, nodes, compliance with its evidence, and the whole.
#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "server/engine/association_run.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/documents.hpp"
#include "server/engine/remedy_kind.hpp"
#include "store/commands.hpp"
#include "store/compliance_items.hpp"

namespace belay::server {
namespace {
using store::Sql;
namespace associations = store::associations;
namespace compliance = store::compliance_items;

constexpr std::uint32_t kNodesAtOnce = 500;
constexpr std::size_t kSummaryChars = 500;

template <typename E>
std::string word(E value) {
  return boost::describe::enum_to_string(value, "");
}

association::Status status_of(const std::string& details) {
  command::Details known{};
  if (!boost::describe::enum_from_string(details.c_str(), known)) return association::Status::Failed;
  return association::node_status(known);
}

wire::AssociationDue due_of(const associations::Execution& execution) {
  return {execution.association_id, execution.version, execution.due_at};
}

// The worst that is among the counts.
association::Status overall_of(const associations::Counts& counts, association::Status open) {
  std::vector<association::Status> present;
  for (const auto& [name, count] : counts) {
    association::Status status{};
    if (count > 0 && boost::describe::enum_from_string(name.c_str(), status)) present.push_back(status);
  }
  return association::overall(present, open);
}

// The version that the command ran. Of what a node ran by itself: the one that the association means now.
Result<std::string> version_run(Sql& sql, const associations::Execution& execution,
                                const association::Settings& settings) {
  if (!execution.command_id.empty()) {
    BELAY_TRY_ASSIGN(const auto command, store::commands::get(sql, execution.command_id));
    return command.document_version;
  }
  const auto found = find_document(sql, settings.document, settings.document_version);
  if (sql.failure()) return *sql.failure();
  if (found.ok()) return found->version;
  return settings.document_version.empty() ? std::string("$DEFAULT") : settings.document_version;
}

}  // namespace

Status drop_association_node(Sql& sql, std::string_view association_id, std::string_view node_id, Instant now) {
  BELAY_TRY(associations::remove_node(sql, association_id, node_id));
  BELAY_TRY(compliance::remove_item(sql, node_id, compliance::kAssociation, association_id));
  return tell_remedies(sql, node_id, now);
}

Status forget_association_compliance(Sql& sql, std::string_view association_id, Instant now) {
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto nodes, associations::nodes_of(sql, association_id, page));
    for (const auto& node : nodes.items) {
      BELAY_TRY(compliance::remove_item(sql, node.node_id, compliance::kAssociation, association_id));
      BELAY_TRY(tell_remedies(sql, node.node_id, now));
    }
    page.after = nodes.next;
  } while (!page.after.empty());
  return {};
}

Result<bool> AssociationRun::take_in(const association::Run& run) {
  BELAY_TRY_ASSIGN(auto execution, associations::get_execution(sql_, run.execution_id));
  if (execution.finished_at) return true;
  BELAY_TRY_ASSIGN(const auto taken, report(execution));
  const bool ended = std::ranges::find(state_.ended, run.execution_id) != state_.ended.end();
  if (!ended || taken == kNodesAtOnce) return false;
  BELAY_TRY_ASSIGN(const auto command, store::commands::get(sql_, execution.command_id));
  BELAY_TRY(finish(execution, command.status == "Success"
                                  ? ""
                                  : "command " + command.command_id + " ended " + command.status_details));
  return true;
}

// Those that have ended since, at most kNodesAtOnce; how many. What is Pending in the history was not taken in yet.
Result<std::size_t> AssociationRun::report(associations::Execution& execution) {
  BELAY_TRY_ASSIGN(const auto counts, associations::count_targets(sql_, execution.execution_id));
  if (!counts.contains("Pending")) return std::size_t{0};
  BELAY_TRY_ASSIGN(const auto invocations, store::commands::invocations_of(sql_, execution.command_id));
  std::vector<associations::Target> ended;
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto waiting,
                     associations::list_targets(sql_, execution.execution_id, {"Pending"}, {}, page));
    for (const auto& target : waiting.items) {
      const auto at = std::ranges::lower_bound(invocations, target.node_id, {}, &store::commands::Invocation::node_id);
      if (at == invocations.end() || at->node_id != target.node_id || ended.size() == kNodesAtOnce) continue;
      const auto status = status_of(at->status_details);
      if (!association::has_ended(status)) continue;
      ended.push_back({execution.execution_id, target.node_id, word(status), at->status_details,
                       at->finished_at ? at->finished_at : std::optional(now_)});
      // It may have run by itself what could not be brought to it.
      BELAY_TRY_ASSIGN(const auto own, status == association::Status::TimedOut
                                           ? own_of(own_run_id(target.node_id, due_of(execution)))
                                           : std::optional<Own>());
      if (own)
        ended.back().status = own->status, ended.back().details = own->details, ended.back().executed_at = own->at;
    }
    page.after = waiting.next;
  } while (!page.after.empty() && ended.size() < kNodesAtOnce);
  BELAY_TRY(keep(execution, ended, ""));
  return ended.size();
}

Status AssociationRun::keep(associations::Execution& execution, std::span<const associations::Target> ended,
                            const std::string& summary) {
  if (ended.empty()) return {};
  BELAY_TRY(associations::update_targets(sql_, ended));
  if (!row_) return {};
  std::vector<associations::Node> nodes;
  for (const auto& target : ended) {
    const bool missed = target.details == "DeliveryTimedOut" || target.details == "Undeliverable";
    const std::string said = !summary.empty() ? summary
                             : missed         ? "the node was not there in time; it runs when it is heard of again"
                                              : "command " + execution.command_id + ": " + target.details;
    nodes.push_back({id_, target.node_id, execution.version, target.status, target.details,
                     sanitize(said, kSummaryChars), execution.execution_id, target.executed_at, missed});
    BELAY_TRY(put_compliance(execution, target));
  }
  return associations::put_nodes(sql_, nodes);
}

// A node that its turn never came to is as it was before.
Status AssociationRun::put_compliance(const associations::Execution& execution, const associations::Target& target) {
  if (settings_.sync_compliance == association::SyncCompliance::MANUAL) return {};
  if (target.status == "Skipped" || target.status == "Cancelled") return {};
  BELAY_TRY_ASSIGN(auto document_version, version_run(sql_, execution, settings_));
  compliance::Report report;
  report.node_id = target.node_id;
  report.compliance_type = compliance::kAssociation;
  report.execution = {execution.execution_id, "Association", target.executed_at.value_or(now_)};
  report.received_at = now_;
  report.reported_by = "association " + id_;
  compliance::Item item;
  item.item_id = id_;
  item.title = settings_.name.empty() ? settings_.document : settings_.name;
  item.severity = word(settings_.severity.value_or(association::Severity::UNSPECIFIED));
  item.status = target.status == "Success" ? "COMPLIANT" : "NON_COMPLIANT";
  item.details = {{"DocumentName", settings_.document},
                  {"DocumentVersion", std::move(document_version)},
                  {"AssociationVersion", std::to_string(execution.version)},
                  {"CommandId", execution.command_id},
                  {"Status", target.status},
                  {"DetailedStatus", target.details}};
  const auto kept = compliance::put(sql_, report, std::span(&item, 1), true);
  if (!kept.ok()) return kept.error().reason() == "node-unknown" ? Status() : Status(kept.error());
  return tell_remedies(sql_, target.node_id, now_);
}

Status AssociationRun::finish(associations::Execution& execution, std::string_view why) {
  BELAY_TRY_ASSIGN(execution.counts, associations::count_targets(sql_, execution.execution_id));
  // A refusal before there was any target is a failure; a run that nobody matched is not.
  const bool nobody = execution.counts.empty();
  auto status = overall_of(execution.counts, association::Status::Failed);
  if (nobody && why != kNobodyMatches) status = association::Status::Failed;
  execution.status = word(status);
  execution.details = sanitize(why, 4'000);
  execution.finished_at = now_;
  if (row_ && status == association::Status::Success && !nobody) row_->last_success_at = now_;
  BELAY_TRY(associations::update_execution(sql_, execution));
  return note_in_audit(sql_, now_, "belayd", "association:end", id_,
                       {{"execution", execution.execution_id},
                        {"status", execution.status},
                        {"counts", json::encode(execution.counts)}});
}

Status AssociationRun::save_standing() {
  if (!row_) return {};
  BELAY_TRY_ASSIGN(row_->counts, associations::count_nodes(sql_, id_));
  row_->status = row_->counts.empty() ? "Pending" : word(overall_of(row_->counts, association::Status::Pending));
  row_->next_at = state_.machine.due;
  row_->held = state_.machine.held;
  return associations::set_standing(sql_, *row_);
}

}  // namespace belay::server
