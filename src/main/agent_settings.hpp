#pragma once
// What the agent is told by its configuration file and its command line; the command line wins.
#include <string>

#include "base/result.hpp"
#include "io/files.hpp"

namespace belay {

inline constexpr const char* kAgentConfigDefault = "/etc/belay/agent.toml";

struct AgentSettings {
  std::string server;
  std::string state;
  std::string lists;   // package lists of Belay's own; "" for the host's
  std::string policy;  // what this node lets be done to it; "" for the usual place
};

// From TOML: server, state, lists, policy. An absent file says nothing; an unknown name or a wrong type is an error,
// since a setting that is silently passed over is worse.
Result<AgentSettings> read_agent_settings(const io::Files& files, const std::string& path);

}  // namespace belay
