// belay-agent, as it is shipped.
#include "main/agent_program.hpp"

int main(int argc, char** argv) {
  return belay::run_agent_program(argc, argv, belay::agent::make_package_manager,
                                  belay::agent::make_snapshot_providers);
}
