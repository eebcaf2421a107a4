#include "io/zone_files.hpp"

#include <gtest/gtest.h>

#include "tests/fakes/memory_files.hpp"

namespace belay::io {
namespace {

TEST(ZoneFiles, ReadsTheFileOfAName) {
  fakes::MemoryFiles disk;
  disk.put("/usr/share/zoneinfo/Etc/UTC", "TZif2");
  disk.put("/usr/share/zoneinfo/America/Argentina/Buenos_Aires", "TZif2…");
  disk.put("/usr/share/zoneinfo/zone.tab", "# text");
  disk.put("/usr/share/zoneinfo/notes", "text");
  disk.put("/etc/shadow", "TZif secret");
  EXPECT_EQ(read_zone_file(disk, "America/Argentina/Buenos_Aires").value(), "TZif2…");
  for (const auto* name : {"../../../etc/shadow", "Etc/../../../../etc/shadow", "/etc/shadow", "", "Etc//UTC", "Etc/",
                           "Etc/.UTC", "zone.tab", "1/2", "Etc/UTC\n", "+01:00"})
    EXPECT_EQ(read_zone_file(disk, name).error().code(), Code::invalid_argument) << name;
  for (const auto* name : {"Europe/Atlantis", "notes", "America"})
    EXPECT_EQ(read_zone_file(disk, name).error().code(), Code::not_found) << name;
}

TEST(ZoneFiles, SaysWhereTheSystemHasNone) {
  fakes::MemoryFiles disk;
  const auto read = read_zone_file(disk, "Europe/Berlin");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().reason(), "tzdata-missing");
}

}  // namespace
}  // namespace belay::io
