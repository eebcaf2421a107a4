#include "agent/runner/host_control.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "agent/runner/boot_menu.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kProcFileBytesMax = 4'096;
constexpr Duration kRebootCommandTimeout{60'000};
constexpr Duration kRebootAgainAfter{5'000};
constexpr int kRebootAttempts = 24;
constexpr Duration kServiceTimeout{180'000};
constexpr Duration kLogTimeout{30'000};
constexpr std::size_t kPackageLogBytes = 6 << 10;  // of each

// The newest of it, from the beginning of a line on.
std::string tail(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  text.remove_prefix(text.size() - bytes_max);
  const auto line = text.find('\n');
  return std::string(line == std::string_view::npos ? text : text.substr(line + 1));
}

class RealHostControl final : public HostControl {
 public:
  RealHostControl(io::Files& files, io::Processes& processes, RebootCheck& check)
      : files_(files), processes_(processes), check_(check) {}

  Result<std::string> boot_id() override {
    BELAY_TRY_ASSIGN(const auto text, files_.read("/proc/sys/kernel/random/boot_id", kProcFileBytesMax));
    return std::string(trim(text));
  }

  Result<bool> reboot_required() override { return check_.required(); }

  std::string kernel_running() override { return BootTrial(files_, processes_).kernel_running(); }
  std::string hold_kernel() override { return BootTrial(files_, processes_).hold(); }
  Status boot_kernel_once(const std::string& wanted) override {
    return BootTrial(files_, processes_).boot_once(wanted);
  }
  patchrun::KernelTrial begin_kernel_trial() override { return BootTrial(files_, processes_).begin(); }
  Status end_kernel_trial(const std::string& failed) override { return BootTrial(files_, processes_).end(failed); }

  Status request_reboot() override {
    std::vector<std::string> argv{"reboot"};
    if (systemd_runs(files_)) argv = {"systemctl", "--no-block", "reboot"};
    BELAY_TRY_ASSIGN(const auto outcome, run(argv, kRebootCommandTimeout));
    if (outcome.success()) return {};
    return Error(Code::internal, "'" + join(argv, " ") + "' ended with status " + std::to_string(outcome.exit_status) +
                                     ": " + sanitize(trim(outcome.standard_error), 300) +
                                     "; reboot the machine by hand");
  }

  Waited await_reboot(Duration timeout) override {
    pause(timeout);
    return Waited::timed_out;
  }

  void pause(Duration duration) override { std::this_thread::sleep_for(std::max(duration, Duration::zero())); }

  Status restart_service(const std::string& name) override {
    if (!systemd_runs(files_))
      return Error(Code::unsupported, "no systemd runs here that could restart " + name + "; restart it by hand");
    // One that failed too often in a row is not begun before its count is cleared.
    static_cast<void>(run({"systemctl", "reset-failed", "--", name}, kServiceTimeout));
    BELAY_TRY_ASSIGN(const auto outcome, run({"systemctl", "restart", "--", name}, kServiceTimeout));
    if (outcome.success()) return {};
    return Error(Code::internal, "'systemctl restart " + name + "' ended with status " +
                                     std::to_string(outcome.exit_status) + ": " +
                                     sanitize(trim(outcome.standard_error), 300) + "; see journalctl -u " + name);
  }

  void await_settled(Duration timeout) override {
    if (systemd_runs(files_)) static_cast<void>(run({"systemctl", "is-system-running", "--wait"}, timeout));
  }

  std::string system_log(Instant since, std::size_t bytes_max) override {
    std::string packages;
    for (const char* path : {"/var/log/dpkg.log", "/var/log/apt/term.log", "/var/log/dnf.rpm.log"})
      if (files_.info(path).ok())
        if (const auto read = run({"tail", "-c", std::to_string(kPackageLogBytes), path}, kLogTimeout); read.ok())
          packages += std::string("==> ") + path + " <==\n" + tail(read->standard_output, kPackageLogBytes - 1) + "\n";
    std::string text;
    const auto from = "@" + std::to_string(to_unix_ms(since) / 1000);
    if (const auto read =
            run({"journalctl", "--no-pager", "--output=short-iso", "--since=" + from, "--lines=2000"}, kLogTimeout);
        read.ok() && read->success())
      text = tail(read->standard_output, bytes_max - std::min(bytes_max / 2, packages.size()));
    return sanitize(text + packages, bytes_max);
  }

 private:
  Result<io::ProcessOutcome> run(std::vector<std::string> argv, Duration timeout) {
    io::ProcessSpec spec;
    spec.argv = std::move(argv);
    spec.environment = io::plain_environment();
    spec.timeout = timeout;
    return processes_.run(spec);
  }

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
