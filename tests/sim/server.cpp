#include "tests/sim/server.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "io/crypto.hpp"
#include "server/engine/change_set_plan.hpp"
#include "server/engine/node_state.hpp"
#include "server/engine/rollout_kind.hpp"
#include "store/nodes.hpp"
#include "store/orders.hpp"
#include "tests/sim/world.hpp"
#include "wire/codec.hpp"

namespace belay::sim {
namespace {

constexpr Duration kResendAfter = kMinute;
constexpr Duration kHouseEvery = 4 * kMinute;
constexpr int kRoundsMax = 500;

std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

server::Zones only_utc(const Clock& clock) {
  return server::Zones(clock, [](std::string_view name) -> Result<std::string> {
    return Error(Code::not_found, "there is no zone " + std::string(name));
  });
}

}  // namespace

Server::Server(World& world, std::unique_ptr<store::Store> disk, const server::Authority& authority, Random random)
    : clock(world.wall(Duration(0))),
      world_(world),
      disk_(std::move(disk)),
      store_(*disk_),
      authority_(authority),
      random_(random),
      zones_(only_utc(clock)) {}

Server::~Server() = default;

void Server::sync_clock() { clock.advance(world_.queue.now() - clock.monotonic()); }

void Server::boot() {
  sync_clock();
  ++life_;
  engine_.reset();
  windows_ = std::make_unique<server::Windows>(store_, clock, zones_);
  judge_ = std::make_unique<server::Judge>(store_, clock);
  change_sets_ = std::make_unique<server::ChangeSets>(store_, clock, *judge_);
  registry_ = std::make_unique<server::NodeRegistry>(store_, clock, authority_);
  intake_ = std::make_unique<server::Intake>(*judge_);
  rollouts_ = std::make_unique<server::Rollouts>(store_, clock, authority_, *judge_, *change_sets_, *windows_);
  server::EngineSettings settings;
  settings.owner = "server " + std::to_string(life_);
  engine_ = std::make_unique<server::Engine>(store_, clock, settings);
  engine_->add(server::make_change_set_kind(authority_, true));
  engine_->add(server::make_rollout_kind({authority_, *judge_, *windows_}));
  engine_->on_progress = [this] { world_.checks->server_moved(); };
  up_ = to_deliver_ = true;
  look_planned_.reset();
  look_soon();
}

void Server::die(const std::string& at) {
  world_.note("the server is killed " + at, world_.queue.now());
  store_.disarm();
  up_ = false;
  ++life_;
  greeted_.clear();
  sent_.clear();
  for (std::size_t node = 0; node < world_.nodes.size(); ++node) world_.network->cut(node);
  world_.queue.after(random_.between(kSecond, 90 * kSecond), [this] {
    world_.note("the server is back", world_.queue.now());
    boot();
  });
}

void Server::act(const std::function<void()>& operation) {
  if (!up_) return;
  sync_clock();
  if (may_die_ && !store_.armed() && random_.chance(world_.scenario.rates.server_killed))
    store_.kill_at(static_cast<int>(random_.between(1, 6)), random_.chance(0.5));
  try {
    operation();
  } catch (const fakes::Killed& killed) {
    die(killed.at);
  }
}

void Server::look_soon() { look_at(world_.queue.now() + random_.between(Duration(20), Duration(1'000))); }

void Server::look_at(Duration when) {
  if (!up_ || (look_planned_ && *look_planned_ <= when)) return;
  look_planned_ = when;
  world_.queue.at(when, [this, when, life = life_] {
    if (life != life_ || look_planned_ != when) return;
    look_planned_.reset();
    act([this] { look(); });
  });
}

void Server::look() {
  for (int round = 0; round < kRoundsMax; ++round) {
    const auto advanced = engine_->run_once();
    if (!advanced.ok()) return world_.complain("the engine cannot work: " + advanced.error().chain());
    if (*advanced == 0) break;
    to_deliver_ = true;
    if (round + 1 == kRoundsMax) world_.complain("the engine never comes to rest");
  }
  if (to_deliver_) deliver();
  keep_house();
  const auto next = disk_->read([](store::Sql& sql) { return store::executions::next_wake(sql); });
  if (next.ok() && *next) look_at(std::max(world_.queue.now() + Duration(100), world_.time_of(**next)));
}

// ---- what the gateway does

void Server::keep_house() {
  if (world_.queue.now() - house_kept_at_ < kHouseEvery) return;
  house_kept_at_ = world_.queue.now();
  std::vector<store::nodes::Touch> heard;
  for (const auto node : greeted_) heard.push_back({world_.nodes[node]->machine.plan.id, clock.now()});
  const auto done = store_.write([&](store::Sql& sql) -> Status {
    const auto expired = store::orders::expire(sql, clock.now(), 100);
    if (!expired.ok()) return expired.error();
    return store::nodes::touch_many(sql, heard);
  });
  if (!done.ok()) world_.complain("housekeeping: " + done.error().chain());
}

void Server::deliver() {
  struct Waiting {
    std::size_t node = 0;
    std::vector<store::orders::Order> orders, cancels;
  };
  const auto all = disk_->read([&](store::Sql& sql) -> Result<std::vector<Waiting>> {
    std::vector<Waiting> found;
    for (const auto node : greeted_) {
      const auto& id = world_.nodes[node]->machine.plan.id;
      BELAY_TRY_ASSIGN(auto orders, store::orders::pending(sql, id, clock.now()));
      BELAY_TRY_ASSIGN(auto cancels, store::orders::cancel_requests(sql, id));
      if (!orders.empty() || !cancels.empty()) found.push_back({node, std::move(orders), std::move(cancels)});
    }
    return found;
  });
  if (!all.ok()) return world_.complain("cannot look for orders: " + all.error().chain());
  std::vector<std::string> delivered;
  for (const auto& waiting : *all) deliver_to(waiting.node, waiting.orders, waiting.cancels, delivered);
  to_deliver_ = !all->empty();
  if (to_deliver_) look_at(world_.queue.now() + kResendAfter + kSecond);
  if (delivered.empty()) return;
  const auto kept =
      store_.write([&](store::Sql& sql) { return store::orders::delivered(sql, delivered, clock.now()); });
  if (!kept.ok()) world_.complain("deliveries cannot be kept: " + kept.error().chain());
}

void Server::deliver_to(std::size_t node, const std::vector<store::orders::Order>& orders,
                        const std::vector<store::orders::Order>& cancels, std::vector<std::string>& delivered) {
  const auto now = world_.queue.now();
  const auto may_send = [&](std::map<std::string, Duration>& log, const std::string& id) {
    const auto [at, first] = log.try_emplace(id, now);
    if (!first && now - at->second < kResendAfter) return false;
    at->second = now;
    return true;
  };
  for (const auto& order : cancels)
    if (may_send(sent_[node].cancels, order.order_id))
      world_.network->to_node(node, wire::pack(new_id(), wire::CancelOrder{order.order_id}));
  for (const auto& order : orders) {
    if (!may_send(sent_[node].orders, order.order_id)) continue;
    world_.note("the server sends " + order.order_id.substr(0, 8) + " to " + world_.nodes[node]->machine.plan.name,
                now);
    if (!world_.network->to_node(node, wire::pack(order.order_id, wire::SignedOrder{order.payload, order.signature})))
      break;
    delivered.push_back(order.order_id);
  }
}

bool Server::knows(std::size_t node) {
  const auto kept =
      disk_->read([&](store::Sql& sql) { return store::nodes::get(sql, world_.nodes[node]->machine.plan.id); });
  return kept.ok() && kept->state == store::nodes::NodeState::active;
}

void Server::hear(std::size_t node, const std::string& text) {
  act([&] {
    const auto message = wire::parse_envelope(text);
    if (!message.ok()) return world_.complain("a message cannot be read: " + message.error().chain());
    take(node, *message);
  });
}

void Server::take(std::size_t node, const wire::Envelope& message) {
  const auto& id = world_.nodes[node]->machine.plan.id;
  auto fits = intake_->check(message);
  if (!fits.ok()) world_.complain("the server refuses what an agent says: " + fits.error().chain());
  if (const auto hello = wire::unpack<wire::Hello>(message); hello.ok()) return greet(node, *hello);
  const auto taken = store_.write([&](store::Sql& sql) { return intake_->take(sql, id, message, clock.now()); });
  if (!taken.ok()) {
    world_.network->to_node(
        node, wire::pack(new_id(),
                         wire::Refused{message.id, std::string(name(taken.error().code())), taken.error().chain()}));
    return;
  }
  if (taken->acknowledge) {
    world_.checks->server_acknowledges(message);
    world_.network->to_node(node, wire::pack(new_id(), wire::Ack{{message.id}}));
  }
  if (!taken->need.package_set_hashes.empty() || !taken->need.offer_set_hashes.empty())
    world_.network->to_node(node, wire::pack(new_id(), taken->need));
  if (taken->events_posted) look_soon();
}

void Server::greet(std::size_t node, const wire::Hello& hello) {
  const auto& id = world_.nodes[node]->machine.plan.id;
  const auto need = store_.write([&](store::Sql& sql) -> Result<wire::NeedSets> {
    const auto now = clock.now();
    const auto session =
        store::nodes::begin_session(sql, id, {hello.instance_nonce, hello.boot_id, "10.0.0.1", now, ""});
    if (!session.ok()) return session.error();
    BELAY_TRY(intake_->take_facts(sql, id, hello.facts, hello.agent_version));
    const store::nodes::Touch touch[] = {{id, now}};
    BELAY_TRY(store::nodes::touch_many(sql, touch));
    return intake_->missing_sets(sql, id);
  });
  if (!need.ok()) return world_.network->cut(node);
  greeted_.insert(node);
  to_deliver_ = true;
  wire::Welcome welcome;
  welcome.server_time = clock.now();
  welcome.order_public_key = to_base64(authority_.order_public_key);
  world_.network->to_node(node, wire::pack(new_id(), welcome));
  if (!need->package_set_hashes.empty() || !need->offer_set_hashes.empty())
    world_.network->to_node(node, wire::pack(new_id(), *need));
  look_soon();
}

}  // namespace belay::sim
