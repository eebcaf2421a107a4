#pragma once
// The managed hosts: who they are, when they were last heard of, which certificates are theirs.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/facts.hpp"
#include "store/store.hpp"
#include "store/tags.hpp"

namespace belay::store::nodes {

enum class NodeState { active, deregistered };
BOOST_DESCRIBE_ENUM(NodeState, active, deregistered)

struct Node {
  std::string node_id{};  // "mi-…" or "i-…"
  std::string name{};     // given at activation, else the computer name at enrolment
  NodeState state = NodeState::active;
  std::string operating_system{};  // SSM's word: DEBIAN, UBUNTU, … ; "" where none fits
  std::string agent_version{};
  std::string activation_id{};
  std::string iam_role{};
  std::string address{};  // where it last came from
  Instant registered_at{};
  std::optional<Instant> last_seen_at{};
  std::optional<Instant> deregistered_at{};
  std::optional<Instant> clone_seen_at{};  // two machines used this identity at once
  std::string clone_address{};             // where the other one was, "" where that is not known
  std::uint64_t order_counter = 0;         // of the newest order made for it
  fleet::NodeFacts facts{};
};

// What lists of many nodes need: no facts are read.
struct Brief {
  std::string node_id{}, name{};
  NodeState state = NodeState::active;
  std::string operating_system{}, os_name{}, os_version{};
  Instant registered_at{};
  std::optional<Instant> last_seen_at{}, deregistered_at{};
  bool reboot_required = false;
};
Brief brief_of(const Node& node);

struct Seen {  // from ≤ last seen < before; a node never heard of counts as before everything
  std::optional<Instant> from{}, before{};
};

// Members are AND, the values of one are OR; what is empty does not filter.
struct NodeFilter {
  std::vector<std::string> node_ids{}, names{}, operating_systems{}, os_names{}, os_versions{}, agent_versions{},
      activation_ids{}, iam_roles{};
  std::vector<std::string> names_or_ids{};  // as an operator types them
  std::vector<Seen> seen{};                 // PingStatus, in the caller's bounds
  std::vector<tags::TagFilter> tags{};
  std::vector<std::string> association_statuses{}, association_details{};  // the worst of its associations; any of them
  bool include_deregistered = false;
  bool only_in_doubt = false;  // suspected clones
};

// already_exists where the id is taken. facts give the columns that are searched.
Status create(Sql& sql, const Node& node);
// not_found where there is none. A deregistered node is still found: its history stays.
Result<Node> get(Sql& sql, std::string_view node_id);
// In the order of their ids; unknown ids are absent.
Result<std::vector<Node>> get_many(Sql& sql, std::span<const std::string> node_ids);
Result<Listed<Node>> list(Sql& sql, const NodeFilter& filter, const Page& page);
// The same, narrow.
Result<std::vector<Brief>> get_briefs(Sql& sql, std::span<const std::string> node_ids);
Result<Listed<Brief>> list_briefs(Sql& sql, const NodeFilter& filter, const Page& page);
// Ids alone, for targets of commands. Pages may hold up to 1,000.
Result<Listed<std::string>> list_ids(Sql& sql, const NodeFilter& filter, const Page& page);
Result<std::int64_t> count(Sql& sql, const NodeFilter& filter);

// What changed of the node itself. not_found where there is none; may be repeated.
Status set_facts(Sql& sql, std::string_view node_id, const fleet::NodeFacts& facts, std::string_view operating_system,
                 std::string_view agent_version);
Status set_name(Sql& sql, std::string_view node_id, std::string_view name);
Status set_iam_role(Sql& sql, std::string_view node_id, std::string_view iam_role);
// Also revokes every certificate and cancels what is queued for it. May be repeated; not_found where unknown.
Status deregister(Sql& sql, std::string_view node_id, Instant at);

// ---- heartbeats: one transaction for a batch; time never goes back; unknown nodes are passed over
struct Touch {
  std::string node_id{};
  Instant at{};
};
Status touch_many(Sql& sql, std::span<const Touch> touches);

// ---- sessions: what is needed to tell a clone from a reconnect
struct Session {
  std::string instance_nonce{}, boot_id{}, address{};
  Instant at{};
  std::string earlier_nonce{};  // of the answer only: the nonce that was used before this session's
};
// Keeps the new one and returns the one before it (all empty where there was none). permission_denied
// "node-deregistered"; not_found.
Result<Session> begin_session(Sql& sql, std::string_view node_id, const Session& session);
Status mark_clone(Sql& sql, std::string_view node_id, Instant at, std::string_view other_address);
Status clear_clone(Sql& sql, std::string_view node_id);  // may be repeated

// ---- certificates
struct Certificate {
  std::string serial_hex{};
  std::string node_id{};
  Instant issued_at{}, expires_at{};
  std::optional<Instant> revoked_at{};
};
// already_exists where the serial is known.
Status add_certificate(Sql& sql, const Certificate& certificate);
// unauthenticated "certificate-unknown" / "certificate-revoked" / "certificate-expired" / "node-deregistered"; else the
// node's id.
Result<std::string> authenticate(Sql& sql, std::string_view serial_hex, Instant now);
Result<std::vector<Certificate>> certificates(Sql& sql, std::string_view node_id);
Status revoke_certificate(Sql& sql, std::string_view serial_hex, Instant at);
// Every certificate of the node but `keep_serial_hex` ("" keeps none).
Status revoke_certificates(Sql& sql, std::string_view node_id, Instant at, std::string_view keep_serial_hex = {});
// Revoked at or after `since`, oldest first: what a server closes connections of.
Result<Listed<Certificate>> revoked_since(Sql& sql, Instant since, const Page& page);

}  // namespace belay::store::nodes
