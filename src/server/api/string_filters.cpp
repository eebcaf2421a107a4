#include "server/api/string_filters.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/inventory/query.hpp"
#include "core/remedy/remedy.hpp"
#include "server/api/errors.hpp"
#include "server/api/filters.hpp"

namespace belay::server {
namespace {

struct FiltersRequest {
  std::vector<StringFilter> Filters;
};
BOOST_DESCRIBE_STRUCT(FiltersRequest, (), (Filters))

std::strong_ordering order(std::string_view key, std::string_view a, std::string_view b) {
  if (key.ends_with("Severity")) {
    const auto left = json::decode<remedy::Severity>(json::Value(a)),
               right = json::decode<remedy::Severity>(json::Value(b));
    if (left.ok() && right.ok()) return static_cast<int>(*left) <=> static_cast<int>(*right);
  }
  return inventory::compare_values(key, a, b);
}

bool fits(const StringFilter& filter, std::string_view value, const std::string& wanted) {
  if (filter.Type == "BEGIN_WITH") return value.starts_with(wanted);
  if (filter.Type == "LESS_THAN") return order(filter.Key, value, wanted) < 0;
  if (filter.Type == "GREATER_THAN") return order(filter.Key, value, wanted) > 0;
  return value == wanted;
}

Status check_values(const StringFilter& filter) {
  static constexpr std::string_view kStatuses[] = {"COMPLIANT", "NON_COMPLIANT"};
  const bool severity = filter.Key == "Severity" || filter.Key == "OverallSeverity", status = filter.Key == "Status";
  if ((!severity && !status) || filter.Type == "BEGIN_WITH") return {};
  for (const auto& value : filter.Values)
    BELAY_TRY(severity ? check_enum<remedy::Severity>(filter.Key, value, "InvalidFilter")
                       : check_word(filter.Key, value, kStatuses, "InvalidFilter"));
  return {};
}

}  // namespace

Result<std::vector<StringFilter>> string_filters(const json::Value& request,
                                                 std::initializer_list<std::string_view> allowed) {
  BELAY_TRY_ASSIGN(auto wire, json::decode<FiltersRequest>(request));
  for (const auto& filter : wire.Filters) {
    if (std::ranges::find(allowed, filter.Key) == allowed.end())
      return failure("InvalidFilter", "the filter key '" + sanitize(filter.Key, 128) + "' is not valid here: use " +
                                          join(std::vector<std::string>(allowed.begin(), allowed.end()), ", "));
    if (filter.Values.empty()) return failure("InvalidFilter", "the filter " + filter.Key + " has no values");
    BELAY_TRY(check_values(filter));
  }
  return std::move(wire.Filters);
}

bool passes(const StringFilter& filter, std::string_view value) {
  const bool any =
      std::ranges::any_of(filter.Values, [&](const std::string& wanted) { return fits(filter, value, wanted); });
  return filter.Type == "NOT_EQUAL" ? !any : any;
}

}  // namespace belay::server
