#include "core/automation/condition.hpp"

#include <charconv>
#include <optional>

#include "base/text.hpp"

namespace belay::automation {
namespace {

using enum Comparison;
constexpr int kDepthMax = 8;

std::optional<double> number_of(const json::Value& value) {
  if (value.is_number()) return value.to_number<double>();
  const auto* text = value.if_string();
  double number = 0;
  if (!text || text->empty()) return {};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return {};
  return number;
}

std::optional<bool> truth_of(const json::Value& value) {
  if (value.is_bool()) return value.get_bool();
  const auto text = to_lower(document::text_of(value));
  if (text == "true") return true;
  if (text == "false") return false;
  return {};
}

Result<bool> compare_numbers(Comparison comparison, double left, double right) {
  switch (comparison) {
    case NumericGreater: return left > right;
    case NumericLesser: return left < right;
    case NumericGreaterOrEquals: return left >= right;
    case NumericLesserOrEquals: return left <= right;
    default: return !(left < right) && !(left > right);
  }
}

Result<bool> compare(Comparison comparison, const json::Value& left, const json::Value& right) {
  const auto refuse = [&](std::string_view what) {
    return Error(Code::invalid_argument, std::string(boost::describe::enum_to_string(comparison, "?")) + " needs " +
                                             std::string(what) + ", not '" + sanitize(document::text_of(left), 60) +
                                             "' and '" + sanitize(document::text_of(right), 60) + "'");
  };
  const auto a = document::text_of(left), b = document::text_of(right);
  switch (comparison) {
    case StringEquals: return a == b;
    case EqualsIgnoreCase: return equal_ignoring_case(a, b);
    case StartsWith: return a.starts_with(b);
    case EndsWith: return a.ends_with(b);
    case Contains: return a.find(b) != std::string::npos;
    case BooleanEquals: {
      const auto x = truth_of(left), y = truth_of(right);
      if (!x || !y) return refuse("true or false");
      return *x == *y;
    }
    default: {
      const auto x = number_of(left), y = number_of(right);
      if (!x || !y) return refuse("numbers");
      return compare_numbers(comparison, *x, *y);
    }
  }
}

class ConditionReader {
 public:
  ConditionReader(document::Reader& reader, std::vector<std::string>& used) : reader_(reader), used_(used) {}

  Condition read(const json::Value& value, const std::string& path, bool outermost, int depth) {
    Condition condition;
    const auto* object = reader_.object(value, path);
    if (!object) return condition;
    if (depth > kDepthMax) return reader_.refuse(path, "is nested deeper than 8 levels"), condition;
    int found = 0;
    for (const auto& member : *object) {
      const std::string name(member.key());
      if (name == "Variable" || (outermost && name == "NextStep")) continue;
      const auto here = member_path(path, name);
      if (++found > 1) reader_.refuse(here, "stands beside another comparison; join them with And or Or");
      if (name == "And" || name == "Or") read_list(condition, name, member.value(), here, depth);
      else if (name == "Not") {
        condition.kind = Condition::Kind::none;
        condition.parts.push_back(read(member.value(), here, false, depth + 1));
      } else if (boost::describe::enum_from_string(name.c_str(), condition.comparison)) {
        condition.constant = member.value();
        note(member.value());
      } else {
        reader_.refuse(here,
                       "is no comparison; known are And, Or, Not, StringEquals, EqualsIgnoreCase, StartsWith, "
                       "EndsWith, Contains, Numeric{Equals,Greater,Lesser,GreaterOrEquals,LesserOrEquals} and "
                       "BooleanEquals");
      }
    }
    if (found == 0) reader_.refuse(path, "compares nothing");
    read_variable(condition, *object, path);
    return condition;
  }

 private:
  void note(const json::Value& value) {
    for (auto& name : document::references_in(value)) used_.push_back(std::move(name));
  }

  void read_list(Condition& condition, const std::string& name, const json::Value& value, const std::string& path,
                 int depth) {
    condition.kind = name == "And" ? Condition::Kind::all : Condition::Kind::any;
    if (!value.is_array() || value.get_array().size() < 2)
      return reader_.refuse(path, "expected a list of two or more");
    for (std::size_t i = 0; i < value.get_array().size(); ++i)
      condition.parts.push_back(read(value.get_array()[i], item_path(path, i), false, depth + 1));
  }

  void read_variable(Condition& condition, const json::Object& object, const std::string& path) {
    const auto* variable = object.if_contains("Variable");
    const auto here = member_path(path, "Variable");
    if (condition.kind != Condition::Kind::compare) {
      if (variable) reader_.refuse(here, "stands beside And, Or or Not; it belongs inside");
      return;
    }
    if (!variable) return reader_.refuse(here, "is missing");
    if (document::references_in(*variable).empty()) reader_.refuse(here, "refers to nothing: expected {{ name }}");
    condition.variable = *variable;
    note(*variable);
  }

  document::Reader& reader_;
  std::vector<std::string>& used_;
};

}  // namespace

Choice read_choice(document::Reader& reader, const json::Value& value, const std::string& path,
                   std::vector<std::string>& used) {
  Choice choice;
  choice.condition = ConditionReader(reader, used).read(value, path, true, 0);
  if (const auto* object = value.if_object()) choice.next_step = reader.text(*object, path, "NextStep", true);
  return choice;
}

Result<bool> holds(const Condition& condition, const document::ValueOf& value_of) {
  if (condition.kind == Condition::Kind::compare) {
    BELAY_TRY_ASSIGN(const auto left, document::substitute(condition.variable, value_of));
    BELAY_TRY_ASSIGN(const auto right, document::substitute(condition.constant, value_of));
    return compare(condition.comparison, left, right);
  }
  const bool wanted = condition.kind == Condition::Kind::any;  // what settles it at once
  for (const auto& part : condition.parts) {
    BELAY_TRY_ASSIGN(const bool one, holds(part, value_of));
    if (condition.kind == Condition::Kind::none) return !one;
    if (one == wanted) return wanted;
  }
  return !wanted;
}

}  // namespace belay::automation
