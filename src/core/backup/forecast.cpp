#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include "core/backup/ways.hpp"

namespace belay::backup {
namespace {

constexpr std::size_t kProofsMax = 3;
constexpr Duration kReplayMeasured{60'000};           // less than this tells nothing of how fast logs are replayed
constexpr Duration kReplayWorthTelling{15 * 60'000};  // of logs on top of what was measured
constexpr Duration kCopyAgeMax{32LL * 24 * 3600 * 1000};
constexpr double kDurationMsMax = 1e13;  // three centuries; past that it is "too long" anyway

std::vector<const Proof*> measured(const Ways& ways, bool offsite) {
  std::vector<const Proof*> found;
  for (const Proof& proof : ways.known.proofs) {
    const bool timed = proof.time_to_restore && proof.time_to_restore->count() > 0;
    const auto* point = ways.point(proof.point_id);
    if (!timed || !point || !ways.is_restore(proof)) continue;
    if (offsite && (!proof.offsite || !ways.is_offsite(point->vault))) continue;
    found.push_back(&proof);
  }
  std::sort(found.begin(), found.end(),
            [](const auto* a, const auto* b) { return a->at != b->at ? a->at > b->at : a->proof_id > b->proof_id; });
  return found;
}

// The newest three of the vault that one would go back by; where none is of it, of the newest one's.
void keep_one_vault(std::vector<const Proof*>& proofs, const Ways& ways) {
  const auto vault_of = [&](const Proof* proof) { return ways.point(proof->point_id)->vault; };
  std::string vault = vault_of(proofs.front());
  if (ways.from && std::any_of(proofs.begin(), proofs.end(), [&](auto* p) { return vault_of(p) == ways.from->vault; }))
    vault = ways.from->vault;
  std::erase_if(proofs, [&](const auto* proof) { return vault_of(proof) != vault; });
  if (proofs.size() > kProofsMax) proofs.resize(kProofsMax);
}

struct Growth {
  double bytes = 1, logs = 1;
  bool bytes_known = false;
  Duration logs_not_measured{};
};

// From when `proof` was made to a restore of `target`, up to `to`.
Growth growth_of(const Proof& proof, const RecoveryPoint& then, const RecoveryPoint& target, Instant to) {
  Growth growth;
  growth.bytes_known = then.made.bytes_source > 0 && target.made.bytes_source > 0;
  if (growth.bytes_known)
    growth.bytes =
        std::max(1.0, static_cast<double>(target.made.bytes_source) / static_cast<double>(then.made.bytes_source));
  growth.logs = growth.bytes;
  const Duration replay_now = std::max(Duration(0), Duration(to - target.made.taken_at));
  const Duration replay_then =
      proof.restored_to ? std::max(Duration(0), Duration(*proof.restored_to - then.made.taken_at)) : Duration(0);
  const bool phase = std::any_of(proof.phases.begin(), proof.phases.end(),
                                 [](const Phase& one) { return one.name == "recover" && one.took.count() > 0; });
  if (phase && replay_then >= kReplayMeasured)
    growth.logs = std::max(1.0, static_cast<double>(replay_now.count()) / static_cast<double>(replay_then.count()));
  else if (replay_now - replay_then > kReplayWorthTelling) growth.logs_not_measured = replay_now - replay_then;
  return growth;
}

Duration scaled(const Proof& proof, const Growth& growth) {
  double recover = 0;
  for (const Phase& phase : proof.phases)
    if (phase.name == "recover") recover += static_cast<double>(std::max(phase.took, Duration(0)).count());
  const auto whole = static_cast<double>(proof.time_to_restore->count());
  recover = std::min(recover, whole);
  const double ms = (whole - recover) * growth.bytes + recover * growth.logs;
  return Duration(static_cast<std::int64_t>(std::min(ms, kDurationMsMax)));
}

std::string times(double ratio, const char* what) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.1f times the %s", ratio, what);
  return text.data();
}

std::string basis_of(std::size_t proofs, const Growth& growth) {
  std::string text = std::to_string(proofs) + (proofs == 1 ? " proof, " : " proofs, ");
  text += growth.bytes_known ? times(growth.bytes, "bytes") : "the bytes not known";
  if (growth.logs > growth.bytes) text += ", " + times(growth.logs, "logs");
  if (growth.logs_not_measured.count() > 0)
    text += ", and the replay of " + humanize(growth.logs_not_measured) + " of logs, which no proof measured";
  return text;
}

// The failure domain of a vault; "" is that of the live data.
std::string domain_of(const VaultSpec& vault) {
  if (!vault.site.empty()) return "site " + vault.site;
  switch (vault.kind) {
    case VaultKind::local: return "";
    case VaultKind::sftp: return "host " + (vault.sftp ? vault.sftp->host : "");
    case VaultKind::s3: return "S3 " + (vault.s3 ? vault.s3->endpoint + " " + vault.s3->region : "");
    case VaultKind::rest: return "REST " + (vault.rest ? vault.rest->url : "");
    case VaultKind::mount: return "a mount without a site";
    case VaultKind::removable: return "removable drives";
    case VaultKind::tape: return "tapes";
  }
  return "";
}

bool has_recent_copy(const Ways& ways, const std::string& vault) {
  return std::any_of(ways.points.begin(), ways.points.end(), [&](const auto* point) {
    return point->vault == vault && ways.now - point->made.taken_at <= kCopyAgeMax;
  });
}

}  // namespace

Forecast forecast(const Ways& ways, bool offsite, std::optional<Duration>* newest) {
  Forecast made;
  auto proofs = measured(ways, offsite);
  if (proofs.empty()) {
    made.basis = "no restore of a point that is still there had its time measured";
    return made;
  }
  keep_one_vault(proofs, ways);
  const std::string& vault = ways.point(proofs.front()->point_id)->vault;
  std::vector<Duration> all;
  for (const Proof* proof : proofs) {
    const auto* then = ways.point(proof->point_id);
    // What one would restore: by the way to the newest moment, or the newest point of this vault.
    const RecoveryPoint* target = then;
    const auto found = std::find_if(ways.points.begin(), ways.points.end(), [&](auto* p) { return p->vault == vault; });
    if (ways.from && ways.from->vault == vault) target = ways.from;
    else if (found != ways.points.end()) target = *found;
    const auto growth = growth_of(*proof, *then, *target, target == ways.from ? *ways.to : target->made.taken_at);
    all.push_back(scaled(*proof, growth));
    if (proof != proofs.front()) continue;
    made.logs_not_measured = growth.logs_not_measured;
    made.basis = basis_of(proofs.size(), growth);
  }
  if (newest) *newest = proofs.front()->time_to_restore;
  const Duration of_newest = all.front();
  std::sort(all.begin(), all.end());
  made.time_to_restore = std::max(of_newest, all[all.size() / 2]);
  return made;
}

CopiesRule copies_rule(const Ways& ways) {
  std::set<std::string> domains{""}, offsite, vaults;
  std::string which = "the live data";
  for (const VaultSpec& vault : ways.known.vaults) {
    if (!vaults.insert(vault.name).second || !has_recent_copy(ways, vault.name)) continue;
    const std::string domain = domain_of(vault);
    if (vault.offsite && !domain.empty()) offsite.insert(domain);
    const bool is_new = domains.insert(domain).second;
    which += ", " + vault.name + (vault.offsite ? " (offsite)" : "");
    if (!is_new) which += domain.empty() ? " (on the node's own disks: no copy more)" : " (same " + domain + ")";
  }
  CopiesRule rule;
  rule.copies = rule.sites = static_cast<std::uint32_t>(domains.size());
  rule.offsite = static_cast<std::uint32_t>(offsite.size());
  rule.holds = rule.copies >= 3 && rule.sites >= 2 && rule.offsite >= 1;
  rule.why = std::to_string(rule.copies) + " of 3 copies, " + std::to_string(rule.offsite) + " offsite: " + which;
  if (!rule.holds)
    rule.why += std::string("; give the plan `copies` into a vault ") +
                (rule.offsite == 0 ? "that is offsite" : "at another site");
  return rule;
}

}  // namespace belay::backup
