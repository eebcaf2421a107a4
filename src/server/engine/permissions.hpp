#pragma once
// Permissions read like IAM actions: "ssm:DescribePatchBaselines", "belay:*", "*". Case-blind; `*` and `?` as in IAM.
#include <string>
#include <string_view>
#include <vector>

namespace belay::server {

bool is_allowed(const std::vector<std::string>& permissions, std::string_view action);

// Whether every action that `wanted` allows is allowed by one of the permissions. Where that takes several of them
// together the answer is no: it decides what may be given away.
bool covers(const std::vector<std::string>& permissions, std::string_view wanted);

}  // namespace belay::server
