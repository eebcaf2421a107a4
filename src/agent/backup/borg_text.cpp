#include "agent/backup/borg_text.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::size_t kMessagesMax = 100, kMessageBytesMax = 1'000;
constexpr json::Limits kLimits{.bytes_max = kToolOutputBytesMax, .depth_max = 16};

void keep(std::vector<std::string>& list, std::string text) {
  if (list.size() < kMessagesMax) list.push_back(std::move(text));
}

bool has(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

std::uint64_t number(const json::Value* object, std::string_view member) {
  const auto* const value = object ? json::find(*object, member) : nullptr;
  return value && value->is_int64() && value->get_int64() > 0 ? static_cast<std::uint64_t>(value->get_int64()) : 0;
}

Result<Stored> stored_of(const json::Value& archive) {
  Stored stored;
  stored.snapshot_id = json::text_or_empty(archive, "name");
  const auto at = parse_iso8601(json::text_or_empty(archive, "start"));
  if (stored.snapshot_id.empty() || !at.ok())
    return Error(Code::corrupt, "an archive of borg's is not understood", "not-understood");
  stored.taken_at = *at;
  return stored;
}

}  // namespace

void read_borg_message(std::string_view line, BorgMessages& messages,
                       const std::function<void(const BackupProgress&)>& progress) {
  const auto value = line.starts_with('{') ? json::parse(line) : Result<json::Value>(Error(Code::corrupt, ""));
  if (!value.ok()) {
    // A remote's ssh, or a traceback.
    if (!trim(line).empty()) keep(messages.errors, sanitize(line, kMessageBytesMax));
    return;
  }
  const auto type = json::text_or_empty(*value, "type");
  if (type == "archive_progress" && progress)
    progress(
        {.phase = "backup", .bytes_done = number(&*value, "original_size"), .bytes_total = 0, .left = std::nullopt});
  if (type != "log_message") return;
  if (auto id = json::text_or_empty(*value, "msgid"); !id.empty()) keep(messages.ids, std::move(id));
  const auto level = json::text_or_empty(*value, "levelname");
  auto text = sanitize(trim(json::text_or_empty(*value, "message")), kMessageBytesMax);
  if (level == "ERROR" || level == "CRITICAL") keep(messages.errors, std::move(text));
  if (level != "WARNING") return;
  // "file changed while we backed it up" is in the archive; what has an errno is not.
  if (has(text, "[Errno ") || has(text, "Permission denied")) keep(messages.unreadable, text);
  keep(messages.warnings, std::move(text));
}

Error borg_error(std::string_view what, const BorgMessages& messages) {
  const auto said =
      std::string(what) + ": " + sanitize(join(messages.errors, "; ") + " " + join(messages.ids, " "), 2'000);
  const auto any = [&](std::initializer_list<std::string_view> words) {
    return std::ranges::any_of(words, [&](auto word) { return has(said, word); });
  };
  if (any({"PassphraseWrong", "PasscommandFailure"}))
    return Error(Code::unauthenticated,
                 said + "; the repository was made with another key: hand the vault the right one, or its escrow",
                 "wrong-key");
  if (any({"Repository.DoesNotExist"})) return Error(Code::not_found, said, "no-repository");
  if (any({"LockTimeout", "LockFailed", "LockError"}))
    return Error(Code::conflict, said + "; somebody else works on it. Where nobody does, `borg break-lock` frees it",
                 "repository-locked");
  if (any({"No space left", "Insufficient", "Errno 28", "disk quota"}))
    return Error(Code::resource_exhausted, said + "; make room in the vault, or keep less", "vault-full");
  if (any({"RepositoryReplay", "CacheNewer"}))
    return Error(Code::corrupt,
                 said +
                     "; the repository is older than when it was last written to from here: was an old copy put back? "
                     "Prove it from afar, then remove borg's cache in the agent's state directory",
                 "repository-replayed");
  if (any({"IntegrityError", "InvalidRepository", "CheckNeeded", "Data integrity", "ObjectNotFound", "NoManifest",
           "UnpackException"}))
    return Error(Code::corrupt, said, "repository-damaged");
  if (any({"Permission denied", "Host key verification", "Errno 13", "Errno 30"}))
    return Error(Code::permission_denied, said, "vault-refused");
  if (any({"ConnectionClosed", "Connection refused", "Connection timed out", "No route to host", "Could not resolve"}))
    return Error(Code::unavailable, said + "; the vault does not answer", "vault-away");
  return Error(Code::internal, said);
}

Result<Stored> parse_borg_created(std::string_view text) {
  const auto value = json::parse(text, kLimits);
  const auto* const archive = value.ok() ? json::find(*value, "archive") : nullptr;
  if (!archive) return Error(Code::internal, "borg ended and said nothing of an archive", "not-understood");
  BELAY_TRY_ASSIGN(auto stored, stored_of(*archive));
  const auto* const stats = json::find(*archive, "stats");
  stored.bytes_source = number(stats, "original_size");
  stored.bytes_added = number(stats, "deduplicated_size");
  stored.files = number(stats, "nfiles");
  return stored;
}

Result<std::vector<Stored>> parse_borg_list(std::string_view text) {
  const auto value = json::parse(text, kLimits);
  const auto* const archives = value.ok() ? json::find(*value, "archives") : nullptr;
  if (!archives || !archives->is_array())
    return Error(Code::corrupt, "borg's list of archives is not understood: " + sanitize(text, 200));
  std::vector<Stored> list;
  for (const auto& archive : archives->get_array()) {
    BELAY_TRY_ASSIGN(auto stored, stored_of(archive));
    list.push_back(std::move(stored));
  }
  std::ranges::sort(list, {},
                    [](const Stored& one) { return std::pair(one.taken_at, std::string_view(one.snapshot_id)); });
  return list;
}

}  // namespace belay::agent::backups
