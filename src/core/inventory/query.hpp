#pragma once
// GetInventory's question over the entries of one node at a time: which nodes pass, and what is counted.
//
// Filters of one type are asked of the same entry ("an AWS:Application whose Name is openssl and whose Version is less
// than 3.0"); several types, and several filters, are AND; the values of one are OR. NotEqual passes where no entry has
// any of the values, so it also finds the nodes that lack a package altogether.
#include <boost/describe.hpp>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace belay::inventory {

using Entry = std::map<std::string, std::string>;  // attribute to text
using Entries = std::vector<Entry>;

enum class Operator { Equal, NotEqual, BeginWith, LessThan, GreaterThan, Exists };
BOOST_DESCRIBE_ENUM(Operator, Equal, NotEqual, BeginWith, LessThan, GreaterThan, Exists)

struct Filter {
  std::string type, attribute;  // the attribute is "" where the type itself is asked for (Exists)
  Operator op = Operator::Equal;
  std::vector<std::string> values;
};

struct Path {
  std::string type, attribute;
  auto operator<=>(const Path&) const = default;
};
// "AWS:Application.Name" → type and attribute, at the last dot. invalid_argument where it has no attribute.
Result<Path> parse_path(std::string_view expression);
// Exists also takes a type alone, or the key TypeName with the type as its value.
Result<Filter> make_filter(std::string_view key, Operator op, std::vector<std::string> values);

// Versions (Version, PlatformVersion, AgentVersion, KernelVersion, Release) in the order of versions; numbers as
// numbers; anything else by bytes, which suits ISO 8601.
std::strong_ordering compare_values(std::string_view attribute, std::string_view a, std::string_view b);

// One type's filters over a node's entries of that type. `filters` are all of the type of the first.
bool passes(std::span<const Filter> filters, const Entries& entries);

// The entries of one type of the node at hand, named by a hash: nodes that share it are looked at once. nullptr where
// the node has nothing of the type. What it points to lives until the next call.
struct Held {
  const Entries* entries = nullptr;
  std::string hash;  // "" is never shared
};
using EntriesOf = std::function<Result<Held>(std::string_view type)>;

// Every filter, over one node after the other.
class Matcher {
 public:
  explicit Matcher(std::vector<Filter> filters);
  // Types are read in the order of the filters, and no further than needed.
  Result<bool> passes(const EntriesOf& entries);

 private:
  struct OfType {
    std::string type;
    std::vector<Filter> filters;
    std::map<std::string, bool> known;  // by hash
  };
  std::vector<OfType> types_;
};

// ---- counts
// One way through the nested aggregators, from the outermost. What is counted are nodes, for each distinct row of
// values; steps of the same type are values of the same entry.
class Counter {
 public:
  static constexpr std::size_t kRowsMax = 10'000;  // distinct ones of an answer, and of one node
  using Counts = std::map<std::vector<std::string>, std::int64_t>;

  explicit Counter(std::vector<Path> steps);
  // resource_exhausted where there would be too many rows.
  Status add(const EntriesOf& entries);
  const std::vector<Path>& steps() const { return steps_; }
  const Counts& counts() const { return counts_; }

 private:
  using Rows = std::set<std::vector<std::string>>;
  struct OfType {
    std::string type;
    std::vector<std::string> attributes;
    std::map<std::string, Rows> known;  // by hash
  };
  static Rows rows_of(const OfType& type, const Entries& entries);
  static Result<Rows> rows(OfType& type, const EntriesOf& entries);

  std::vector<Path> steps_;
  std::vector<OfType> types_;
  Counts counts_;
};

}  // namespace belay::inventory
