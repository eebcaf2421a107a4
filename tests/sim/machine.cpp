#include "tests/sim/machine.hpp"

#include "base/json.hpp"
#include "io/crypto.hpp"

namespace belay::sim {
namespace {

const std::string kState = "/var/lib/packages.json";
const std::string kService = "nginx.service";

// As the predefined baseline approves them.
fleet::Offer security_update(const std::string& name, const std::string& version) {
  fleet::Offer offer;
  offer.name = name;
  offer.arch = "amd64";
  offer.version = version;
  offer.origin = "Debian";
  offer.label = "Debian-Security";
  offer.suite = "oldstable-security";
  offer.codename = "bookworm-security";
  offer.component = "main";
  offer.section = "libs";
  offer.priority = "optional";
  const auto file = agent::FakePackageManager::file_content(name, version);
  offer.sha256 = io::sha256_hex(file);
  offer.size_bytes = file.size();
  offer.security = true;
  return offer;
}

}  // namespace

// The fake package manager, with the time that its work takes.
class Manager final : public agent::PackageManager {
 public:
  Manager(Machine& machine, const agent::Host& host) : machine_(machine), fake_(host, kState) {}
  std::string_view name() const override { return fake_.name(); }
  Result<agent::ScanResult> scan() override { return took(kSecond, 3 * kSecond), fake_.scan(); }
  Result<agent::RefreshReport> refresh(Duration timeout, const agent::OutputLine& output) override {
    return took(kSecond, 20 * kSecond), fake_.refresh(timeout, output);
  }
  Result<agent::TransactionPlan> simulate(const agent::InstallOrder& order) override {
    return took(kSecond, 3 * kSecond), fake_.simulate(order);
  }
  Status download(const agent::InstallOrder& order, const agent::OutputLine& output) override {
    return took(kSecond, kMinute), fake_.download(order, output);
  }
  Result<std::vector<fleet::Problem>> hold_old_versions(const agent::InstallOrder& order,
                                                        const std::string& directory) override {
    return took(kSecond, kMinute), fake_.hold_old_versions(order, directory);
  }
  Result<agent::InstallReport> install(const agent::InstallOrder& order, const agent::OutputLine& output) override {
    machine_.on_progress();
    machine_.on_install(order);
    machine_.work(5 * kSecond, 2 * kMinute);
    auto report = fake_.install(order, output);
    machine_.note_versions();
    return report;
  }
  std::string held_name(const fleet::PackageChange& change) const override { return fake_.held_name(change); }
  std::string package_file(const agent::InstallOrder& order, const fleet::PackageChange& change) const override {
    return fake_.package_file(order, change);
  }
  Result<std::optional<fleet::Problem>> in_use() override { return took(kSecond, kSecond), fake_.in_use(); }
  Result<std::vector<std::string>> installed_files(const std::vector<fleet::PackageChange>& changes) override {
    return fake_.installed_files(changes);
  }
  Result<std::vector<fleet::Problem>> check_health() override { return took(kSecond, kSecond), fake_.check_health(); }
  Result<std::vector<fleet::Problem>> repair(Duration timeout, const agent::OutputLine& output) override {
    return took(5 * kSecond, kMinute), fake_.repair(timeout, output);
  }

 private:
  void took(Duration least, Duration most) {
    machine_.on_progress();
    machine_.work(least, most);
  }
  Machine& machine_;
  agent::FakePackageManager fake_;
};

Machine::Machine(const NodePlan& the_plan, const Scenario& the_scenario, Random the_random)
    : plan(the_plan), scenario(the_scenario), random(the_random) {
  agent::FakeState state;
  for (const auto& [name, version] : plan.has) {
    state.installed.packages.push_back({name, "amd64", version});
    for (const auto* offered : {"1", "2"}) state.offers.offers.push_back(security_update(name, offered));
  }
  state.failing_scripts = scenario.failing_scripts;
  disk.put(kState, json::encode_text(state));
  disk.spare("/output");  // what a run prints is flushed by a destructor
  manager = std::make_unique<Manager>(*this, agent::Host{disk, processes, clock});
  snapshots.on_create = [this] { kept_packages_ = disk.read(kState, 64 << 20).value(); };
  snapshots.on_restore = [this] {
    disk.put(kState, kept_packages_);
    if (archive_moved_) move_archive();
    note_versions();
  };
  processes.on("*", fakes::prints(plan.primary ? "primary\n" : "replica\n"));
  note_versions();
}

agent::FakeState Machine::packages() const {
  return json::decode_text<agent::FakeState>(disk.read(kState, 64 << 20).value()).value();
}

std::map<std::string, std::string> Machine::installed() const {
  std::map<std::string, std::string> all;
  for (const auto& package : packages().installed.packages) all[package.name] = package.version;
  return all;
}

std::vector<agent::SnapshotProvider*> Machine::snapshot_providers() {
  if (!plan.takes_snapshots) return {};
  return {&snapshots};
}

void Machine::change_packages(const std::function<void(agent::FakeState&)>& change) {
  auto state = packages();
  change(state);
  disk.put(kState, json::encode_text(state));
}

void Machine::move_archive() {
  archive_moved_ = true;
  change_packages([](auto& state) {
    state.offers.offers.clear();
    for (const auto& package : state.installed.packages)
      state.offers.offers.push_back(security_update(package.name, "3"));
  });
}

void Machine::note_versions() {
  std::map<std::string, Duration> now;
  for (const auto& [name, version] : installed()) {
    const auto known = since_.find(name + "=" + version);
    now[name + "=" + version] = known == since_.end() ? elapsed() : known->second;
    if (known == since_.end() && name == scenario.wants_reboot && !since_.empty()) host.needs_reboot = true;
  }
  since_ = std::move(now);
}

std::string Machine::ails() const {
  for (const auto& [what, how] : scenario.ill) {
    const auto since = since_.find(what);
    if (since == since_.end()) continue;
    if (how == Ill::at_once || elapsed() - since->second > kLater) return what;
  }
  return "";
}

fleet::NodeFacts Machine::facts() const {
  fleet::NodeFacts facts;
  facts.computer_name = plan.name;
  facts.os_id = "debian";
  facts.os_version = "12";
  facts.os_name = "Debian GNU/Linux 12";
  facts.boot_id = "boot-" + std::to_string(host.boots);
  facts.services.push_back({kService, ails().empty() ? "active" : "failed"});
  facts.reboot_required = host.needs_reboot;
  return facts;
}

void Machine::come_back(Dies how) {
  if (how == Dies::power) disk.power_cut();
  else disk.restart();
  if (how == Dies::power || how == Dies::reboot) host.reboot();
  dies = Dies::run;
}

void Machine::HostSeam::pause(Duration duration) {
  machine_.on_progress();
  machine_.clock.advance(duration);
}

// The process ends with its boot: what follows is the next one's.
Machine::HostSeam::Waited Machine::HostSeam::await_reboot(Duration timeout) {
  machine_.on_progress();
  if (reboot_requests == 0 || machine_.ignores_reboot) {
    machine_.clock.advance(std::max(timeout, Duration::zero()));
    return Waited::timed_out;
  }
  machine_.dies = Dies::reboot;
  throw fakes::Killed{"reboot"};
}

}  // namespace belay::sim
