#pragma once
// The server's package pool as this node sees it: exactly the files of change sets, by the checksums that signed orders
// name. Blocking.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/runner/host_control.hpp"
#include "agent/runner/identity.hpp"
#include "core/fleet/package.hpp"
#include "io/files.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

class PackagePool {
 public:
  virtual ~PackagePool() = default;
  // One for each file that some change set names: whether the pool has it, or would take it. May be repeated.
  virtual Result<std::vector<wire::PoolEntry>> ask(const std::vector<std::string>& sha256s) = 0;
  // Lays the file of the change at `path`, whole and of the change's checksum, or nothing. corrupt "signature-bad"
  // where what came is another file; not_found "version-not-offered" where the pool has none. May be repeated.
  virtual Status fetch(const fleet::PackageChange& change, const std::string& path) = 0;
  // Sends the file at `path`. ok where the pool has it already; conflict "pool-busy" where another node sends it now.
  virtual Status give(const fleet::PackageChange& change, const std::string& path) = 0;
  // Whether the file at `path` is the one that the change's checksum names.
  virtual Result<bool> is_file_of(const fleet::PackageChange& change, const std::string& path) = 0;
};

// Over a connection of its own, with the node's identity as it is when it is needed. What the server puts off is tried
// again for a while; `host` pauses.
std::unique_ptr<PackagePool> make_package_pool(io::Files& files, HostControl& host,
                                               std::function<Result<Identity>()> identity);

}  // namespace belay::agent
