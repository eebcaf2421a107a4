#pragma once
// The agent that this server gives its nodes (aws:configurePackage): one file, held in memory.
#include <optional>
#include <string>

#include "core/document/steps.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::server {

inline constexpr std::size_t kAgentProgramBytesMax = 64u << 20;

struct AgentProgram {
  std::string version, sha256, bytes;
};
// Reads the file and asks it for its version, so one that does not even start here is never handed out.
Result<AgentProgram> read_agent_program(const io::Files& files, io::Processes& processes, const std::string& path);

// Says in the step which file it is about. What stands against it, for a person; "" where nothing does.
std::string name_program(const AgentProgram* program, document::ConfigurePackage& step);

}  // namespace belay::server
