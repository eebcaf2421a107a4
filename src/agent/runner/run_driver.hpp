#pragma once
// Drives one patch run through core/patchrun: saves each state durably, then performs its action, until it is finished.
#include <functional>
#include <string>

#include "agent/runner/journal.hpp"
#include "agent/runner/run_actions.hpp"
#include "core/patchrun/machine.hpp"

namespace belay::agent {

class RunDriver {
 public:
  RunDriver(RunTools tools, StatePaths paths) : tools_(std::move(tools)), paths_(std::move(paths)) {}

  // Begins the run, or goes on with one that was interrupted, and brings it to its end. One that had ended returns at
  // once. The caller holds the run lock. An error means that the journal cannot be read or written: nothing was done
  // that it does not announce, and calling again later goes on.
  Result<patchrun::RunState> run(const std::string& run_id, const patchrun::PatchRunOrder& order, Instant expires_at);

 private:
  Result<patchrun::Decision> first_decision(RunJournal& journal, const std::string& run_id,
                                            const patchrun::PatchRunOrder& order, Instant expires_at);
  Happened perform(const patchrun::Decision& decision);
  bool is_cancelled(const patchrun::RunState& run) const;

  RunTools tools_;
  StatePaths paths_;
};

}  // namespace belay::agent
