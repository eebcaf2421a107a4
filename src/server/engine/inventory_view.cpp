#include "server/engine/inventory_view.hpp"

#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "core/inventory/types.hpp"
#include "core/version/version.hpp"
#include "io/crypto.hpp"
#include "server/engine/compliance_view.hpp"
#include "store/tags.hpp"
#include "store/verdicts.hpp"

namespace belay::server {
namespace {

using inventory::Entries;
using inventory::Entry;
using Found = Result<std::optional<InventoryItem>>;

constexpr Duration kInactiveAfter{30LL * 24 * 3600 * 1000};
constexpr std::size_t kApplicationsMax = 64;  // sets held at once
const Found kNothing = std::optional<InventoryItem>();

void add(Entry& entry, std::string_view attribute, std::string value) {
  if (!value.empty()) entry.emplace(attribute, std::move(value));
}

Entry application(const fleet::InstalledPackage& package, fleet::PackageFormat format) {
  Entry entry{{"Name", package.name}, {"Architecture", package.arch}};
  if (format == fleet::PackageFormat::deb) {
    const auto parts = version::split_deb(package.version);
    add(entry, "Version", std::string(parts.upstream));
    add(entry, "Release", std::string(parts.revision));
    add(entry, "Epoch", parts.epoch == 0 ? "" : std::to_string(parts.epoch));
    entry.emplace("PackageId", package.name + "_" + package.version + "_" + package.arch);
    return entry;
  }
  const auto parts = version::split_evr(package.version);
  add(entry, "Version", std::string(parts.version));
  add(entry, "Release", std::string(parts.release));
  add(entry, "Epoch", parts.epoch == "0" ? "" : std::string(parts.epoch));
  entry.emplace("PackageId", package.name + "-" + package.version + "." + package.arch);
  return entry;
}

// Section and origin of the offer of the very version that is installed.
void add_origins(Entries& entries, const fleet::PackageSet& packages, const fleet::OfferSet& offers) {
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, const fleet::Offer*> by_version;
  for (const auto& offer : offers.offers) by_version.emplace(std::tie(offer.name, offer.arch, offer.version), &offer);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& package = packages.packages[i];
    const auto at = by_version.find(std::tie(package.name, package.arch, package.version));
    if (at == by_version.end()) continue;
    add(entries[i], "ApplicationType", at->second->section);
    add(entries[i], "Publisher", at->second->origin);
  }
}

Entries network_of(const fleet::NodeFacts& facts) {
  Entries entries;
  for (const auto& address : facts.addresses)
    entries.push_back({{address.find(':') == std::string::npos ? "IPV4" : "IPV6", address}});
  return entries;
}

Entries services_of(const fleet::NodeFacts& facts) {
  Entries entries;
  for (const auto& service : facts.services)
    entries.push_back({{"Name", service.name}, {"ServiceType", "systemd"}, {"Status", service.active}});
  return entries;
}

Entries details_of(const fleet::NodeFacts& facts) {
  Entry entry;
  if (facts.cpus > 0) entry.emplace("CPUs", std::to_string(facts.cpus));
  add(entry, "KernelVersion", facts.kernel_running);
  return entry.empty() ? Entries() : Entries{entry};
}

}  // namespace

std::string platform_name(const fleet::NodeFacts& facts) {
  const auto digit = facts.os_name.find_first_of("0123456789(");
  std::string name = facts.os_name.substr(0, digit);
  while (!name.empty() && name.back() == ' ') name.pop_back();
  return name.empty() ? facts.os_name : name;
}

Found InventoryView::made(std::string_view type, Instant captured_at, Entries entries) const {
  InventoryItem item;
  item.type_name = type;
  item.schema_version = inventory::find_type(type)->version;
  item.captured_at = captured_at;
  item.content_hash = io::sha256_hex(json::to_canonical_text(json::encode(entries)));
  item.entries = std::make_shared<const Entries>(std::move(entries));
  return std::optional(std::move(item));
}

Result<std::optional<store::scans::Scan>> InventoryView::scan_of(const store::nodes::Node& node) {
  return store::scans::newest(sql_, node.node_id);
}

