#include "server/engine/agent_program.hpp"

#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::server {
namespace {
constexpr Duration kVersionTimeout{30'000};
constexpr std::string_view kSays = "belay-agent ";
}  // namespace

Result<AgentProgram> read_agent_program(const io::Files& files, io::Processes& processes, const std::string& path) {
  AgentProgram program;
  BELAY_TRY_ASSIGN(program.bytes, files.read(path, kAgentProgramBytesMax));
  io::ProcessSpec spec;
  spec.argv = {path, "version"};
  spec.environment = io::plain_environment();
  spec.timeout = kVersionTimeout;
  BELAY_TRY_ASSIGN(const auto asked, processes.run(spec));
  const auto said = trim(asked.standard_output);
  if (!asked.success() || !said.starts_with(kSays))
    return Error(Code::invalid_argument,
                 path + " is no belay-agent: asked for its version it says '" + sanitize(said, 100) + "'");
  program.version = said.substr(kSays.size());
  program.sha256 = io::sha256_hex(program.bytes);
  return program;
}

std::string name_program(const AgentProgram* program, document::ConfigurePackage& step) {
  if (step.action != "Install") return "";
  if (!program) return "this server has no agent to give: start belayd with --agent FILE";
  if (!step.version.empty() && step.version != program->version)
    return "this server gives out belay-agent " + program->version + ", not " + sanitize(step.version, 40);
  step.version = program->version;
  step.sha256 = program->sha256;
  return "";
}

}  // namespace belay::server
