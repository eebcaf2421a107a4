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
    needs_reboot = false;
    reboot_requests = 0;
  }

  int boots = 1;
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
