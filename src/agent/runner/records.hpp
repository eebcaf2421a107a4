#pragma once
// What this node remembers of its orders: the results of the newest, and which are still open.
#include <set>
#include <string>
#include <vector>

#include "agent/runner/state_paths.hpp"
#include "core/patchrun/fits.hpp"
#include "io/files.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

struct Records {
  std::vector<wire::OrderResult> results;  // the newest first
  std::set<std::string> open;              // without a result yet

  const wire::OrderResult* find(const std::string& id) const;
};

// What cannot be read is left out. Reads only.
Records read_records(const io::Files& files, const StatePaths& paths);

// How long earlier runs took, step by step.
std::vector<patchrun::PastRun> past_runs(const Records& records);

}  // namespace belay::agent
