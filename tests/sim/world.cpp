#include "tests/sim/world.hpp"

#include <algorithm>
#include <cstdio>

#include "store/nodes.hpp"
#include "store/tags.hpp"

namespace belay::sim {
namespace {

constexpr std::uint64_t kEventsMax = 200'000;

std::string clock_text(Duration at) {
  const auto ms = at.count();
  char text[40];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d.%03d", static_cast<int>(ms / 3'600'000),
                static_cast<int>(ms / 60'000 % 60), static_cast<int>(ms / 1'000 % 60), static_cast<int>(ms % 1'000));
  return text;
}

}  // namespace

World::World(std::uint64_t seed, const std::string& folder, std::unique_ptr<store::Store> store,
             const server::Authority& authority)
    : random(seed), scenario(make_scenario(random)), authority_(authority) {
  Network::Ends ends;
  ends.server_hears = [this](std::size_t node, const std::string& text) { server->hear(node, text); };
  ends.node_hears = [this](std::size_t node, const std::string& text) { nodes[node]->hear(text); };
  ends.broken = [this](std::size_t node) { server->line_broken(node), nodes[node]->link_broken(); };
  network = std::make_unique<Network>(queue, scenario.rates, random.fork(), scenario.nodes.size(), std::move(ends));
  server = std::make_unique<Server>(*this, std::move(store), authority, random.fork());
  checks = std::make_unique<Checks>(*this);
  operators = std::make_unique<Operators>(*this, random.fork());
  for (std::size_t i = 0; i < scenario.nodes.size(); ++i)
    nodes.push_back(std::make_unique<Node>(*this, i, scenario.nodes[i], folder + "/" + scenario.nodes[i].name));
}

Node* World::node_named(std::string_view id) {
  const auto at = std::ranges::find_if(nodes, [&](const auto& node) { return node->machine.plan.id == id; });
  return at == nodes.end() ? nullptr : at->get();
}

std::size_t World::index_of(const Node& node) const {
  return static_cast<std::size_t>(std::ranges::find_if(nodes, [&](const auto& one) { return one.get() == &node; }) -
                                  nodes.begin());
}

void World::note(const std::string& what, Duration at) { trace.push_back("+" + clock_text(at) + " " + what); }

void World::complain(const std::string& what) {
  note("WRONG: " + what, queue.now());
  wrong.push_back(what);
}

void World::enroll() {
  const auto made = server->disk().write([&](store::Sql& sql) -> Status {
    for (const auto& plan : scenario.nodes) {
      store::nodes::Node node;
      node.node_id = plan.id;
      node.name = plan.name;
      node.operating_system = "DEBIAN";
      node.agent_version = "0.1.0";
      node.registered_at = wall(Duration(0));
      BELAY_TRY(store::nodes::create(sql, node));
      BELAY_TRY(store::tags::set(sql, store::tags::kManagedInstance, plan.id,
                                 std::vector<store::tags::Tag>{{"Env", plan.env}, {"Role", plan.role}}));
    }
    return {};
  });
  if (!made.ok()) complain("nodes cannot be made: " + made.error().chain());
}

// What happens to hosts and lines by itself; what fails in a run is decided when it begins.
void World::plan_faults() {
  const auto& rates = scenario.rates;
  if (scenario.archive_moves)
    queue.at(*scenario.archive_moves, [this] {
      note("the archive moves on", queue.now());
      for (auto& node : nodes) node->machine.move_archive();
    });
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    auto* node = nodes[i].get();
    const auto sometime = [&] { return random.between(kMinute, kActive); };
    if (random.chance(rates.clock_jumps))
      queue.at(sometime(), [node, by = random.between(-2 * kHour, 2 * kHour)] { node->jump_clock(by); });
    if (random.chance(rates.goes_away))
      queue.at(sometime(), [node, away = random.between(kMinute, kHour)] { node->lose_power(away); });
    if (random.chance(rates.leaves)) queue.at(sometime(), [this, node] { operators->remove(*node); });
    for (Duration at{}; rates.cut_off > 0 && at < kActive; at += kMinute)
      if (random.chance(rates.cut_off)) queue.at(at, [this, i] { network->cut(i); });
  }
}

void World::come_to_rest() {
  note("nothing fails any more", queue.now());
  faults = network->faults = false;
  server->stop_dying();
  for (auto& node : nodes) node->heal();
  look_whether_at_rest();
}

void World::look_whether_at_rest() {
  const bool nodes_rest = std::ranges::all_of(nodes, [&](const auto& node) {
    return node->never_comes_back() || (node->removed ? !node->is_away() : node->is_idle()) ||
           (node->removed && node->is_away());
  });
  at_rest_ = nodes_rest && server->is_up() && network->on_the_way() == 0 && checks->rollouts_rest();
  if (!at_rest_) queue.after(kMinute, [this] { look_whether_at_rest(); });
}

// The end of the faults finds no run in its middle: it heals hosts.
void World::catch_up(Duration at) {
  if (catching_up_) return;
  struct Flag {
    bool& flag;
    explicit Flag(bool& one) : flag(one) { flag = true; }
    ~Flag() { flag = false; }
  } const busy(catching_up_);
  while (wrong.empty() && !queue.empty() && queue.next() < std::min(at, kActive)) {
    queue.step();
    ++events;
  }
}

void World::run() {
  enroll();
  server->boot();
  operators->make_window();
  for (auto& node : nodes) node->start();
  operators->start();
  plan_faults();
  queue.at(kActive, [this] { come_to_rest(); });
  while (wrong.empty() && !at_rest_ && queue.step()) {
    if (++events > kEventsMax) complain("there is no end to it");
    if (queue.now() > kAtRestBy) complain("does not come to rest: " + checks->who_is_busy());
  }
  if (wrong.empty()) checks->at_the_end();
}

}  // namespace belay::sim
