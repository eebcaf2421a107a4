#include "agent/inventory/storage.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "agent/inventory/storage_text.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

using namespace inventory;
using fleet::StorageHealth;
using fleet::StorageState;

constexpr std::size_t kTextBytesMax = 4 << 20, kDisksMax = 64, kDepthMax = 10;

class Storage {
 public:
  explicit Storage(const StorageSeams& seams) : seams_(seams) {}

  std::vector<StorageHealth> collect() {
    mounts_ = parse_mount_lines(read("/proc/self/mountinfo"));
    mounts_over_network();
    file_systems();
    arrays();
    volumes();
    pools();
    disks();
    if (found_.size() > fleet::kStorageMax) found_.resize(fleet::kStorageMax);
    return std::move(found_);
  }

 private:
  std::string read(const std::string& path) const {
    auto text = seams_.files.read(seams_.root + path, kTextBytesMax);
    return text.ok() ? std::move(*text) : std::string();
  }
  std::vector<std::string> names(const std::string& path) const {
    auto found = seams_.files.list(seams_.root + path);
    return found.ok() ? std::move(*found) : std::vector<std::string>();
  }
  bool exists(const std::string& path) const { return seams_.files.info(seams_.root + path).ok(); }

  // What it says, whatever it ends with: smartctl's exit status is a mask of warnings. "" where it is not installed.
  std::string said_by(std::vector<std::string> argv) {
    if (spent_ >= seams_.together_max) return {};
    io::ProcessSpec spec;
    spec.argv = std::move(argv);
    spec.environment = io::plain_environment();
    spec.timeout = seams_.tool_timeout;
    spec.gently = true;
    auto outcome = seams_.processes.run(spec);
    if (!outcome.ok()) return {};
    spent_ += outcome->duration;
    if (outcome->end != io::ProcessOutcome::End::exited) return {};
    return std::move(outcome->standard_output);
  }

  // ---- what lies on a device: itself, what it is a part of, what it is made of

  void add_below(const std::string& name, std::set<std::string>& all, std::size_t depth) const {
    if (depth > kDepthMax || !all.insert(name).second) return;
    for (const auto& below : names("/sys/class/block/" + name + "/slaves")) add_below(below, all, depth + 1);
    if (!exists("/sys/class/block/" + name + "/partition")) return;
    for (const auto& disk : names("/sys/block"))
      if (name.starts_with(disk) && exists("/sys/block/" + disk + "/" + name)) add_below(disk, all, depth + 1);
  }

  // By name ("sda1", "dm-0", "md0") of each mount. A file system that spans devices has no number of theirs: its
  // source counts.
  const std::set<std::string>& below(const MountLine& mount) {
    const auto known = below_.find(mount.device + mount.source);
    if (known != below_.end()) return known->second;
    auto& all = below_[mount.device + mount.source];
    const auto link = seams_.files.read_link(seams_.root + "/sys/dev/block/" + mount.device);
    std::string name;
    if (link.ok()) name = link->substr(link->rfind('/') + 1);
    else if (mount.source.starts_with("/dev/")) name = mount.source.substr(mount.source.rfind('/') + 1);
    if (!name.empty()) add_below(name, all, 0);
    return all;
  }

  std::vector<std::string> mounts_on(std::string_view device) {
    std::vector<std::string> points;
    for (const auto& mount : mounts_)
      if (below(mount).contains(std::string(device))) points.push_back(mount.point);
    std::ranges::sort(points);
    points.erase(std::unique(points.begin(), points.end()), points.end());
    return points;
  }

  void keep(StorageHealth health, std::vector<std::string> mounts) {
    health.mounts = std::move(mounts);
    found_.push_back(std::move(health));
  }

  // ---- one kind each

  void mounts_over_network() {
    std::vector<std::string> points;
    for (const auto& mount : mounts_)
      if (may_hang(mount.type)) points.push_back(mount.point);
    std::vector<std::string> asked;
    for (const auto& point : points) asked.push_back(seams_.root + point);
    const auto answers = seams_.ask(asked, seams_.mount_patience);
    for (std::size_t i = 0; i < answers.size() && i < points.size(); ++i) {
      const bool fine = answers[i] == io::MountAnswer::answers;
      const bool hangs = answers[i] == io::MountAnswer::hangs;
      keep({"mount",
            points[i],
            fine ? StorageState::ok : StorageState::failing,
            fine    ? "answers"
            : hangs ? "did not answer within " + humanize(seams_.mount_patience) +
                          ": whoever touches it waits; look at its server and the network"
                    : "answers with an error; look at its server",
            {}},
           {points[i]});
    }
  }

