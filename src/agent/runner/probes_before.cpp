#include "agent/runner/probes_before.hpp"

#include "base/json.hpp"
#include "base/log.hpp"

namespace belay::agent {
namespace {
constexpr std::size_t kBytesMax = 4 << 20;
}

Status keep_probes_before(io::Files& files, const StatePaths& paths, const patchrun::RunState& run) {
  if (run.order.probes.empty() || !run.order.undoes.empty()) return {};
  const ProbesBefore kept{run.run_id, run.order.probes, run.order.gate, run.protection.probes};
  return files.write_durable(paths.probes_before(), json::encode_text(kept), 0600)
      .within("what the probes said before the run cannot be kept");
}

std::optional<ProbesBefore> probes_before(const io::Files& files, const StatePaths& paths, const std::string& run_id) {
  const auto text = files.read(paths.probes_before(), kBytesMax);
  if (!text.ok()) return std::nullopt;
  auto kept = json::decode_text<ProbesBefore>(*text, {.bytes_max = kBytesMax});
  if (!kept.ok()) log::warning("probes_before_unreadable", {{"why", kept.error()}});
  if (!kept.ok() || kept->run_id != run_id) return std::nullopt;
  return std::move(*kept);
}

}  // namespace belay::agent
