#include "agent/packages/dnf/dnf_package_manager.hpp"

#include <algorithm>
#include <set>

#include "agent/packages/problems.hpp"
#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::agent {

using fleet::Reason;

namespace {

constexpr Duration kQueryTimeout{180'000};
constexpr Duration kDownloadTimeout{3'600'000};
constexpr int kLockedStatus = 200;  // of exit_on_lock

bool is_installed(const fleet::PackageSet& set, const fleet::PackageChange& change) {
  const bool gone = change.to_version.empty();
  const auto same = [&](const auto& package) {
    return package.name == change.name && (change.arch.empty() || package.arch == change.arch) &&
           package.version == (gone ? change.from_version : change.to_version);
  };
  return std::ranges::any_of(set.packages, same) != gone;
}

bool is_done(const fleet::PackageSet& set, const InstallOrder& order) {
  return std::ranges::all_of(order.changes, [&](const auto& change) { return is_installed(set, change); });
}

const fleet::InstalledPackage* newest_of(const fleet::PackageSet& set, std::string_view name, std::string_view arch) {
  const fleet::InstalledPackage* newest = nullptr;
  for (const auto& package : set.packages)
    if (package.name == name && (arch.empty() || package.arch == arch) &&
        (!newest || version::compare_rpm(package.version, newest->version) > 0))
      newest = &package;
  return newest;
}

// The number after <revision> of repomd.xml: when the repository was made, in seconds, where it is that.
std::optional<Instant> revision_of(std::string_view repomd) {
  static constexpr std::string_view kTag = "<revision>";
  const auto at = repomd.find(kTag);
  if (at == std::string_view::npos) return std::nullopt;
  const auto digits = repomd.substr(at + kTag.size(), 12);
  std::int64_t seconds = 0;
  for (const char c : digits.substr(0, digits.find('<'))) {
    if (c < '0' || c > '9') return std::nullopt;
    seconds = seconds * 10 + (c - '0');
  }
  if (seconds < 1'000'000'000) return std::nullopt;
  return from_unix_ms(seconds * 1000);
}

}  // namespace

DnfPackageManager::DnfPackageManager(const Host& host, std::string root) : host_(host), root_(std::move(root)) {}

Result<DnfPackageManager::Ended> DnfPackageManager::run(std::vector<std::string> argv, Duration timeout,
                                                        const OutputLine& output, std::string input) {
  io::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.environment = io::plain_environment();
  spec.timeout = timeout;
  spec.standard_input = std::move(input);
  BELAY_TRY_ASSIGN(auto ended, run_tool(host_.processes, spec, output));
  if (ended.outcome.end == io::ProcessOutcome::End::timed_out)
    return Error(Code::timed_out, spec.argv[0] + " did not end within " + humanize(timeout), "timed-out");
  return ended;
}

Result<DnfPackageManager::Ended> DnfPackageManager::dnf(std::vector<std::string> words, Duration timeout,
                                                        const OutputLine& output, std::string input) {
  std::vector<std::string> argv{"dnf",
                                "--setopt=best=True",
                                "--setopt=skip_if_unavailable=False",
                                "--setopt=*.skip_if_unavailable=False",
                                "--setopt=install_weak_deps=False",
                                "--setopt=clean_requirements_on_remove=False",
                                "--setopt=exit_on_lock=1",
                                "--setopt=metadata_expire=-1",
                                "--setopt=*.metadata_expire=-1"};
  argv.insert(argv.end(), words.begin(), words.end());
  return run(std::move(argv), timeout, output, std::move(input));
}

Result<fleet::PackageSet> DnfPackageManager::installed() {
  BELAY_TRY_ASSIGN(const auto ended,
                   run({"rpm", "-qa", "--qf", std::string(dnf::kInstalledFormat)}, kQueryTimeout, {}));
  if (!ended.outcome.success())
    return Error(Code::corrupt, "rpm -qa failed: " + tail_of(ended.output, 500), "database-unreadable");
  return dnf::parse_installed(ended.outcome.standard_output);
}

std::vector<std::string> DnfPackageManager::version_locks(const fleet::PackageSet& set) const {
  const auto text = host_.files.read(root_ + "/etc/dnf/plugins/versionlock.list", 1 << 20);
  std::set<std::string> held;
  if (!text.ok()) return {};
  for (auto line : split(*text, '\n')) {
    line = trim(line);
    if (line.empty() || line.starts_with('#') || line.starts_with('!')) continue;
    for (const auto& package : set.packages) {
      const auto without_epoch = package.version.substr(package.version.find(':') + 1);
      for (const auto& form : {package.name, dnf::nevra(package.name, package.version, package.arch),
                               dnf::nevra(package.name, without_epoch, package.arch)})
        if (glob_match(line, form)) held.insert(package.name);
    }
  }
  return {held.begin(), held.end()};
}

std::vector<RepositoryState> DnfPackageManager::repositories() const {
  std::vector<RepositoryState> states;
  const std::string cache = root_ + "/var/cache/dnf";
  const auto names = host_.files.list(cache);
  if (!names.ok()) return states;
  for (const auto& name : *names) {
    const std::string repomd = cache + "/" + name + "/repodata/repomd.xml";
    const auto info = host_.files.info(repomd);
    const auto dash = name.rfind('-');
    if (!info.ok() || dash == std::string::npos) continue;
    const auto text = host_.files.read(repomd, 4 << 20);
    states.push_back(
        {name.substr(0, dash), "", text.ok() ? revision_of(*text) : std::nullopt, std::nullopt, info->modified});
  }
  return states;
}

Result<ScanResult> DnfPackageManager::scan() {
  ScanResult result;
  BELAY_TRY_ASSIGN(result.installed, installed());
  result.held = version_locks(result.installed);
  result.repositories = repositories();
  result.offers.format = fleet::PackageFormat::rpm;
  BELAY_TRY_ASSIGN(
      const auto packages,
      run({"dnf", "-q", "-C", "repoquery", "--available", "--qf", std::string(dnf::kOfferFormat)}, kQueryTimeout, {}));
  if (!packages.outcome.success()) {
    for (auto& problem : dnf::problems_of_dnf(packages.output)) {
      problem.blocks_judgement = true;
      add_problem(result.problems, std::move(problem));
    }
    if (result.problems.empty())
      add_problem(result.problems,
                  make_problem(Reason::metadata_missing, "", "dnf repoquery failed: " + tail_of(packages.output, 1'000),
                               "run 'dnf makecache'", true));
    return result;
  }
  std::set<std::pair<std::string, std::string>, std::less<>> names;
  for (const auto& package : result.installed.packages) names.emplace(package.name, package.arch);
  auto offers = dnf::parse_offers(packages.output, [&](std::string_view name, std::string_view arch) {
    return names.contains(std::pair(std::string(name), std::string(arch)));
  });
  std::erase_if(offers, [&](const auto& offer) {
    return version::compare_rpm(offer.version, newest_of(result.installed, offer.name, offer.arch)->version) < 0;
  });
  BELAY_TRY_ASSIGN(const auto notices, run({"dnf", "-v", "-C", "updateinfo", "info", "--all"}, kQueryTimeout, {}));
  if (notices.outcome.success()) dnf::apply_advisories(offers, dnf::parse_advisories(notices.output));
  else
    add_problem(result.problems, make_problem(Reason::metadata_missing, "updateinfo", tail_of(notices.output, 1'000),
                                              "run 'dnf makecache'", true));
  std::ranges::sort(offers, [](const auto& a, const auto& b) {
    if (const auto order = std::tie(a.name, a.arch) <=> std::tie(b.name, b.arch); order != 0) return order < 0;
    return version::compare_rpm(a.version, b.version) < 0;
  });
  result.offers.offers = std::move(offers);
  return result;
}

// dnf says "Bad GPG signature" of an expired key as well. The keys that it has accepted for a repository lie beside its
// lists; gpg says which of them have expired.
void DnfPackageManager::name_expired_keys(std::vector<fleet::Problem>& problems) {
  const auto names = host_.files.list(root_ + "/var/cache/dnf");
  for (auto& problem : problems) {
    if (problem.reason != Reason::signature_bad || !names.ok()) continue;
    for (const auto& name : *names) {
      if (problem.subject.empty() || name.substr(0, name.rfind('-')) != problem.subject) continue;
      const auto keys = run({"gpg", "--homedir", "/var/cache/dnf/" + name + "/pubring", "--batch", "--no-tty",
                             "--with-colons", "--list-keys"},
                            kQueryTimeout, {});
      if (!keys.ok() || !dnf::names_only_expired_keys(keys->outcome.standard_output)) continue;
      problem.reason = Reason::key_expired;
      problem.detail = "the repository's key has expired. " + problem.detail;
      problem.next = "import the repository's renewed key";
    }
  }
}

Result<RefreshReport> DnfPackageManager::refresh(Duration timeout, const OutputLine& output) {
  RefreshReport report;
  const auto ended = run({"dnf", "--setopt=skip_if_unavailable=False", "--setopt=*.skip_if_unavailable=False",
                          "--setopt=timeout=20", "--refresh", "makecache"},
                         timeout, output);
  if (!ended.ok()) {
    if (ended.error().code() != Code::timed_out) return ended.error();
    add_problem(report.problems,
                make_problem(Reason::repository_unreachable, "", ended.error().message() + ": a mirror hangs",
                             "check the network and the mirrors", true));
  } else if (!ended->outcome.success()) {
    report.problems = dnf::problems_of_dnf(ended->output);
    if (report.problems.empty())
      add_problem(report.problems,
                  make_problem(Reason::other, "dnf makecache", tail_of(ended->output, 1'500), "read the message"));
    name_expired_keys(report.problems);
    for (auto& problem : report.problems) problem.blocks_judgement = true;
  }
  report.repositories = repositories();
  return report;
}

std::string DnfPackageManager::held_name(const fleet::PackageChange& change) const {
  return dnf::nevra(change.name, change.to_version.substr(change.to_version.find(':') + 1), change.arch) + ".rpm";
}

// dnf keeps what it downloads beside the lists of the repository that it came from.
std::string DnfPackageManager::package_file(const InstallOrder& order, const fleet::PackageChange& change) const {
  if (change.to_version.empty()) return {};
  if (const auto held = held_file(order, change); !held.empty()) return root_ + held;
  const std::string cache = root_ + "/var/cache/dnf";
  const auto repositories = host_.files.list(cache);
  if (!repositories.ok()) return {};
  for (const auto& repository : *repositories) {
    auto path = cache + "/" + repository + "/packages/" + held_name(change);
    if (host_.files.info(path).ok()) return path;
  }
  return {};
}

std::string DnfPackageManager::held_file(const InstallOrder& order, const fleet::PackageChange& change) const {
  if (order.held_directory.empty() || change.to_version.empty()) return {};
  const auto name = held_name(change);
  return host_.files.info(root_ + order.held_directory + "/" + name).ok() ? order.held_directory + "/" + name
                                                                          : std::string();
}

Result<DnfPackageManager::Request> DnfPackageManager::request(const InstallOrder& order,
                                                              const fleet::PackageSet& set) const {
  std::string installs, removals;
  Request request{{"install"}, ""};
  for (const auto& change : order.changes) {
    if (!is_plain_word(change.name, 300) || change.name.starts_with('-') ||
        (!change.to_version.empty() && !is_plain_word(change.to_version, 300)))
      return Error(Code::invalid_argument,
                   "'" + sanitize(change.name, 100) + "' is no package change that dnf could be asked for");
    if (is_installed(set, change)) continue;
    const auto file = held_file(order, change);
    const auto word = change.to_version.empty() ? dnf::nevra(change.name, change.from_version, change.arch)
                      : !file.empty()           ? file
                                                : dnf::nevra(change.name, change.to_version, change.arch);
    (change.to_version.empty() ? removals : installs) += " " + word;
    if (!change.to_version.empty()) request.words.push_back(word);
  }
  if (!removals.empty())
    request = {{"shell"},
               (installs.empty() ? "" : "install" + installs + "\n") + "remove" + removals + "\nrun\nexit\n"};
  return request;
}

Result<TransactionPlan> DnfPackageManager::simulate(const InstallOrder& order) {
  BELAY_TRY_ASSIGN(const auto set, installed());
  return simulate_on(order, set);
}

Result<TransactionPlan> DnfPackageManager::simulate_on(const InstallOrder& order, const fleet::PackageSet& set) {
  TransactionPlan plan;
  if (is_done(set, order)) return plan;
  BELAY_TRY_ASSIGN(auto what, request(order, set));
  const auto locks = version_locks(set);
  for (const auto& change : order.changes) {
    const auto* now = newest_of(set, change.name, change.arch);
    if (std::ranges::find(locks, change.name) != locks.end() && !is_installed(set, change))
      add_problem(plan.problems, make_problem(Reason::package_held, change.name, "the package is version-locked",
                                              "run 'dnf versionlock delete " + change.name + "' when it may change"));
    if (now && !order.allow_downgrade && !change.to_version.empty() &&
        version::compare_rpm(change.to_version, now->version) < 0)
      add_problem(plan.problems, make_problem(Reason::other, change.name,
                                              "the order would go back from " + now->version + " to " +
                                                  change.to_version + " without being a rollback",
                                              "scan again"));
    if (now && !change.from_version.empty() && now->version != change.from_version && !is_installed(set, change))
      add_problem(plan.problems, make_problem(Reason::other, change.name,
                                              "version " + now->version + " is installed, the order starts from " +
                                                  change.from_version,
                                              "scan again"));
  }
  what.words.insert(what.words.begin(), "--assumeno");
  BELAY_TRY_ASSIGN(const auto ended, dnf(what.words, kQueryTimeout, {}, what.input));
  plan.changes = dnf::parse_transaction(ended.output);
  if (plan.changes.empty()) {
    add_problems(plan.problems, dnf::problems_of_dnf(ended.output));
    if (plan.problems.empty())
      add_problem(plan.problems,
                  make_problem(Reason::other, "dnf install", tail_of(ended.output, 1'500), "read the message"));
  }
  for (auto& change : plan.changes) {
    const auto listed = std::ranges::find(order.changes, change.name, &fleet::PackageChange::name);
    const auto* now = newest_of(set, change.name, change.arch);
    if (change.to_version.empty() &&
        (listed == order.changes.end() || !listed->to_version.empty() || !order.allow_removal))
      add_problem(plan.problems, make_problem(Reason::would_remove_packages, change.name,
                                              "the order would remove " + change.name + " " + change.from_version,
                                              "look at what conflicts, or list the removal"));
    else if (!change.to_version.empty() && (listed == order.changes.end() || listed->to_version != change.to_version))
      add_problem(plan.problems, make_problem(Reason::dependency_broken, change.name,
                                              "the order needs " + change.name + " " + change.to_version +
                                                  " too, and does not list it",
                                              "make a new change set that lists it"));
    if (now && !change.to_version.empty()) change.from_version = now->version;
    if (listed != order.changes.end()) change.sha256 = listed->sha256, change.size_bytes = listed->size_bytes;
    plan.download_bytes += change.size_bytes;
  }
  plan.disk_bytes = plan.download_bytes * 4;  // dnf itself checks the space to the byte before it changes anything
  return plan;
}

Status DnfPackageManager::download(const InstallOrder& order, const OutputLine& output) {
  BELAY_TRY_ASSIGN(const auto set, installed());
  if (is_done(set, order)) return {};
  InstallOrder files = order;
  std::erase_if(files.changes, [&](const auto& change) {
    return change.to_version.empty() || !held_file(order, change).empty() || is_installed(set, change);
  });
  if (files.changes.empty()) return {};
  BELAY_TRY_ASSIGN(auto what, request(order.changes.size() == files.changes.size() ? order : files, set));
  what.words.insert(what.words.begin(), {"-y", "--downloadonly"});
  BELAY_TRY_ASSIGN(const auto ended, dnf(what.words, kDownloadTimeout, output));
  if (ended.outcome.success()) return {};
  const auto problems = dnf::problems_of_dnf(ended.output);
  if (!problems.empty()) return error_of(problems.front()).within("cannot download the ordered packages");
  return Error(Code::unavailable, "cannot download the ordered packages: " + tail_of(ended.output, 1'000),
               "repository-unreachable");
}

Result<std::vector<fleet::Problem>> DnfPackageManager::hold_old_versions(const InstallOrder& order,
                                                                         const std::string& directory) {
  BELAY_TRY(host_.files.make_directories(root_ + directory, 0755));
  InstallOrder old;
  old.held_directory = directory;
  for (const auto& change : order.changes)
    if (!change.from_version.empty() && change.from_version != change.to_version)
      old.changes.push_back({change.name, change.arch, "", change.from_version, "", 0});
  std::vector<fleet::Problem> problems;
  for (const auto& change : old.changes) {
    if (!held_file(old, change).empty()) continue;
    BELAY_TRY_ASSIGN(const auto ended, dnf({"-y", "--downloadonly", "--destdir", directory, "reinstall",
                                            dnf::nevra(change.name, change.to_version, change.arch)},
                                           kDownloadTimeout, {}));
    const auto file = held_file(old, change);
    const auto sound = file.empty() ? Result<Ended>(Error(Code::not_found, "no file"))
                                    : run({"rpm", "-K", "--nosignature", file}, kQueryTimeout, {});
    if (!file.empty() && sound.ok() && sound->outcome.success()) continue;
    if (!file.empty()) BELAY_TRY(host_.files.remove(root_ + file));
    add_problem(problems, make_problem(Reason::version_not_offered, change.name,
                                       "version " + change.to_version +
                                           " cannot be held for a rollback: " + tail_of(ended.output, 500),
                                       "keep old versions in the repository, or let the rollout use snapshots"));
  }
  return problems;
}

Result<DnfPackageManager::Ended> DnfPackageManager::dnf_locked(const std::vector<std::string>& words,
                                                               const InstallOrder& order, const OutputLine& output,
                                                               const std::string& input) {
  const Duration deadline = host_.clock.monotonic() + order.lock_timeout;
  for (;;) {
    BELAY_TRY_ASSIGN(auto ended, dnf(words, order.timeout, output, input));
    const bool locked =
        ended.outcome.end == io::ProcessOutcome::End::exited && ended.outcome.exit_status == kLockedStatus;
    if (!locked || host_.clock.monotonic() >= deadline) return ended;
    BELAY_TRY_ASSIGN(const auto slept, run({"sleep", "2"}, Duration(10'000), {}));
    if (!slept.outcome.success()) return ended;
  }
}

Result<InstallReport> DnfPackageManager::install(const InstallOrder& order, const OutputLine& output) {
  InstallReport report;
  BELAY_TRY_ASSIGN(const auto before, installed());
  if (is_done(before, order)) return report;
  BELAY_TRY_ASSIGN(auto plan, simulate_on(order, before));
  if (!plan.problems.empty()) {
    report.problems = std::move(plan.problems);
    return report;
  }
  BELAY_TRY_ASSIGN(auto what, request(order, before));
  what.words.insert(what.words.begin(), "-y");
  BELAY_TRY_ASSIGN(const auto ended, dnf_locked(what.words, order, output, what.input));
  report.output = tail_of(ended.output, kToolOutputBytesReported);
  if (!ended.outcome.success()) {
    report.problems = dnf::problems_of_dnf(ended.output);
    if (report.problems.empty())
      add_problem(report.problems,
                  make_problem(Reason::other, "dnf install", tail_of(ended.output, 1'500), "read the message"));
  }
  BELAY_TRY_ASSIGN(const auto after, installed());
  report.changed = dnf::changes_between(before, after);
  report.conffiles = dnf::conffiles_of(ended.output);
  BELAY_TRY_ASSIGN(auto health, check_health());
  add_problems(report.problems, std::move(health));
  add_deviations(
      order, report.changed, "dnf", [&](const auto& change) { return is_installed(after, change); }, report.problems);
  if (const auto services = run({"dnf", "-q", "-C", "needs-restarting", "-s"}, kQueryTimeout, {});
      services.ok() && services->outcome.success())
    for (const auto line : split(services->outcome.standard_output, '\n'))
      if (trim(line).ends_with(".service") && report.restart_needed.size() < 1'000)
        report.restart_needed.push_back(sanitize(trim(line), 200));
  return report;
}

// dnf writes its number into a file for as long as it may change packages; one that was killed leaves it behind.
Result<std::optional<fleet::Problem>> DnfPackageManager::in_use() {
  const auto text = host_.files.read(root_ + "/var/lib/dnf/rpmdb_lock.pid", 100);
  const std::string pid(text.ok() ? trim(*text) : "");
  if (pid.empty() || pid.find_first_not_of("0123456789") != std::string::npos) return std::optional<fleet::Problem>();
  const auto name = host_.files.read("/proc/" + pid + "/comm", 100);
  if (!name.ok()) return std::optional<fleet::Problem>();
  return std::optional(make_problem(Reason::lock_held, std::string(trim(*name)) + " (process " + pid + ")",
                                    "another package manager is at work",
                                    "try again when the other process has ended"));
}

Result<std::vector<fleet::Problem>> DnfPackageManager::check_health() {
  BELAY_TRY_ASSIGN(const auto ended, dnf({"-q", "-C", "check"}, kQueryTimeout, {}));
  auto problems = dnf::problems_of_check(ended.output);
  if (problems.empty() && !ended.outcome.success() && ended.output.find("no cache for") == std::string::npos)
    add_problem(problems, make_problem(Reason::database_unreadable, "dnf check", tail_of(ended.output, 1'000),
                                       "run 'rpm --rebuilddb'"));
  return problems;
}

Result<std::vector<fleet::Problem>> DnfPackageManager::repair(Duration timeout, const OutputLine& output) {
  BELAY_TRY_ASSIGN(auto problems, check_health());
  if (std::ranges::none_of(problems, [](const auto& problem) { return problem.reason == Reason::package_broken; }))
    return problems;
  BELAY_TRY_ASSIGN(const auto ended, dnf({"-y", "remove", "--duplicates"}, timeout, output));
  BELAY_TRY_ASSIGN(problems, check_health());
  if (!problems.empty() && !ended.outcome.success()) add_problems(problems, dnf::problems_of_dnf(ended.output));
  return problems;
}

Result<std::vector<std::string>> DnfPackageManager::installed_files(const std::vector<fleet::PackageChange>& changes) {
  std::vector<std::string> argv{"rpm", "-ql"};
  for (const auto& change : changes)
    if (!change.from_version.empty()) argv.push_back(change.name + "." + change.arch);
  std::vector<std::string> paths;
  if (argv.size() == 2) return paths;
  // A name that is not installed is told between the paths, and by the exit status; that is no failure here.
  BELAY_TRY_ASSIGN(const auto ended, run(std::move(argv), kQueryTimeout, {}));
  for (const auto line : split(ended.outcome.standard_output, '\n'))
    if (line.starts_with('/')) paths.emplace_back(line);
  return paths;
}

}  // namespace belay::agent
