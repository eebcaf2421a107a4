#include "server/engine/storage_view.hpp"

#include <algorithm>
#include <boost/describe/enum_to_string.hpp>
#include <vector>

#include "base/text.hpp"
#include "core/fleet/storage.hpp"
#include "store/compliance_items.hpp"
#include "store/nodes.hpp"

namespace belay::server {
namespace {

namespace compliance = store::compliance_items;
using fleet::StorageHealth;
using fleet::StorageState;

constexpr std::size_t kItemIdBytesMax = 100;

bool is_bad(const StorageHealth& health) {
  return health.state == StorageState::degraded || health.state == StorageState::failing;
}

compliance::Item item_of(const StorageHealth& health) {
  compliance::Item item;
  item.item_id = sanitize(health.what + ":" + health.subject, kItemIdBytesMax);
  item.title = health.what + " " + health.subject + " is " + boost::describe::enum_to_string(health.state, "unknown");
  item.severity = health.state == StorageState::failing ? "CRITICAL" : "HIGH";
  item.status = "NON_COMPLIANT";
  item.details = {{"Seen", health.detail}};
  if (!health.mounts.empty()) item.details["Mounts"] = join(health.mounts, ", ");
  return item;
}

}  // namespace

Status judge_storage(store::Sql& sql, const std::string& node_id, Instant now) {
  const auto node = store::nodes::get(sql, node_id);
  if (!node.ok()) return node.error().code() == Code::not_found ? Status() : Status(node.error());
  std::vector<compliance::Item> items;
  for (const auto& health : node->facts.storage)
    if (is_bad(health)) items.push_back(item_of(health));
  const std::string type(kStorageComplianceType);
  if (items.empty()) {
    BELAY_TRY_ASSIGN(const auto old, compliance::items(sql, node_id, type));
    for (const auto& item : old) BELAY_TRY(compliance::remove_item(sql, node_id, type, item.item_id));
    return {};
  }
  compliance::Report report;
  report.node_id = node_id;
  report.compliance_type = type;
  report.execution = {"storage", "StorageHealth", now};
  report.received_at = now;
  report.reported_by = "storage health";
  const auto kept = compliance::put(sql, report, items, false);
  return kept.ok() || kept.error().reason() == "node-unknown" ? Status() : Status(kept.error());
}

std::string arrays_of(const fleet::NodeFacts& facts) {
  std::vector<std::string> names;
  for (const auto& health : facts.storage)
    if (fleet::is_redundant_array(health)) names.push_back(health.subject);
  return join(names, " and ");
}

std::string raid_is_no_backup(const std::string& arrays, const std::string& lacks) {
  return "RAID is not a backup: " + arrays +
         " outlives a disk, and neither a deletion, nor a broken file system, nor a fire; " + lacks;
}

}  // namespace belay::server
