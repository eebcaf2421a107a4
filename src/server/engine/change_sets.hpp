#pragma once
// Change sets: the exact versions that a rollout ships, frozen. What a baseline wants comes from the verdicts; what
// that pulls in (a kernel's new package) is asked of one node of each distinct package set, which simulates it.
#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/fleet/package.hpp"
#include "server/engine/commands.hpp"
#include "store/change_sets.hpp"
#include "store/idempotency.hpp"
#include "store/store.hpp"

namespace belay::server {

enum class ChangeSetStatus { Planning, Ready, Failed };
BOOST_DESCRIBE_ENUM(ChangeSetStatus, Planning, Ready, Failed)

// What the nodes of one (package set, offer set) get.
struct ChangeSetPart {
  std::string package_set_hash, offer_set_hash;
  std::string operating_system;
  std::vector<std::string> node_ids;          // those it was planned for, at most 1,000 named
  std::string planned_by;                     // the node whose resolver was asked; "" where nothing is to be changed
  std::vector<fleet::PackageChange> changes;  // new dependencies have an empty from_version
  std::uint64_t download_bytes = 0;
  // The files of the from_versions (as to_version), as far as the archive still had them: what a way back is made of.
  std::vector<fleet::PackageChange> old_files{};
};
BOOST_DESCRIBE_STRUCT(ChangeSetPart, (),
                      (package_set_hash, offer_set_hash, operating_system, node_ids, planned_by, changes,
                       download_bytes, old_files))

struct ChangeSetView {
  std::string change_set_id;  // "cs-…"
  std::string name, description;
  ChangeSetStatus status = ChangeSetStatus::Planning;
  std::string status_details;  // why it failed, or what is waited for
  std::string baseline_id;     // "" where each part was planned under its own nodes' baseline
  Instant created_at{};
  std::string created_by;
  std::optional<Instant> frozen_at;
  std::string sha256;  // of the frozen content, "" before
  std::vector<ChangeSetPart> parts;
  std::vector<std::string> left_out;  // nodes that cannot be judged, versions in quarantine, each with its reason
};
BOOST_DESCRIBE_STRUCT(ChangeSetView, (),
                      (change_set_id, name, description, status, status_details, baseline_id, created_at, created_by,
                       frozen_at, sha256, parts, left_out))

// Those old files of a frozen change set that these changes replace: for PatchRunOrder.
std::vector<fleet::PackageChange> old_files_of(const ChangeSetView& view,
                                               const std::vector<fleet::PackageChange>& changes);

// What was planned for a node, by what its newest scan names. `exact`: its packages are those that the plan began at,
// so it gets that part and nothing else. Else the part that was planned for the node before its packages changed: its
// lines come before those of other parts. nullptr where it is covered by none, or by several that ship different
// versions.
struct OwnPart {
  const ChangeSetPart* part = nullptr;
  bool exact = false;
};
OwnPart own_part(const ChangeSetView& view, std::string_view node_id, std::string_view package_set_hash,
                 std::string_view offer_set_hash);
// All parts, that one first.
std::vector<const ChangeSetPart*> parts_for(const ChangeSetView& view, const OwnPart& own);
// Why neither is sent: two parts, none of them the node's own, lead one package to different versions or files.
std::string two_targets(const fleet::PackageChange& one, const fleet::PackageChange& other);

// Its line in a list.
store::change_sets::Summary summary_of(const ChangeSetView& view);

struct ClientToken {
  store::idempotency::Key key;
  std::string request_hash;
};
struct CreateChangeSetRequest {
  std::string name, description;
  std::vector<std::string> instance_ids;  // or `targets`
  std::vector<Target> targets;
  std::string baseline_id;  // "" : the one in force on each node
  std::string requested_by;
  std::optional<ClientToken> client_token{};           // the same twice, or twice at once, makes one change set
  std::optional<std::vector<std::string>> node_ids{};  // resolved already, in place of instance_ids and targets
  bool leave_out_unknown = false;                      // nodes that cannot be judged, in place of the conflict
};

class Judge;

class ChangeSets {
 public:
  ChangeSets(store::Store& store, const Clock& clock, Judge& judge) : store_(store), clock_(clock), judge_(judge) {}

  // Returns once the plan is begun (status Planning, or Ready where nothing is missing anywhere). conflict
  // "node-unknown" where a target cannot be judged (never scanned, stale, …): it names them. conflict
  // "idempotent-parameter-mismatch".
  Result<ChangeSetView> create(const CreateChangeSetRequest& request);
  Result<ChangeSetView> get(std::string_view change_set_id);
  // Newest first, planned and failed ones among them.
  Result<store::Listed<store::change_sets::Summary>> list(const store::Page& page);

 private:
  Result<ChangeSetView> get(store::Sql& sql, std::string_view change_set_id);
  // What the token made before.
  Result<std::optional<ChangeSetView>> made_before(store::Sql& sql, const CreateChangeSetRequest& request, Instant now);
  store::Store& store_;
  const Clock& clock_;
  Judge& judge_;
};

}  // namespace belay::server
