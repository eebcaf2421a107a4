#pragma once
// Frozen change sets: the exact versions that a rollout ships, signed by its approvers. Never changed once made.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::change_sets {

// What nodes with one (package set, offer set) get.
struct Part {
  std::string package_set_hash{}, offer_set_hash{};
  std::string changes = "[]";  // JSON text: fleet::PackageChange list
};
struct ChangeSet {
  std::string change_set_id{};  // "cs-…"
  std::string name{}, description{};
  std::string content{};  // canonical JSON text: what is hashed, signed and shown
  std::string sha256{};   // of content
  std::string baseline_id{};
  std::uint32_t baseline_generation = 0;
  Instant created_at{};
  std::string created_by{};
  std::vector<Part> parts{};
};
// One line of a list, from the first moment of planning on.
struct Summary {
  std::string change_set_id{}, name{}, description{};
  std::string status{}, status_details{};  // the caller's words
  std::string baseline_id{};
  Instant created_at{};
  std::string created_by{};
  std::optional<Instant> frozen_at{};
  std::string sha256{};                                               // "" before it is frozen
  std::optional<std::int64_t> nodes{}, packages{}, download_bytes{};  // absent: from before they were counted
};
struct Approval {
  std::string approver{}, key_id{}, signature{};  // signature over the bytes of `sha256`, base64
  Instant approved_at{};
};

// invalid_argument "hash-mismatch" where sha256 is not the content's; already_exists.
Status create(Sql& sql, const ChangeSet& change_set);
Result<ChangeSet> get(Sql& sql, std::string_view change_set_id);
// not_found where nodes with that set are not covered.
Result<Part> part(Sql& sql, std::string_view change_set_id, std::string_view package_set_hash,
                  std::string_view offer_set_hash);
// Keeps the newest line of it; name, baseline and who made it when never change.
Status summarize(Sql& sql, const Summary& summary);
// Newest first. No change set is read for it.
Result<Listed<Summary>> list(Sql& sql, const Page& page);
// The first approval of an approver stands. not_found.
Status approve(Sql& sql, std::string_view change_set_id, const Approval& approval);
Result<std::vector<Approval>> approvals(Sql& sql, std::string_view change_set_id);

}  // namespace belay::store::change_sets
