#pragma once
// The server's package pool, as a node reaches it: what one node gave, the others may take, also when no archive offers
// it any more. Away while the server is.
#include <functional>
#include <map>
#include <string>

#include "agent/runner/package_pool.hpp"

namespace belay::sim {

using PoolContent = std::map<std::string, std::string>;  // by SHA-256; the same for all nodes, and outlives the server

class Pool final : public agent::PackagePool {
 public:
  Pool(io::Files& files, PoolContent& content, std::function<bool()> answers)
      : files_(files), content_(content), answers_(std::move(answers)) {}
  Result<std::vector<wire::PoolEntry>> ask(const std::vector<std::string>& sha256s) override;
  Status fetch(const fleet::PackageChange& change, const std::string& path) override;
  Status give(const fleet::PackageChange& change, const std::string& path) override;
  Result<bool> is_file_of(const fleet::PackageChange& change, const std::string& path) override;

 private:
  Status reached() const;
  io::Files& files_;
  PoolContent& content_;
  std::function<bool()> answers_;
};

}  // namespace belay::sim
