#include <algorithm>
#include <set>

#include "agent/probes/kinds.hpp"
#include "agent/probes/probe_text.hpp"
#include "base/text.hpp"

namespace belay::agent::probes {
namespace {

constexpr const char* kFailed = "failed";  // the key of the failed units
constexpr std::size_t kFailedBytesMax = 12 << 10;
constexpr std::size_t kAilingBytesMax = 3 << 10;

// As many as fit: whoever restarts them does not need them all.
std::string hint_of(const std::vector<std::string>& units) {
  std::string text;
  for (const auto& unit : units)
    if (text.size() + 1 + unit.size() <= kAilingBytesMax) text += (text.empty() ? "" : " ") + unit;
  return text;
}

// As systemctl completes what people write.
std::string full_name(const std::string& unit) { return is_unit(unit) ? unit : unit + ".service"; }

class SystemdProbe final : public NamedProbe {
 public:
  SystemdProbe(std::string name, patchrun::SystemdProbe spec, const ProbeSeams& seams)
      : NamedProbe(std::move(name)), spec_(std::move(spec)), seams_(seams) {}

  Result<ProbeReading> measure(Duration timeout, const ProbeReading* before) override {
    BELAY_TRY(require_systemd(seams_.files));
    return spec_.units.empty() ? newly_failed(timeout, before) : named(timeout);
  }

 private:
  Result<ProbeReading> named(Duration timeout) {
    std::vector<std::string> argv{"systemctl", "show", "--no-pager", "--property=Id,LoadState,ActiveState,SubState",
                                  "--"};
    argv.insert(argv.end(), spec_.units.begin(), spec_.units.end());
    BELAY_TRY_ASSIGN(const auto text, ask_tool(seams_.processes, std::move(argv), timeout));
    BELAY_TRY_ASSIGN(const auto states, parse_unit_states(text));
    if (states.size() != spec_.units.size())
      return Error(Code::corrupt, "systemctl speaks of " + std::to_string(states.size()) + " units, asked about " +
                                      std::to_string(spec_.units.size()));
    std::vector<std::string> ailing, words;
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (states[i].is_up()) continue;
      ailing.push_back(full_name(spec_.units[i]));
      words.push_back(spec_.units[i] + " is " + states[i].words());
    }
    if (ailing.empty()) return reading(true, std::to_string(states.size()) + " active");
    return reading(false, join(words, ", "), {{std::string(kUnitsAiling), hint_of(ailing)}});
  }

  Result<ProbeReading> newly_failed(Duration timeout, const ProbeReading* before) {
    BELAY_TRY_ASSIGN(const auto text, ask_tool(seams_.processes,
                                               {"systemctl", "list-units", "--state=failed", "--plain", "--no-legend",
                                                "--no-pager", "--full"},
                                               timeout));
    BELAY_TRY_ASSIGN(const auto failed, parse_failed_units(text));
    std::map<std::string, std::string> values{{kFailed, join({failed.begin(), failed.end()}, " ")}};
    if (values[kFailed].size() > kFailedBytesMax)
      return Error(Code::resource_exhausted,
                   std::to_string(failed.size()) + " units are failed, more than can be kept");
    if (!before) return reading(true, failed.empty() ? "none failed" : "failed already: " + values[kFailed], values);
    BELAY_TRY_ASSIGN(const auto known, value_before(*before, kFailed));
    const auto old_ones = split(known, ' ');
    std::vector<std::string> fresh;
    for (const auto& unit : failed)
      if (std::ranges::find(old_ones, unit) == old_ones.end()) fresh.push_back(unit);
    if (fresh.empty()) return reading(true, "none newly failed", std::move(values));
    values[std::string(kUnitsAiling)] = hint_of(fresh);
    return reading(false, "newly failed: " + join(fresh, ", "), std::move(values));
  }

  patchrun::SystemdProbe spec_;
  ProbeSeams seams_;
};

}  // namespace

ProbePtr make_probe(std::string name, patchrun::SystemdProbe spec, const ProbeSeams& seams) {
  return std::make_unique<SystemdProbe>(std::move(name), std::move(spec), seams);
}

}  // namespace belay::agent::probes
