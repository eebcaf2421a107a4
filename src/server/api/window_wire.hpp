#pragma once
// Maintenance windows on the wire: what the handlers of windows.cpp, window_targets.cpp, window_tasks.cpp,
// window_executions.cpp and window_plans.cpp share.
#include <algorithm>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "server/api/handlers.hpp"
#include "server/engine/windows.hpp"
#include "store/windows.hpp"

namespace belay::server {

struct WireWindowTarget {  // SSM's Target
  std::string Key;
  std::vector<std::string> Values;
};
BOOST_DESCRIBE_STRUCT(WireWindowTarget, (), (Key, Values))

// Of a request's member; a key stands once.
Result<std::vector<Target>> wire_targets_of(const json::Value& request, std::string_view member = "Targets");
json::Array targets_reply(const std::vector<Target>& targets);

// The window that the request names, or DoesNotExistException.
Result<store::windows::Window> window_of(store::Sql& sql, const Call& call);
// not_found told in SSM's word, anything else as it is.
Error missing_or(const Error& error, std::string_view what, std::string_view id);

bool is_replacing(const Call& call);  // member Replace
// What was asked, without the token and without parameters: they may hold secrets.
json::Object window_audit(const Call& call);

// One page of what is short enough to be read whole.
template <typename T>
store::Listed<T> page_of_all(const std::vector<T>& all, const store::Page& page) {
  const auto from =
      std::min<std::size_t>(all.size(), page.after.empty() ? 0 : std::strtoull(page.after.c_str(), nullptr, 10));
  const auto to = std::min<std::size_t>(all.size(), from + page.limit);
  store::Listed<T> listed;
  listed.items.assign(all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(to));
  if (to < all.size()) listed.next = std::to_string(to);
  return listed;
}

}  // namespace belay::server
