#pragma once
// Starts the process that works on an order, so that nothing which happens to the agent can kill it.
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "io/files.hpp"
#include "io/process.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

class Launcher {
 public:
  virtual ~Launcher() = default;
  // Returns when the process was started, or could not be. Blocking, seconds at most. May be repeated: of two
  // processes for one order the second finds its lock held and ends.
  virtual Status launch(const std::string& order_id, wire::OrderKind kind) = 0;
};

// `program` is the agent's own path, `arguments` what it needs to find its state. Where systemd runs, orders that
// change the node get a scope of their own (belay-run-<order id>.scope), outside the agent's control group; elsewhere,
// and where that fails, a session of their own.
std::unique_ptr<Launcher> make_launcher(io::Files& files, io::Processes& processes, std::string program,
                                        std::vector<std::string> arguments);

}  // namespace belay::agent
