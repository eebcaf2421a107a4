#pragma once
// What a verdict rests on, as kept for ever under its hash: the scan and sets by name, the rules by version, and every
// row that is not plainly fine. With the sets and the baseline's generation, which are kept too, it can be replayed.
// It says nothing that grows by itself (no age, no time of judging: that is the verdict's), so that the same judgement
// has the same hash whenever it is made, and what is judged now can be compared with what stands in the audit log.
#include <cstdint>
#include <string>

#include "store/store.hpp"

namespace belay::server {
struct Judgement;
struct VerdictContext;
std::string evidence_text(const Judgement& judgement);  // canonical JSON

// Appends the verdict with its evidence, and no entry in the audit log: that is the caller's, who may tell many in one.
struct KeptVerdict {
  std::int64_t sequence = 0;
  std::string evidence_hash;
};
Result<KeptVerdict> keep_verdict(store::Sql& sql, const Judgement& judgement, const VerdictContext& context);
}  // namespace belay::server
