#pragma once
// What `lvs` reports, as values. Pure, bounded.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::agent::snapshots {

// In the order in which `lvs` is asked for them.
inline constexpr std::string_view kLvmFields =
    "vg_name,lv_name,lv_attr,lv_size,pool_lv,origin,data_percent,metadata_percent,lv_tags,lv_time,lv_kernel_major,"
    "lv_kernel_minor,vg_free";

struct LogicalVolume {
  std::string group, name, attributes, pool, origin;
  std::uint64_t bytes = 0, group_bytes_free = 0;
  std::optional<double> data_percent, metadata_percent;
  std::vector<std::string> tags;
  Instant created_at{};
  std::string device;  // "254:0" where it is active

  std::string path() const { return group + "/" + name; }
  char attribute(std::size_t at) const { return at < attributes.size() ? attributes[at] : '-'; }
  // Also one that merges or is merged into, which the first letter says instead.
  bool is_thin() const { return attribute(6) == 't' && attribute(0) != 't'; }
  bool is_merging() const { return attribute(0) == 'S'; }  // into its origin, at once or at the next activation
  bool has_merging() const { return attribute(0) == 'O'; }
  bool is_active() const { return attribute(4) == 'a'; }
  bool is_invalid() const { return attribute(4) == 'I' || attribute(4) == 'S'; }  // a classic snapshot that overflowed
  bool merge_failed() const { return attribute(4) == 'm' || attribute(4) == 'M'; }
  // Of a thin pool: out of data, failed, or its metadata only readable.
  bool is_failing() const { return attribute(8) == 'D' || attribute(8) == 'F' || attribute(8) == 'M'; }
};

// `lvs --reportformat json --units b --nosuffix` with times in seconds. corrupt where it is none; at most 10,000.
Result<std::vector<LogicalVolume>> parse_lvm_report(std::string_view text);

}  // namespace belay::agent::snapshots
