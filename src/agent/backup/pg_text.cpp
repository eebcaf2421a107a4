#include "agent/backup/pg_text.hpp"

#include <algorithm>
#include <charconv>

#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::size_t kLineBytesMax = 64 << 10, kLogBytesMax = 16u << 20, kOptionsMax = 200;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_plain_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string quoted(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char c : text) {
    if (c == '\0') continue;
    if (c == quote) result += quote;
    result += c;
  }
  return result += quote;
}

}  // namespace

std::string sql_literal(std::string_view text) { return quoted(text, '\''); }
std::string sql_identifier(std::string_view text) { return quoted(text, '"'); }

Result<std::string> sql_table(std::string_view name) {
  const auto dot = name.find('.');
  if (dot == name.npos || !is_plain_name(name.substr(0, dot)) || !is_plain_name(name.substr(dot + 1)))
    return Error(Code::invalid_argument,
                 "the heartbeat \"" + sanitize(name, 100) + "\" must be schema.table, of letters, digits and _");
  return sql_identifier(name.substr(0, dot)) + "." + sql_identifier(name.substr(dot + 1));
}

std::string pg_setting(std::string_view value) {
  std::string result = "'";
  for (const char c : value) {
    if (static_cast<unsigned char>(c) < 0x20) continue;
    if (c == '\'' || c == '\\') result += c;
    result += c;
  }
  return result += "'";
}

Result<ControlData> parse_control_data(std::string_view text) {
  ControlData data;
  std::uint64_t checksums = 0, timeline = 0;
  struct Number {
    std::string_view label;
    std::uint64_t* value;
  };
  const Number numbers[] = {{"Database system identifier", &data.system_id},
                            {"Latest checkpoint's TimeLineID", &timeline},
                            {"Bytes per WAL segment", &data.segment_bytes},
                            {"Data page checksum version", &checksums},
                            {"max_connections setting", &data.least["max_connections"]},
                            {"max_worker_processes setting", &data.least["max_worker_processes"]},
                            {"max_wal_senders setting", &data.least["max_wal_senders"]},
                            {"max_prepared_xacts setting", &data.least["max_prepared_transactions"]},
                            {"max_locks_per_xact setting", &data.least["max_locks_per_transaction"]}};
  for (const auto line : split(text.substr(0, kLineBytesMax), '\n')) {
    const auto colon = line.find(':');
    if (colon == line.npos) continue;
    const auto label = line.substr(0, colon), value = trim(line.substr(colon + 1));
    if (label == "Database cluster state") data.state = sanitize(value, 100);
    for (const auto& one : numbers)
      if (one.label == label) *one.value = number(value).value_or(0);
  }
  data.has_checksums = checksums != 0;
  data.timeline = timeline <= 0xffffffffu ? static_cast<std::uint32_t>(timeline) : 0;
  if (data.system_id == 0 || data.segment_bytes == 0 || data.state.empty())
    return Error(Code::corrupt, "pg_controldata does not say what it must (with LC_ALL=C)");
  return data;
}

Result<std::vector<backup::Fingerprint>> parse_fingerprints(std::string_view text) {
  std::vector<backup::Fingerprint> found;
  for (const auto raw : split(text, '\n')) {
    const auto line = trim(raw);
    if (line.empty()) continue;
    const auto value = json::parse(line, {.bytes_max = kLineBytesMax});
    const auto* row = value.ok() ? value->if_array() : nullptr;
    if (!row || row->size() != 3 || !(*row)[0].is_string() || !(*row)[1].is_int64() || (*row)[1].get_int64() < 0 ||
        !(*row)[2].is_string())
      return Error(Code::corrupt, "psql printed no count of a table: " + sanitize(line, 200));
    if (found.size() == backup::kFingerprintsMax) break;
    found.push_back({std::string(std::string_view((*row)[0].get_string())),
                     static_cast<std::uint64_t>((*row)[1].get_int64()),
                     std::string(std::string_view((*row)[2].get_string()))});
  }
  return found;
}

std::vector<backup::Fingerprint> unchanged(const std::vector<backup::Fingerprint>& before,
                                           const std::vector<backup::Fingerprint>& after) {
  std::map<std::string_view, const backup::Fingerprint*> by_subject;
  for (const auto& one : after) by_subject[one.subject] = &one;
  std::vector<backup::Fingerprint> same;
  for (const auto& one : before)
    if (const auto found = by_subject.find(one.subject); found != by_subject.end() && *found->second == one)
      same.push_back(one);
  return same;
}

