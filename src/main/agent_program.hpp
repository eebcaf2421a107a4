#pragma once
// belay-agent as a function: wires the agent's parts, whatever manages the packages. What each part does stands in
// src/agent.
#include <functional>

#include "agent/packages/choose.hpp"
#include "agent/snapshots/providers.hpp"

namespace belay {

using PackageManagerMaker = std::function<Result<std::unique_ptr<agent::PackageManager>>(
    const agent::Host&, const agent::PackageManagerOptions&)>;

using SnapshotsMaker = std::function<std::vector<std::unique_ptr<agent::SnapshotProvider>>(
    io::Files&, io::Processes&, const Clock&, const agent::SnapshotSettings&)>;

// Reads the command line and does as it says; the exit status of the process. Without a maker of snapshots none is
// taken.
int run_agent_program(int argc, char** argv, PackageManagerMaker make_packages, SnapshotsMaker make_snapshots = {});

}  // namespace belay
