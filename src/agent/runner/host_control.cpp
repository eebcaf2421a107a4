#include "agent/runner/host_control.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kProcFileBytesMax = 4'096;
constexpr Duration kRebootCommandTimeout{60'000};
constexpr Duration kRebootAgainAfter{5'000};
constexpr int kRebootAttempts = 24;

class RealHostControl final : public HostControl {
 public:
  RealHostControl(io::Files& files, io::Processes& processes, RebootCheck& check)
      : files_(files), processes_(processes), check_(check) {}

  Result<std::string> boot_id() override {
    BELAY_TRY_ASSIGN(const auto text, files_.read("/proc/sys/kernel/random/boot_id", kProcFileBytesMax));
    return std::string(trim(text));
  }

  Result<bool> reboot_required() override { return check_.required(); }

  Status request_reboot() override {
    io::ProcessSpec spec;
    if (systemd_runs(files_)) spec.argv = {"systemctl", "--no-block", "reboot"};
    else spec.argv = {"reboot"};
    spec.environment = io::plain_environment();
    spec.timeout = kRebootCommandTimeout;
    BELAY_TRY_ASSIGN(const auto outcome, processes_.run(spec));
    if (outcome.success()) return {};
    return Error(Code::internal, "'" + join(spec.argv, " ") + "' ended with status " +
                                     std::to_string(outcome.exit_status) + ": " +
                                     sanitize(trim(outcome.standard_error), 300) + "; reboot the machine by hand");
  }

  Waited await_reboot(Duration timeout) override {
    pause(timeout);
    return Waited::timed_out;
  }

  void pause(Duration duration) override { std::this_thread::sleep_for(std::max(duration, Duration::zero())); }

 private:
  io::Files& files_;
  io::Processes& processes_;
  RebootCheck& check_;
};

}  // namespace

Status ask_for_reboot(HostControl& host) {
  for (int attempt = 1;; ++attempt) {
    auto asked = host.request_reboot();
    if (asked.ok() || attempt == kRebootAttempts) return asked;
    host.pause(kRebootAgainAfter);
  }
}

std::unique_ptr<HostControl> make_host_control(io::Files& files, io::Processes& processes, RebootCheck& check) {
  return std::make_unique<RealHostControl>(files, processes, check);
}

bool systemd_runs(const io::Files& files) { return files.info("/run/systemd/system").ok(); }

}  // namespace belay::agent
