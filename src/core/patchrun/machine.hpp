#pragma once
// The machine of one node's patch run: pure, a table of rows over enums. Its driver (agent/runner) saves the state
// that step() or resume() returns, durably, and only then performs the action; what came of the action goes in as the
// next event. docs/machines/patchrun.md draws the table; a test compares the two.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"
#include "core/patchrun/gate.hpp"
#include "core/patchrun/order.hpp"

namespace belay::patchrun {

inline constexpr std::uint32_t kRunStateFormat = 1;
// A run writes its state some ten times. One that wrote it this often turns in a circle and is ended.
inline constexpr std::uint32_t kStateWritesMax = 40;
inline constexpr std::uint32_t kRollbackAttemptsMax = 3;
inline constexpr std::size_t kRunOutputBytesMax = 128 << 10;
inline constexpr std::size_t kRunProblemsMax = 200;

// Where the run is. Up to and with `downloading` nothing of the node was changed.
enum class State {
  accepted,
  checking,    // space, health, versions, the resolver's plan, whether it can end in time
  protecting,  // probes measured, old packages held, snapshots taken
  downloading,
  installing,    // the first byte may move
  rebooting,     // asked for; over when another boot runs
  restarting,    // services that the change concerns: as the order wants it, or since the gate closed
  verifying,     // versions and health compared with the order, probes with what they said before
  committing,    // the point of no return: verified; the way back is let go
  falling_back,  // the new kernel runs and is to go: the one before it is booted first
  rolling_back,
  rollback_rebooting,
  verifying_rollback,  // versions, health and probes compared with what was found
  restoring,           // a snapshot put back
  finished,
};
BOOST_DESCRIBE_ENUM(State, accepted, checking, protecting, downloading, installing, rebooting, restarting, verifying,
                    committing, falling_back, rolling_back, rollback_rebooting, verifying_rollback, restoring, finished)

enum class Event {
  started,
  succeeded,
  already_there,  // the ordered versions are installed
  reboot_needed,  // succeeded, and the order wants a reboot now
  rebooted,       // another boot runs
  restart_due,    // succeeded, and the order wants services restarted
  gate_closed,    // a probe that was healthy is not any more; step() makes it `failed` where no restart may help
  failed,
  cancelled,  // heard only where nothing was changed
  undecided,  // it cannot be told how it is (the package database cannot be read)
  climb,      // what was put back did not help: the next rung; also where `failed` was tried often enough
  exhausted,  // no rung is left; step() makes it out of `climb`
  left,       // failed, and the order wants it left so; step() makes it out of `failed`
  fall_back,  // failed under a kernel on trial; step() makes it out of `failed`
};
BOOST_DESCRIBE_ENUM(Event, started, succeeded, already_there, reboot_needed, rebooted, restart_due, gate_closed, failed,
                    cancelled, undecided, climb, exhausted, left, fall_back)

// Every action may be performed twice.
enum class Action {
  check,
  protect,
  download,
  install,
  reboot,
  restart,
  verify,
  commit,
  roll_back,
  verify_rollback,
  restore,
  close
};
BOOST_DESCRIBE_ENUM(Action, check, protect, download, install, reboot, restart, verify, commit, roll_back,
                    verify_rollback, restore, close)

// How it went so far, apart from where it is.
enum class Course {
  untouched,            // the node is as it was
  changed,              // it may have been changed
  failed,               // changed, failed, on the way back
  rollback_incomplete,  // a rollback was tried and did not end well
};
BOOST_DESCRIBE_ENUM(Course, untouched, changed, failed, rollback_incomplete)

struct Row {
  State state;
  Event event;
  State next;
  Action action;
  std::optional<Course> course;    // none: as before
  std::optional<Outcome> outcome;  // with `finished` only
};
std::span<const Row> rows();

// What to do when the runner finds a run in this state that it did not bring there itself: it crashed, was killed, or
// the machine went down. One row for every state; what is not proven safe rolls back.
struct ResumeRow {
  State state;
  State next_same_boot;
  Action action_same_boot;
  State next_other_boot;
  Action action_other_boot;
};
std::span<const ResumeRow> resume_rows();

// What leads back. Ways that a later version adds (restore points) stand beside these.
struct SnapshotTaken {
  std::string id, provider;
  std::vector<std::string> mounts;
};
BOOST_DESCRIBE_STRUCT(SnapshotTaken, (), (id, provider, mounts))

// The rungs of the ladder back, each climbed once; their names stand in the report.
inline constexpr std::string_view kRungRestart = "restart";
inline constexpr std::string_view kRungPackages = "packages";
inline constexpr std::string_view kRungSnapshot = "snapshot";

struct Protection {
  bool old_versions_held = false;
  std::vector<SnapshotTaken> snapshots;
  std::vector<ProbeResult> probes;  // as they were before the change
};
BOOST_DESCRIBE_STRUCT(Protection, (), (old_versions_held, snapshots, probes))

// A new kernel that is booted once. Until the run has verified it, every other boot begins the one before.
struct KernelTrial {
  std::string before, wanted;  // releases; "" where no kernel is on trial
  bool failed = false;         // the machine came up on the one before by itself
  std::string why_not;         // a new kernel boots, and no trial could be made of it
};
BOOST_DESCRIBE_STRUCT(KernelTrial, (), (before, wanted, failed, why_not))

// What an action found out. Empty members say nothing new; problems, conffiles and output are added up.
struct Findings {
  std::optional<std::vector<fleet::InstalledPackage>> before;  // check: versions of every package the change touches
  std::optional<std::vector<fleet::PackageChange>> planned;    // check: all of what the resolver would do
  std::optional<Protection> protection;
  std::optional<std::vector<fleet::PackageChange>> changed;  // compared with `before`
  std::optional<bool> reboot_pending;
  std::vector<fleet::Problem> problems;
  std::vector<std::string> conffiles_kept;
  std::vector<std::string> restart_needed;
  std::optional<WayBack> way_back;
  std::optional<std::vector<ProbeTurn>> probe_turns;   // all of them so far
  std::optional<std::vector<std::string>> to_restart;  // with restart_due and gate_closed
  std::vector<std::string> restarted;                  // no longer needed
  std::optional<KernelTrial> kernel_trial;
  std::optional<fleet::Problem> gate_problem;  // with gate_closed: what it is where nothing cures it
  std::string failure_log;
  std::optional<std::string> still_ill;  // verify_rollback: see PatchRunReport
  std::string output;
  std::string detail;  // one line for the step's record
};

struct RunState {
  std::uint32_t format = kRunStateFormat;
  std::string run_id;
  PatchRunOrder order;
  Instant expires_at{};  // nothing is begun after it
  State state = State::accepted;
  Course course = Course::untouched;
  std::optional<Outcome> outcome;  // in `finished`
  std::uint32_t state_writes = 0;
  std::uint32_t rollback_attempts = 0;  // of packages, that did not verify
  std::uint32_t resumed = 0;            // how often it was found interrupted
  std::string boot_id;                  // of the boot that wrote this
  Instant entered_at{};                 // the present state
  std::vector<fleet::InstalledPackage> before;
  std::vector<fleet::PackageChange> planned;
  Protection protection;
  std::vector<fleet::PackageChange> changed;
  std::vector<fleet::Problem> problems;
  std::vector<std::string> conffiles_kept;
  std::vector<std::string> restart_needed;
  bool cancelled = false;
  bool rebooted = false;
  bool reboot_pending = false;
  std::vector<StepRecord> steps;
  std::string output;
  WayBack way_back{};
  std::vector<ProbeTurn> probe_turns{};
  std::vector<std::string> rungs{};
  bool restore_unproven = false;  // a restore was interrupted by a boot: it may be begun again
  std::vector<std::string> to_restart{};
  std::string failure_log{};
  bool maybe_restored = false;  // the machine restarted while the way back was made ready: see protect
  KernelTrial kernel_trial{};
  std::string still_ill{};
};
BOOST_DESCRIBE_STRUCT(RunState, (),
                      (format, run_id, order, expires_at, state, course, outcome, state_writes, rollback_attempts,
                       resumed, boot_id, entered_at, before, planned, protection, changed, problems, conffiles_kept,
                       restart_needed, cancelled, rebooted, reboot_pending, steps, output, way_back, probe_turns, rungs,
                       restore_unproven, to_restart, failure_log, maybe_restored, kernel_trial, still_ill))

// Save `state`, then perform `action`. After `close` in `finished` nothing follows.
struct Decision {
  RunState state;
  Action action;
};

RunState begin(std::string run_id, PatchRunOrder order, Instant expires_at, std::string boot_id, Instant now);
// (state, event) without a row is a bug of the driver and stops the process.
Decision step(RunState state, Event event, const Findings& findings, Instant now);
Decision resume(RunState state, std::string_view boot_id_now, Instant now);

// In `finished` only.
PatchRunReport report(const RunState& state);

// unsupported: written by a newer agent; corrupt: not a run's state. Nothing is guessed.
Status check_readable(const RunState& state);

}  // namespace belay::patchrun
