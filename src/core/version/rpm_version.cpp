#include <algorithm>
#include <charconv>

#include "core/version/version.hpp"

namespace belay::version {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_separator(char c) { return !is_digit(c) && !is_letter(c) && c != '~' && c != '^'; }

// Takes the run of digits or of letters off the front.
std::string_view take_run(std::string_view& text, bool digits) {
  std::size_t length = 0;
  while (length < text.size() && (digits ? is_digit(text[length]) : is_letter(text[length]))) ++length;
  const auto run = text.substr(0, length);
  text.remove_prefix(length);
  return run;
}

std::strong_ordering compare_runs(std::string_view a, std::string_view b, bool digits) {
  if (digits) {
    a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
    b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
    if (a.size() != b.size()) return a.size() <=> b.size();
  }
  return a.compare(b) <=> 0;
}

Error refused(std::string_view text, const std::string& why) {
  return Error(Code::invalid_argument, "'" + std::string(text.substr(0, 128)) + "' is not an rpm version: " + why);
}

}  // namespace

std::strong_ordering compare_rpm_segment(std::string_view a, std::string_view b) {
  constexpr auto less = std::strong_ordering::less, greater = std::strong_ordering::greater;
  if (a == b) return std::strong_ordering::equal;
  while (!a.empty() || !b.empty()) {
    while (!a.empty() && is_separator(a.front())) a.remove_prefix(1);
    while (!b.empty() && is_separator(b.front())) b.remove_prefix(1);
    const char left = a.empty() ? '\0' : a.front(), right = b.empty() ? '\0' : b.front();
    if (left == '~' || right == '~') {  // before everything, the end too
      if (left != right) return left == '~' ? less : greater;
      a.remove_prefix(1), b.remove_prefix(1);
      continue;
    }
    if (left == '^' || right == '^') {  // after the end, before everything else
      if (a.empty()) return less;
      if (b.empty()) return greater;
      if (left != right) return left == '^' ? less : greater;
      a.remove_prefix(1), b.remove_prefix(1);
      continue;
    }
    if (a.empty() || b.empty()) break;
    const bool digits = is_digit(left);
    const auto run_a = take_run(a, digits), run_b = take_run(b, digits);
    if (run_b.empty()) return digits ? greater : less;  // a number is newer than letters
    if (const auto order = compare_runs(run_a, run_b, digits); order != 0) return order;
  }
  if (a.empty() && b.empty()) return std::strong_ordering::equal;
  return a.empty() ? less : greater;
}

Evr split_evr(std::string_view text) {
  Evr evr;
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  if (digits < text.size() && text[digits] == ':') {
    evr.epoch = text.substr(0, digits);
    text.remove_prefix(digits + 1);
  }
  const auto dash = text.rfind('-');
  evr.version = text.substr(0, dash);
  if (dash != std::string_view::npos) evr.release = text.substr(dash + 1);
  return evr;
}

std::strong_ordering compare_rpm(std::string_view a, std::string_view b) {
  const Evr left = split_evr(a), right = split_evr(b);
  if (const auto order = compare_runs(left.epoch, right.epoch, true); order != 0) return order;
  if (const auto order = compare_rpm_segment(left.version, right.version); order != 0) return order;
  if (left.release.empty() != right.release.empty())
    return left.release.empty() ? std::strong_ordering::less : std::strong_ordering::greater;
  return compare_rpm_segment(left.release, right.release);
}

Status validate_rpm(std::string_view text) {
  const Evr evr = split_evr(text);
  std::uint32_t epoch = 0;
  if (!evr.epoch.empty() &&
      std::from_chars(evr.epoch.data(), evr.epoch.data() + evr.epoch.size(), epoch).ec != std::errc())
    return refused(text, "the epoch is too big");
  if (evr.version.empty()) return refused(text, "the version is empty");
  const auto known = [](char c) {
    return is_digit(c) || is_letter(c) || std::string_view("._+%{}~^").find(c) != std::string_view::npos;
  };
  for (const auto& [part, what] : {std::pair{evr.version, "version"}, std::pair{evr.release, "release"}})
    if (!std::ranges::all_of(part, known))
      return refused(text,
                     std::string("the ") + what + " has a character other than letters, digits and . _ + % { } ~ ^");
  if (text.ends_with('-')) return refused(text, "the release after the last '-' is empty");
  return {};
}

Result<Nevra> split_nevra(std::string_view text) {
  const Error bad(Code::invalid_argument,
                  "'" + std::string(text.substr(0, 128)) + "' is not name-[epoch:]version-release.arch");
  Nevra parts;
  std::string_view rest = text, epoch_in_front;
  const auto colon = rest.find(':');
  if (colon != std::string_view::npos && colon > 0 && std::ranges::all_of(rest.substr(0, colon), is_digit)) {
    epoch_in_front = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
  }
  const auto dot = rest.rfind('.');
  if (dot == std::string_view::npos || dot + 1 == rest.size()) return bad;
  parts.arch = rest.substr(dot + 1);
  rest = rest.substr(0, dot);
  const auto release_dash = rest.rfind('-');
  if (release_dash == std::string_view::npos || release_dash == 0) return bad;
  const auto version_dash = rest.rfind('-', release_dash - 1);
  if (version_dash == std::string_view::npos || version_dash == 0) return bad;
  parts.name = rest.substr(0, version_dash);
  parts.evr = split_evr(rest.substr(version_dash + 1));
  if (!epoch_in_front.empty()) parts.evr.epoch = epoch_in_front;
  if (parts.evr.version.empty() || parts.evr.release.empty() || parts.arch.find('-') != std::string_view::npos)
    return bad;
  return parts;
}

}  // namespace belay::version
