// Whatever lies in an archive: names of any bytes give gaps that are between names, ascend, and close when they are
// filled. The first byte chooses the segment size and whether switches are told.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "core/backup/continuity.hpp"

namespace {

using namespace belay;
using namespace belay::backup;

std::vector<TimelineSwitch> switches_of(const std::vector<std::string>& names) {
  std::vector<TimelineSwitch> switches;
  for (const auto& name : names)
    if (name.size() >= 6)
      switches.push_back({static_cast<std::uint8_t>(name[0]), static_cast<std::uint8_t>(name[1]),
                          static_cast<std::uint64_t>(static_cast<std::uint8_t>(name[2])) << (name[3] & 31)});
  return switches;
}

void check(const std::vector<Gap>& gaps, std::size_t names) {
  BELAY_ASSERT(gaps.size() <= 2 * names);
  for (const Gap& gap : gaps) BELAY_ASSERT(gap.missing > 0 && !gap.after.empty() && !gap.before.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::vector<std::string> names;
  for (const auto name : split(std::string_view(reinterpret_cast<const char*>(data), size).substr(1), '\n'))
    names.emplace_back(name);
  const std::uint64_t segment_bytes = std::uint64_t{1} << (data[0] & 63);
  const auto switches = data[0] & 128 ? switches_of(names) : std::vector<TimelineSwitch>();
  const auto wal = wal_gaps(names, segment_bytes, switches);
  check(wal, names.size());
  const auto binlogs = binlog_gaps(names);
  check(binlogs, names.size());
  // A name on one side of a gap is a name: of these alone the same gap is found.
  for (const Gap& gap : binlogs) BELAY_ASSERT(binlog_gaps(std::vector{gap.before, gap.after}) == std::vector{gap});
  if (switches.empty())
    for (const Gap& gap : wal)
      BELAY_ASSERT(wal_gaps(std::vector{gap.before, gap.after}, segment_bytes) == std::vector{gap});
  return 0;
}
