#include "core/schedule/expression.hpp"

#include <array>
#include <charconv>

#include "base/text.hpp"
#include "core/schedule/cron_fields.hpp"

namespace belay::schedule {
namespace {

constexpr Seconds kPeriodMax = std::chrono::days(36'525);

struct Unit {
  std::string_view one, many;
  Seconds length;
};
constexpr std::array kUnits{Unit{"minute", "minutes", std::chrono::minutes(1)},
                            Unit{"hour", "hours", std::chrono::hours(1)}, Unit{"day", "days", std::chrono::days(1)}};

Error refuse(std::string_view what, std::string_view given, std::string_view right) {
  return Error(Code::invalid_argument,
               std::string(what) + " is '" + std::string(given.substr(0, 60)) + "'; write " + std::string(right));
}

Result<Rate> parse_rate(std::string_view inside) {
  constexpr std::string_view right =
      "a whole number above 0, a space, and minute(s), hour(s) or day(s): rate(30 minutes)";
  const auto space = inside.find(' ');
  if (space == std::string_view::npos) return refuse("the rate", inside, right);
  const std::string_view digits = inside.substr(0, space), word = trim(inside.substr(space));
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || digits.size() > 9 || error != std::errc() || end != digits.data() + digits.size() || number < 1)
    return refuse("the rate's value", digits, right);
  for (const auto& unit : kUnits) {
    if (word != unit.one && word != unit.many) continue;
    const std::string_view wanted = number == 1 ? unit.one : unit.many;
    if (word != wanted)
      return refuse("the rate's unit", word,
                    "rate(" + std::string(digits) + " " + std::string(wanted) + "): singular for 1, plural for more");
    if (number * unit.length > kPeriodMax) return refuse("the rate", inside, "a period of at most 100 years");
    return Rate{number * unit.length};
  }
  return refuse("the rate's unit", word, right);
}

Result<At> parse_at(std::string_view inside) {
  constexpr std::string_view right = "at(YYYY-MM-DDThh:mm:ss), without a zone: at(2027-07-07T13:15:30)";
  constexpr std::string_view shape = "0000-00-00T00:00:00";
  bool fits = inside.size() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i)
    fits = shape[i] == '0' ? inside[i] >= '0' && inside[i] <= '9' : inside[i] == shape[i];
  if (!fits) return refuse("the time of at", inside, right);
  const auto time = parse_iso8601(inside);
  if (!time.ok()) return refuse("the time of at", inside, right);
  return At{LocalTime{floor<Seconds>(*time).time_since_epoch()}};
}

}  // namespace

Result<Expression> parse_expression(std::string_view text) {
  constexpr std::string_view right = "cron(0 2 ? * TUE#2 *), rate(7 days) or at(2027-07-07T13:15:30)";
  if (text.size() > kExpressionBytesMax) return refuse("the expression", text, "at most 256 characters");
  const std::string_view whole = trim(text);
  const auto open = whole.find('(');
  if (open == std::string_view::npos || !whole.ends_with(')')) return refuse("the expression", whole, right);
  const std::string_view kind = whole.substr(0, open);
  const std::string_view inside = trim(whole.substr(open + 1, whole.size() - open - 2));
  Expression expression{{}, std::string(whole)};
  if (kind == "cron") {
    BELAY_TRY_ASSIGN(expression.rule, parse_cron(inside));
  } else if (kind == "rate") {
    BELAY_TRY_ASSIGN(expression.rule, parse_rate(inside));
  } else if (kind == "at") {
    BELAY_TRY_ASSIGN(expression.rule, parse_at(inside));
  } else {
    return refuse("the expression", whole, right);
  }
  return expression;
}

}  // namespace belay::schedule
