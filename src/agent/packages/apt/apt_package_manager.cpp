#include "agent/packages/apt/apt_package_manager.hpp"

#include <algorithm>
#include <map>

#include "agent/packages/apt/changelog_reader.hpp"
#include "agent/packages/apt/output.hpp"
#include "agent/packages/problems.hpp"
#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::agent {

using fleet::Reason;

namespace {

constexpr std::size_t kFileListBytesMax = 32u << 20;
constexpr Duration kSimulateTimeout{120'000};
constexpr Duration kDownloadTimeout{3'600'000};

}  // namespace

AptPackageManager::AptPackageManager(const Host& host, apt::Layout layout) : host_(host), layout_(std::move(layout)) {}

Result<AptPackageManager::Ended> AptPackageManager::run(const Run& run, const OutputLine& output) {
  io::ProcessSpec spec;
  spec.argv = run.argv;
  spec.environment = io::plain_environment();
  spec.environment.insert({{"DEBIAN_FRONTEND", "noninteractive"},
                           {"DEBIAN_PRIORITY", "critical"},
                           {"APT_LISTCHANGES_FRONTEND", "none"},
                           {"NEEDRESTART_MODE", "l"},
                           {"NEEDRESTART_SUSPEND", "1"},
                           {"UCF_FORCE_CONFFOLD", "1"}});
  spec.timeout = run.timeout;
  spec.working_directory = run.working_directory;
  return run_tool(host_.processes, spec, output);
}

std::vector<std::string> AptPackageManager::apt_get(std::initializer_list<std::string_view> words) const {
  std::vector<std::string> argv{"apt-get", "-q"};
  if (layout_.own_lists) argv.insert(argv.end(), {"-c", layout_.cache_directory + "/apt.conf"});
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

Status AptPackageManager::write_lists_configuration() {
  if (configuration_written_ || !layout_.own_lists) return {};
  for (const auto& directory : {layout_.lists_directory + "/partial", layout_.cache_directory + "/archives/partial"})
    BELAY_TRY(host_.files.make_directories(layout_.on_disk(directory), 0755));
  // Hooks of the host belong to the host's lists. Plain lists are read three times as fast as packed ones.
  const std::string text =
      "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
      "Dir::State::Lists \"" +
      layout_.lists_directory + "\";\nDir::Cache \"" + layout_.cache_directory +
      "\";\n"
      "Acquire::GzipIndexes \"false\";\nAcquire::Languages \"none\";\n";
  BELAY_TRY(host_.files.write_durable(layout_.on_disk(layout_.cache_directory + "/apt.conf"), text, 0644));
  configuration_written_ = true;
  return {};
}

Result<ScanResult> AptPackageManager::scan() { return apt::scan(host_.files, layout_, host_.clock.now()); }

Status AptPackageManager::describe_updates(ScanResult& scan, Duration timeout) {
  if (timeout > Duration::zero()) BELAY_TRY(write_lists_configuration());
  return apt::describe_updates(host_, layout_, apt_get({}), scan, timeout);
}

Result<RefreshReport> AptPackageManager::refresh(Duration timeout, const OutputLine& output) {
  BELAY_TRY(write_lists_configuration());
  const auto seconds = std::to_string(std::clamp<std::int64_t>(timeout.count() / 4'000, 5, 20));
  // Without Error-Mode=any a bad signature, an expired key or a mirror that hangs are warnings and exit status 0.
  BELAY_TRY_ASSIGN(const auto ended,
                   run({apt_get({"-o", "APT::Update::Error-Mode=any", "-o", "Acquire::http::Timeout=" + seconds, "-o",
                                 "Acquire::https::Timeout=" + seconds, "-o", "Acquire::Retries=1", "update"}),
                        timeout},
                       output));
  RefreshReport report;
  report.problems = apt::problems_of_update(ended.output);
  if (ended.outcome.end == io::ProcessOutcome::End::timed_out)
    add_problem(report.problems, make_problem(Reason::repository_unreachable, "",
                                              "apt-get update did not end within " + humanize(timeout) +
                                                  ": a mirror hangs. " + tail_of(ended.output, 500),
                                              "check the network and the mirrors", true));
  else if (!ended.outcome.success() && std::ranges::none_of(report.problems, &fleet::Problem::blocks_judgement))
    add_problem(report.problems,
                make_problem(Reason::other, "apt-get update", tail_of(ended.output, 1'500), "read the message", true));
  if (report.problems.empty() && layout_.own_lists)
    BELAY_TRY(host_.files.write_durable(layout_.on_disk(layout_.cache_directory + "/belay-refreshed"),
                                        to_iso8601(host_.clock.now()) + "\n", 0644));
  auto lists = apt::read_lists(host_.files, layout_, host_.clock.now());
  report.repositories = std::move(lists.states);
  for (auto& problem : lists.problems)
    if (problem.blocks_judgement) add_problem(report.problems, std::move(problem));
  return report;
}

std::string AptPackageManager::held_file(const InstallOrder& order, const fleet::PackageChange& change) const {
  if (order.held_directory.empty() || change.to_version.empty()) return {};
  const auto names = host_.files.list(layout_.on_disk(order.held_directory));
  if (!names.ok()) return {};
  const auto version = apt::version_in_file_name(change.to_version);  // dpkg-repack leaves the epoch away
  const auto without_epoch = change.to_version.substr(change.to_version.find(':') + 1);
  for (const auto& candidate : {version, without_epoch})
    for (const auto& name : *names)
      if (name.starts_with(change.name + "_" + candidate + "_") && name.ends_with(".deb"))
        return order.held_directory + "/" + name;
  return {};
}

Result<std::vector<std::string>> AptPackageManager::targets(const InstallOrder& order, const apt::Database& database) {
  std::vector<std::string> words;
  const auto native = apt::native_architecture(database.packages);
  for (const auto& change : order.changes) {
    if (!is_plain_word(change.name, 200) || change.name.starts_with('-') ||
        (!change.to_version.empty() && !is_plain_word(change.to_version, 300)))
      return Error(Code::invalid_argument,
                   "'" + sanitize(change.name, 100) + "' is no package change that apt could be asked for");
    const bool foreign =
        !change.arch.empty() && change.arch != "all" && change.arch != native && is_plain_word(change.arch, 50);
    const std::string name = change.name + (foreign ? ":" + change.arch : "");
    if (change.to_version.empty()) words.push_back(name + "-");
    else if (auto file = held_file(order, change); !file.empty()) words.push_back(std::move(file));
    else words.push_back(name + "=" + change.to_version);
  }
  return words;
}

Result<TransactionPlan> AptPackageManager::simulate(const InstallOrder& order) {
  BELAY_TRY_ASSIGN(const auto database, apt::read_database(host_.files, layout_));
  return simulate_on(order, database);
}

Result<TransactionPlan> AptPackageManager::simulate_on(const InstallOrder& order, const apt::Database& database) {
  BELAY_TRY(write_lists_configuration());
  TransactionPlan plan;
  BELAY_TRY_ASSIGN(const auto words, targets(order, database));
  if (words.empty()) return plan;
  auto argv =
      apt_get({"-s", "-o", "Debug::NoLocking=1", "-o", "APT::Get::Show-User-Simulation-Note=false",
               "--no-install-recommends", "--allow-change-held-packages", "-o", "APT::Get::AutomaticRemove=false"});
  if (order.allow_downgrade) argv.emplace_back("--allow-downgrades");
  argv.emplace_back("install");
  argv.insert(argv.end(), words.begin(), words.end());
  BELAY_TRY_ASSIGN(const auto ended, run({argv, kSimulateTimeout}, {}));
  plan.changes = apt::changes_of_simulation(ended.output, apt::native_architecture(database.packages));
  if (!ended.outcome.success()) {
    plan.problems = apt::problems_of_install(ended.output);
    if (plan.problems.empty())
      add_problem(plan.problems,
                  make_problem(Reason::other, "apt-get -s install", tail_of(ended.output, 1'500), "read the message"));
  }
  compare_with_order(order, database, plan);
  fill_sizes(order, database, plan);
  return plan;
}

void AptPackageManager::compare_with_order(const InstallOrder& order, const apt::Database& database,
                                           TransactionPlan& plan) const {
  for (const auto& change : order.changes) {
    const auto* installed = apt::find_package(database.packages, change.name, "");
    if (installed && installed->held && installed->version != change.to_version)
      add_problem(plan.problems,
                  make_problem(Reason::package_held, change.name, "the package is on hold at " + installed->version,
                               "run 'apt-mark unhold " + change.name + "' when it may change"));
    if (!change.from_version.empty() && installed && installed->version != change.from_version &&
        installed->version != change.to_version)
      add_problem(plan.problems, make_problem(Reason::other, change.name,
                                              "version " + installed->version +
                                                  " is installed, the order starts from " + change.from_version,
                                              "scan again and make a new change set"));
    if (!order.allow_downgrade && installed && !change.to_version.empty() &&
        installed->state == apt::PackageState::installed &&
        version::compare_deb(change.to_version, installed->version) < 0)
      add_problem(plan.problems, make_problem(Reason::other, change.name,
                                              "the order would go back from " + installed->version + " to " +
                                                  change.to_version + " without being a rollback",
                                              "scan again and make a new change set"));
  }
  for (const auto& change : plan.changes) {
    const auto* listed = [&]() -> const fleet::PackageChange* {
      for (const auto& one : order.changes)
        if (one.name == change.name) return &one;
      return nullptr;
    }();
    if (change.to_version.empty()) {
      if (!listed || !listed->to_version.empty() || !order.allow_removal)
        add_problem(plan.problems, make_problem(Reason::would_remove_packages, change.name,
                                                "the order would remove " + change.name + " " + change.from_version,
                                                "look at what conflicts, or list the removal in the order"));
    } else if (!listed || listed->to_version != change.to_version) {
      add_problem(plan.problems, make_problem(Reason::dependency_broken, change.name,
                                              "the order needs " + change.name + " " + change.to_version +
                                                  " too, and does not list it",
                                              "make a new change set that lists it"));
    }
  }
}

void AptPackageManager::fill_sizes(const InstallOrder& order, const apt::Database& database, TransactionPlan& plan) {
  std::set<apt::Wanted> wanted;
  for (const auto& change : plan.changes) wanted.insert({change.name, change.arch, change.to_version});
  const auto files = apt::find_package_files(host_.files, layout_, host_.clock.now(), wanted);
  std::uint64_t largest = 0;
  for (auto& change : plan.changes) {
    const auto found = files.find({change.name, change.arch, change.to_version});
    if (found == files.end()) continue;
    change.sha256 = found->second.sha256;
    change.size_bytes = found->second.size_bytes;
    plan.download_bytes += change.size_bytes;
    const auto* old = apt::find_package(database.packages, change.name, "");
    const std::uint64_t before = old ? old->installed_bytes : 0, after = found->second.installed_bytes;
    if (after > before) plan.disk_bytes += after - before;
    largest = std::max(largest, after);
    for (const auto& listed : order.changes)
      if (listed.name == change.name && listed.to_version == change.to_version && !listed.sha256.empty() &&
          listed.sha256 != change.sha256 && held_file(order, listed).empty())
        add_problem(plan.problems,
                    make_problem(Reason::signature_bad, change.name,
                                 "version " + change.to_version + " is offered with another checksum than the order's",
                                 "do not trust this mirror until it is known why"));
  }
  plan.disk_bytes += largest;  // dpkg lays a package's new files beside its old ones
}

Status AptPackageManager::download(const InstallOrder& order, const OutputLine& output) {
  BELAY_TRY(write_lists_configuration());
  BELAY_TRY_ASSIGN(const auto database, apt::read_database(host_.files, layout_));
  InstallOrder wanted = order;
  std::erase_if(wanted.changes,
                [&](const auto& change) { return change.to_version.empty() || !held_file(order, change).empty(); });
  if (wanted.changes.empty()) return {};
  BELAY_TRY_ASSIGN(const auto words, targets(wanted, database));
  auto argv = apt_get({"-y", "--download-only", "--no-install-recommends", "--allow-change-held-packages", "-o",
                       "APT::Get::AutomaticRemove=false", "-o", "Acquire::Retries=2", "-o",
                       "DPkg::Lock::Timeout=" + std::to_string(order.lock_timeout.count() / 1000)});
  if (order.allow_downgrade) argv.emplace_back("--allow-downgrades");
  argv.emplace_back("install");
  argv.insert(argv.end(), words.begin(), words.end());
  BELAY_TRY_ASSIGN(const auto ended, run({argv, kDownloadTimeout}, output));
  if (!ended.outcome.success()) {
    const auto problems = apt::problems_of_install(ended.output);
    if (!problems.empty()) return error_of(problems.front()).within("cannot download the ordered packages");
    return Error(Code::unavailable, "cannot download the ordered packages: " + tail_of(ended.output, 1'000),
                 "repository-unreachable");
  }
  for (const auto& change : wanted.changes) BELAY_TRY(check_downloaded(change));
  return {};
}

// apt itself is asked: it takes the lock for a moment, or says who has it.
Result<std::optional<fleet::Problem>> AptPackageManager::in_use() {
  BELAY_TRY_ASSIGN(const auto ended, run({apt_get({"-o", "DPkg::Lock::Timeout=0", "check"}), kSimulateTimeout}, {}));
  if (!ended.outcome.success())
    for (auto& problem : apt::problems_of_install(ended.output))
      if (problem.reason == Reason::lock_held) return std::optional(std::move(problem));
  return std::optional<fleet::Problem>();
}

Result<std::vector<fleet::Problem>> AptPackageManager::check_health() {
  BELAY_TRY_ASSIGN(const auto database, apt::read_database(host_.files, layout_));
  auto problems = apt::health_of(database.packages, database.journal_pending);
  BELAY_TRY_ASSIGN(const auto ended, run({apt_get({"-o", "Debug::NoLocking=1", "check"}), kSimulateTimeout}, {}));
  if (!ended.outcome.success())
    for (auto& problem : apt::problems_of_install(ended.output))
      if (problem.reason == Reason::dependency_broken) add_problem(problems, std::move(problem));
  return problems;
}

// dpkg's own lists; of a package that may be there in several architectures the list is named by both.
Result<std::vector<std::string>> AptPackageManager::installed_files(const std::vector<fleet::PackageChange>& changes) {
  std::vector<std::string> paths;
  for (const auto& change : changes) {
    if (change.from_version.empty()) continue;
    const auto info = layout_.on_disk(layout_.dpkg_directory + "/info/" + change.name);
    auto list = host_.files.read(info + ":" + change.arch + ".list", kFileListBytesMax);
    if (!list.ok() && list.error().code() == Code::not_found)
      list = host_.files.read(info + ".list", kFileListBytesMax);
    if (!list.ok() && list.error().code() == Code::not_found) continue;  // dpkg takes it for a package without files
    if (!list.ok()) return list.error();
    for (const auto line : split(*list, '\n'))
      if (line.starts_with('/')) paths.emplace_back(line);
  }
  return paths;
}

}  // namespace belay::agent
