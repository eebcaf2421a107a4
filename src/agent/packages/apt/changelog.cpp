#include "agent/packages/apt/changelog.hpp"

#include <algorithm>
#include <array>

#include "agent/packages/problems.hpp"
#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::agent::apt {
namespace {

constexpr std::array<std::string_view, 5> kUrgencies{"low", "medium", "high", "emergency",
                                                     "critical"};  // rising; policy 5.6.17 holds the last two equal
constexpr std::size_t kIdBytesMax = 40;
constexpr std::size_t kVersionBytesMax = 300;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter_or_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string_view leading_digits(std::string_view text) {
  return text.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin()));
}

// "CVE-2026-1234" of "CVE-2026-1234: a fix": the prefix, digits, a hyphen, digits; "" where it is not one.
std::string_view id_at(std::string_view text, std::string_view prefix) {
  const auto first = leading_digits(text.substr(prefix.size()));
  const auto middle = prefix.size() + first.size();
  if (first.empty() || middle >= text.size() || text[middle] != '-') return {};
  const auto second = leading_digits(text.substr(middle + 1));
  const auto size = middle + 1 + second.size();
  const bool cve = prefix == "CVE-";
  if (second.empty() || size > kIdBytesMax || (cve && (first.size() != 4 || second.size() < 4))) return {};
  if (size < text.size() && is_letter_or_digit(text[size])) return {};
  return text.substr(0, size);
}

