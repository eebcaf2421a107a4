#include "base/text.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace belay {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
unsigned byte(char c) { return static_cast<unsigned char>(c); }

// Length of the well-formed UTF-8 sequence at the front; 0 where there is none (RFC 3629, table 3-7 of Unicode).
std::size_t utf8_length(std::string_view text) {
  const unsigned first = byte(text[0]);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                             : first >= 0xE0 && first <= 0xEF ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(text[i]) & 0xC0) != 0x80) return 0;
  const unsigned second = byte(text[1]);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return length;
}

// Whether the class "[...]" at the front of pattern holds c; `length` is what the class takes of the pattern.
bool class_holds(std::string_view pattern, char c, std::size_t& length) {
  std::size_t i = 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool holds = false;
  for (const std::size_t start = i; i < pattern.size() && (pattern[i] != ']' || i == start); ++i) {
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      holds |= byte(c) >= byte(pattern[i]) && byte(c) <= byte(pattern[i + 2]);
      i += 2;
    } else {
      holds |= c == pattern[i];
    }
  }
  if (i >= pattern.size()) return length = 1, c == '[';  // never closed: a plain bracket
  length = i + 1;
  return holds != negated;
}

// Letters added, left out, replaced, or swapped with their neighbour, case aside.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const char x = lower(a[i - 1]), y = lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (x == y ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]);
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last.back();
}

}  // namespace

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t kBytesMax = 200;  // what is longer is no slip of the finger
  std::string_view best;
  std::size_t fewest = std::max<std::size_t>(word.size() / 3, 1) + 1;
  if (word.size() > kBytesMax) return best;
  for (const auto candidate : candidates) {
    if (candidate.size() > kBytesMax) continue;
    const std::size_t edits = edits_between(word, candidate);
    if (edits < fewest) best = candidate, fewest = edits;
  }
  return best;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const auto& part : parts) {
    if (&part != &parts.front()) text += separator;
    text += part;
  }
  return text;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    std::size_t taken = 1;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '[' ? class_holds(pattern.substr(p), text[t], taken)
                                                        : pattern[p] == '?' || pattern[p] == text[t])) {
      p += taken;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string sanitize(std::string_view text, std::size_t bytes_max) {
  static constexpr std::string_view kEllipsis = "…";
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const unsigned first = byte(text[0]);
    std::string piece(text.substr(0, std::max<std::size_t>(length, 1)));
    if (length == 0) piece = "\xEF\xBF\xBD";
    else if (length == 1 && (first < 0x20 || first == 0x7F) && first != '\n' && first != '\t')
      piece = "\\x" + to_hex(text.substr(0, 1));
    if (out.size() + piece.size() > bytes_max) {
      while (!out.empty() && (out.size() + kEllipsis.size() > bytes_max || !is_valid_utf8(out))) out.pop_back();
      return bytes_max < kEllipsis.size() ? out : out + std::string(kEllipsis);
    }
    out += piece;
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace belay
