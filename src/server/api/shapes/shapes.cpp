#include "server/api/shapes/shapes.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "server/api/shapes/embedded.hpp"

namespace belay::server::shapes {
namespace {

std::vector<std::string_view> words_of(std::string_view line) { return split(line, ' '); }

Result<std::optional<std::int64_t>> bound_of(std::string_view word) {
  if (word == "-") return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (failure != std::errc() || end != word.data() + word.size())
    return Error(Code::corrupt, "'" + std::string(word) + "' is no bound");
  return std::optional<std::int64_t>(number);
}

// What follows the first `count` words of the line: the pattern, which may hold spaces.
std::string_view rest_after(std::string_view line, std::size_t count) {
  for (; count > 0; --count) {
    const auto space = line.find(' ');
    if (space == std::string_view::npos) return {};
    line.remove_prefix(space + 1);
  }
  return line;
}

struct KindRow {
  std::string_view word;
  Kind kind;
  std::size_t words_min;
  std::size_t bounds_at;  // index of MIN, MAX follows; 0: no bounds
};
constexpr KindRow kKinds[] = {
    {"st", Kind::structure, 2, 0}, {"str", Kind::text, 4, 2},          {"enum", Kind::enumeration, 3, 0},
    {"int", Kind::integer, 4, 2},  {"long", Kind::long_integer, 4, 2}, {"bool", Kind::boolean, 2, 0},
    {"time", Kind::time, 2, 0},    {"blob", Kind::blob, 2, 0},         {"list", Kind::list, 5, 3},
    {"map", Kind::map, 6, 4},      {"secret", Kind::text, 4, 2},
};

}  // namespace

Result<Model> Model::parse(const std::vector<Table>& tables) {
  Model model;
  for (const auto& table : tables) {
    std::size_t number = 0;
    for (const auto line : split(table.text, '\n')) {
      ++number;
      if (line.empty() || line.front() == '#') continue;
      BELAY_TRY(model.add_line(line, table.ours).within("shapes, line " + std::to_string(number)));
    }
  }
  BELAY_TRY(model.resolve());
  return model;
}

Status Model::add_line(std::string_view line, bool ours) {
  const auto words = words_of(line);
  if (words.front() == "op") {
    if (words.size() != 5) return Error(Code::corrupt, "an operation has a name, an input, an output and errors");
    Operation operation;
    operation.name = words[1];
    operation.ours = ours;
    if (words[4] != "-") operation.errors = split(words[4], ',');
    operation_names_.emplace(words[1], OperationNames{words[2], words[3]});
    if (!operations_.emplace(words[1], std::move(operation)).second)
      return Error(Code::corrupt, "the operation is there twice");
    return {};
  }
  const auto* row = std::ranges::find(kKinds, words.front(), &KindRow::word);
  if (row == std::end(kKinds) || words.size() < row->words_min)
    return Error(Code::corrupt, "'" + std::string(line.substr(0, 60)) + "' describes nothing");
  auto shape = std::make_unique<Shape>();
  shape->kind = row->kind;
  shape->name = words[1];
  shape->secret = words.front() == "secret";
  if (row->bounds_at != 0) {
    BELAY_TRY_ASSIGN(shape->min, bound_of(words[row->bounds_at]));
    BELAY_TRY_ASSIGN(shape->max, bound_of(words[row->bounds_at + 1]));
  }
  Names names;
  if (row->kind == Kind::structure) names.members.assign(words.begin() + 2, words.end());
  if (row->kind == Kind::enumeration) shape->values.assign(words.begin() + 2, words.end());
  if (row->kind == Kind::list) names.item = words[2];
  if (row->kind == Kind::map) names.key = words[2], names.item = words[3];
  if (row->kind == Kind::text) shape->pattern_text = rest_after(line, 4);
  if (!shape->pattern_text.empty()) {
    BELAY_TRY_ASSIGN(shape->pattern, Pattern::compile(shape->pattern_text));
  }
  unresolved_.emplace(words[1], std::move(names));
  if (!shapes_.emplace(words[1], std::move(shape)).second) return Error(Code::corrupt, "the shape is there twice");
  return {};
}

Status Model::resolve() {
  const auto find = [this](std::string_view name, const Shape*& into) -> Status {
    into = shape(name);
    if (!into) return Error(Code::corrupt, "shapes: '" + std::string(name) + "' is named and not described");
    return {};
  };
  for (const auto& [name, names] : unresolved_) {
    Shape& owner = *shapes_.at(name);
    for (const auto word : names.members) {
      const auto mark = word.find_first_of(":!");
      if (mark == std::string_view::npos)
        return Error(Code::corrupt, "shapes: member '" + std::string(word) + "' has no shape");
      Member member{word.substr(0, mark), nullptr, word[mark] == '!'};
      BELAY_TRY(find(word.substr(mark + 1), member.shape));
      owner.members.push_back(member);
    }
    if (!names.key.empty()) BELAY_TRY(find(names.key, owner.key));
    if (!names.item.empty()) BELAY_TRY(find(names.item, owner.item));
  }
  for (const auto& [name, names] : operation_names_) {
    if (names.input != "-") BELAY_TRY(find(names.input, operations_.at(name).input));
    if (names.output != "-") BELAY_TRY(find(names.output, operations_.at(name).output));
  }
  unresolved_.clear();
  operation_names_.clear();
  return {};
}

const Operation* Model::operation(std::string_view name) const {
  const auto found = operations_.find(name);
  return found == operations_.end() ? nullptr : &found->second;
}

const Shape* Model::shape(std::string_view name) const {
  const auto found = shapes_.find(name);
  return found == shapes_.end() ? nullptr : found->second.get();
}

const Model& model() {
  static const Model embedded = [] {
    auto parsed = Model::parse({{embedded_ssm_shapes(), false}, {embedded_belay_shapes(), true}});
    BELAY_ASSERT(parsed.ok());
    return std::move(*parsed);
  }();
  return embedded;
}

}  // namespace belay::server::shapes
