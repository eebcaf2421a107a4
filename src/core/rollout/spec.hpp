#pragma once
// A rollout as its author writes it, so that it can live under Git: which change goes through which rings, how each
// node protects itself, what healthy means. Read here from YAML or JSON; docs/guide/rollouts.md describes the file.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/backup/posture.hpp"
#include "core/document/place.hpp"
#include "core/patchrun/order.hpp"

namespace belay::rollout {

using document::parse_span;
using document::parse_target;
using RingTarget = document::Target;

inline constexpr std::size_t kRingsMax = 50, kBudgetsMax = 20, kTargetsMax = 100;
inline constexpr std::uint32_t kApprovalsMax = 10;
inline constexpr std::size_t kNoticesMax = 10;

// Of the nodes with the same value of the tag (a service, the role in a cluster), at most so many may be disturbed at
// once, over all rings and all rollouts: those at work and those that failed.
struct Budget {
  std::string tag;
  std::uint32_t disrupted_max = 1;
};
BOOST_DESCRIBE_STRUCT(Budget, (), (tag, disrupted_max))

// Replicas before the primary: the command is run on every node of the ring, its first line names the node's role.
struct RoleOrder {
  std::string command;
  std::vector<std::string> last;  // roles that come last, in this order; others come first
  Duration timeout{60'000};
};
BOOST_DESCRIBE_STRUCT(RoleOrder, (), (command, last, timeout))

struct RingSpec {
  std::string name;
  std::vector<RingTarget> targets;
  std::uint32_t share_percent = 100;  // of those, picked by their ids; the same ones every time
  bool rest = false;                  // only those that no earlier ring has
  Duration soak{};
  std::string max_concurrency = "10%", max_errors = "0";  // as SSM writes them
  std::uint32_t approvals = 0;                            // by people, before the ring begins
  std::uint32_t sample_size = 1;       // nodes that must have taken the change, else it is not green; 1 or more
  std::string window;                  // "mw-…": nodes begin only while it is open; "" at any time
  std::vector<std::string> calendars;  // change calendars that must be open
  std::vector<Budget> budgets;
  std::optional<RoleOrder> order;
  std::optional<patchrun::ReversibilityClass> least;  // in place of the rollout's
  std::optional<backup::Demand> proof;                // what holds for this ring, the rollout's taken into account
  bool restore_data = false;                          // the ladder's last rung, likewise: data_rung.hpp
};
BOOST_DESCRIBE_STRUCT(RingSpec, (),
                      (name, targets, share_percent, rest, soak, max_concurrency, max_errors, approvals, sample_size,
                       window, calendars, budgets, order, least, proof, restore_data))

// What follows a failure on a node, or a ring whose error budget is used up. A halted rollout waits for a person.
enum class FailureAction {
  rollback,      // the node is put back; the rollout halts when the ring's errors are used up
  rollback_all,  // and then every node that this rollout changed is put back, too
  halt,          // the node stays as it is for a person to look at
};
BOOST_DESCRIBE_ENUM(FailureAction, rollback, rollback_all, halt)

struct Spec {
  std::string name, description;
  std::string baseline;       // id, name or ARN; "" with a change set, or for the one in force on each node
  std::string change_set_id;  // "cs-…"; "" with a baseline
  std::optional<std::uint32_t> approvals;  // of the change set, by others than its author; absent: the policy's least
  patchrun::ProtectionOrder protection;    // R3 is written here as R2, with `proof`: no node reaches R3 by itself
  std::optional<backup::Demand> proof;     // of rings that say nothing else
  bool restore_data = false;               // likewise
  std::vector<RingSpec> rings;
  std::vector<patchrun::ProbeSpec> probes;
  patchrun::Gate gate;
  patchrun::IllBefore ill_before = patchrun::IllBefore::hold;
  patchrun::Reboot reboot = patchrun::Reboot::if_needed;
  Duration reboot_timeout{900'000};
  bool restart_services = false;
  FailureAction on_failure = FailureAction::rollback;
  // Told of the end and of every halt, with the report: https addresses, and people.
  std::vector<std::string> webhooks, mails;
  std::string webhook;  // of rollouts that an earlier version read; else ""
};
BOOST_DESCRIBE_STRUCT(Spec, (),
                      (name, description, baseline, change_set_id, approvals, protection, proof, restore_data, rings,
                       probes, gate, ill_before, reboot, reboot_timeout, restart_services, on_failure, webhooks, mails,
                       webhook))

// What R3 demands where nothing else is written: R3 is R2 and a restore point that was restored.
inline constexpr backup::Demand kProofOfR3{.level = backup::ProofLevel::P3,
                                           .offsite = false,
                                           .proven_within = std::chrono::days(7),
                                           .point_within = std::chrono::days(1),
                                           .rto = Duration::zero(),
                                           .back_up_first = true,
                                           .prove_first = true};

// Everything that is wrong with the file by itself, at once, each with its field and line: unknown members, a gate that
// can never open, bad durations, a ring named twice. Error reason "ValidationException".
Result<Spec> read_spec(std::string_view content);

}  // namespace belay::rollout
