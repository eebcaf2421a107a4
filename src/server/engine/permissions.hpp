#pragma once
// Permissions read like IAM actions: "ssm:DescribePatchBaselines", "belay:*", "*". Case-blind; `*` and `?` as in IAM.
#include <string>
#include <string_view>
#include <vector>

namespace belay::server {

bool is_allowed(const std::vector<std::string>& permissions, std::string_view action);

}  // namespace belay::server
