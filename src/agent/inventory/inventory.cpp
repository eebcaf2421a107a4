#include "agent/inventory/inventory.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "agent/inventory/proc_text.hpp"
#include "agent/inventory/storage.hpp"
#include "base/text.hpp"
#include "core/fleet/operating_system.hpp"

namespace belay::agent {
namespace {

using namespace inventory;

constexpr std::size_t kTextBytesMax = 4 << 20;
constexpr std::size_t kProcessesMax = 5'000;
constexpr std::size_t kStaleMax = 500;

bool is_process(const std::string& name) {
  return !name.empty() && name.size() <= 10 && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

class Collector {
 public:
  Collector(const io::Files& files, io::Processes& processes, const InventoryOptions& options)
      : files_(files), processes_(processes), options_(options) {}

  fleet::NodeFacts collect() {
    system();
    kernels();
    hardware();
    if (options_.services) services();
    if (options_.stale_processes) stale_processes();
    reboot();
    if (options_.storage) facts_.storage = collect_storage({files_, processes_, options_.root});
    return std::move(facts_);
  }

 private:
  std::string read(const std::string& path) const {
    auto text = files_.read(options_.root + path, kTextBytesMax);
    return text.ok() ? std::move(*text) : std::string();
  }
  std::string line(const std::string& path) const { return sanitize(trim(read(path)), 300); }
  bool exists(const std::string& path) const { return files_.info(options_.root + path).ok(); }
  std::vector<std::string> names(const std::string& path) const {
    auto found = files_.list(options_.root + path);
    return found.ok() ? std::move(*found) : std::vector<std::string>();
  }

  void system() {
    auto release = read("/etc/os-release");
    if (release.empty()) release = read("/usr/lib/os-release");
    facts_.os_id = fleet::os_release_value(release, "ID");
    facts_.os_version = fleet::os_release_value(release, "VERSION_ID");
    facts_.os_codename = fleet::os_release_value(release, "VERSION_CODENAME");
    facts_.os_name = fleet::os_release_value(release, "PRETTY_NAME");
    facts_.computer_name = line("/proc/sys/kernel/hostname");
    if (facts_.computer_name.empty()) facts_.computer_name = line("/etc/hostname");
    facts_.kernel_running = line("/proc/sys/kernel/osrelease");
    facts_.boot_id = line("/proc/sys/kernel/random/boot_id");
    facts_.machine_id = line("/etc/machine-id");
    utsname name{};
    if (::uname(&name) == 0) facts_.architecture = name.machine;
  }

  void kernels() {
    std::set<std::string> found;
    for (const auto& name : names("/boot"))
      if (name.starts_with("vmlinuz-") && name.find("rescue") == std::string::npos) found.insert(name.substr(8));
    for (const auto& name : names("/lib/modules"))
      if (exists("/lib/modules/" + name + "/vmlinuz")) found.insert(name);
    for (const auto& name : found)
      if (facts_.kernels_installed.size() < 100) facts_.kernels_installed.push_back(sanitize(name, 200));
  }

  void hardware() {
    facts_.cpus = count_cpus(read("/proc/cpuinfo"));
    facts_.memory_bytes = memory_total_bytes(read("/proc/meminfo"));
    facts_.booted_at = booted_at(read("/proc/stat"), read("/proc/1/stat"), ::sysconf(_SC_CLK_TCK));
    facts_.addresses = parse_addresses(read("/proc/net/fib_trie"), read("/proc/net/if_inet6"));
    for (auto mount : parse_mounts(read("/proc/self/mounts"))) {
      const auto space = files_.space(options_.root + mount.path);
      if (!space.ok()) continue;
      mount.bytes_total = space->bytes_total;
      mount.bytes_free = space->bytes_free;
      facts_.mounts.push_back(std::move(mount));
    }
  }

  void services() {
    if (!exists("/run/systemd/system")) return;
    io::ProcessSpec spec;
    spec.argv = {"systemctl", "list-units",  "--type=service", "--state=active,failed,activating,reloading",
                 "--plain",   "--no-legend", "--no-pager",     "--full"};
    spec.environment = io::plain_environment();
    spec.timeout = options_.services_timeout;
    const auto outcome = processes_.run(spec);
    if (outcome.ok() && outcome->success()) facts_.services = parse_services(outcome->standard_output);
  }

  // Of another PID namespace, so a container's: its libraries are not this machine's.
  bool is_a_containers(const std::string& folder) const {
    const auto own = files_.read_link(options_.root + "/proc/self/ns/pid");
    const auto its = files_.read_link(options_.root + folder + "/ns/pid");
    return own.ok() && its.ok() && *own != *its;
  }

  void stale_processes() {
    std::size_t looked_at = 0;
    for (const auto& name : names("/proc")) {
      if (!is_process(name)) continue;
      if (++looked_at > kProcessesMax || facts_.stale_processes.size() >= kStaleMax) return;
      const std::string folder = "/proc/" + name;
      auto libraries = deleted_libraries(read(folder + "/maps"));  // where we may not: processes_out_of_sight
      if (libraries.empty() || is_a_containers(folder)) continue;
      facts_.stale_processes.push_back({std::stoll(name), line(folder + "/comm"),
                                        service_of_cgroup(read(folder + "/cgroup")), std::move(libraries)});
    }
  }

  void reboot() {
    const auto add = [&](std::string reason) {
      facts_.reboot_required = true;
      if (facts_.reboot_reasons.size() < 100) facts_.reboot_reasons.push_back(std::move(reason));
    };
    if (exists("/run/reboot-required")) {
      std::set<std::string> packages;
      const std::string names_text = read("/run/reboot-required.pkgs");
      for (const auto name : split(names_text, '\n'))
        if (!trim(name).empty()) packages.insert(sanitize(trim(name), 200));
      if (packages.empty()) add("/run/reboot-required is there");
      for (const auto& name : packages) add("/run/reboot-required: " + name);
    }
    // A container runs its host's kernel, whatever lies in its /boot.
    if (exists("/run/systemd/container") || exists("/.dockerenv") || exists("/run/.containerenv")) return;
    std::string newest;
    for (const auto& kernel : facts_.kernels_installed)
      if (is_newer_kernel(kernel, newest.empty() ? facts_.kernel_running : newest)) newest = kernel;
    if (!newest.empty()) add("kernel " + newest + " is installed, " + facts_.kernel_running + " runs");
  }

  const io::Files& files_;
  io::Processes& processes_;
  const InventoryOptions& options_;
  fleet::NodeFacts facts_;
};

}  // namespace

std::size_t processes_out_of_sight(const io::Files& files, const std::string& root) {
  std::size_t count = 0;
  const auto names = files.list(root + "/proc");
  if (!names.ok()) return 0;
  for (const auto& name : *names) {
    if (!is_process(name)) continue;
    const auto maps = files.read(root + "/proc/" + name + "/maps", kTextBytesMax);
    count += !maps.ok() && maps.error().code() == Code::permission_denied;
  }
  return count;
}

fleet::NodeFacts collect_facts(const io::Files& files, io::Processes& processes, const InventoryOptions& options) {
  return Collector(files, processes, options).collect();
}

}  // namespace belay::agent
