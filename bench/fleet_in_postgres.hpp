#pragma once
// The same question as a join in PostgreSQL, in a private cluster that is made for it and removed again.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "made_fleet.hpp"

namespace belay::bench {

struct PostgresAnswer {
  std::vector<std::uint32_t> missing;  // of each sampled node
  double cpu_s = 0;                    // of the backend, for the join alone
};

// approved[baseline][patch]. Installed packages and patches go in with the version's rank, already in dpkg's order, so
// that the join compares whole numbers: the best that SQL can be given. nullopt with the reason where it cannot run.
std::optional<PostgresAnswer> missing_in_postgres(const MadeFleet& fleet,
                                                  const std::vector<std::vector<bool>>& approved, std::uint32_t nodes,
                                                  std::string& why_not);

}  // namespace belay::bench
