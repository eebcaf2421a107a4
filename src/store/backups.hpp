#pragma once
// Vaults, backup plans, what a plan knows of each of its nodes, recovery points, jobs, and proofs. What is secret about
// a vault is sealed at rest and comes out of one function alone.
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/backup/agenda.hpp"
#include "core/backup/posture.hpp"
#include "store/store.hpp"

namespace belay::store::backups {

// ---- vaults
struct Vault {
  std::string name{};
  std::string content{};  // the file as it was given
  backup::VaultSpec spec{};
  std::string key_fingerprint{};  // SHA-256 of its key, 64 hex digits: tells whether an escrow file is of this vault
  std::string created_by{};
  Instant created_at{}, updated_at{};
  std::optional<Instant> escrowed_at{}, escrow_checked_at{};
};
// `key`: 32 bytes that all repositories' keys are made from. Both in clear in memory, sealed at rest.
struct VaultSecrets {
  std::string key{};
  std::map<std::string, std::string> access{};  // "accessKey" → …
};
Status create_vault(Sql& sql, const Vault& vault, const VaultSecrets& secrets);  // already_exists
Result<Vault> get_vault(Sql& sql, std::string_view name);                        // not_found
Result<VaultSecrets> vault_secrets(Sql& sql, std::string_view name);             // not_found, corrupt
// Everything but name, key and creation; `access` where there is one. not_found.
Status update_vault(Sql& sql, const Vault& vault, const std::optional<std::map<std::string, std::string>>& access);
Status remove_vault(Sql& sql, std::string_view name);           // not_found
Result<Listed<Vault>> list_vaults(Sql& sql, const Page& page);  // by name

// ---- plans
struct Plan {
  std::string plan_id{};  // "bp-" + 17 hex
  std::string name{};
  std::string state = "Active";  // "Active", "Paused", "Retired"
  std::int64_t version = 1;
  std::string content{};
  backup::PlanSpec spec{};
  std::string created_by{};
  Instant created_at{}, updated_at{};
};
Status create_plan(Sql& sql, const Plan& plan);                  // already_exists where an unretired one has the name
Result<Plan> get_plan(Sql& sql, std::string_view plan_id);       // not_found
Result<Plan> plan_named(Sql& sql, std::string_view name_or_id);  // an unretired one by name, any by id
Status update_plan(Sql& sql, const Plan& plan);                  // state, version, content, spec, updated_at. not_found
Result<Listed<Plan>> list_plans(Sql& sql, bool retired_too, const Page& page);  // by name

// ---- a plan's nodes
struct Member {
  std::string plan_id{}, node_id{};
  Instant joined_at{};
  std::optional<Instant> left_at{};  // it is a target no more
  std::optional<Instant> look_at{};
  backup::Progress progress{};
  std::optional<backup::WatchReport> watch{};
  std::string verdict{};  // the newest, "" before
};
Status put_members(Sql& sql, std::span<const Member> members);  // all but the watch
// The newest watch of a node; ok where it is no member (any more).
Status put_watch(Sql& sql, std::string_view node_id, const backup::WatchReport& watch);
Result<Member> get_member(Sql& sql, std::string_view plan_id, std::string_view node_id);  // not_found
Result<std::vector<Member>> members_of(Sql& sql, std::string_view plan_id);               // all, those that left too
Result<std::vector<Member>> members_due(Sql& sql, std::string_view plan_id, Instant now, std::uint32_t limit);
Result<std::optional<Instant>> next_look(Sql& sql, std::string_view plan_id);
Result<std::vector<Member>> plans_of_node(Sql& sql, std::string_view node_id);  // that it is a member of now

// ---- recovery points
Status add_points(Sql& sql,
                  std::span<const backup::RecoveryPoint> points);  // one with the same reference there: passed over
// Whether a point of this reference was ever there, gone or not.
Result<bool> has_reference(Sql& sql, std::string_view plan_id, std::string_view node_id, std::string_view vault,
                           std::string_view reference);
Result<backup::RecoveryPoint> get_point(Sql& sql, std::string_view point_id);  // not_found; with fingerprints
// All but ids and what was made. not_found.
Status update_point(Sql& sql, const backup::RecoveryPoint& point);
// Of one plan and node, newest first, those gone left out, without fingerprints. "" any vault.
Result<std::vector<backup::RecoveryPoint>> points_of(Sql& sql, std::string_view plan_id, std::string_view node_id,
                                                     std::string_view vault = {});
struct PointFilter {
  std::string plan_id{}, node_id{}, vault{};
  std::vector<std::string> states{};  // empty: all but gone
};
Result<Listed<backup::RecoveryPoint>> list_points(Sql& sql, const PointFilter& filter,
                                                  const Page& page);  // newest first, brief
Result<std::int64_t> count_points(Sql& sql, std::string_view vault);  // not gone

// ---- jobs
struct Job {
  backup::Job job{};
  std::string state =
      "Pending";  // "Pending", "Sent", "Running", "Succeeded", "Partial", "Failed", "Cancelled", "Expired"
  std::string why{};
  std::string order_id{};
  std::string requested_by{};
  std::string reason{};  // "schedule", "by hand", "gate of ro-…", "retention", "after bj-…"
  Instant created_at{};
  std::optional<Instant> begun_at{}, finished_at{};
  std::string progress{};  // what the node last said, for a person
  std::optional<backup::JobReport> report{};
};
Status create_job(Sql& sql, const Job& job);                                           // already_exists
Result<Job> get_job(Sql& sql, std::string_view job_id);                                // not_found
Status update_job(Sql& sql, const Job& job);                                           // not_found
Status note_progress(Sql& sql, std::string_view order_id, std::string_view progress);  // ok where there is no such job
// Oldest first. "" on any node.
Result<std::vector<Job>> open_jobs(Sql& sql, std::string_view plan_id, std::string_view node_id);
Result<std::optional<Job>> job_of_order(Sql& sql, std::string_view order_id);
struct JobFilter {
  std::string plan_id{}, node_id{};
  std::vector<std::string> tasks{}, states{};
};
Result<Listed<Job>> list_jobs(Sql& sql, const JobFilter& filter,
                              const Page& page);  // newest first, without job and report
// Forgets jobs that ended before; at most `limit`. Returns how many.
Result<std::int64_t> forget_jobs(Sql& sql, Instant before, std::uint32_t limit);

// ---- proofs
struct SignedProof {
  backup::Proof proof{};
  std::string text{};       // canonical_text(proof): what was signed
  std::string signature{};  // base64, Ed25519
};
Status add_proof(Sql& sql, const SignedProof& proof);                // already_exists
Result<SignedProof> get_proof(Sql& sql, std::string_view proof_id);  // not_found
Result<std::vector<backup::Proof>> proofs_of(Sql& sql, std::string_view plan_id, std::string_view node_id,
                                             std::uint32_t limit = 100);  // newest first
struct ProofFilter {
  std::string plan_id{}, node_id{}, point_id{};
};
Result<Listed<SignedProof>> list_proofs(Sql& sql, const ProofFilter& filter, const Page& page);  // newest first

}  // namespace belay::store::backups
