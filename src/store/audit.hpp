#pragma once
// The audit log: every entry carries the hash of the one before it. Append in the transaction of the change it tells
// of. hash = sha256_hex of the canonical JSON
// {"action","actor","at"(ms),"detail","previous_hash","resource","sequence"}; the first entry's previous_hash is 64
// zeros.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::audit {

inline constexpr std::size_t kDetailBytesMax = 64u << 10;

struct Entry {
  std::int64_t sequence = 0;  // 1, 2, 3, … without a gap; set by append()
  Instant at{};
  std::string actor{};   // principal, node id, or "belayd"
  std::string action{};  // "ssm:CreatePatchBaseline", "node:enroll", …
  std::string resource{};
  std::string detail = "{}";            // JSON text, kept as its canonical form; never a secret
  std::string previous_hash{}, hash{};  // set by append()
};

Status append(Sql& sql, const Entry& entry);
struct Filter {
  std::string actor{}, action{}, resource{};  // "" does not filter
  std::optional<Instant> from{}, before{};
  bool oldest_first = false;
};
Result<Listed<Entry>> list(Sql& sql, const Filter& filter, const Page& page);

struct Head {
  std::int64_t sequence = 0;  // 0: nothing was ever appended
  std::string hash{};
};
Result<Head> head(Sql& sql);

struct Verification {
  std::int64_t checked = 0;
  std::int64_t last_sequence = 0;
  std::string last_hash{};
  std::optional<std::int64_t> broken_at{};  // sequence of the first entry that does not fit
  std::string why{};  // "entry 7 was changed", "entry 9 is missing", "the newest entries are gone"
};
// Checks entries [from, to] (to = 0: to the end, and that nothing was cut off there). Call repeatedly for a long log:
// at most `entries_max` are checked, then go on from last_sequence + 1.
Result<Verification> verify(Sql& sql, std::int64_t from = 1, std::int64_t to = 0, std::int64_t entries_max = 100'000);

}  // namespace belay::store::audit
