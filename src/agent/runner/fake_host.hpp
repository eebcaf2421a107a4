#pragma once
// A machine for tests and rehearsals: boots by hand.
#include <string>

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
};

}  // namespace belay::agent
