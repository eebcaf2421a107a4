#include "tests/sim/scenario.hpp"

#include <algorithm>

namespace belay::sim {
namespace {

const std::vector<std::string> kPackages = {"linux", "nginx", "openssl"};
const std::vector<std::string> kEnvs = {"dev", "staging", "prod"};

std::vector<NodePlan> make_nodes(Random& random) {
  std::vector<NodePlan> nodes;
  const auto count = random.between(3, 7);
  for (std::int64_t i = 0; i < count; ++i) {
    NodePlan node;
    node.id = "mi-0000000000000000" + std::to_string(i);
    node.name = "node-" + std::to_string(i);
    node.env = i < 3 ? kEnvs[static_cast<std::size_t>(i)] : random.pick(kEnvs);
    node.role = random.chance(0.5) ? "web" : "db";
    node.primary = random.chance(0.3);
    node.takes_snapshots = random.chance(0.5);
    for (const auto& package : kPackages)
      if (package == "openssl" || random.chance(0.8)) node.has[package] = random.chance(0.9) ? "1" : "2";
    nodes.push_back(std::move(node));
  }
  return nodes;
}

void spoil_packages(Random& random, Scenario& scenario) {
  if (random.chance(0.35)) scenario.ill[random.pick(kPackages) + "=2"] = random.chance(0.7) ? Ill::at_once : Ill::later;
  if (random.chance(0.1)) scenario.failing_scripts[random.pick(kPackages)] = "2";
  if (random.chance(0.5)) scenario.wants_reboot = "linux";
}

Rates make_rates(Random& random) {
  Rates rates;
  const auto kind = random.between(0, 6);
  const bool all = kind == 0;
  if (all || kind == 1) rates.lost = 0.02, rates.late = 0.05, rates.doubled = 0.05, rates.cut_off = 0.02;
  if (all || kind == 2) rates.server_killed = 0.03;
  if (all || kind == 3) rates.run_killed = 0.3, rates.goes_away = 0.1;
  if (all || kind == 4) rates.manager_fails = 0.3, rates.disk_full = 0.1;
  if (all || kind == 5) rates.bad_reboot = 0.3, rates.reboot_ignored = 0.1, rates.clock_jumps = 0.3, rates.leaves = 0.1;
  if (all || kind == 6) rates.stopped = 0.3, rates.late = std::max(rates.late, 0.2);
  if (kind != 0) rates.doubled = std::max(rates.doubled, 0.01), rates.run_killed = std::max(rates.run_killed, 0.03);
  return rates;
}

std::string ring(Random& random, const std::string& name, const std::string& targets, bool window, bool rest) {
  std::string text = "  - {name: " + name + ", targets: [\"" + targets + "\"]";
  if (rest) text += ", rest: true";
  text += ", maxConcurrency: \"" + random.pick<std::string>({"1", "50%", "100%", "100%"}) + "\"";
  text += ", maxErrors: \"" + random.pick<std::string>({"0", "0", "1", "50%"}) + "\"";
  if (random.chance(0.4)) text += ", soak: " + random.pick<std::string>({"1m", "5m", "10m"});
  if (window) text += ", window: " + kWindow;
  if (random.chance(0.3)) text += ", budget: [{tag: Role, maxDisrupted: " + random.pick<std::string>({"1", "2"}) + "}]";
  if (random.chance(0.1)) text += ", order: {command: tell-role, last: [primary]}";
  if (random.chance(0.1)) text += ", approval: 1";
  if (random.chance(0.15)) text += ", class: " + random.pick<std::string>({"R0", "R2"});
  return text + "}\n";
}

std::string rollout(Random& random, const std::string& name, bool window) {
  std::string text = "name: " + name + "\napprovals: " + (random.chance(0.9) ? "1" : "2") + "\nrings:\n";
  const auto shape = random.between(0, 3);
  if (shape <= 1) {
    for (const auto& env : kEnvs) text += ring(random, env, "tag:Env=" + env, window && random.chance(0.5), false);
  } else if (shape == 2) {
    text += ring(random, "canary", "tag:Env=dev", false, false);
    text += ring(random, "all", "*", window && random.chance(0.5), true);
  } else {
    text += ring(random, "all", "*", window && random.chance(0.5), false);
  }
  if (random.chance(0.9)) text += "probes: [{name: web, tcp: {address: \"127.0.0.1:80\"}}]\n";
  text += "gate: {for: 1m, every: 10s, misses: 2}\nrebootTimeout: 5m\n";
  text += "illBefore: " + random.pick<std::string>({"hold", "patch"}) + "\n";
  text += "reboot: " + random.pick<std::string>({"if-needed", "if-needed", "never", "always"}) + "\n";
  text += "onFailure: " + random.pick<std::string>({"rollback", "rollback", "rollback-all", "halt"}) + "\n";
  return text;
}

}  // namespace

Scenario make_scenario(Random& random) {
  Scenario scenario;
  scenario.nodes = make_nodes(random);
  spoil_packages(random, scenario);
  scenario.rates = make_rates(random);
  scenario.window = random.chance(0.35);
  scenario.operators_act = random.chance(0.5) ? 0.03 : 0;
  if (random.chance(0.3)) scenario.archive_moves = random.between(5 * kMinute, kHour);
  const auto rollouts = random.between(1, 10) / 5 + 1;  // one, two, seldom three
  for (std::int64_t i = 0; i < rollouts; ++i) {
    RolloutPlan plan;
    plan.content = rollout(random, "r" + std::to_string(i), scenario.window);
    plan.at = i == 0 ? 2 * kMinute : random.between(2 * kMinute, kHour);
    plan.start = random.chance(0.9);
    scenario.rollouts.push_back(std::move(plan));
  }
  return scenario;
}

}  // namespace belay::sim
