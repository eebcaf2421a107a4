#include "core/patchrun/machine.hpp"

#include <algorithm>
#include <array>

#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::patchrun {
namespace {

constexpr std::size_t kDetailBytesMax = 500;
constexpr std::size_t kStepsMax = 100;

using S = State;
using E = Event;
using A = Action;
constexpr std::optional<Course> same{};
constexpr std::optional<Outcome> open{};

// clang-format off
constexpr std::array kRows{
    // state                 event             next                   action              course                       outcome
    Row{S::accepted,           E::started,       S::checking,           A::check,           same,                        open},
    Row{S::accepted,           E::cancelled,     S::finished,           A::close,           same,                        Outcome::refused},

    Row{S::checking,           E::succeeded,     S::protecting,         A::protect,         same,                        open},
    Row{S::checking,           E::already_there, S::finished,           A::close,           same,                        Outcome::nothing_to_do},
    Row{S::checking,           E::reboot_needed, S::rebooting,          A::reboot,          same,                        open},
    Row{S::checking,           E::failed,        S::finished,           A::close,           same,                        Outcome::refused},
    Row{S::checking,           E::cancelled,     S::finished,           A::close,           same,                        Outcome::refused},

    Row{S::protecting,         E::succeeded,     S::downloading,        A::download,        same,                        open},
    Row{S::protecting,         E::failed,        S::finished,           A::close,           same,                        Outcome::refused},
    Row{S::protecting,         E::cancelled,     S::finished,           A::close,           same,                        Outcome::refused},

    Row{S::downloading,        E::succeeded,     S::installing,         A::install,         Course::changed,             open},
    Row{S::downloading,        E::failed,        S::finished,           A::close,           same,                        Outcome::refused},
    Row{S::downloading,        E::cancelled,     S::finished,           A::close,           same,                        Outcome::refused},

    Row{S::installing,         E::succeeded,     S::verifying,          A::verify,          same,                        open},
    Row{S::installing,         E::reboot_needed, S::rebooting,          A::reboot,          same,                        open},
    Row{S::installing,         E::restart_due,   S::restarting,         A::restart,         same,                        open},
    Row{S::installing,         E::failed,        S::rolling_back,       A::roll_back,       Course::failed,              open},
    Row{S::installing,         E::left,          S::finished,           A::close,           Course::failed,              Outcome::left_as_is},

    // A reboot that does not come is told, not punished with a rollback of packages that are whole.
    Row{S::rebooting,          E::rebooted,      S::verifying,          A::verify,          same,                        open},
    Row{S::rebooting,          E::failed,        S::verifying,          A::verify,          same,                        open},

    Row{S::restarting,         E::succeeded,     S::verifying,          A::verify,          same,                        open},
    Row{S::restarting,         E::failed,        S::rolling_back,       A::roll_back,       Course::failed,              open},
    Row{S::restarting,         E::left,          S::finished,           A::close,           Course::failed,              Outcome::left_as_is},

    Row{S::verifying,          E::succeeded,     S::committing,         A::commit,          same,                        open},
    Row{S::verifying,          E::gate_closed,   S::restarting,         A::restart,         same,                        open},
    Row{S::verifying,          E::failed,        S::rolling_back,       A::roll_back,       Course::failed,              open},
    Row{S::verifying,          E::left,          S::finished,           A::close,           Course::failed,              Outcome::left_as_is},

    // What a kernel on trial leaves behind is taken away under the one before it: no kernel is removed while it runs.
    Row{S::restarting,         E::fall_back,     S::falling_back,       A::reboot,          Course::failed,              open},
    Row{S::verifying,          E::fall_back,     S::falling_back,       A::reboot,          Course::failed,              open},
    Row{S::falling_back,       E::rebooted,      S::rolling_back,       A::roll_back,       same,                        open},
    Row{S::falling_back,       E::failed,        S::rolling_back,       A::roll_back,       same,                        open},

    Row{S::committing,         E::succeeded,     S::finished,           A::close,           same,                        Outcome::committed},
    Row{S::committing,         E::failed,        S::finished,           A::close,           same,                        Outcome::committed},

    Row{S::rolling_back,       E::succeeded,     S::verifying_rollback, A::verify_rollback, same,                        open},
    Row{S::rolling_back,       E::reboot_needed, S::rollback_rebooting, A::reboot,          same,                        open},
    Row{S::rolling_back,       E::failed,        S::verifying_rollback, A::verify_rollback, Course::rollback_incomplete, open},

    Row{S::rollback_rebooting, E::rebooted,      S::verifying_rollback, A::verify_rollback, same,                        open},
    Row{S::rollback_rebooting, E::failed,        S::verifying_rollback, A::verify_rollback, same,                        open},

    Row{S::verifying_rollback, E::succeeded,     S::finished,           A::close,           Course::failed,              Outcome::rolled_back},
    Row{S::verifying_rollback, E::failed,        S::rolling_back,       A::roll_back,       Course::rollback_incomplete, open},
    Row{S::verifying_rollback, E::climb,         S::restoring,          A::restore,         Course::rollback_incomplete, open},
    Row{S::verifying_rollback, E::exhausted,     S::finished,           A::close,           Course::rollback_incomplete, Outcome::rollback_failed},
    Row{S::verifying_rollback, E::undecided,     S::finished,           A::close,           Course::rollback_incomplete, Outcome::inconsistent},

    Row{S::restoring,          E::succeeded,     S::verifying_rollback, A::verify_rollback, same,                        open},
    Row{S::restoring,          E::reboot_needed, S::rollback_rebooting, A::reboot,          same,                        open},
    Row{S::restoring,          E::failed,        S::verifying_rollback, A::verify_rollback, same,                        open},
};

constexpr std::array kResumeRows{
    //        found in               same boot:             do                  another boot:          do
    ResumeRow{S::accepted,           S::checking,           A::check,           S::checking,           A::check},
    ResumeRow{S::checking,           S::checking,           A::check,           S::checking,           A::check},
    ResumeRow{S::protecting,         S::protecting,         A::protect,         S::protecting,         A::protect},
    ResumeRow{S::downloading,        S::downloading,        A::download,        S::downloading,        A::download},
    // How far it came is not known, and its own findings are lost: not proven safe.
    ResumeRow{S::installing,         S::rolling_back,       A::roll_back,       S::rolling_back,       A::roll_back},
    ResumeRow{S::rebooting,          S::rebooting,          A::reboot,          S::verifying,          A::verify},
    // A machine that restarted has restarted its services.
    ResumeRow{S::restarting,         S::restarting,         A::restart,         S::verifying,          A::verify},
    ResumeRow{S::verifying,          S::verifying,          A::verify,          S::verifying,          A::verify},
    // Verified already: going back now would be the greater change.
    ResumeRow{S::committing,         S::committing,         A::commit,          S::committing,         A::commit},
    ResumeRow{S::falling_back,       S::falling_back,       A::reboot,          S::rolling_back,       A::roll_back},
    ResumeRow{S::rolling_back,       S::rolling_back,       A::roll_back,       S::rolling_back,       A::roll_back},
    ResumeRow{S::rollback_rebooting, S::rollback_rebooting, A::reboot,          S::verifying_rollback, A::verify_rollback},
    ResumeRow{S::verifying_rollback, S::verifying_rollback, A::verify_rollback, S::verifying_rollback, A::verify_rollback},
    // Putting back what is back already changes nothing; what came of it is read afterwards.
    // The journal that a restored root carries is as old as its restore: another boot may mean that it took effect.
    ResumeRow{S::restoring,          S::restoring,          A::restore,         S::verifying_rollback, A::verify_rollback},
    ResumeRow{S::finished,           S::finished,           A::close,           S::finished,           A::close},
};
// clang-format on

const Row* find_row(State state, Event event) {
  const auto row = std::ranges::find_if(kRows, [&](const Row& r) { return r.state == state && r.event == event; });
  return row == kRows.end() ? nullptr : &*row;
}

bool is_reboot_state(State state) {
  return state == S::rebooting || state == S::falling_back || state == S::rollback_rebooting;
}

bool is_before_any_change(State state) {
  return state == S::accepted || state == S::checking || state == S::protecting || state == S::downloading;
}

std::string state_name(State state) { return boost::describe::enum_to_string(state, "?"); }

void add_problem(RunState& state, fleet::Problem problem) {
  problem.detail = sanitize(problem.detail, 2'000);
  if (std::ranges::find(state.problems, problem) != state.problems.end()) return;
  if (state.problems.size() < kRunProblemsMax) state.problems.push_back(std::move(problem));
}

void add_once(std::vector<std::string>& all, const std::vector<std::string>& more) {
  for (const auto& item : more)
    if (std::ranges::find(all, item) == all.end()) all.push_back(item);
}

// Keeps the newest: what failed stands at the end.
void add_output(std::string& all, std::string_view more) {
  all += sanitize(more, kRunOutputBytesMax);
  if (all.size() <= kRunOutputBytesMax) return;
  const auto newline = all.find('\n', all.size() - kRunOutputBytesMax);
  const auto cut = newline == std::string::npos ? all.size() - kRunOutputBytesMax : newline + 1;
  all = "… earlier output is cut\n" + sanitize(std::string_view(all).substr(cut), kRunOutputBytesMax);
}

void take_in(RunState& state, const Findings& findings) {
  // What was found before the first change stays what it was, whatever a repeated check sees later.
  if (findings.before && state.course == Course::untouched) state.before = *findings.before;
  if (findings.planned && state.course == Course::untouched) state.planned = *findings.planned;
  if (findings.protection) state.protection = *findings.protection;
  if (findings.changed) state.changed = *findings.changed;
  if (findings.reboot_pending) state.reboot_pending = *findings.reboot_pending;
  for (const auto& problem : findings.problems) add_problem(state, problem);
  add_once(state.conffiles_kept, findings.conffiles_kept);
  add_once(state.restart_needed, findings.restart_needed);
  std::erase_if(state.restart_needed, [&](const auto& service) {
    return std::ranges::find(findings.restarted, service) != findings.restarted.end();
  });
  if (findings.way_back) state.way_back = *findings.way_back;
  if (findings.probe_turns) state.probe_turns = *findings.probe_turns;
  if (findings.to_restart) state.to_restart = *findings.to_restart;
  if (findings.kernel_trial) state.kernel_trial = *findings.kernel_trial;
  if (findings.still_ill) state.still_ill = *findings.still_ill;
  if (state.failure_log.empty()) state.failure_log = sanitize(findings.failure_log, kFailureLogBytesMax);
  add_output(state.output, findings.output);
}

void close_step(RunState& state, std::string_view detail, Instant now) {
  if (state.steps.empty()) return;
  auto& last = state.steps.back();
  last.took = std::max(Duration::zero(), now - last.entered_at);
  if (!detail.empty()) last.detail = sanitize(detail, kDetailBytesMax);
}

bool has_rung(const RunState& state, std::string_view rung) {
  return std::ranges::find(state.rungs, rung) != state.rungs.end();
}

void enter(RunState& state, State next, Instant now) {
  state.state = next;
  if (next == S::rolling_back) add_once(state.rungs, {std::string(kRungPackages)});
  if (next == S::restoring) {
    add_once(state.rungs, {std::string(kRungSnapshot)});
    state.restore_unproven = false;
  }
  state.entered_at = now;
  state.state_writes += 1;
  if (state.steps.size() < kStepsMax) state.steps.push_back({state_name(next), now, {}, {}});
}

Decision finish(RunState state, Outcome outcome, Instant now) {
  state.outcome = outcome;
  enter(state, S::finished, now);
  return {std::move(state), A::close};
}

// What an event comes to, given what was ordered and which rungs are climbed.
Event settle(RunState& state, Event event, const Findings& findings) {
  if (state.state == S::verifying_rollback) {
    // Packages are tried again only where there is nothing above them.
    const bool higher =
        !state.protection.snapshots.empty() && (!has_rung(state, kRungSnapshot) || state.restore_unproven);
    if (event == E::failed &&
        (higher || has_rung(state, kRungSnapshot) || ++state.rollback_attempts >= kRollbackAttemptsMax))
      event = E::climb;
    if (event == E::undecided && higher) event = E::climb;
    if (event == E::climb && !higher) event = E::exhausted;
    return event;
  }
  const bool leaves = state.order.on_failure == OnFailure::leave;
  if (event == E::gate_closed) {
    const bool services = findings.to_restart && !findings.to_restart->empty();
    if (!leaves && services && !has_rung(state, kRungRestart)) {
      state.rungs.emplace_back(kRungRestart);
      return event;
    }
    if (findings.gate_problem) add_problem(state, *findings.gate_problem);
    // The old versions are back as ordered; putting the new ones there again would help nobody.
    if (!state.order.undoes.empty()) return E::left;
    event = E::failed;
  }
  // Nor would it after a restart that an ordered rollback tried.
  if (event == E::failed && state.state == S::restarting && !state.order.undoes.empty()) return E::left;
  const bool may_be_left = state.state == S::installing || state.state == S::restarting || state.state == S::verifying;
  if (event != E::failed) return event;
  if (leaves && may_be_left) return E::left;
  const auto& trial = findings.kernel_trial ? *findings.kernel_trial : state.kernel_trial;
  const bool runs_new_kernel = state.rebooted && !trial.wanted.empty() && !trial.failed;
  return runs_new_kernel && (state.state == S::restarting || state.state == S::verifying) ? E::fall_back : event;
}

// The run turns in a circle: end it with what can honestly be said.
Decision break_loop(RunState state, Instant now) {
  add_problem(state, {fleet::Reason::other, "",
                      "the run wrote its state " + std::to_string(state.state_writes) +
                          " times without coming to an end; it was stopped in " + state_name(state.state),
                      "look at the node's package state by hand, then order again", false});
  const bool untouched = state.course == Course::untouched;
  return finish(std::move(state), untouched ? Outcome::refused : Outcome::inconsistent, now);
}

}  // namespace

std::span<const Row> rows() { return kRows; }
std::span<const ResumeRow> resume_rows() { return kResumeRows; }

RunState begin(std::string run_id, PatchRunOrder order, Instant expires_at, std::string boot_id, Instant now) {
  RunState state;
  state.run_id = std::move(run_id);
  state.order = std::move(order);
  state.expires_at = expires_at;
  state.boot_id = std::move(boot_id);
  enter(state, S::accepted, now);
  return state;
}

Decision step(RunState state, Event event, const Findings& findings, Instant now) {
  event = settle(state, event, findings);
  const Row* row = find_row(state.state, event);
  BELAY_ASSERT(row != nullptr);
  take_in(state, findings);
  close_step(state, findings.detail, now);
  if (event == E::cancelled) state.cancelled = true;
  if (event == E::rebooted) {
    state.rebooted = true;
    state.reboot_pending = false;
  }
  if (row->course) state.course = *row->course;
  if (row->outcome) return finish(std::move(state), *row->outcome, now);
  if (state.state_writes >= kStateWritesMax) return break_loop(std::move(state), now);
  enter(state, row->next, now);
  return {std::move(state), row->action};
}

Decision resume(RunState state, std::string_view boot_id_now, Instant now) {
  const bool other_boot = state.boot_id != boot_id_now;
  const State found_in = state.state;
  const auto row = std::ranges::find(kResumeRows, found_in, &ResumeRow::state);
  BELAY_ASSERT(row != kResumeRows.end());
  if (found_in == S::finished) return {std::move(state), A::close};

  state.boot_id = std::string(boot_id_now);
  state.resumed += 1;
  const bool awaited = other_boot && is_reboot_state(found_in);
  close_step(state,
             awaited      ? "the machine came up again"
             : other_boot ? "interrupted: the machine restarted"
                          : "interrupted",
             now);
  if (awaited) {
    state.rebooted = true;
    state.reboot_pending = false;
  }
  if (is_before_any_change(found_in) && now > state.expires_at) {
    add_problem(state, {fleet::Reason::timed_out, "",
                        "the order expired at " + to_iso8601(state.expires_at) + " before anything was begun",
                        "order it again", false});
    return finish(std::move(state), Outcome::refused, now);
  }
  if (state.state_writes >= kStateWritesMax) return break_loop(std::move(state), now);
  if (found_in == S::installing) {
    state.course = Course::failed;
    add_problem(state, {fleet::Reason::other, "",
                        other_boot ? "the machine restarted while packages were being installed"
                                   : "the run was killed while packages were being installed",
                        "see the node's system log for what ended it, then order again", false});
    if (state.order.on_failure == OnFailure::leave) return finish(std::move(state), Outcome::left_as_is, now);
  }
  // Whether the restore took effect, its verification says; where it did not, it was cut off, and is begun again.
  if (found_in == S::restoring && other_boot && ++state.rollback_attempts < kRollbackAttemptsMax)
    state.restore_unproven = true;
  // A snapshot that was put back since brings this state back with it.
  if (found_in == S::protecting && other_boot) state.maybe_restored = true;
  enter(state, other_boot ? row->next_other_boot : row->next_same_boot, now);
  return {std::move(state), other_boot ? row->action_other_boot : row->action_same_boot};
}

PatchRunReport report(const RunState& state) {
  BELAY_ASSERT(state.state == S::finished && state.outcome);
  PatchRunReport report;
  report.run_id = state.run_id;
  report.outcome = *state.outcome;
  report.changed = state.changed;
  report.problems = state.problems;
  report.conffiles_kept = state.conffiles_kept;
  report.restart_needed = state.restart_needed;
  report.rebooted = state.rebooted;
  report.reboot_pending = state.reboot_pending;
  report.steps = state.steps;
  report.output = state.output;
  report.way_back = state.way_back;
  report.probe_turns = state.probe_turns;
  report.rungs = state.rungs;
  report.failure_log = state.failure_log;
  report.undoes = state.order.undoes;
  report.still_ill = state.still_ill;
  return report;
}

Status check_readable(const RunState& state) {
  if (state.format > kRunStateFormat)
    return Error(Code::unsupported, "the run's state has format " + std::to_string(state.format) +
                                        ", this agent reads up to " + std::to_string(kRunStateFormat) +
                                        "; install the newer agent again");
  if (state.format == 0 || state.run_id.empty() || (state.state == S::finished) != state.outcome.has_value())
    return Error(Code::corrupt, "the run's state contradicts itself");
  return {};
}

}  // namespace belay::patchrun
