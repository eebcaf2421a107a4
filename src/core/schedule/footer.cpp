// The POSIX TZ text at the end of a zone file, with the wider hours of RFC 9636: std offset [dst [offset] , start ,
// end]
#include <string>

#include "core/schedule/tzif.hpp"

namespace belay::schedule {
namespace {

constexpr std::int64_t kHoursMax = 167;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool done() const { return text_.empty(); }
  bool at(char c) const { return !text_.empty() && text_.front() == c; }
  bool take(char c) {
    if (!at(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  // "CET", "<+0545>": at least three characters; what they are does not matter here.
  bool skip_name() {
    const bool quoted = take('<');
    std::size_t length = 0;
    const auto belongs = [&](char c) {
      const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
      return letter || (quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-'));
    };
    while (length < text_.size() && belongs(text_[length])) ++length;
    text_.remove_prefix(length);
    return length >= 3 && (!quoted || take('>'));
  }

  std::optional<unsigned> number(unsigned least, unsigned most) {
    unsigned value = 0;
    std::size_t digits = 0;
    for (; !text_.empty() && text_.front() >= '0' && text_.front() <= '9' && digits < 4; ++digits) {
      value = value * 10 + static_cast<unsigned>(text_.front() - '0');
      text_.remove_prefix(1);
    }
    if (digits == 0 || value < least || value > most) return std::nullopt;
    return value;
  }

  // [+-]hh[:mm[:ss]]
  std::optional<Seconds> time() {
    const bool negative = take('-');
    if (!negative) static_cast<void>(take('+'));
    const auto hours = number(0, kHoursMax);
    if (!hours) return std::nullopt;
    Seconds total = std::chrono::hours(*hours);
    for (Seconds unit = std::chrono::minutes(1); unit >= Seconds(1) && take(':'); unit /= 60) {
      const auto part = number(0, 59);
      if (!part) return std::nullopt;
      total += *part * unit;
      if (unit == Seconds(1)) break;
    }
    return negative ? -total : total;
  }

  std::optional<YearlyChange> change() {
    YearlyChange found;
    if (take('M')) {
      const auto month = number(1, 12);
      const auto week = month && take('.') ? number(1, 5) : std::nullopt;
      const auto day = week && take('.') ? number(0, 6) : std::nullopt;
      if (!day) return std::nullopt;
      found.month = *month, found.week = *week, found.day = *day;
    } else {
      const bool without_leap = take('J');
      const auto day = number(without_leap ? 1 : 0, 365);
      if (!day) return std::nullopt;
      found.kind = without_leap ? YearlyChange::Kind::day_without_leap : YearlyChange::Kind::day_from_zero;
      found.day = *day;
    }
    if (!take('/')) return found;
    const auto time_of_day = time();
    if (!time_of_day) return std::nullopt;
    found.time = *time_of_day;
    return found;
  }

 private:
  std::string_view text_;
};

bool offset_is_possible(Seconds offset) { return offset <= kUtcOffsetMax && offset >= -kUtcOffsetMax; }

std::optional<FooterRule::Summer> summer_of(Reader& reader, Seconds standard) {
  FooterRule::Summer summer;
  summer.offset = standard + std::chrono::hours(1);
  if (!reader.skip_name()) return std::nullopt;
  if (!reader.at(',')) {
    const auto west = reader.time();
    if (!west) return std::nullopt;
    summer.offset = -*west;
  }
  const auto begins = reader.take(',') ? reader.change() : std::nullopt;
  const auto ends = begins && reader.take(',') ? reader.change() : std::nullopt;
  if (!ends || !offset_is_possible(summer.offset)) return std::nullopt;
  summer.begins = *begins;
  summer.ends = *ends;
  return summer;
}

}  // namespace

Result<FooterRule> parse_footer(std::string_view text) {
  const auto refuse = [&] {
    return Error(Code::corrupt, "'" + std::string(text.substr(0, 80)) +
                                    "' is no rule for future years; expected one like CET-1CEST,M3.5.0,M10.5.0/3");
  };
  Reader reader(text);
  if (!reader.skip_name()) return refuse();
  const auto west = reader.time();
  if (!west || !offset_is_possible(*west)) return refuse();
  FooterRule rule;
  rule.standard = -*west;
  if (reader.done()) return rule;
  rule.summer = summer_of(reader, rule.standard);
  if (!rule.summer || !reader.done()) return refuse();
  return rule;
}

}  // namespace belay::schedule
