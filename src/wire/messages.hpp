#pragma once
// What agents and servers say to each other, over mutual TLS, as JSON text:
//   WebSocket at GET /agent/v1/link, one Envelope a message; or, as the fallback,
//   POST /agent/v1/exchange with an Exchange, answered (after at most 50 s) with an Exchange.
// Delivery is at least once in both directions; ids make the effect happen once. A message with a newer
// `version` is answered with `refused`, never guessed at. Unknown members are passed over.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/time.hpp"
#include "core/backup/job.hpp"
#include "core/document/run.hpp"
#include "core/document/steps.hpp"
#include "core/fleet/facts.hpp"
#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"
#include "core/inventory/report.hpp"
#include "core/patchrun/order.hpp"

namespace belay::wire {

inline constexpr std::uint32_t kProtocolVersion = 1;
inline constexpr std::size_t kMessageBytesMax = 16 << 20;
inline constexpr std::size_t kPackagesMax = 50'000;  // of one set; a node that says more is refused
inline constexpr std::size_t kOutputBytesMax = 256 << 10;
inline constexpr std::size_t kStepOutputsBytesMax = 4 << 20;

struct Envelope {
  std::uint32_t version = kProtocolVersion;
  std::string id;    // UUID made by the sender; the receiver acknowledges it after it is durable
  std::string type;  // the struct's name in snake case: "hello", "scan_report", …
  json::Value body;
};
BOOST_DESCRIBE_STRUCT(Envelope, (), (version, id, type, body))

struct Exchange {
  std::vector<Envelope> messages;
};
BOOST_DESCRIBE_STRUCT(Exchange, (), (messages))

// ---- either way
struct Ack {
  std::vector<std::string> ids;
};
BOOST_DESCRIBE_STRUCT(Ack, (), (ids))

struct Refused {
  std::string id;    // of the message refused
  std::string code;  // belay::name(Code)
  std::string message;
};
BOOST_DESCRIBE_STRUCT(Refused, (), (id, code, message))

// ---- agent to server
// One run of an association by its schedule. Server and node may both begin it: its order has the same id either way
// (own_run_name in codec.hpp), so it is one run.
struct AssociationDue {
  std::string association_id;
  std::int64_t version = 0;
  Instant due_at{};
  bool operator==(const AssociationDue&) const = default;
};
BOOST_DESCRIBE_STRUCT(AssociationDue, (), (association_id, version, due_at))

inline constexpr std::size_t kAssociationsMax = 100;  // that a node keeps for when it is cut off

struct Hello {  // first on every connection
  std::string agent_version;
  std::string boot_id;
  std::string
      instance_nonce;  // random, made at each agent start and kept while it runs: tells a clone from a reconnect
  std::string package_set_hash;  // newest reported, "" before the first scan
  fleet::NodeFacts facts;
  std::optional<std::string> associations_hash{};  // of the set it keeps, "" for none; absent: it knows of none
  std::vector<AssociationDue> taken_up{};          // of each of them, the newest run that this node took up
};
BOOST_DESCRIBE_STRUCT(Hello, (),
                      (agent_version, boot_id, instance_nonce, package_set_hash, facts, associations_hash, taken_up))

struct FactsReport {  // when something changed
  fleet::NodeFacts facts;
};
BOOST_DESCRIBE_STRUCT(FactsReport, (), (facts))

struct RepositorySeen {
  std::string name;
  std::string site;
  std::optional<Instant> released_at, valid_until, fetched_at;
};
BOOST_DESCRIBE_STRUCT(RepositorySeen, (), (name, site, released_at, valid_until, fetched_at))

// The sets are named; they travel only when the server asks (need_sets). A report whose sets the server does not
// have yet is kept and judged when they arrive.
struct ScanReport {
  std::string scan_id;   // UUID
  std::string order_id;  // "" for a scan of the agent's own
  Instant observed_at{};
  std::string package_set_hash;  // SHA-256 of the canonical JSON of the set, 64 hex digits
  std::string offer_set_hash;
  std::uint32_t packages = 0, offers = 0;
  std::vector<std::string> held;
  std::vector<RepositorySeen> repositories;
  std::vector<fleet::Problem> problems;
  fleet::NodeFacts facts;
};
BOOST_DESCRIBE_STRUCT(ScanReport, (),
                      (scan_id, order_id, observed_at, package_set_hash, offer_set_hash, packages, offers, held,
                       repositories, problems, facts))

struct PackageSetUpload {
  std::string hash;
  fleet::PackageSet set;
};
BOOST_DESCRIBE_STRUCT(PackageSetUpload, (), (hash, set))

struct OfferSetUpload {
  std::string hash;
  fleet::OfferSet set;
};
BOOST_DESCRIBE_STRUCT(OfferSetUpload, (), (hash, set))

enum class OrderState { accepted, refused, running, rebooting, finished };
BOOST_DESCRIBE_ENUM(OrderState, accepted, refused, running, rebooting, finished)

struct OrderUpdate {
  std::string order_id;
  std::uint64_t sequence = 0;  // grows within an order; an older one is dropped
  OrderState state = OrderState::accepted;
  std::string step;  // the machine's state or the plugin's name
  std::string detail;
  Instant at{};
};
BOOST_DESCRIBE_STRUCT(OrderUpdate, (), (order_id, sequence, state, step, detail, at))

enum class OrderOutcome { success, failed, timed_out, cancelled, refused };
BOOST_DESCRIBE_ENUM(OrderOutcome, success, failed, timed_out, cancelled, refused)

// What the node's resolver would really do: every package that would change, new dependencies (from_version "") and
// removals (to_version "") too, each with its sha256 as the signed index says.
struct PlanReport {
  std::vector<fleet::PackageChange> changes;
  std::uint64_t download_bytes = 0;
  std::uint64_t disk_bytes = 0;  // additional, at most
};
BOOST_DESCRIBE_STRUCT(PlanReport, (), (changes, download_bytes, disk_bytes))

// How far a document came on the node, and what its steps said.
struct StepOutput {
  std::uint32_t step = 0;                       // its index
  std::string standard_output, standard_error;  // all of a result together at most kStepOutputsBytesMax
};
BOOST_DESCRIBE_STRUCT(StepOutput, (), (step, standard_output, standard_error))

struct StepsReport {
  document::Run run;                               // over, or in progress at a step that is not the node's own
  std::vector<StepOutput> outputs;                 // of the steps that ran for this order
  std::string local_document;                      // where that step runs a document of the node's own: its text
  std::vector<inventory::ReportedItem> inventory;  // what those steps gathered
};
BOOST_DESCRIBE_STRUCT(StepsReport, (), (run, outputs, local_document, inventory))

struct OrderResult {
  std::string order_id;
  OrderOutcome outcome = OrderOutcome::failed;
  int exit_code = -1;                           // -1: no process ended with one
  std::string standard_output, standard_error;  // each at most kOutputBytesMax
  Instant started_at{}, finished_at{};
  std::vector<fleet::Problem> problems;
  std::optional<patchrun::PatchRunReport> run;  // of a patch order
  std::optional<PlanReport> plan;               // of a plan order
  std::optional<StepsReport> steps;             // of a steps order
  std::optional<AssociationDue> due{};          // of a run that the node began by itself, cut off from the server
  std::optional<backup::JobReport> backup{};    // of a backup order
};
BOOST_DESCRIBE_STRUCT(OrderResult, (),
                      (order_id, outcome, exit_code, standard_output, standard_error, started_at, finished_at, problems,
                       run, plan, steps, due, backup))

// A step asks for the node's associations to be run now (aws:refreshAssociation).
struct AssociationsWanted {
  std::vector<std::string> association_ids;  // empty: all of the node's
};
BOOST_DESCRIBE_STRUCT(AssociationsWanted, (), (association_ids))

// How a plan's data is guarded on this node, watched every minute; sent when something changed and every few minutes.
struct BackupWatched {
  backup::WatchReport report;
};
BOOST_DESCRIBE_STRUCT(BackupWatched, (), (report))

// A patch run that no server ordered: `belay-agent rollback`. Kept once, by its id.
struct OwnRun {
  std::string run_id;  // UUID
  std::string undoes;  // the run that it undid
  Instant started_at{}, finished_at{};
  patchrun::Reboot reboot = patchrun::Reboot::never;
  patchrun::PatchRunReport run;
};
BOOST_DESCRIBE_STRUCT(OwnRun, (), (run_id, undoes, started_at, finished_at, reboot, run))

// ---- server to agent
struct Welcome {  // answers hello
  Instant server_time{};
  std::string order_public_key;  // base64 of the Ed25519 key orders are signed with
  Duration scan_every{};         // 0: only when ordered
  Duration heartbeat_every{};
  bool renew_certificate = false;
};
BOOST_DESCRIBE_STRUCT(Welcome, (), (server_time, order_public_key, scan_every, heartbeat_every, renew_certificate))

struct NeedSets {
  std::vector<std::string> package_set_hashes, offer_set_hashes;
};
BOOST_DESCRIBE_STRUCT(NeedSets, (), (package_set_hashes, offer_set_hashes))

// The signed bytes are `payload` as sent; it is the canonical JSON of an Order.
struct SignedOrder {
  std::string payload;
  std::string signature;  // base64, Ed25519
};
BOOST_DESCRIBE_STRUCT(SignedOrder, (), (payload, signature))

enum class OrderKind { scan, patch, steps, plan, associations, backup };
BOOST_DESCRIBE_ENUM(OrderKind, scan, patch, steps, plan, associations, backup)

struct ScanOrder {
  bool refresh = true;  // fetch package lists first
};
BOOST_DESCRIBE_STRUCT(ScanOrder, (), (refresh))

// Steps of a document, expanded: the node goes on from `run`, to the end or to the first step that is not its own
// (belay:patch; a document that lies on the node, which the server expands), and leaves that in progress. A step that
// is in progress at the beginning is the one to begin with.
struct StepsOrder {
  std::vector<document::Step> steps;
  document::Run run;
  std::string run_id;  // UUID: the same in every order of one document on one node, which share a working directory
};
BOOST_DESCRIBE_STRUCT(StepsOrder, (), (steps, run, run_id))

// Asks the resolver what these upgrades pull in; changes nothing on the node. The problems of the plan are the
// problems of the result: outcome success means it could be installed as reported.
struct PlanOrder {
  std::vector<fleet::PackageChange> changes;
  bool use_pool = false;         // what is not offered any more is planned with the pool's file
  bool fetch_into_pool = false;  // not planned but fetched, as the signed index has it, and given to the pool
  std::vector<fleet::PackageChange> old_files{};  // likewise: of the from_versions, for the way back
};
BOOST_DESCRIBE_STRUCT(PlanOrder, (), (changes, use_pool, fetch_into_pool, old_files))

// An association that needs no decision of the server's: what it does and when, for a node that is cut off.
struct OfflineAssociation {
  std::string association_id;
  std::int64_t version = 0;
  std::string document;
  std::string schedule;  // in UTC, and as the association has it
  std::optional<std::int32_t> offset_days, duration_hours;
  Instant since{};  // its version is from; the schedule counts from here
  std::vector<document::Step> steps;
};
BOOST_DESCRIBE_STRUCT(OfflineAssociation, (),
                      (association_id, version, document, schedule, offset_days, duration_hours, since, steps))

// All that the node is to keep, in place of what it kept; sent when it is another set than the node has.
struct AssociationsOrder {
  std::string hash;  // SHA-256 of the canonical JSON of the list, "" of an empty one
  Instant valid_until{};
  std::vector<OfflineAssociation> associations;
};
BOOST_DESCRIBE_STRUCT(AssociationsOrder, (), (hash, valid_until, associations))

struct Order {
  std::string order_id;  // UUID
  std::string node_id;
  std::uint64_t counter = 0;  // per node, only grows; an agent refuses one that is not above its last
  Instant issued_at{}, expires_at{};
  OrderKind kind = OrderKind::scan;
  std::optional<ScanOrder> scan;
  std::optional<patchrun::PatchRunOrder> patch;
  std::optional<StepsOrder> steps;
  std::optional<PlanOrder> plan;
  std::optional<AssociationsOrder> associations{};
  std::optional<AssociationDue> due{};  // of a steps order: it is this run of an association
  std::optional<backup::Job> backup{};
  std::string document;  // what the order is part of, "" where it is the server's own: the node's policy may forbid it
  std::string requested_by;  // by whom, likewise
};
BOOST_DESCRIBE_STRUCT(Order, (),
                      (order_id, node_id, counter, issued_at, expires_at, kind, scan, patch, steps, plan, associations,
                       due, backup, document, requested_by))

struct CancelOrder {  // stops what has not begun to change anything; signed like an order is not needed: it only stops
  std::string order_id;
};
BOOST_DESCRIBE_STRUCT(CancelOrder, (), (order_id))

// ---- enrolment: POST /agent/v1/enroll (no client certificate), POST /agent/v1/renew (with one)
struct EnrollRequest {
  std::string activation_id;
  std::string activation_code;
  std::string csr_pem;
  std::string agent_version;
  fleet::NodeFacts facts;
};
BOOST_DESCRIBE_STRUCT(EnrollRequest, (), (activation_id, activation_code, csr_pem, agent_version, facts))

struct EnrollReply {
  std::string node_id;
  std::string certificate_pem;
  std::string ca_pem;
  std::string order_public_key;  // base64
};
BOOST_DESCRIBE_STRUCT(EnrollReply, (), (node_id, certificate_pem, ca_pem, order_public_key))

struct RenewRequest {
  std::string csr_pem;
};
BOOST_DESCRIBE_STRUCT(RenewRequest, (), (csr_pem))

struct RenewReply {
  std::string certificate_pem;
  std::string ca_pem;
};
BOOST_DESCRIBE_STRUCT(RenewReply, (), (certificate_pem, ca_pem))

// ---- secrets: POST /agent/v1/secrets with the node's certificate, while the order is open and this node's. Nowhere
// else do they travel, and nowhere on the node are they kept.
struct SecretsRequest {
  std::string order_id;
};
BOOST_DESCRIBE_STRUCT(SecretsRequest, (), (order_id))

struct SecretValue {
  std::string name, value;  // "repository.key", "accessKey", "copy.repository.key", …
};
BOOST_DESCRIBE_STRUCT(SecretValue, (), (name, value))

struct SecretsReply {
  std::vector<SecretValue> secrets;
};
BOOST_DESCRIBE_STRUCT(SecretsReply, (), (secrets))

// ---- the package pool: POST /agent/v1/pool asks, PUT and GET /agent/v1/pool/SHA256/CHUNK move bytes, all with the
// node's certificate
inline constexpr std::size_t kPoolQuestionMax = 5'000;

struct PoolQuestion {
  std::vector<std::string> sha256s;
};
BOOST_DESCRIBE_STRUCT(PoolQuestion, (), (sha256s))

struct PoolEntry {
  std::string sha256;
  std::uint64_t size_bytes = 0;
  bool complete = false;  // it can be fetched, by a node with an order that names it
  bool wanted = false;    // the pool lacks it and takes it
};
BOOST_DESCRIBE_STRUCT(PoolEntry, (), (sha256, size_bytes, complete, wanted))

struct PoolAnswer {
  std::uint64_t chunk_bytes = 0;   // of every chunk but a file's last
  std::vector<PoolEntry> entries;  // of those that a change set names
};
BOOST_DESCRIBE_STRUCT(PoolAnswer, (), (chunk_bytes, entries))

struct PoolReceipt {
  std::uint64_t stored_bytes = 0;
  bool complete = false;
};
BOOST_DESCRIBE_STRUCT(PoolReceipt, (), (stored_bytes, complete))

}  // namespace belay::wire
