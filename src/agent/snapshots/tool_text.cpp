#include "agent/snapshots/tool_text.hpp"

#include <charconv>

#include "agent/snapshots/mount_table.hpp"
#include "base/text.hpp"

namespace belay::agent::snapshots {
namespace {

constexpr std::size_t kSubvolumesMax = 10'000, kZfsSnapshotsMax = 100'000, kMountsMax = 100;

// "2026-11-27 14:27:34 +0000"
std::optional<Instant> btrfs_time(std::string_view text) {
  const auto parts = split(text, ' ');
  if (parts.size() != 3 || parts[2].size() != 5) return std::nullopt;
  const auto zone = std::string(parts[2].substr(0, 3)) + ":" + std::string(parts[2].substr(3));
  const auto time = parse_iso8601(std::string(parts[0]) + "T" + std::string(parts[1]) + zone);
  return time.ok() ? std::optional(*time) : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<Subvolume> parse_subvolume(std::string_view text) {
  Subvolume found;
  bool has_time = false;
  for (const auto line : split(text, '\n')) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto name = trim(line.substr(0, colon)), value = trim(line.substr(colon + 1));
    if (name == "Subvolume ID") found.id = to_number(value).value_or(0);
    if (name == "Flags") found.read_only = value.find("readonly") != std::string_view::npos;
    if (name == "Creation time")
      if (const auto time = btrfs_time(value)) found.created_at = *time, has_time = true;
  }
  if (found.id > 0 && has_time) return found;
  return Error(Code::corrupt, "btrfs describes a subvolume as none is known: " + sanitize(trim(text), 200));
}

Result<std::uint64_t> parse_default_subvolume(std::string_view text) {
  const auto parts = split(trim(split(text, '\n').front()), ' ');
  if (parts.size() >= 2 && parts[0] == "ID")
    if (const auto id = to_number(parts[1])) return *id;
  return Error(Code::corrupt, "btrfs names no default subvolume: " + sanitize(trim(text), 200));
}

std::vector<std::string> parse_subvolume_paths(std::string_view text) {
  constexpr std::string_view kPath = " path ";
  std::vector<std::string> paths;
  for (const auto line : split(text, '\n')) {
    const auto at = line.find(kPath);
    if (!line.starts_with("ID ") || at == std::string_view::npos) continue;
    paths.emplace_back(line.substr(at + kPath.size()));
    if (paths.size() == kSubvolumesMax) break;
  }
  return paths;
}

std::vector<ZfsSnapshot> parse_zfs_snapshots(std::string_view text) {
  std::vector<ZfsSnapshot> found;
  for (const auto line : split(text, '\n')) {
    const auto columns = split(line, '\t');
    if (columns.size() != 4) continue;
    const auto at = columns[0].find('@');
    const auto created = to_number(columns[1]), transaction = to_number(columns[2]);
    // A number of seconds that no date has would overflow.
    if (at == std::string_view::npos || !created || *created > 253'402'300'799 || !transaction) continue;
    ZfsSnapshot snapshot{std::string(columns[0].substr(0, at)),
                         std::string(columns[0].substr(at + 1)),
                         from_unix_ms(static_cast<std::int64_t>(*created) * 1'000),
                         *transaction,
                         {}};
    for (const auto name : split(columns[3], ','))
      if (auto mount = from_name(name); !mount.empty() && snapshot.mounts.size() < kMountsMax)
        snapshot.mounts.push_back(std::move(mount));
    found.push_back(std::move(snapshot));
    if (found.size() == kZfsSnapshotsMax) break;
  }
  return found;
}

std::optional<std::uint64_t> parse_zfs_available(std::string_view text) {
  const auto columns = split(split(text, '\n').front(), '\t');
  return columns.size() == 2 ? to_number(columns[1]) : std::nullopt;
}

}  // namespace belay::agent::snapshots
