#pragma once
// The ways back that there are on one node by one plan: what the gate, the posture and the drills all look at, by the
// rules in posture.hpp. Of this room.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/backup/posture.hpp"

namespace belay::backup {

// Looks at `known` and keeps no copy of it: it must outlive this.
class Ways {
 public:
  Ways(const Known& known, Instant now);

  const Known& known;
  const Instant now;
  // Points that count, newest first; of the same moment those of the plan's own vault before copies.
  std::vector<const RecoveryPoint*> points;
  // The point to go back by for the newest moment, and that moment. Neither where no point counts.
  const RecoveryPoint* from = nullptr;
  std::optional<Instant> to;

  // How far this point leads, with its logs; its own moment at least.
  Instant reach(const RecoveryPoint& point) const;
  bool counts(const RecoveryPoint& point) const;
  bool counts(const Proof& proof) const { return against(proof).empty(); }
  // Why it does not count; "" where it does.
  std::string against(const Proof& proof) const;
  // Of those that count and reach `level` (x, where `offsite`): the newest. nullptr where there is none.
  const Proof* newest(ProofLevel level, bool offsite) const;
  const RecoveryPoint* point(std::string_view point_id) const;  // of all that are known
  const VaultSpec* vault(std::string_view name) const;
  bool is_offsite(std::string_view vault_name) const;
  bool is_ours(const Proof& proof) const { return proof.plan_id == known.plan_id && proof.node_id == known.node_id; }
  // A restore that was seen to work, whatever became of its point.
  bool is_restore(const Proof& proof) const;
};

// `offsite`: only from x proofs.
Forecast forecast(const Ways& ways, bool offsite, std::optional<Duration>* newest = nullptr);
CopiesRule copies_rule(const Ways& ways);
std::string sentence(const Ways& ways, const Posture& posture, const schedule::ZoneRules& zone);

// "P5x"
std::string text_of(ProofLevel level, bool offsite);
// "14:02"; "2026-11-22 14:02" where that is not today, by the clock on the wall.
std::string time_of_day(const schedule::ZoneRules& zone, Instant at, Instant now);
// Never less than it is: "45 seconds", "11 minutes", "3 hours 20 minutes".
std::string at_most(Duration duration);
// Never more than it is: "less than a minute", "5 hours", "3 days".
std::string at_least(Duration duration);

}  // namespace belay::backup
