// The file of a vault.
#include "core/backup/vault.hpp"

#include <boost/describe/enum_to_string.hpp>

#include "base/text.hpp"
#include "core/backup/parts.hpp"
#include "core/backup/vault_parts.hpp"

namespace belay::backup {
namespace {
using parts::Place;

constexpr std::string_view kKinds = "local,mount,sftp,s3,rest,removable,tape";

// Places that are not of a disk, or that are emptied behind everybody's back.
constexpr std::string_view kNoHome[] = {"/", "/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/boot", "/etc"};

std::optional<VaultKind> kind_of(std::string_view word) {
  const auto words = split(kKinds, ',');
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] == word) return static_cast<VaultKind>(i);
  return std::nullopt;
}

void read_directory(const Place& place, VaultSpec& vault) {
  vault.path = parts::path(place, "path", true);
  for (const auto no_home : kNoHome)
    if (vault.path == no_home || (no_home.size() > 1 && no_home != "/etc" && no_home != "/boot" &&
                                  vault.path.starts_with(std::string(no_home) + "/")))
      place.reader.refuse(place.at("path"), "is " + sanitize(vault.path, 100) +
                                                ", which is no place to keep anything; name a directory of its own");
}

// Each kind has one member that says where; the others do not stand beside it.
void read_place(const Place& place, VaultSpec& vault) {
  const auto own = std::string_view(boost::describe::enum_to_string(vault.kind, ""));
  const bool is_directory = vault.kind == VaultKind::local || vault.kind == VaultKind::mount;
  for (const auto member : split("path,sftp,s3,rest,removable,tape", ','))
    if (place.find(member) && member != (is_directory ? "path" : own))
      place.reader.refuse(place.at(member), "does not belong to a vault of kind " + std::string(own) + ", which has " +
                                                std::string(is_directory ? "path" : own));
  if (is_directory) return read_directory(place, vault);
  if (!place.find(own))
    return place.reader.refuse(place.at(own), "is missing; it says where a vault of kind " + std::string(own) + " is");
  place.with(own, [&](const Place& inner) {
    switch (vault.kind) {
      case VaultKind::sftp: vault.sftp = parts::read_sftp(inner); break;
      case VaultKind::s3: vault.s3 = parts::read_s3(inner); break;
      case VaultKind::rest: vault.rest = parts::read_rest(inner); break;
      case VaultKind::removable: vault.removable = parts::read_removable(inner); break;
      case VaultKind::tape: vault.tape = parts::read_tape(inner); break;
      case VaultKind::local:
      case VaultKind::mount: break;
    }
  });
}

void read_lock(const Place& place, VaultSpec& vault) {
  place.with("lock", [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"mode", "days"});
    auto& lock = vault.lock.emplace();
    lock.mode = inner.choice("mode", "governance,compliance", "governance") == "compliance" ? LockMode::compliance
                                                                                            : LockMode::governance;
    if (!inner.find("days")) inner.reader.refuse(inner.at("days"), "is missing; a point lives at least so many days");
    lock.days_min = inner.number("days", 0, 1, 36'500);
  });
}

VaultSpec read_whole(const Place& place) {
  place.reader.only(place.object, place.path,
                    {"name", "description", "kind", "path", "sftp", "s3", "rest", "removable", "tape", "site",
                     "offsite", "lock", "bandwidth", "rotateWithin"});
  VaultSpec vault;
  vault.name = parts::name(place, "name", true);
  vault.description = place.text("description", false, 1'024);
  const auto word = place.choice("kind", kKinds, "");
  if (word.empty()) place.reader.refuse(place.at("kind"), "is missing; one of " + std::string(kKinds));
  if (const auto kind = kind_of(word)) {
    vault.kind = *kind;
    read_place(place, vault);
  }
  vault.site = place.text("site", false, 64);
  vault.offsite = place.flag("offsite", false);
  if (vault.offsite && word == "local")
    place.reader.refuse(place.at("offsite"), "is true, but a directory of the node's own disks burns with the node");
  read_lock(place, vault);
  vault.bytes_a_second_max = parts::bandwidth(place);
  vault.rotate_within = place.span("rotateWithin", Duration(0), parts::kDay, 3'660 * parts::kDay);
  if (vault.rotate_within.count() > 0 && !word.empty() && secrets_of(vault.kind).known.empty())
    place.reader.refuse(place.at("rotateWithin"), "is of secrets, and a vault of kind " + word + " has none");
  return vault;
}

}  // namespace

Result<VaultSpec> read_vault(std::string_view content) {
  VaultSpec vault;
  BELAY_TRY(parts::read_file(content, [&](const Place& place) { vault = read_whole(place); }));
  return vault;
}

SecretNames secrets_of(VaultKind kind) {
  switch (kind) {
    case VaultKind::sftp: return {{"sshKey"}, {"sshKey"}};
    case VaultKind::s3: return {{"accessKey", "secretKey"}, {"accessKey", "secretKey"}};
    case VaultKind::rest: return {{"user", "password"}, {}};
    case VaultKind::local:
    case VaultKind::mount:
    case VaultKind::removable:
    case VaultKind::tape: break;
  }
  return {};
}

std::string secrets_problem(const VaultSpec& vault, Instant now) {
  if (vault.rotate_within.count() <= 0 || !vault.secrets_at || now - *vault.secrets_at <= vault.rotate_within)
    return {};
  return "the secrets of the vault " + vault.name + " were handed in on " + to_iso8601(*vault.secrets_at) +
         " and are to be new every " + humanize(vault.rotate_within) +
         ": make new ones, `belay vault update -f FILE "
         "--secrets FILE`, then take the old ones away";
}

}  // namespace belay::backup
