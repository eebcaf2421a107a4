#include "agent/snapshots/fake_snapshots.hpp"

#include <algorithm>

namespace belay::agent {

Result<bool> FakeSnapshots::covers(const std::vector<std::string>& mounts) {
  return std::ranges::all_of(mounts, [](const auto& mount) { return mount == "/"; });
}

Result<Snapshot> FakeSnapshots::create(std::string_view tag, const std::vector<std::string>& mounts) {
  const auto existing = std::ranges::find(snapshots_, tag, &Snapshot::id);
  if (existing != snapshots_.end()) return *existing;
  if (fails_to_create) return Error(Code::resource_exhausted, "no room for a snapshot", "disk-full");
  created_ += 1;
  snapshots_.push_back({std::string(tag), "fake", clock_.now(), mounts});
  return snapshots_.back();
}

Status FakeSnapshots::verify(const Snapshot& snapshot) {
  if (std::ranges::find(snapshots_, snapshot.id, &Snapshot::id) != snapshots_.end()) return {};
  return Error(Code::not_found, "snapshot " + snapshot.id + " is gone");
}

Status FakeSnapshots::restore(const Snapshot& snapshot) {
  BELAY_TRY(verify(snapshot));
  if (on_restore) on_restore();
  return {};
}

Status FakeSnapshots::remove(const Snapshot& snapshot) {
  std::erase_if(snapshots_, [&](const Snapshot& s) { return s.id == snapshot.id; });
  return {};
}

}  // namespace belay::agent