Found InventoryView::applications(const store::nodes::Node& node) {
  BELAY_TRY_ASSIGN(const auto scan, scan_of(node));
  if (!scan) return kNothing;
  InventoryItem item;
  item.type_name = inventory::kApplication;
  item.schema_version = inventory::find_type(item.type_name)->version;
  item.captured_at = scan->observed_at;
  item.content_hash = io::sha256_hex(scan->package_set_hash + scan->offer_set_hash);
  if (const auto held = applications_.find(item.content_hash); held != applications_.end()) {
    item.entries = held->second;
    return std::optional(std::move(item));
  }
  BELAY_TRY_ASSIGN(const auto packages, judge_.packages(sql_, scan->package_set_hash));
  if (!packages) return kNothing;  // named by the scan, not sent yet
  BELAY_TRY_ASSIGN(const auto offers, judge_.offers(sql_, scan->offer_set_hash));
  Entries entries;
  for (const auto& package : packages->packages) entries.push_back(application(package, packages->format));
  if (offers) add_origins(entries, *packages, *offers);
  if (applications_.size() >= kApplicationsMax) applications_.clear();
  item.entries = applications_[item.content_hash] = std::make_shared<const Entries>(std::move(entries));
  return std::optional(std::move(item));
}

Found InventoryView::information(const store::nodes::Node& node) {
  const Instant heard = node.last_seen_at.value_or(node.registered_at);
  std::string_view status = "Active";
  if (now_ - heard > online_within_) status = "ConnectionLost";
  if (now_ - heard > kInactiveAfter) status = "Inactive";
  Entry entry{{"AgentType", "belay-agent"},
              {"AgentVersion", node.agent_version},
              {"ComputerName", node.facts.computer_name},
              {"InstanceId", node.node_id},
              {"PlatformName", platform_name(node.facts)},
              {"PlatformType", "Linux"},
              {"PlatformVersion", node.facts.os_version},
              {"ResourceType", node.node_id.starts_with("mi-") ? "ManagedInstance" : "EC2Instance"},
              {"AgentStatus", std::string(status)},
              {"InstanceStatus", std::string(status)}};
  add(entry, "IpAddress", node.facts.addresses.empty() ? node.address : node.facts.addresses.front());
  return made(inventory::kInstanceInformation, heard, {std::move(entry)});
}

Found InventoryView::tags(const store::nodes::Node& node) {
  BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql_, store::tags::kManagedInstance, node.node_id));
  if (tags.empty()) return kNothing;
  Entries entries;
  for (const auto& tag : tags) entries.push_back({{"Key", tag.key}, {"Value", tag.value}});
  return made(inventory::kTag, now_, std::move(entries));
}

Found InventoryView::patch_summary(const store::nodes::Node& node) {
  JudgeQuestion question;
  question.node_id = node.node_id;
  BELAY_TRY_ASSIGN(const auto judgement, judge_.judge(sql_, question));
  if (!judgement.scan || judgement.choice.baseline_id.empty()) return kNothing;
  BELAY_TRY_ASSIGN(const auto verdict, store::verdicts::newest(sql_, node.node_id));
  const auto& counts = judgement.evaluation.counts;
  const Instant observed = judgement.scan->observed_at;
  Entry entry{{"BaselineId", judgement.choice.baseline_id},
              {"PatchGroup", judgement.choice.patch_group},
              {"OperationType", verdict ? verdict->operation : "Scan"},
              {"OperationStartTime", to_iso8601(verdict ? verdict->operation_started_at : observed)},
              {"OperationEndTime", to_iso8601(verdict ? verdict->operation_ended_at : observed)}};
  if (verdict) add(entry, "SnapshotId", verdict->snapshot_id);
  for (const auto& [name, count] : {std::pair{"InstalledCount", counts.installed},
                                    {"InstalledOtherCount", counts.installed_other},
                                    {"InstalledPendingRebootCount", counts.installed_pending_reboot},
                                    {"InstalledRejectedCount", counts.installed_rejected},
                                    {"MissingCount", counts.missing},
                                    {"FailedCount", counts.failed},
                                    {"NotApplicableCount", counts.not_applicable},
                                    {"UnreportedNotApplicableCount", counts.unreported_not_applicable},
                                    {"CriticalNonCompliantCount", counts.critical_non_compliant},
                                    {"SecurityNonCompliantCount", counts.security_non_compliant},
                                    {"OtherNonCompliantCount", counts.other_non_compliant}})
    entry.emplace(name, std::to_string(count));
  return made(inventory::kPatchSummary, observed, {std::move(entry)});
}

