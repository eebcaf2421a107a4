#include "agent/snapshots/lvm_report.hpp"

#include <charconv>

#include "agent/snapshots/tool_text.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::snapshots {
namespace {

constexpr std::size_t kVolumesMax = 10'000, kReportBytesMax = 8u << 20, kTagsMax = 100;
constexpr std::uint64_t kSecondsMax = 253'402'300'799;  // the year 9999

// "12.34"; the fraction is of no consequence beyond its first two digits.
std::optional<double> percent(std::string_view text) {
  const auto dot = text.find('.');
  const auto whole = to_number(text.substr(0, dot));
  if (!whole || *whole > 1'000) return std::nullopt;
  const auto part = dot == std::string_view::npos ? std::nullopt : to_number(text.substr(dot + 1, 2));
  return static_cast<double>(*whole) + static_cast<double>(part.value_or(0)) / 100;
}

LogicalVolume volume_of(const json::Value& row) {
  const auto text = [&](std::string_view name) { return std::string(trim(json::text_or_empty(row, name))); };
  LogicalVolume volume;
  volume.group = text("vg_name");
  volume.name = text("lv_name");
  // LVM hides a snapshot that is being merged: "[name]".
  if (volume.name.starts_with('[') && volume.name.ends_with(']'))
    volume.name = volume.name.substr(1, volume.name.size() - 2);
  volume.attributes = text("lv_attr");
  volume.pool = text("pool_lv");
  volume.origin = text("origin");
  volume.bytes = to_number(text("lv_size")).value_or(0);
  volume.group_bytes_free = to_number(text("vg_free")).value_or(0);
  volume.data_percent = percent(text("data_percent"));
  volume.metadata_percent = percent(text("metadata_percent"));
  const auto tags = text("lv_tags");
  for (const auto tag : split(tags, ','))
    if (!tag.empty() && volume.tags.size() < kTagsMax) volume.tags.emplace_back(tag);
  if (const auto seconds = to_number(text("lv_time")); seconds && *seconds <= kSecondsMax)
    volume.created_at = from_unix_ms(static_cast<std::int64_t>(*seconds) * 1'000);
  const auto major = to_number(text("lv_kernel_major")), minor = to_number(text("lv_kernel_minor"));
  if (major && minor) volume.device = std::to_string(*major) + ":" + std::to_string(*minor);
  return volume;
}

}  // namespace

Result<std::vector<LogicalVolume>> parse_lvm_report(std::string_view text) {
  BELAY_TRY_ASSIGN(const auto parsed, json::parse(text, {.bytes_max = kReportBytesMax}).within("lvs reports no JSON"));
  const auto* reports = json::find(parsed, "report");
  if (!reports || !reports->is_array()) return Error(Code::corrupt, "lvs reports no list of logical volumes");
  std::vector<LogicalVolume> volumes;
  for (const auto& report : reports->get_array()) {
    const auto* rows = report.is_object() ? json::find(report, "lv") : nullptr;
    if (!rows || !rows->is_array()) continue;
    for (const auto& row : rows->get_array()) {
      if (!row.is_object() || volumes.size() == kVolumesMax) continue;
      auto volume = volume_of(row);
      if (!volume.group.empty() && !volume.name.empty()) volumes.push_back(std::move(volume));
    }
  }
  return volumes;
}

}  // namespace belay::agent::snapshots
