#include "core/inventory/types.hpp"

#include <algorithm>
#include <charconv>

namespace belay::inventory {
namespace {

constexpr Attribute kApplicationHas[] = {{"Name"},    {"ApplicationType"}, {"Publisher"},     {"Version"},
                                         {"Release"}, {"Epoch"},           {"InstalledTime"}, {"Architecture"},
                                         {"URL"},     {"Summary"},         {"PackageId"}};
constexpr Attribute kComplianceItemHas[] = {
    {"ComplianceType"}, {"ExecutionId"}, {"ExecutionType"}, {"ExecutionTime"},  {"Id"},
    {"Title"},          {"Status"},      {"Severity"},      {"Classification"}, {"PatchBaselineId"},
    {"PatchSeverity"},  {"PatchState"},  {"PatchGroup"},    {"InstalledTime"},  {"DetailedText"},
    {"CVEIds"}};
constexpr Attribute kFileHas[] = {
    {"Name"},           {"Size"},        {"Description"},  {"FileVersion"},     {"InstalledDate"}, {"ModificationTime"},
    {"LastAccessTime"}, {"ProductName"}, {"InstalledDir"}, {"ProductLanguage"}, {"CompanyName"}};
constexpr Attribute kDetailedHas[] = {{"CPUModel"},          {"CPUCores", true},   {"CPUs", true},
                                      {"CPUSpeedMHz", true}, {"CPUSockets", true}, {"CPUHyperThreadEnabled"},
                                      {"OSServicePack"},     {"KernelVersion"}};
constexpr Attribute kInformationHas[] = {{"AgentType"},    {"AgentVersion"}, {"ComputerName"},  {"InstanceId"},
                                         {"IpAddress"},    {"PlatformName"}, {"PlatformType"},  {"PlatformVersion"},
                                         {"ResourceType"}, {"AgentStatus"},  {"InstanceStatus"}};
constexpr Attribute kNetworkHas[] = {{"Name"},      {"SubnetMask"}, {"Gateway"}, {"DHCPServer"},
                                     {"DNSServer"}, {"MacAddress"}, {"IPV4"},    {"IPV6"}};
constexpr Attribute kPatchSummaryHas[] = {{"PatchGroup"},
                                          {"BaselineId"},
                                          {"SnapshotId"},
                                          {"OperationType"},
                                          {"OperationStartTime"},
                                          {"OperationEndTime"},
                                          {"InstalledCount", true},
                                          {"InstalledOtherCount", true},
                                          {"InstalledPendingRebootCount", true},
                                          {"InstalledRejectedCount", true},
                                          {"MissingCount", true},
                                          {"FailedCount", true},
                                          {"NotApplicableCount", true},
                                          {"UnreportedNotApplicableCount", true},
                                          {"CriticalNonCompliantCount", true},
                                          {"SecurityNonCompliantCount", true},
                                          {"OtherNonCompliantCount", true}};
constexpr Attribute kServiceHas[] = {
    {"Name"},   {"DisplayName"}, {"ServiceType"}, {"DependentServices"}, {"ServicesDependedOn"},
    {"Status"}, {"StartType"}};
constexpr Attribute kTagHas[] = {{"Key"}, {"Value"}};

constexpr TypeSchema kTypes[] = {
    {kApplication, "1.1", Source::derived, kApplicationHas},
    {kComplianceItem, "1.0", Source::derived, kComplianceItemHas},
    {kFile, "1.0", Source::reported, kFileHas},
    {kInstanceDetailed, "1.0", Source::derived, kDetailedHas},
    {kInstanceInformation, "1.0", Source::derived, kInformationHas},
    {kNetwork, "1.0", Source::derived, kNetworkHas},
    {kPatchSummary, "1.0", Source::derived, kPatchSummaryHas},
    {kService, "1.0", Source::derived, kServiceHas},
    {kTag, "1.0", Source::derived, kTagHas},
};

unsigned part(std::string_view text) {
  unsigned value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::span<const TypeSchema> known_types() { return kTypes; }

const TypeSchema* find_type(std::string_view name) {
  if (name.starts_with(kComplianceSubType)) name = kComplianceItem;
  const auto* found = std::ranges::find(kTypes, name, &TypeSchema::name);
  return found == std::end(kTypes) ? nullptr : found;
}

bool has_attribute(const TypeSchema& type, std::string_view attribute) {
  return std::ranges::find(type.attributes, attribute, &Attribute::name) != type.attributes.end();
}

bool is_later_version(std::string_view a, std::string_view b) {
  const auto dot_a = std::min(a.find('.'), a.size()), dot_b = std::min(b.find('.'), b.size());
  const unsigned major_a = part(a.substr(0, dot_a)), major_b = part(b.substr(0, dot_b));
  if (major_a != major_b) return major_a > major_b;
  return part(a.substr(std::min(dot_a + 1, a.size()))) > part(b.substr(std::min(dot_b + 1, b.size())));
}

}  // namespace belay::inventory
