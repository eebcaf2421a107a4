#include "tests/sim/pool.hpp"

#include "io/crypto.hpp"

namespace belay::sim {
namespace {
constexpr std::size_t kFileBytesMax = 1 << 20;
}  // namespace

Status Pool::reached() const {
  if (answers_()) return {};
  return Error(Code::unavailable, "the pool cannot be reached", "repository-unreachable");
}

Result<std::vector<wire::PoolEntry>> Pool::ask(const std::vector<std::string>& sha256s) {
  BELAY_TRY(reached());
  std::vector<wire::PoolEntry> entries;
  for (const auto& sha256 : sha256s) {
    const bool has = content_.contains(sha256);
    entries.push_back({sha256, 0, has, !has});
  }
  return entries;
}

Status Pool::fetch(const fleet::PackageChange& change, const std::string& path) {
  BELAY_TRY(reached());
  const auto found = content_.find(change.sha256);
  if (found == content_.end()) return Error(Code::not_found, "the pool lacks it", "version-not-offered");
  return files_.write_durable(path, found->second, 0644);
}

// Filed under its own checksum, as the server does.
Status Pool::give(const fleet::PackageChange&, const std::string& path) {
  BELAY_TRY(reached());
  BELAY_TRY_ASSIGN(auto text, files_.read(path, kFileBytesMax));
  content_.try_emplace(io::sha256_hex(text), std::move(text));
  return {};
}

Result<bool> Pool::is_file_of(const fleet::PackageChange& change, const std::string& path) {
  BELAY_TRY_ASSIGN(const auto text, files_.read(path, kFileBytesMax));
  return io::sha256_hex(text) == change.sha256;
}

}  // namespace belay::sim
