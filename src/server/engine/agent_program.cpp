#include "server/engine/agent_program.hpp"

#include "base/text.hpp"
#include "io/crypto.hpp"
#include "store/settings.hpp"

namespace belay::server {
namespace {
constexpr Duration kVersionTimeout{30'000};
constexpr std::string_view kSays = "belay-agent ";
constexpr std::string_view kSetting = "agent.given-out";  // its version; "none"
constexpr std::string_view kNone = "none",
                           kNoAgent = "this server has no agent to give: start belayd with --agent FILE";
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
  if (!program) return std::string(kNoAgent);
  if (!step.version.empty() && step.version != program->version)
    return "this server gives out belay-agent " + program->version + ", not " + sanitize(step.version, 40);
  step.version = program->version;
  step.sha256 = program->sha256;
  return "";
}

Status note_agent_program(store::Sql& sql, const AgentProgram* program, Instant now) {
  return store::settings::set(sql, kSetting, program ? std::string_view(program->version) : kNone, now);
}

Status require_agent_program(store::Sql& sql, std::span<const document::Step> steps) {
  for (const auto& step : steps) {
    const auto* package = std::get_if<document::ConfigurePackage>(&step.work);
    if (!package || package->action != "Install" || !step.skip.empty()) continue;
    BELAY_TRY_ASSIGN(const auto said, store::settings::get(sql, kSetting));
    if (said != kNone) return {};
    return Error(Code::invalid_argument, "step " + step.name + ": " + std::string(kNoAgent), "InvalidDocument");
  }
  return {};
}

}  // namespace belay::server
