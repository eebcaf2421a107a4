#pragma once
// Debian changelogs (deb-changelog(5)): what an update says of itself, where the repository's lists say nothing. Pure;
// the text may be hostile, cut off or in no known encoding.
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace belay::agent::apt {

inline constexpr std::size_t kChangelogBytesMax = 1u << 20;  // what is beyond is not read: the newest comes first
inline constexpr std::size_t kChangelogEntriesMax = 300;
inline constexpr std::size_t kChangelogIdsMax = 2'000;  // of one text, and of one update

struct ChangelogEntry {
  std::string version;               // of the source; of the binary in a rebuild's own entry
  std::string urgency;               // "low", "medium", "high", "emergency" or "critical"; "" where it is another word
  std::optional<Instant> date;       // of the trailer line
  std::vector<std::string> cve_ids;  // sorted, each once; as written, so "revert the fix of CVE-…" counts as well
  std::vector<std::string> advisory_ids;  // DSA-…, DLA-…, USN-…, likewise
};
BOOST_DESCRIBE_STRUCT(ChangelogEntry, (), (version, urgency, date, cve_ids, advisory_ids))

// Newest first, as in the text. Lines that belong to no entry are passed over; nothing of an entry is guessed.
std::vector<ChangelogEntry> parse_changelog(std::string_view text);

// A package's version, and that of the source it was built from: "1.0.9-2+b6" of "1.0.9-2".
struct BuiltVersion {
  std::string binary, source;
};

struct UpdateNotes {
  std::string severity;  // the highest urgency, as a severity is written: "High"
  std::vector<std::string> cve_ids, advisory_ids;
  std::optional<Instant> released_at;  // the date of the offered version's entry, unless it lies in the future
};

// What the entries from `offered` down to `installed`, not included, say together. Without `installed`: the offered
// version's own entry alone. nullopt: the text is not of the offered version, or has nothing that is newer.
std::optional<UpdateNotes> notes_of(const std::vector<ChangelogEntry>& entries, const BuiltVersion& offered,
                                    const std::optional<BuiltVersion>& installed, Instant now);

}  // namespace belay::agent::apt
