// Belay's own: what one change set ships that another does not, and who says yes to one.
#include <map>
#include <set>

#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"

namespace belay::server {
namespace {

using Key = std::pair<std::string, std::string>;  // name, architecture
// "1.0-1 -> 1.0-2", sorted: nodes with other sets come from other versions.
using Lines = std::map<Key, std::set<std::string>>;

Result<Lines> lines_of(const Call& call, const std::string& id) {
  const auto view = call.services.change_sets.get(id);
  if (!view.ok() && view.error().code() == Code::not_found)
    return failure("DoesNotExistException", "there is no change set " + id);
  if (!view.ok()) return view.error();
  if (view->status != ChangeSetStatus::Ready)
    return failure("InvalidStateException",
                   "the change set " + id + " is not frozen: it is " + json::encode(view->status).as_string().c_str());
  Lines lines;
  for (const auto& part : view->parts)
    for (const auto& change : part.changes)
      lines[{change.name, change.arch}].insert((change.from_version.empty() ? "(new)" : change.from_version) + " -> " +
                                               (change.to_version.empty() ? "(removed)" : change.to_version) +
                                               (change.sha256.empty() ? "" : " " + change.sha256.substr(0, 12)));
  return lines;
}

json::Object difference(const Key& key, std::string_view change, const std::set<std::string>& first,
                        const std::set<std::string>& second) {
  json::Object row{{"Name", key.first}, {"Architecture", key.second}, {"Change", change}};
  put(row, "First", texts_reply({first.begin(), first.end()}));
  put(row, "Second", texts_reply({second.begin(), second.end()}));
  return row;
}

}  // namespace

Result<json::Object> approve_change_set(const Call& call) {
  const std::string id = call.text("ChangeSetId");
  BELAY_TRY_ASSIGN(const auto count,
                   call.services.rollouts.approve_change_set(id, call.text("RolloutId"), call.principal));
  return json::Object{{"ChangeSetId", id}, {"ApprovalCount", count}};
}

Result<json::Object> compare_change_sets(const Call& call) {
  const std::string first_id = call.text("First"), second_id = call.text("Second");
  BELAY_TRY_ASSIGN(const auto first, lines_of(call, first_id));
  BELAY_TRY_ASSIGN(const auto second, lines_of(call, second_id));
  json::Array rows;
  std::size_t alike = 0;
  for (const auto& [key, lines] : first) {
    const auto other = second.find(key);
    if (other == second.end()) rows.push_back(difference(key, "Removed", lines, {}));
    else if (other->second != lines) rows.push_back(difference(key, "Changed", lines, other->second));
    else ++alike;
  }
  for (const auto& [key, lines] : second)
    if (!first.contains(key)) rows.push_back(difference(key, "Added", {}, lines));
  return json::Object{
      {"First", first_id}, {"Second", second_id}, {"Differences", std::move(rows)}, {"UnchangedCount", alike}};
}

}  // namespace belay::server
