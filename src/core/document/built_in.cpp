#include "core/document/built_in.hpp"

#include <algorithm>

namespace belay::document {
namespace {

struct Alias {
  std::string_view aws, belay;
};
constexpr Alias kAliases[] = {
    {"AWS-RunPatchBaseline", "Belay-RunPatchBaseline"},
    {"AWS-RunPatchBaselineWithHooks", "Belay-RunPatchBaselineWithHooks"},
    {"AWS-RunShellScript", "Belay-RunShellScript"},
    {"AWS-RunRemoteScript", "Belay-RunRemoteScript"},
    {"AWS-RunDocument", "Belay-RunDocument"},
    {"AWS-ConfigureAWSPackage", "Belay-ConfigurePackage"},
    {"AWS-UpdateSSMAgent", "Belay-UpdateAgent"},
    {"AWS-ApplyAnsiblePlaybooks", "Belay-RunAnsiblePlaybook"},
    {"AWS-RunAnsiblePlaybook", "Belay-RunAnsiblePlaybook"},  // its name before; lists show the one above
    {"AWS-GatherSoftwareInventory", "Belay-GatherInventory"},
    {"AWS-RefreshAssociation", "Belay-RefreshAssociation"},
    {"AWS-Noop", "Belay-Noop"},
};

}  // namespace

const BuiltIn* find_built_in(std::string_view name) {
  if (const auto slash = name.rfind('/'); name.starts_with("arn:") && slash != std::string_view::npos)
    name.remove_prefix(slash + 1);
  if (const auto* alias = std::ranges::find(kAliases, name, &Alias::aws); alias != std::end(kAliases))
    name = alias->belay;
  const auto documents = built_in_documents();
  const auto at = std::ranges::find(documents, name, &BuiltIn::name);
  return at == documents.end() ? nullptr : &*at;
}

std::string_view aws_name_of(std::string_view belay_name) {
  const auto* alias = std::ranges::find(kAliases, belay_name, &Alias::belay);
  return alias == std::end(kAliases) ? std::string_view() : alias->aws;
}

}  // namespace belay::document
