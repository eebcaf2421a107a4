#include "core/patchrun/gate.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.hpp"

namespace belay::patchrun {
namespace {

constexpr Duration kReadingTimeout{30'000};
constexpr Duration kReadingTimeoutMax{600'000};
constexpr Duration kReadingSlack{5'000};  // beyond what the probe allows its target
constexpr std::size_t kDetailBytesMax = 500;

std::uint32_t misses_of(const Gate& gate) { return std::max(gate.misses, 1u); }

const ProbeResult* find(const std::vector<ProbeResult>& results, const std::string& probe) {
  const auto found = std::ranges::find(results, probe, &ProbeResult::probe);
  return found == results.end() ? nullptr : &*found;
}

GateWatch close(GateWatch watch, const GateWatch::Blamed& blamed, const std::string& how) {
  watch.verdict = GateVerdict::closed;
  watch.probe = blamed.probe;
  watch.why = "healthy before the change, not after it (" + how + "): " + sanitize(blamed.seen, kDetailBytesMax);
  return watch;
}

}  // namespace

GateWatch begin_watch(const Gate& gate, const std::vector<ProbeResult>& before) {
  GateWatch watch;
  watch.gate = gate;
  for (const auto& result : before)
    if (result.healthy) watch.probes.push_back({result.probe, 0, {}});
  if (watch.probes.empty()) watch.verdict = GateVerdict::open;
  return watch;
}

GateWatch begin_recovery(const Gate& gate, const std::vector<ProbeResult>& before) {
  return begin_watch({Duration::zero(), gate.every, std::max(misses_of(gate), kRecoveryReadings)}, before);
}

GateWatch read(GateWatch watch, const std::vector<ProbeResult>& round, Duration elapsed) {
  if (watch.verdict != GateVerdict::watching) return watch;
  const GateWatch::Blamed* ill = nullptr;
  for (auto& blamed : watch.probes) {
    const auto* now = find(round, blamed.probe);
    blamed.missed = now && now->healthy ? 0 : blamed.missed + 1;
    blamed.seen = now ? now->detail : "it was not read";
    if (blamed.missed >= misses_of(watch.gate))
      return close(std::move(watch), GateWatch::Blamed(blamed), std::to_string(blamed.missed) + " readings in a row");
    if (blamed.missed > 0 && !ill) ill = &blamed;
  }
  if (elapsed < watch.gate.watch) return watch;
  if (!ill) {
    watch.verdict = GateVerdict::open;
    return watch;
  }
  // Readings go on until all are healthy, or one misses too often. Probes that take turns do neither.
  if (watch.overtime++ < misses_of(watch.gate)) return watch;
  return close(std::move(watch), GateWatch::Blamed(*ill), "at the end of the watch");
}

Duration pause_between(const Gate& gate) { return std::max(gate.every, kGateEveryMin); }

Duration longest_watch(const Gate& gate) {
  return std::max(gate.watch, Duration::zero()) + pause_between(gate) * (misses_of(gate) + 1);
}

Duration reading_timeout(const ProbeSpec& probe) {
  auto timeout = kReadingTimeout;
  if (probe.command) timeout = std::max(timeout, probe.command->timeout + kReadingSlack);
  if (probe.http) timeout = std::max(timeout, probe.http->within + kReadingSlack);
  if (probe.tcp) timeout = std::max(timeout, probe.tcp->within + kReadingSlack);
  return std::min(timeout, kReadingTimeoutMax);
}

void note_turns(std::vector<ProbeTurn>& turns, const std::vector<ProbeResult>& round, Instant at) {
  for (const auto& result : round) {
    if (turns.size() >= kProbeTurnsMax) return;
    const auto last =
        std::find_if(turns.rbegin(), turns.rend(), [&](const auto& t) { return t.probe == result.probe; });
    if (last != turns.rend() && last->healthy == result.healthy) continue;
    turns.push_back({at, result.probe, result.healthy, sanitize(result.detail, kDetailBytesMax)});
  }
}

bool may_be_restarted(const std::string& unit) {
  if (!unit.ends_with(".service") || unit.starts_with("-") || unit.find('/') != std::string::npos) return false;
  // As needrestart has it: what these carry does not survive their restart.
  static constexpr std::array<std::string_view, 13> kNever{
      "dbus",           "getty@",     "serial-getty@",   "user@", "user-runtime-dir@",
      "systemd-logind", "elogind",    "display-manager", "gdm",   "lightdm",
      "sddm",           "belay-run-", "belay-agent"};
  return std::ranges::none_of(kNever, [&](const auto name) { return unit.starts_with(name); });
}

}  // namespace belay::patchrun
