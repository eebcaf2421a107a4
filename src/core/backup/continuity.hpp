#pragma once
// Gaps in logs that are named in sequence. The engines do not report them: a gap in the middle of an archive lets a
// restore end early, and succeed (seen with pgBackRest 2.45 and PostgreSQL 15: the server promotes at the gap, status
// 0). Where there is one, what can be given back from the points before it ends at it: WatchReport::log_gaps.
//
// Sources: PostgreSQL manual, "WAL Internals" and "Continuous Archiving" (timelines); its XLogFileName and
// IsXLogFileName (access/xlog_internal.h): "%08X%08X%08X" of timeline, segment / (4 GiB / segment size) and segment %
// that, upper-case; a new timeline begins with the segment in which the old one was left, under its own name. MariaDB
// and MySQL manuals, "The Binary Log": base, dot, a number of six digits, more once it needs them.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace belay::backup {

struct Gap {
  std::string after, before;  // the names that are there on both sides, of WAL without what follows the 24 digits
  std::uint64_t missing = 0;  // files
  bool operator==(const Gap&) const = default;
};

// As a history file tells: "0000000N.history", last line "parent <tab> switch point <tab> reason".
struct TimelineSwitch {
  std::uint32_t timeline = 0, parent = 0;
  std::uint64_t lsn = 0;  // of the switch point: "0/5000098" is 0x5000098
};

// PostgreSQL: 24 hex digits (timeline, log, segment), with or without "-<sha1>", ".gz", ".zst" and the like after them;
// ".partial" and ".backup" files are no whole segments and are passed over, as is what is no such name at all. In any
// order, twice or not. A timeline of which `switches` tells must begin in the segment of its switch point and its
// parent must reach the one before; what the parent has beyond is a branch nobody goes back to. One of which nothing is
// told may begin anywhere its predecessor was, or right behind it. `segment_bytes`: a power of two from 1 MiB to 1 GiB,
// else it counts as 16 MiB. What is missing before the first name and after the last cannot be seen here. By timeline,
// then in sequence.
std::vector<Gap> wal_gaps(std::span<const std::string> names, std::uint64_t segment_bytes = 16u << 20,
                          std::span<const TimelineSwitch> switches = {});

// MariaDB and MySQL: "<base>.000123". Names of another base are another sequence; what is no such name ("….index") is
// passed over. By base, then in sequence.
std::vector<Gap> binlog_gaps(std::span<const std::string> names);

}  // namespace belay::backup
