#pragma once
// What a verdict rests on, as kept for ever under its hash: the scan and sets by name, the rules by version, and every
// row that is not plainly fine. With the sets and the baseline's generation, which are kept too, it can be replayed.
#include <string>

namespace belay::server {
struct Judgement;
std::string evidence_text(const Judgement& judgement);  // canonical JSON
}  // namespace belay::server
