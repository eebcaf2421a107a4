#pragma once
// What each action of the patch run machine does, over the package manager and the other seams. Every action may be
// performed twice. Nothing here writes the journal: run_driver does, before.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/packages/package_manager.hpp"
#include "agent/runner/host_control.hpp"
#include "agent/runner/pool_files.hpp"
#include "agent/runner/run_probes.hpp"
#include "agent/runner/state_paths.hpp"
#include "agent/snapshots/snapshot_provider.hpp"
#include "core/fleet/facts.hpp"
#include "core/patchrun/gate.hpp"
#include "core/patchrun/machine.hpp"
#include "core/patchrun/way_back.hpp"
#include "io/files.hpp"

namespace belay::agent {

// The parts a run is made of; all outlive it.
struct RunTools {
  io::Files& files;
  PackageManager& packages;
  HostControl& host;
  Clock& clock;
  std::vector<SnapshotProvider*> snapshots;
  ProbeMaker probes;            // empty: this agent can read none
  OutputLine output;            // what the package manager prints, as it comes; may be empty
  PackagePool* pool = nullptr;  // of orders that use it
  std::function<std::vector<std::string>()> services_on_old_code{};  // that still run what was replaced; may be empty
  std::function<std::vector<fleet::StorageHealth>()> storage{};      // how well it is now; empty: nobody looks
};

struct Happened {
  patchrun::Event event;
  patchrun::Findings findings;
};

class RunActions {
 public:
  RunActions(RunTools tools, StatePaths paths) : tools_(std::move(tools)), paths_(std::move(paths)) {}
  Happened perform(patchrun::Action action, const patchrun::RunState& run);
  // Of a finished run: lets go of what no longer serves. Keeps every way back where a person must look.
  void close(const patchrun::RunState& run);

 private:
  Happened act(patchrun::Action action, const patchrun::RunState& run);
  Happened check(const patchrun::RunState& run);
  Happened protect(const patchrun::RunState& run);
  Happened download(const patchrun::RunState& run);
  Happened install(const patchrun::RunState& run);
  Happened reboot(const patchrun::RunState& run);
  Happened restart(const patchrun::RunState& run);
  Happened verify(const patchrun::RunState& run);
  Happened commit(const patchrun::RunState& run);
  Happened roll_back(const patchrun::RunState& run);
  Happened verify_rollback(const patchrun::RunState& run);
  Happened restore(const patchrun::RunState& run);

  std::optional<fleet::Problem> wait_for_others(Duration patience);
  PoolTools pool_tools(const patchrun::RunState& run) const;
  bool mend(const patchrun::RunState& run, patchrun::Findings& findings, Duration timeout);
  void check_versions(const patchrun::RunState& run, const fleet::PackageSet& set, patchrun::Findings& findings) const;
  void check_plan(const patchrun::RunState& run, const ScanResult& scan, patchrun::Findings& findings);
  std::optional<fleet::Problem> too_late(const patchrun::RunState& run) const;
  Happened into_reboot(patchrun::Findings findings, std::string detail);
  void judge_kernel(const patchrun::RunState& run, patchrun::Findings& findings);
  bool wants_reboot(const patchrun::PatchRunOrder& order, patchrun::Findings& findings);
  OutputLine collect(patchrun::Findings& findings) const;

  // The way back (run_protect.cpp).
  void hold(const patchrun::RunState& run, patchrun::Findings& findings, patchrun::InHand& in_hand,
            std::vector<fleet::Problem>& problems);
  std::vector<SnapshotProvider*> chosen_providers(const patchrun::RunState& run) const;
  // Which of the mounts, and why not the others.
  std::vector<std::string> covered_by(SnapshotProvider& provider, const std::vector<std::string>& mounts,
                                      std::vector<std::string>& reasons);
  bool is_storage_fit(const patchrun::RunState& run, const std::vector<std::string>& mounts,
                      patchrun::Findings& findings);
  bool may_be_covered(const patchrun::RunState& run, const std::vector<std::string>& mounts);
  void take_snapshots(const patchrun::RunState& run, const std::vector<std::string>& mounts,
                      patchrun::Findings& findings, patchrun::InHand& in_hand);
  void release(const std::vector<patchrun::SnapshotTaken>& snapshots, patchrun::Findings& findings);
  void release_tagged(const patchrun::RunState& run, patchrun::Findings& findings);
  std::vector<patchrun::SnapshotTaken> whole_snapshots(const patchrun::RunState& run, patchrun::Findings& findings);

  // The probes (run_gate.cpp).
  struct Watched {
    patchrun::GateWatch gate;
    std::vector<patchrun::ProbeResult> last;
  };
  void measure_before_rollback(const patchrun::RunState& run, patchrun::Findings& findings);
  bool measure_before(const patchrun::RunState& run, patchrun::Findings& findings);
  Watched watch(const patchrun::RunState& run, patchrun::GateWatch gate, patchrun::Findings& findings);
  Happened pass_gate(const patchrun::RunState& run, patchrun::Findings findings);
  Happened measure_only(const patchrun::RunState& run);
  std::optional<fleet::Problem> await_recovery(const patchrun::RunState& run, patchrun::Findings& findings);
  std::vector<std::string> services_to_restart(const patchrun::RunState& run,
                                               const std::vector<patchrun::ProbeResult>& now);
  void restart_services(const patchrun::RunState& run, patchrun::Findings& findings);

  RunTools tools_;
  StatePaths paths_;
};

}  // namespace belay::agent
