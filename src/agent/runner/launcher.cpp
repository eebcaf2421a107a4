#include "agent/runner/launcher.hpp"

#include "agent/runner/host_control.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr Duration kLaunchTimeout{30'000};

class RealLauncher final : public Launcher {
 public:
  RealLauncher(io::Files& files, io::Processes& processes, std::string program, std::vector<std::string> arguments)
      : files_(files), processes_(processes), program_(std::move(program)), arguments_(std::move(arguments)) {}

  Status launch(const std::string& order_id, wire::OrderKind kind) override {
    const bool changes_node =
        kind == wire::OrderKind::patch || kind == wire::OrderKind::steps || kind == wire::OrderKind::backup;
    if (changes_node && systemd_runs(files_)) {
      const auto in_scope = start({"systemd-run", "--quiet", "--scope", "--collect", "--unit=belay-run-" + order_id,
                                   "--description=Belay run " + order_id, "--property=TimeoutStopSec=10min"},
                                  order_id);
      if (in_scope.ok()) return {};
      log::warning("scope_refused", {{"order", order_id}, {"why", in_scope.error()}});
    }
    return start({}, order_id);
  }

 private:
  Status start(std::vector<std::string> argv, const std::string& order_id) {
    argv.push_back(program_);
    argv.insert(argv.end(), {"run-order", order_id, "--detach"});
    argv.insert(argv.end(), arguments_.begin(), arguments_.end());
    io::ProcessSpec spec;
    spec.argv = std::move(argv);
    spec.environment = io::plain_environment();
    spec.timeout = kLaunchTimeout;
    BELAY_TRY_ASSIGN(const auto outcome, processes_.run(spec));
    if (outcome.success()) return {};
    return Error(Code::internal, "'" + spec.argv.front() + "' ended with status " +
                                     std::to_string(outcome.exit_status) + ": " +
                                     sanitize(trim(outcome.standard_error), 300));
  }

  io::Files& files_;
  io::Processes& processes_;
  std::string program_;
  std::vector<std::string> arguments_;
};

}  // namespace

std::unique_ptr<Launcher> make_launcher(io::Files& files, io::Processes& processes, std::string program,
                                        std::vector<std::string> arguments) {
  return std::make_unique<RealLauncher>(files, processes, std::move(program), std::move(arguments));
}

}  // namespace belay::agent
