#pragma once
// A pool for tests and the simulator: what it holds is a map, files go through io::Files.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/runner/package_pool.hpp"
#include "io/crypto.hpp"

namespace belay::agent {

class FakePackagePool : public PackagePool {
 public:
  explicit FakePackagePool(io::Files& files) : files_(files) {}

  Result<std::vector<wire::PoolEntry>> ask(const std::vector<std::string>& sha256s) override {
    if (unreachable) return Error(Code::unavailable, "the pool cannot be reached", "repository-unreachable");
    std::vector<wire::PoolEntry> entries;
    for (const auto& sha256 : sha256s)
      if (wanted.contains(sha256) || content.contains(sha256))
        entries.push_back({sha256, 0, content.contains(sha256), !content.contains(sha256)});
    return entries;
  }
  Status fetch(const fleet::PackageChange& change, const std::string& path) override {
    const auto found = content.find(change.sha256);
    if (found == content.end()) return Error(Code::not_found, "the pool lacks it", "version-not-offered");
    if (io::sha256_hex(found->second) != change.sha256)
      return Error(Code::corrupt, "the pool gave another file", "signature-bad");
    fetched.push_back(change.name);
    return files_.write_durable(path, found->second, 0644);
  }
  Status give(const fleet::PackageChange& change, const std::string& path) override {
    if (busy) return Error(Code::conflict, "another node sends it", "pool-busy");
    if (full) return Error(Code::resource_exhausted, "the pool is full", "pool-full");
    BELAY_TRY_ASSIGN(content[change.sha256], files_.read(path, 1 << 20));
    given.push_back(change.name);
    return {};
  }
  Result<bool> is_file_of(const fleet::PackageChange& change, const std::string& path) override {
    BELAY_TRY_ASSIGN(const auto text, files_.read(path, 1 << 20));
    return io::sha256_hex(text) == change.sha256;
  }

  std::map<std::string, std::string> content;  // by SHA-256; what is filed under another's is a swapped file
  std::set<std::string> wanted;                // named by a change set
  std::vector<std::string> fetched, given;     // names
  bool unreachable = false, busy = false, full = false;

 private:
  io::Files& files_;
};

}  // namespace belay::agent
