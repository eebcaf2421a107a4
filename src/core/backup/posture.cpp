#include "core/backup/posture.hpp"

#include <algorithm>
#include <boost/describe/enum_to_string.hpp>

#include "core/backup/ways.hpp"
#include "core/schedule/schedule.hpp"

namespace belay::backup {
namespace {

constexpr std::size_t kReasonsOfAKindMax = 10;

class Judging {
 public:
  Judging(const Known& known, const schedule::ZoneRules& zone, Instant now)
      : known_(known), zone_(zone), ways_(known, now) {}

  Posture answer() {
    figures();
    objectives();
    newest_backup();
    proofs();
    points();
    copies();
    findings();
    heard();
    made_.verdict = made_.reasons.empty() ? Verdict::COMPLIANT : Verdict::NON_COMPLIANT;
    made_.sentence = sentence(ways_, made_, zone_);
    return std::move(made_);
  }

 private:
  std::string run_it() const { return "`belay backup run " + known_.plan.name + "`"; }
  std::string prove_it() const { return "`belay backup prove " + known_.plan.name + "`"; }
  std::string clock(Instant at) const { return time_of_day(zone_, at, ways_.now); }
  void against(std::string reason) { made_.reasons.push_back(std::move(reason)); }

  void figures() {
    made_.plan_id = known_.plan_id;
    made_.plan_name = known_.plan.name;
    made_.node_id = known_.node_id;
    made_.recoverable_to = ways_.to;
    if (ways_.to) made_.rpo = ways_.now - *ways_.to;
    made_.forecast = forecast(ways_, false, &made_.rto);
    made_.copies = copies_rule(ways_);
    for (const RecoveryPoint& point : known_.points) {
      if (point.state == PointState::gone) continue;
      ++made_.points;
      if (point.state == PointState::suspect || point.state == PointState::quarantined) ++made_.suspect;
    }
    // What reaches the plan's level, else a restore, else whatever was proven.
    const Proof* shown = ways_.newest(std::max(known_.plan.prove.level, ProofLevel::P3), false);
    if (!shown) shown = ways_.newest(ProofLevel::P3, false);
    if (!shown) shown = ways_.newest(ProofLevel::P0, false);
    if (!shown) return;
    made_.proven = shown->level;
    made_.proven_offsite = shown->offsite && ways_.is_offsite(ways_.point(shown->point_id)->vault);
    made_.proven_at = shown->at;
    made_.proof_id = shown->proof_id;
  }

  void objectives() {
    const auto [rpo, rto] = known_.plan.objectives;
    if (!ways_.to) against("nothing can be given back: " + run_it());
    else if (rpo.count() > 0 && *made_.rpo > rpo)
      against("RPO of " + humanize(rpo) + " missed since " + clock(*ways_.to + rpo) +
              ": the newest moment that can be given back is " + clock(*ways_.to) + ": " + run_it());
    if (rto.count() <= 0) return;
    const Forecast& expected = made_.forecast;
    const std::string objective = "RTO of " + humanize(rto);
    if (!expected.time_to_restore) against(objective + " is not proven: " + expected.basis + ": " + prove_it());
    else if (*expected.time_to_restore > rto)
      against(objective + (*made_.rto > rto ? " missed" : " will be missed") + ": a restore takes " +
              humanize(*expected.time_to_restore) + " (" + expected.basis + ")");
    else if (expected.logs_not_measured.count() > 0)
      against(objective + " is not proven: a restore takes " + humanize(*expected.time_to_restore) + " (" +
              expected.basis + "): " + run_it());
  }

  // Whatever the older points are worth.
  void newest_backup() {
    if (known_.backup_trouble.empty()) return;
    const auto at = known_.backup_trouble_at;
    against(known_.backup_trouble + (at ? " (" + clock(*at) + ")" : "") + ": see `belay backup jobs --plan " +
            known_.plan.name + "`, then " + run_it());
  }

