#pragma once
// dnf and rpm, the first slice: scan with notices, exact versions by NEVRA, holding, health. Everything is asked of the
// tools themselves: rpm's database has three formats and no library that a static program could use.
#include "agent/packages/dnf/output.hpp"
#include "agent/packages/package_manager.hpp"
#include "agent/packages/tool.hpp"

namespace belay::agent {

class DnfPackageManager final : public PackageManager {
 public:
  // `root` prefixes what is read directly; commands run where `host.processes` runs them.
  DnfPackageManager(const Host& host, std::string root);

  std::string_view name() const override { return "dnf"; }
  Result<ScanResult> scan() override;
  Result<RefreshReport> refresh(Duration timeout, const OutputLine& output) override;
  Result<TransactionPlan> simulate(const InstallOrder& order) override;
  Status download(const InstallOrder& order, const OutputLine& output) override;
  Result<std::vector<fleet::Problem>> hold_old_versions(const InstallOrder& order,
                                                        const std::string& directory) override;
  std::string held_name(const fleet::PackageChange& change) const override;
  std::string package_file(const InstallOrder& order, const fleet::PackageChange& change) const override;
  Result<InstallReport> install(const InstallOrder& order, const OutputLine& output) override;
  Result<std::optional<fleet::Problem>> in_use() override;
  Result<std::vector<std::string>> installed_files(const std::vector<fleet::PackageChange>& changes) override;
  Result<std::vector<fleet::Problem>> check_health() override;
  Result<std::vector<fleet::Problem>> repair(Duration timeout, const OutputLine& output) override;

 private:
  void name_expired_keys(std::vector<fleet::Problem>& problems);
  using Ended = ToolEnded;
  Result<Ended> run(std::vector<std::string> argv, Duration timeout, const OutputLine& output, std::string input = {});
  // `dnf` with what keeps it to the order: no weak dependencies, nothing removed as unused, no metadata refreshed.
  Result<Ended> dnf(std::vector<std::string> words, Duration timeout, const OutputLine& output, std::string input = {});
  // As dnf(), waiting for the lock until the deadline.
  Result<Ended> dnf_locked(const std::vector<std::string>& words, const InstallOrder& order, const OutputLine& output,
                           const std::string& input);
  Result<fleet::PackageSet> installed();
  std::string held_file(const InstallOrder& order, const fleet::PackageChange& change) const;
  struct Request {
    std::vector<std::string> words;  // of the command line
    std::string input;               // of `dnf shell`, where the order removes something
  };
  Result<Request> request(const InstallOrder& order, const fleet::PackageSet& installed) const;
  Result<TransactionPlan> simulate_on(const InstallOrder& order, const fleet::PackageSet& installed);
  std::vector<std::string> version_locks(const fleet::PackageSet& installed) const;
  std::vector<RepositoryState> repositories() const;

  Host host_;
  std::string root_;
};

}  // namespace belay::agent
