#include "core/baseline/patch_group.hpp"

#include "core/baseline/predefined.hpp"

namespace belay::baseline {

std::string patch_group_of(const std::map<std::string, std::string>& tags) {
  for (const auto* key : {"Patch Group", "PatchGroup"})
    if (const auto tag = tags.find(key); tag != tags.end() && !tag->second.empty()) return tag->second;
  return {};
}

BaselineChoice choose_baseline(const std::map<std::string, std::string>& tags, OperatingSystem system,
                               const std::vector<PatchGroupRegistration>& registrations,
                               const std::map<OperatingSystem, std::string>& defaults) {
  const std::string group = patch_group_of(tags);
  if (!group.empty())
    for (const auto& registration : registrations)
      if (registration.patch_group == group && registration.operating_system == system)
        return {registration.baseline_id, group, ChosenBy::patch_group};
  if (const auto registered = defaults.find(system); registered != defaults.end() && !registered->second.empty())
    return {registered->second, group, ChosenBy::default_baseline};
  const auto* predefined = predefined_baseline(system);
  return {predefined ? predefined->id : "", group, ChosenBy::predefined};
}

}  // namespace belay::baseline
