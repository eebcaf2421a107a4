#pragma once
// What a node is told to do in one patch run, and what it says became of it. The machine itself: machine.hpp.
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"
#include "core/patchrun/approved_changes.hpp"
#include "core/patchrun/health.hpp"

namespace belay::patchrun {

enum class Reboot { never, if_needed, always };
BOOST_DESCRIBE_ENUM(Reboot, never, if_needed, always)

struct PatchRunOrder {
  std::string change_set_id;                  // "" for a node's own plan
  std::vector<fleet::PackageChange> changes;  // exact versions; from_version must still be what is installed
  Reboot reboot = Reboot::if_needed;
  bool allow_downgrade = false;   // a rollback
  bool hold_old_versions = true;  // R1: keep the old packages at hand before the first change
  Duration lock_timeout{600'000};
  Duration install_timeout{7'200'000};
  Duration reboot_timeout{900'000};
  std::uint64_t space_reserve_bytes = 64u << 20;  // to stay free on /, /var and /boot after the change

  // ---- as a rollout wants it; without probes and with these defaults a run is what a command makes of it
  ProtectionOrder protection{};
  std::vector<ProbeSpec> probes{};
  Gate gate{};
  IllBefore ill_before = IllBefore::hold;
  OnFailure on_failure = OnFailure::roll_back;
  bool restart_services = false;    // those that still use what was replaced, where no reboot comes
  std::optional<Instant> end_by{};  // the window's cut-off: begun only where everything, a rollback too, fits before it
  bool use_pool = false;            // what the archive does not give (any more) comes from the server's pool
  // Of a rollback that was ordered: the run it takes back. It is to make the node as healthy as it was before that run;
  // where it does not, it is left as it is. `ill_before` does not count. Without changes nothing is done but that the
  // probes are read, until all that were healthy before that run are again: nothing_to_do, else refused.
  std::string undoes{};
  std::vector<fleet::PackageChange> old_files{};  // the files of from_versions (as to_version), for the way back
  std::optional<ApprovedChanges> approved{};      // that people approved these changes; read when the order comes in
};
BOOST_DESCRIBE_STRUCT(PatchRunOrder, (),
                      (change_set_id, changes, reboot, allow_downgrade, hold_old_versions, lock_timeout,
                       install_timeout, reboot_timeout, space_reserve_bytes, protection, probes, gate, ill_before,
                       on_failure, restart_services, end_by, use_pool, undoes, old_files, approved))

// It reads the probes, and changes nothing.
inline bool only_measures(const PatchRunOrder& order) { return order.changes.empty() && !order.undoes.empty(); }

// How it went, apart from where it is. Honest, terminal.
enum class Outcome {
  committed,        // the ordered versions are installed, whole and verified
  nothing_to_do,    // they already were
  refused,          // nothing was begun; the problems say why
  rolled_back,      // begun, failed, and the node is as it was
  rollback_failed,  // begun, failed, and could not be put back wholly: a person must look
  inconsistent,     // it cannot be told what state the node is in
  left_as_is,       // begun, failed, and not put back, as ordered: a person must look
};
BOOST_DESCRIBE_ENUM(Outcome, committed, nothing_to_do, refused, rolled_back, rollback_failed, inconsistent, left_as_is)

struct StepRecord {
  std::string state;  // the machine's state name
  Instant entered_at{};
  Duration took{};
  std::string detail;
};
BOOST_DESCRIBE_STRUCT(StepRecord, (), (state, entered_at, took, detail))

// A probe that turned, or was read for the first time.
struct ProbeTurn {
  Instant at{};
  std::string probe;
  bool healthy = false;
  std::string detail;
};
BOOST_DESCRIBE_STRUCT(ProbeTurn, (), (at, probe, healthy, detail))

inline constexpr std::size_t kProbeTurnsMax = 200;
inline constexpr std::size_t kFailureLogBytesMax = 32 << 10;

struct PatchRunReport {
  std::string run_id;  // the order's id
  Outcome outcome = Outcome::inconsistent;
  std::vector<fleet::PackageChange> changed;  // compared before and after
  std::vector<fleet::Problem> problems;
  std::vector<std::string> conffiles_kept;  // "path (new version in path.dpkg-dist)"
  std::vector<std::string> restart_needed;
  bool rebooted = false;
  bool reboot_pending = false;
  std::vector<StepRecord> steps;
  std::string output;  // bounded and sanitized
  WayBack way_back{};
  std::vector<ProbeTurn> probe_turns{};  // from before the change to the end, in order
  std::vector<std::string> rungs{};  // of the rollback ladder, as they were climbed: "restart", "packages", "snapshot"
  std::string failure_log{};         // what the system's journal said around the failure
  std::string undoes{};              // as ordered: the run that it takes back
  // Of rollback_failed: every package is as it was found, and this probe, healthy before, is not. What a package or a
  // snapshot could cure is done then: what is left is data.
  std::string still_ill{};
};
BOOST_DESCRIBE_STRUCT(PatchRunReport, (),
                      (run_id, outcome, changed, problems, conffiles_kept, restart_needed, rebooted, reboot_pending,
                       steps, output, way_back, probe_turns, rungs, failure_log, undoes, still_ill))

}  // namespace belay::patchrun
