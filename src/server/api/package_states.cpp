// Belay's own: known good states. The packages of a node under a name, compared with any node, put back by a document.
#include <map>

#include "base/text.hpp"
#include "server/api/handlers.hpp"
#include "server/api/package_state_document.hpp"
#include "server/api/reply_parts.hpp"
#include "store/scans.hpp"

namespace belay::server {
namespace {

using Packages = std::shared_ptr<const fleet::PackageSet>;
using store::rollouts::SavedState;

json::Object state_reply(const SavedState& state) {
  json::Object out{{"Name", state.name},
                   {"InstanceId", state.node_id},
                   {"OperatingSystem", state.operating_system},
                   {"PackageSetHash", state.package_set_hash},
                   {"SavedBy", state.saved_by},
                   {"SavedDate", epoch(state.saved_at)}};
  put(out, "Description", json::Value(state.description));
  return out;
}

Result<SavedState> state_of(store::Sql& sql, const Call& call) {
  const std::string name = call.text("Name");
  auto state = store::rollouts::get_state(sql, name);
  if (!state.ok() && state.error().code() == Code::not_found)
    return failure("DoesNotExistException", "there is no package state '" + name + "'");
  return state;
}

Result<Packages> packages_of(store::Sql& sql, const Call& call, const std::string& hash, const std::string& whose) {
  BELAY_TRY_ASSIGN(auto packages, call.services.judge.packages(sql, hash));
  if (!packages) return failure("InvalidStateException", "the packages of " + whose + " are not here: scan it again");
  return packages;
}

struct Observed {
  store::scans::Scan scan;
  Packages packages;
};
Result<Observed> newest_of(store::Sql& sql, const Call& call, const std::string& node_id) {
  BELAY_TRY_ASSIGN(auto scan, store::scans::newest(sql, node_id));
  if (!scan) return failure("InvalidStateException", node_id + " was never scanned: scan it first");
  BELAY_TRY_ASSIGN(auto packages, packages_of(sql, call, scan->package_set_hash, node_id));
  return Observed{std::move(*scan), std::move(packages)};
}

using Key = std::pair<std::string_view, std::string_view>;  // name, architecture
// Of kernels several versions are installed at once.
std::map<Key, std::vector<std::string>> by_name(const fleet::PackageSet& set) {
  std::map<Key, std::vector<std::string>> versions;
  for (const auto& package : set.packages) versions[{package.name, package.arch}].push_back(package.version);
  return versions;
}

json::Object difference(const Key& key, std::string_view change, const std::vector<std::string>& saved,
                        const std::vector<std::string>& node) {
  json::Object row{{"Name", key.first}, {"Architecture", key.second}, {"Change", change}};
  put(row, "SavedVersion", json::Value(join(saved, ", ")));
  put(row, "NodeVersion", json::Value(join(node, ", ")));
  return row;
}

// By name; what is alike is counted.
std::pair<json::Array, std::size_t> compare(const fleet::PackageSet& saved_set, const fleet::PackageSet& node_set) {
  auto saved = by_name(saved_set), node = by_name(node_set);
  json::Array rows;
  std::size_t alike = 0;
  for (const auto& [key, versions] : saved) {
    const auto& there = node[key];
    if (there == versions) ++alike;
    else rows.push_back(difference(key, there.empty() ? "Missing" : "OtherVersion", versions, there));
  }
  for (const auto& [key, versions] : node)
    if (!saved.contains(key)) rows.push_back(difference(key, "Extra", {}, versions));
  return {std::move(rows), alike};
}

}  // namespace

Result<json::Object> save_package_state(const Call& call) {
  const std::string node_id = call.text("InstanceId");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto node, active_node(sql, node_id));
    BELAY_TRY_ASSIGN(const auto observed, newest_of(sql, call, node_id));
    SavedState state;
    state.name = call.text("Name");
    state.description = call.text("Description");
    state.node_id = node_id;
    state.operating_system = node.operating_system;
    state.package_set_hash = observed.scan.package_set_hash;
    state.saved_by = call.principal;
    state.saved_at = call.now;
    const Status saved = store::rollouts::save_state(sql, state);
    if (!saved.ok() && saved.error().code() == Code::already_exists)
      return failure("AlreadyExistsException",
                     "there is a package state '" + state.name + "' already: delete it first, or take another name");
    BELAY_TRY(saved);
    BELAY_TRY(audit_change(sql, call, state.name, {{"node", node_id}, {"packages", state.package_set_hash}}));
    auto reply = state_reply(state);
    reply["PackageCount"] = observed.packages->packages.size();
    return json::Object{{"PackageState", std::move(reply)}};
  });
}

Result<json::Object> get_package_state(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto state, state_of(sql, call));
    BELAY_TRY_ASSIGN(const auto packages, packages_of(sql, call, state.package_set_hash, "the state " + state.name));
    BELAY_TRY_ASSIGN(auto document, restore_document(state, *packages));
    auto reply = state_reply(state);
    reply["PackageCount"] = packages->packages.size();
    return json::Object{{"PackageState", std::move(reply)}, {"Document", std::move(document)}};
  });
}

Result<json::Object> list_package_states(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, store::rollouts::list_states(sql, page));
    json::Array rows;
    for (const auto& state : found.items) rows.push_back(state_reply(state));
    json::Object reply{{"PackageStates", std::move(rows)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> compare_package_state(const Call& call) {
  const std::string node_id = call.text("InstanceId");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto state, state_of(sql, call));
    BELAY_TRY(active_node(sql, node_id));
    BELAY_TRY_ASSIGN(const auto saved, packages_of(sql, call, state.package_set_hash, "the state " + state.name));
    BELAY_TRY_ASSIGN(const auto observed, newest_of(sql, call, node_id));
    auto [rows, alike] = compare(*saved, *observed.packages);
    return json::Object{{"Name", state.name},
                        {"InstanceId", node_id},
                        {"ObservedDate", epoch(observed.scan.observed_at)},
                        {"UnchangedCount", alike},
                        {"Differences", std::move(rows)}};
  });
}

Result<json::Object> delete_package_state(const Call& call) {
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto state, state_of(sql, call));
    BELAY_TRY(store::rollouts::remove_state(sql, state.name));
    BELAY_TRY(audit_change(sql, call, state.name));
    return json::Object();
  });
}

}  // namespace belay::server
