#include <algorithm>

#include "agent/runner/problems.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/run_parts.hpp"
#include "base/text.hpp"
#include "core/patchrun/way_back.hpp"

namespace belay::agent {

using patchrun::Event;
using patchrun::Findings;
using patchrun::RunState;

Happened RunActions::install(const RunState& run) {
  Findings findings;
  // A machine that goes down in the middle of this is to come up on the kernel that it runs now: no other can be
  // removed then.
  auto all = run.order.changes;
  all.insert(all.end(), run.planned.begin(), run.planned.end());
  if (std::ranges::any_of(all, [](const auto& change) { return patchrun::is_kernel(change.name); }))
    if (const auto why = tools_.host.hold_kernel(); !why.empty())
      collect(findings)("belay: a sudden boot may be one of the new kernel: " + why);
  auto report = tools_.packages.install(install_order(run, paths_), collect(findings));
  if (!report.ok()) return failed(report.error(), std::move(findings));
  findings.changed = report->changed;
  for (const auto& conffile : report->conffiles)
    findings.conffiles_kept.push_back(conffile.path + " (" + conffile.package + "'s own version lies in " +
                                      conffile.new_path + ")");
  findings.restart_needed = report->restart_needed;
  add(findings.problems, report->problems);
  if (findings.output.empty()) findings.output = report->output;
  if (!report->problems.empty()) return failed(std::move(findings));
  const auto detail = count(report->changed.size(), "package", "packages") + " changed";
  if (wants_reboot(run.order, findings)) return into_reboot(std::move(findings), detail + "; a reboot is needed");
  if (!run.order.restart_services) return succeeded(std::move(findings), detail);
  auto installed = run;
  installed.restart_needed = findings.restart_needed;
  auto services = services_to_restart(installed, {});
  if (services.empty()) return succeeded(std::move(findings), detail);
  findings.detail = detail + "; " + count(services.size(), "service", "services") + " to restart";
  findings.to_restart = std::move(services);
  return {Event::restart_due, std::move(findings)};
}

// Only services that the change concerns.
Happened RunActions::restart(const RunState& run) {
  Findings findings;
  restart_services(run, findings);
  if (!findings.problems.empty()) return failed(std::move(findings));
  const auto detail = "restarted " + join(findings.restarted, ", ");
  return succeeded(std::move(findings), detail);
}

void RunActions::restart_services(const RunState& run, Findings& findings) {
  for (const auto& service : run.to_restart) {
    collect(findings)("belay: restarting " + service);
    if (const auto done = tools_.host.restart_service(service); done.ok()) findings.restarted.push_back(service);
    else findings.problems.push_back(problem_of(done.error(), service));
  }
}

bool RunActions::wants_reboot(const patchrun::PatchRunOrder& order, Findings& findings) {
  const auto required = tools_.host.reboot_required();
  findings.reboot_pending = !required.ok() || *required;
  if (order.reboot == patchrun::Reboot::always) return true;
  return order.reboot == patchrun::Reboot::if_needed && required.ok() && *required;
}

// A new kernel is booted once, so that whatever becomes of it the boot after that is one of the kernel that runs now.
Happened RunActions::into_reboot(Findings findings, std::string detail) {
  findings.kernel_trial = tools_.host.begin_kernel_trial();
  const auto& trial = *findings.kernel_trial;
  if (!trial.wanted.empty())
    detail += "; kernel " + trial.wanted + " is booted once, " + trial.before + " until it is verified";
  if (!trial.why_not.empty()) detail += "; a new kernel cannot be booted on trial: " + trial.why_not;
  findings.detail = std::move(detail);
  return {Event::reboot_needed, std::move(findings)};
}

Happened RunActions::reboot(const RunState& run) {
  Findings findings;
  if (run.state == patchrun::State::rebooting && !run.kernel_trial.wanted.empty())
    if (const auto chosen = tools_.host.boot_kernel_once(run.kernel_trial.wanted); !chosen.ok())
      findings.problems.push_back(problem_of(chosen.error(), run.kernel_trial.wanted));
  const auto asked = ask_for_reboot(tools_.host);
  const auto deadline = run.entered_at + run.order.reboot_timeout;
  if (asked.ok() && tools_.host.await_reboot(deadline - tools_.clock.now()) == HostControl::Waited::rebooted) {
    findings.detail = "another boot runs";
    return {Event::rebooted, std::move(findings)};
  }
  findings.reboot_pending = true;
  findings.problems.push_back(
      {fleet::Reason::reboot_pending, "",
       asked.ok() ? "the machine was asked to reboot and did not within " + humanize(run.order.reboot_timeout)
                  : asked.error().chain(),
       "reboot the machine by hand", false});
  return failed(std::move(findings), "the reboot did not come");
}

}  // namespace belay::agent
