#include "agent/inventory/storage_text.hpp"

#include <algorithm>
#include <charconv>

#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::inventory {
namespace {

using fleet::StorageHealth;
using fleet::StorageState;
using Rows = std::vector<StorageHealth>;

constexpr std::size_t kRowsMax = 200, kDetailBytesMax = 400;
constexpr std::int64_t kFullPercent = 95;

std::int64_t number_of(std::string_view text, std::int64_t otherwise = -1) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end != text.data() ? number : otherwise;  // "97.23" is 97
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (const auto word : split(line, ' '))
    if (const auto plain = trim(word); !plain.empty()) words.push_back(plain);
  return words;
}

void add(Rows& rows, std::string what, std::string_view subject, StorageState state, std::string detail) {
  if (rows.size() < kRowsMax)
    rows.push_back({std::move(what), sanitize(subject, 200), state, sanitize(detail, kDetailBytesMax), {}});
}

void worsen(StorageState& state, StorageState to) {
  // ok, then unknown, degraded, failing
  const auto rank = [](StorageState one) {
    return one == StorageState::ok ? 0 : one == StorageState::unknown ? 1 : one == StorageState::degraded ? 2 : 3;
  };
  if (rank(to) > rank(state)) state = to;
}

void say(std::string& text, const std::string& more) { text += (text.empty() ? "" : ", ") + more; }

// ---- md

bool is_level(std::string_view word) { return word.starts_with("raid") || word == "linear" || word == "multipath"; }

struct Array {
  std::string name, detail;
  StorageState state = StorageState::ok;
};

// "md0 : active raid1 sdb1[1](F) sda1[0]"
Array array_of(std::string_view name, const std::vector<std::string_view>& words) {
  Array array{std::string(name), {}, StorageState::ok};
  for (const auto word : words) {
    if (is_level(word)) say(array.detail, std::string(word));
    if (word == "inactive") {
      array.state = StorageState::failing;
      say(array.detail, "inactive: it could not be assembled");
    }
    if (word.ends_with("(F)")) {
      worsen(array.state, StorageState::degraded);
      say(array.detail, std::string(word.substr(0, word.find('['))) + " has failed");
    }
  }
  return array;
}

// "      1046528 blocks super 1.2 [2/1] [U_]"
void read_members(std::string_view line, Array& array) {
  const auto open = line.find('['), slash = line.find('/', open), close = line.find(']', open);
  if (open == std::string_view::npos || slash == std::string_view::npos || close == std::string_view::npos ||
      slash > close)
    return;
  const auto wanted = number_of(line.substr(open + 1)), there = number_of(line.substr(slash + 1));
  if (wanted <= 0 || there < 0) return;
  say(array.detail, std::to_string(there) + " of " + std::to_string(wanted) + " disks");
  if (there < wanted) worsen(array.state, there == 0 ? StorageState::failing : StorageState::degraded);
}

// "      [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min speed=33440K/sec", or
// "      resync=DELAYED"
void read_action(std::string_view line, Array& array) {
  for (const std::string_view action : {"recovery", "resync", "reshape", "check", "repair"}) {
    const auto at = line.find(action);
    if (at == std::string_view::npos) continue;
    auto rest = line.substr(at + action.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(" ="), rest.size()));
    say(array.detail, std::string(action) + " " + std::string(rest.substr(0, rest.find(' '))));
    if (action != "check") worsen(array.state, StorageState::degraded);
    return;
  }
}

// ---- SMART

std::int64_t number_in(const json::Value& object, std::string_view name, std::int64_t otherwise = -1) {
  const auto* value = json::find(object, name);
  return value && value->is_int64() ? value->get_int64() : otherwise;
}

const json::Value* inside(const json::Value& value, std::initializer_list<std::string_view> path) {
  const auto* here = &value;
  for (const auto name : path) {
    if (!here->is_object()) return nullptr;
    here = json::find(*here, name);
    if (!here) return nullptr;
  }
  return here;
}