Result<Instant> parse_pg_time(std::string_view text) {
  std::string iso(trim(text));
  if (iso.size() < 19 || iso[10] != ' ')
    return Error(Code::corrupt, "\"" + sanitize(text, 60) + "\" is no time of PostgreSQL's");
  iso[10] = 'T';
  // The offset has two digits where minutes are none.
  if (const auto sign = iso.find_last_of("+-"); sign > 10 && iso.size() - sign == 3) iso += ":00";
  return parse_iso8601(iso);
}

std::string pg_time(Instant instant) {
  std::string text = to_iso8601(instant);
  if (text.size() > 10) text[10] = ' ';
  if (text.ends_with('Z')) text.pop_back();
  return text + "+00";
}

std::optional<Instant> last_transaction_in(std::string_view log) {
  constexpr std::string_view kSays = "last completed transaction was at log time ";
  const auto at = log.rfind(kSays);
  if (at == log.npos) return std::nullopt;
  auto text = log.substr(at + kSays.size(), 60);
  text = trim(text.substr(0, text.find('\n')));
  // In the server's zone as an abbreviation, unless it runs in UTC: the drill does.
  for (const std::string_view zone : {" UTC", " GMT"})
    if (text.ends_with(zone)) text.remove_suffix(zone.size());
  const auto instant = parse_pg_time(text);
  if (!instant.ok()) return std::nullopt;
  return *instant;
}

std::string last_errors_in(std::string_view log) {
  if (log.size() > kLogBytesMax) log.remove_prefix(log.size() - kLogBytesMax);
  std::vector<std::string> lines;
  for (const auto line : split(log, '\n')) {
    // What who asks too early is told.
    if (line.find("FATAL:  the database system is ") != line.npos) continue;
    for (const std::string_view kind : {"FATAL:", "PANIC:", "ERROR:", "HINT:"})
      if (const auto at = line.find(kind); at != line.npos) {
        lines.emplace_back(trim(line.substr(at)));
        if (lines.size() > 6) lines.erase(lines.begin());
        break;
      }
  }
  return sanitize(join(lines, "; "), 1'000);
}

// /usr/lib/postgresql/15/bin/postgres "-D" "/srv/data" "-c" "port=5433"
std::vector<std::string> parse_server_options(std::string_view text) {
  std::vector<std::string> words;
  text = text.substr(0, text.find('\n'));
  std::size_t at = text.find(' ');
  words.emplace_back(text.substr(0, at));
  while (at < text.size() && words.size() < kOptionsMax) {
    const auto open = text.find('"', at);
    if (open == text.npos) break;
    const auto close = text.find('"', open + 1);
    if (close == text.npos) break;
    words.emplace_back(text.substr(open + 1, close - open - 1));
    at = close + 1;
  }
  return words;
}

std::optional<std::uint64_t> parse_dump_entries(std::string_view text) {
  constexpr std::string_view kSays = ";     TOC Entries: ";
  const auto at = text.find(kSays);
  if (at == text.npos) return std::nullopt;
  auto digits = text.substr(at + kSays.size());
  return number(trim(digits.substr(0, digits.find('\n'))));
}

std::vector<std::string> names_created(std::string_view sql, std::string_view what) {
  const std::string head = "CREATE " + std::string(what) + " ";
  std::vector<std::string> names;
  char quote = 0;  // doubled inside, as SQL does it, it closes and opens again
  bool begins = true;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (begins && !quote && sql.substr(i, head.size()) == head) {
      auto end = i + head.size();
      const bool quoted = end < sql.size() && sql[end] == '"';
      if (quoted)
        for (++end; end < sql.size() && (sql[end] != '"' || sql.substr(end, 2) == "\"\""); ++end)
          end += sql[end] == '"';
      else end = std::min(sql.find_first_of(" ;\n", end), sql.size());
      names.emplace_back(sql.substr(i + head.size(), end - i - head.size() + (quoted ? 1 : 0)));
      i = std::min(end, sql.size() - 1);
      begins = false;
      continue;
    }
    const char c = sql[i];
    if (quote) quote = c == quote ? 0 : quote;
    else if (c == '\'' || c == '"') quote = c;
    else if (c == ';' || c == '\n') begins = true;
    else begins = false;
    if (quote) begins = false;
  }
  return names;
}

}  // namespace belay::agent::backups
