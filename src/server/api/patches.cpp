// The catalogue's operations: what is on offer in the fleet, what a baseline says of it, and frozen baselines.
#include <algorithm>

#include "core/baseline/properties.hpp"
#include "server/api/baseline_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/snapshot_link.hpp"
#include "store/baselines.hpp"
#include "store/snapshots.hpp"

namespace belay::server {
namespace {

using baseline::PatchFilterKey;
using fleet::OperatingSystem;

// "epoch:version-release" of an rpm; a deb's version stays whole.
struct VersionParts {
  std::string version, release;
  std::int64_t epoch = 0;
};
VersionParts parts_of(const std::string& text, fleet::PackageFormat format) {
  VersionParts out{text, {}, 0};
  if (format != fleet::PackageFormat::rpm) return out;
  if (const auto colon = out.version.find(':'); colon != std::string::npos) {
    out.epoch = std::atoll(out.version.substr(0, colon).c_str());
    out.version.erase(0, colon + 1);
  }
  if (const auto dash = out.version.rfind('-'); dash != std::string::npos) {
    out.release = out.version.substr(dash + 1);
    out.version.erase(dash);
  }
  return out;
}

std::string repository_of(const fleet::Offer& offer) {
  if (!offer.suite.empty()) return offer.suite + (offer.component.empty() ? "" : "/" + offer.component);
  return offer.label;
}

std::string classification_of(const fleet::Offer& offer) {
  return offer.classification.empty() && offer.security ? "Security" : offer.classification;
}

json::Object patch_reply(const fleet::Offer& offer, fleet::PackageFormat format, const std::string& product,
                         OperatingSystem system) {
  const auto parts = parts_of(offer.version, format);
  json::Object out{{"Name", offer.name}, {"Version", parts.version},
                   {"Arch", offer.arch}, {"Title", offer.name + "." + offer.arch + ":" + offer.version},
                   {"Product", product}, {"ProductFamily", fleet::product_name(system, "")}};
  if (format == fleet::PackageFormat::rpm) out["Epoch"] = parts.epoch;
  put(out, "Release", json::Value(parts.release));
  put(out, "Repository", json::Value(repository_of(offer)));
  put(out, "Vendor", json::Value(offer.origin));
  put(out, "Classification", json::Value(classification_of(offer)));
  put(out, "Severity", json::Value(offer.severity));
  put(out, "AdvisoryIds", texts_reply(offer.advisory_ids));
  put(out, "CVEIds", texts_reply(offer.cve_ids));
  put(out, "BugzillaIds", texts_reply(offer.bugzilla_ids));
  put(out, "ReleaseDate", epoch(offer.released_at));  // the vendor's; the fleet's first sight of it is none
  return out;
}

bool any_of(const std::vector<std::string>& wanted, const std::vector<std::string>& texts) {
  return std::ranges::any_of(texts, [&](const auto& text) { return std::ranges::find(wanted, text) != wanted.end(); });
}

// A filter of DescribeAvailablePatches against one offer. Keys are PatchFilterKey's words; checked before.
bool passes(const Filter& filter, const fleet::Offer& offer, const std::string& product, OperatingSystem system,
            fleet::PackageFormat format) {
  const auto& [key, values] = filter;
  const auto one = [&](const std::string& text) { return any_of(values, {text}); };
  if (values == std::vector<std::string>{"*"}) return true;
  if (key == "PRODUCT") return one(product);
  if (key == "PRODUCT_FAMILY") return one(fleet::product_name(system, ""));
  if (key == "PATCH_SET") return one("OS");
  if (key == "NAME") return one(offer.name);
  if (key == "PATCH_ID") return one(offer.name) || one(offer.name + "." + offer.arch);
  if (key == "ARCH") return one(offer.arch);
  if (key == "VERSION") return one(offer.version) || one(parts_of(offer.version, format).version);
  if (key == "RELEASE") return one(parts_of(offer.version, format).release);
  if (key == "EPOCH") return one(std::to_string(parts_of(offer.version, format).epoch));
  if (key == "CLASSIFICATION") return one(classification_of(offer));
  if (key == "SEVERITY" || key == "MSRC_SEVERITY") return one(offer.severity);
  if (key == "SECTION") return one(offer.section);
  if (key == "PRIORITY") return one(offer.priority);
  if (key == "REPOSITORY") return one(repository_of(offer)) || one(offer.suite) || one(offer.label);
  if (key == "SECURITY") return one(offer.security ? "True" : "False") || one(offer.security ? "true" : "false");
  if (key == "ADVISORY_ID") return any_of(values, offer.advisory_ids);
  if (key == "CVE_ID") return any_of(values, offer.cve_ids);
  return key == "BUGZILLA_ID" && any_of(values, offer.bugzilla_ids);
}

// Pages over rows that come in a fixed order of keys.
class PageOfRows {
 public:
  explicit PageOfRows(store::Page page) : page_(std::move(page)) {}
  bool full() const { return full_; }
  // Whether the row of this key belongs on the page; where one too many comes the page is full.
  bool takes(const std::string& key) {
    if (full_ || (!page_.after.empty() && key <= page_.after)) return false;
    if (rows_ == page_.limit) return full_ = true, false;
    ++rows_;
    last_ = key;
    return true;
  }
  std::string next() const { return full_ ? last_ : std::string(); }

