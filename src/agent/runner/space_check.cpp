#include "agent/runner/space_check.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/runner/problems.hpp"
#include "base/text.hpp"
#include "core/patchrun/way_back.hpp"

namespace belay::agent {
namespace {

// A kernel with its initial ram disk, built once more while the old one is still there.
constexpr std::uint64_t kKernelBytes = 160u << 20;
constexpr std::uint64_t kMebibyte = 1u << 20;
constexpr std::size_t kMountsBytesMax = 1u << 20;

struct Need {
  std::string path;
  std::uint64_t bytes;
  io::Space space;
  std::string device;
};

// "254:0" of the mount that holds a path, by the kernel's own table; empty where that cannot be told. The table has one
// number for all subvolumes of a btrfs, where stat() gives each its own though they share their space.
std::string device_of(std::string_view mounts, std::string_view path) {
  std::string_view device, holder;
  for (const auto line : split(mounts, '\n')) {
    const auto fields = split(line, ' ');
    if (fields.size() < 5) continue;
    const auto point = fields[4];
    if ((point != "/" && point != path) || point.size() < holder.size()) continue;
    holder = point;
    device = fields[2];
  }
  return std::string(device);
}

// What is free is no witness: it changes between two looks at a busy disk. A size alone may be shared by two disks, and
// a directory may be a link to another one: both must agree.
bool same_file_system(const Need& a, const Need& b) {
  const bool devices_differ = !a.device.empty() && !b.device.empty() && a.device != b.device;
  return !devices_differ && a.space.bytes_total == b.space.bytes_total;
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string((bytes + kMebibyte - 1) / kMebibyte) + " MiB"; }

}  // namespace

std::vector<fleet::Problem> check_space(const io::Files& files, const TransactionPlan& plan,
                                        const patchrun::PatchRunOrder& order) {
  std::vector<Need> needs{{"/", plan.disk_bytes, {}, {}},
                          {"/var", 2 * plan.download_bytes, {}, {}}};  // the new and the old packages
  if (std::ranges::any_of(plan.changes, [](const auto& change) { return patchrun::touches_boot(change.name); }))
    needs.push_back({"/boot", kKernelBytes, {}, {}});
  const auto mounts = files.read("/proc/self/mountinfo", kMountsBytesMax);
  std::vector<fleet::Problem> problems;
  std::vector<Need> disks;
  for (auto& need : needs) {
    auto space = files.space(need.path);
    if (!space.ok()) {
      // A container may have no /boot; anything else that cannot be measured is no proof of room.
      if (space.error().code() != Code::not_found) problems.push_back(problem_of(space.error(), need.path));
      continue;
    }
    need.space = *space;
    if (mounts.ok()) need.device = device_of(*mounts, need.path);
    const auto disk = std::ranges::find_if(disks, [&](const Need& d) { return same_file_system(d, need); });
    if (disk == disks.end()) {
      disks.push_back(need);
      continue;
    }
    disk->bytes += need.bytes;
    disk->space.bytes_free = std::min(disk->space.bytes_free, need.space.bytes_free);  // somebody else writes, too
  }
  for (const auto& disk : disks) {
    const auto wanted = disk.bytes + order.space_reserve_bytes;
    if (disk.space.bytes_free >= wanted) continue;
    problems.push_back({fleet::Reason::disk_full, disk.path,
                        disk.path + " has " + mebibytes(disk.space.bytes_free) +
                            " free; the change and its reserve need " + mebibytes(wanted),
                        "free space on " + disk.path + " (package caches, old kernels, logs), then order again",
                        false});
  }
  return problems;
}

}  // namespace belay::agent
