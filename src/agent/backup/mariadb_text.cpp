#include "agent/backup/mariadb_text.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

std::string_view last_line(std::string_view text) {
  text = trim(text);
  const auto at = text.rfind('\n');
  return at == std::string_view::npos ? text : trim(text.substr(at + 1));
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// Digits at the front of the text, which then begins after them.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<Version> take_version(std::string_view text) {
  Version version;
  const auto major = take_number(text);
  if (!major || !text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  const auto minor = take_number(text);
  if (!minor || !text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  const auto patch = take_number(text);
  if (!patch || *major > 99 || *minor > 99 || *patch > 999) return std::nullopt;
  version.major = static_cast<std::uint32_t>(*major);
  version.minor = static_cast<std::uint32_t>(*minor);
  version.patch = static_cast<std::uint32_t>(*patch);
  return version;
}

struct Named {
  std::string_view text;
  Code code;
  std::string_view reason, advice;
};
// In the order of their weight: the first that is found names the failure.
constexpr Named kNamed[] = {
    {"Access denied", Code::unauthenticated, "access-denied",
     "let root in by unix_socket, or write user and password into /etc/belay/mysql.cnf, 0600"},
    {"you need (at least one of) the", Code::permission_denied, "access-denied",
     "grant the user RELOAD, PROCESS, LOCK TABLES and BINLOG MONITOR"},
    {"missing required privilege", Code::permission_denied, "access-denied",
     "grant the user RELOAD, PROCESS, LOCK TABLES and BINLOG MONITOR"},
    {"Can't connect to", Code::unavailable, "source-down", "start the server, or name its socket in the plan"},
    {"Lost connection", Code::unavailable, "source-down", "see the server's error log"},
    {"server has gone away", Code::unavailable, "source-down", "see the server's error log"},
    {"No space left", Code::resource_exhausted, "scratch-full", "make room, or name another scratch directory"},
    {"Errcode: 28", Code::resource_exhausted, "scratch-full", "make room, or name another scratch directory"},
    {"(errno: 28", Code::resource_exhausted, "scratch-full", "make room, or name another scratch directory"},
    {"File exists", Code::conflict, "target-not-empty", "the directory must be empty"},
    {"is not empty", Code::conflict, "target-not-empty", "the directory must be empty"},
    {"not to be proper for the target", Code::corrupt, "chain-broken",
     "a member of the chain is missing or twice there"},
    {"seems not to be proper", Code::corrupt, "chain-broken", "a member of the chain is missing or twice there"},
    {"DDL operation has been performed", Code::conflict, "ddl-during-backup", "repeat it while no table is changed"},
    {"ALTER TABLE or OPTIMIZE TABLE was being executed", Code::conflict, "ddl-during-backup",
     "repeat it while no table is changed"},
    {"Table definition has changed", Code::conflict, "ddl-during-backup", "repeat it while no table is changed"},
    {"corrupt", Code::corrupt, "damaged", "do not count on it; check the disk, and make a new full backup"},
};

// The lines that say what went wrong, else the last ones.
std::string what_it_said(std::string_view text) {
  std::string found;
  const auto lines = split(trim(text), '\n');
  const auto take = [&](std::string_view line) {
    line = trim(line);
    if (line.empty() || found.size() + line.size() > 600) return;
    found += (found.empty() ? "" : "; ") + std::string(line);
  };
  for (const auto& line : lines)
    if (has(line, "rror") || has(line, "Failed") || has(line, "denied")) take(line);
  if (found.empty() && !lines.empty()) take(lines.back());
  return sanitize(found, 700);
}

Error named_error(const io::ProcessOutcome& outcome, std::string_view doing) {
  const std::string what(doing);
  using End = io::ProcessOutcome::End;
  if (outcome.end == End::timed_out)
    return Error(Code::timed_out, what + " took longer than its limit of time", "timed-out");
  if (outcome.end == End::cancelled) return Error(Code::cancelled, what + " was stopped", "cancelled");
  if (outcome.end == End::signalled)
    return Error(Code::internal, what + " was killed by signal " + std::to_string(outcome.signal));
  const auto text = outcome.standard_error + outcome.standard_output;
  const auto said = what_it_said(outcome.standard_error.empty() ? outcome.standard_output : outcome.standard_error);
  const auto ended = " (exit status " + std::to_string(outcome.exit_status) + "): ";
  for (const auto& row : kNamed)
    if (has(text, row.text))
      return Error(row.code, what + " failed" + ended + said + "; " + std::string(row.advice), std::string(row.reason));
  return Error(Code::internal, what + " failed" + ended + said);
}

}  // namespace

std::string value_of(std::string_view text, std::string_view key) {
  for (const auto& line : split(text, '\n')) {
    const auto at = line.find('=');
    if (at != std::string_view::npos && trim(line.substr(0, at)) == key) return std::string(trim(line.substr(at + 1)));
  }
  return {};
}

std::optional<std::uint64_t> to_number(std::string_view text) {
  const auto number = take_number(text);
  return text.empty() ? number : std::nullopt;
}

std::uint64_t number_of(std::string_view text, std::string_view key) {
  return to_number(value_of(text, key)).value_or(0);
}

Result<Checkpoints> read_checkpoints(std::string_view text) {
  const auto from = to_number(value_of(text, "from_lsn")), to = to_number(value_of(text, "to_lsn")),
             last = to_number(value_of(text, "last_lsn"));
  Checkpoints read{value_of(text, "backup_type"), from.value_or(0), to.value_or(0), last.value_or(0)};
  if (!from || !to || !last || read.type.empty())
    return Error(Code::corrupt, "the backup's checkpoints file does not say from where to where it reaches",
                 "checkpoints-unreadable");
  if (*to < *from || *last < *to)
    return Error(Code::corrupt,
                 "the backup begins at LSN " + std::to_string(*from) + " and ends at " + std::to_string(*to) +
                     ": it was built on a point of another server; make a full backup",
                 "checkpoints-unreadable");
  return read;
}

Status check_follows(const Checkpoints& before, const Checkpoints& next) {
  if (next.from_lsn == before.to_lsn) return {};
  return Error(Code::corrupt,
               "the increment begins at LSN " + std::to_string(next.from_lsn) + ", what it builds on ends at " +
                   std::to_string(before.to_lsn) + ": a member of the chain is missing",
               "chain-broken");
}

std::string text_of(const LogPosition& position) {
  if (position.file.empty()) return {};
  return position.file + ":" + std::to_string(position.offset) + (position.gtid.empty() ? "" : " " + position.gtid);
}

LogPosition read_position(std::string_view text) {
  LogPosition position;
  const auto blank = text.find(' ');
  if (blank != std::string_view::npos) position.gtid = std::string(trim(text.substr(blank + 1)));
  text = text.substr(0, blank);
  const auto colon = text.rfind(':');
  const auto offset = colon == std::string_view::npos ? std::nullopt : to_number(text.substr(colon + 1));
  if (!offset || colon == 0) return {};
  position.file = std::string(text.substr(0, colon));
  position.offset = *offset;
  return position;
}

LogPosition read_binlog_info(std::string_view text) {
  text = trim(text);
  text = text.substr(0, text.find('\n'));
  const auto fields = split(text, '\t');
  const auto offset = fields.size() < 2 ? std::nullopt : to_number(trim(fields[1]));
  if (!offset || !log_number(fields[0])) return {};
  return {std::string(fields[0]), *offset, fields.size() > 2 ? std::string(trim(fields[2])) : std::string()};
}

LogPosition read_dump_position(std::string_view head) {
  for (const auto& line : split(head, '\n')) {
    if (!has(line, "CHANGE MASTER TO") && !has(line, "CHANGE REPLICATION SOURCE TO")) continue;
    const auto file = line.find("_LOG_FILE='"), at = line.find("_LOG_POS=");
    if (file == std::string_view::npos || at == std::string_view::npos) continue;
    auto name = line.substr(file + 11);
    name = name.substr(0, name.find('\''));
    auto rest = line.substr(at + 9);
    const auto offset = take_number(rest);
    if (offset && log_number(name)) return {std::string(name), *offset, {}};
  }
  return {};
}

bool is_dump_complete(std::string_view tail) { return last_line(tail).starts_with("-- Dump completed"); }

std::optional<std::pair<std::string, std::uint64_t>> log_number(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot < 7) return std::nullopt;
  const auto number = to_number(name.substr(dot + 1));
  if (!number || has(name, "/") || has(name, "\n")) return std::nullopt;
  return std::pair(std::string(name.substr(0, dot)), *number);
}

