#pragma once
// The journal of one patch run: its state, on disk before the act it announces.
#include <optional>
#include <string>

#include "agent/runner/state_paths.hpp"
#include "core/patchrun/machine.hpp"
#include "io/files.hpp"

namespace belay::agent {

class RunJournal {
 public:
  RunJournal(io::Files& files, StatePaths paths, std::string run_id);

  // Nothing where the run was never begun. corrupt or unsupported where it cannot be understood: then nothing may be
  // done.
  Result<std::optional<patchrun::RunState>> load() const;
  // Durable when it returns. A full disk is met with a reserve that was set aside by reserve_space().
  Status save(const patchrun::RunState& state);
  // Before the first change, while there is room.
  Status reserve_space();
  void release_space();

 private:
  io::Files& files_;
  StatePaths paths_;
  std::string run_id_;
};

}  // namespace belay::agent
