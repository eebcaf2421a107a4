#pragma once
// What a run needs of the machine itself.
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/patchrun/machine.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::agent {

class HostControl {
 public:
  virtual ~HostControl() = default;
  // The kernel's random id of this boot. A reboot happened exactly when it is another one; uptime proves nothing.
  virtual Result<std::string> boot_id() = 0;
  // Whether something that was installed takes effect only after a reboot. Reads only.
  virtual Result<bool> reboot_required() = 0;
  // The release of the kernel that runs; "" where it cannot be read.
  virtual std::string kernel_running() = 0;
  // A new kernel on trial: see BootTrial. All may be repeated.
  virtual std::string hold_kernel() = 0;
  virtual patchrun::KernelTrial begin_kernel_trial() = 0;
  virtual Status boot_kernel_once(const std::string& wanted) = 0;
  virtual Status end_kernel_trial(const std::string& failed) = 0;
  // Asks for it and returns; may be repeated.
  virtual Status request_reboot() = 0;
  enum class Waited { rebooted, timed_out };
  // On a real machine `rebooted` is never seen: the process ends with its boot and is resumed in the next.
  virtual Waited await_reboot(Duration timeout) = 0;
  virtual void pause(Duration duration) = 0;
  // A service by its unit's name; ok once it runs anew. May be repeated.
  virtual Status restart_service(const std::string& name) = 0;
  // Until the boot has begun every service once, or the time is over.
  virtual void await_settled(Duration timeout) = 0;
  // What the system's journal and the package manager's own log say since then: the newest of it, sanitized, at most so
  // many bytes; "" where there is neither.
  virtual std::string system_log(Instant since, std::size_t bytes_max) = 0;
};

// Asks again for two minutes where the machine refuses: one that is going down already does, its bus is gone before
// this process is. The last refusal is the error.
Status ask_for_reboot(HostControl& host);

// `reboot_required` comes from agent/inventory; main joins the two.
class RebootCheck {
 public:
  virtual ~RebootCheck() = default;
  virtual Result<bool> required() = 0;
};

// /proc/sys/kernel/random/boot_id; systemctl reboot where systemd runs, else /sbin/reboot.
std::unique_ptr<HostControl> make_host_control(io::Files& files, io::Processes& processes, RebootCheck& check);

bool systemd_runs(const io::Files& files);

}  // namespace belay::agent
