#pragma once
// What the edges (gateway, api, console) are given. Made once by main. Each service writes its own audit entry in the
// transaction of its change ("ssm:SendCommand", "ssm:CancelCommand", "ssm:CreateActivation", "belay:CreateChangeSet",
// "node:enroll", "ssm:DeregisterManagedInstance", …): the caller does not write another.
#include "server/engine/backups.hpp"
#include "server/engine/change_sets.hpp"
#include "server/engine/commands.hpp"
#include "server/engine/judge.hpp"
#include "server/engine/node_registry.hpp"
#include "server/engine/package_pool.hpp"
#include "server/engine/rollouts.hpp"
#include "server/engine/windows.hpp"

namespace belay::server {

struct Services {
  store::Store& store;
  const Clock& clock;
  Judge& judge;
  Commands& commands;
  ChangeSets& change_sets;
  NodeRegistry& nodes;
  Windows& windows;
  Rollouts& rollouts;
  PackagePool* pool = nullptr;  // none: package files are not kept
  Backups* backups = nullptr;   // none: no backups are made
  // A node counts as online (SSM's PingStatus Online) where it was heard of within this.
  Duration online_within{300'000};
};

}  // namespace belay::server
