#include "core/calendar/content_lines.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::calendar {
namespace {

std::string to_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return upper;
}

// The position of the first of `wanted` outside double quotes.
std::size_t find_unquoted(std::string_view text, std::string_view wanted) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    else if (!quoted && wanted.find(text[i]) != std::string_view::npos) return i;
  }
  return std::string_view::npos;
}

Result<ContentLine> line_of(std::size_t number, std::string_view text) {
  const auto colon = find_unquoted(text, ":");
  if (colon == std::string_view::npos)
    return at_line(number, "'" + sanitize(text, 60) + "' is no iCalendar line; write NAME:VALUE");
  ContentLine line{number, {}, {}, std::string(text.substr(colon + 1))};
  std::string_view head = text.substr(0, colon);
  for (bool first = true; first || !head.empty(); first = false) {
    const auto end = find_unquoted(head, ";");
    const std::string_view part = head.substr(0, end);
    head = end == std::string_view::npos ? std::string_view() : head.substr(end + 1);
    if (first) {
      line.name = to_upper(part);
      continue;
    }
    const auto equals = part.find('=');
    if (equals == std::string_view::npos)
      return at_line(number, "the parameter '" + sanitize(part, 60) + "' has no value");
    std::string value(part.substr(equals + 1));
    std::erase(value, '"');
    line.parameters.emplace_back(to_upper(part.substr(0, equals)), std::move(value));
  }
  return line;
}

}  // namespace

std::string_view ContentLine::parameter(std::string_view wanted) const {
  const auto found = std::ranges::find(parameters, wanted, [](const auto& p) -> std::string_view { return p.first; });
  return found == parameters.end() ? std::string_view() : std::string_view(found->second);
}

Error at_line(std::size_t number, std::string_view what) {
  return Error(Code::invalid_argument, "line " + std::to_string(number) + ": " + std::string(what));
}

Result<std::vector<ContentLine>> content_lines(std::string_view text) {
  std::vector<ContentLine> lines;
  std::string unfolded;
  std::size_t number = 0, begun = 0;
  const auto flush = [&]() -> Status {
    if (trim(unfolded).empty()) return {};
    BELAY_TRY_ASSIGN(auto line, line_of(begun, unfolded));
    lines.push_back(std::move(line));
    return {};
  };
  for (auto raw : split(text, '\n')) {
    ++number;
    if (raw.ends_with('\r')) raw.remove_suffix(1);
    if (!unfolded.empty() && (raw.starts_with(' ') || raw.starts_with('\t'))) {
      unfolded += raw.substr(1);
      continue;
    }
    BELAY_TRY(flush());
    unfolded = std::string(raw);
    begun = number;
  }
  BELAY_TRY(flush());
  return lines;
}

std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) plain += text[i];
    else if (const char c = text[++i]; c == 'n' || c == 'N') plain += '\n';
    else plain += c;
  }
  return plain;
}

}  // namespace belay::calendar
