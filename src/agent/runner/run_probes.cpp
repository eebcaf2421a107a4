#include "agent/runner/run_probes.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::agent {
namespace {

// Of one reading; its values are journalled.
constexpr std::size_t kDetailBytesMax = 1'000;

// They are bounded by whoever read them; nothing is compared with a part of them.
bool is_bounded(const std::map<std::string, std::string>& values) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : values) bytes += name.size() + value.size();
  return bytes <= kProbeValuesBytesMax;
}

}  // namespace

RunProbes::RunProbes(const ProbeMaker& make, const std::vector<patchrun::ProbeSpec>& specs) : specs_(specs) {
  if (specs.empty()) return;
  why_none_ = "this agent cannot read probes";
  if (!make) return;
  if (auto made = make(specs); made.ok()) probes_ = std::move(*made);
  else why_none_ = made.error().chain();
}

void RunProbes::begin_watch() {
  for (const auto& probe : probes_) probe->begin_watch();
}

std::vector<patchrun::ProbeResult> RunProbes::read(const std::vector<patchrun::ProbeResult>& before) {
  std::vector<patchrun::ProbeResult> round;
  for (const auto& spec : specs_) round.push_back(read_one(spec, before));
  return round;
}

patchrun::ProbeResult RunProbes::read_one(const patchrun::ProbeSpec& spec,
                                          const std::vector<patchrun::ProbeResult>& before) {
  const auto probe = std::ranges::find_if(probes_, [&](const auto& p) { return p->name() == spec.name; });
  if (probe == probes_.end()) return {spec.name, false, sanitize(why_none_, kDetailBytesMax)};
  const auto earlier = std::ranges::find(before, spec.name, &patchrun::ProbeResult::probe);
  ProbeReading known;
  if (earlier != before.end()) known = {earlier->healthy, earlier->detail, earlier->values};
  const auto reading = (*probe)->measure(patchrun::reading_timeout(spec), earlier == before.end() ? nullptr : &known);
  if (!reading.ok()) return {spec.name, false, sanitize(reading.error().chain(), kDetailBytesMax)};
  if (!is_bounded(reading->values)) return {spec.name, false, "it read more than can be kept"};
  return {spec.name, reading->healthy, sanitize(reading->detail, kDetailBytesMax), reading->values};
}

}  // namespace belay::agent
