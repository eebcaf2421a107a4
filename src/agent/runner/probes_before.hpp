#pragma once
// How healthy the node was before its newest committed run with probes, and before the newest one whose rollback
// failed: what is ordered later to take such a run back is measured by it.
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/runner/state_paths.hpp"
#include "core/patchrun/machine.hpp"
#include "io/files.hpp"

namespace belay::agent {

struct ProbesBefore {
  std::string run_id;
  std::vector<patchrun::ProbeSpec> probes;
  patchrun::Gate gate;
  std::vector<patchrun::ProbeResult> before;  // one each, with what a later reading is compared with
};
BOOST_DESCRIBE_STRUCT(ProbesBefore, (), (run_id, probes, gate, before))

// Of a run that commits, or whose rollback failed: each has a place of its own; a run without probes leaves what is
// there. Durable; may be repeated.
Status keep_probes_before(io::Files& files, const StatePaths& paths, const patchrun::RunState& run);
// Nothing where none are kept, or of another run, or unreadably so.
std::optional<ProbesBefore> probes_before(const io::Files& files, const StatePaths& paths, const std::string& run_id);

}  // namespace belay::agent
