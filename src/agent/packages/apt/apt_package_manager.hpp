#pragma once
// apt and dpkg: scanning reads their files, everything that changes something is left to their own tools.
#include <set>

#include "agent/packages/apt/layout.hpp"
#include "agent/packages/apt/scan.hpp"
#include "agent/packages/package_manager.hpp"
#include "agent/packages/tool.hpp"

namespace belay::agent {

class AptPackageManager final : public PackageManager {
 public:
  AptPackageManager(const Host& host, apt::Layout layout);

  std::string_view name() const override { return "apt"; }
  Result<ScanResult> scan() override;
  Status describe_updates(ScanResult& scan, Duration timeout) override;
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
  struct Run {
    std::vector<std::string> argv;
    Duration timeout{};
    std::string working_directory = "/";
  };
  using Ended = ToolEnded;
  // Runs a tool with the environment that keeps it quiet; lines go to `output` as they come.
  Result<Ended> run(const Run& run, const OutputLine& output);
  std::vector<std::string> apt_get(std::initializer_list<std::string_view> words) const;
  Status write_lists_configuration();  // with lists of our own: the file that tells apt
  // "perl=5.36-8", "perl-" or the path of a held file, for the command line.
  Result<std::vector<std::string>> targets(const InstallOrder& order, const apt::Database& database);
  std::string held_file(const InstallOrder& order, const fleet::PackageChange& change) const;
  Result<TransactionPlan> simulate_on(const InstallOrder& order, const apt::Database& database);
  void compare_with_order(const InstallOrder& order, const apt::Database& database, TransactionPlan& plan) const;
  void fill_sizes(const InstallOrder& order, const apt::Database& database, TransactionPlan& plan);
  std::string downloaded_file(const fleet::PackageChange& change) const;
  Status check_downloaded(const fleet::PackageChange& change) const;
  Result<Ended> run_install(const InstallOrder& order, const apt::Database& before, const OutputLine& output);
  Status keep_marks(const apt::Database& before);
  void report_after(const InstallOrder& order, const apt::Database& before, const Ended& ended, InstallReport& report);
  std::vector<ConffileDifference> new_conffiles(const apt::Database& after,
                                                const std::vector<fleet::PackageChange>& changed, Instant since) const;
  std::vector<std::string> restart_needed();
  // True where the file is there and is that package and version.
  bool is_package_file(const std::string& path, const fleet::PackageChange& change);
  std::optional<fleet::Problem> repack(const fleet::PackageChange& change, const std::string& directory);

  Host host_;
  apt::Layout layout_;
  bool configuration_written_ = false;
};

}  // namespace belay::agent
