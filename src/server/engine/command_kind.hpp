#pragma once
// Executions of the kind "command": loads what core/command decides on, and carries out what it says, all in the store.
#include "server/engine/agent_program.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/judge.hpp"
#include "server/engine/node_registry.hpp"

namespace belay::server {

// `program` is the agent that nodes are given; nullptr where there is none.
std::unique_ptr<ExecutionKind> make_command_kind(const Authority& authority, Judge& judge,
                                                 const AgentProgram* program = nullptr);

}  // namespace belay::server
