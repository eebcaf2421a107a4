#include "server/api/rollout_wire.hpp"

#include "server/api/reply_parts.hpp"
#include "server/engine/rollout_kind.hpp"

namespace belay::server {
namespace {

json::Object counts_reply(const rollout::RingCounts& counts) {
  return {{"Nodes", counts.nodes},   {"Pending", counts.pending},        {"AtWork", counts.at_work},
          {"Held", counts.held},     {"Skipped", counts.skipped},        {"Committed", counts.committed},
          {"Failed", counts.failed}, {"RolledBack", counts.rolled_back}, {"HadNothing", counts.had_nothing}};
}

json::Object ring_reply(const RingView& ring) {
  json::Object out{{"Name", ring.name},
                   {"State", json::encode(ring.state)},
                   {"Counts", counts_reply(ring.counts)},
                   {"MaxConcurrency", ring.concurrency_max},
                   {"ErrorsMax", ring.errors_max},
                   {"ApprovalsWanted", ring.approvals_wanted}};
  put(out, "Why", json::Value(ring.why));
  put(out, "ApprovedBy", texts_reply(ring.approved_by));
  put(out, "BegunDate", epoch(ring.begun_at));
  put(out, "SoakUntilDate", epoch(ring.soak_until));
  return out;
}

}  // namespace

json::Object rollout_reply(const RolloutView& view) {
  json::Array rings;
  for (const auto& ring : view.rings) rings.push_back(ring_reply(ring));
  const auto& row = view.row;
  json::Object out{{"RolloutId", row.rollout_id},
                   {"Name", row.name},
                   {"State", row.state},
                   {"CreatedBy", row.created_by},
                   {"CreatedDate", epoch(row.created_at)},
                   {"Rings", std::move(rings)}};
  put(out, "Why", json::Value(row.why));
  put(out, "ChangeSetId", json::Value(row.change_set_id));
  put(out, "Undoes", json::Value(row.undoes));
  put(out, "StartedDate", epoch(row.started_at));
  put(out, "FinishedDate", epoch(row.finished_at));
  return out;
}

json::Object rollout_node_reply(const RolloutNodeView& view) {
  json::Object out{{"InstanceId", view.row.node_id},
                   {"Name", view.node_name},
                   {"RingName", view.ring_name},
                   {"State", json::encode(view.state)}};
  put(out, "Why", json::Value(view.row.why));
  put(out, "StateDetails", json::Value(view.detail));
  put(out, "RunId", json::Value(view.row.order_id));
  put(out, "StartedDate", epoch(view.started_at));
  put(out, "EndedDate", epoch(view.ended_at));
  if (!view.data) return out;
  auto data = data_reply(*view.data);
  for (const auto* text : {"Moment", "RestoredTo"}) data.erase(text);
  put(data, "MomentDate", epoch(view.data->moment));
  put(data, "RestoredToDate", epoch(view.data->restored_to));
  out["Data"] = std::move(data);
  return out;
}

std::vector<std::string> texts_of(const Call& call, std::string_view name) {
  std::vector<std::string> texts;
  if (const auto* list = json::find(call.request, name); list && list->is_array())
    for (const auto& text : list->get_array()) texts.emplace_back(text.get_string());
  return texts;
}

bool flag_of(const Call& call, std::string_view name) {
  const auto* flag = json::find(call.request, name);
  return flag && flag->is_bool() && flag->get_bool();
}

}  // namespace belay::server