std::vector<ServerLog> read_server_logs(std::string_view text) {
  std::vector<ServerLog> logs;
  for (const auto& line : split(text, '\n')) {
    const auto fields = split(trim(line), '\t');
    const auto name = fields[0].substr(fields[0].rfind('/') + 1);
    if (!log_number(name)) continue;
    logs.push_back({std::string(name), fields.size() > 1 ? to_number(fields[1]).value_or(0) : 0});
  }
  return logs;
}

std::optional<Instant> newest_change(std::string_view decoded) {
  constexpr std::string_view kWords = "SET TIMESTAMP=";
  const auto at = decoded.rfind(kWords);
  if (at == std::string_view::npos) return std::nullopt;
  auto rest = decoded.substr(at + kWords.size());
  const auto seconds = take_number(rest);
  if (!seconds || *seconds > 99'999'999'999ULL) return std::nullopt;
  return from_unix_ms(static_cast<std::int64_t>(*seconds) * 1000);
}

std::optional<Version> read_version(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  // The client's own version stands before that of the server it belongs to.
  for (const std::string_view word : {"Distrib ", "server ", "Ver "}) {
    const auto at = text.find(word);
    if (at == std::string_view::npos) continue;
    if (auto version = take_version(text.substr(at + word.size())); version) {
      version->mariadb = has(text, "MariaDB");
      return version;
    }
  }
  auto version = take_version(trim(text));
  if (version) version->mariadb = has(text, "MariaDB");
  return version;
}

std::string text_of(const Version& version) {
  return std::string(version.mariadb ? "MariaDB " : "MySQL ") + std::to_string(version.major) + "." +
         std::to_string(version.minor) + "." + std::to_string(version.patch);
}

Status judge_backup_tool(const io::ProcessOutcome& outcome, std::string_view doing) {
  if (!outcome.success()) return named_error(outcome, doing);
  if (last_line(outcome.standard_error).ends_with("completed OK!")) return {};
  return Error(Code::internal,
               std::string(doing) + " ended with 0, but its last line is not \"completed OK!\": " +
                   sanitize(last_line(outcome.standard_error), 300),
               "not-completed");
}

Status judge_client(const io::ProcessOutcome& outcome, std::string_view doing) {
  if (outcome.success()) return {};
  return named_error(outcome, doing);
}

CheckedTables read_checked_tables(std::string_view text) {
  CheckedTables checked;
  std::string table, complaint;
  for (const auto& line : split(text, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() < 4 || fields[1] != "check") continue;
    if (fields[0] != table) table = std::string(fields[0]), complaint.clear();
    const auto kind = to_lower(fields[2]);
    const auto said = fields[3];
    const bool bad = kind == "error" || (kind == "warning" && has(to_lower(said), "corrupt")) ||
                     (kind == "status" && said != "OK" && said != "Table is already up to date");
    if (bad && complaint.empty()) {
      complaint = said;
      checked.damaged.push_back(sanitize(table + ": " + complaint, 300));
    }
    if (kind == "status" && complaint.empty()) ++checked.sound;
  }
  return checked;
}

std::string sql_name(std::string_view name) {
  std::string text = "`";
  for (const char c : name) text += c == '`' ? "``" : std::string(1, c);
  return text + "`";
}

std::string sql_text(std::string_view value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') text += c;
    text += c;
  }
  return text + "'";
}

std::string unescaped(std::string_view field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '\\' || i + 1 == field.size()) {
      text += field[i];
      continue;
    }
    const char next = field[++i];
    text += next == 't' ? '\t' : next == 'n' ? '\n' : next == '0' ? '\0' : next;
  }
  return text;
}

}  // namespace belay::agent::backups::mariadb