 private:
  store::Page page_;
  std::string last_;
  std::size_t rows_ = 0;
  bool full_ = false;
};

std::string key_of(std::string_view system, const std::string& product, const fleet::Offer& offer) {
  std::string key(system);
  for (const auto* part : {&product, &offer.name, &offer.arch, &offer.version}) key += '\x1f' + *part;
  return key;
}

std::vector<OperatingSystem> judged_systems() {
  std::vector<OperatingSystem> out;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<OperatingSystem>>([&](auto each) {
    if (fleet::package_format(each.value)) out.push_back(each.value);
  });
  std::ranges::sort(out, {}, [](auto system) { return fleet::to_text(system); });
  return out;
}

Result<fleet::OperatingSystem> judged_system(std::string_view text) {
  const auto system = fleet::operating_system_from_text(text);
  if (!system || !fleet::package_format(*system))
    return failure("UnsupportedOperatingSystem",
                   std::string(text) + " is known to the API, and no node of it can be judged");
  return *system;
}

}  // namespace

Result<json::Object> describe_available_patches(const Call& call) {
  BELAY_TRY_ASSIGN(auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(
      const auto filters,
      filters_of(call.request, {"ARCH", "ADVISORY_ID", "BUGZILLA_ID", "PATCH_SET", "PRODUCT", "PRODUCT_FAMILY",
                                "CLASSIFICATION", "CVE_ID", "EPOCH", "MSRC_SEVERITY", "NAME", "PATCH_ID", "SECTION",
                                "PRIORITY", "REPOSITORY", "RELEASE", "SEVERITY", "SECURITY", "VERSION"}));
  PageOfRows rows(std::move(page));
  json::Array patches;
  for (const auto system : judged_systems()) {
    BELAY_TRY_ASSIGN(const auto offers, call.catalogue.of(call.services.store, system, call.now));
    for (const auto& [product, set] : offers->products)
      for (const auto& offer : set.offers) {
        if (rows.full()) break;
        if (!std::ranges::all_of(filters, [&](const auto& f) { return passes(f, offer, product, system, set.format); }))
          continue;
        if (rows.takes(key_of(fleet::to_text(system), product, offer)))
          patches.push_back(patch_reply(offer, set.format, product, system));
      }
  }
  json::Object reply{{"Patches", std::move(patches)}};
  put_next(reply, call, rows.next());
  return reply;
}

Result<json::Object> describe_effective_patches_for_patch_baseline(const Call& call) {
  BELAY_TRY_ASSIGN(auto page, page_of(call, 50, 100));
  const std::string id = baseline_id_of(call.text("BaselineId"));
  const auto version = call.read([&](store::Sql& sql) { return store::baselines::get(sql, id); });
  if (!version.ok() && version.error().code() == Code::not_found)
    return failure("DoesNotExistException", "the patch baseline " + id + " does not exist");
  if (!version.ok()) return version.error();
  BELAY_TRY_ASSIGN(const auto content, content_of(*version));
  BELAY_TRY_ASSIGN(const auto system, judged_system(version->operating_system));
  BELAY_TRY_ASSIGN(const auto offers, call.catalogue.of(call.services.store, system, call.now));
  PageOfRows rows(std::move(page));
  json::Array patches;
  for (const auto& [product, set] : offers->products) {
    if (rows.full()) break;
    for (const auto& effective : baseline::effective_patches(set, content, product, call.now, offers->first_seen)) {
      if (!rows.takes(key_of({}, product, effective.offer))) continue;
      json::Object status{{"DeploymentStatus", json::encode(effective.status)},
                          {"ComplianceLevel", json::encode(effective.compliance_level)}};
      put(status, "ApprovalDate", epoch(effective.approval_date));
      patches.push_back(json::Object{{"Patch", patch_reply(effective.offer, set.format, product, system)},
                                     {"PatchStatus", std::move(status)}});
    }
  }
  json::Object reply{{"EffectivePatches", std::move(patches)}};
  put_next(reply, call, rows.next());
  return reply;
}

Result<json::Object> describe_patch_properties(const Call& call) {
  BELAY_TRY_ASSIGN(auto page, page_of(call, 50, 50));
  const auto system = fleet::operating_system_from_text(call.text("OperatingSystem"));
  BELAY_TRY_ASSIGN(const auto property, json::decode<PatchFilterKey>(json::Value(call.text("Property"))));
  BELAY_TRY_ASSIGN(const auto offers, call.catalogue.of(call.services.store, *system, call.now));
  std::vector<baseline::OfferedTo> offered;
  for (const auto& [product, set] : offers->products) offered.push_back({product, set});
  PageOfRows rows(std::move(page));
  json::Array properties;
  for (const auto& value : baseline::patch_properties(*system, property, offered))
    if (rows.takes(value)) properties.push_back(json::Object{{"Name", value}});
  json::Object reply{{"Properties", std::move(properties)}};
  put_next(reply, call, rows.next());
  return reply;
}

Result<json::Object> get_deployable_patch_snapshot_for_instance(const Call& call) {
  const std::string node_id = call.text("InstanceId"), snapshot_id = call.text("SnapshotId");
  const auto* override_request = json::find(call.request, "BaselineOverride");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto node, active_node(sql, node_id));
    BELAY_TRY_ASSIGN(const auto system,
                     judged_system(node.operating_system.empty() ? "an unknown system" : node.operating_system));
    BELAY_TRY_ASSIGN(auto force, call.services.judge.in_force(sql, store::nodes::brief_of(node)));
    std::string slot = node.operating_system + "/" + force.choice.patch_group;
    if (override_request) {
      baseline::PatchBaseline content;
      content.operating_system = system;
      content.name = "BaselineOverride";
      BELAY_TRY(lay_over(content, *override_request));
      force.content = std::move(content);
      slot = "override/" + node_id;
    }
    BELAY_TRY(store::snapshots::freeze(sql, snapshot_id, slot, json::encode_text(force.content), call.now));
    return json::Object{{"InstanceId", node_id},
                        {"SnapshotId", snapshot_id},
                        {"Product", fleet::product_name(system, node.facts.os_version)},
                        {"SnapshotDownloadUrl", make_snapshot_link(sql, call.base_url, snapshot_id, slot, call.now)}};
  });
}

}  // namespace belay::server
