#include "core/patchrun/health.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "base/text.hpp"
#include "base/url.hpp"

namespace belay::patchrun {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kUnitsMax = 100;
constexpr std::size_t kUnitBytesMax = 255;  // systemd's own
constexpr std::size_t kContainsBytesMax = 1'024;
constexpr std::size_t kCommandBytesMax = 8 << 10;
constexpr std::size_t kMountBytesMax = 4'096;
constexpr std::size_t kPortsIgnoredMax = 1'000;
constexpr Duration kWithinMax{600'000};
constexpr Duration kCommandTimeoutMax{600'000};
constexpr std::uint32_t kTimesMax = 1'000;
constexpr std::uint32_t kFreeMax = 100'000;
constexpr std::uint32_t kLoadPercentMax = 100'000;

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::array<std::string_view, 16> kPriorities{
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "0", "1", "2", "3", "4", "5", "6", "7"};

Error wrong(const std::string& field, const std::string& why) {
  return Error(Code::invalid_argument, field + ": " + why);
}

std::string quoted(std::string_view text) { return "'" + sanitize(text, 100) + "'"; }

bool has_only(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) {
    return kLetters.find(c) != std::string_view::npos || others.find(c) != std::string_view::npos;
  });
}

bool is_plain_text(std::string_view text) {
  return is_valid_utf8(text) && std::ranges::none_of(text, [](char c) { return c >= 0 && c < 0x20; });
}

template <typename Number>
Status check_range(const std::string& field, Number value, Number min, Number max) {
  if (value >= min && value <= max) return {};
  return wrong(field,
               "expected " + std::to_string(min) + " to " + std::to_string(max) + ", not " + std::to_string(value));
}

Status check_time(const std::string& field, Duration value, Duration max) {
  if (value > Duration(0) && value <= max) return {};
  return wrong(field,
               "expected more than 0 and at most " + humanize(max) + ", not " + std::to_string(value.count()) + " ms");
}

Status check_kind(const SystemdProbe& probe, const std::string& field) {
  if (probe.units.size() > kUnitsMax) return wrong(field + ".units", "at most " + std::to_string(kUnitsMax));
  std::set<std::string_view> seen;
  for (const auto& unit : probe.units) {
    // No globs: what a pattern names may change with the packages.
    if (unit.empty() || unit.size() > kUnitBytesMax || unit.starts_with('-') || !has_only(unit, ":_.\\@-"))
      return wrong(field + ".units", quoted(unit) + " is no unit's name");
    if (!seen.insert(unit).second) return wrong(field + ".units", quoted(unit) + " stands twice");
  }
  return {};
}

Status check_kind(const TcpProbe& probe, const std::string& field) {
  if (const auto address = parse_endpoint(probe.address); !address.ok())
    return wrong(field + ".address", address.error().message());
  return check_time(field + ".within", probe.within, kWithinMax);
}

Status check_kind(const HttpProbe& probe, const std::string& field) {
  const auto url = parse_url(probe.url);
  if (!url.ok()) return wrong(field + ".url", url.error().message());
  if (url->scheme != "http" && url->scheme != "https")
    return wrong(field + ".url", "expected http:// or https://, not " + quoted(url->scheme));
  BELAY_TRY(check_range(field + ".status", probe.status, 200u, 599u));
  BELAY_TRY(check_time(field + ".within", probe.within, kWithinMax));
  if (probe.contains.size() > kContainsBytesMax || !is_valid_utf8(probe.contains))
    return wrong(field + ".contains", "expected UTF-8 text of at most " + std::to_string(kContainsBytesMax) + " bytes");
  return {};
}

Status check_kind(const CommandProbe& probe, const std::string& field) {
  if (trim(probe.command).empty()) return wrong(field + ".command", "is empty");
  if (probe.command.size() > kCommandBytesMax || !is_valid_utf8(probe.command) ||
      probe.command.find('\0') != std::string::npos)
    return wrong(field + ".command", "expected UTF-8 text of at most " + std::to_string(kCommandBytesMax) + " bytes");
  return check_time(field + ".timeout", probe.timeout, kCommandTimeoutMax);
}

Status check_kind(const JournalProbe& probe, const std::string& field) {
  if (std::ranges::find(kPriorities, probe.priority) == kPriorities.end())
    return wrong(field + ".priority",
                 quoted(probe.priority) + " is none of emerg, alert, crit, err, warning, notice, info, debug");
  BELAY_TRY(check_range(field + ".times", probe.times, 1u, kTimesMax));
  return check_range(field + ".free", probe.free, 0u, kFreeMax);
}

Status check_kind(const PortsProbe& probe, const std::string& field) {
  if (probe.ignore.size() > kPortsIgnoredMax)
    return wrong(field + ".ignore", "at most " + std::to_string(kPortsIgnoredMax));
  for (const auto port : probe.ignore) BELAY_TRY(check_range(field + ".ignore", port, 1u, 65'535u));
  return {};
}

Status check_kind(const DiskProbe& probe, const std::string& field) {
  if (!probe.mount.starts_with('/') || probe.mount.size() > kMountBytesMax || !is_plain_text(probe.mount))
    return wrong(field + ".mount", quoted(probe.mount) + " is no absolute path");
  return check_range(field + ".free_percent_min", probe.free_percent_min, 0u, 99u);
}

Status check_kind(const LoadProbe& probe, const std::string& field) {
  return check_range(field + ".percent_max", probe.percent_max, 1u, kLoadPercentMax);
}

Status check_probe(const ProbeSpec& probe, const std::string& path) {
  if (trim(probe.name).empty() || probe.name.size() > kNameBytesMax || !is_plain_text(probe.name))
    return wrong(path + ".name",
                 quoted(probe.name) + " is no name; expected text of 1 to " + std::to_string(kNameBytesMax) + " bytes");
  int kinds = 0;
  Status verdict;
  const auto look_at = [&](const auto& kind, const char* name) {
    if (!kind) return;
    if (++kinds == 1) verdict = check_kind(*kind, path + "." + name);
  };
  look_at(probe.systemd, "systemd");
  look_at(probe.tcp, "tcp");
  look_at(probe.http, "http");
  look_at(probe.command, "command");
  look_at(probe.journal, "journal");
  look_at(probe.ports, "ports");
  look_at(probe.disk, "disk");
  look_at(probe.load, "load");
  if (kinds == 1) return verdict;
  return wrong(path, quoted(probe.name) + " names " +
                         (kinds == 0 ? "no kind that is known" : std::to_string(kinds) + " kinds") +
                         "; expected one of systemd, tcp, http, command, journal, ports, disk, load");
}

}  // namespace

Status check_probes(const std::vector<ProbeSpec>& probes) {
  if (probes.size() > kProbesMax) return wrong("probes", "at most " + std::to_string(kProbesMax));
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < probes.size(); ++i) {
    const std::string path = "probes[" + std::to_string(i) + "]";
    BELAY_TRY(check_probe(probes[i], path));
    if (!names.insert(probes[i].name).second) return wrong(path + ".name", quoted(probes[i].name) + " stands twice");
  }
  return {};
}

}  // namespace belay::patchrun
