#pragma once
// Points, proofs and what is known of a plan, made shortly.
#include <random>
#include <string>
#include <vector>

#include "core/backup/posture.hpp"
#include "core/schedule/test_zones.hpp"

namespace belay::backup {

using schedule::at;
using schedule::zone;

inline constexpr Duration kMinute{60'000}, kHour{3'600'000}, kDay{24 * 3'600'000};

// `id` is its reference, too.
inline RecoveryPoint point_of(std::string id, std::string_view taken, std::vector<std::string> needs = {}) {
  RecoveryPoint point;
  point.point_id = id;
  point.plan_id = "bp-1";
  point.node_id = "mi-1";
  point.vault = "nas";
  point.made.reference = std::move(id);
  point.made.type = needs.empty() ? BackupType::full : BackupType::incremental;
  point.made.needs = std::move(needs);
  point.made.taken_at = point.recorded_at = at(taken);
  point.made.begun_at = point.made.taken_at - kMinute;
  point.made.bytes_source = 1'000'000'000;
  return point;
}

inline RecoveryPoint proven(RecoveryPoint point, ProofLevel level = ProofLevel::P5) {
  point.proven = level;
  point.proven_at = point.made.taken_at + kHour;
  point.proof_id = "pr-" + point.point_id;
  return point;
}

inline RecoveryPoint in_state(RecoveryPoint point, PointState state) {
  point.state = state;
  return point;
}

inline RecoveryPoint in_vault(RecoveryPoint point, std::string vault) {
  point.vault = std::move(vault);
  return point;
}

inline Proof proof_of(std::string id, const RecoveryPoint& point, std::string_view when,
                      ProofLevel level = ProofLevel::P5) {
  Proof proof;
  proof.proof_id = std::move(id);
  proof.point_id = point.point_id;
  proof.plan_id = point.plan_id;
  proof.node_id = point.node_id;
  proof.vault = point.vault;
  proof.level = proof.wanted = level;
  proof.passed = true;
  proof.at = at(when);
  if (level >= ProofLevel::P3) proof.time_to_restore = 11 * kMinute;
  return proof;
}

inline VaultSpec vault_of(std::string name, VaultKind kind, std::string site, bool offsite) {
  VaultSpec vault;
  vault.name = std::move(name);
  vault.kind = kind;
  vault.site = std::move(site);
  vault.offsite = offsite;
  return vault;
}

// A PostgreSQL plan with a NAS and an offsite copy, a point in each, nothing proven, no logs.
inline Known known_of(std::vector<RecoveryPoint> points, std::vector<Proof> proofs = {}) {
  Known known;
  known.plan_id = "bp-1";
  known.node_id = "mi-1";
  known.plan.name = "pg-prod";
  known.plan.source.engine = EngineName::pgbackrest;
  known.plan.vault = "nas";
  known.plan.schedule.timezone = "Europe/Berlin";
  known.plan.prove.level = ProofLevel::P5;
  known.plan.prove.checks.push_back({});
  known.plan.prove.checks.back().sql = "select 1";
  known.points = std::move(points);
  known.proofs = std::move(proofs);
  known.vaults = {vault_of("nas", VaultKind::mount, "dc1", false), vault_of("s3", VaultKind::s3, "", true)};
  return known;
}

inline WatchReport logs_to(std::string_view end, std::vector<LogGap> gaps = {}) {
  WatchReport watch;
  watch.plan_id = "bp-1";
  watch.at = watch.recoverable_to.emplace(at(end));
  watch.log_gaps = std::move(gaps);
  return watch;
}

}  // namespace belay::backup
