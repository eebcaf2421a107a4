// What the kernel, btrfs, lvs and zfs print: any bytes are refused or become values.
#include "agent/snapshots/lvm_report.hpp"
#include "agent/snapshots/mount_table.hpp"
#include "agent/snapshots/tool_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::agent::snapshots;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto mounts = parse_mountinfo(text);
  if (!mounts.empty() && holding(mounts, mounts.front().point) == nullptr && mounts.front().point.starts_with('/'))
    __builtin_trap();
  option(text, "subvol");
  fstab_options(text, "/");
  root_flags(text);
  if (text.starts_with('/') && from_name(to_name(text)) != text) __builtin_trap();
  from_name(text);
  static_cast<void>(parse_subvolume(text));
  static_cast<void>(parse_default_subvolume(text));
  parse_subvolume_paths(text);
  parse_zfs_snapshots(text);
  parse_zfs_available(text);
  if (const auto volumes = parse_lvm_report(text); volumes.ok())
    for (const auto& volume : *volumes) static_cast<void>(volume.is_failing() || volume.is_invalid());
  return 0;
}
