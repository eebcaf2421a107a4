#include "main/snapshot_taker.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"

namespace belay {
namespace {

using agent::Snapshot;
using agent::SnapshotProvider;

Result<SnapshotProvider*> choose(const std::vector<SnapshotProvider*>& providers, const agent::SnapshotWish& wish) {
  std::string why;
  for (auto* provider : providers) {
    const auto name = std::string(provider->name());
    if (!wish.providers.empty() && std::ranges::find(wish.providers, name) == wish.providers.end()) continue;
    const auto coverage = provider->covers(wish.paths);
    if (coverage.ok() && *coverage) return provider;
    why += (why.empty() ? "" : "; ") + name + ": " + (coverage.ok() ? coverage->why : coverage.error().chain());
  }
  if (why.empty()) why = "this node has none of " + (wish.providers.empty() ? "them" : join(wish.providers, ", "));
  return Error(Code::unsupported, "no snapshot provider covers " + join(wish.paths, ", ") + " (" + why + ")",
               "no-provider");
}

Status remove_old(SnapshotProvider& provider, const std::string& tag) {
  BELAY_TRY_ASSIGN(const auto all, provider.list());
  for (const auto& one : all)
    if (one.tag == tag)
      BELAY_TRY(provider.remove(one).within("an older backup's snapshot " + one.id + " cannot be removed"));
  return {};
}

// `after` follows `before` whatever comes between.
Result<Snapshot> take(SnapshotProvider& provider, const agent::SnapshotWish& wish) {
  const auto ready = wish.before ? wish.before() : Status();
  auto taken = ready.ok() ? provider.create(wish.tag, wish.paths) : Result<Snapshot>(ready.error());
  const auto done = wish.after ? wish.after() : Status();
  if (!taken.ok() || done.ok()) return taken;
  if (const auto gone = provider.remove(*taken); !gone.ok())
    log::warning("backup_snapshot_left", {{"id", taken->id}, {"why", gone.error()}});
  return done.error();
}

}  // namespace

Result<agent::TakenSnapshot> take_snapshot(const std::vector<SnapshotProvider*>& providers,
                                           const agent::SnapshotWish& wish) {
  BELAY_TRY_ASSIGN(auto* const provider, choose(providers, wish));
  agent::TakenSnapshot made;
  made.provider = provider->name();
  if (wish.only_ask) return made;
  BELAY_TRY(remove_old(*provider, wish.tag));
  BELAY_TRY_ASSIGN(const auto taken, take(*provider, wish));
  made.taken_at = taken.taken_at;
  made.held = std::shared_ptr<void>(nullptr, [provider, taken](void*) {
    if (const auto gone = provider->remove(taken); !gone.ok())
      log::warning("backup_snapshot_left", {{"id", taken.id}, {"why", gone.error()}});
  });
  BELAY_TRY(provider->verify(taken));
  BELAY_TRY_ASSIGN(const auto views, provider->views(taken));
  for (const auto& view : views) made.views.push_back({view.mount, view.arguments});
  return made;
}

}  // namespace belay
