#include <algorithm>
#include <charconv>

#include "agent/backup/pgbackrest_text.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::pgbackrest {
namespace {

using backup::VaultKind;

// pgBackRest 2.45 takes a value as it stands, without quotes, up to the end of its line, blanks at its ends away.
class ConfigText {
 public:
  void section(std::string_view name) { text_ += (text_.empty() ? "[" : "\n[") + std::string(name) + "]\n"; }
  void set(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    for (const char byte : value)
      if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) bad_ = name;
    if (trim(value) != value) bad_ = name;
    text_ += std::string(name) + "=" + std::string(value) + "\n";
  }
  Result<std::string> take() {
    if (bad_.empty()) return std::move(text_);
    return Error(Code::invalid_argument, "the value of " + bad_ +
                                             " has a line break, another control character, or a blank at one of its "
                                             "ends; pgbackrest.conf cannot hold it");
  }

 private:
  std::string text_, bad_;
};

Status put_s3(ConfigText& text, const Config& config) {
  const auto& s3 = *config.vault->s3;
  std::string_view endpoint = s3.endpoint;
  if (endpoint.starts_with("http://"))
    return Error(Code::unsupported, "the vault " + config.vault->name + " is at " + s3.endpoint +
                                        ": pgBackRest 2.45 speaks to S3 by https alone");
  if (endpoint.starts_with("https://")) endpoint.remove_prefix(8);
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  text.set("repo1-type", "s3");
  text.set("repo1-s3-bucket", s3.bucket);
  text.set("repo1-s3-endpoint", endpoint.empty() ? "s3." + s3.region + ".amazonaws.com" : std::string(endpoint));
  text.set("repo1-s3-region", s3.region.empty() ? std::string_view("us-east-1") : std::string_view(s3.region));
  if (s3.path_style) text.set("repo1-s3-uri-style", "path");
  text.set("repo1-s3-key", config.access_key);
  text.set("repo1-s3-key-secret", config.secret_key);
  text.set("repo1-storage-ca-file", config.ca_file);
  return {};
}

Status put_repository(ConfigText& text, const Config& config) {
  if (config.vault->kind == VaultKind::s3 && config.vault->s3) {
    BELAY_TRY(put_s3(text, config));
  } else if (config.vault->kind != VaultKind::local && config.vault->kind != VaultKind::mount &&
             config.vault->kind != VaultKind::removable)
    return Error(Code::unsupported, "pgBackRest 2.45 cannot write to the vault " + config.vault->name +
                                        ": it takes a directory (local or mounted) or S3");
  text.set("repo1-path", config.repository);
  text.set("repo1-bundle", "y");
  text.set("repo1-cipher-type", "aes-256-cbc");
  text.set("repo1-cipher-pass", config.key);
  // What is kept is decided by the plan and expired by name; without a number it warns at each backup.
  text.set("repo1-retention-full", "9999999");
  return {};
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'); });
}

std::optional<std::uint64_t> hex(std::string_view text, std::size_t digits_max) {
  std::uint64_t number = 0;
  if (text.empty() || text.size() > digits_max || !is_hex(text)) return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
}

std::string padded(std::uint64_t number) {
  std::string text(8, '0');
  for (int i = 7; i >= 0; --i, number >>= 4) text[static_cast<std::size_t>(i)] = "0123456789ABCDEF"[number & 15];
  return text;
}

}  // namespace

Result<std::string> config_text(const Config& config) {
  if (config.key.empty())
    return Error(Code::unauthenticated, "the job has no key for the repository of stanza " + config.stanza, "no-key");
  ConfigText text;
  text.section("global");
  BELAY_TRY(put_repository(text, config));
  text.set("compress-type", "zst");
  text.set("compress-level", "3");
  text.set("process-max", std::to_string(std::clamp(config.processes, 1u, 64u)));
  text.set("start-fast", "y");
  text.set("expire-auto", "n");
  text.set("log-level-file", "off");  // PostgreSQL's log has what archive-push says; nothing here would rotate another
  text.set("lock-path", config.lock_path);
  text.set("spool-path", config.spool_path);
  if (config.archive_get_bytes_max > 0) {
    text.section("global:archive-get");
    text.set("archive-async", "y");
    text.set("archive-get-queue-max", std::to_string(config.archive_get_bytes_max));
  }
  text.section(config.stanza);
  text.set("pg1-path", config.data_directory);
  text.set("pg1-socket-path", config.socket_directory);
  if (config.port != 0) text.set("pg1-port", std::to_string(config.port));
  return text.take();
}

std::string archive_command(std::string_view config_path, std::string_view stanza) {
  return "pgbackrest --config=" + std::string(config_path) + " --stanza=" + std::string(stanza) +
         " archive-push \"%p\"";
}

std::string to_text(const Position& position) { return position.name + "@" + position.lsn; }

std::optional<Position> parse_position(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == text.npos || at == 0 || !parse_lsn(text.substr(at + 1))) return std::nullopt;
  return Position{std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

std::optional<std::uint64_t> parse_lsn(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const auto high = hex(text.substr(0, slash), 8), low = hex(text.substr(slash + 1), 8);
  if (!high || !low) return std::nullopt;
  return *high << 32 | *low;
}

std::string wal_name(std::uint32_t timeline, std::string_view lsn, std::uint64_t segment_bytes) {
  const auto position = parse_lsn(lsn);
  if (!position || segment_bytes == 0 || segment_bytes > (1ull << 32)) return {};
  const std::uint64_t number = *position / segment_bytes, per_log = (1ull << 32) / segment_bytes;
  return padded(timeline) + padded(number / per_log) + padded(number % per_log);
}

bool is_wal_name(std::string_view text) { return text.size() == 24 && is_hex(text); }

std::vector<std::string> wal_between(const std::vector<std::string>& files, std::string_view from,
                                     std::string_view to) {
  std::vector<std::string> names;
  const auto place = [](std::string_view name) { return name.substr(8, 16); };  // without its timeline
  for (const std::string_view file : files) {
    const auto name = file.substr(0, 24);
    if (!is_wal_name(name) || (file.size() > 24 && file[24] != '-')) continue;
    if (is_wal_name(from) && place(name) < place(from)) continue;
    if (is_wal_name(to) && place(name) > place(to)) continue;
    names.emplace_back(name);
  }
  return names;
}

}  // namespace belay::agent::backups::pgbackrest
