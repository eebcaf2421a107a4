#include "server/engine/command_cache.hpp"

#include <algorithm>

namespace belay::server {

std::optional<LoadedCommand> CommandCache::take(const std::string& turn) {
  const auto at = std::ranges::find(kept_, turn, &Kept::turn);
  if (turn.empty() || at == kept_.end()) return std::nullopt;
  auto loaded = std::move(at->loaded);
  kept_.erase(at);
  return loaded;
}

void CommandCache::keep(std::string turn, LoadedCommand loaded) {
  std::erase_if(kept_, [&](const Kept& kept) { return kept.loaded.row.command_id == loaded.row.command_id; });
  std::size_t size = loaded.invocation_rows.size();
  for (const auto& kept : kept_) size += kept.loaded.invocation_rows.size();
  kept_.push_back({std::move(turn), std::move(loaded)});
  for (; size > kInvocationsMax && !kept_.empty(); kept_.pop_front())
    size -= kept_.front().loaded.invocation_rows.size();
}

}  // namespace belay::server
