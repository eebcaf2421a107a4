#pragma once
// The gate: what the probes say over time after the change, against what they said before it. Pure: agent/runner reads
// the probes and waits in between. The rule stands at `Gate` in health.hpp.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/patchrun/health.hpp"
#include "core/patchrun/order.hpp"

namespace belay::patchrun {

inline constexpr Duration kGateEveryMin{1'000};
// After a rollback a service may take a while to come up again: so many readings a probe has to be healthy once.
inline constexpr std::uint32_t kRecoveryReadings = 6;

// One reading. `values` are what a later one is compared with.
struct ProbeResult {
  std::string probe;
  bool healthy = false;
  std::string detail;
  std::map<std::string, std::string> values{};
};
BOOST_DESCRIBE_STRUCT(ProbeResult, (), (probe, healthy, detail, values))

enum class GateVerdict { watching, open, closed };

// One watch, as far as it has come.
struct GateWatch {
  struct Blamed {
    std::string probe;
    std::uint32_t missed = 0;  // readings in a row
    std::string seen;          // the last one's detail
  };
  Gate gate{};
  std::vector<Blamed> probes;  // those that were healthy before the change
  std::uint32_t overtime = 0;  // readings after the end, since not every probe was healthy
  GateVerdict verdict = GateVerdict::watching;
  std::string probe, why;  // where closed
};

// A gate over nothing that was healthy before is open at once.
GateWatch begin_watch(const Gate& gate, const std::vector<ProbeResult>& before);
// The same probes, to be healthy again after a rollback: the first reading at which all of them are opens it.
GateWatch begin_recovery(const Gate& gate, const std::vector<ProbeResult>& before);
// Takes in one reading of all probes, made so long after the watch began. A probe that is not in it was not healthy.
GateWatch read(GateWatch watch, const std::vector<ProbeResult>& round, Duration elapsed);

Duration pause_between(const Gate& gate);
// At most, the time of the readings themselves apart.
Duration longest_watch(const Gate& gate);
// How long one reading of this probe may take before it counts as unhealthy.
Duration reading_timeout(const ProbeSpec& probe);

// Adds what turned, or was read for the first time.
void note_turns(std::vector<ProbeTurn>& turns, const std::vector<ProbeResult>& round, Instant at);

// Whether a unit may be restarted under a running system: services, and not those that carry logins or the bus.
bool may_be_restarted(const std::string& unit);

}  // namespace belay::patchrun
