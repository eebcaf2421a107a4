#include <algorithm>
#include <charconv>

#include "core/version/version.hpp"

namespace belay::version {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// dpkg's order(): ~ before the end of the text, letters before everything else.
int weight(std::string_view text, std::size_t at) {
  if (at >= text.size() || is_digit(text[at])) return 0;
  if (text[at] == '~') return -1;
  if (is_letter(text[at])) return text[at];
  return static_cast<unsigned char>(text[at]) + 256;
}

std::size_t end_of_digits(std::string_view text, std::size_t from) {
  while (from < text.size() && is_digit(text[from])) ++from;
  return from;
}

// Numbers of any length: without leading zeros the longer one is greater, else the text decides.
std::strong_ordering compare_numbers(std::string_view a, std::string_view b) {
  a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
  b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
  if (a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

// Upstream versions and revisions: a run of anything but digits, then a number, and so on.
std::strong_ordering compare_part(std::string_view a, std::string_view b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    while ((i < a.size() && !is_digit(a[i])) || (j < b.size() && !is_digit(b[j]))) {
      const int left = weight(a, i), right = weight(b, j);
      if (left != right) return left <=> right;
      ++i, ++j;
    }
    const std::size_t i_end = end_of_digits(a, std::min(i, a.size())), j_end = end_of_digits(b, std::min(j, b.size()));
    const auto order = compare_numbers(a.substr(std::min(i, a.size()), i_end - std::min(i, a.size())),
                                       b.substr(std::min(j, b.size()), j_end - std::min(j, b.size())));
    if (order != 0) return order;
    i = i_end, j = j_end;
  }
  return std::strong_ordering::equal;
}

Error refused(std::string_view text, const std::string& why) {
  return Error(Code::invalid_argument, "'" + std::string(text.substr(0, 128)) + "' is not a Debian version: " + why);
}

Status validate_epoch(std::string_view text, std::string_view epoch) {
  int value = 0;  // dpkg keeps epochs in an int
  const auto [end, failure] = std::from_chars(epoch.data(), epoch.data() + epoch.size(), value);
  if (epoch.empty()) return refused(text, "the epoch is empty");
  if (failure == std::errc::result_out_of_range) return refused(text, "the epoch is too big");
  if (failure != std::errc() || end != epoch.data() + epoch.size() || value < 0)
    return refused(text, "the epoch is not a whole number");
  return {};
}

}  // namespace

DebVersion split_deb(std::string_view text) {
  DebVersion parts;
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    const auto epoch = text.substr(0, colon);
    const auto [end, failure] = std::from_chars(epoch.data(), epoch.data() + epoch.size(), parts.epoch);
    if (failure == std::errc::result_out_of_range) parts.epoch = UINT64_MAX;
    else if (failure != std::errc() || end != epoch.data() + epoch.size()) parts.epoch = 0;
    text.remove_prefix(colon + 1);
  }
  const auto dash = text.rfind('-');
  parts.upstream = text.substr(0, dash);
  if (dash != std::string_view::npos) parts.revision = text.substr(dash + 1);
  return parts;
}

std::strong_ordering compare_deb(std::string_view a, std::string_view b) {
  const DebVersion left = split_deb(a), right = split_deb(b);
  if (const auto order = left.epoch <=> right.epoch; order != 0) return order;
  if (const auto order = compare_part(left.upstream, right.upstream); order != 0) return order;
  return compare_part(left.revision, right.revision);
}

Status validate_deb(std::string_view text) {
  if (text.empty()) return refused(text, "it is empty");
  std::string_view rest = text;
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    BELAY_TRY(validate_epoch(text, rest.substr(0, colon)));
    rest.remove_prefix(colon + 1);
  }
  const auto dash = rest.rfind('-');
  const auto upstream = rest.substr(0, dash);
  if (upstream.empty()) return refused(text, "the upstream version is empty");
  if (!is_digit(upstream.front())) return refused(text, "the upstream version does not start with a digit");
  const auto known = [](char c, std::string_view more) {
    return is_digit(c) || is_letter(c) || more.find(c) != std::string_view::npos;
  };
  if (!std::ranges::all_of(upstream, [&](char c) { return known(c, ".-+~:"); }))
    return refused(text, "the upstream version has a character other than letters, digits and . - + ~ :");
  if (dash == std::string_view::npos) return {};
  const auto revision = rest.substr(dash + 1);
  if (revision.empty()) return refused(text, "the revision after the last '-' is empty");
  if (!std::ranges::all_of(revision, [&](char c) { return known(c, ".+~"); }))
    return refused(text, "the revision has a character other than letters, digits and . + ~");
  return {};
}

}  // namespace belay::version
