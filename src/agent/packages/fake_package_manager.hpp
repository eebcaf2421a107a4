#pragma once
// A package manager that behaves: state in one JSON file through io::Files, so that it survives a crash as dpkg's
// database does, and faults that can be asked for in that file. For tests, the simulator and rehearsals.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/packages/package_manager.hpp"

namespace belay::agent {

// What may go wrong, each as often as its `times` says (-1: always).
enum class FakeFault {
  lock_held,            // install: another process has the lock until lock_timeout
  refresh_unreachable,  // refresh: the mirror does not answer
  release_expired,      // refresh and scan: Valid-Until has passed
  key_expired,          // refresh
  simulate_removes,     // simulate: the resolver would remove `package`
  download_fails,       // download: the mirror lost a file
  hold_fails,           // hold_old_versions: `package` cannot be held
  disk_full,            // install: before anything is changed
  script_fails,         // install: the maintainer script of `package` fails; it is left unconfigured
  stops_half_way,       // install: an error returns after `package` was unpacked, as if killed there
  broken_for_good,      // as stops_half_way, and repair() cannot mend it
  in_use,               // in_use: another package manager is at work, and is what leaves packages broken until it ends
  lies,                 // install: reports no problem but leaves `package` at its old version
};
BOOST_DESCRIBE_ENUM(FakeFault, lock_held, refresh_unreachable, release_expired, key_expired, simulate_removes,
                    download_fails, hold_fails, disk_full, script_fails, stops_half_way, broken_for_good, in_use, lies)

struct FakeFaultRow {
  FakeFault fault = FakeFault::lock_held;
  std::string package;  // where it needs one; "" for the first of the order
  int times = 1;
};
BOOST_DESCRIBE_STRUCT(FakeFaultRow, (), (fault, package, times))

struct FakeState {
  fleet::PackageSet installed;
  fleet::OfferSet offers;
  std::vector<std::string> held;
  std::vector<std::string> automatic;
  std::map<std::string, std::string> broken;              // name -> "unconfigured", "half-installed" or "for-good"
  std::map<std::string, std::vector<std::string>> needs;  // name -> names that come in with it when it is upgraded
  std::map<std::string, std::string> failing_scripts;     // name -> the version whose script always fails
  std::vector<std::string> downloaded;                    // "name=version"
  std::vector<FakeFaultRow> faults;
  std::vector<std::string> restart_needed;                  // reported after an install
  std::uint64_t installs = 0;                               // finished ones
  std::map<std::string, std::vector<std::string>> files{};  // name -> where its files lie
};
BOOST_DESCRIBE_STRUCT(FakeState, (),
                      (installed, offers, held, automatic, broken, needs, failing_scripts, downloaded, faults,
                       restart_needed, installs, files))

class FakePackageManager final : public PackageManager {
 public:
  // An absent file is an empty system.
  FakePackageManager(const Host& host, std::string state_path);

  std::string_view name() const override { return "fake"; }
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

  // What a package file of the fake archive holds. An offer with its checksum is one that download() leaves a file of.
  static std::string file_content(std::string_view name, std::string_view version);
  // For tests: what is on the disk now.
  Result<FakeState> load() const;
  Status save(const FakeState& state);

 private:
  std::string downloaded_file(const fleet::PackageChange& change) const;
  // The fault's row, taken (its count goes down in `state`); nullptr where it is not due.
  const FakeFaultRow* take(FakeState& state, FakeFault fault);
  Host host_;
  std::string state_path_;
  FakeFaultRow taken_;
};

}  // namespace belay::agent
