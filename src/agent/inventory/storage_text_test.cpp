// What the kernel and the tools really print: of machines with and without faults.
#include "agent/inventory/storage_text.hpp"

#include <gmock/gmock.h>

#include <boost/describe/enum_to_string.hpp>

namespace belay::agent::inventory {
namespace {

using fleet::StorageHealth;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> told(const std::vector<StorageHealth>& rows) {
  std::vector<std::string> lines;
  for (const auto& row : rows)
    lines.push_back(row.subject + " " + boost::describe::enum_to_string(row.state, "?") + ": " + row.detail);
  return lines;
}

TEST(StorageText, MdArrays) {
  struct Row {
    const char* text;
    std::vector<std::string> told;
  };
  const Row rows[] = {
      {"Personalities : [raid1] [raid6] [raid5] [raid4]\n"
       "md1 : active raid1 sdb2[1] sda2[0]\n"
       "      136448 blocks [2/2] [UU]\n\n"
       "md2 : active raid5 sdl1[0] sdk1[8] sdj1[7]\n"
       "      1318680576 blocks level 5, 1024k chunk, algorithm 2 [10/10] [UUUUUUUUUU]\n\n"
       "unused devices: <none>\n",
       {"md1 ok: raid1, 2 of 2 disks", "md2 ok: raid5, 10 of 10 disks"}},
      // A disk has failed, another is being filled.
      {"md0 : active raid1 sdc1[2] sdb1[1](F) sda1[0]\n"
       "      292945152 blocks super 1.2 [2/1] [U_]\n"
       "      [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min speed=33440K/sec\n"
       "      bitmap: 1/3 pages [4KB], 65536KB chunk\n\n",
       {"md0 degraded: raid1, sdb1 has failed, 1 of 2 disks, recovery 12.6%"}},
      // Unclean shutdown: both are there, and one alone has what was written last.
      {"md127 : active (auto-read-only) raid1 vdb[0] vdc[1]\n"
       "      1046528 blocks super 1.2 [2/2] [UU]\n"
       "      \tresync=PENDING\n",
       {"md127 degraded: raid1, 2 of 2 disks, resync PENDING"}},
      {"md0 : active raid6 sda1[0] sdb1[1] sdc1[2] sdd1[3]\n"
       "      1953260928 blocks super 1.2 level 6, 512k chunk, algorithm 2 [4/4] [UUUU]\n"
       "      [=>...................]  check =  8.5% (83222272/976630464) finish=110.2min speed=135000K/sec\n",
       {"md0 ok: raid6, 4 of 4 disks, check 8.5%"}},
      {"md3 : inactive sdd1[1](S)\n      976630464 blocks super 1.2\n",
       {"md3 failing: inactive: it could not be assembled"}},
      {"md4 : active raid0 sdb[1] sda[0]\n      2093056 blocks super 1.2 512k chunks\n", {"md4 ok: raid0"}},
      {"Personalities : \nunused devices: <none>\n", {}},
      {"", {}},
      {"md : :\nmd9 : \n [2/", {}},
  };
  for (const auto& row : rows) EXPECT_EQ(told(parse_mdstat(row.text)), row.told) << row.text;
}

TEST(StorageText, DisksByTheirOwnJudgement) {
  struct Row {
    const char* text;
    std::vector<std::string> told;
  };
  const Row rows[] = {
      {R"({"smartctl":{"version":[7,3],"exit_status":0},"model_name":"WDC WD40EFRX-68N32N0",
           "smart_status":{"passed":true},
           "ata_smart_attributes":{"table":[
             {"id":5,"name":"Reallocated_Sector_Ct","when_failed":"","flags":{"prefailure":true},"raw":{"value":0}},
             {"id":197,"name":"Current_Pending_Sector","when_failed":"","flags":{"prefailure":false},"raw":{"value":0}}]}})",
       {"sda ok: WDC WD40EFRX-68N32N0"}},
      {R"({"model_name":"ST3000DM001","smart_status":{"passed":true},"ata_smart_attributes":{"table":[
             {"id":5,"name":"Reallocated_Sector_Ct","when_failed":"","raw":{"value":8}},
             {"id":197,"name":"Current_Pending_Sector","when_failed":"","raw":{"value":16}},
             {"id":198,"name":"Offline_Uncorrectable","when_failed":"","raw":{"value":16}}]}})",
       {"sda degraded: ST3000DM001, 8 sectors replaced, 16 sectors that could not be read, 16 sectors lost"}},
      {R"({"model_name":"X","smart_status":{"passed":false},"ata_smart_attributes":{"table":[
             {"id":5,"name":"Reallocated_Sector_Ct","when_failed":"now","flags":{"prefailure":true},"raw":{"value":2044}}]}})",
       {"sda failing: X, it expects to fail soon by its own judgement, 2044 sectors replaced, Reallocated_Sector_Ct is "
        "below its threshold"}},
      {R"({"model_name":"Samsung SSD 980","smart_status":{"passed":true},"nvme_smart_health_information_log":{
             "critical_warning":0,"available_spare":100,"available_spare_threshold":10,"percentage_used":3,
             "media_errors":0}})",
       {"sda ok: Samsung SSD 980"}},
      {R"({"model_name":"N","smart_status":{"passed":false},"nvme_smart_health_information_log":{"critical_warning":1,
             "available_spare":4,"available_spare_threshold":10,"percentage_used":112,"media_errors":3}})",
       {"sda failing: N, it expects to fail soon by its own judgement, critical warning 1, only 4 % of the spare "
        "blocks are left, worn out by its maker's reckoning (112 %), 3 media errors"}},
      {R"j({"smartctl":{"messages":[{"string":"Device is in STANDBY mode, exit(2)","severity":"information"}],
             "exit_status":2},"device":{"name":"/dev/sda"}})j",
       {"sda unknown: asleep, and not woken for this"}},
      // A virtual disk, a USB bridge that is not known, no root.
      {R"({"smartctl":{"messages":[{"string":"/dev/vda: Unable to detect device type","severity":"error"}],
             "exit_status":1}})",
       {}},
      {R"({"smart_support":{"available":false},"model_name":"QEMU HARDDISK"})", {}},
      {"", {}},
      {"[]", {}},
      {R"({"smart_status":{"passed":true},"ata_smart_attributes":{"table":[1,{"id":"5"},{"id":5,"raw":{}}]}})",
       {"sda ok: "}},
  };
  for (const auto& row : rows) EXPECT_EQ(told(parse_smart("sda", row.text)), row.told) << row.text;
}