  void file_systems() {
    std::set<std::string> seen;
    for (const auto& mount : mounts_) {
      if (!seen.insert(mount.device).second) continue;
      if (lost_its_writes(mount))
        keep({"filesystem",
              mount.point,
              StorageState::failing,
              mount.type + " on " + mount.source +
                  " was made read-only by the kernel after an error; see dmesg, then fsck",
              {}},
             points_of(mount.device));
      if (!mount.type.starts_with("ext")) continue;
      const auto name = mount.source.substr(mount.source.rfind('/') + 1);
      const auto link = seams_.files.read_link(seams_.root + "/sys/dev/block/" + mount.device);
      const auto device = link.ok() ? link->substr(link->rfind('/') + 1) : name;
      const auto count = trim(std::string_view(errors_ = read("/sys/fs/ext4/" + device + "/errors_count")));
      if (count.empty() || count == "0") continue;
      keep({"filesystem",
            mount.point,
            StorageState::degraded,
            mount.type + " on " + mount.source + " has noted " + sanitize(count, 20) +
                " errors since its last check; see dmesg, then fsck",
            {}},
           points_of(mount.device));
    }
    for (const auto& mount : mounts_) {
      if (mount.type != "btrfs" || !seen.insert("btrfs " + mount.device).second) continue;
      for (auto& health : parse_btrfs_stats(mount.point, said_by({"btrfs", "device", "stats", mount.point})))
        keep(std::move(health), points_of(mount.device));
    }
  }

  std::vector<std::string> points_of(const std::string& device) const {
    std::vector<std::string> points;
    for (const auto& mount : mounts_)
      if (mount.device == device) points.push_back(mount.point);
    return points;
  }

  void arrays() {
    for (auto& health : parse_mdstat(read("/proc/mdstat"))) {
      const auto folder = "/sys/block/" + health.subject + "/md/";
      const auto degraded = std::string(trim(read(folder + "degraded")));
      if (!degraded.empty() && degraded != "0" && health.state == StorageState::ok) {
        health.state = StorageState::degraded;
        health.detail += ", " + sanitize(degraded, 10) + " disks missing";
      }
      const auto mismatches = std::string(trim(read(folder + "mismatch_cnt")));
      if (!mismatches.empty() && mismatches != "0")
        health.detail += ", " + sanitize(mismatches, 20) + " sectors differed at the last check";
      auto mounts = mounts_on(health.subject);
      keep(std::move(health), std::move(mounts));
    }
  }

  // The kernel's name of a volume: dm-3 is "vg-root" to the device mapper, where "-" is written "--".
  std::string mapped(std::string_view name) const {
    for (const auto& device : names("/sys/class/block"))
      if (device.starts_with("dm-") && trim(read("/sys/class/block/" + device + "/dm/name")) == name) return device;
    return {};
  }

  static std::string doubled(std::string_view text) {
    std::string name;
    for (const char c : text) name += c == '-' ? std::string("--") : std::string(1, c);
    return name;
  }

  void volumes() {
    bool has_lvm = false, has_paths = false;
    for (const auto& device : names("/sys/class/block")) {
      if (!device.starts_with("dm-")) continue;
      const auto id = read("/sys/class/block/" + device + "/dm/uuid");
      has_lvm = has_lvm || id.starts_with("LVM-");
      has_paths = has_paths || id.starts_with("mpath-");
    }
    if (has_lvm)
      for (auto& health : parse_lvs(
               said_by({"lvs", "--reportformat", "json", "--options",
                        "vg_name,lv_name,lv_attr,lv_health_status,data_percent,metadata_percent,copy_percent"}))) {
        const auto slash = health.subject.find('/');
        const auto name = doubled(health.subject.substr(0, slash)) + "-" + doubled(health.subject.substr(slash + 1));
        auto device = mapped(name);
        if (device.empty()) device = mapped(name + "-tpool");  // a pool's volumes lie on this one
        auto mounts = mounts_on(device);
        keep(std::move(health), std::move(mounts));
      }
    if (has_paths)
      for (auto& health : parse_multipath(said_by({"multipath", "-ll"}))) {
        auto mounts = mounts_on(mapped(health.subject));
        keep(std::move(health), std::move(mounts));
      }
  }

  void pools() {
    const bool has_zfs = std::ranges::find(mounts_, "zfs", &MountLine::type) != mounts_.end();
    if (!has_zfs && !exists("/proc/spl/kstat/zfs")) return;
    const auto list = said_by({"zpool", "list", "-Hp", "-o", "name,health,capacity"});
    if (list.empty()) return;
    for (auto& health : parse_zpool(list, said_by({"zpool", "status"}))) {
      std::vector<std::string> points;
      for (const auto& mount : mounts_)
        if (mount.type == "zfs" && (mount.source == health.subject || mount.source.starts_with(health.subject + "/")))
          points.push_back(mount.point);
      keep(std::move(health), std::move(points));
    }
  }

  void disks() {
    std::size_t asked = 0;
    for (const auto& name : names("/sys/block")) {
      const bool is_disk = name.starts_with("sd") || name.starts_with("nvme") || name.starts_with("hd");
      if (!is_disk || !exists("/sys/block/" + name + "/device") || ++asked > kDisksMax) continue;
      const auto said = said_by({"smartctl", "-n", "standby", "-i", "-H", "-A", "-j", "/dev/" + name});
      for (auto& health : parse_smart(name, said)) {
        auto mounts = mounts_on(name);
        keep(std::move(health), std::move(mounts));
      }
    }
  }

  const StorageSeams& seams_;
  std::vector<MountLine> mounts_;
  std::map<std::string, std::set<std::string>> below_;
  std::vector<StorageHealth> found_;
  std::string errors_;
  Duration spent_{};
};

}  // namespace

std::vector<StorageHealth> collect_storage(const StorageSeams& seams) { return Storage(seams).collect(); }

}  // namespace belay::agent
