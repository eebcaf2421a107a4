#pragma once
// What btrfs and zfs print, as values. Pure, bounded; lines that are none of theirs are passed over.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::agent::snapshots {

std::optional<std::uint64_t> to_number(std::string_view text);  // digits alone

struct Subvolume {
  std::uint64_t id = 0;
  Instant created_at{};
  bool read_only = false;
};
// `btrfs subvolume show`; corrupt where it does not say what it must.
Result<Subvolume> parse_subvolume(std::string_view text);
// `btrfs subvolume get-default`
Result<std::uint64_t> parse_default_subvolume(std::string_view text);
// `btrfs subvolume list`: paths from the top of the file system. At most 10,000.
std::vector<std::string> parse_subvolume_paths(std::string_view text);

struct ZfsSnapshot {
  std::string dataset, tag;
  Instant created_at{};
  std::uint64_t transaction = 0;    // orders snapshots of one dataset
  std::vector<std::string> mounts;  // empty: none of Belay's
};
// `zfs list -H -p -o name,creation,createtxg,belay:mounts -t snapshot`. At most 100,000.
std::vector<ZfsSnapshot> parse_zfs_snapshots(std::string_view text);
// `zfs list -H -p -o name,available`
std::optional<std::uint64_t> parse_zfs_available(std::string_view text);

}  // namespace belay::agent::snapshots
