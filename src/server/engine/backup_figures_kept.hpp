#pragma once
// What backup_figures.hpp keeps between two reads, and how it is written. Inside of it.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/backup/agenda.hpp"

namespace belay::server {

struct NodeFigures {
  std::optional<Instant> newest_point, recoverable_to, proven_at;
  std::optional<std::uint64_t> level;
  std::optional<bool> rpo_met, rto_met;  // absent: no objective
  bool compliant = false;
  std::uint64_t points = 0, suspicious = 0, log_gaps = 0;
  std::map<std::string, backup::Tally> tallies;
};
struct PlanFigures {
  std::string name;
  std::uint64_t covered = 0;
  std::vector<std::pair<std::string, NodeFigures>> nodes;  // by id
  std::optional<NodeFigures> rest;                         // of all others
  std::map<std::string, std::uint64_t> findings;           // nodes that have it
};
struct VaultFigures {
  std::optional<std::uint64_t> bytes_free;
  std::optional<bool> reachable;
};
struct BackupFiguresKept {
  std::vector<PlanFigures> plans;
  std::map<std::string, VaultFigures> vaults;
  std::int64_t uncovered = 0;
};

std::string figures_text(const BackupFiguresKept& kept, Instant now);

}  // namespace belay::server
