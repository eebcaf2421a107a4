#pragma once
// What each action of the patch run machine does, over the package manager and the other seams. Every action may be
// performed twice. Nothing here writes the journal: run_driver does, before.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/packages/package_manager.hpp"
#include "agent/probes/health_probe.hpp"
#include "agent/runner/host_control.hpp"
#include "agent/runner/pool_files.hpp"
#include "agent/runner/state_paths.hpp"
#include "agent/snapshots/snapshot_provider.hpp"
#include "core/patchrun/machine.hpp"
#include "io/files.hpp"

namespace belay::agent {

// The parts a run is made of; all outlive it.
struct RunTools {
  io::Files& files;
  PackageManager& packages;
  HostControl& host;
  Clock& clock;
  std::vector<SnapshotProvider*> snapshots;
  std::vector<HealthProbe*> probes;
  OutputLine output;            // what the package manager prints, as it comes; may be empty
  PackagePool* pool = nullptr;  // of orders that use it
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
  Happened check(const patchrun::RunState& run);
  Happened protect(const patchrun::RunState& run);
  Happened download(const patchrun::RunState& run);
  Happened install(const patchrun::RunState& run);
  Happened reboot(const patchrun::RunState& run);
  Happened verify(const patchrun::RunState& run);
  Happened commit(const patchrun::RunState& run);
  Happened roll_back(const patchrun::RunState& run);
  Happened verify_rollback(const patchrun::RunState& run);

  std::optional<fleet::Problem> wait_for_others(Duration patience);
  PoolTools pool_tools(const patchrun::RunState& run) const;
  bool mend(const patchrun::RunState& run, patchrun::Findings& findings, Duration timeout);
  void check_versions(const patchrun::RunState& run, const fleet::PackageSet& set, patchrun::Findings& findings) const;
  void check_plan(const patchrun::RunState& run, const ScanResult& scan, patchrun::Findings& findings);
  void take_snapshots(const patchrun::RunState& run, patchrun::Findings& findings);
  void remove_snapshots(const patchrun::RunState& run, patchrun::Findings& findings);
  bool restore_snapshots(const patchrun::RunState& run, patchrun::Findings& findings);
  void compare_probes(const patchrun::RunState& run, patchrun::Findings& findings);
  bool wants_reboot(const patchrun::PatchRunOrder& order, patchrun::Findings& findings);
  OutputLine collect(patchrun::Findings& findings) const;

  RunTools tools_;
  StatePaths paths_;
};

}  // namespace belay::agent
