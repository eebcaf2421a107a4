#include "agent/runner/space_check.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/fakes/memory_files.hpp"

namespace belay::agent {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kReserve = 64 * kMiB;

// The table of the kernel: (device, mount point) rows.
using Mounts = std::vector<std::pair<std::string, std::string>>;
using Spaces = std::map<std::string, std::optional<io::Space>>;

io::Space space(std::uint64_t total_mib, std::uint64_t free_mib) { return {total_mib * kMiB, free_mib * kMiB, 1'000}; }

std::string mountinfo(const Mounts& mounts) {
  std::string text;
  for (const auto& [device, point] : mounts) text += "27 1 " + device + " / " + point + " rw - ext4 /dev/x rw\n";
  return text;
}

struct Row {
  const char* what;
  Mounts mounts;
  Spaces spaces;
  bool kernel;
  std::vector<std::string> full;  // the paths that are named
  std::string says = "";          // in the first problem
};

// Each change needs 100 MiB on the disk and 50 MiB of archives, which /var holds twice; 64 MiB are to stay free.
const Row kRows[] = {
    {"one disk, everything fits to the byte",
     {{"8:1", "/"}},
     {{"/", space(1'000, 264)}, {"/var", space(1'000, 264)}, {"/boot", space(1'000, 264)}},
     false,
     {}},
    {"one disk: the needs of / and /var are added",
     {{"8:1", "/"}},
     {{"/", space(1'000, 263)}, {"/var", space(1'000, 263)}},
     false,
     {"/"},
     "need 264 MiB"},
    {"one disk that is written to between two looks",
     {{"8:1", "/"}},
     {{"/", space(1'000, 263)}, {"/var", space(1'000, 262)}},
     false,
     {"/"},
     "/ has 262 MiB free"},
    {"one disk: a kernel is added, too",
     {{"8:1", "/"}},
     {{"/", space(1'000, 423)}, {"/var", space(1'000, 423)}, {"/boot", space(1'000, 423)}},
     true,
     {"/"},
     "need 424 MiB"},
    {"/var apart, both fit",
     {{"8:1", "/"}, {"8:2", "/var"}},
     {{"/", space(1'000, 164)}, {"/var", space(2'000, 164)}},
     false,
     {}},
    {"/var apart: the old packages are held there, too",
     {{"8:1", "/"}, {"8:2", "/var"}},
     {{"/", space(1'000, 164)}, {"/var", space(2'000, 163)}},
     false,
     {"/var"},
     "need 164 MiB"},
    {"/var apart, / alone is full",
     {{"8:1", "/"}, {"8:2", "/var"}},
     {{"/", space(1'000, 163)}, {"/var", space(2'000, 900)}},
     false,
     {"/"}},
    {"two disks of one size, as full as each other",
     {{"8:1", "/"}, {"8:2", "/var"}},
     {{"/", space(1'000, 164)}, {"/var", space(1'000, 164)}},
     false,
     {}},
    {"two mounts of one file system",
     {{"0:31", "/"}, {"0:31", "/var"}},
     {{"/", space(1'000, 263)}, {"/var", space(1'000, 263)}},
     false,
     {"/"},
     "need 264 MiB"},
    {"/var is a link to another disk",
     {{"8:1", "/"}, {"8:2", "/data"}},
     {{"/", space(1'000, 164)}, {"/var", space(2'000, 164)}},
     false,
     {}},
    {"no table of mounts: disks of one size count as one",
     {},
     {{"/", space(1'000, 263)}, {"/var", space(1'000, 260)}},
     false,
     {"/"}},
    {"/boot apart, no kernel: nobody asks",
     {{"8:1", "/"}, {"8:3", "/boot"}},
     {{"/", space(1'000, 264)}, {"/var", space(1'000, 264)}, {"/boot", space(500, 1)}},
     false,
     {}},
    {"/boot apart, a kernel fits",
     {{"8:1", "/"}, {"8:3", "/boot"}},
     {{"/", space(1'000, 264)}, {"/var", space(1'000, 264)}, {"/boot", space(500, 224)}},
     true,
     {}},
    {"/boot apart, a kernel does not fit",
     {{"8:1", "/"}, {"8:3", "/boot"}},
     {{"/", space(1'000, 264)}, {"/var", space(1'000, 264)}, {"/boot", space(500, 223)}},
     true,
     {"/boot"},
     "need 224 MiB"},
    {"a container without /boot",
     {{"0:50", "/"}},
     {{"/", space(1'000, 264)}, {"/var", space(1'000, 264)}, {"/boot", std::nullopt}},
     true,
     {}},
    {"all three are full",
     {{"8:1", "/"}, {"8:2", "/var"}, {"8:3", "/boot"}},
     {{"/", space(1'000, 9)}, {"/var", space(2'000, 9)}, {"/boot", space(500, 9)}},
     true,
     {"/", "/var", "/boot"}},
};

TEST(SpaceCheck, NamesEachDiskThatWouldBeTooFull) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.what);
    fakes::MemoryFiles disk;
    if (!row.mounts.empty()) disk.put("/proc/self/mountinfo", mountinfo(row.mounts));
    for (const auto& [path, of] : row.spaces) disk.set_space_of(path, of);
    TransactionPlan plan;
    plan.changes = {{row.kernel ? "linux-image-6.1.0-40-amd64" : "curl", "amd64", "1", "2", "", 0}};
    plan.download_bytes = 50 * kMiB;
    plan.disk_bytes = 100 * kMiB;
    patchrun::PatchRunOrder order;
    order.space_reserve_bytes = kReserve;

    const auto problems = check_space(disk, plan, order);
    std::vector<std::string> full;
    for (const auto& problem : problems) {
      EXPECT_EQ(problem.reason, fleet::Reason::disk_full);
      full.push_back(problem.subject);
    }
    EXPECT_EQ(full, row.full);
    if (!problems.empty()) EXPECT_NE(problems[0].detail.find(row.says), std::string::npos) << problems[0].detail;
  }
}

}  // namespace
}  // namespace belay::agent
