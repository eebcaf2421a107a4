#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/inventory/storage_text.hpp"

using namespace belay::agent::inventory;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto half = text.substr(0, size / 2), rest = text.substr(size / 2);
  for (const auto& rows : {parse_mdstat(text), parse_smart("sda", text), parse_lvs(text), parse_zpool(half, rest),
                           parse_btrfs_stats("/srv", text), parse_multipath(text)})
    for (const auto& row : rows)
      if (row.detail.size() > 2'000 || row.subject.size() > 1'000) __builtin_trap();
  for (const auto& mount : parse_mount_lines(text)) static_cast<void>(lost_its_writes(mount) && may_hang(mount.type));
  return 0;
}
