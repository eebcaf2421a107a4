#include "server/engine/permissions.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::server {
namespace {

bool is_readable(const std::string& permission) { return permission.find('[') == std::string::npos; }  // no classes

}  // namespace

bool is_allowed(const std::vector<std::string>& permissions, std::string_view action) {
  const std::string wanted = to_lower(action);
  return std::ranges::any_of(permissions,
                             [&](const std::string& p) { return is_readable(p) && glob_match(to_lower(p), wanted); });
}

// The pattern is matched as a text: a `*` of it may be taken by a `*` only, a `?` by either.
bool covers(const std::vector<std::string>& permissions, std::string_view wanted) {
  const std::string text = to_lower(wanted);
  return std::ranges::any_of(permissions, [&](const std::string& p) {
    std::string pattern;
    for (const char c : to_lower(p)) pattern += c == '?' ? std::string("[!*]") : std::string(1, c);
    return is_readable(p) && glob_match(pattern, text);
  });
}

}  // namespace belay::server