  // A node that has something to watch and is silent: what it would have found is not known.
  void heard() {
    std::optional<Instant> first, newest;
    for (const RecoveryPoint& point : known_.points) {
      first = std::min(first.value_or(point.recorded_at), point.recorded_at);
      newest = std::max(newest.value_or(point.recorded_at), point.recorded_at);
    }
    for (const Proof& proof : known_.proofs) newest = std::max(newest.value_or(proof.at), proof.at);
    if (!first || ways_.now - *newest > kWatchedFor) return;
    const bool ours = known_.watch && known_.watch->plan_id == known_.plan_id;
    const Instant since = ours ? known_.watch->at : *first;
    if (ways_.now - since > kWatchStaleAfter)
      against("its node was not heard of since " + clock(since) +
              ", and so not what it watches: is its agent running, and its clock right? See `belay nodes`");
  }

  void proofs() {
    const ProofLevel wanted = known_.plan.prove.level;
    const Proof* found = ways_.newest(wanted, false);
    if (!found) against("no proof of " + text_of(wanted, false) + " that counts: " + prove_it());
    else if (two_tests_went_by(found->at))
      against("the newest proof of " + text_of(wanted, false) + " is " + humanize(ways_.now - found->at) +
              " old, and two tests were due since: " + prove_it());
    const Proof* test = newest_test();
    if (test && !test->passed)
      against("the restore test of " + clock(test->at) + " failed" + (test->why.empty() ? "" : ": " + test->why));
  }

  const Proof* newest_test() const {
    const Proof* newest = nullptr;
    for (const Proof& proof : known_.proofs)
      if (ways_.is_ours(proof) && (!newest || proof.at > newest->at)) newest = &proof;
    return newest;
  }

  // A schedule that cannot be read was refused when the plan was: then nothing is due.
  bool two_tests_went_by(Instant proven_at) const {
    const auto schedule =
        schedule::parse_schedule({known_.plan.prove.schedule, known_.plan.schedule.timezone, {}, {}, {}}, proven_at);
    if (known_.plan.prove.schedule.empty() || !schedule.ok()) return false;
    const auto first = schedule::next(*schedule, zone_, proven_at);
    const auto second = first ? schedule::next(*schedule, zone_, *first) : std::nullopt;
    return second && *second + known_.plan.schedule.start_within < ways_.now;
  }

  void points() {
    std::size_t told = 0;
    for (const RecoveryPoint& point : known_.points) {
      // What lies in a vault that the plan left is counted on by nobody who wants it whole.
      const bool odd =
          is_used(point.vault) && (point.state == PointState::suspect || point.state == PointState::quarantined ||
                                   point.state == PointState::damaged);
      if (!odd || ++told > kReasonsOfAKindMax) continue;
      against("point " + point.point_id + " of " + clock(point.made.taken_at) + " in " + point.vault + " is " +
              boost::describe::enum_to_string(point.state, "") + (point.why.empty() ? "" : ": " + point.why.front()));
    }
    if (told > kReasonsOfAKindMax)
      against("and " + std::to_string(told - kReasonsOfAKindMax) + " points more like these");
  }

  bool is_used(std::string_view vault) const {
    return vault == known_.plan.vault || std::any_of(known_.plan.copies.begin(), known_.plan.copies.end(),
                                                     [&](const CopySpec& copy) { return copy.vault == vault; });
  }

  void copies() {
    for (const CopySpec& copy : known_.plan.copies)
      if (std::none_of(ways_.points.begin(), ways_.points.end(), [&](auto* p) { return p->vault == copy.vault; }))
        against("no copy that counts is in " + copy.vault + ": " +
                (copy.schedule.empty() ? run_it() : "its next copy is due by " + copy.schedule));
  }

  void findings() {
    for (const VaultSpec& vault : known_.vaults)
      if (auto old = secrets_problem(vault, ways_.now); !old.empty()) against("key-expires: " + old);
    if (!known_.watch || known_.watch->plan_id != known_.plan_id) return;
    for (const Finding& finding : known_.watch->findings) against(finding.what + ": " + finding.detail);
  }

  const Known& known_;
  const schedule::ZoneRules& zone_;
  const Ways ways_;
  Posture made_;
};

}  // namespace

Posture posture(const Known& known, const schedule::ZoneRules& zone, Instant now) {
  return Judging(known, zone, now).answer();
}

}  // namespace belay::backup
