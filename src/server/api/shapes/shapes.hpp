#pragma once
// The described shapes of every operation, read once from the tables that the binary carries
// (scripts/shapes/generate.py explains their format).
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"

namespace belay::server::shapes {

enum class Kind { structure, text, enumeration, integer, long_integer, boolean, time, blob, list, map };

// A pattern as the service means it: the whole text must match. Matching is bounded; what runs over the bounds does
// not match.
class Pattern {
 public:
  static Result<Pattern> compile(std::string_view text);
  bool matches(std::string_view text) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled>
      compiled_;  // absent: `.{m,n}` beyond PCRE2's repeat limit, for which the length stands
};

struct Shape;
struct Member {
  std::string_view name;
  const Shape* shape = nullptr;
  bool required = false;
};

struct Shape {
  Kind kind = Kind::structure;
  std::string_view name;
  bool secret = false;                   // a text that no answer and no log shows
  std::optional<std::int64_t> min, max;  // characters, items or the number itself
  std::string_view pattern_text;         // "" where there is none
  std::optional<Pattern> pattern;
  std::vector<std::string_view> values;  // of an enumeration
  std::vector<Member> members;           // of a structure, sorted by name
  const Shape* key = nullptr;            // of a map
  const Shape* item = nullptr;           // of a list or map
};

struct Operation {
  std::string_view name;
  const Shape* input = nullptr;  // nullptr: takes nothing
  const Shape* output = nullptr;
  std::vector<std::string_view> errors;  // that the service is known to answer with
  bool ours = false;                     // not in SSM's model
};

class Model {
 public:
  // Later tables may name shapes of earlier ones. The texts must outlive the model. Every fault names its line.
  struct Table {
    std::string_view text;
    bool ours = false;
  };
  static Result<Model> parse(const std::vector<Table>& tables);

  const Operation* operation(std::string_view name) const;  // nullptr: not known
  const Shape* shape(std::string_view name) const;
  const std::unordered_map<std::string_view, Operation>& operations() const { return operations_; }

 private:
  Status add_line(std::string_view line, bool ours);
  Status resolve();
  struct Names {  // of what a shape refers to, until every line has been read
    std::vector<std::string_view> members;
    std::string_view key, item;
  };
  std::unordered_map<std::string_view, std::unique_ptr<Shape>> shapes_;
  std::unordered_map<std::string_view, Names> unresolved_;
  struct OperationNames {
    std::string_view input, output;
  };
  std::unordered_map<std::string_view, OperationNames> operation_names_;
  std::unordered_map<std::string_view, Operation> operations_;
};

// SSM's and ours, as embedded. A fault in them stops the process: they were tested with the build.
const Model& model();

}  // namespace belay::server::shapes
