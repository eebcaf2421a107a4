#include "core/inventory/query.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::inventory {
namespace {

constexpr std::array<std::string_view, 5> kVersions = {"Version", "PlatformVersion", "AgentVersion", "KernelVersion",
                                                       "Release"};

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || !std::isfinite(value)) return {};
  return value;
}

bool holds(const Filter& filter, std::string_view value) {
  return std::ranges::any_of(filter.values, [&](const std::string& wanted) {
    switch (filter.op) {
      case Operator::Equal:
      case Operator::NotEqual: return value == wanted;
      case Operator::BeginWith: return value.starts_with(wanted);
      case Operator::LessThan: return compare_values(filter.attribute, value, wanted) < 0;
      case Operator::GreaterThan: return compare_values(filter.attribute, value, wanted) > 0;
      case Operator::Exists: return true;
    }
    return false;
  });
}

const std::string* value_of(const Entry& entry, const std::string& attribute) {
  const auto at = entry.find(attribute);
  return at == entry.end() ? nullptr : &at->second;
}

// Whether the entry has what a filter wants, NotEqual left out.
bool entry_passes(const Filter& filter, const Entry& entry) {
  if (filter.attribute.empty()) return true;
  const auto* value = value_of(entry, filter.attribute);
  if (filter.op == Operator::Exists) return value != nullptr;
  return value && holds(filter, *value);
}

// "Exists" with the one value "false" asks for the nodes that have it not.
bool asks_for_absence(const Filter& filter) {
  return filter.op == Operator::Exists && filter.values.size() == 1 && equal_ignoring_case(filter.values[0], "false");
}

using Rows = std::set<std::vector<std::string>>;

// The distinct rows of one type's steps, an entry that lacks an attribute left out.
Result<Rows> rows_of_type(std::span<const Path> steps, const EntriesOf& entries) {
  BELAY_TRY_ASSIGN(const auto* found, entries(steps.front().type));
  Rows rows;
  if (!found) return rows;
  for (const auto& entry : *found) {
    std::vector<std::string> row;
    for (const auto& step : steps) {
      const auto* value = value_of(entry, step.attribute);
      if (!value) break;
      row.push_back(*value);
    }
    if (row.size() == steps.size()) rows.insert(std::move(row));
  }
  return rows;
}

Error too_many() {
  return Error(Code::resource_exhausted, "the aggregation has more than " + std::to_string(kRowsMax) +
                                             " distinct values; narrow it with filters");
}

}  // namespace

Result<Path> parse_path(std::string_view expression) {
  const auto colon = expression.find(':');
  const auto dot = expression.rfind('.');
  if (colon == std::string_view::npos || dot == std::string_view::npos || dot < colon || dot + 1 == expression.size() ||
      dot == colon + 1)
    return Error(Code::invalid_argument, "'" + sanitize(expression, 200) +
                                             "' is not Type.Attribute, such as AWS:InstanceInformation.PlatformType");
  return Path{std::string(expression.substr(0, dot)), std::string(expression.substr(dot + 1))};
}

Result<Filter> make_filter(std::string_view key, Operator op, std::vector<std::string> values) {
  if (op == Operator::Exists && key == "TypeName") {
    if (values.size() != 1)
      return Error(Code::invalid_argument, "the filter TypeName with Exists takes the name of one type");
    return Filter{std::move(values.front()), "", op, {"true"}};
  }
  if (op == Operator::Exists && key.find('.') == std::string_view::npos && key.find(':') != std::string_view::npos)
    return Filter{std::string(key), "", op, std::move(values)};
  BELAY_TRY_ASSIGN(auto path, parse_path(key));
  return Filter{std::move(path.type), std::move(path.attribute), op, std::move(values)};
}

std::strong_ordering compare_values(std::string_view attribute, std::string_view a, std::string_view b) {
  if (std::ranges::find(kVersions, attribute) != kVersions.end()) return version::compare_deb(a, b);
  const auto left = number(a), right = number(b);
  if (left && right)
    return *left < *right ? std::strong_ordering::less
                          : (*left > *right ? std::strong_ordering::greater : std::strong_ordering::equal);
  return a <=> b;
}

bool passes(std::span<const Filter> filters, const Entries& entries) {
  std::vector<const Filter*> wanted;
  for (const auto& filter : filters) {
    const bool absent = asks_for_absence(filter);
    if (!absent && filter.op != Operator::NotEqual) {
      wanted.push_back(&filter);
      continue;
    }
    const bool any = std::ranges::any_of(entries, [&](const Entry& entry) { return entry_passes(filter, entry); });
    if (any) return false;
  }
  if (wanted.empty()) return true;
  return std::ranges::any_of(entries, [&](const Entry& entry) {
    return std::ranges::all_of(wanted, [&](const Filter* filter) { return entry_passes(*filter, entry); });
  });
}

Result<bool> node_passes(std::span<const Filter> filters, const EntriesOf& entries) {
  static const Entries kNone;
  std::set<std::string_view> seen;
  for (const auto& first : filters) {
    if (!seen.insert(first.type).second) continue;
    std::vector<Filter> of_type;
    for (const auto& filter : filters)
      if (filter.type == first.type) of_type.push_back(filter);
    BELAY_TRY_ASSIGN(const auto* found, entries(first.type));
    if (!passes(of_type, found ? *found : kNone)) return false;
  }
  return true;
}

Status count_node(const Chain& chain, const EntriesOf& entries, Counts& counts) {
  Rows rows{{}};
  for (std::size_t from = 0; from < chain.steps.size();) {
    std::size_t to = from + 1;
    while (to < chain.steps.size() && chain.steps[to].type == chain.steps[from].type) ++to;
    BELAY_TRY_ASSIGN(const auto more, rows_of_type(std::span(chain.steps).subspan(from, to - from), entries));
    if (rows.size() * more.size() > kRowsOfNodeMax) return too_many();
    Rows crossed;
    for (const auto& left : rows)
      for (const auto& right : more) {
        auto row = left;
        row.insert(row.end(), right.begin(), right.end());
        crossed.insert(std::move(row));
      }
    rows = std::move(crossed);
    from = to;
  }
  for (const auto& row : rows) ++counts[row];
  return counts.size() > kRowsMax ? Status(too_many()) : Status();
}

}  // namespace belay::inventory
