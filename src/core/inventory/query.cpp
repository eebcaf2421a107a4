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

constexpr std::size_t kKnownMax = 10'000, kKnownRowsMax = 256;

Error too_many() {
  return Error(Code::resource_exhausted, "the aggregation has more than " + std::to_string(Counter::kRowsMax) +
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

Matcher::Matcher(std::vector<Filter> filters) {
  for (auto& filter : filters) {
    auto at = std::ranges::find(types_, filter.type, &OfType::type);
    if (at == types_.end()) at = types_.insert(at, OfType{filter.type, {}, {}});
    at->filters.push_back(std::move(filter));
  }
}

Result<bool> Matcher::passes(const EntriesOf& entries) {
  static const Entries kNone;
  for (auto& type : types_) {
    BELAY_TRY_ASSIGN(const auto held, entries(type.type));
    if (const auto known = type.known.find(held.hash); known != type.known.end()) {
      if (!known->second) return false;
      continue;
    }
    const bool fine = inventory::passes(type.filters, held.entries ? *held.entries : kNone);
    if (!held.hash.empty() && type.known.size() < kKnownMax) type.known.emplace(held.hash, fine);
    if (!fine) return false;
  }
  return true;
}

Counter::Counter(std::vector<Path> steps) : steps_(std::move(steps)) {
  for (const auto& step : steps_) {
    if (types_.empty() || types_.back().type != step.type) types_.push_back({step.type, {}, {}});
    types_.back().attributes.push_back(step.attribute);
  }
}

// The distinct rows of one type's steps, an entry that lacks an attribute left out.
Counter::Rows Counter::rows_of(const OfType& type, const Entries& entries) {
  Rows rows;
  for (const auto& entry : entries) {
    std::vector<std::string> row;
    for (const auto& attribute : type.attributes) {
      const auto* value = value_of(entry, attribute);
      if (!value) break;
      row.push_back(*value);
    }
    if (row.size() == type.attributes.size()) rows.insert(std::move(row));
  }
  return rows;
}

Result<Counter::Rows> Counter::rows(OfType& type, const EntriesOf& entries) {
  BELAY_TRY_ASSIGN(const auto held, entries(type.type));
  if (!held.entries) return Rows();
  if (const auto known = type.known.find(held.hash); known != type.known.end()) return known->second;
  Rows found = rows_of(type, *held.entries);
  if (!held.hash.empty() && type.known.size() < kKnownRowsMax) type.known.emplace(held.hash, found);
  return found;
}

Status Counter::add(const EntriesOf& entries) {
  Rows all{{}};
  for (auto& type : types_) {
    BELAY_TRY_ASSIGN(const auto more, rows(type, entries));
    if (all.size() * more.size() > kRowsMax) return too_many();
    Rows crossed;
    for (const auto& left : all)
      for (const auto& right : more) {
        auto row = left;
        row.insert(row.end(), right.begin(), right.end());
        crossed.insert(std::move(row));
      }
    all = std::move(crossed);
  }
  for (const auto& row : all) ++counts_[row];
  return counts_.size() > kRowsMax ? Status(too_many()) : Status();
}

}  // namespace belay::inventory
