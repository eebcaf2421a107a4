#pragma once
// The machine of a rollout: one change set through rings of nodes. Pure: the caller keeps the state, says what
// surrounds it (windows, calendars, what other rollouts disturb), carries out the actions, and comes back with what
// happened. docs/machines/rollout.md draws it.
//
// A ring opens when the one before is green, its approvals are there, and its window and calendars are open. Its nodes
// begin as concurrency, budgets and order allow. It is green when every node has ended, errors are within its budget,
// enough nodes took the change, and the soak passed without a regression. Otherwise the rollout halts.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/rollout/spec.hpp"

namespace belay::rollout {

enum class State {
  Planned,           // its change set is being made, or it was not started
  AwaitingApproval,  // of the change set, or of the ring that is next
  Running,
  Soaking,
  Paused,
  Halted,  // a ring was not green; a person decides: resume, roll back or abort
  Completed,
  RollingBack,
  RolledBack,
  Aborted,
};
BOOST_DESCRIBE_ENUM(State, Planned, AwaitingApproval, Running, Soaking, Paused, Halted, Completed, RollingBack,
                    RolledBack, Aborted)
bool is_over(State state);  // Completed, RolledBack, Aborted: nothing follows

enum class NodeState {
  Pending,
  Checking,  // it has the order; what it says of its run is shown as the states up to RollingBack
  Held,      // held back before anything was changed; `why`
  Protecting,
  Installing,
  Rebooting,
  Verifying,
  Committed,
  RollingBack,
  RolledBack,
  RollbackFailed,
  Inconsistent,  // it cannot be told how it is: it fell silent in its run, or its packages cannot be read
  Skipped,       // nothing to do there, or the rollout ended before its turn
};
BOOST_DESCRIBE_ENUM(NodeState, Pending, Checking, Held, Protecting, Installing, Rebooting, Verifying, Committed,
                    RollingBack, RolledBack, RollbackFailed, Inconsistent, Skipped)
bool is_at_work(NodeState state);  // has an order that has not ended
bool is_failed(NodeState state);   // RolledBack, RollbackFailed, Inconsistent: counts against the error budget

enum class RingState { Waiting, AwaitingApproval, Running, Soaking, Green, Halted, RolledBack, Ended };
BOOST_DESCRIBE_ENUM(RingState, Waiting, AwaitingApproval, Running, Soaking, Green, Halted, RolledBack, Ended)

// The last rung of a node's ladder back: its data, put back as it was just before the change (data_rung.hpp). A node
// that has it failed, whatever comes of it.
enum class DataStep { restoring, verifying, ended };
BOOST_DESCRIBE_ENUM(DataStep, restoring, verifying, ended)
struct DataRung {
  DataStep step = DataStep::restoring;
  Instant moment{};  // what was written after it is not wanted back
  // The caller's, for people and for its own later turns.
  std::string plan_name, point_id, proof_id, job_id;
  std::optional<Instant> restored_to;  // what really came back is as of then
  std::optional<Duration> took;
  std::vector<std::string> put_aside;  // where what was there lies
  std::string remark;                  // why it is an earlier moment than was wanted; "" where it is not
  std::string told;                    // what was put back, as a sentence
};
BOOST_DESCRIBE_STRUCT(DataRung, (),
                      (step, moment, plan_name, point_id, proof_id, job_id, restored_to, took, put_aside, remark, told))

struct Node {
  std::string node_id;
  std::uint32_t ring = 0;
  std::vector<std::string> groups;  // "Role=db", of the tags that budgets name
  std::uint32_t rank = 0;           // its place in the ring's order; kRankUnknown until its role is told
  NodeState state = NodeState::Pending;
  std::string why;                      // for a person
  std::string order_id;                 // of its run; the newest
  std::string undoes;                   // run that its rollback takes back; "" before one
  bool put_back = false;                // a rollback of this (committed) node is wanted
  bool taken = false;                   // the node has the order
  bool regressed = false;               // after its commit, during the soak
  bool had_nothing = false;             // Skipped: nothing of what is shipped was to be done there
  bool excused = false;                 // Skipped: it had something to take, and is excepted or on hold
  bool down = false;                    // Held: it was ill before, or did not take its order
  bool settled = false;                 // it failed, and was seen well again since, or somebody said that it is
  bool asked = false;                   // for its role
  std::uint32_t look = 0;               // at its probes, at the end of the soak: the newest that was ordered
  std::optional<Instant> look_until{};  // until then its answer is waited for
  bool looked_well = false;             // in this soak
  std::vector<std::string> ailing;      // the caller's: units that were failed when it committed
  std::uint32_t attempt = 0;
  std::optional<Instant> started_at, ended_at, deadline;
  std::optional<DataRung> data{};  // `undoes` is the run that failed then
};
BOOST_DESCRIBE_STRUCT(Node, (),
                      (node_id, ring, groups, rank, state, why, order_id, undoes, put_back, taken, regressed,
                       had_nothing, excused, down, settled, asked, look, look_until, looked_well, ailing, attempt,
                       started_at, ended_at, deadline, data))
inline constexpr std::uint32_t kRankUnknown = 0xffff'ffff;
bool has_failed(const Node& node);    // is_failed(), or ill since its commit, or on its last rung
bool is_unsettled(const Node& node);  // RollbackFailed, Inconsistent, or Committed and ill since; and not settled
bool disturbs(const Node& node);  // uses up a place in its groups' budgets: at work, or failed or down and not settled

struct Ring {
  std::string name;
  std::uint32_t concurrency_max = 1, errors_max = 0, sample_size = 1;
  Duration soak{};
  std::uint32_t approvals_wanted = 0;
  std::vector<std::string> approved_by;
  std::vector<Budget> budgets;
  bool ordered = false;                            // nodes tell their roles first
  Duration delivery{};                             // an order not taken by then is withdrawn
  Duration patience{};                             // for one node, from its taking the order to its end
  std::uint32_t errors_accepted = 0;               // by who resumed it
  std::optional<std::uint32_t> sample_accepted{};  // as many took the change, and who resumed it said why that does
  RingState state = RingState::Waiting;
  std::optional<Instant> begun_at, soak_until;
  bool demands_proof = false;  // nodes begin only where they stand among the proven ones
  bool restores_data = false;  // where nothing else helped
  bool reads_probes = false;   // at the end of the soak once more, of every node: not green before
};
BOOST_DESCRIBE_STRUCT(Ring, (),
                      (name, concurrency_max, errors_max, sample_size, soak, approvals_wanted, approved_by, budgets,
                       ordered, delivery, patience, errors_accepted, sample_accepted, state, begun_at, soak_until,
                       demands_proof, restores_data, reads_probes))

struct Rollout {
  State state = State::Planned;
  State before_pause = State::Running;
  std::string why;                  // of a halt, a pause, an end
  bool started = false;             // somebody said so
  bool ready = false;               // the change set is frozen and approved
  bool waits_for_approval = false;  // of the change set: frozen, not approved
  FailureAction on_failure = FailureAction::rollback;
  std::uint32_t ring = 0;                      // the one that is at work or next
  bool rolled_back = false;                    // somebody or a halt asked for a rollback: it is not resumed
  std::optional<std::uint32_t> rollback_ring;  // RollingBack: only this one
  std::vector<Ring> rings;
  std::vector<Node> nodes;  // kept apart by the caller; sorted by ring, then id
};
// Without the nodes, which have rows of their own.
BOOST_DESCRIBE_STRUCT(Rollout, (),
                      (state, before_pause, why, started, ready, waits_for_approval, on_failure, ring, rolled_back,
                       rollback_ring, rings))

// What is so around the rollout at this moment; one entry a ring.
struct RingClock {
  bool open = true;
  std::string why;                     // where it is not
  std::optional<Instant> begin_until;  // the cut-off: nothing that takes longer is begun
  std::optional<Instant> next_look;    // when that may be otherwise
};
struct Surroundings {
  std::vector<RingClock> clocks;
  std::map<std::string, std::uint32_t> disrupted_elsewhere;  // by group: nodes that are none of this rollout's
  std::map<std::string, std::vector<std::string>> members_elsewhere{};  // its own nodes, disturbed elsewhere: groups
  std::set<std::string> offline{};                                      // its own nodes that are not heard of for long
  std::map<std::string, Duration> takes;  // by node: measured, a rollback included; absent: not known
  Duration takes_by_default{};
  std::set<std::string> silent;    // nodes not heard of lately: no ring is green over them
  std::set<std::string> proven{};  // nodes whose proven backup was seen: rings that demand one begin no other
  std::map<std::string, std::string> unproven{};  // of the others, where it is known: why
};

enum class EventKind {
  start,
  frozen,         // the change set is frozen; approvals are still wanted
  approved,       // … and has them
  not_plannable,  // the change set cannot be made; `why`
  ring_approved,  // by `who`, the ring at hand
  taken,          // the node has its order
  committed,
  nothing_to_do,
  excused,  // it has something to do, and is to be left alone; `why`
  held,     // refused before anything was changed; `why`
  rolled_back,
  rollback_failed,
  inconsistent,
  put_back,       // the rollback that was ordered ended well
  not_put_back,   // … badly; `why`
  data_back,      // the node's data is; `why` says which
  data_not_back,  // it could not be, or must not; `why`
  undeliverable,  // the node is not there any more
  withdrawn,      // the order was taken back before the node had it
  regressed,      // ill or silent after its commit; `why`
  looked_well,    // the look at the node's probes that was ordered found it well
  taken_back,     // by a run that is none of this rollout's: it is as it was before; `why`
  settled,        // what failed there burdens no budget any more
  role_told,      // `rank`
  joined,         // a new node for the last ring: `node_id`, `groups`
  quarantined,    // what it ships is quarantined elsewhere; `why`
  pause,
  resume,  // also of a halted one: with `why`, that by which its ring halted is accepted
  abort,
  roll_back,  // `node_id` "": all; else that node; with `ring`: that ring
};
BOOST_DESCRIBE_ENUM(EventKind, start, frozen, approved, not_plannable, ring_approved, taken, committed, nothing_to_do,
                    excused, held, rolled_back, rollback_failed, inconsistent, put_back, not_put_back, data_back,
                    data_not_back, undeliverable, withdrawn, regressed, looked_well, taken_back, settled, role_told,
                    joined, quarantined, pause, resume, abort, roll_back)

struct Event {
  EventKind kind = EventKind::start;
  std::string node_id;
  std::string order_id;  // of node events: one of another order than the node's newest is passed over
  std::string who, why;
  std::optional<std::uint32_t> ring{};
  std::uint32_t rank = 0;
  std::vector<std::string> groups{};
  bool down = false;                    // of held: the node was ill before
  bool again = false;                   // of resume: nodes of the ring that were held back are tried again
  std::optional<Instant> data_until{};  // of rollback_failed: data is all that is left to put back, to this moment
};
BOOST_DESCRIBE_STRUCT(Event, (), (kind, node_id, order_id, who, why, ring, rank, groups, down, again, data_until))

enum class ActionKind {
  send,          // the order of the change to the node; the caller makes the order id: order_name()
  withdraw,      // the order that the node may not have yet; answer with `withdrawn` where it never had it
  put_back,      // a rollback of node.undoes
  restore_data,  // of the node to node.data->moment; answer with data_back or data_not_back when that has ended
  measure,       // an order that only reads the probes, as they were before node.undoes; answered as a put_back is
  look,          // an order that only reads the probes, as they were before node.order_id; answer with looked_well or
                 // regressed; with nothing where it did not happen: it is ordered again. `attempt` is node.look
  ask_role,      // run the ring's role command; answer with role_told
  quarantine,    // what was rolled back: `why`. With `ring`: within the errors that it bears, so only the versions
  report,        // write the report: it halted, or it is over
};
BOOST_DESCRIBE_ENUM(ActionKind, send, withdraw, put_back, restore_data, measure, look, ask_role, quarantine, report)
struct Action {
  ActionKind kind = ActionKind::send;
  std::string node_id;
  std::uint32_t attempt = 0;
  std::optional<Instant> end_by{};
  std::string why;
  std::optional<std::uint32_t> ring{};
  bool operator==(const Action&) const = default;
};
// Names an order within its rollout: the same for the same attempt, so that an order made twice is one order.
std::string order_name(const Action& action);

struct Step {
  std::vector<Action> actions;
  std::vector<std::size_t> changed;  // indexes of nodes that are not as they were; sorted, each once
  std::optional<Instant> wake_at;    // absent: only an event can change anything
  std::string waits_for;             // why nothing begins in the ring at hand, where the machine itself knows it
};

// Takes the events in order, then the clock, then decides. The same events again change nothing.
Step step(Rollout& rollout, std::span<const Event> events, const Surroundings& surroundings, Instant now);

// Over, and no node is at work any more: nothing can follow.
bool is_finished(const Rollout& rollout);

struct RingCounts {
  std::uint32_t nodes = 0, pending = 0, at_work = 0, committed = 0, held = 0, skipped = 0, failed = 0, rolled_back = 0;
  std::uint32_t had_nothing = 0, excused = 0;  // of the skipped ones
};
BOOST_DESCRIBE_STRUCT(RingCounts, (),
                      (nodes, pending, at_work, committed, held, skipped, failed, rolled_back, had_nothing, excused))
RingCounts count(const Rollout& rollout, std::uint32_t ring);
// Nobody took the change, and that is no sign of a fault: there was nothing to take, wherever a node is left to ask.
bool nobody_had_anything(const RingCounts& counts);
inline constexpr std::string_view kNobodyHadAnything = "nobody had anything to take";

}  // namespace belay::rollout
