#include "agent/backup/pgbackrest_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::pgbackrest {
namespace {

constexpr std::size_t kTextBytesMax = 64u << 20, kMadeMax = 20'000, kNamesMax = 2'000'000, kMessageBytesMax = 500;
constexpr std::int64_t kSecondsMax = 253'402'300'799;  // the year 9999

// What was decrypted with a wrong key stands raw in its messages.
std::string only_ascii(std::string_view text) {
  std::string plain(text);
  for (char& byte : plain)
    if (static_cast<unsigned char>(byte) >= 0x80 || static_cast<unsigned char>(byte) < 0x20) byte = '?';
  return plain;
}

Result<json::Value> parse_json(std::string_view text, const char* whose) {
  if (auto value = json::parse(trim(text), {.bytes_max = kTextBytesMax}); value.ok()) return value;
  auto value = json::parse(only_ascii(trim(text)), {.bytes_max = kTextBytesMax});
  if (value.ok()) return value;
  return Error(Code::corrupt, std::string("pgbackrest ") + whose + " prints no JSON: " + sanitize(text, 200));
}

const json::Array& list_of(const json::Value& value, std::string_view member) {
  static const json::Array none;
  const auto* found = value.is_object() ? json::find(value, member) : nullptr;
  return found && found->is_array() ? found->get_array() : none;
}

const json::Value& part(const json::Value& value, std::string_view member) {
  static const json::Value none;
  const auto* found = value.is_object() ? json::find(value, member) : nullptr;
  return found && found->is_object() ? *found : none;
}

std::string text_of(const json::Value& value, std::string_view member) {
  return value.is_object() ? json::text_or_empty(value, member) : std::string();
}

std::int64_t number_of(const json::Value& value, std::string_view member) {
  const auto* found = value.is_object() ? json::find(value, member) : nullptr;
  return found && found->is_int64() && found->get_int64() >= 0 ? found->get_int64() : 0;
}

bool flag_of(const json::Value& value, std::string_view member) {
  const auto* found = value.is_object() ? json::find(value, member) : nullptr;
  return found && found->is_bool() && found->get_bool();
}

Instant time_of(const json::Value& value, std::string_view member) {
  return from_unix_ms(std::min(number_of(value, member), kSecondsMax) * 1'000);
}

std::string archive_id_of(const json::Value& stanza, std::int64_t database) {
  for (const auto& db : list_of(stanza, "db"))
    if (number_of(db, "id") == database) return text_of(db, "version") + "-" + std::to_string(database);
  return {};
}

Made made_of(const json::Value& row, const json::Value& stanza) {
  Made made;
  made.label = text_of(row, "label");
  for (const auto& reference : list_of(row, "reference"))
    if (reference.is_string()) made.references.emplace_back(std::string_view(reference.get_string()));
  // By their time, so that the oldest comes first.
  std::sort(made.references.begin(), made.references.end(), [](const std::string& one, const std::string& other) {
    return one.substr(one.rfind('_') + 1) < other.substr(other.rfind('_') + 1);
  });
  const auto& archive = part(row, "archive");
  const auto& lsn = part(row, "lsn");
  made.wal_start = text_of(archive, "start");
  made.wal_stop = text_of(archive, "stop");
  made.lsn_start = text_of(lsn, "start");
  made.lsn_stop = text_of(lsn, "stop");
  made.began_at = time_of(part(row, "timestamp"), "start");
  made.ended_at = time_of(part(row, "timestamp"), "stop");
  const auto& sizes = part(row, "info");
  made.bytes = static_cast<std::uint64_t>(number_of(sizes, "size"));
  made.bytes_repository_added = static_cast<std::uint64_t>(number_of(part(sizes, "repository"), "delta"));
  made.page_errors = flag_of(row, "error");
  made.version = text_of(part(row, "backrest"), "version");
  made.archive_id = archive_id_of(stanza, number_of(part(row, "database"), "id"));
  if (const auto& annotations = part(row, "annotation"); annotations.is_object())
    for (const auto& [name, value] : annotations.get_object())
      if (value.is_string()) made.annotations.emplace(name, std::string_view(value.get_string()));
  return made;
}

Info info_of(const json::Value& stanza) {
  Info info;
  const auto& status = part(stanza, "status");
  if (const auto* code = status.is_object() ? json::find(status, "code") : nullptr; code && code->is_int64())
    info.code = static_cast<int>(std::clamp<std::int64_t>(code->get_int64(), 0, 1'000));
  info.message = text_of(status, "message");
  for (const auto& repository : list_of(stanza, "repo")) {
    const auto said = text_of(part(repository, "status"), "message");
    if (info.code != 0 && !said.empty() && said != info.message) info.message += ": " + said;
  }
  info.message = sanitize(info.message, kMessageBytesMax);
  info.backup_runs = flag_of(part(part(status, "lock"), "backup"), "held");
  for (const auto& row : list_of(stanza, "backup")) {
    if (info.made.size() == kMadeMax) break;
    if (auto made = made_of(row, stanza); type_of(made.label)) info.made.push_back(std::move(made));
  }
  std::int64_t newest = 0;
  for (const auto& db : list_of(stanza, "db")) newest = std::max(newest, number_of(db, "id"));
  if (newest > 0) info.archive_id = archive_id_of(stanza, newest);
  return info;
}

bool is_garbled(std::string_view message) {
  return message.find("CryptoError") != std::string_view::npos || message.find("FormatError") != std::string_view::npos;
}

}  // namespace

const Made* Info::find(std::string_view label) const {
  const auto found = std::find_if(made.begin(), made.end(), [&](const Made& one) { return one.label == label; });
  return found == made.end() ? nullptr : &*found;
}

std::optional<backup::BackupType> type_of(std::string_view label) {
  if (label.size() < 16) return std::nullopt;
  switch (label.back()) {
    case 'F': return backup::BackupType::full;
    case 'D': return backup::BackupType::differential;
    case 'I': return backup::BackupType::incremental;
    default: return std::nullopt;
  }
}

Result<Info> parse_info(std::string_view text, std::string_view stanza) {
  BELAY_TRY_ASSIGN(const auto value, parse_json(text, "info"));
  if (value.is_array())
    for (const auto& one : value.get_array())
      if (text_of(one, "name") == stanza) return info_of(one);
  return Error(Code::corrupt, "pgbackrest info says nothing of the stanza " + std::string(stanza));
}

Status judge(const Info& info) {
  const std::string said = "pgbackrest info: " + info.message;
  switch (info.code) {
    case 0:
    case 2: return {};  // 2: no backup yet
    case 1:
    case 3: return Error(Code::not_found, said + "; the repository has no such stanza", "no-repository");
    case 4: return Error(Code::conflict, said, "repositories-differ");
    case 5:
      return Error(Code::conflict,
                   said +
                       "; the repository belongs to another cluster, or this one was upgraded: pgbackrest "
                       "stanza-upgrade after an upgrade, else a plan of its own",
                   "other-cluster");
    default: break;
  }
  if (is_garbled(info.message))
    return Error(Code::unauthenticated, said + "; this key does not open the repository, or its backup.info is damaged",
                 "wrong-key");
  return Error(Code::corrupt, said, "repository-damaged");
}

const Verified::Part* Verified::backup(std::string_view label) const {
  for (const auto& part : backups)
    if (part.name == label) return &part;
  return nullptr;
}

// stanza: main
// status: error
//   archiveId: 15-1, total WAL checked: 7, total valid WAL: 6
//     missing: 0, checksum invalid: 0, size invalid: 0, other: 1
//   backup: 20261127-175958F, status: invalid, total files checked: 967, total valid files: 966
//     checksum invalid: 1
Result<Verified> parse_verify(std::string_view text) {
  Verified verified;
  bool status_seen = false;
  Verified::Part* last = nullptr;
  for (const auto raw : split(text, '\n')) {
    const auto line = trim(raw);
    if (line.starts_with("status: ")) {
      verified.said_ok = line == "status: ok";
      status_seen = true;
    } else if (line.starts_with("archiveId: ") || line.starts_with("backup: ")) {
      const bool is_archive = line.front() == 'a';
      auto& parts = is_archive ? verified.archives : verified.backups;
      if (parts.size() == kMadeMax) continue;
      const auto colon = line.find(": "), comma = line.find(',');
      Verified::Part part;
      part.name = std::string(trim(line.substr(colon + 2, comma == line.npos ? line.npos : comma - colon - 2)));
      part.figures = comma == line.npos ? std::string() : sanitize(trim(line.substr(comma + 1)), kMessageBytesMax);
      part.valid = is_archive || part.figures.starts_with("status: valid");
      parts.push_back(std::move(part));
      last = &parts.back();
    } else if (last &&
               (line.starts_with("missing:") || line.find("invalid:") != line.npos || line.starts_with("other:"))) {
      for (const auto figure : split(line, ','))
        if (const auto colon = figure.find(':'); colon != figure.npos && trim(figure.substr(colon + 1)) != "0")
          last->valid = false;
      last->figures += ", " + sanitize(line, kMessageBytesMax);
    }
  }
  if (!status_seen) return Error(Code::corrupt, "pgbackrest verify does not say its status");
  return verified;
}

Result<Listed> parse_repo_ls(std::string_view text) {
  BELAY_TRY_ASSIGN(const auto value, parse_json(text, "repo-ls"));
  if (!value.is_object()) return Error(Code::corrupt, "pgbackrest repo-ls prints no listing");
  Listed listed;
  for (const auto& [path, entry] : value.get_object()) {
    if (listed.files.size() + listed.directories.size() == kNamesMax)
      return Error(Code::resource_exhausted, "the repository lists more than 2,000,000 names");
    if (path == ".") continue;
    const std::string_view whole = path;
    const auto type = text_of(entry, "type");
    listed.bytes += static_cast<std::uint64_t>(number_of(entry, "size"));
    const bool is_directory = type == "path";
    auto& names = is_directory ? listed.directories : listed.files;
    if (!is_directory) listed.times.push_back(time_of(entry, "time"));
    names.emplace_back(whole.substr(whole.rfind('/') + 1));
  }
  return listed;
}

ExitMeaning exit_meaning(int status) {
  struct Row {
    std::uint8_t status;
    ExitMeaning meaning;
  };
  static constexpr auto kRows = std::to_array<Row>({
      {26, {Code::corrupt, "repository-damaged", "a checksum is wrong: a file of the repository is damaged"}},
      {27, {Code::invalid_argument, "configuration", "the configuration cannot be read"}},
      {28, {Code::corrupt, "repository-damaged", "a file is not what it must be"}},
      {29,
       {Code::corrupt, "repository-damaged", "a file of the repository cannot be read with this key, or is damaged"}},
      {31, {Code::invalid_argument, "configuration", "an option is wrong"}},
      {32, {Code::invalid_argument, "configuration", "an option has a value that is not allowed"}},
      {37, {Code::invalid_argument, "configuration", "an option is missing"}},
      {38, {Code::conflict, "server-runs", "the server of that data directory runs; stop it first"}},
      {39, {Code::timed_out, "", "a peer did not answer in time"}},
      {40, {Code::conflict, "target-not-empty", "the directory to restore to is not empty"}},
      {41, {Code::permission_denied, "unreadable", "a file cannot be opened"}},
      {42, {Code::unavailable, "", "a file cannot be read"}},
      {44, {Code::conflict, "other-cluster", "the archive belongs to another cluster"}},
      {45,
       {Code::conflict, "wal-differs",
        "the archive has this WAL segment with other content: two servers archive "
        "to one stanza, or one was brought back in time"}},
      {49, {Code::unavailable, "vault-away", "the vault's host cannot be reached"}},
      {50,
       {Code::conflict, "repository-busy",
        "another pgBackRest works on this stanza; it goes on by itself once "
        "that one has ended"}},
      {51, {Code::conflict, "other-cluster", "the repository's backups belong to another cluster"}},
      {55, {Code::not_found, "no-repository", "a file is missing: there is no such stanza, or a part of it is gone"}},
      {56, {Code::unavailable, "source-down", "the server does not answer"}},
      {57, {Code::unavailable, "source-refused", "the server refused a query"}},
      {58, {Code::conflict, "other-cluster", "the data directory is another cluster's than the stanza's"}},
      {62, {Code::conflict, "stopped", "a stop file forbids pgBackRest to run: `pgbackrest start` lifts it"}},
      {63, {Code::cancelled, "", "it was ended from outside"}},
      {64, {Code::resource_exhausted, "vault-full", "it cannot write: most likely the disk is full, whatever it says"}},
      {68, {Code::conflict, "archive-command", "archive_command of the server is not Belay's"}},
      {75, {Code::not_found, "no-point", "no backup set fits: it is gone, or all are younger than the target"}},
      {82,
       {Code::timed_out, "archiver-failing",
        "a WAL segment did not reach the archive in time: see the server's "
        "log for what archive_command says"}},
      {83, {Code::timed_out, "archiver-failing", "WAL could not be had from the archive in time"}},
      {87, {Code::conflict, "archive-off", "archive_mode of the server is off"}},
      {95, {Code::unauthenticated, "wrong-key", "the key does not open the repository"}},
      {101, {Code::unavailable, "vault-away", "the vault's service cannot be used"}},
      {102, {Code::internal, "", "a program could not be run"}},
      {103, {Code::corrupt, "repository-damaged", "no repository is usable"}},
      {104, {Code::conflict, "", "some of it failed"}},
      {105, {Code::permission_denied, "", "access is denied"}},
      {106, {Code::conflict, "clock-wrong", "the clock went back: the new backup would be older than the last"}},
  });
  for (const auto& row : kRows)
    if (row.status == status) return row.meaning;
  return {Code::internal, "", "no meaning of this exit status is known"};
}

std::string complaints(std::string_view output, std::string_view kind) {
  std::string text;
  bool within = false;
  for (const auto line : split(output, '\n')) {
    const auto at = line.find(kind);
    if (at != line.npos && line.substr(at + kind.size()).starts_with(':')) {
      within = true;
      text += (text.empty() ? "" : " ") + std::string(trim(line.substr(at)));
    } else if (within && line.starts_with("  ")) text += " " + std::string(trim(line));
    else within = false;
    if (text.size() > 4'000) break;
  }
  return sanitize(text, 1'000);
}

}  // namespace belay::agent::backups::pgbackrest
