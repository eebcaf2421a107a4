#include "agent/probes/probe_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::agent::probes {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kFailedUnits =
    "nginx.service              loaded    failed failed A high performance web server\n"
    "\xe2\x97\x8f srv-data\\x2dbig.mount loaded    failed failed /srv/data-big\n"
    "* gone.service             not-found failed failed gone.service\n";

TEST(FailedUnits, AreReadWithAndWithoutTheirMark) {
  EXPECT_THAT(parse_failed_units(kFailedUnits).value(),
              ElementsAre("gone.service", "nginx.service", "srv-data\\x2dbig.mount"));
  EXPECT_THAT(parse_failed_units("").value(), IsEmpty());
  EXPECT_THAT(parse_failed_units("\n").value(), IsEmpty());
}

TEST(FailedUnits, WhatIsNoneOfThemIsNoGoodNews) {
  for (const auto* text : {"Running in chroot, ignoring command 'list-units'\n", "0 loaded units listed.\n",
                           "nginx.service loaded\n", "nginx.service loaded active running A web server\n",
                           "nginx loaded failed failed x\n", "\xe2\x97\x8f\n", ".service loaded failed failed x\n"})
    EXPECT_EQ(parse_failed_units(text).ok() ? Code::internal : parse_failed_units(text).error().code(), Code::corrupt)
        << text;
}

TEST(UnitStates, StandInBlocksOfAnyOrder) {
  const auto units = parse_unit_states(
      "Id=mariadb.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\n"
      "SubState=auto-restart\nActiveState=activating\nLoadState=loaded\nId=app.service\n\n"
      "Id=none.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n");
  ASSERT_TRUE(units.ok()) << units.error().chain();
  ASSERT_EQ(units->size(), 3u);
  EXPECT_TRUE((*units)[0].is_up());
  EXPECT_EQ((*units)[0].id, "mariadb.service");
  EXPECT_FALSE((*units)[1].is_up());
  EXPECT_EQ((*units)[1].words(), "activating (auto-restart)");
  EXPECT_FALSE((*units)[2].is_up());
  EXPECT_EQ((*units)[2].words(), "not-found");
  EXPECT_THAT(parse_unit_states("").value(), IsEmpty());
  for (const auto* text : {"Id=a.service\n", "ActiveState=active\n", "Id=a.service\nActiveState=\n", "no property\n",
                           "Id=a.service\nActiveState=active\nNames=x\n"})
    EXPECT_FALSE(parse_unit_states(text).ok()) << text;
}

std::string counted(std::initializer_list<std::string_view> pieces) {
  JournalCounter counter;
  for (const auto piece : pieces) counter.feed(piece);
  const auto count = counter.count();
  return count.ok() ? std::to_string(*count) : "corrupt";
}

TEST(JournalCounter, CountsObjectsHoweverTheyAreCut) {
  EXPECT_EQ(counted({}), "0");
  EXPECT_EQ(counted({"{\"a\":1}\n{\"b\":2}\n"}), "2");
  EXPECT_EQ(counted({"{\"a\"", ":1}", "\n", "", "{\"b\":2}\n\n"}), "2");
  EXPECT_EQ(counted({"{\"a\":1}\n{\"b\""}), "corrupt") << "the second is not whole";
  EXPECT_EQ(counted({"-- No entries --\n"}), "corrupt");
  EXPECT_EQ(counted({"{\"a\":1\n"}), "corrupt");
}

TEST(Counts, AreWholeNumbersAndNothingElse) {
  EXPECT_EQ(parse_count("0").value(), 0u);
  EXPECT_EQ(parse_count("120").value(), 120u);
  for (const auto* text : {"", "-1", "1.5", "12 ", "1000000000001", "99999999999999999999"})
    EXPECT_FALSE(parse_count(text).ok()) << text;
}

constexpr const char* kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1058 1 00\n"
    "   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 1059 1 00\n"
    "   2: 0100007F:8A5D 0100007F:A43C 01 00000000:00000000 03:000011B2 00000000     0        0 0 3 00\n";
constexpr const char* kTcp6 =
    "  sl  local_address                         remote_address                        st tx_queue rx_queue\n"
    "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000\n";