Found InventoryView::compliance(const store::nodes::Node& node, std::string_view type) {
  const bool of_one_type = type.starts_with(inventory::kComplianceSubType);
  ComplianceView view(sql_, judge_, now_);
  BELAY_TRY_ASSIGN(const auto standings, view.standings(node.node_id));
  Entries entries;
  Instant captured = node.registered_at;
  for (const auto& standing : standings) {
    if (of_one_type && type.substr(inventory::kComplianceSubType.size()) != standing.type) continue;
    BELAY_TRY_ASSIGN(const auto items, view.items(node.node_id, standing.type));
    captured = std::max(captured, standing.execution.executed_at);
    for (const auto& item : items) {
      Entry entry(item.details);
      for (const auto& [name, value] : {std::pair<std::string_view, std::string>{"ComplianceType", standing.type},
                                        {"Id", item.item_id},
                                        {"Title", item.title},
                                        {"Status", item.status},
                                        {"Severity", item.severity},
                                        {"ExecutionId", item.execution.execution_id},
                                        {"ExecutionType", item.execution.execution_type},
                                        {"ExecutionTime", to_iso8601(item.execution.executed_at)}})
        add(entry, name, value);
      entries.push_back(std::move(entry));
    }
  }
  if (entries.empty()) return kNothing;
  return made(type, captured, std::move(entries));
}

Found InventoryView::of_facts(const store::nodes::Node& node, std::string_view type, Entries entries) {
  if (entries.empty()) return kNothing;
  BELAY_TRY_ASSIGN(const auto scan, scan_of(node));  // facts come with a scan at the latest
  return made(type, scan ? scan->observed_at : node.registered_at, std::move(entries));
}

Found InventoryView::reported(const store::nodes::Node& node, std::string_view type) {
  BELAY_TRY_ASSIGN(const auto found, store::inventory::find(sql_, node.node_id, type));
  if (!found) return kNothing;
  BELAY_TRY_ASSIGN(auto entries, json::decode_text<Entries>(found->entries, {.bytes_max = store::kTextBytesMax}));
  InventoryItem item;
  item.type_name = found->type_name;
  item.schema_version = found->schema_version;
  item.captured_at = found->captured_at;
  item.content_hash = found->content_hash;
  item.entries = std::make_shared<const Entries>(std::move(entries));
  return std::optional(std::move(item));
}

Found InventoryView::item(const store::nodes::Node& node, std::string_view type) {
  if (type == inventory::kApplication) return applications(node);
  if (type == inventory::kInstanceInformation) return information(node);
  if (type == inventory::kTag) return tags(node);
  if (type == inventory::kPatchSummary) return patch_summary(node);
  if (type == inventory::kComplianceItem || type.starts_with(inventory::kComplianceSubType))
    return compliance(node, type);
  if (type == inventory::kNetwork) return of_facts(node, type, network_of(node.facts));
  if (type == inventory::kService) return of_facts(node, type, services_of(node.facts));
  if (type == inventory::kInstanceDetailed) return of_facts(node, type, details_of(node.facts));
  return reported(node, type);
}

Result<std::vector<std::string>> InventoryView::types_of(const store::nodes::Node& node) {
  BELAY_TRY_ASSIGN(const auto own, store::inventory::types_of(sql_, node.node_id));
  std::set<std::string> types(own.begin(), own.end());
  for (const auto& type : inventory::known_types()) {
    if (type.source != inventory::Source::derived) continue;
    BELAY_TRY_ASSIGN(const auto found, item(node, type.name));
    if (found) types.emplace(type.name);
  }
  return std::vector<std::string>(types.begin(), types.end());
}

}  // namespace belay::server
