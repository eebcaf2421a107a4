#pragma once
// What the process started for one order does: works on it to its end and leaves the result in the order book.
#include <functional>
#include <string>

#include "agent/backup/backup_engine.hpp"
#include "agent/runner/node_policy.hpp"
#include "agent/runner/order_book.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/state_paths.hpp"
#include "agent/steps/step_work.hpp"
#include "core/fleet/facts.hpp"
#include "io/process.hpp"

namespace belay::agent {

// All outlive the work.
struct WorkTools {
  io::Files& files;
  io::Processes& processes;
  Clock& clock;
  PackageManager& packages;
  HostControl& host;
  std::vector<SnapshotProvider*> snapshots;
  ProbeMaker probes;
  std::function<fleet::NodeFacts()> collect_facts;  // agent/inventory
  StepTools steps;
  std::string policy_file{kPolicyFileDefault};
  // Of updates of the agent: its own file, and how another one is fetched from the server. Empty where there are none.
  std::string program{};
  std::function<Result<std::string>(const std::string& sha256)> fetch_program{};
  // Of backup orders: a vault's secrets from the server, and the engines (agent/backup).
  std::function<Result<Secrets>(const std::string& order_id)> fetch_secrets{};
  std::function<backup::JobReport(const BackupHost&, const backup::Job&, const Secrets&)> do_backup{};
  PackagePool* pool = nullptr;  // none: what orders say of it is passed over
};

// Waits up to two minutes for the locks (of the order; of the node, unless it is a document's steps). ok where the
// order has a result when it returns, also where it had one before. conflict: another process works on it.
Status work_on_order(const WorkTools& tools, const StatePaths& paths, const std::string& order_id);

}  // namespace belay::agent
