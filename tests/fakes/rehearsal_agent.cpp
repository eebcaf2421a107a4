// belay-agent for tests on a machine that must stay as it is: packages are rows of packages.json beside the program,
// all else is real.
#include <filesystem>

#include "agent/packages/fake_package_manager.hpp"
#include "main/agent_program.hpp"

namespace {

belay::Result<std::unique_ptr<belay::agent::PackageManager>> make_rehearsal(
    const belay::agent::Host& host, const belay::agent::PackageManagerOptions&) {
  const auto rows = std::filesystem::read_symlink("/proc/self/exe").replace_filename("packages.json");
  return std::unique_ptr<belay::agent::PackageManager>(
      std::make_unique<belay::agent::FakePackageManager>(host, rows.string()));
}

}  // namespace

int main(int argc, char** argv) { return belay::run_agent_program(argc, argv, make_rehearsal); }
