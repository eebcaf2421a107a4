#include "core/patchrun/way_back.hpp"

#include <gtest/gtest.h>

namespace belay::patchrun {
namespace {

using Texts = std::vector<std::string>;
const std::string kRunning = "6.1.0-50-amd64";
const Texts kMounts{"/", "/boot", "/home", "/var"};

fleet::PackageChange change(std::string name, std::string from, std::string to) {
  return {std::move(name), "amd64", std::move(from), std::move(to), "", 0};
}

struct MountRow {
  const char* name;
  std::vector<fleet::PackageChange> changes;
  std::string kernel;
  Texts changing;
};
class MountTable : public testing::TestWithParam<MountRow> {};
TEST_P(MountTable, NamesWhatTheChangeWritesTo) {
  const auto& row = GetParam();
  EXPECT_EQ(mounts_that_change(row.changes, kMounts, row.kernel), row.changing);
}
INSTANTIATE_TEST_SUITE_P(
    Rows, MountTable,
    testing::Values(
        MountRow{"plain", {change("curl", "1", "2")}, kRunning, {"/", "/var"}},
        MountRow{"new_kernel_beside", {change("linux-image-6.1.0-51-amd64", "", "6.1.9-1")}, kRunning, {"/", "/var"}},
        MountRow{"running_kernel_replaced",
                 {change("linux-image-6.1.0-50-amd64", "6.1.1-1", "6.1.2-1")},
                 kRunning,
                 {"/", "/var", "/boot"}},
        MountRow{"running_kernel_removed",
                 {change("linux-image-6.1.0-50-amd64", "6.1.1-1", "")},
                 kRunning,
                 {"/", "/var", "/boot"}},
        MountRow{
            "another_kernel_removed", {change("linux-image-6.1.0-40-amd64", "6.1.0-1", "")}, kRunning, {"/", "/var"}},
        MountRow{"rpm_running_removed",
                 {change("kernel-core", "0:5.14.0-1.el9", "")},
                 "5.14.0-1.el9.x86_64",
                 {"/", "/var", "/boot"}},
        MountRow{"rpm_beside", {change("kernel-core", "", "0:5.14.0-2.el9")}, "5.14.0-1.el9.x86_64", {"/", "/var"}},
        MountRow{"boot_loader", {change("grub-pc", "2.06-1", "2.06-2")}, kRunning, {"/", "/var", "/boot"}},
        MountRow{"kernel_unknown", {change("linux-image-6.1.0-40-amd64", "6.1.0-1", "")}, "", {"/", "/var", "/boot"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Mounts, AreTakenWhereverAFileOfTheChangedPackagesLies) {
  const Texts mounts{"/", "/boot", "/etc", "/opt", "/opt/app", "/srv", "/home"};
  const std::vector<fleet::PackageChange> update{change("app", "1", "2")};
  EXPECT_EQ(mounts_that_change(update, mounts, kRunning, {"/.", "/srv", "/home", "/usr/bin/app"}), (Texts{"/", "/etc"}))
      << "a folder on which something is mounted lies on the mount above";
  EXPECT_EQ(mounts_that_change(update, mounts, kRunning, {"/opt/app/bin", "/srv/www/index.html"}),
            (Texts{"/", "/etc", "/opt/app", "/srv"}));
  EXPECT_EQ(mounts_that_change(update, mounts, kRunning, {"/opt/application/x", "/boot/vmlinuz"}),
            (Texts{"/", "/etc", "/boot", "/opt"}));
  EXPECT_EQ(mounts_that_change({change("new", "", "1")}, mounts, kRunning, {}), (Texts{"/", "/etc", "/opt"}))
      << "where its files will lie nobody knows yet";
}

TEST(WayBack, EachClassHoldsWhatTheOneBeforeHolds) {
  const Texts snapshot{"btrfs:s1 of /"};
  EXPECT_EQ(judge_way_back({{}, {"curl 1 is not offered"}, snapshot, {}}).reached, ReversibilityClass::R0);
  EXPECT_EQ(judge_way_back({{"curl_1_amd64"}, {}, {}, {"no provider covers /"}}).reached, ReversibilityClass::R1);
  EXPECT_EQ(judge_way_back({{"curl_1_amd64"}, {}, snapshot, {}}).reached, ReversibilityClass::R2);
}

TEST(WayBack, SaysWhatKeptItFromMore) {
  const auto none = judge_way_back({{}, {"curl 1 is not offered"}, {}, {"no provider covers /"}});
  EXPECT_EQ(none.why_not_more, (Texts{"curl 1 is not offered", "no provider covers /"}));
  EXPECT_EQ(judge_way_back({{}, {}, {"btrfs:s1 of /"}, {}}).why_not_more.size(), 1u);
}

}  // namespace
}  // namespace belay::patchrun