void read_attributes(const json::Value& drive, StorageState& state, std::string& detail) {
  const auto* table = inside(drive, {"ata_smart_attributes", "table"});
  if (!table || !table->is_array()) return;
  struct Counted {
    std::int64_t id;
    const char* what;
    bool warns;
  };
  constexpr Counted kCounted[] = {{5, "sectors replaced", false},
                                  {187, "errors that could not be mended", true},
                                  {197, "sectors that could not be read", true},
                                  {198, "sectors lost", true}};
  for (const auto& row : table->get_array()) {
    if (!row.is_object()) continue;
    for (const auto& one : kCounted) {
      const auto* raw = inside(row, {"raw", "value"});
      if (number_in(row, "id") != one.id || !raw || !raw->is_int64() || raw->get_int64() <= 0) continue;
      say(detail, std::to_string(raw->get_int64()) + " " + one.what);
      if (one.warns) worsen(state, StorageState::degraded);
    }
    if (json::text_or_empty(row, "when_failed") == "now") {
      const auto* prefail = inside(row, {"flags", "prefailure"});
      const bool is_prefail = prefail && prefail->is_bool() && prefail->get_bool();
      worsen(state, is_prefail ? StorageState::failing : StorageState::degraded);
      say(detail, json::text_or_empty(row, "name") + " is below its threshold");
    }
  }
}

void read_nvme(const json::Value& drive, StorageState& state, std::string& detail) {
  const auto* log = inside(drive, {"nvme_smart_health_information_log"});
  if (!log || !log->is_object()) return;
  if (const auto warning = number_in(*log, "critical_warning", 0); warning > 0) {
    worsen(state, StorageState::failing);
    say(detail, "critical warning " + std::to_string(warning));
  }
  const auto spare = number_in(*log, "available_spare"), least = number_in(*log, "available_spare_threshold");
  if (spare >= 0 && least >= 0 && spare < least) {
    worsen(state, StorageState::failing);
    say(detail, "only " + std::to_string(spare) + " % of the spare blocks are left");
  }
  if (const auto used = number_in(*log, "percentage_used"); used >= 100) {
    worsen(state, StorageState::degraded);
    say(detail, "worn out by its maker's reckoning (" + std::to_string(used) + " %)");
  }
  if (const auto errors = number_in(*log, "media_errors", 0); errors > 0) {
    worsen(state, StorageState::degraded);
    say(detail, std::to_string(errors) + " media errors");
  }
}

bool is_asleep(const json::Value& drive) {
  const auto* messages = inside(drive, {"smartctl", "messages"});
  if (!messages || !messages->is_array()) return false;
  return std::ranges::any_of(messages->get_array(), [](const json::Value& message) {
    if (!message.is_object()) return false;
    const auto text = json::text_or_empty(message, "string");
    return text.find("STANDBY") != std::string::npos || text.find("SLEEP") != std::string::npos;
  });
}

// ---- others

std::string text_in(const json::Value& row, std::string_view name) { return json::text_or_empty(row, name); }

void read_volume(const json::Value& row, Rows& rows) {
  const auto attributes = text_in(row, "lv_attr"), health = text_in(row, "lv_health_status");
  const char kind = attributes.empty() ? '-' : attributes[0];
  const bool is_pool = kind == 't', is_raid = kind == 'r' || kind == 'R' || kind == 'm' || kind == 'M';
  if (!is_pool && !is_raid && health.empty()) return;
  auto state = StorageState::ok;
  std::string detail = is_pool ? "thin pool" : is_raid ? "mirrored" : "";
  if (!health.empty()) {
    say(detail, health);
    const bool ends = health == "partial" || health == "failed" || health == "out_of_data" ||
                      health == "metadata_read_only" || health == "unknown";
    worsen(state, ends ? StorageState::failing : StorageState::degraded);
  }
  for (const auto& [name, what] : {std::pair{"data_percent", "data"}, {"metadata_percent", "metadata"}}) {
    const auto percent = number_of(text_in(row, name));
    if (!is_pool || percent < 0) continue;
    say(detail, std::string(what) + " " + std::to_string(percent) + " % full");
    if (percent >= kFullPercent) worsen(state, percent >= 100 ? StorageState::failing : StorageState::degraded);
  }
  if (const auto percent = number_of(text_in(row, "copy_percent")); is_raid && percent >= 0 && percent < 100) {
    say(detail, std::to_string(percent) + " % in step");
    worsen(state, StorageState::degraded);
  }
  add(rows, "lvm", text_in(row, "vg_name") + "/" + text_in(row, "lv_name"), state, detail);
}

StorageState state_of_pool(std::string_view health) {
  if (health == "ONLINE") return StorageState::ok;
  if (health == "DEGRADED") return StorageState::degraded;
  const bool ends =
      health == "FAULTED" || health == "UNAVAIL" || health == "SUSPENDED" || health == "OFFLINE" || health == "REMOVED";
  return ends ? StorageState::failing : StorageState::unknown;
}