TEST(StorageText, LogicalVolumes) {
  EXPECT_THAT(told(parse_lvs(
                  R"({"report":[{"lv":[
  {"vg_name":"vg","lv_name":"root","lv_attr":"-wi-ao----","lv_health_status":"","data_percent":"","metadata_percent":"","copy_percent":""},
  {"vg_name":"vg","lv_name":"pool","lv_attr":"twi-aotz--","lv_health_status":"","data_percent":"97.23","metadata_percent":"12.10","copy_percent":""},
  {"vg_name":"vg","lv_name":"pool2","lv_attr":"twi-aotzD-","lv_health_status":"out_of_data","data_percent":"100.00","metadata_percent":"40.00","copy_percent":""},
  {"vg_name":"vg","lv_name":"thin","lv_attr":"Vwi-aotz--","lv_health_status":"","data_percent":"80.00","metadata_percent":"","copy_percent":""},
  {"vg_name":"vg","lv_name":"mirror","lv_attr":"rwi-aor-p-","lv_health_status":"partial","data_percent":"","metadata_percent":"","copy_percent":"100.00"},
  {"vg_name":"vg","lv_name":"filling","lv_attr":"rwi-aor---","lv_health_status":"","data_percent":"","metadata_percent":"","copy_percent":"43.75"},
  {"vg_name":"vg","lv_name":"mended","lv_attr":"rwi-aor-r-","lv_health_status":"refresh needed","copy_percent":"100.00"}
  ]}]})")),
              ElementsAre("vg/pool degraded: thin pool, data 97 % full, metadata 12 % full",
                          "vg/pool2 failing: thin pool, out_of_data, data 100 % full, metadata 40 % full",
                          "vg/mirror failing: mirrored, partial", "vg/filling degraded: mirrored, 43 % in step",
                          "vg/mended degraded: mirrored, refresh needed"));
  EXPECT_THAT(parse_lvs(""), IsEmpty());
  EXPECT_THAT(parse_lvs(R"({"report":[{"lv":[1,{}]},2]})"), IsEmpty());
}

