#pragma once
// The agent that this server gives its nodes (aws:configurePackage): one file, held in memory.
#include <optional>
#include <span>
#include <string>

#include "core/document/steps.hpp"
#include "io/files.hpp"
#include "io/process.hpp"
#include "store/store.hpp"

namespace belay::server {

inline constexpr std::size_t kAgentProgramBytesMax = 64u << 20;

struct AgentProgram {
  std::string version, sha256, bytes;
};
// Reads the file and asks it for its version, so one that does not even start here is never handed out.
Result<AgentProgram> read_agent_program(const io::Files& files, io::Processes& processes, const std::string& path);

// Says in the step which file it is about. What stands against it, for a person; "" where nothing does.
std::string name_program(const AgentProgram* program, document::ConfigurePackage& step);

// Says in the store whether this server gives one out. Of several servers that differ the one that started last speaks;
// what a node gets is decided by the server that orders it. May be repeated.
Status note_agent_program(store::Sql& sql, const AgentProgram* program, Instant now);
// invalid_argument that names the step where one of them installs an agent and the servers give none out. Passed where
// no server has said anything yet.
Status require_agent_program(store::Sql& sql, std::span<const document::Step> steps);

}  // namespace belay::server
