#include "agent/packages/fake_package_manager.hpp"

#include <algorithm>

#include "agent/packages/problems.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/version/version.hpp"
#include "io/crypto.hpp"

namespace belay::agent {

using fleet::Reason;

namespace {

constexpr std::size_t kStateBytesMax = 64 << 20;

std::strong_ordering compare(fleet::PackageFormat format, std::string_view a, std::string_view b) {
  return format == fleet::PackageFormat::deb ? version::compare_deb(a, b) : version::compare_rpm(a, b);
}

fleet::InstalledPackage* find(FakeState& state, std::string_view name) {
  for (auto& package : state.installed.packages)
    if (package.name == name) return &package;
  return nullptr;
}
const fleet::InstalledPackage* find(const FakeState& state, std::string_view name) {
  return find(const_cast<FakeState&>(state), name);
}

const fleet::Offer* offer_of(const FakeState& state, std::string_view name, std::string_view version) {
  for (const auto& offer : state.offers.offers)
    if (offer.name == name && (version.empty() || offer.version == version)) return &offer;
  return nullptr;
}

std::string held_path(const std::string& directory, std::string_view name, std::string_view version) {
  return directory + "/" + std::string(name) + "_" + std::string(version) + ".package";
}

bool is_done(const FakeState& state, const fleet::PackageChange& change) {
  const auto* package = find(state, change.name);
  if (change.to_version.empty()) return !package;
  return package && package->version == change.to_version && !state.broken.contains(change.name);
}

void apply(FakeState& state, const fleet::PackageChange& change) {
  if (change.to_version.empty()) {
    std::erase_if(state.installed.packages, [&](const auto& package) { return package.name == change.name; });
  } else if (auto* package = find(state, change.name)) {
    package->version = change.to_version;
  } else {
    const auto* offer = offer_of(state, change.name, change.to_version);
    state.installed.packages.push_back(
        {change.name, change.arch.empty() && offer ? offer->arch : change.arch, change.to_version});
    state.automatic.push_back(change.name);
    std::ranges::sort(state.installed.packages);
  }
}

std::vector<fleet::Problem> health_of(const FakeState& state) {
  std::vector<fleet::Problem> problems;
  for (const auto& [name, how] : state.broken) {
    const bool mends = how == "unconfigured";
    add_problem(problems, make_problem(mends ? Reason::dpkg_interrupted : Reason::package_broken, name, "it is " + how,
                                       "repair it"));
  }
  return problems;
}

std::vector<fleet::PackageChange> difference(const fleet::PackageSet& before, const FakeState& after) {
  std::vector<fleet::PackageChange> changes;
  for (const auto& package : after.installed.packages) {
    const auto old = std::ranges::find_if(before.packages, [&](const auto& one) { return one.name == package.name; });
    if (old == before.packages.end()) changes.push_back({package.name, package.arch, "", package.version, "", 0});
    else if (old->version != package.version)
      changes.push_back({package.name, package.arch, old->version, package.version, "", 0});
  }
  for (const auto& package : before.packages)
    if (!find(after, package.name)) changes.push_back({package.name, package.arch, package.version, "", "", 0});
  std::ranges::sort(changes);
  return changes;
}

}  // namespace

FakePackageManager::FakePackageManager(const Host& host, std::string state_path)
    : host_(host), state_path_(std::move(state_path)) {}

Result<FakeState> FakePackageManager::load() const {
  const auto text = host_.files.read(state_path_, kStateBytesMax);
  if (!text.ok() && text.error().code() == Code::not_found) return FakeState{};
  if (!text.ok()) return text.error();
  return json::decode_text<FakeState>(*text, {kStateBytesMax, 32})
      .within("the fake package manager's state " + state_path_);
}

Status FakePackageManager::save(const FakeState& state) {
  return host_.files.write_durable(state_path_, json::encode_text(state), 0600);
}

const FakeFaultRow* FakePackageManager::take(FakeState& state, FakeFault fault) {
  for (auto row = state.faults.begin(); row != state.faults.end(); ++row) {
    if (row->fault != fault || row->times == 0) continue;
    taken_ = *row;
    if (row->times > 0 && --row->times == 0) state.faults.erase(row);
    return &taken_;
  }
  return nullptr;
}

Result<ScanResult> FakePackageManager::scan() {
  BELAY_TRY_ASSIGN(auto state, load());
  ScanResult result;
  if (const auto* row = take(state, FakeFault::release_expired); row && row->times < 0)
    add_problem(result.problems, make_problem(Reason::release_expired, "fake",
                                              "its Release file was valid until yesterday", "refresh", true));
  result.installed = state.installed;
  std::ranges::sort(result.installed.packages);
  result.offers.format = state.installed.format;
  for (const auto& offer : state.offers.offers)
    if (const auto* package = find(state, offer.name);
        package && compare(state.installed.format, offer.version, package->version) >= 0)
      result.offers.offers.push_back(offer);
  std::ranges::sort(result.offers.offers, [&](const auto& a, const auto& b) {
    if (const auto order = std::tie(a.name, a.arch) <=> std::tie(b.name, b.arch); order != 0) return order < 0;
    return compare(state.installed.format, a.version, b.version) < 0;
  });
  result.held = state.held;
  result.automatic = state.automatic;
  result.repositories.push_back({"fake", "fake.invalid", host_.clock.now(), std::nullopt, host_.clock.now()});
  add_problems(result.problems, health_of(state));
  return result;
}

Result<RefreshReport> FakePackageManager::refresh(Duration, const OutputLine& output) {
  BELAY_TRY_ASSIGN(auto state, load());
  RefreshReport report;
  static constexpr std::pair<FakeFault, Reason> kRows[] = {
      {FakeFault::refresh_unreachable, Reason::repository_unreachable},
      {FakeFault::release_expired, Reason::release_expired},
      {FakeFault::key_expired, Reason::key_expired}};
  for (const auto& [fault, reason] : kRows)
    if (take(state, fault))
      add_problem(report.problems,
                  make_problem(reason, "fake", "the fake repository fails as asked for", "try again", true));
  report.repositories.push_back({"fake", "fake.invalid", host_.clock.now(), std::nullopt, host_.clock.now()});
  if (output) output("refreshed the fake lists");
  BELAY_TRY(save(state));
  return report;
}

Result<TransactionPlan> FakePackageManager::simulate(const InstallOrder& order) {
  BELAY_TRY_ASSIGN(auto state, load());
  TransactionPlan plan;
  const auto names_it = [&](std::string_view name) {
    return std::ranges::any_of(order.changes, [&](const auto& one) { return one.name == name; });
  };
  for (const auto& change : order.changes) {
    if (is_done(state, change)) continue;
    const auto* package = find(state, change.name);
    if (std::ranges::find(state.held, change.name) != state.held.end())
      add_problem(plan.problems,
                  make_problem(Reason::package_held, change.name, "the package is on hold", "release the hold"));
    if (change.to_version.empty() && !order.allow_removal)
      add_problem(plan.problems,
                  make_problem(Reason::would_remove_packages, change.name, "it would be removed", "allow it"));
    const auto* offer = offer_of(state, change.name, change.to_version);
    const bool held = !order.held_directory.empty() &&
                      host_.files.info(held_path(order.held_directory, change.name, change.to_version)).ok();
    if (!change.to_version.empty() && !offer && !held)
      add_problem(plan.problems, make_problem(Reason::version_not_offered, change.name,
                                              "version " + change.to_version + " is not offered", "scan again"));
    if (package && !change.to_version.empty() && !order.allow_downgrade &&
        compare(state.installed.format, change.to_version, package->version) < 0)
      add_problem(plan.problems, make_problem(Reason::other, change.name,
                                              "the order would go back without being a rollback", "scan again"));
    if (package && !change.from_version.empty() && package->version != change.from_version)
      add_problem(plan.problems, make_problem(Reason::other, change.name,
                                              "version " + package->version + " is installed, the order starts from " +
                                                  change.from_version,
                                              "scan again"));
    plan.changes.push_back({change.name, change.arch, package ? package->version : "", change.to_version,
                            offer ? offer->sha256 : "", offer ? offer->size_bytes : 0});
    plan.download_bytes += offer ? offer->size_bytes : 0;
    plan.disk_bytes += offer ? offer->installed_bytes : 0;
    for (const auto& needed : state.needs[change.name]) {
      if (find(state, needed) || names_it(needed)) continue;
      add_problem(plan.problems, make_problem(Reason::dependency_broken, needed,
                                              "the order needs it too, and does not list it", "make a new change set"));
      if (const auto* needed_offer = offer_of(state, needed, ""))
        plan.changes.push_back(
            {needed, needed_offer->arch, "", needed_offer->version, needed_offer->sha256, needed_offer->size_bytes});
    }
  }
  if (const auto* row = take(state, FakeFault::simulate_removes)) {
    add_problem(plan.problems, make_problem(Reason::would_remove_packages, row->package, "the resolver would remove it",
                                            "look at what conflicts"));
    BELAY_TRY(save(state));
  }
  return plan;
}

Status FakePackageManager::download(const InstallOrder& order, const OutputLine& output) {
  BELAY_TRY_ASSIGN(auto state, load());
  if (take(state, FakeFault::download_fails)) {
    BELAY_TRY(save(state));
    return Error(Code::unavailable, "the fake mirror lost a file", reason_word(Reason::repository_unreachable));
  }
  for (const auto& change : order.changes) {
    if (change.to_version.empty() || is_done(state, change)) continue;
    const bool held = !order.held_directory.empty() &&
                      host_.files.info(held_path(order.held_directory, change.name, change.to_version)).ok();
    if (!held && !offer_of(state, change.name, change.to_version))
      return Error(Code::not_found, change.name + " " + change.to_version + " is not offered",
                   reason_word(Reason::version_not_offered));
    const auto* offer = held ? nullptr : offer_of(state, change.name, change.to_version);
    const auto content = file_content(change.name, change.to_version);
    if (offer && offer->sha256 == io::sha256_hex(content)) {
      BELAY_TRY(host_.files.make_directories(state_path_ + ".archives", 0755));
      BELAY_TRY(host_.files.write_durable(downloaded_file(change), content, 0644));
    }
    const std::string word = change.name + "=" + change.to_version;
    if (std::ranges::find(state.downloaded, word) == state.downloaded.end()) state.downloaded.push_back(word);
    if (output) output("fetched " + word);
  }
  return save(state);
}

Result<std::vector<fleet::Problem>> FakePackageManager::hold_old_versions(const InstallOrder& order,
                                                                          const std::string& directory) {
  BELAY_TRY_ASSIGN(auto state, load());
  BELAY_TRY(host_.files.make_directories(directory, 0755));
  std::vector<fleet::Problem> problems;
  for (const auto& change : order.changes) {
    if (change.from_version.empty() || change.from_version == change.to_version) continue;
    if (host_.files.info(held_path(directory, change.name, change.from_version)).ok()) continue;
    const auto* row = take(state, FakeFault::hold_fails);
    if (row)
      add_problem(problems, make_problem(Reason::version_not_offered, change.name,
                                         "version " + change.from_version + " cannot be held", "use snapshots"));
    else
      BELAY_TRY(host_.files.write_durable(held_path(directory, change.name, change.from_version),
                                          file_content(change.name, change.from_version), 0644));
  }
  BELAY_TRY(save(state));
  return problems;
}

std::string FakePackageManager::file_content(std::string_view name, std::string_view version) {
  return std::string(name) + " " + std::string(version) + "\n";
}

std::string FakePackageManager::held_name(const fleet::PackageChange& change) const {
  return change.name + "_" + change.to_version + ".package";
}

std::string FakePackageManager::downloaded_file(const fleet::PackageChange& change) const {
  return state_path_ + ".archives/" + held_name(change);
}

std::string FakePackageManager::package_file(const InstallOrder& order, const fleet::PackageChange& change) const {
  if (change.to_version.empty()) return {};
  if (!order.held_directory.empty())
    if (auto held = order.held_directory + "/" + held_name(change); host_.files.info(held).ok()) return held;
  auto downloaded = downloaded_file(change);
  return host_.files.info(downloaded).ok() ? downloaded : std::string();
}

Result<InstallReport> FakePackageManager::install(const InstallOrder& order, const OutputLine& output) {
  BELAY_TRY_ASSIGN(auto state, load());
  InstallReport report;
  if (state.broken.empty() &&
      std::ranges::all_of(order.changes, [&](const auto& change) { return is_done(state, change); }))
    return report;
  const auto refuse = [&](fleet::Problem problem) -> Result<InstallReport> {
    report.problems.push_back(std::move(problem));
    BELAY_TRY(save(state));
    return report;
  };
  if (take(state, FakeFault::lock_held))
    return refuse(make_problem(Reason::lock_held, "fake (process 1)", "the lock is held", "try again"));
  if (take(state, FakeFault::disk_full))
    return refuse(make_problem(Reason::disk_full, "/", "no space is left", "free space"));
  BELAY_TRY_ASSIGN(auto plan, simulate(order));
  if (!plan.problems.empty()) return refuse(std::move(plan.problems.front()));
  const auto before = state.installed;
  const auto* failing = take(state, FakeFault::script_fails);
  const auto* stopping = failing ? nullptr : take(state, FakeFault::stops_half_way);
  const auto* ruined = failing || stopping ? nullptr : take(state, FakeFault::broken_for_good);
  const bool lying = !failing && !stopping && !ruined && take(state, FakeFault::lies);
  const auto scripted = std::ranges::find_if(order.changes, [&](const auto& change) {
    const auto row = state.failing_scripts.find(change.name);
    return row != state.failing_scripts.end() && row->second == change.to_version;
  });
  if (scripted != order.changes.end()) failing = &(taken_ = {FakeFault::script_fails, scripted->name, 1});
  const std::string victim =
      taken_.package.empty() && !order.changes.empty() ? order.changes.front().name : taken_.package;
  for (const auto& change : order.changes) {
    if (lying && change.name == victim) continue;
    if (!is_done(state, change)) apply(state, change);
    state.broken.erase(change.name);  // installing it anew mends it
    if (output) output("set up " + change.name + " " + change.to_version);
    if (change.name == victim && (failing || stopping || ruined)) {
      state.broken[change.name] = failing ? "unconfigured" : ruined ? "for-good" : "half-installed";
      BELAY_TRY(save(state));
      if (!failing) return Error(Code::internal, "the fake package manager stopped while it unpacked " + change.name);
    } else {
      BELAY_TRY(save(state));  // package by package, as a crash would find it
    }
  }
  ++state.installs;
  BELAY_TRY(save(state));
  report.changed = difference(before, state);
  report.problems = health_of(state);
  if (failing)
    report.problems.push_back(
        make_problem(Reason::script_failed, victim, "its script failed as asked for", "repair it"));
  report.restart_needed = state.restart_needed;
  report.output = "the fake package manager installed " + std::to_string(report.changed.size()) + " packages\n";
  return report;
}

Result<std::optional<fleet::Problem>> FakePackageManager::in_use() {
  BELAY_TRY_ASSIGN(auto state, load());
  if (!take(state, FakeFault::in_use)) return std::optional<fleet::Problem>();
  // With its last turn the other one has finished what looked broken.
  if (std::ranges::none_of(state.faults, [](const auto& row) { return row.fault == FakeFault::in_use; }))
    state.broken.clear();
  BELAY_TRY(save(state));
  return std::optional(make_problem(Reason::lock_held, "fake (process 1)", "another one is at work", "try again"));
}

Result<std::vector<fleet::Problem>> FakePackageManager::check_health() {
  BELAY_TRY_ASSIGN(const auto state, load());
  return health_of(state);
}

Result<std::vector<fleet::Problem>> FakePackageManager::repair(Duration, const OutputLine& output) {
  BELAY_TRY_ASSIGN(auto state, load());
  std::erase_if(state.broken, [](const auto& row) { return row.second != "for-good"; });
  if (output) output("repaired");
  BELAY_TRY(save(state));
  return health_of(state);
}

Result<std::vector<std::string>> FakePackageManager::installed_files(const std::vector<fleet::PackageChange>& changes) {
  BELAY_TRY_ASSIGN(const auto state, load());
  std::vector<std::string> paths;
  for (const auto& change : changes)
    if (const auto found = state.files.find(change.name); found != state.files.end() && !change.from_version.empty())
      paths.insert(paths.end(), found->second.begin(), found->second.end());
  return paths;
}

}  // namespace belay::agent
