#pragma once
// Inside of spec.cpp, spec_rings.cpp and spec_probes.cpp: how members of the file are read.
#include <string>
#include <string_view>
#include <vector>

#include "core/document/place.hpp"
#include "core/rollout/spec.hpp"

namespace belay::rollout::parts {

using document::Place;
using document::Reader;

// `class`, `proof` and `restoreData` as they stand together, of the rollout and of a ring.
struct Protection {
  std::optional<patchrun::ReversibilityClass> least;  // of R3: R2
  std::optional<backup::Demand> proof;
  bool restore_data = false;
};
// R3 without `proof` demands kProofOfR3; what `proof` leaves out is as `otherwise` has it, else as kProofOfR3. A ring
// (`otherwise` is the rollout's) that says neither keeps the rollout's demand, and so does one with a class alone: a
// demand ends by `proof: none`, and with it what would restore data.
Protection read_class_and_proof(const Place& place, const Protection& otherwise);
RingSpec read_ring(const Place& place, const Protection& otherwise);
patchrun::ProbeSpec read_probe(const Place& place);
patchrun::Gate read_gate(const Place& place);

}  // namespace belay::rollout::parts
