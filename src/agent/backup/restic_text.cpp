#include "agent/backup/restic_text.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::size_t kLineBytesMax = 64 << 10;
constexpr std::size_t kNamedMax = 100, kSaidLinesMax = 20, kSnapshotsMax = 100'000, kPacksMax = 1'000;
constexpr std::size_t kSaidBytesMax = 1'000, kWordBytesMax = 4'096;
constexpr std::string_view kSkipped = " does not exist, skipping";

std::uint64_t number(const json::Value& object, std::string_view member) {
  const auto* const value = json::find(object, member);
  if (!value) return 0;
  if (value->is_int64()) return value->get_int64() < 0 ? 0 : static_cast<std::uint64_t>(value->get_int64());
  return value->is_uint64() ? value->get_uint64() : 0;
}

std::vector<std::string> texts(const json::Value& object, std::string_view member) {
  std::vector<std::string> list;
  const auto* const value = json::find(object, member);
  if (!value || !value->is_array()) return list;
  for (const auto& item : value->get_array())
    if (item.is_string()) list.emplace_back(item.get_string());
  return list;
}

void read_status(const json::Value& line, const std::function<void(const BackupProgress&)>& progress) {
  if (!progress) return;
  BackupProgress now{.phase = "backup",
                     .bytes_done = number(line, "bytes_done"),
                     .bytes_total = number(line, "total_bytes"),
                     .left = std::nullopt};
  if (const auto left = number(line, "seconds_remaining"); left > 0 && left < 100'000'000)
    now.left = Duration(static_cast<std::int64_t>(left) * 1'000);
  progress(now);
}

Stored summary_of(const json::Value& line) {
  Stored stored;
  stored.snapshot_id = json::text_or_empty(line, "snapshot_id");
  stored.bytes_source = number(line, "total_bytes_processed");
  stored.bytes_added = number(line, "data_added");
  stored.files = number(line, "total_files_processed");
  return stored;
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](auto word) { return text.find(word) != std::string_view::npos; });
}

bool is_pack_id(std::string_view word) {
  return word.size() == 64 && word.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

void Lines::add(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto part = text.substr(0, end);
    if (!too_long_ && rest_.size() + part.size() > kLineBytesMax) too_long_ = true, rest_.clear();
    if (!too_long_) rest_ += part;
    if (end == std::string_view::npos) return;
    if (!too_long_) each_(rest_);
    rest_.clear();
    too_long_ = false;
    text.remove_prefix(end + 1);
  }
}

void Lines::end() {
  if (!rest_.empty() && !too_long_) each_(rest_);
  rest_.clear();
}

void read_backup_line(std::string_view line, ResticBackup& backup,
                      const std::function<void(const BackupProgress&)>& progress) {
  const auto value = line.starts_with('{') ? json::parse(line) : Result<json::Value>(Error(Code::corrupt, ""));
  const auto type = value.ok() ? json::text_or_empty(*value, "message_type") : std::string();
  if (type == "status") return read_status(*value, progress);
  if (type == "summary") {
    backup.summary = summary_of(*value);
  } else if (type == "error") {
    ++backup.unreadable_count;
    if (backup.unreadable.size() < kNamedMax)
      backup.unreadable.push_back(sanitize(json::text_or_empty(*value, "item"), kWordBytesMax));
  } else if (line.ends_with(kSkipped)) {
    if (backup.skipped.size() < kNamedMax)
      backup.skipped.push_back(sanitize(line.substr(0, line.size() - kSkipped.size()), kWordBytesMax));
  } else if (!trim(line).empty()) {
    backup.said.push_back(sanitize(line, kSaidBytesMax));
    if (backup.said.size() > kSaidLinesMax) backup.said.erase(backup.said.begin());
  }
}

Result<std::vector<Stored>> parse_snapshots(std::string_view text) {
  const auto value = json::parse(text, {.bytes_max = kToolOutputBytesMax, .depth_max = 8});
  if (!value.ok() || !(value->is_array() || value->is_null()))
    return Error(Code::corrupt, "restic's list of snapshots is not understood: " + sanitize(text, 200));
  std::vector<Stored> list;
  if (value->is_null()) return list;
  for (const auto& item : value->get_array()) {
    const auto at = parse_iso8601(json::text_or_empty(item, "time"));
    auto id = json::text_or_empty(item, "id");
    if (!at.ok() || id.empty() || list.size() >= kSnapshotsMax)
      return Error(Code::corrupt, "restic's list of snapshots has one that is not understood: " + sanitize(id, 100));
    Stored stored;
    stored.snapshot_id = std::move(id);
    stored.taken_at = *at;
    stored.original = json::text_or_empty(item, "original");
    stored.host = json::text_or_empty(item, "hostname");
    stored.tags = texts(item, "tags");
    stored.paths = texts(item, "paths");
    list.push_back(std::move(stored));
  }
  std::ranges::sort(list, {},
                    [](const Stored& one) { return std::pair(one.taken_at, std::string_view(one.snapshot_id)); });
  return list;
}