// The lines of one pool in `zpool status`.
std::string_view part_of(std::string_view status, std::string_view pool) {
  constexpr std::string_view kBegin = "  pool: ";
  for (auto at = status.find(kBegin); at != std::string_view::npos; at = status.find(kBegin, at + 1)) {
    const auto name = at + kBegin.size();
    const auto end = std::min(status.find("\n" + std::string(kBegin), name), status.size());
    if (trim(status.substr(name, status.find('\n', name) - name)) == pool) return status.substr(at, end - at);
  }
  return {};
}

// Mount points are written with \040 and the like.
std::string plain(std::string_view text) {
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) {
      return text[i + at] >= '0' && text[i + at] <= '7' ? text[i + at] - '0' : -1;
    };
    if (text[i] == '\\' && i + 3 < text.size() && digit(1) >= 0 && digit(2) >= 0 && digit(3) >= 0) {
      path += static_cast<char>(digit(1) * 64 + digit(2) * 8 + digit(3));
      i += 3;
    } else {
      path += text[i];
    }
  }
  return path;
}

bool says(std::string_view options, std::string_view word) {
  const auto all = split(options, ',');
  return std::ranges::find(all, word) != all.end();
}

}  // namespace

Rows parse_mdstat(std::string_view text) {
  std::vector<Array> arrays;
  bool inside_one = false;
  for (const auto line : split(text, '\n')) {
    const auto words = words_of(line);
    const bool begins = words.size() >= 3 && words[1] == ":" && line.starts_with("md");
    if (begins && (words[2].starts_with("active") || words[2].starts_with("inactive"))) {
      arrays.push_back(array_of(words[0], words));
      inside_one = true;
    } else if (words.empty()) {
      inside_one = false;
    } else if (inside_one && line.starts_with(' ')) {
      if (line.find("blocks") != std::string_view::npos) read_members(line, arrays.back());
      else read_action(line, arrays.back());
    }
    if (arrays.size() >= kRowsMax) break;
  }
  Rows rows;
  for (auto& array : arrays) add(rows, "md", array.name, array.state, std::move(array.detail));
  return rows;
}

Rows parse_smart(std::string_view name, std::string_view text) {
  Rows rows;
  const auto drive = json::parse(text);
  if (!drive.ok() || !drive->is_object()) return rows;
  auto detail = sanitize(text_in(*drive, "model_name"), 100);
  if (is_asleep(*drive)) {
    say(detail, "asleep, and not woken for this");
    add(rows, "disk", name, StorageState::unknown, std::move(detail));
    return rows;
  }
  const auto* passed = inside(*drive, {"smart_status", "passed"});
  if (!passed || !passed->is_bool()) return rows;
  auto state = StorageState::ok;
  if (!passed->get_bool()) {
    state = StorageState::failing;
    say(detail, "it expects to fail soon by its own judgement");
  }
  read_attributes(*drive, state, detail);
  read_nvme(*drive, state, detail);
  add(rows, "disk", name, state, std::move(detail));
  return rows;
}

Rows parse_lvs(std::string_view text) {
  Rows rows;
  const auto report = json::parse(text);
  const auto* reports = report.ok() && report->is_object() ? json::find(*report, "report") : nullptr;
  if (!reports || !reports->is_array()) return rows;
  for (const auto& part : reports->get_array()) {
    const auto* volumes = part.is_object() ? json::find(part, "lv") : nullptr;
    if (!volumes || !volumes->is_array()) continue;
    for (const auto& row : volumes->get_array())
      if (row.is_object()) read_volume(row, rows);
  }
  return rows;
}

Rows parse_zpool(std::string_view list, std::string_view status) {
  Rows rows;
  for (const auto line : split(list, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() < 3 || fields[0].empty()) continue;
    auto state = state_of_pool(fields[1]);
    std::string detail(fields[1]);
    const auto part = part_of(status, fields[0]);
    for (const std::string_view kind : {"mirror", "raidz"})
      if (part.find("\t  " + std::string(kind)) != std::string_view::npos) say(detail, std::string(kind));
    if (number_of(fields[2]) >= kFullPercent) {
      worsen(state, StorageState::degraded);
      say(detail, std::string(fields[2]) + " % full");
    }
    constexpr std::string_view kErrors = "\nerrors: ";
    if (const auto at = part.find(kErrors); at != std::string_view::npos) {
      const auto said = part.substr(at + kErrors.size());
      const auto first = said.substr(0, said.find('\n'));
      if (!first.starts_with("No known data errors")) {
        worsen(state, StorageState::failing);
        say(detail, std::string(first));
      }
    }
    add(rows, "zfs", fields[0], state, std::move(detail));
  }
  return rows;
}

