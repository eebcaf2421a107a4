#pragma once
// What the kernel and the tools of storage say of its health, as values. Outside data: bounded, and whatever is not
// understood is passed over. Pure; nothing here knows where anything is mounted.
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/facts.hpp"

namespace belay::agent::inventory {

// /proc/mdstat (kernel, drivers/md/md.c md_seq_show). A resync of a whole array is degraded as well: until its end one
// disk alone has what was written last. A check is not.
std::vector<fleet::StorageHealth> parse_mdstat(std::string_view text);

// `smartctl -n standby -H -A -i -j DEVICE` (smartmontools, its JSON since 7.0). unknown of a drive that sleeps; nothing
// of one without SMART, as virtual disks are. `name`: "sda".
std::vector<fleet::StorageHealth> parse_smart(std::string_view name, std::string_view text);

// `lvs --reportformat json -o vg_name,lv_name,lv_attr,lv_health_status,data_percent,metadata_percent,copy_percent`:
// those that are RAID, thin pools or ill (lvmraid(7), lvmthin(7)).
std::vector<fleet::StorageHealth> parse_lvs(std::string_view text);

// `zpool list -Hp -o name,health,capacity`, with what `zpool status` says besides.
std::vector<fleet::StorageHealth> parse_zpool(std::string_view list, std::string_view status);

// `btrfs device stats MOUNT`: one row for the file system at `mount`.
std::vector<fleet::StorageHealth> parse_btrfs_stats(std::string_view mount, std::string_view text);

// `multipath -ll`
std::vector<fleet::StorageHealth> parse_multipath(std::string_view text);

// A line of /proc/self/mountinfo.
struct MountLine {
  std::string point, type, source, device;  // device: "254:0"
  bool asked_read_only = false;             // by who mounted it
  bool read_only = false;                   // as the file system is now
};
std::vector<MountLine> parse_mount_lines(std::string_view mountinfo);
// Over a network or by a server in user space: it may hang.
bool may_hang(std::string_view type);
// The kernel took the right to write away after an error (errors=remount-ro, a btrfs that gave up).
bool lost_its_writes(const MountLine& mount);

}  // namespace belay::agent::inventory
