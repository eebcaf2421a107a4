#pragma once
// What is mounted where, as the kernel says it. Pure, bounded.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace belay::agent::snapshots {

struct MountRow {
  std::string device;  // "254:0"
  std::string root;    // what of the file system is mounted: "/" is all of it, "/@" a subvolume of btrfs
  std::string point, type, source;
  std::string options;  // of the file system: "rw,subvolid=256,subvol=/@"
  bool operator==(const MountRow&) const = default;
};

// /proc/self/mountinfo; lines that are no mounts are passed over. At most 4,096.
std::vector<MountRow> parse_mountinfo(std::string_view text);
// The mount that a path lies on; of several on one point the last. nullptr where there is none.
const MountRow* holding(const std::vector<MountRow>& mounts, std::string_view path);
// "subvol" of "rw,subvol=/@" is "/@"; nullopt where the option is absent.
std::optional<std::string> option(std::string_view options, std::string_view name);

// The options that /etc/fstab mounts this point with; nullopt where it does not name it.
std::optional<std::string> fstab_options(std::string_view fstab, std::string_view point);
// What rootflags= of the kernel's command line hands to the root's file system; empty where there is none.
std::string root_flags(std::string_view command_line);

// A path as one name: "/var/lib" is "%2Fvar%2Flib".
std::string to_name(std::string_view path);
std::string from_name(std::string_view name);  // "" where it is none of to_name's

}  // namespace belay::agent::snapshots
