#pragma once
// A machine for tests and rehearsals: boots by hand.
#include <functional>
#include <string>
#include <vector>

#include "agent/runner/host_control.hpp"

namespace belay::agent {

class FakeHost : public HostControl {
 public:
  Result<std::string> boot_id() override { return "boot-" + std::to_string(boots); }
  Result<bool> reboot_required() override { return needs_reboot; }
  std::string kernel_running() override { return kernel; }
  std::string hold_kernel() override { return {}; }
  patchrun::KernelTrial begin_kernel_trial() override {
    if (!new_kernel.empty() && new_kernel != kernel) trial = {kernel, new_kernel, false, ""};
    return trial;
  }
  Status boot_kernel_once(const std::string& wanted) override {
    next_kernel = wanted;
    return {};
  }
  Status end_kernel_trial(const std::string&) override {
    if (ends_no_trial) return Error(Code::internal, "the boot menu cannot be written");
    trial = {};
    return {};
  }
  Status request_reboot() override {
    if (refuses_reboot || (refusals > 0 && refusals-- > 0)) return Error(Code::internal, "the machine does not reboot");
    reboot_requests += 1;
    return {};
  }
  Waited await_reboot(Duration) override {
    if (reboot_requests == 0 || ignores_reboot) return Waited::timed_out;
    reboot();
    return Waited::rebooted;
  }
  void pause(Duration) override {}
  Status restart_service(const std::string& name) override {
    restarted.push_back(name);
    if (refuses_restart) return Error(Code::internal, name + " does not come up");
    if (on_restart) on_restart();
    return {};
  }
  void await_settled(Duration) override {}
  std::string system_log(Instant, std::size_t bytes_max) override { return log.substr(0, bytes_max); }
  void reboot() {
    boots += 1;
    // The new kernel is booted once; every other boot of a trial is one of the old.
    if (!trial.wanted.empty()) kernel = next_kernel.empty() || new_kernel_fails ? trial.before : next_kernel;
    next_kernel.clear();
    needs_reboot = false;
    reboot_requests = 0;
  }

  int boots = 1;
  std::string kernel = "6.1.0-50", new_kernel, next_kernel;
  patchrun::KernelTrial trial;
  bool new_kernel_fails = false;  // the boot ends on the old one
  bool ends_no_trial = false;
  int reboot_requests = 0;
  int refusals = 0;  // so often a reboot is refused before it is not
  bool needs_reboot = false;
  bool refuses_reboot = false;
  bool ignores_reboot = false;
  std::vector<std::string> restarted;
  bool refuses_restart = false;
  std::function<void()> on_restart;
  std::string log;
};

}  // namespace belay::agent
