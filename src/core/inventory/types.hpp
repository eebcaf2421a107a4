#pragma once
// SSM's inventory types: names, schema versions and attributes, as the public schema of AWS's types has them.
#include <span>
#include <string>
#include <string_view>

namespace belay::inventory {

enum class Source {
  derived,   // the server knows it already: packages, facts, tags, verdicts
  reported,  // PutInventory brings it
};

struct Attribute {
  std::string_view name;
  bool number = false;
};

struct TypeSchema {
  std::string_view name;  // "AWS:Application"
  std::string_view version;
  Source source;
  std::span<const Attribute> attributes;
};

// By name. Custom types are the store's to know.
std::span<const TypeSchema> known_types();
// nullptr where there is none. A sub-type ("AWS:ComplianceItem:Patch") has the schema of its type.
const TypeSchema* find_type(std::string_view name);
bool has_attribute(const TypeSchema& type, std::string_view attribute);

inline constexpr std::string_view kApplication = "AWS:Application", kFile = "AWS:File",
                                  kInstanceInformation = "AWS:InstanceInformation", kNetwork = "AWS:Network",
                                  kService = "AWS:Service", kTag = "AWS:Tag",
                                  kInstanceDetailed = "AWS:InstanceDetailedInformation",
                                  kPatchSummary = "AWS:PatchSummary", kComplianceItem = "AWS:ComplianceItem";
inline constexpr std::string_view kComplianceSubType = "AWS:ComplianceItem:";
inline bool is_custom(std::string_view type) { return type.starts_with("Custom:"); }

// "1.10" comes after "1.9".
bool is_later_version(std::string_view a, std::string_view b);

}  // namespace belay::inventory