std::optional<ListedFile> parse_listed(std::string_view line) {
  if (!line.starts_with('{')) return std::nullopt;
  const auto value = json::parse(line);
  if (!value.ok()) return std::nullopt;
  ListedFile file;
  file.path = json::text_or_empty(*value, "path");
  if (file.path.empty()) return std::nullopt;
  auto type = json::text_or_empty(*value, "type");
  if (type == "file" || type == "-") file.kind = ListedFile::Kind::file;
  if (type == "-" && json::text_or_empty(*value, "mode").starts_with('h')) file.kind = ListedFile::Kind::hard_link;
  if (type == "dir" || type == "d") file.kind = ListedFile::Kind::directory;
  if (type == "symlink" || type == "l") file.kind = ListedFile::Kind::link;
  file.bytes = number(*value, "size");
  file.modified = json::text_or_empty(*value, "mtime");
  if (file.modified.empty()) file.modified = json::text_or_empty(*value, "isomtime");
  return file;
}

Result<ResticLock> parse_lock(std::string_view text) {
  const auto value = json::parse(text);
  if (!value.ok() || !value->is_object()) return Error(Code::corrupt, "a lock of restic's is not understood");
  const auto at = parse_iso8601(json::text_or_empty(*value, "time"));
  if (!at.ok()) return Error(Code::corrupt, "a lock of restic's has no time");
  const auto* const exclusive = json::find(*value, "exclusive");
  return ResticLock{.since = *at,
                    .exclusive = exclusive && exclusive->is_bool() && exclusive->get_bool(),
                    .host = sanitize(json::text_or_empty(*value, "hostname"), 200),
                    .user = sanitize(json::text_or_empty(*value, "username"), 200),
                    .process = number(*value, "pid")};
}

// The order matters: restic wraps every reason for which it cannot read its config file into the same question.
Error restic_error(std::string_view what, std::string_view said) {
  const auto text = std::string(what) + ": " + sanitize(trim(said), kSaidBytesMax);
  if (has_any(said, {"wrong password or no key found"}))
    return Error(Code::unauthenticated,
                 text + "; the repository was made with another key: hand the vault the right one, or its escrow",
                 "wrong-key");
  if (has_any(said, {"already locked", "unable to create lock"}) && has_any(said, {"locked"}))
    return Error(Code::conflict, text, "repository-locked");
  if (has_any(said, {"no space left on device", "disk quota exceeded", "QuotaExceeded", "StorageFull", "507 "}))
    return Error(Code::resource_exhausted, text + "; make room in the vault, or keep less", "vault-full");
  if (has_any(said, {"Permission denied", "permission denied", "Access Denied", "AccessDenied", "InvalidAccessKeyId",
                     "SignatureDoesNotMatch", "access key ID you provided", "signature we calculated",
                     "401 Unauthorized", "403 Forbidden", "Host key verification failed", "REMOTE HOST IDENTIFICATION",
                     "specified bucket does not exist", "x509:", "read-only file system"}))
    return Error(Code::permission_denied,
                 text + "; the vault refuses us: look at its credentials, pinned keys and the directory's owner",
                 "vault-refused");
  if (has_any(said, {"connection refused",
                     "no such host",
                     "dial tcp",
                     "i/o timeout",
                     "ssh: connect",
                     "Connection refused",
                     "Connection closed",
                     "Connection timed out",
                     "connection reset",
                     "No route to host",
                     "Could not resolve hostname",
                     "unexpected EOF on ssh",
                     "stale file handle",
                     "input/output error",
                     "502 Bad",
                     "503 Service",
                     "connection lost",
                     "not responding",
                     "ssh command exited",
                     "broken pipe",
                     "network is unreachable"}))
    return Error(Code::unavailable, text + "; the vault does not answer", "vault-away");
  if (has_any(said, {"Is there a repository at the following location"}) &&
      has_any(said, {"no such file or directory", "does not exist", "404"}))
    return Error(Code::not_found, text, "no-repository");
  if (has_any(said, {"repository contains errors", "ciphertext verification failed", "Pack ID does not match",
                     "not found in index", "There were ", "invalid data returned", "load index", "unable to load tree",
                     "hash mismatch"}))
    return Error(Code::corrupt, text, "repository-damaged");
  return Error(Code::internal, text);
}

std::vector<std::string> damaged_packs(std::string_view said) {
  std::vector<std::string> packs;
  for (const auto line : split(said, '\n')) {
    if (!has_any(line, {"Pack ID does not match, want ", "contains ", "pack "})) continue;
    for (auto word : split(line, ' ')) {
      while (!word.empty() && (word.back() == ',' || word.back() == ':')) word.remove_suffix(1);
      if (!is_pack_id(word)) continue;
      if (packs.size() < kPacksMax && std::ranges::find(packs, word) == packs.end()) packs.emplace_back(word);
      break;  // the first is the one that was wanted
    }
  }
  return packs;
}

}  // namespace belay::agent::backups
