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

std::optional<patchrun::ReversibilityClass> reversibility_class(const Place& place, std::string_view field);
RingSpec read_ring(const Place& place);
patchrun::ProbeSpec read_probe(const Place& place);
patchrun::Gate read_gate(const Place& place);

}  // namespace belay::rollout::parts
