#include "agent/runner/probes_before.hpp"

#include "base/json.hpp"
#include "base/log.hpp"

namespace belay::agent {
namespace {
constexpr std::size_t kBytesMax = 4 << 20;
constexpr std::string_view kOfFailed = ".failed";

std::optional<ProbesBefore> read_kept(const io::Files& files, const std::string& path, const std::string& run_id) {
  const auto text = files.read(path, kBytesMax);
  if (!text.ok()) return std::nullopt;
  auto kept = json::decode_text<ProbesBefore>(*text, {.bytes_max = kBytesMax});
  if (!kept.ok()) log::warning("probes_before_unreadable", {{"why", kept.error()}});
  if (!kept.ok() || kept->run_id != run_id) return std::nullopt;
  return std::move(*kept);
}

}  // namespace

Status keep_probes_before(io::Files& files, const StatePaths& paths, const patchrun::RunState& run) {
  if (run.order.probes.empty() || !run.order.undoes.empty()) return {};
  const ProbesBefore kept{run.run_id, run.order.probes, run.order.gate, run.protection.probes};
  const auto path = paths.probes_before() + std::string(run.outcome ? kOfFailed : "");
  return files.write_durable(path, json::encode_text(kept), 0600)
      .within("what the probes said before the run cannot be kept");
}

std::optional<ProbesBefore> probes_before(const io::Files& files, const StatePaths& paths, const std::string& run_id) {
  auto kept = read_kept(files, paths.probes_before(), run_id);
  return kept ? std::move(kept) : read_kept(files, paths.probes_before() + std::string(kOfFailed), run_id);
}

}  // namespace belay::agent
