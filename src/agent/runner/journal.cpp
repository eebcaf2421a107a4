#include "agent/runner/journal.hpp"

#include "base/json.hpp"

namespace belay::agent {
namespace {
constexpr std::size_t kJournalBytesMax = 32 << 20;
constexpr std::size_t kReserveBytes = 2 << 20;
}  // namespace

RunJournal::RunJournal(io::Files& files, StatePaths paths, std::string run_id)
    : files_(files), paths_(std::move(paths)), run_id_(std::move(run_id)) {}

Result<std::optional<patchrun::RunState>> RunJournal::load() const {
  const auto path = paths_.journal(run_id_);
  const auto text = files_.read(path, kJournalBytesMax);
  if (!text.ok() && text.error().code() == Code::not_found) return std::optional<patchrun::RunState>();
  if (!text.ok()) return text.error().within("the journal of run " + run_id_ + " cannot be read");
  auto state = json::decode_text<patchrun::RunState>(*text, {.bytes_max = kJournalBytesMax, .depth_max = 16});
  if (!state.ok())
    return Error(Code::corrupt, "the journal " + path + " is not a run's state (" + state.error().chain() +
                                    "); look at the node's packages by hand");
  BELAY_TRY(patchrun::check_readable(*state).within("journal " + path));
  return std::optional(std::move(*state));
}

Status RunJournal::save(const patchrun::RunState& state) {
  const auto text = json::encode_text(state);
  auto written = files_.write_durable(paths_.journal(run_id_), text, 0600);
  if (!written.ok()) {
    release_space();
    written = files_.write_durable(paths_.journal(run_id_), text, 0600);
  }
  return std::move(written).within("the journal of run " + run_id_ + " cannot be written; nothing is done without it");
}

Status RunJournal::reserve_space() {
  return files_.write_durable(paths_.reserve(run_id_), std::string(kReserveBytes, '\0'), 0600)
      .within("no room to set aside for the journal");
}

void RunJournal::release_space() { static_cast<void>(files_.remove(paths_.reserve(run_id_))); }

}  // namespace belay::agent
