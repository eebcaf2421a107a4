#pragma once
// Whether the verdicts in the store are still what the audit log told of them (rejudge.hpp has its entries). The chain
// itself is store/audit.hpp's.
#include <cstdint>
#include <optional>
#include <string>

#include "store/store.hpp"

namespace belay::server {

struct VerdictCheck {
  std::int64_t verdicts = 0;              // that were looked at
  std::optional<std::int64_t> broken_at;  // sequence of the first entry that told something else
  std::string why;
  std::string next;  // where to go on; "" at the end
};

struct VerdictQuestion {
  std::int64_t from = 1, to = 0;  // sequences of entries; to = 0: the end
  bool evidence = false;  // also read each verdict's evidence and scan, and compare what they say: some tenths of a
                          // millisecond each
  std::string after;      // VerdictCheck::next
};

// Looks at the next thousand entries. Each verdict that they tell must be there, of that node and time, with that
// compliance, baseline and evidence hash; with `evidence`, the evidence must be there whole and say the verdict's
// baseline, compliance and counts, and the scan it names must be the one it describes. May be repeated.
Result<VerdictCheck> check_verdicts(store::Sql& sql, const VerdictQuestion& question);

}  // namespace belay::server
