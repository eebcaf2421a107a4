#include "agent/runner/space_check.hpp"

#include <algorithm>
#include <string>

#include "agent/runner/problems.hpp"
#include "core/patchrun/way_back.hpp"

namespace belay::agent {
namespace {

// A kernel with its initial ram disk, built once more while the old one is still there.
constexpr std::uint64_t kKernelBytes = 160u << 20;
constexpr std::uint64_t kMebibyte = 1u << 20;

struct Need {
  std::string path;
  std::uint64_t bytes;
  io::Space space;
};

// Two paths on one file system answer with the same figures.
bool same_file_system(const io::Space& a, const io::Space& b) {
  return a.bytes_total == b.bytes_total && a.bytes_free == b.bytes_free && a.inodes_free == b.inodes_free;
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string((bytes + kMebibyte - 1) / kMebibyte) + " MiB"; }

}  // namespace

std::vector<fleet::Problem> check_space(const io::Files& files, const TransactionPlan& plan,
                                        const patchrun::PatchRunOrder& order) {
  std::vector<Need> needs{{"/", plan.disk_bytes, {}},
                          {"/var", 2 * plan.download_bytes, {}}};  // the new and the old packages
  if (std::ranges::any_of(plan.changes, [](const auto& change) { return patchrun::touches_boot(change.name); }))
    needs.push_back({"/boot", kKernelBytes, {}});
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
    const auto disk = std::ranges::find_if(disks, [&](const Need& d) { return same_file_system(d.space, need.space); });
    if (disk == disks.end()) disks.push_back(need);
    else disk->bytes += need.bytes;
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
