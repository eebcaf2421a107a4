#include <algorithm>
#include <boost/describe/enum_to_string.hpp>

#include "core/backup/ways.hpp"

namespace belay::backup {
namespace {

std::string old(Duration age) { return humanize(std::max(age, Duration(0))) + " old"; }

// One answer to one demand. Each part adds at most one reason.
class Gate {
 public:
  Gate(const Known& known, const Demand& demand, Instant now) : ways_(known, now), demand_(demand) {}

  Provable answer() {
    point();
    proof();
    time_to_restore();
    made_.holds = made_.reasons.empty();
    if (blocked_) made_.needs_backup = made_.needs_proof = false;
    return std::move(made_);
  }

 private:
  const PlanSpec& plan() const { return ways_.known.plan; }
  std::string run_it() const { return "`belay backup run " + plan().name + "`"; }
  std::string prove_it() const {
    return "`belay backup prove " + plan().name + " --level " + text_of(level_to_prove(plan(), demand_.level), false) +
           (demand_.offsite ? " --offsite" : "") + "`";
  }

  void needs_backup(std::string why) {
    made_.needs_backup = true;
    made_.reasons.push_back(why + ": " + run_it());
  }
  void needs_proof(std::string why) {
    made_.needs_proof = true;
    made_.reasons.push_back(why + ": " + prove_it());
  }
  // Neither mends it; `what_to_do` is for a person.
  void needs_somebody(const std::string& why, const std::string& what_to_do) {
    blocked_ = true;
    made_.reasons.push_back(why + ": " + what_to_do);
  }

  void point() {
    if (ways_.from) made_.point_id = ways_.from->point_id;
    else
      return needs_backup(ways_.known.points.empty() ? "there is no recovery point"
                                                     : "none of the recovery points can be counted on");
    const Duration age = ways_.now - *ways_.to;
    if (demand_.point_within.count() > 0 && age > demand_.point_within)
      needs_backup("the newest moment that can be given back is " + old(age) + ", and at most " +
                   humanize(demand_.point_within) + " is allowed" + after_gap());
  }

  // Why the logs do not lead further, where they are there.
  std::string after_gap() const {
    const auto& watch = ways_.known.watch;
    if (!watch || ways_.from->vault != plan().vault) return "";
    const bool ends_there = std::any_of(watch->log_gaps.begin(), watch->log_gaps.end(),
                                        [&](const LogGap& gap) { return gap.from == *ways_.to; });
    return ends_there ? " (logs are missing from there on)" : "";
  }

  void proof() {
    const Proof* found = ways_.newest(demand_.level, demand_.offsite);
    if (found && ways_.now - found->at <= demand_.proven_within) {
      made_.proof_id = found->proof_id;
      return;
    }
    const std::string wanted = text_of(demand_.level, demand_.offsite);
    const std::string why = found ? "the newest proof of " + wanted + " or above is " + old(ways_.now - found->at) +
                                        ", and at most " + humanize(demand_.proven_within) + " is allowed"
                                  : why_no_proof(wanted);
    if (const std::string what_to_do = out_of_reach(); !what_to_do.empty()) return needs_somebody(why, what_to_do);
    needs_proof(why);
  }

  std::string why_no_proof(const std::string& wanted) const {
    const Proof* newest = nullptr;
    for (const Proof& proof : ways_.known.proofs) {
      if (!ways_.is_ours(proof) || (newest && proof.at <= newest->at)) continue;
      const bool enough = proof.level && *proof.level >= demand_.level && (!demand_.offsite || proof.offsite);
      if (enough || !proof.passed) newest = &proof;
    }
    if (!newest) return "nothing was ever proven to " + wanted;
    const std::string against = ways_.against(*newest);
    return "no proof of " + wanted + " counts: of " + newest->proof_id + ", " +
           (against.empty() ? "the point is not offsite any more" : against);
  }

  // Why no new proof would reach what is asked, as what to do about it; "" where one may. Tells when a backup must come
  // first.
  std::string out_of_reach() {
    if (std::string what_to_do = level_out_of_reach(); !what_to_do.empty()) return what_to_do;
    if (!demand_.offsite || has_offsite_point()) return "";
    const auto& vaults = ways_.known.vaults;
    if (std::none_of(vaults.begin(), vaults.end(), [](const VaultSpec& vault) { return vault.offsite; }))
      return "plan " + plan().name + " has no offsite vault; add one to its `copies`";
    if (!backup_goes_offsite())
      return "no point is offsite yet, and copies are made by a schedule of their own; wait for it";
    made_.needs_backup = true;
    return "";
  }
  std::string level_out_of_reach() const {
    const auto& rules = engine_rules(plan().source.engine);
    const auto engine = std::string(text_of(rules.engine));
    const auto& checks = plan().prove.checks;
    if (demand_.level > rules.most)
      return engine + " can be proven to " + text_of(rules.most, false) + " at most; ask for that";
    const bool runs = std::any_of(checks.begin(), checks.end(), [](const Check& one) { return !one.command.empty(); });
    if (!rules.is_database && demand_.level >= ProofLevel::P4 && !runs)
      return engine + " restores no service: ask for P3, or give `prove.checks` of plan " + plan().name +
             " a command that starts what was restored";
    if (demand_.level == ProofLevel::P5 && checks.empty())
      return "P5 needs `prove.checks` in plan " + plan().name + ", and it has none";
    return "";
  }
  bool has_offsite_point() const {
    return std::any_of(ways_.points.begin(), ways_.points.end(),
                       [&](const auto* point) { return ways_.is_offsite(point->vault); });
  }
  bool backup_goes_offsite() const {
    return ways_.is_offsite(plan().vault) ||
           std::any_of(plan().copies.begin(), plan().copies.end(),
                       [&](const CopySpec& copy) { return copy.schedule.empty() && ways_.is_offsite(copy.vault); });
  }

  void time_to_restore() {
    if (demand_.rto.count() <= 0) return;
    std::optional<Duration> newest;
    const Forecast expected = forecast(ways_, demand_.offsite, &newest);
    const std::string allowed = ", and at most " + humanize(demand_.rto) + " is allowed";
    if (!expected.time_to_restore) {
      if (demand_.level < ProofLevel::P3)
        return needs_somebody(expected.basis + allowed, "ask for a proof of P3 or above, which measures it");
      if (const std::string what_to_do = out_of_reach(); !what_to_do.empty())
        return needs_somebody(expected.basis + allowed, what_to_do);
      return needs_proof(expected.basis + allowed);
    }
    const std::string takes =
        "a restore takes " + humanize(*expected.time_to_restore) + " (" + expected.basis + ")" + allowed;
    if (*expected.time_to_restore > demand_.rto && *newest > demand_.rto)
      return needs_somebody(takes, "make the restore faster (a nearer vault, limits.processes), or allow more");
    if (*expected.time_to_restore > demand_.rto) return needs_proof(takes);
    // From a new point there are no logs to replay.
    if (expected.logs_not_measured.count() > 0) needs_backup(takes);
  }

  const Ways ways_;
  const Demand& demand_;
  Provable made_;
  bool blocked_ = false;
};

}  // namespace

ProofLevel level_to_prove(const PlanSpec& plan, ProofLevel wanted) {
  const bool service = engine_rules(plan.source.engine).is_database;
  return wanted == ProofLevel::P4 && !service ? ProofLevel::P5 : wanted;
}

Provable provable(const Known& known, const Demand& demand, Instant now) { return Gate(known, demand, now).answer(); }

}  // namespace belay::backup