class Parser {
 public:
  std::vector<ChangelogEntry> parse(std::string_view text) {
    text = text.substr(0, kChangelogBytesMax);
    while (!text.empty() && entries_.size() <= kChangelogEntriesMax) {
      const auto end = std::min(text.find('\n'), text.size());
      take(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (entries_.size() > kChangelogEntriesMax) entries_.pop_back();
    for (auto& entry : entries_)
      for (auto* ids : {&entry.cve_ids, &entry.advisory_ids}) {
        std::ranges::sort(*ids);
        ids->erase(std::ranges::unique(*ids).begin(), ids->end());
      }
    return std::move(entries_);
  }

 private:
  void take(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return;
    if (line.starts_with(" -- ")) return take_trailer(line);
    if (line.front() != ' ' && line.front() != '\t') return take_header(line);
    if (open_) find_ids(line);
  }

  // "jq (1.6-2.1+deb12u3) bookworm-security; urgency=medium, binary-only=yes"
  void take_header(std::string_view line) {
    open_ = false;  // what follows a line that is no header (a mode line, a comment) belongs to no entry
    const auto from = line.find(" (");
    const auto to = line.find(')', from == std::string_view::npos ? line.size() : from);
    if (from == 0 || from == std::string_view::npos || to == std::string_view::npos) return;
    const auto semicolon = line.find(';', to);
    const auto version = line.substr(from + 2, to - from - 2);
    if (semicolon == std::string_view::npos || !is_plain_word(line.substr(0, from), 200) ||
        !is_plain_word(version, kVersionBytesMax))
      return;
    if (!is_valid_version(version)) return;
    entries_.push_back({std::string(version), urgency_of(line.substr(semicolon + 1)), {}, {}, {}});
    open_ = true;
  }

  static bool is_valid_version(std::string_view version) {
    return std::ranges::all_of(version, [](char c) {
      return is_letter_or_digit(c) || std::string_view(".+-:~").find(c) != std::string_view::npos;
    });
  }

  static std::string urgency_of(std::string_view fields) {
    for (const auto field : split(fields, ',')) {
      const auto equals = field.find('=');
      if (equals == std::string_view::npos || !equal_ignoring_case(trim(field.substr(0, equals)), "urgency")) continue;
      const auto value = trim(field.substr(equals + 1));  // a comment may follow: "high (security fix)"
      const auto word = value.substr(0, value.find_first_of(" \t("));
      for (const auto urgency : kUrgencies)
        if (equal_ignoring_case(word, urgency)) return std::string(urgency);
    }
    return {};
  }

  // " -- Name <mail>  Sat, 10 Oct 2026 09:05:07 +0200"
  void take_trailer(std::string_view line) {
    if (!open_) return;
    open_ = false;
    const auto mail_end = line.rfind('>');
    if (mail_end != std::string_view::npos) entries_.back().date = date_of(trim(line.substr(mail_end + 1)));
  }

  static std::optional<Instant> date_of(std::string_view text) {
    if (text.size() < 6 || text.size() > 60) return std::nullopt;
    const auto zone = text.substr(text.size() - 6);
    if (zone[0] != ' ' || (zone[1] != '+' && zone[1] != '-') || leading_digits(zone.substr(2)).size() != 4)
      return std::nullopt;
    std::string without_zone(text.substr(0, text.size() - 6));
    if (without_zone.find(", ") == std::string::npos)
      without_zone = "Mon, " + without_zone;  // the day of the week may be left out
    if (const auto two = without_zone.find(",  "); two != std::string::npos) without_zone.erase(two + 1, 1);
    const auto local = parse_http_date(without_zone + " GMT");
    if (!local.ok()) return std::nullopt;
    const auto number = [&](std::size_t at) { return (zone[at] - '0') * 10 + (zone[at + 1] - '0'); };
    const Duration offset = std::chrono::hours(number(2)) + std::chrono::minutes(number(4));
    return zone[1] == '+' ? *local - offset : *local + offset;
  }

  void find_ids(std::string_view line) {
    for (std::size_t hyphen = line.find('-', 3); hyphen != std::string_view::npos && ids_ < kChangelogIdsMax;
         hyphen = line.find('-', hyphen + 1)) {
      const std::size_t start = hyphen - 3;
      if (start > 0 && is_letter_or_digit(line[start - 1])) continue;
      for (const std::string_view prefix : {"CVE-", "DSA-", "DLA-", "USN-"}) {
        if (!line.substr(start).starts_with(prefix)) continue;
        const auto id = id_at(line.substr(start), prefix);
        if (id.empty()) continue;
        auto& entry = entries_.back();
        (prefix == "CVE-" ? entry.cve_ids : entry.advisory_ids).emplace_back(id);
        ++ids_;
      }
    }
  }

  std::vector<ChangelogEntry> entries_;
  std::size_t ids_ = 0;
  bool open_ = false;
};

std::size_t rank(std::string_view urgency) {
  const auto found = std::ranges::find(kUrgencies, urgency);
  return found == kUrgencies.end() ? 0 : static_cast<std::size_t>(found - kUrgencies.begin()) + 1;
}

std::string as_severity(std::string word) {
  if (!word.empty() && word[0] >= 'a' && word[0] <= 'z') word[0] = static_cast<char>(word[0] - 'a' + 'A');
  return word;
}

void merge(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  if (all.size() > kChangelogIdsMax) all.resize(kChangelogIdsMax);
}

}  // namespace

std::vector<ChangelogEntry> parse_changelog(std::string_view text) { return Parser().parse(text); }

std::optional<UpdateNotes> notes_of(const std::vector<ChangelogEntry>& entries, const BuiltVersion& offered,
                                    const std::optional<BuiltVersion>& installed, Instant now) {
  if (entries.empty() || (entries.front().version != offered.binary && entries.front().version != offered.source))
    return std::nullopt;
  // A branch's changelog goes on with its parent's entries, so the first that is not newer ends the update.
  const auto is_old = [&](const ChangelogEntry& entry) {
    return entry.version == installed->binary || version::compare_deb(entry.version, installed->source) <= 0;
  };
  std::size_t count = 1;
  if (installed) count = static_cast<std::size_t>(std::ranges::find_if(entries, is_old) - entries.begin());
  if (count == 0) return std::nullopt;
  UpdateNotes notes;
  std::string urgency;
  for (std::size_t i = 0; i < count; ++i) {
    if (rank(entries[i].urgency) > rank(urgency)) urgency = entries[i].urgency;
    merge(notes.cve_ids, entries[i].cve_ids);
    merge(notes.advisory_ids, entries[i].advisory_ids);
  }
  notes.severity = as_severity(urgency);
  if (entries.front().date && *entries.front().date <= now) notes.released_at = entries.front().date;
  return notes;
}

}  // namespace belay::agent::apt
