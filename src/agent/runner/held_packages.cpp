#include "agent/runner/held_packages.hpp"

#include <algorithm>
#include <vector>

namespace belay::agent {

Status prune_held_packages(io::Files& files, const std::string& directory, Instant now, const HeldLimits& limits) {
  const auto names = files.list(directory);
  if (!names.ok() && names.error().code() == Code::not_found) return {};
  if (!names.ok()) return names.error();
  struct Held {
    Instant modified;
    std::string path;
    std::uint64_t bytes;
  };
  std::vector<Held> held;
  std::uint64_t bytes = 0;
  for (const auto& name : *names) {
    const auto info = files.info(directory + "/" + name);
    if (!info.ok() || info->kind != io::FileInfo::Kind::file) continue;
    held.push_back({info->modified, directory + "/" + name, info->bytes});
    bytes += info->bytes;
  }
  std::ranges::sort(held, {}, &Held::modified);
  for (const auto& file : held) {
    if (now - file.modified <= limits.age_max && bytes <= limits.bytes_max) break;
    BELAY_TRY(files.remove(file.path));
    bytes -= file.bytes;
  }
  return {};
}

}  // namespace belay::agent
