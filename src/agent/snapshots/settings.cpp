// /etc/belay/snapshots.toml
#include <algorithm>

#include "agent/snapshots/providers.hpp"
#include "agent/snapshots/snapshot_tools.hpp"
#include "base/text.hpp"
#include "base/toml.hpp"
#include "core/document/reader.hpp"
#include "io/trusted_file.hpp"

namespace belay::agent {
namespace {

using document::Reader;

constexpr std::size_t kSettingsBytesMax = 64 << 10, kItemsMax = 100, kCommandsMax = 20, kNameCharactersMax = 40;
constexpr Duration kKeepMin{3'600'000}, kTimeoutMax{4 * 3'600'000};
const std::vector<std::string_view> kKnown{"btrfs", "lvm", "zfs"};

bool is_path(std::string_view text) {
  return text.starts_with('/') && (std::string(text) + "/").find("/../") == std::string::npos &&
         snapshots::is_plain(text, 4'096);
}

std::vector<std::string> paths(Reader& reader, const json::Object& object, const std::string& path,
                               std::string_view field) {
  std::vector<std::string> found;
  const auto* value = object.if_contains(field);
  if (!value) return found;
  const auto at = member_path(path, field);
  const auto* list = value->if_array();
  if (!list || list->empty() || list->size() > kItemsMax) {
    reader.refuse(at, "is no list of 1 to " + std::to_string(kItemsMax) + " paths");
    return found;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto* text = (*list)[i].if_string();
    if (!text || !is_path(*text)) reader.refuse(item_path(at, i), "is no absolute path without '..'");
    else found.emplace_back(*text);
  }
  return found;
}

Duration duration(Reader& reader, const json::Object& object, const std::string& path, std::string_view field,
                  Duration absent, Duration least, Duration most) {
  const auto text = reader.text(object, path, field);
  if (text.empty()) return absent;
  const auto parsed = parse_duration(text);
  if (parsed.ok() && *parsed >= least && *parsed <= most) return *parsed;
  reader.refuse(member_path(path, field),
                "is no duration such as 30m between " + humanize(least) + " and " + humanize(most));
  return absent;
}

CommandSettings read_command(Reader& reader, const json::Value& value, const std::string& path) {
  CommandSettings command;
  const auto* object = reader.object(value, path);
  if (!object) return command;
  reader.only(*object, path, {"name", "program", "mounts", "timeout"});
  command.name = reader.text(*object, path, "name", true, kNameCharactersMax);
  if (!snapshots::check_tag(command.name).ok() || command.name == "copy" ||
      std::ranges::find(kKnown, command.name) != kKnown.end())
    reader.refuse(member_path(path, "name"), "is taken, or has other characters than letters, digits and . _ -");
  command.program = reader.text(*object, path, "program", true);
  if (!is_path(command.program)) reader.refuse(member_path(path, "program"), "is no absolute path without '..'");
  command.mounts = paths(reader, *object, path, "mounts");
  if (!object->if_contains("mounts")) reader.refuse(member_path(path, "mounts"), "is missing");
  command.timeout = duration(reader, *object, path, "timeout", command.timeout, Duration(1'000), kTimeoutMax);
  return command;
}

void read_commands(Reader& reader, const json::Object& whole, SnapshotSettings& settings) {
  const auto* value = whole.if_contains("command");
  if (!value) return;
  const auto* list = value->if_array();
  if (!list || list->size() > kCommandsMax)
    return reader.refuse("command",
                         "is no list of at most " + std::to_string(kCommandsMax) + " programs: write [[command]]");
  for (std::size_t i = 0; i < list->size(); ++i) {
    auto command = read_command(reader, (*list)[i], item_path("command", i));
    if (std::ranges::find(settings.commands, command.name, &CommandSettings::name) != settings.commands.end())
      reader.refuse(item_path("command", i) + ".name", "stands there twice");
    settings.commands.push_back(std::move(command));
  }
}

void read_providers(Reader& reader, const json::Object& whole, SnapshotSettings& settings) {
  const auto* value = whole.if_contains("providers");
  if (!value) return;
  settings.providers.clear();
  const auto* list = value->if_array();
  if (!list || list->size() > kKnown.size()) return reader.refuse("providers", "is no list of btrfs, lvm, zfs");
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto* text = (*list)[i].if_string();
    if (!text || std::ranges::find(kKnown, std::string_view(*text)) == kKnown.end())
      reader.refuse(item_path("providers", i), "is none of btrfs, lvm, zfs");
    else settings.providers.emplace_back(*text);
  }
}

void read_tables(Reader& reader, const json::Object& whole, SnapshotSettings& settings) {
  if (const auto* lvm = whole.if_contains("lvm"))
    if (const auto* object = reader.object(*lvm, "lvm")) {
      reader.only(*object, "lvm", {"classic_percent"});
      settings.lvm_percent =
          static_cast<int>(reader.integer(*object, "lvm", "classic_percent", 1, 100).value_or(settings.lvm_percent));
    }
  if (const auto* copy = whole.if_contains("copy"))
    if (const auto* object = reader.object(*copy, "copy")) {
      reader.only(*object, "copy", {"folders", "into"});
      settings.copied = paths(reader, *object, "copy", "folders");
      if (const auto into = reader.text(*object, "copy", "into"); is_path(into)) settings.copies_directory = into;
      else if (!into.empty()) reader.refuse("copy.into", "is no absolute path without '..'");
    }
}

}  // namespace

Result<SnapshotSettings> read_snapshot_settings(const io::Files& files, const std::string& path) {
  SnapshotSettings settings;
  const auto trusted = io::check_trusted(files, path);
  if (!trusted.ok() && trusted.error().code() == Code::not_found) return settings;
  if (!trusted.ok()) return trusted.error();
  BELAY_TRY_ASSIGN(const auto text, files.read(path, kSettingsBytesMax));
  BELAY_TRY_ASSIGN(const auto file, toml::parse(text, {.bytes_max = kSettingsBytesMax}).within(path));
  Reader reader(file);
  const auto* whole = reader.object(file.value, "");
  if (whole) {
    reader.only(*whole, "", {"providers", "keep", "lvm", "copy", "command"});
    settings.keep = duration(reader, *whole, "", "keep", settings.keep, kKeepMin, std::chrono::hours(24 * 365));
    read_providers(reader, *whole, settings);
    read_tables(reader, *whole, settings);
    read_commands(reader, *whole, settings);
  }
  if (!reader.ok()) return reader.error("snapshot-settings-unusable").within(path);
  return settings;
}

}  // namespace belay::agent
