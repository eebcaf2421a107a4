#include "agent/runner/run_driver.hpp"

#include "base/log.hpp"

namespace belay::agent {
namespace {

using patchrun::Action;
using patchrun::Event;
using patchrun::State;

bool may_be_cancelled(State state) {
  return state == State::checking || state == State::protecting || state == State::downloading;
}

}  // namespace

Result<patchrun::RunState> RunDriver::run(const std::string& run_id, const patchrun::PatchRunOrder& order,
                                          Instant expires_at) {
  RunJournal journal(tools_.files, paths_, run_id);
  BELAY_TRY_ASSIGN(auto decision, first_decision(journal, run_id, order, expires_at));
  while (true) {
    // Persist, then act: the only place where either happens.
    BELAY_TRY_ASSIGN(decision.state.boot_id, tools_.host.boot_id());
    BELAY_TRY(journal.save(decision.state));
    log::info("run_step", {{"run", run_id}, {"state", boost::describe::enum_to_string(decision.state.state, "?")}});
    if (decision.state.state == State::finished) break;
    auto happened = perform(decision);
    if (decision.action == Action::protect && happened.event == Event::succeeded) {
      if (const auto room = journal.reserve_space(); !room.ok()) {
        happened.event = Event::failed;
        happened.findings.problems.push_back({fleet::Reason::disk_full, paths_.root(), room.error().chain(),
                                              "free space there, then order again", false});
      }
    }
    decision = patchrun::step(std::move(decision.state), happened.event, happened.findings, tools_.clock.now());
  }
  RunActions(tools_, paths_).close(decision.state);
  journal.release_space();
  return std::move(decision.state);
}

Result<patchrun::Decision> RunDriver::first_decision(RunJournal& journal, const std::string& run_id,
                                                     const patchrun::PatchRunOrder& order, Instant expires_at) {
  BELAY_TRY_ASSIGN(const auto boot_id, tools_.host.boot_id());
  BELAY_TRY_ASSIGN(auto found, journal.load());
  const auto now = tools_.clock.now();
  if (found) return patchrun::resume(std::move(*found), boot_id, now);
  auto begun = patchrun::begin(run_id, order, expires_at, boot_id, now);
  BELAY_TRY(journal.save(begun));
  return patchrun::step(std::move(begun), is_cancelled(begun) ? Event::cancelled : Event::started, {}, now);
}

Happened RunDriver::perform(const patchrun::Decision& decision) {
  const auto cancelled = [&] {
    Happened happened{Event::cancelled, {}};
    happened.findings.detail = "cancelled before anything was changed";
    return happened;
  };
  if (may_be_cancelled(decision.state.state) && is_cancelled(decision.state)) return cancelled();
  auto happened = RunActions(tools_, paths_).perform(decision.action, decision.state);
  // A download may take long, and the change itself comes next: this is the last place where nothing was changed.
  if (decision.state.state == State::downloading && happened.event == Event::succeeded && is_cancelled(decision.state))
    return cancelled();
  return happened;
}

bool RunDriver::is_cancelled(const patchrun::RunState& run) const {
  return tools_.files.info(paths_.cancel(run.run_id)).ok();
}

}  // namespace belay::agent
