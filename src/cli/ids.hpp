#pragma once
// Ids of the command line, checked here, so that a wrong one is told by its name and not by the server's length limits.
#include <string>

#include "base/result.hpp"

namespace belay::cli {

enum class IdKind {
  baseline,
  change_set,
  command,
  activation,
  window,
  automation,
  rollout,
  quarantine,
  exception,
  point,
  proof,
  backup_job
};

// The word itself, or an error that says what such an id looks like and which command lists them.
Result<std::string> checked_id(IdKind kind, const std::string& word);

}  // namespace belay::cli