TEST(Listening, IsStateTenOnly) {
  EXPECT_THAT(parse_listening(kTcp).value(), ElementsAre(22, 5432));
  EXPECT_THAT(parse_listening(kTcp6).value(), ElementsAre(80));
  const std::string header(kTcp, 100);
  for (const auto& text : {std::string(), std::string("no table\n"), header.substr(0, header.find('\n') + 1) + "x\n",
                           header.substr(0, header.find('\n') + 1) + " 0: 00000000:16 0:0 0A\n",
                           header.substr(0, header.find('\n') + 1) + " 0: 00000000:0016 0:0 listen\n",
                           header.substr(0, header.find('\n') + 1) + " 0: 0000000000:0016 0:0 0A\n"})
    EXPECT_FALSE(parse_listening(text).ok()) << text;
}

TEST(Ports, AreKeptAsRanges) {
  EXPECT_EQ(write_ports({22, 80, 8000, 8001, 8002, 65'534, 65'535}).value(), "22,80,8000-8002,65534-65535");
  EXPECT_EQ(write_ports({}).value(), "");
  EXPECT_THAT(read_ports("22,80,8000-8002").value(), ElementsAre(22, 80, 8000, 8001, 8002));
  EXPECT_THAT(read_ports("").value(), IsEmpty());
  EXPECT_EQ(read_ports("0-65535").value().size(), 65'536u);
  for (const auto* text : {"a", "22,", ",22", "22-", "80-22", "65536", "1-2-3", " 22"})
    EXPECT_FALSE(read_ports(text).ok()) << text;
  PortSet scattered;
  for (std::uint32_t port = 1; port < 65'535; port += 2) scattered.insert(static_cast<std::uint16_t>(port));
  EXPECT_EQ(write_ports(scattered).error().code(), Code::resource_exhausted);
}

TEST(Load, IsReadInHundredths) {
  EXPECT_EQ(parse_load_percent("8.38 8.54 5.09 5/101 27517\n").value(), 838u);
  EXPECT_EQ(parse_load_percent("0.00 0.01 0.05 1/100 1\n").value(), 0u);
  EXPECT_EQ(parse_load_percent("120.07 1.00 1.00 1/100 1\n").value(), 12'007u);
  for (const auto* text : {"", "\n", "8", "8.3", "8.383", "-8.38", "8.x8", ".38"})
    EXPECT_FALSE(parse_load_percent(text).ok()) << text;
}

TEST(Cpus, AreThoseOnline) {
  EXPECT_EQ(count_cpus_online("cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\ncpu11 1 2 3\nintr 5\n").value(), 3u);
  EXPECT_FALSE(count_cpus_online("cpu  1 2 3\nintr 5\n").ok());
  EXPECT_FALSE(count_cpus_online("").ok());
}

TEST(FileSystem, IsTheOneThatCoversThePath) {
  const std::string mounts =
      "/dev/vda1 / ext4 rw 0 0\n"
      "server:/export /srv nfs4 rw 0 0\n"
      "/dev/vdb /srv/local xfs rw 0 0\n"
      "/dev/vdc /srv/two\\040words btrfs rw 0 0\n"
      "tmpfs /srv/local tmpfs rw 0 0\n";
  EXPECT_EQ(file_system_of("/", mounts).value(), "ext4");
  EXPECT_EQ(file_system_of("/srv", mounts).value(), "nfs4");
  EXPECT_EQ(file_system_of("/srv/", mounts).value(), "nfs4");
  EXPECT_EQ(file_system_of("/srvx", mounts).value(), "ext4");
  EXPECT_EQ(file_system_of("/srv/local/a", mounts).value(), "tmpfs") << "mounted over the other";
  EXPECT_EQ(file_system_of("/srv/two words", mounts).value(), "btrfs");
  EXPECT_FALSE(file_system_of("/", "").ok());
  EXPECT_FALSE(file_system_of("/", "/dev/vda1 /\n").ok());
  for (const auto* type : {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuseblk", "9p", "ceph", "autofs"})
    EXPECT_TRUE(may_hang(type)) << type;
  for (const auto* type : {"ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "vfat"})
    EXPECT_FALSE(may_hang(type)) << type;
}

}  // namespace
}  // namespace belay::agent::probes
