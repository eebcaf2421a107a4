#include "core/baseline/predefined.hpp"

#include <algorithm>
#include <cstdio>

namespace belay::baseline {
namespace {

using enum OperatingSystem;
using Values = std::vector<std::string>;

// Two FNV-1a hashes give the 17 hexadecimal digits; the id only has to be the same everywhere and for ever.
std::string id_of(std::string_view name) {
  const auto hash = [&](std::uint64_t value) {
    for (const char c : name) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return value;
  };
  char text[24];
  std::snprintf(text, sizeof text, "pb-%016llx%01llx", static_cast<unsigned long long>(hash(0xcbf29ce484222325u)),
                static_cast<unsigned long long>(hash(0x84222325cbf29ce4u) & 0xf));
  return text;
}

PatchFilter filter(PatchFilterKey key, Values values) { return {key, std::move(values)}; }

PatchRule rule(std::vector<PatchFilter> filters, int days, bool non_security) {
  PatchRule made;
  made.filters = std::move(filters);
  made.approve_after_days = days;
  made.enable_non_security = non_security;
  return made;
}

PatchBaseline make(OperatingSystem system, std::string_view name, std::string_view description,
                   std::vector<PatchRule> rules) {
  PatchBaseline made;
  made.id = id_of(name);
  made.name = name;
  made.description = description;
  made.operating_system = system;
  made.approval_rules = std::move(rules);
  made.predefined = true;
  return made;
}

std::vector<PatchRule> security_and_bugfix(Values severities) {
  return {rule({filter(PatchFilterKey::CLASSIFICATION, {"Security"}),
                filter(PatchFilterKey::SEVERITY, std::move(severities))},
               7, false),
          rule({filter(PatchFilterKey::CLASSIFICATION, {"Bugfix"})}, 7, false)};
}

std::vector<PatchRule> security_archive() {
  return {rule({filter(PatchFilterKey::PRODUCT, {"*"}),
                filter(PatchFilterKey::PRIORITY, {"Required", "Important", "Standard", "Optional", "Extra"})},
               0, false)};
}

PatchBaseline security_and_bugfix_baseline(OperatingSystem system, std::string_view name, Values severities) {
  std::string words;
  for (const auto& severity : severities) words += (words.empty() ? "" : " or ") + severity;
  return make(system, name, "Security updates rated " + words + " and all bug fixes, 7 days after their release",
              security_and_bugfix(std::move(severities)));
}

std::vector<PatchBaseline> make_all() {
  const Values critical{"Critical", "Important"};
  const std::string_view archive = "Every update of the security archive, of any priority, at once";
  return {
      make(WINDOWS, "AWS-DefaultPatchBaseline", "For Windows; known, never applied", {}),
      security_and_bugfix_baseline(AMAZON_LINUX, "AWS-AmazonLinuxDefaultPatchBaseline", critical),
      security_and_bugfix_baseline(AMAZON_LINUX_2, "AWS-AmazonLinux2DefaultPatchBaseline", critical),
      security_and_bugfix_baseline(AMAZON_LINUX_2022, "AWS-AmazonLinux2022DefaultPatchBaseline", critical),
      security_and_bugfix_baseline(AMAZON_LINUX_2023, "AWS-AmazonLinux2023DefaultPatchBaseline", critical),
      make(UBUNTU, "AWS-UbuntuDefaultPatchBaseline", archive, security_archive()),
      security_and_bugfix_baseline(REDHAT_ENTERPRISE_LINUX, "AWS-RedHatDefaultPatchBaseline", critical),
      make(SUSE, "AWS-SuseDefaultPatchBaseline",
           "Security patches rated Critical or Important, 7 days after their release",
           {rule({filter(PatchFilterKey::CLASSIFICATION, {"Security"}), filter(PatchFilterKey::SEVERITY, critical)}, 7,
                 false)}),
      make(CENTOS, "AWS-CentOSDefaultPatchBaseline",
           "Every update, also those that are no security updates, after 7 days",
           {rule({filter(PatchFilterKey::PRODUCT, {"*"})}, 7, true)}),
      security_and_bugfix_baseline(ORACLE_LINUX, "AWS-OracleLinuxDefaultPatchBaseline", {"Important", "Moderate"}),
      make(DEBIAN, "AWS-DebianDefaultPatchBaseline", archive, security_archive()),
      make(RASPBIAN, "AWS-RaspbianDefaultPatchBaseline", archive, security_archive()),
      security_and_bugfix_baseline(ROCKY_LINUX, "AWS-RockyLinuxDefaultPatchBaseline", critical),
      security_and_bugfix_baseline(ALMA_LINUX, "AWS-AlmaLinuxDefaultPatchBaseline", critical),
  };
}

template <typename Predicate>
const PatchBaseline* find(Predicate predicate) {
  const auto& all = predefined_baselines();
  const auto found = std::ranges::find_if(all, predicate);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

const std::vector<PatchBaseline>& predefined_baselines() {
  static const std::vector<PatchBaseline> all = make_all();
  return all;
}

const PatchBaseline* predefined_baseline(OperatingSystem system) {
  return find([&](const PatchBaseline& baseline) { return baseline.operating_system == system; });
}

const PatchBaseline* predefined_baseline_by_id(std::string_view id) {
  return find([&](const PatchBaseline& baseline) { return baseline.id == id; });
}

}  // namespace belay::baseline
