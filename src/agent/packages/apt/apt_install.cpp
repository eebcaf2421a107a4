// The half of the apt backend that changes the system, and looks afterwards at what really happened.
#include <algorithm>

#include "agent/packages/apt/apt_package_manager.hpp"
#include "agent/packages/apt/output.hpp"
#include "agent/packages/problems.hpp"
#include "base/text.hpp"

namespace belay::agent {

using fleet::Reason;

namespace {

constexpr Duration kMarkTimeout{60'000};
constexpr std::string_view kKeepConffiles[] = {"-o", "Dpkg::Options::=--force-confdef", "-o",
                                               "Dpkg::Options::=--force-confold"};

bool is_installed(const apt::Database& database, const fleet::PackageChange& change) {
  const auto* package = apt::find_package(database.packages, change.name, "");
  for (const auto& each : database.packages)  // several architectures of one name
    if (each.name == change.name && each.arch == change.arch) package = &each;
  if (change.to_version.empty()) return !package;
  return package && package->version == change.to_version && package->state == apt::PackageState::installed &&
         !package->reinstall_required;
}

bool is_done(const apt::Database& database, const InstallOrder& order) {
  return std::ranges::all_of(order.changes, [&](const auto& change) { return is_installed(database, change); });
}

std::string lock_option(Duration timeout) {
  return "DPkg::Lock::Timeout=" + std::to_string(std::max<std::int64_t>(timeout.count() / 1000, 0));
}

}  // namespace

Result<InstallReport> AptPackageManager::install(const InstallOrder& order, const OutputLine& output) {
  InstallReport report;
  BELAY_TRY_ASSIGN(const auto before, apt::read_database(host_.files, layout_));
  const auto health = apt::health_of(before.packages, before.journal_pending);
  if (health.empty() && is_done(before, order)) return report;
  // A package that is broken may be what this order puts right; the resolver says whether it can.
  if (before.journal_pending) {
    report.problems = health;
    return report;
  }
  BELAY_TRY_ASSIGN(auto plan, simulate_on(order, before));
  if (!plan.problems.empty()) {
    report.problems = std::move(plan.problems);
    return report;
  }
  const Instant started = host_.clock.now();
  BELAY_TRY_ASSIGN(const auto ended, run_install(order, before, output));
  report.output = tail_of(ended.output, kToolOutputBytesReported);
  if (const auto marks = keep_marks(before); !marks.ok())
    add_problem(report.problems,
                make_problem(Reason::other, "apt-mark", marks.error().chain(), "run 'apt-mark showauto' and compare"));
  report_after(order, before, ended, report);
  if (const auto after = apt::read_database(host_.files, layout_); after.ok())
    report.conffiles = new_conffiles(*after, report.changed, started);
  if (!report.changed.empty()) report.restart_needed = restart_needed();
  return report;
}

Result<AptPackageManager::Ended> AptPackageManager::run_install(const InstallOrder& order, const apt::Database& before,
                                                                const OutputLine& output) {
  BELAY_TRY_ASSIGN(const auto words, targets(order, before));
  auto argv = apt_get({"-y", "-o", "Dpkg::Use-Pty=0", "--no-install-recommends", "-o", "APT::Get::Mark-Auto=true", "-o",
                       "APT::Get::AutomaticRemove=false"});
  argv.insert(argv.end(), {"-o", lock_option(order.lock_timeout)});
  argv.insert(argv.end(), std::begin(kKeepConffiles), std::end(kKeepConffiles));
  const bool removes = order.allow_removal &&
                       std::ranges::any_of(order.changes, [](const auto& change) { return change.to_version.empty(); });
  if (!removes) argv.emplace_back("--no-remove");
  if (order.allow_downgrade) argv.emplace_back("--allow-downgrades");
  argv.emplace_back("install");
  argv.insert(argv.end(), words.begin(), words.end());
  return run({argv, order.lock_timeout + order.timeout}, output);
}

// Mark-Auto marks what comes in anew as automatic and leaves the rest; whatever differs for a package that was there
// before is put back.
Status AptPackageManager::keep_marks(const apt::Database& before) {
  BELAY_TRY_ASSIGN(const auto after, apt::read_database(host_.files, layout_));
  const auto native = apt::native_architecture(before.packages);
  for (const bool automatic : {true, false}) {
    std::vector<std::string> argv{"apt-mark", "-q", automatic ? "auto" : "manual"};
    for (const auto& package : before.packages) {
      const std::pair key(package.name, package.arch == "all" ? native : package.arch);
      if (before.automatic.contains(key) != automatic || after.automatic.contains(key) == automatic) continue;
      if (apt::find_package(after.packages, package.name, package.arch))
        argv.push_back(key.second == native ? package.name : package.name + ":" + package.arch);
    }
    if (argv.size() == 3) continue;
    BELAY_TRY_ASSIGN(const auto ended, run({argv, kMarkTimeout}, {}));
    if (!ended.outcome.success()) return Error(Code::internal, "apt-mark failed: " + tail_of(ended.output, 500));
  }
  return {};
}

void AptPackageManager::report_after(const InstallOrder& order, const apt::Database& before, const Ended& ended,
                                     InstallReport& report) {
  if (!ended.outcome.success()) {
    add_problems(report.problems, apt::problems_of_install(ended.output));
    if (ended.outcome.end == io::ProcessOutcome::End::timed_out)
      add_problem(report.problems,
                  make_problem(Reason::timed_out, "apt-get install",
                               "it did not end within its time and was stopped. " + tail_of(ended.output, 1'000),
                               "look at what it waited for"));
    else if (report.problems.empty())
      add_problem(report.problems,
                  make_problem(Reason::other, "apt-get install", tail_of(ended.output, 1'500), "read the message"));
  }
  const auto after = apt::read_database(host_.files, layout_);
  if (!after.ok())
    return add_problem(report.problems, make_problem(Reason::database_unreadable, "dpkg", after.error().chain(),
                                                     "restore /var/lib/dpkg/status from /var/backups"));
  report.changed = apt::changes_between(before.packages, after->packages);
  add_problems(report.problems, apt::health_of(after->packages, after->journal_pending));
  add_deviations(
      order, report.changed, "apt-get", [&](const auto& change) { return is_installed(*after, change); },
      report.problems);
}

std::vector<ConffileDifference> AptPackageManager::new_conffiles(const apt::Database& after,
                                                                 const std::vector<fleet::PackageChange>& changed,
                                                                 Instant since) const {
  std::vector<ConffileDifference> differences;
  for (const auto& change : changed) {
    const auto* package = apt::find_package(after.packages, change.name, "");
    if (!package) continue;
    for (const auto& path : package->conffiles)
      for (const char* ending : {".dpkg-dist", ".dpkg-new", ".ucf-dist"}) {
        const auto info = host_.files.info(layout_.on_disk(path + ending));
        // dpkg gives the file the package's own time, so only its being there counts for .dpkg-dist.
        if (info.ok() && (std::string_view(ending) != ".ucf-dist" || info->modified >= since))
          differences.push_back({path, change.name, path + ending});
      }
  }
  return differences;
}

std::vector<std::string> AptPackageManager::restart_needed() {
  if (!host_.files.info(layout_.on_disk("/usr/sbin/needrestart")).ok()) return {};
  const auto ended = run({{"needrestart", "-b", "-l", "-r", "l"}, Duration(60'000)}, {});
  return ended.ok() ? apt::services_of_needrestart(ended->output) : std::vector<std::string>();
}

Result<std::vector<fleet::Problem>> AptPackageManager::repair(Duration timeout, const OutputLine& output) {
  BELAY_TRY_ASSIGN(auto problems, check_health());
  if (problems.empty()) return problems;
  // Somebody else's run in progress looks like a broken state: once its lock is free, look again.
  BELAY_TRY_ASSIGN(const auto waited, run({apt_get({"-o", lock_option(timeout / 2), "check"}), timeout}, output));
  if (!waited.outcome.success())
    for (auto& problem : apt::problems_of_install(waited.output))
      if (problem.reason == Reason::lock_held) return std::vector{std::move(problem)};
  BELAY_TRY_ASSIGN(problems, check_health());
  if (problems.empty()) return problems;
  std::vector<fleet::Problem> said;
  BELAY_TRY_ASSIGN(const auto configured,
                   run({{"dpkg", "--configure", "-a", "--force-confdef", "--force-confold"}, timeout}, output));
  if (!configured.outcome.success()) said = apt::problems_of_install(configured.output);
  BELAY_TRY_ASSIGN(const auto database, apt::read_database(host_.files, layout_));
  // `dpkg --configure -a` and `apt-get -f install` both say 0 of a package that needs a new installation, and leave it.
  for (const auto& package : database.packages) {
    if (package.state != apt::PackageState::half_installed && !package.reinstall_required) continue;
    const auto native = apt::native_architecture(database.packages);
    const std::string name = package.name + (package.arch == "all" || package.arch == native ? "" : ":" + package.arch);
    auto argv = apt_get({"-y", "-o", "Dpkg::Use-Pty=0", "--no-install-recommends", "--no-remove", "--allow-downgrades",
                         "--reinstall", "-o", "APT::Get::Mark-Auto=true", "-o", lock_option(timeout / 2)});
    argv.insert(argv.end(), std::begin(kKeepConffiles), std::end(kKeepConffiles));
    argv.insert(argv.end(), {"install", name + "=" + package.version});
    BELAY_TRY_ASSIGN(const auto ended, run({argv, timeout}, output));
    if (!ended.outcome.success()) add_problems(said, apt::problems_of_install(ended.output));
  }
  BELAY_TRY(keep_marks(database));
  BELAY_TRY_ASSIGN(problems, check_health());
  if (!problems.empty()) add_problems(problems, std::move(said));
  return problems;
}

}  // namespace belay::agent
