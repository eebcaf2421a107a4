#include "agent/snapshots/fake_snapshots.hpp"

#include <algorithm>

namespace belay::agent {

Result<Coverage> FakeSnapshots::covers(const std::vector<std::string>& mounts) {
  Coverage coverage;
  for (const auto& mount : mounts) {
    if (std::ranges::find(covered, mount) != covered.end()) continue;
    coverage.not_covered.push_back(mount);
    coverage.why += (coverage.why.empty() ? "" : "; ") + mount + " is none of this provider's";
  }
  return coverage;
}

Result<Snapshot> FakeSnapshots::create(std::string_view tag, const std::vector<std::string>& mounts) {
  const auto existing = std::ranges::find(snapshots_, tag, &Snapshot::id);
  if (existing != snapshots_.end()) return *existing;
  if (fails_to_create) return Error(Code::resource_exhausted, "no room for a snapshot", "disk-full");
  BELAY_TRY_ASSIGN(const auto coverage, covers(mounts));
  if (!coverage) return Error(Code::unsupported, coverage.why);
  if (on_create) on_create();
  created_ += 1;
  const auto now = clock_.now();
  snapshots_.push_back({std::string(tag), "fake", now, mounts, std::string(tag), now + keep});
  return snapshots_.back();
}

Status FakeSnapshots::verify(const Snapshot& snapshot) {
  if (std::ranges::find(snapshots_, snapshot.id, &Snapshot::id) != snapshots_.end()) return {};
  return Error(Code::not_found, "snapshot " + snapshot.id + " is gone");
}

Result<Restored> FakeSnapshots::restore(const Snapshot& snapshot) {
  BELAY_TRY(verify(snapshot));
  if (on_restore) on_restore();
  return Restored{needs_reboot, {}};
}

Status FakeSnapshots::remove(const Snapshot& snapshot) {
  std::erase_if(snapshots_, [&](const Snapshot& s) { return s.id == snapshot.id; });
  return {};
}

}  // namespace belay::agent
