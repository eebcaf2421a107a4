#pragma once
// Undoing the last run of this node by hand, where no server can order it: an order of the node's own, made of what its
// own records say was changed.
#include <string>
#include <vector>

#include "agent/runner/order_book.hpp"

namespace belay::agent {

struct Undo {
  std::string run_id;     // the run that is undone
  Instant finished_at{};  // when it ended
  // The run that undoes it: the same id for as long as that has not ended, so that asking twice goes on with one run.
  std::string order_id;
  bool begun = false;
  std::vector<fleet::PackageChange> changes;  // what it does: from what is there now to what was there before
};

// The newest run that changed packages, was committed and was not undone already. not_found where no record (of the
// newest 100 orders) names one. Reads only.
Result<Undo> plan_undo(const io::Files& files, const StatePaths& paths);

// Lays the order for it where the agent keeps those it has accepted; from then on it is carried through, by whoever
// comes first. May be repeated.
Status accept_undo(io::Files& files, const StatePaths& paths, const Undo& undo, patchrun::Reboot reboot, Instant now);

}  // namespace belay::agent
