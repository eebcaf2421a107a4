#pragma once
// `belay-agent scan`: this machine, judged against the predefined baseline of its system, without a server.
#include <string>
#include <vector>

#include "agent/packages/package_manager.hpp"
#include "base/result.hpp"
#include "core/baseline/evaluate.hpp"
#include "core/fleet/facts.hpp"

namespace belay {

struct LocalScan {
  fleet::NodeFacts machine;
  std::size_t processes_unseen = 0;  // of which `machine` cannot tell whether they need a restart; the caller's to set
  std::string baseline_id, baseline_name;
  Instant observed_at{};
  std::vector<agent::RepositoryState> repositories;
  bool judged = false;  // false: the problems say why not, and every count is only a lower bound
  baseline::PatchCounts counts;
  std::vector<baseline::PatchVerdict> missing;    // wanted and not installed
  std::vector<baseline::PatchVerdict> held_back;  // known security updates that the baseline does not approve yet
  std::vector<fleet::Problem> problems;
};

// Needs no root, waits for no lock, and asks the network only where `refresh` is set.
Result<LocalScan> scan_locally(agent::PackageManager& packages, fleet::NodeFacts machine, Instant now, bool refresh);

std::string to_table(const LocalScan& scan);  // for people
std::string to_json(const LocalScan& scan);

}  // namespace belay