Rows parse_btrfs_stats(std::string_view mount, std::string_view text) {
  Rows rows;
  auto state = StorageState::ok;
  std::string detail;
  std::size_t counters = 0;
  for (const auto line : split(text, '\n')) {
    const auto words = words_of(line);
    if (words.size() < 2 || !line.starts_with('[')) continue;
    const auto close = line.rfind("].");
    if (close == std::string_view::npos) continue;
    ++counters;
    const auto device = line.substr(1, close - 1);
    const auto count = number_of(words.back(), 0);
    if (device.find("missing") != std::string_view::npos && detail.find("missing") == std::string::npos) {
      worsen(state, StorageState::degraded);
      say(detail, "a device is missing");
    }
    if (count <= 0) continue;
    worsen(state, StorageState::degraded);
    const auto name = line.substr(close + 2, line.find(' ', close) - close - 2);
    say(detail, std::string(device) + " " + std::string(name) + " " + std::to_string(count));
  }
  if (counters > 0) add(rows, "btrfs", mount, state, std::move(detail));
  return rows;
}

Rows parse_multipath(std::string_view text) {
  struct Map {
    std::string name;
    std::size_t paths = 0, gone = 0;
  };
  std::vector<Map> maps;
  for (const auto line : split(text, '\n')) {
    const auto words = words_of(line);
    const bool is_member = !line.empty() && std::string_view(" |`-").find(line.front()) != std::string_view::npos;
    if (!is_member && std::ranges::any_of(words, [](auto word) { return word.starts_with("dm-"); })) {
      if (maps.size() < kRowsMax) maps.push_back({std::string(words[0]), 0, 0});
      continue;
    }
    // "| `- 3:0:0:1 sdc 8:32 active ready running"
    const bool is_path =
        is_member && std::ranges::any_of(words, [](auto word) {
          return std::ranges::count(word, ':') == 3 && word.find_first_not_of("0123456789:#") == std::string_view::npos;
        });
    if (!is_path || maps.empty()) continue;
    ++maps.back().paths;
    const bool gone = std::ranges::any_of(words, [](auto word) { return word == "failed" || word == "faulty"; });
    if (gone) ++maps.back().gone;
  }
  Rows rows;
  for (const auto& map : maps) {
    const auto state = map.paths == map.gone ? StorageState::failing
                       : map.gone > 0        ? StorageState::degraded
                                             : StorageState::ok;
    add(rows, "multipath", map.name, state,
        std::to_string(map.paths - map.gone) + " of " + std::to_string(map.paths) + " paths");
  }
  return rows;
}

std::vector<MountLine> parse_mount_lines(std::string_view mountinfo) {
  std::vector<MountLine> mounts;
  for (const auto line : split(mountinfo, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 6 || fields.end() - dash < 4 || dash - fields.begin() < 6) continue;
    MountLine mount;
    mount.device = fields[2];
    mount.point = plain(fields[4]);
    mount.asked_read_only = says(fields[5], "ro");
    mount.type = *(dash + 1);
    mount.source = plain(*(dash + 2));
    mount.read_only = says(*(dash + 3), "ro");
    mounts.push_back(std::move(mount));
    if (mounts.size() >= 4'096) break;
  }
  return mounts;
}

bool may_hang(std::string_view type) {
  constexpr std::string_view kTypes[] = {"nfs",    "nfs4", "cifs",           "smb3",       "ceph",
                                         "9p",     "afs",  "fuse.glusterfs", "fuse.sshfs", "fuse.rclone",
                                         "lustre", "gpfs", "ocfs2",          "gfs2",       "fuse.s3fs"};
  return std::ranges::find(kTypes, type) != std::end(kTypes);
}

bool lost_its_writes(const MountLine& mount) {
  constexpr std::string_view kDisk[] = {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs"};
  return mount.read_only && !mount.asked_read_only && std::ranges::find(kDisk, mount.type) != std::end(kDisk);
}

}  // namespace belay::agent::inventory
