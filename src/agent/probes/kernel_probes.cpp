// What the kernel itself knows: listening ports, room on disks, load.
#include <algorithm>
#include <iterator>

#include "agent/probes/kinds.hpp"
#include "agent/probes/probe_text.hpp"

namespace belay::agent::probes {
namespace {

constexpr const char* kPorts = "ports";
constexpr std::size_t kSocketsBytesMax = 32 << 20;  // 200,000 sockets
constexpr std::size_t kMountsBytesMax = 4 << 20;
constexpr std::size_t kStatBytesMax = 4 << 20;
constexpr std::uint64_t kSizeMin = 1 << 20;  // below it: no file system that holds files (proc, sysfs)

class PortsProbe final : public NamedProbe {
 public:
  PortsProbe(std::string name, patchrun::PortsProbe spec, const ProbeSeams& seams)
      : NamedProbe(std::move(name)), spec_(std::move(spec)), seams_(seams) {}

  Result<ProbeReading> measure(Duration, const ProbeReading* before) override {
    BELAY_TRY_ASSIGN(const auto now, listening());
    BELAY_TRY_ASSIGN(const auto text, write_ports(now));
    std::map<std::string, std::string> values{{kPorts, text}};
    if (!before) return reading(true, "listening: " + (text.empty() ? "none" : text), std::move(values));
    BELAY_TRY_ASSIGN(const auto kept, value_before(*before, kPorts));
    BELAY_TRY_ASSIGN(const auto then, read_ports(kept));
    PortSet gone;
    std::ranges::set_difference(then, now, std::inserter(gone, gone.end()));
    if (gone.empty()) return reading(true, "all still listening: " + (kept.empty() ? "none" : kept), std::move(values));
    BELAY_TRY_ASSIGN(const auto missed, write_ports(gone));
    return reading(false, "no longer listening: " + missed, std::move(values));
  }

 private:
  Result<PortSet> listening() const {
    BELAY_TRY_ASSIGN(const auto four, seams_.files.read("/proc/net/tcp", kSocketsBytesMax));
    BELAY_TRY_ASSIGN(auto ports, parse_listening(four));
    const auto six = seams_.files.read("/proc/net/tcp6", kSocketsBytesMax);
    if (six.ok()) {
      BELAY_TRY_ASSIGN(auto more, parse_listening(*six));
      ports.merge(more);
    } else if (six.error().code() != Code::not_found) {  // there is none where IPv6 is off
      return six.error();
    }
    for (const auto port : spec_.ignore) ports.erase(static_cast<std::uint16_t>(port));
    return ports;
  }

  patchrun::PortsProbe spec_;
  ProbeSeams seams_;
};

std::string gibibytes(std::uint64_t bytes) {
  const auto tenths = bytes / ((std::uint64_t{1} << 30) / 10);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GiB";
}

class DiskProbe final : public NamedProbe {
 public:
  DiskProbe(std::string name, patchrun::DiskProbe spec, const ProbeSeams& seams)
      : NamedProbe(std::move(name)), spec_(std::move(spec)), seams_(seams) {}

  Result<ProbeReading> measure(Duration, const ProbeReading*) override {
    BELAY_TRY_ASSIGN(const auto mounts, seams_.files.read("/proc/self/mounts", kMountsBytesMax));
    BELAY_TRY_ASSIGN(const auto type, file_system_of(spec_.mount, mounts));
    if (may_hang(type))
      return Error(Code::unsupported,
                   spec_.mount + " lies on " + type + ", where a question may hang for ever; measure it by a command");
    BELAY_TRY_ASSIGN(const auto space, seams_.files.space(spec_.mount));
    if (space.bytes_total < kSizeMin)
      return Error(Code::unsupported, spec_.mount + " lies on " + type + ", which has no size");
    const auto percent = space.bytes_free / (space.bytes_total / 100);
    return reading(percent >= spec_.free_percent_min, std::to_string(percent) + " % of " + spec_.mount + " free (" +
                                                          gibibytes(space.bytes_free) + " of " +
                                                          gibibytes(space.bytes_total) + "), at least " +
                                                          std::to_string(spec_.free_percent_min) + " % wanted");
  }

 private:
  patchrun::DiskProbe spec_;
  ProbeSeams seams_;
};

class LoadProbe final : public NamedProbe {
 public:
  LoadProbe(std::string name, patchrun::LoadProbe spec, const ProbeSeams& seams)
      : NamedProbe(std::move(name)), spec_(spec), seams_(seams) {}

  Result<ProbeReading> measure(Duration, const ProbeReading*) override {
    BELAY_TRY_ASSIGN(const auto loadavg, seams_.files.read("/proc/loadavg", kStatBytesMax));
    BELAY_TRY_ASSIGN(const auto load_percent, parse_load_percent(loadavg));
    BELAY_TRY_ASSIGN(const auto stat, seams_.files.read("/proc/stat", kStatBytesMax));
    BELAY_TRY_ASSIGN(const auto cpus, count_cpus_online(stat));
    const auto percent = load_percent / cpus;
    return reading(percent <= spec_.percent_max, std::to_string(percent) + " % of " + std::to_string(cpus) +
                                                     " CPUs in the last minute, at most " +
                                                     std::to_string(spec_.percent_max) + " % wanted");
  }

 private:
  patchrun::LoadProbe spec_;
  ProbeSeams seams_;
};

}  // namespace

ProbePtr make_probe(std::string name, patchrun::PortsProbe spec, const ProbeSeams& seams) {
  return std::make_unique<PortsProbe>(std::move(name), std::move(spec), seams);
}
ProbePtr make_probe(std::string name, patchrun::DiskProbe spec, const ProbeSeams& seams) {
  return std::make_unique<DiskProbe>(std::move(name), std::move(spec), seams);
}
ProbePtr make_probe(std::string name, patchrun::LoadProbe spec, const ProbeSeams& seams) {
  return std::make_unique<LoadProbe>(std::move(name), spec, seams);
}

}  // namespace belay::agent::probes
