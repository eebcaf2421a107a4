// What restic and borg print is outside data: nothing of it may bring the agent down.
#include <cstddef>
#include <cstdint>

#include "agent/backup/borg_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::agent::backups;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ResticBackup backup;
  Lines lines([&](std::string_view line) {
    read_backup_line(line, backup, [](const auto&) {});
    static_cast<void>(parse_listed(line));
  });
  BorgMessages messages;
  Lines borg([&](std::string_view line) { read_borg_message(line, messages, {}); });
  borg.add(text);
  borg.end();
  static_cast<void>(borg_error("x", messages));
  static_cast<void>(parse_borg_created(text));
  static_cast<void>(parse_borg_list(text));
  lines.add(text.substr(0, size / 2));
  lines.add(text.substr(size / 2));
  lines.end();
  static_cast<void>(parse_snapshots(text));
  static_cast<void>(parse_lock(text));
  static_cast<void>(restic_error("x", text));
  static_cast<void>(damaged_packs(text));
  return 0;
}
