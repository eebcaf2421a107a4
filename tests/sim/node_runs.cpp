// The part of a node that works on orders: the real order_work in this process, what is to go wrong in it, and what it
// did to the host.
#include <filesystem>

#include "agent/runner/journal.hpp"
#include "agent/runner/order_book.hpp"
#include "agent/runner/order_work.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "tests/sim/node.hpp"
#include "tests/sim/probes.hpp"
#include "tests/sim/world.hpp"
#include "wire/codec.hpp"

namespace belay::sim {
namespace {

using agent::FakeFault;

const std::vector<FakeFault> kFaults = {FakeFault::lock_held,        FakeFault::refresh_unreachable,
                                        FakeFault::simulate_removes, FakeFault::download_fails,
                                        FakeFault::hold_fails,       FakeFault::disk_full,
                                        FakeFault::script_fails,     FakeFault::stops_half_way,
                                        FakeFault::broken_for_good,  FakeFault::lies};

constexpr std::size_t kResultBytesMax = 8 << 20;

}  // namespace

// What is to go wrong in the run that begins.
void Node::plan_trouble() {
  auto& random = machine.random;
  const auto& rates = world_.scenario.rates;
  machine.ignores_reboot = world_.faults && random.chance(rates.reboot_ignored);
  if (!world_.faults) return;
  watched_ = !world_.is_catching_up() && random.chance(rates.stopped);
  if (watched_)
    world_.operators->stop(runs_.at(working_on_).order.patch->change_set_id,
                           machine.elapsed() + random.between(Duration(0), random.chance(0.5) ? kSecond : 3 * kMinute));
  if (random.chance(rates.manager_fails))
    machine.change_packages([&](auto& state) {
      state.faults.push_back({random.pick(kFaults), "", static_cast<int>(random.between(1, 2))});
    });
  if (random.chance(rates.disk_full)) fill_disk(random.between(kMinute, 30 * kMinute));
  if (!random.chance(rates.run_killed)) return;
  const auto kinds =
      std::vector{fakes::MemoryFiles::Kill::before, fakes::MemoryFiles::Kill::after, fakes::MemoryFiles::Kill::torn};
  machine.disk.kill_at(static_cast<int>(random.between(1, 50)), random.pick(kinds));
  machine.dies = random.pick(std::vector{Dies::run, Dies::agent, Dies::power});
}

// The agent and a run are two processes: what the agent hears meanwhile, the run finds on the disk.
void Node::hear_amid_run(const wire::Envelope& message) {
  const auto run = agent::RunJournal(machine.disk, paths_, working_on_).load();
  receive(message);
  if (const auto found = runs_.find(working_on_); found != runs_.end() && !found->second.stopped_in &&
                                                  agent::OrderBook(machine.disk, paths_).is_cancelled(working_on_))
    found->second.stopped_in = run.ok() && *run ? (*run)->state : patchrun::State::accepted;
}

// A process of its own in the real world: it may die without the agent.
Status Node::work_on(const std::string& order_id, wire::OrderKind kind) {
  std::filesystem::create_directories(paths_.order_directory(order_id));  // its lock is a real one
  working_on_ = order_id;
  told_state_.clear();
  watched_ = false;
  if (kind == wire::OrderKind::patch) {
    note_begin(order_id);
    plan_trouble();
  }
  const agent::ProbeMaker probes = [this](const std::vector<patchrun::ProbeSpec>& wanted) {
    std::vector<std::unique_ptr<agent::HealthProbe>> made;
    for (const auto& spec : wanted) made.push_back(std::make_unique<ServiceProbe>(machine, spec.name));
    return Result(std::move(made));
  };
  agent::WorkTools tools{machine.disk,
                         machine.processes,
                         machine.clock,
                         *machine.manager,
                         machine.host,
                         machine.snapshot_providers(),
                         probes,
                         [this] { return machine.facts(); },
                         {machine.disk, machine.processes, {}}};
  tools.pool = &pool_;
  try {
    const auto done = agent::work_on_order(tools, paths_, order_id);
    if (!done.ok()) world_.note(machine.plan.name + "'s process gives up: " + done.error().chain(), machine.elapsed());
    watched_ = false;
  } catch (const fakes::Killed&) {
    watched_ = false;
    note_versions(order_id);
    if (machine.dies != Dies::run) throw;
    world_.note(machine.plan.name + "'s run is killed", machine.elapsed());
    machine.come_back(Dies::run);
  }
  if (kind != wire::OrderKind::patch) return {};
  note_versions(order_id);
  note_end(order_id);
  return {};
}

void Node::note_begin(const std::string& order_id) {
  const auto accepted = agent::OrderBook(machine.disk, paths_).load(order_id);
  if (!accepted.ok()) return;
  const auto [at, first] = runs_.try_emplace(order_id);
  if (!first) return;
  at->second.order = accepted->order;
  at->second.before = machine.installed();
  at->second.begun = machine.elapsed();
  world_.note(machine.plan.name + " begins " + order_id.substr(0, 8), machine.elapsed());
}

// As the run left them: what comes after it is another's.
void Node::note_versions(const std::string& order_id) {
  const auto record = runs_.find(order_id);
  if (record == runs_.end() || record->second.left) return;
  record->second.after = machine.installed();
  const auto run = agent::RunJournal(machine.disk, paths_, order_id).load();
  record->second.left = run.ok() && *run && (*run)->state == patchrun::State::finished;
}

// A result that the desk itself wrote (it gave the order up) is found where it was archived.
const std::map<std::string, RunRecord>& Node::runs() {
  for (auto& [id, record] : runs_)
    if (!record.ended) note_end(id);
  return runs_;
}

void Node::note_end(const std::string& order_id) {
  const auto found = runs_.find(order_id);
  if (found == runs_.end() || found->second.ended) return;
  auto& record = found->second;
  auto text = machine.disk.read(paths_.result(order_id), kResultBytesMax);
  if (!text.ok()) text = machine.disk.read(paths_.archived(order_id), kResultBytesMax);
  if (!text.ok()) return;
  record.result = json::decode_text<wire::OrderResult>(*text, {.bytes_max = kResultBytesMax}).value();
  record.ended = machine.elapsed();
  const auto outcome =
      record.result->run ? boost::describe::enum_to_string(record.result->run->outcome, "?") : "without a run";
  world_.note(machine.plan.name + " ends " + order_id.substr(0, 8) + ": " + outcome +
                  (record.result->problems.empty() ? "" : ", " + record.result->problems.front().detail),
              machine.elapsed());
  world_.checks->run_ended(*this, record);
}

// As the desk tells it while the process of the run goes on beside it.
void Node::tell_progress() {
  const auto found = runs_.find(working_on_);
  if (found == runs_.end() || found->second.ended) return;
  const auto run = agent::RunJournal(machine.disk, paths_, working_on_).load();
  if (!run.ok() || !*run) return;
  const std::string state = boost::describe::enum_to_string((*run)->state, "?");
  if (state == told_state_) return;
  told_state_ = state;
  const bool reboots = state == "rebooting" || state == "falling_back" || state == "rollback_rebooting";
  told_ = std::max(told_ + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(to_unix_ms(machine.clock.now()), 0)));
  world_.note(machine.plan.name + " is " + state, machine.elapsed());
  send(wire::pack(
      make_uuid(io::random_bytes(kIdRandomBytes)),
      wire::OrderUpdate{working_on_, told_, reboots ? wire::OrderState::rebooting : wire::OrderState::running, state,
                        "", machine.clock.now()}));
}

// The first byte is about to move: the change itself, not its way back.
void Node::about_to_install() {
  const auto found = runs_.find(working_on_);
  if (found == runs_.end()) return;
  const auto run = agent::RunJournal(machine.disk, paths_, working_on_).load();
  if (!run.ok() || !*run || (*run)->state != patchrun::State::installing) return;
  found->second.changed_at = machine.elapsed();
  std::vector<patchrun::RunState> others;
  for (const auto& open : agent::OrderBook(machine.disk, paths_).open()) {
    if (open.order.order_id == working_on_ || open.order.kind != wire::OrderKind::patch) continue;
    const auto other = agent::RunJournal(machine.disk, paths_, open.order.order_id).load();
    if (other.ok() && *other) others.push_back(std::move(**other));
  }
  world_.checks->change_begins(*this, found->second, **run, others);
}

}  // namespace belay::sim
