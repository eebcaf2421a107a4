#include "server/engine/permissions.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::server {

bool is_allowed(const std::vector<std::string>& permissions, std::string_view action) {
  const std::string wanted = to_lower(action);
  return std::ranges::any_of(permissions, [&](const std::string& p) {
    return p.find('[') == std::string::npos && glob_match(to_lower(p), wanted);  // IAM knows no classes
  });
}

}  // namespace belay::server
