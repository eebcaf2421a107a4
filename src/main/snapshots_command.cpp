#include "main/snapshots_command.hpp"

#include <algorithm>

#include "agent/runner/order_book.hpp"
#include "base/error_table.hpp"
#include "base/text.hpp"
#include "main/print.hpp"

namespace belay {
namespace {

using Providers = std::vector<std::unique_ptr<agent::SnapshotProvider>>;

int fail(const Error& error) {
  print_error("belay-agent: " + error.chain() + "\n");
  return meaning(error.code()).exit_status;
}

bool is_asked(const agent::SnapshotProvider& provider, const SnapshotsRequest& request) {
  return request.provider.empty() || provider.name() == request.provider;
}

std::vector<std::string> tags_of_open_runs(io::Files& files, const agent::StatePaths& paths) {
  std::vector<std::string> tags;
  for (const auto& accepted : agent::OrderBook(files, paths).open()) tags.push_back("belay-" + accepted.order.order_id);
  return tags;
}

std::string line_of(const agent::Snapshot& snapshot, Instant now) {
  return snapshot.id + "  " + snapshot.provider + "  " + humanize(std::max(now - snapshot.taken_at, Duration::zero())) +
         " old  " + join(snapshot.mounts, " ");
}

// Exit status 0 also where leftovers are told: they are an answer.
int list(io::Files& files, const Clock& clock, const agent::StatePaths& paths, const Providers& providers,
         const SnapshotsRequest& request) {
  const auto open_tags = tags_of_open_runs(files, paths);
  int status = kExitOk;
  for (const auto& provider : providers) {
    if (!is_asked(*provider, request)) continue;
    const auto all = provider->list();
    if (!all.ok()) {
      status = fail(all.error().within("the snapshots of " + std::string(provider->name()) + " cannot be listed"));
      continue;
    }
    const auto left = agent::leftovers(*all, open_tags, clock.now());
    for (const auto& snapshot : *all) {
      const auto leftover = std::ranges::find(left, snapshot.id, [](const auto& one) { return one.snapshot.id; });
      print(line_of(snapshot, clock.now()));
      if (leftover != left.end())
        print(leftover->why == agent::Leftover::Why::expired ? "  LEFTOVER: past its time"
                                                             : "  LEFTOVER: of no run that goes on");
      print("\n");
    }
  }
  return status;
}

int check(const Providers& providers, const SnapshotsRequest& request) {
  int status = kExitOk;
  for (const auto& provider : providers) {
    if (!is_asked(*provider, request)) continue;
    const auto coverage = provider->covers(request.mounts);
    if (!coverage.ok()) status = fail(coverage.error());
    else if (*coverage)
      print(std::string(provider->name()) + ": covers " + join(request.mounts, " ") +
            (coverage->bytes_free ? ", room for " + std::to_string(*coverage->bytes_free >> 20) + " MiB of changes"
                                  : "") +
            "\n");
    else print(std::string(provider->name()) + ": " + coverage->why + "\n");
  }
  return status;
}

int take(const Clock& clock, const Providers& providers, const SnapshotsRequest& request) {
  std::string why;
  for (const auto& provider : providers) {
    if (!is_asked(*provider, request)) continue;
    const auto coverage = provider->covers(request.mounts);
    if (!coverage.ok()) return fail(coverage.error());
    if (!*coverage) {
      why += "\n  " + std::string(provider->name()) + ": " + coverage->why;
      continue;
    }
    const auto taken = provider->create(request.id, request.mounts);
    if (!taken.ok()) return fail(taken.error());
    if (const auto whole = provider->verify(*taken); !whole.ok()) return fail(whole.error());
    print(line_of(*taken, clock.now()) + "\n");
    return kExitOk;
  }
  return fail(Error(Code::unsupported, "no provider takes " + join(request.mounts, " ") + why));
}

int act(agent::SnapshotProvider& provider, const agent::Snapshot& snapshot, const SnapshotsRequest& request,
        Instant now) {
  if (!request.yes) {
    print(line_of(snapshot, now) + "\nGive --yes to " + request.verb + " it.\n");
    return kExitOk;
  }
  if (request.verb == "remove") {
    const auto gone = provider.remove(snapshot);
    return gone.ok() ? kExitOk : fail(gone.error());
  }
  const auto restored = provider.restore(snapshot);
  if (!restored.ok()) return fail(restored.error());
  for (const auto& left : restored->left) print(sanitize(left, 1'000) + "\n");
  print(restored->needs_reboot ? "Restored; it counts once this machine has restarted.\n" : "Restored.\n");
  return kExitOk;
}

int find_and_act(const Clock& clock, const Providers& providers, const SnapshotsRequest& request) {
  for (const auto& provider : providers) {
    if (!is_asked(*provider, request)) continue;
    const auto all = provider->list();
    if (!all.ok()) return fail(all.error());
    const auto found = std::ranges::find(*all, request.id, &agent::Snapshot::id);
    if (found != all->end()) return act(*provider, *found, request, clock.now());
  }
  return fail(
      Error(Code::not_found, "there is no snapshot " + sanitize(request.id, 200) + "; see belay-agent snapshots list"));
}

}  // namespace

Result<agent::SnapshotSettings> snapshot_settings(const io::Files& files, const agent::StatePaths& paths,
                                                  const std::string& file) {
  BELAY_TRY_ASSIGN(auto settings, agent::read_snapshot_settings(files, file));
  settings.carry_over = {paths.root()};
  return settings;
}

int run_snapshots_command(io::Files& files, const Clock& clock, const agent::StatePaths& paths,
                          const Providers& providers, const SnapshotsRequest& request) {
  if (request.verb == "list") return list(files, clock, paths, providers, request);
  if (request.verb == "check") return check(providers, request);
  if (request.verb == "take") return take(clock, providers, request);
  return find_and_act(clock, providers, request);
}

}  // namespace belay
