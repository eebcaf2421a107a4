#pragma once
// aws:configurePackage of our own agent: fetched from the server, verified, tried, put in place beside the old one, and
// taken back where the new one does not come to be welcomed by the server. Runs in the order's own process, which is
// the old program to its end, so that nothing the new one does can keep it from taking it back.
#include <functional>
#include <string>

#include "agent/runner/host_control.hpp"
#include "agent/runner/state_paths.hpp"
#include "agent/steps/step_work.hpp"
#include "base/time.hpp"

namespace belay::agent {

inline constexpr Duration kWelcomedWithin{120'000};
inline constexpr std::size_t kProgramBytesMax = 64u << 20;

// The agent writes it when the server has welcomed it, once in each of its lives.
struct WelcomedAgent {
  std::string version, nonce;
};
BOOST_DESCRIBE_STRUCT(WelcomedAgent, (), (version, nonce))

struct UpdateTools {
  io::Files& files;
  io::Processes& processes;
  HostControl& host;
  const StatePaths& paths;
  std::string program;  // the agent's own file
  std::function<Result<std::string>(const std::string& sha256)> fetch_program;
};
// Harmless twice: what an earlier process or boot began is gone on with, or found done. PROGRAM.old stays behind.
StepEnd update_agent(const UpdateTools& tools, const document::ConfigurePackage& wanted);

}  // namespace belay::agent
