#pragma once
// What the inventory says of a node, type by type. Reported types (Custom:…, AWS:File) come from the store's items;
// everything the server knows already is derived here from where it lies: AWS:Application from the package set of the
// newest scan, AWS:InstanceInformation, Network, Service and InstanceDetailedInformation from the node's facts, AWS:Tag
// from its tags, AWS:PatchSummary and AWS:ComplianceItem from its judgement. So nothing can contradict itself, a
// changed tag or baseline shows at once, and a node sends its packages once.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/inventory/query.hpp"
#include "server/engine/judge.hpp"
#include "store/inventory.hpp"
#include "store/nodes.hpp"

namespace belay::server {

struct InventoryItem {
  std::string type_name, schema_version;
  Instant captured_at{};     // when it was observed on the node; tags: now
  std::string content_hash;  // nodes whose entries are the same have the same
  std::shared_ptr<const inventory::Entries> entries;
};

// Within one transaction. `now` as the API's call has it.
class InventoryView {
 public:
  InventoryView(store::Sql& sql, Judge& judge, Duration online_within, Instant now)
      : sql_(sql), judge_(judge), online_within_(online_within), now_(now) {}

  // nullopt where the node has nothing of the type (never scanned, never reported).
  Result<std::optional<InventoryItem>> item(const store::nodes::Node& node, std::string_view type);
  // The types the node has something of, sorted.
  Result<std::vector<std::string>> types_of(const store::nodes::Node& node);

 private:
  using Found = Result<std::optional<InventoryItem>>;
  Found applications(const store::nodes::Node& node);
  Found information(const store::nodes::Node& node);
  Found tags(const store::nodes::Node& node);
  Found patch_summary(const store::nodes::Node& node);
  Found compliance(const store::nodes::Node& node, std::string_view type);
  Found of_facts(const store::nodes::Node& node, std::string_view type, inventory::Entries entries);
  Found reported(const store::nodes::Node& node, std::string_view type);
  Found made(std::string_view type, Instant captured_at, inventory::Entries entries) const;
  Result<std::optional<store::scans::Scan>> scan_of(const store::nodes::Node& node);

  store::Sql& sql_;
  Judge& judge_;
  const Duration online_within_;
  const Instant now_;
  std::map<std::string, std::shared_ptr<const inventory::Entries>> applications_;  // by package and offer set
};

// "Debian GNU/Linux 12 (bookworm)" → "Debian GNU/Linux": SSM tells name and version apart.
std::string platform_name(const fleet::NodeFacts& facts);

}  // namespace belay::server
