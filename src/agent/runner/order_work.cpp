#include "agent/runner/order_work.hpp"

#include <algorithm>

#include "agent/runner/backup_work.hpp"
#include "agent/runner/kept_snapshots.hpp"
#include "agent/runner/output_file.hpp"
#include "agent/runner/package_changes.hpp"
#include "agent/runner/pool_files.hpp"
#include "agent/runner/problems.hpp"
#include "agent/runner/run_driver.hpp"
#include "agent/runner/run_parts.hpp"
#include "agent/runner/scan_work.hpp"
#include "agent/runner/steps_work.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "core/fleet/problem_text.hpp"

namespace belay::agent {
namespace {

using patchrun::Outcome;

constexpr int kLockAttempts = 240;
constexpr Duration kLockPause{500};

Result<io::FileLock> wait_for_lock(HostControl& host, const std::string& path, int attempts) {
  while (true) {
    auto lock = io::FileLock::acquire(path);
    if (lock.ok() || lock.error().code() != Code::conflict || --attempts <= 0) return lock;
    host.pause(kLockPause);
  }
}

wire::OrderOutcome outcome_of(const patchrun::RunState& run) {
  if (run.cancelled) return wire::OrderOutcome::cancelled;
  switch (*run.outcome) {
    case Outcome::committed:
    case Outcome::nothing_to_do: return run.problems.empty() ? wire::OrderOutcome::success : wire::OrderOutcome::failed;
    case Outcome::refused: return wire::OrderOutcome::refused;
    case Outcome::rolled_back:
    case Outcome::rollback_failed:
    case Outcome::inconsistent:
    case Outcome::left_as_is: return wire::OrderOutcome::failed;
  }
  return wire::OrderOutcome::failed;
}

// What a person reads as the command's output.
std::string summary_of(const patchrun::PatchRunReport& report) {
  std::string text = std::string("outcome: ") + boost::describe::enum_to_string(report.outcome, "?") + "\n";
  for (const auto& change : report.changed) text += describe(change) + "\n";
  for (const auto& conffile : report.conffiles_kept) text += "kept configuration: " + conffile + "\n";
  for (const auto& service : report.restart_needed) text += "restart needed: " + service + "\n";
  if (!report.rungs.empty()) text += "rolled back by: " + join(report.rungs, ", ") + "\n";
  if (report.rebooted) text += "rebooted\n";
  if (report.reboot_pending) text += "a reboot is pending\n";
  return sanitize(text, wire::kOutputBytesMax);
}

std::string problems_text(const std::vector<fleet::Problem>& problems) {
  std::string text;
  for (const auto& problem : problems) text += fleet::what_is_wrong_and_next(problem) + "\n";
  return sanitize(text, wire::kOutputBytesMax);
}

std::vector<std::string> services_on_old_code(const WorkTools& tools) {
  std::vector<std::string> services;
  for (const auto& process : tools.collect_facts().stale_processes)
    if (!process.service.empty()) services.push_back(process.service);
  return services;
}

Result<wire::OrderResult> patch(const WorkTools& tools, const StatePaths& paths, const AcceptedOrder& accepted) {
  const auto& order = accepted.order;
  OutputFile output(tools.files, tools.clock, paths.output(order.order_id));
  RunTools run_tools{tools.files,
                     tools.packages,
                     tools.host,
                     tools.clock,
                     tools.snapshots,
                     tools.probes,
                     [&](std::string_view line) { output.add(std::string(line) + "\n"); },
                     tools.pool,
                     [&] { return services_on_old_code(tools); },
                     [&] { return tools.collect_facts().storage; }};
  auto ordered = *order.patch;
  ordered.approved.reset();  // it was read, and the run's journal is written often
  BELAY_TRY_ASSIGN(const auto run, RunDriver(run_tools, paths).run(order.order_id, ordered, order.expires_at));
  wire::OrderResult result;
  result.order_id = order.order_id;
  result.outcome = outcome_of(run);
  // What the node has now travels ahead of the result, so that whoever waits for the result sees it judged.
  if (auto seen = scan_node(tools, paths, Refresh::never); seen.ok()) {
    if (!accepted.local) seen->order_id = order.order_id;
    BELAY_TRY(OrderBook(tools.files, paths).write_report(order.order_id, *seen));
  }
  result.exit_code = result.outcome == wire::OrderOutcome::success ? 0 : 1;
  result.run = patchrun::report(run);
  result.problems = run.problems;
  result.standard_output = summary_of(*result.run);
  result.standard_error = problems_text(run.problems);
  result.started_at = run.steps.empty() ? accepted.accepted_at : run.steps.front().entered_at;
  result.finished_at = run.entered_at;
  return result;
}

// Fetched as an install would, but for the install; the archive's signature is the package manager's to check.
std::vector<fleet::Problem> fetch_into_pool(const PoolTools& tools, InstallOrder order,
                                            const std::vector<fleet::PackageChange>& old_files) {
  if (!tools.pool) return {{fleet::Reason::other, "", "this agent has no way to the package pool", "", false}};
  const Status fetched = tools.packages.download(order, {});
  if (!old_files.empty())
    if (const auto held = tools.packages.hold_old_versions(order, order.held_directory); !held.ok())
      log::warning("old_packages_not_held", {{"why", held.error()}});
  order.changes.insert(order.changes.end(), old_files.begin(), old_files.end());
  auto problems = fill_pool(tools, order, {});
  if (!fetched.ok() && !problems.empty()) problems.insert(problems.begin(), problem_of(fetched.error()));
  return problems;
}

wire::OrderResult plan(const WorkTools& tools, const StatePaths& paths, const AcceptedOrder& accepted) {
  wire::OrderResult result;
  result.order_id = accepted.order.order_id;
  result.started_at = tools.clock.now();
  const auto& order = *accepted.order.plan;
  const PoolTools pool{tools.files, tools.packages, tools.clock,
                       order.use_pool || order.fetch_into_pool ? tools.pool : nullptr};
  InstallOrder wanted;
  wanted.changes = order.changes;
  if (order.use_pool || order.fetch_into_pool) wanted.held_directory = paths.held();
  auto planned =
      order.fetch_into_pool
          ? Result<TransactionPlan>(TransactionPlan{order.changes, fetch_into_pool(pool, wanted, order.old_files)})
          : simulate_with_pool(pool, wanted);
  // What the resolver adds belongs into the plan: asked again with all of it, nothing is lacking any more.
  const auto only_lacks = [](const auto& problem) { return problem.reason == fleet::Reason::dependency_broken; };
  if (!order.fetch_into_pool && planned.ok() && !planned->problems.empty() && !planned->changes.empty() &&
      std::ranges::all_of(planned->problems, only_lacks)) {
    wanted.changes = planned->changes;
    planned = simulate_with_pool(pool, wanted);
  }
  if (planned.ok()) {
    result.plan = wire::PlanReport{planned->changes, planned->download_bytes, planned->disk_bytes};
    result.problems = planned->problems;
  } else {
    result.problems.push_back(problem_of(planned.error()));
  }
  result.outcome = result.problems.empty() ? wire::OrderOutcome::success : wire::OrderOutcome::failed;
  result.exit_code = result.problems.empty() ? 0 : 1;
  result.standard_error = problems_text(result.problems);
  result.finished_at = tools.clock.now();
  return result;
}

Result<wire::OrderResult> scan(const WorkTools& tools, const StatePaths& paths, const AcceptedOrder& accepted) {
  const auto started_at = tools.clock.now();
  // The server decides for its own orders; the agent's own scans spare a mirror that was asked not long ago.
  const auto when = accepted.local ? Refresh::if_old : Refresh::always;
  auto report = scan_node(tools, paths, accepted.order.scan->refresh ? when : Refresh::never);
  wire::OrderResult result;
  result.order_id = accepted.order.order_id;
  result.started_at = started_at;
  result.finished_at = tools.clock.now();
  if (!report.ok()) {
    result.problems.push_back(problem_of(report.error()));
  } else {
    if (!accepted.local) report->order_id = accepted.order.order_id;
    add(report->problems, tidy_snapshots(tools.files, paths, tools.snapshots, tools.clock.now()));
    BELAY_TRY(OrderBook(tools.files, paths).write_report(accepted.order.order_id, *report));
    result.problems = report->problems;
    result.standard_output =
        std::to_string(report->packages) + " packages installed, " + std::to_string(report->offers) + " on offer\n";
  }
  // The scan was done; that it cannot be judged is said by its problems, which travel with its report.
  result.outcome = report.ok() ? wire::OrderOutcome::success : wire::OrderOutcome::failed;
  result.exit_code = report.ok() ? 0 : 1;
  result.standard_error = problems_text(result.problems);
  return result;
}

wire::OrderResult cancelled_before_start(const WorkTools& tools, const AcceptedOrder& accepted) {
  wire::OrderResult result;
  result.order_id = accepted.order.order_id;
  result.outcome = wire::OrderOutcome::cancelled;
  result.started_at = result.finished_at = tools.clock.now();
  return result;
}

// Something was done for the order already: by an earlier process, or before a reboot.
bool has_begun(const WorkTools& tools, const StatePaths& paths, const std::string& order_id) {
  return tools.files.info(paths.journal(order_id)).ok() || tools.files.info(paths.steps(order_id)).ok();
}

// What root lays into the order book by hand (a rollback, a scan) is no document's and needs nobody's leave.
Status may_begin(const WorkTools& tools, const StatePaths& paths, const AcceptedOrder& accepted) {
  const auto& order = accepted.order;
  if ((accepted.local && order.document.empty()) || has_begun(tools, paths, order.order_id)) return {};
  return check_policy(tools.files, paths, tools.policy_file, order, tools.clock.now());
}

wire::OrderResult refused(const WorkTools& tools, const AcceptedOrder& accepted, const Error& why) {
  log::warning("order_forbidden", {{"order", accepted.order.order_id}, {"why", why}});
  wire::OrderResult result;
  result.order_id = accepted.order.order_id;
  result.outcome = wire::OrderOutcome::refused;
  result.started_at = result.finished_at = tools.clock.now();
  result.problems.push_back(problem_of(why));
  result.standard_error = problems_text(result.problems);
  return result;
}

Result<wire::OrderResult> work(const WorkTools& tools, const StatePaths& paths, const AcceptedOrder& accepted) {
  const bool patches = accepted.order.kind == wire::OrderKind::patch;  // its machine hears a cancel itself
  const bool has_steps = accepted.order.kind == wire::OrderKind::steps;
  if (!patches && OrderBook(tools.files, paths).is_cancelled(accepted.order.order_id) &&
      !(has_steps && tools.files.info(paths.steps(accepted.order.order_id)).ok()))
    return cancelled_before_start(tools, accepted);
  if (const auto allowed = may_begin(tools, paths, accepted); !allowed.ok())
    return refused(tools, accepted, allowed.error());
  switch (accepted.order.kind) {
    case wire::OrderKind::patch: return patch(tools, paths, accepted);
    case wire::OrderKind::plan: return plan(tools, paths, accepted);
    case wire::OrderKind::scan: return scan(tools, paths, accepted);
    case wire::OrderKind::steps: return run_steps_order(tools, paths, accepted);
    case wire::OrderKind::backup: return run_backup_order(tools, paths, accepted);
    case wire::OrderKind::associations: break;  // the agent keeps them itself
  }
  return Error(Code::unsupported, "this agent does not know the order's kind");
}

}  // namespace

Status work_on_order(const WorkTools& tools, const StatePaths& paths, const std::string& order_id) {
  OrderBook book(tools.files, paths);
  BELAY_TRY_ASSIGN(const auto accepted, book.load(order_id));
  BELAY_TRY_ASSIGN(const auto order_lock, wait_for_lock(tools.host, paths.order_lock(order_id), 10));
  if (book.has_result(order_id)) return {};
  // One run at a time on a node. A document's steps are their author's own affair, and a backup only reads.
  std::optional<io::FileLock> run_lock;
  const auto& order = accepted.order;
  const bool only_reads = order.kind == wire::OrderKind::backup && !replaces_files(*order.backup);
  if (order.kind != wire::OrderKind::steps && !only_reads) {
    BELAY_TRY_ASSIGN(run_lock, wait_for_lock(tools.host, paths.run_lock(), kLockAttempts));
  }
  BELAY_TRY_ASSIGN(const auto result, work(tools, paths, accepted));
  return book.write_result(order_id, result);
}

}  // namespace belay::agent
