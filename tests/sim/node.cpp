#include "tests/sim/node.hpp"

#include <algorithm>

#include "agent/runner/order_book.hpp"
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "tests/sim/world.hpp"
#include "wire/codec.hpp"

namespace belay::sim {
namespace {

constexpr Duration kBeatEvery = 3 * kMinute;
constexpr Duration kTickLeast{2'000};

std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

}  // namespace

Node::Node(World& world, std::size_t index, const NodePlan& plan, const std::string& folder)
    : machine(plan, world.scenario, world.random.fork()),
      world_(world),
      index_(index),
      paths_(folder),
      pool_(machine.disk, world.pool, [this] { return world_.network->is_up(index_) && world_.server->is_up(); }) {
  machine.on_progress = [this] {
    tell_progress();
    if (watched_) world_.catch_up(machine.elapsed());
  };
  machine.on_install = [this](const auto&) { about_to_install(); };
}

// ---- time and death

void Node::at(Duration when, std::function<void()> run) {
  world_.queue.at(when, [this, life = life_, run = std::move(run)] {
    if (life != life_) return;
    if (machine.elapsed() > world_.queue.now()) return at(machine.elapsed(), run);
    act(run);
  });
}

void Node::act(const std::function<void()>& run) {
  if (const auto behind = world_.queue.now() - machine.elapsed(); behind > Duration::zero())
    machine.clock.advance(behind);
  try {
    run();
  } catch (const fakes::Killed&) {
    die();
  }
}

void Node::die() {
  auto how = machine.dies;
  if (how == Dies::run) how = Dies::agent;  // there was no run to end
  const char* words[] = {"run", "agent", "power", "reboot"};
  world_.note(machine.plan.name + " dies: " + words[static_cast<int>(how)], machine.elapsed());
  machine.come_back(how);
  if (how == Dies::agent) return go_away(machine.random.between(kSecond, 10 * kSecond));
  go_away(how == Dies::reboot ? time_of_reboot() : machine.random.between(30 * kSecond, 10 * kMinute));
}

Duration Node::time_of_reboot() {
  if (!world_.faults || !machine.random.chance(world_.scenario.rates.bad_reboot))
    return machine.random.between(20 * kSecond, 2 * kMinute);
  if (machine.random.chance(0.4)) gone_ = true;
  return machine.random.between(10 * kMinute, 2 * kHour);
}

void Node::go_away(Duration away) {
  ++life_;
  up_ = linked_ = ticking_ = false;
  desk_.reset();
  outbox_.reset();
  verifier_.reset();
  const auto from = std::max(machine.elapsed(), world_.queue.now());
  world_.queue.at(from, [this] { world_.network->cut(index_); });
  if (gone_) return world_.note(machine.plan.name + " never comes back", from);
  at(from + away, [this] { boot(); });
}

void Node::start() {
  at(machine.random.between(Duration(0), 5 * kSecond), [this] { boot(); });
}

void Node::boot() {
  up_ = true;
  world_.note(machine.plan.name + " is up, boot " + std::to_string(machine.host.boots), machine.elapsed());
  open_agent();
  dial();
  beat();
}

void Node::lose_power(Duration away) {
  if (!up_) return;
  world_.note(machine.plan.name + " loses power", machine.elapsed());
  if (watched_) {  // this is said from within its run
    machine.dies = Dies::power;
    throw fakes::Killed{"power"};
  }
  machine.come_back(Dies::power);
  go_away(away);
}

void Node::jump_clock(Duration by) {
  world_.note(machine.plan.name + "'s clock jumps by " + std::to_string(by.count() / 1000) + " s", machine.elapsed());
  clock_was_wrong = true;
  machine.clock.set_wall(machine.clock.now() + by);
}

void Node::fill_disk(Duration for_how_long) {
  world_.note(machine.plan.name + "'s disk is full", machine.elapsed());
  machine.disk.set_bytes_free(static_cast<std::uint64_t>(machine.random.between(0, 5'000)));
  world_.queue.after(for_how_long, [this] { machine.disk.set_bytes_free(std::nullopt); });
}

void Node::heal() {
  machine.disk.restart();
  machine.disk.set_bytes_free(std::nullopt);
  machine.ignores_reboot = false;
  machine.clock.set_wall(world_.wall(machine.elapsed()));
  machine.change_packages([](auto& state) { state.faults.clear(); });
}

// ---- the agent

void Node::open_agent() {
  nonce_ = new_id();
  for (const auto& directory : {paths_.root(), paths_.orders()})
    static_cast<void>(machine.disk.make_directories(directory, 0700));
  auto outbox = agent::Outbox::open(machine.disk, paths_);
  if (!outbox.ok()) return go_away(10 * kSecond);  // systemd starts it again
  outbox_ = std::make_unique<agent::Outbox>(std::move(*outbox));
  verifier_ = std::make_unique<agent::OrderVerifier>(machine.disk, paths_, machine.plan.id, world_.order_key());
  agent::DeskParts parts{machine.disk, machine.clock, paths_, *verifier_, *outbox_, launcher_, {}, {}, {}};
  parts.run_blocking = [](const std::function<void()>& work, const std::function<void()>& done) { work(), done(); };
  parts.tell = [this](const wire::OrderUpdate& update) { send(wire::pack(new_id(), update)); };
  parts.outbox_filled = [this] { pump(); };
  desk_ = std::make_unique<agent::OrderDesk>(std::move(parts));
  if (!desk_->scanned_at()) static_cast<void>(desk_->scan_self(true));
  tick();
}

void Node::dial() {
  if (!up_ || world_.network->is_up(index_)) return;
  if (world_.answers(index_)) {
    world_.network->connect(index_);
    wire::Hello hello;
    hello.agent_version = "0.1.0";
    hello.boot_id = machine.facts().boot_id;
    hello.instance_nonce = nonce_;
    hello.package_set_hash = desk_->package_set_hash();
    hello.facts = machine.facts();
    facts_told_.clear();
    world_.network->to_server(index_, wire::pack(new_id(), hello), machine.elapsed());
    return;
  }
  at(machine.elapsed() + machine.random.between(5 * kSecond, 30 * kSecond), [this] { dial(); });
}

void Node::link_broken() {
  linked_ = false;
  if (up_) at(world_.queue.now() + machine.random.between(kSecond, 20 * kSecond), [this] { dial(); });
}

// Facts that changed. That the node is there, its line says.
void Node::beat() {
  auto facts = json::encode_text(machine.facts());
  if (facts != facts_told_ && send(wire::pack(new_id(), wire::FactsReport{machine.facts()})))
    facts_told_ = std::move(facts);
  at(machine.elapsed() + kBeatEvery, [this] { beat(); });
}

void Node::hear(const std::string& text) {
  if (watched_)
    if (const auto message = wire::parse_envelope(text).value(); wire::unpack<wire::CancelOrder>(message).ok())
      return hear_amid_run(message);
  at(world_.queue.now(), [this, text, connection = world_.network->connection(index_)] {
    if (!up_ || connection != world_.network->connection(index_)) return;
    receive(wire::parse_envelope(text).value());
  });
}

void Node::receive(const wire::Envelope& message) {
  if (const auto words = wire::unpack<wire::Welcome>(message); words.ok()) return welcomed(*words);
  if (const auto ack = wire::unpack<wire::Ack>(message); ack.ok()) {
    for (const auto& id : ack->ids) outbox_->acknowledge(id);
    return;
  }
  if (const auto words = wire::unpack<wire::Refused>(message); words.ok()) return refused(*words);
  const auto done = act_on(message);
  if (!done.ok()) {
    world_.note(machine.plan.name + " refuses " + message.type + ": " + done.error().chain(), machine.elapsed());
    send(wire::pack(new_id(), wire::Refused{message.id, std::string(name(done.error().code())), done.error().chain()}));
    return;
  }
  if (knows(message.id)) acknowledged_.try_emplace(message.id, machine.elapsed());
  send(wire::pack(new_id(), wire::Ack{{message.id}}));
}

Status Node::act_on(const wire::Envelope& message) {
  if (const auto order = wire::unpack<wire::SignedOrder>(message); order.ok()) {
    BELAY_TRY(desk_->receive(*order, skew_));
    tick();
    return {};
  }
  if (const auto cancel = wire::unpack<wire::CancelOrder>(message); cancel.ok()) {
    world_.note(machine.plan.name + " is to stop " + cancel->order_id.substr(0, 8), machine.elapsed());
    return desk_->cancel(cancel->order_id);
  }
  BELAY_TRY_ASSIGN(const auto wanted, wire::unpack<wire::NeedSets>(message));
  return upload(wanted);
}

void Node::welcomed(const wire::Welcome& words) {
  linked_ = true;
  skew_ = words.server_time - machine.clock.now();
  desk_->set_clock_skew(skew_);
  pumped_ = 0;
  pump();
  desk_->adopt();
  tick();
}

void Node::refused(const wire::Refused& words) {
  const bool for_now = words.code == name(Code::unauthenticated) || words.code == name(Code::unavailable) ||
                       words.code == name(Code::resource_exhausted) || words.code == name(Code::internal) ||
                       words.code == name(Code::timed_out);
  world_.note(machine.plan.name + " was refused: " + words.message, machine.elapsed());
  if (!for_now) outbox_->acknowledge(words.id);
}

Status Node::upload(const wire::NeedSets& wanted) {
  agent::SetStore sets(machine.disk, paths_);
  bool lost = false;
  for (const auto& hash : wanted.package_set_hashes)
    if (auto set = sets.package_set(hash); set.ok()) send(wire::pack(new_id(), wire::PackageSetUpload{hash, *set}));
    else lost = true;
  for (const auto& hash : wanted.offer_set_hashes)
    if (auto set = sets.offer_set(hash); set.ok()) send(wire::pack(new_id(), wire::OfferSetUpload{hash, *set}));
    else lost = true;
  if (!lost) return {};
  BELAY_TRY(desk_->scan_self(false));
  tick();
  return {};
}

bool Node::send(const wire::Envelope& message) {
  return linked_ && world_.network->to_server(index_, message, machine.elapsed());
}

void Node::pump() {
  while (outbox_) {
    const auto item = outbox_->next(pumped_);
    if (!item || !send(item->message)) return;
    pumped_ = item->sequence;
  }
}

void Node::tick() {
  if (ticking_ || !desk_) return;
  ticking_ = true;
  const auto again = desk_->tick();
  if (!again) {
    ticking_ = false;
    return;
  }
  at(machine.elapsed() + std::max(*again, kTickLeast), [this] {
    ticking_ = false;
    tick();
  });
}

bool Node::knows(const std::string& order_id) const {
  return machine.disk.info(paths_.order(order_id)).ok() || machine.disk.info(paths_.archived(order_id)).ok();
}

}  // namespace belay::sim