TEST(StorageText, ZfsPools) {
  const char* const status =
      "  pool: tank\n"
      " state: DEGRADED\n"
      "status: One or more devices could not be used because the label is missing or invalid.\n"
      "config:\n\n"
      "\tNAME        STATE     READ WRITE CKSUM\n"
      "\ttank        DEGRADED     0     0     0\n"
      "\t  mirror-0  DEGRADED     0     0     0\n"
      "\t    sda     ONLINE       0     0     0\n"
      "\t    sdb     UNAVAIL      0     0     0\n\n"
      "errors: No known data errors\n\n"
      "  pool: big\n"
      " state: ONLINE\n"
      "config:\n\n"
      "\tNAME        STATE     READ WRITE CKSUM\n"
      "\tbig         ONLINE       0     0     0\n"
      "\t  raidz2-0  ONLINE       0     0     0\n\n"
      "errors: 3 data errors, use '-v' for a list\n";
  EXPECT_THAT(told(parse_zpool("tank\tDEGRADED\t40\nbig\tONLINE\t97\nwell\tONLINE\t12\ngone\tSUSPENDED\t3\n", status)),
              ElementsAre("tank degraded: DEGRADED, mirror",
                          "big failing: ONLINE, raidz, 97 % full, 3 data errors, use '-v' for a list",
                          "well ok: ONLINE", "gone failing: SUSPENDED"));
  EXPECT_THAT(parse_zpool("no pools available\n", ""), IsEmpty());
}

TEST(StorageText, BtrfsCounters) {
  EXPECT_THAT(told(parse_btrfs_stats("/srv",
                                     "[/dev/loop0].write_io_errs    0\n[/dev/loop0].read_io_errs     0\n"
                                     "[/dev/loop0].flush_io_errs    0\n[/dev/loop0].corruption_errs  0\n"
                                     "[/dev/loop0].generation_errs  0\n")),
              ElementsAre("/srv ok: "));
  EXPECT_THAT(told(parse_btrfs_stats("/srv", "[/dev/sdb].write_io_errs    14\n[/dev/sdb].corruption_errs  2\n")),
              ElementsAre("/srv degraded: /dev/sdb write_io_errs 14, /dev/sdb corruption_errs 2"));
  EXPECT_THAT(told(parse_btrfs_stats("/srv", "[devid:2].write_io_errs 0\n[<missing disk>].write_io_errs 0\n")),
              ElementsAre("/srv degraded: a device is missing"));
  EXPECT_THAT(parse_btrfs_stats("/srv", "ERROR: not a btrfs filesystem: /srv\n"), IsEmpty());
}

TEST(StorageText, PathsToOneDisk) {
  EXPECT_THAT(told(parse_multipath("mpatha (3600508b4000156d700012000000b0000) dm-0 HP,HSV300\n"
                                   "size=50G features='1 queue_if_no_path' hwhandler='1 alua' wp=rw\n"
                                   "|-+- policy='service-time 0' prio=50 status=active\n"
                                   "| |- 3:0:0:1 sdb 8:16 active ready running\n"
                                   "| `- 4:0:0:1 sdd 8:48 failed faulty offline\n"
                                   "`-+- policy='service-time 0' prio=10 status=enabled\n"
                                   "  `- 3:0:1:1 sdc 8:32 active ready running\n"
                                   "data (36005) dm-3 IBM,2145\n"
                                   "size=1.0T features='0' hwhandler='0' wp=rw\n"
                                   "`-+- policy='round-robin 0' prio=0 status=enabled\n"
                                   "  `- 5:0:0:1 sde 8:64 failed faulty running\n")),
              ElementsAre("mpatha degraded: 2 of 3 paths", "data failing: 0 of 1 paths"));
  EXPECT_THAT(parse_multipath("DM multipath kernel driver not loaded\n"), IsEmpty());
}

TEST(StorageText, Mounts) {
  const auto mounts = parse_mount_lines(
      "25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro\n"
      "90 25 8:17 / /srv/a\\040b rw,relatime shared:40 - ext4 /dev/sdb1 ro,errors=remount-ro\n"
      "91 25 8:18 / /media ro,relatime shared:41 - ext4 /dev/sdb2 ro\n"
      "92 25 7:1 / /snap/x rw,nodev shared:42 - squashfs /dev/loop1 ro\n"
      "93 25 0:50 / /mnt/nas rw - nfs4 nas:/export rw,hard\n"
      "broken line\n\n");
  ASSERT_EQ(mounts.size(), 5u);
  EXPECT_FALSE(lost_its_writes(mounts[0]));
  EXPECT_EQ(mounts[1].point, "/srv/a b");
  EXPECT_TRUE(lost_its_writes(mounts[1]));
  EXPECT_FALSE(lost_its_writes(mounts[2]));
  EXPECT_FALSE(lost_its_writes(mounts[3]));
  EXPECT_TRUE(may_hang(mounts[4].type));
  EXPECT_FALSE(may_hang(mounts[0].type));
}

}  // namespace
}  // namespace belay::agent::inventory
