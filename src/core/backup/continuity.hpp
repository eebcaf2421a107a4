#pragma once
// Gaps in logs that are named in sequence. The engines do not report them: a gap in the middle of an archive lets a
// restore end early, and succeed (facts of pgBackRest 2.45; PostgreSQL manual, WAL internals; MariaDB manual, binary
// log).
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace belay::backup {

struct Gap {
  std::string after, before;  // the names that are there on both sides
  std::uint64_t missing = 0;
};

// PostgreSQL: 24 hex digits (timeline, log, segment), with or without "-<sha1>.gz" after them; history files
// "0000000N.history" and ".partial", ".backup" names are passed over. In any order; a timeline may begin where an
// earlier one was left (its history file names the switch, which the caller hands in as `switches`: timeline → first
// segment). `segment_bytes`: 16 MiB unless the server says otherwise.
std::vector<Gap> wal_gaps(std::span<const std::string> names, std::uint64_t segment_bytes = 16u << 20);

// MariaDB and MySQL: "<base>.000123". Names of another base are another sequence.
std::vector<Gap> binlog_gaps(std::span<const std::string> names);

}  // namespace belay::backup
