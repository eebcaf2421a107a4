#include "core/backup/ways.hpp"

#include <algorithm>
#include <boost/describe/enum_to_string.hpp>

#include "base/json.hpp"
#include "core/backup/chains.hpp"
#include "core/backup/proven.hpp"

namespace belay::backup {
namespace {

bool logs_count(const Ways& ways) {
  const auto& watch = ways.known.watch;
  if (!watch || !watch->recoverable_to || !ways.known.plan.source.logs) return false;
  if (watch->plan_id != ways.known.plan_id || *watch->recoverable_to > ways.now + kClockTolerance) return false;
  const bool told = std::any_of(watch->findings.begin(), watch->findings.end(),
                                [](const Finding& finding) { return finding.what == "log-gap"; });
  return !told || !watch->log_gaps.empty();
}

// Newest first; of the same moment what is nearer: the plan's own vault, then originals.
bool comes_before(const RecoveryPoint* a, const RecoveryPoint* b, const std::string& near) {
  if (a->made.taken_at != b->made.taken_at) return a->made.taken_at > b->made.taken_at;
  if ((a->vault == near) != (b->vault == near)) return a->vault == near;
  if (a->copy_of.empty() != b->copy_of.empty()) return a->copy_of.empty();
  return a->point_id < b->point_id;
}

}  // namespace

std::string canonical_text(const Proof& proof) { return json::encode_text(proof); }

Ways::Ways(const Known& known_in, Instant now_in) : known(known_in), now(now_in) {
  const Chains chains(known.points);
  for (const RecoveryPoint& point : known.points)
    if (point.plan_id == known.plan_id && point.node_id == known.node_id && !is_dated_ahead(point, now) &&
        chains.whole(point))
      points.push_back(&point);
  std::sort(points.begin(), points.end(),
            [&](const auto* a, const auto* b) { return comes_before(a, b, known.plan.vault); });
  for (const auto* point : points) {
    const Instant reached = reach(*point);
    if (!to || reached > *to) to = reached, from = point;
  }
}

Instant Ways::reach(const RecoveryPoint& point) const {
  const Instant taken = std::min(point.made.taken_at, now);
  if (point.vault != known.plan.vault || !logs_count(*this)) return taken;
  Instant end = std::min(*known.watch->recoverable_to, now);
  for (const LogGap& gap : known.watch->log_gaps) {
    if (taken <= gap.from) end = std::min(end, gap.from);
    else if (taken < gap.until) return taken;
  }
  return std::max(taken, end);
}

bool Ways::counts(const RecoveryPoint& point) const {
  return std::any_of(points.begin(), points.end(), [&](const auto* one) { return one == &point; });
}

const RecoveryPoint* Ways::point(std::string_view point_id) const {
  for (const RecoveryPoint& point : known.points)
    if (point.point_id == point_id && point.state != PointState::gone) return &point;
  return nullptr;
}

const VaultSpec* Ways::vault(std::string_view name) const {
  for (const VaultSpec& vault : known.vaults)
    if (vault.name == name) return &vault;
  return nullptr;
}

bool Ways::is_offsite(std::string_view vault_name) const {
  const auto* found = vault(vault_name);
  return found && found->offsite;
}

bool Ways::is_restore(const Proof& proof) const {
  return is_ours(proof) && proof.passed && proof.level && *proof.level >= ProofLevel::P3 &&
         proof.at <= now + kClockTolerance;
}

std::string Ways::against(const Proof& proof) const {
  if (!is_ours(proof)) return "it is of another plan or node";
  if (!proof.passed || !proof.level) return "it did not pass" + (proof.why.empty() ? "" : ": " + proof.why);
  if (proof.at > now + kClockTolerance) return "it is dated in the future";
  const auto* proven = point(proof.point_id);
  if (!proven) return "its point " + proof.point_id + " is gone";
  if (!counts(*proven)) {
    const bool available = proven->state == PointState::available;
    return "its point " + proof.point_id + " is " +
           (available ? std::string("not whole any more") : boost::describe::enum_to_string(proven->state, ""));
  }
  if (const auto* failed = failed_since(proof, known.proofs))
    return "a later test of its point failed" + (failed->why.empty() ? "" : ": " + failed->why);
  return "";
}

const Proof* Ways::newest(ProofLevel level, bool offsite) const {
  const Proof* found = nullptr;
  for (const Proof& proof : known.proofs) {
    if (!proof.level || *proof.level < level || (found && proof.at <= found->at) || !counts(proof)) continue;
    if (offsite && (!proof.offsite || !is_offsite(point(proof.point_id)->vault))) continue;
    found = &proof;
  }
  return found;
}

std::string text_of(ProofLevel level, bool offsite) {
  return std::string(boost::describe::enum_to_string(level, "")) + (offsite ? "x" : "");
}

const RecoveryPoint* pick_point(const Known& known, std::size_t turn, std::uint64_t random, Pick* picked) {
  const Ways ways(known, Instant::max() - kClockTolerance);
  std::vector<const RecoveryPoint*> near, far;
  for (const auto* point : ways.points) (ways.is_offsite(point->vault) ? far : near).push_back(point);
  if (near.empty()) near = far;
  std::vector<Pick> picks = known.plan.prove.pick;
  if (picks.empty()) picks = {Pick::newest};
  const std::size_t round = turn / picks.size();
  for (std::size_t i = 0; i < picks.size(); ++i) {
    const Pick pick = picks[(turn + i) % picks.size()];
    const auto& points = pick == Pick::offsite ? far : near;
    if (points.empty()) continue;
    if (picked) *picked = pick;
    const bool any = pick == Pick::random || (pick == Pick::offsite && round % 2 == 1);
    if (any) return points[random % points.size()];
    return pick == Pick::oldest ? points.back() : points.front();
  }
  return nullptr;
}

}  // namespace belay::backup
