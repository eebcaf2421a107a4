#pragma once
// A root file system to try real package managers in: prepared once a test program, a fresh overlay each test.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/process.hpp"

namespace belay::agent::contract {

// Runs programs inside a root, as chroot does.
class ChrootProcesses final : public io::Processes {
 public:
  explicit ChrootProcesses(std::string root) : root_(std::move(root)) {}
  Result<io::ProcessOutcome> run(const io::ProcessSpec& spec, const io::OutputSink& sink = {}) override;

 private:
  std::string root_;
};

class RealRoot {
 public:
  // "apt" or "rpm"; nullptr and the reason where it cannot be had (no root, no tools, no network for the first time).
  static std::unique_ptr<RealRoot> make(const std::string& kind, std::string& why_not);
  ~RealRoot();
  const std::string& path() const { return merged_; }
  ChrootProcesses& processes() { return processes_; }
  std::string folder() const;  // of the preparation: the key lies in it
  // A command of the test's own inside the root; its output, or an abort of the test.
  std::string inside(const std::vector<std::string>& argv);
  // The same on the machine itself.
  static std::string outside(const std::vector<std::string>& argv);
  void forget_old_versions();

 private:
  RealRoot(std::string kind, std::string overlay);
  std::string kind_, overlay_, merged_;
  ChrootProcesses processes_;
};

}  // namespace belay::agent::contract
