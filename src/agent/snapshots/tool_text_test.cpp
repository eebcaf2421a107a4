#include "agent/snapshots/tool_text.hpp"

#include <gtest/gtest.h>

#include "agent/snapshots/lvm_report.hpp"
#include "agent/snapshots/mount_table.hpp"

namespace belay::agent::snapshots {
namespace {

constexpr std::string_view kMountinfo =
    "27 1 0:31 /@ / rw,relatime shared:1 - btrfs /dev/vda2 rw,space_cache=v2,subvolid=256,subvol=/@\n"
    "28 27 0:31 /@home /home rw - btrfs /dev/vda2 rw,subvolid=257,subvol=/@home\n"
    "29 27 254:1 / /srv/a\\040b rw,relatime master:1 propagate_from:2 - ext4 /dev/mapper/vg-a\\040b rw\n"
    "30 27 0:40 / /srv rw - zfs tank/srv rw,xattr\n"
    "31 30 0:41 / /srv rw - tmpfs tmpfs rw\n"
    "no mount\n"
    "32 27 0:42 / /cut rw -\n";

TEST(MountTable, ReadsWhatTheKernelSays) {
  const auto mounts = parse_mountinfo(kMountinfo);
  ASSERT_EQ(mounts.size(), 5u);
  EXPECT_EQ(mounts[0], (MountRow{"0:31", "/@", "/", "btrfs", "/dev/vda2", "rw,space_cache=v2,subvolid=256,subvol=/@"}));
  EXPECT_EQ(mounts[2].point, "/srv/a b");
  EXPECT_EQ(mounts[2].source, "/dev/mapper/vg-a b");
  EXPECT_EQ(option(mounts[0].options, "subvolid"), "256");
  EXPECT_EQ(option(mounts[0].options, "subvol"), "/@");
  EXPECT_EQ(option(mounts[0].options, "rw"), "");
  EXPECT_EQ(option(mounts[0].options, "sub"), std::nullopt);
}

TEST(MountTable, KnowsWhatAPathLiesOn) {
  const auto mounts = parse_mountinfo(kMountinfo);
  EXPECT_EQ(holding(mounts, "/")->point, "/");
  EXPECT_EQ(holding(mounts, "/homes")->point, "/");
  EXPECT_EQ(holding(mounts, "/home/me")->point, "/home");
  EXPECT_EQ(holding(mounts, "/srv/x")->type, "tmpfs") << "the last mount on a point hides those before";
  EXPECT_EQ(holding(mounts, "/srv/a b/c")->type, "ext4");
  EXPECT_EQ(holding(mounts, "relative"), nullptr);
  EXPECT_EQ(holding({}, "/"), nullptr);
}

TEST(MountTable, KnowsWhatTheNextBootMounts) {
  constexpr std::string_view fstab =
      "# / of old\nUUID=1 / btrfs noatime,subvol=@ 0 0\n#UUID=2 /home btrfs subvol=@old 0 0\n"
      "LABEL=a /srv/a\\040b\text4\tdefaults 0 2\n/dev/sr0 /cut\n";
  EXPECT_EQ(fstab_options(fstab, "/"), "noatime,subvol=@");
  EXPECT_EQ(fstab_options(fstab, "/srv/a b"), "defaults");
  EXPECT_EQ(fstab_options(fstab, "/home"), std::nullopt);
  EXPECT_EQ(root_flags("root=UUID=1 ro rootflags=subvol=@rootfs quiet\n"), "subvol=@rootfs");
  EXPECT_EQ(root_flags(""), "");
}

TEST(MountTable, AMountIsAName) {
  for (const std::string path : {"/", "/var/lib", "/srv/a b", "/srv/\xc3\xa4%2F\n"}) {
    EXPECT_EQ(from_name(to_name(path)), path);
    EXPECT_EQ(to_name(path).find('/'), std::string::npos);
  }
  EXPECT_EQ(to_name("/var"), "%2Fvar");
  for (const char* none : {"", "var", "%2", "%zz", "restored%2F", "..", "%2fvar"})
    EXPECT_EQ(from_name(none), "") << none;
}

constexpr std::string_view kShown =
    "@\n\tName: \t\t\t@\n\tUUID: \t\t\td4ae96d3-261b-854b-94f8-f987e1d22afd\n\tParent UUID: \t\t-\n"
    "\tCreation time: \t\t2026-11-27 15:27:34 +0100\n\tSubvolume ID: \t\t256\n\tFlags: "
    "\t\t\treadonly\n\tSnapshot(s):\n";

TEST(BtrfsText, SubvolumesAreUnderstood) {
  const auto shown = parse_subvolume(kShown);
  ASSERT_TRUE(shown.ok()) << shown.error().chain();
  EXPECT_EQ(shown->id, 256u);
  EXPECT_TRUE(shown->read_only);
  EXPECT_EQ(to_iso8601(shown->created_at), "2026-11-27T14:27:34Z");
  EXPECT_EQ(parse_subvolume("ERROR: Not a Btrfs subvolume").error().code(), Code::corrupt);
  EXPECT_EQ(parse_subvolume("Subvolume ID: 5\nCreation time: yesterday at noon").error().code(), Code::corrupt);
  EXPECT_EQ(*parse_default_subvolume("ID 5 (FS_TREE)\n"), 5u);
  EXPECT_EQ(*parse_default_subvolume("ID 256 gen 10 top level 5 path @\n"), 256u);
  EXPECT_EQ(parse_default_subvolume("ID x").error().code(), Code::corrupt);
  EXPECT_EQ(parse_subvolume_paths("ID 257 gen 7 top level 256 path @/nested one\nID 1\nbad path x\n"),
            std::vector<std::string>{"@/nested one"});
}

TEST(ZfsText, OnlyWhatBelongsToBelayHasMounts) {
  const auto all = parse_zfs_snapshots(
      "rpool/ROOT@belay-1\t1795000000\t10\t%2F,%2Fhome\nrpool/ROOT@nightly\t1795000001\t11\t-\n"
      "rpool/ROOT\t1\t1\t-\nrpool/ROOT@cut\t1\nr@x\t99999999999999\t1\t-\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].dataset, "rpool/ROOT");
  EXPECT_EQ(all[0].tag, "belay-1");
  EXPECT_EQ(all[0].mounts, (std::vector<std::string>{"/", "/home"}));
  EXPECT_EQ(all[0].transaction, 10u);
  EXPECT_TRUE(all[1].mounts.empty());
  EXPECT_EQ(parse_zfs_available("tank/data\t5368709120\n"), 5368709120u);
  EXPECT_EQ(parse_zfs_available("tank/data\t-\n"), std::nullopt);
}

TEST(LvmReport, VolumesAreUnderstood) {
  const auto report = parse_lvm_report(R"({"report":[{"lv":[
    {"vg_name":"vg","lv_name":"[belay-1.root]","lv_attr":"swi-I-s---","lv_size":"214748364","pool_lv":"","origin":"root",
     "data_percent":"100.00","metadata_percent":"","lv_tags":"belay:mount=/,belay:tag=belay-1","lv_time":"1795000000",
     "lv_kernel_major":"253","lv_kernel_minor":"2","vg_free":"0"},
    {"vg_name":"vg","lv_name":"pool","lv_attr":"twi-aotzD-","data_percent":"12.345","metadata_percent":"9","lv_kernel_major":"-1",
     "lv_kernel_minor":"-1"}, {"lv_name":"nameless"}, 7]}], "log":[]})");
  ASSERT_TRUE(report.ok()) << report.error().chain();
  ASSERT_EQ(report->size(), 2u);
  const auto& snapshot = report->front();
  EXPECT_TRUE(snapshot.is_invalid());
  EXPECT_FALSE(snapshot.is_thin());
  EXPECT_EQ(snapshot.path(), "vg/belay-1.root");
  EXPECT_EQ(snapshot.device, "253:2");
  EXPECT_EQ(snapshot.data_percent, 100.0);
  EXPECT_EQ(snapshot.metadata_percent, std::nullopt);
  EXPECT_EQ(snapshot.tags, (std::vector<std::string>{"belay:mount=/", "belay:tag=belay-1"}));
  EXPECT_EQ(to_unix_ms(snapshot.created_at), 1'795'000'000'000);
  EXPECT_TRUE(report->back().is_failing());
  EXPECT_NEAR(report->back().data_percent.value(), 12.34, 0.001);
  EXPECT_EQ(report->back().device, "");
  EXPECT_FALSE(parse_lvm_report("WARNING: not JSON").ok());
  EXPECT_EQ(parse_lvm_report("{}").error().code(), Code::corrupt);
}

}  // namespace
}  // namespace belay::agent::snapshots
