// The drill list of apt's and dpkg's faults, each played on a real system: what apt calls a warning, or success, has a
// name here. prepare_root.py makes the system.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "agent/packages/apt/apt_package_manager.hpp"
#include "agent/packages/problems.hpp"
#include "io/system_clock.hpp"
#include "tests/contract/package_manager_contract.hpp"
#include "tests/contract/real_root.hpp"
#include "tests/fakes/manual_clock.hpp"

namespace belay::agent::contract {
namespace {

using fleet::Reason;
namespace fs = std::filesystem;
const OutputLine kQuiet;

class AptDrill : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why_not;
    root_ = RealRoot::make("apt", why_not);
    if (!root_) GTEST_SKIP() << why_not;
    apt::Layout layout;
    layout.root = root_->path();
    manager_ =
        std::make_unique<AptPackageManager>(Host{io::real_files(), root_->processes(), io::system_clock()}, layout);
  }
  std::string path(const std::string& inside) const { return root_->path() + inside; }
  std::string read(const std::string& inside) const {
    std::ifstream in(path(inside));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& inside, const std::string& text) const {
    std::ofstream(path(inside), std::ios::trunc) << text;
  }
  // Fetches over HTTP in the root would need a server; file: takes the same way through apt's signature checks.
  std::vector<fleet::Problem> refresh(Duration timeout = Duration(60'000)) {
    const auto report = manager_->refresh(timeout, kQuiet);
    EXPECT_TRUE(report.ok()) << report.error().chain();
    return report.ok() ? report->problems : std::vector<fleet::Problem>();
  }
  std::vector<std::string> gpg(const std::string& home) const {
    return {"gpg", "--homedir", home, "--batch", "--quiet", "--yes"};
  }
  // Signs `suite` anew with what `change` makes of its Release text.
  void resign(const std::string& suite, const std::string& home, const std::string& extra_field,
              std::vector<std::string> more = {}) {
    const std::string folder = path("/srv/repository/dists/" + suite);
    std::string text = read("/srv/repository/dists/" + suite + "/InRelease");
    text = text.substr(text.find("\n\n") + 2);
    text = text.substr(0, text.find("-----BEGIN PGP SIGNATURE"));
    std::ofstream(folder + "/Release") << extra_field << text;
    auto argv = gpg(home);
    argv.insert(argv.end(), more.begin(), more.end());
    argv.insert(argv.end(), {"--clearsign", "-o", folder + "/InRelease", folder + "/Release"});
    RealRoot::outside(argv);
    fs::remove(folder + "/Release");
    fs::remove_all(path("/var/lib/apt/lists"));
    fs::create_directories(path("/var/lib/apt/lists/partial"));
  }
  InstallOrder order(const std::string& name, const std::string& from = "1.0-1",
                     const std::string& to = "1.1-1") const {
    InstallOrder order;
    order.changes.push_back({name, "all", from, to, "", 0});
    order.lock_timeout = Duration(1'000);
    return order;
  }
  std::string state_of(const std::string& name) {
    return root_->inside({"dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", name});
  }
  // As if dpkg had been killed while it worked on the package.
  void set_status(const std::string& name, const std::string& status) const {
    auto text = read("/var/lib/dpkg/status");
    const auto at = text.find("Package: " + name + "\n");
    const auto line = text.find("Status: ", at);
    text.replace(line, text.find('\n', line) - line, "Status: " + status);
    write("/var/lib/dpkg/status", text);
  }

  // Another process that has dpkg's lock, for as long as this lives.
  class Holder {
   public:
    explicit Holder(const AptDrill& drill) {
      drill.write("/root/holder.py",
                  "import fcntl,sys,time\nf=open(sys.argv[1],'w')\nfcntl.lockf(f,fcntl.LOCK_EX)\n"
                  "open(sys.argv[2],'w').close()\ntime.sleep(60)\n");
      const auto script = drill.path("/root/holder.py"), lock = drill.path("/var/lib/dpkg/lock-frontend");
      const auto flag = drill.path("/root/held");
      child_ = ::fork();
      if (child_ == 0) {
        ::execlp("python3", "python3", script.c_str(), lock.c_str(), flag.c_str(), nullptr);
        ::_exit(1);
      }
      for (int i = 0; i < 500 && !fs::exists(flag); ++i) ::usleep(20'000);
    }
    ~Holder() {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    Holder(const Holder&) = delete;
    pid_t pid() const { return child_; }

   private:
    pid_t child_ = -1;
  };

  std::unique_ptr<RealRoot> root_;
  std::unique_ptr<AptPackageManager> manager_;
};

TEST_F(AptDrill, ReleaseExpired) {
  resign("stable", root_->folder() + "/gpg", "Valid-Until: Sun, 01 Nov 2020 10:00:00 UTC\n");
  const auto problems = refresh();
  EXPECT_TRUE(has_reason(problems, Reason::release_expired)) << text_of(problems);
}

TEST_F(AptDrill, ReleaseExpiresAfterItWasFetched) {
  auto text = read("/var/lib/apt/lists/_srv_repository_dists_stable_InRelease");
  ASSERT_FALSE(text.empty());
  fs::remove(path("/var/lib/apt/lists/_srv_repository_dists_stable_InRelease"));
  text.insert(text.find("\n\n") + 2, "Valid-Until: Sun, 01 Nov 2020 10:00:00 UTC\n");
  write("/var/lib/apt/lists/_srv_repository_dists_stable_InRelease", text);
  const auto scan = manager_->scan();
  ASSERT_TRUE(scan.ok());
  ASSERT_TRUE(has_reason(scan->problems, Reason::release_expired)) << text_of(scan->problems);
  EXPECT_TRUE(scan->problems[0].blocks_judgement);
}

TEST_F(AptDrill, ListsThatNobodyFetchesAnyMore) {
  apt::Layout layout;
  layout.root = root_->path();
  fakes::ManualClock clock;
  AptPackageManager later(Host{io::real_files(), root_->processes(), clock}, layout);
  const auto after = [&](Duration since_now) {
    clock.set_wall(io::system_clock().now() + since_now);
    const auto scan = later.scan();
    EXPECT_TRUE(scan.ok()) << scan.error().chain();
    return scan.ok() ? scan->problems : std::vector<fleet::Problem>();
  };
  EXPECT_FALSE(has_reason(after(layout.lists_age_max - std::chrono::hours(1)), Reason::release_stale));
  const auto problems = after(layout.lists_age_max + std::chrono::hours(1));
  ASSERT_TRUE(has_reason(problems, Reason::release_stale)) << text_of(problems);
  EXPECT_TRUE(std::ranges::find(problems, Reason::release_stale, &fleet::Problem::reason)->blocks_judgement);
}

// A Release file of tomorrow: one of the two clocks is wrong, and no date can be relied on.
TEST_F(AptDrill, ReleaseOfTomorrow) {
  auto text = read("/var/lib/apt/lists/_srv_repository_dists_stable_InRelease");
  const auto date = text.find("Date: ");
  ASSERT_NE(date, std::string::npos);
  fs::remove(path("/var/lib/apt/lists/_srv_repository_dists_stable_InRelease"));
  text.replace(date, text.find('\n', date) - date, "Date: Fri, 01 Jan 2100 00:00:00 UTC");
  write("/var/lib/apt/lists/_srv_repository_dists_stable_InRelease", text);
  const auto scan = manager_->scan();
  ASSERT_TRUE(scan.ok());
  EXPECT_TRUE(has_reason(scan->problems, Reason::clock_wrong)) << text_of(scan->problems);
}

TEST_F(AptDrill, SignatureBad) {
  auto text = read("/srv/repository/dists/stable/InRelease");
  text.replace(text.find("Label: Test"), 11, "Label: Evil");
  write("/srv/repository/dists/stable/InRelease", text);
  const auto problems = refresh();
  EXPECT_TRUE(has_reason(problems, Reason::signature_bad)) << text_of(problems);
}

TEST_F(AptDrill, PackageListTampered) {
  auto text = read("/srv/repository/dists/stable/main/binary-amd64/Packages");
  text.replace(text.find("belay-app"), 9, "evil--app");
  write("/srv/repository/dists/stable/main/binary-amd64/Packages", text);
  resign("stable", root_->folder() + "/gpg", "");
  const auto problems = refresh();
  EXPECT_TRUE(has_reason(problems, Reason::signature_bad)) << text_of(problems);
}

TEST_F(AptDrill, KeyMissing) {
  const std::string home = path("/root/other-gpg");
  fs::create_directory(home);
  fs::permissions(home, fs::perms::owner_all);
  auto argv = gpg(home);
  argv.insert(argv.end(),
              {"--passphrase", "", "--quick-gen-key", "other <other@belay.invalid>", "ed25519", "sign", "never"});
  RealRoot::outside(argv);
  resign("stable", home, "");
  const auto problems = refresh();
  EXPECT_TRUE(has_reason(problems, Reason::key_missing)) << text_of(problems);
}

TEST_F(AptDrill, KeyExpired) {
  const std::string home = path("/root/old-gpg");
  fs::create_directory(home);
  fs::permissions(home, fs::perms::owner_all);
  auto argv = gpg(home);
  argv.insert(argv.end(), {"--faked-system-time", "20200101T000000", "--passphrase", "", "--quick-gen-key",
                           "old <old@belay.invalid>", "ed25519", "sign", "1d"});
  RealRoot::outside(argv);
  argv = gpg(home);
  argv.insert(argv.end(), {"-o", path("/etc/apt/belay.gpg"), "--export"});
  RealRoot::outside(argv);
  resign("stable", home, "", {"--faked-system-time", "20200101T010000"});
  const auto problems = refresh();
  EXPECT_TRUE(has_reason(problems, Reason::key_expired)) << text_of(problems);
}

TEST_F(AptDrill, RepositoryGone) {
  fs::remove_all(path("/srv/repository/dists/stable-security"));
  const auto problems = refresh();
  EXPECT_TRUE(has_reason(problems, Reason::repository_unreachable)) << text_of(problems);
}

TEST_F(AptDrill, NobodyListens) {
  write("/etc/apt/sources.list", "deb [signed-by=/etc/apt/belay.gpg] http://127.0.0.1:9/repository stable main\n");
  const auto problems = refresh();
  EXPECT_TRUE(has_reason(problems, Reason::repository_unreachable, "http://127.0.0.1:9/repository stable"))
      << text_of(problems);
}

TEST_F(AptDrill, MirrorHangs) {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(server, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(server, 10), 0);  // takes connections, answers none
  ASSERT_EQ(::getsockname(server, reinterpret_cast<sockaddr*>(&address), &size), 0);
  write("/etc/apt/sources.list", "deb [signed-by=/etc/apt/belay.gpg] http://127.0.0.1:" +
                                     std::to_string(ntohs(address.sin_port)) + "/repository stable main\n");
  const auto problems = refresh(Duration(20'000));
  ::close(server);
  EXPECT_TRUE(has_reason(problems, Reason::repository_unreachable)) << text_of(problems);
}

TEST_F(AptDrill, NoListsAtAll) {
  fs::remove_all(path("/var/lib/apt/lists"));
  const auto scan = manager_->scan();
  ASSERT_TRUE(scan.ok());
  EXPECT_TRUE(has_reason(scan->problems, Reason::metadata_missing)) << text_of(scan->problems);
  EXPECT_TRUE(std::ranges::all_of(scan->problems, &fleet::Problem::blocks_judgement));
}

TEST_F(AptDrill, LockHeldNamesItsHolder) {
  const Holder holder(*this);
  const auto report = manager_->install(order("belay-conf"), kQuiet);
  ASSERT_TRUE(report.ok()) << report.error().chain();
  ASSERT_TRUE(has_reason(report->problems, Reason::lock_held)) << text_of(report->problems) << report->output;
  EXPECT_NE(text_of(report->problems).find(std::to_string(holder.pid())), std::string::npos)
      << text_of(report->problems);
  EXPECT_TRUE(report->changed.empty());
}

TEST_F(AptDrill, InterruptedInConfigureIsMended) {
  set_status("belay-app", "install ok half-configured");
  write("/var/lib/dpkg/updates/0000",
        "Package: belay-conf\nStatus: install ok unpacked\nArchitecture: all\nVersion: 1.0-1\n"
        "Maintainer: Belay lab <lab@belay.invalid>\nDescription: for tests\nConffiles:\n /etc/belay-conf.conf "
        "newconffile\n\n");
  const auto found = manager_->check_health();
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(has_reason(*found, Reason::dpkg_interrupted, "belay-app")) << text_of(*found);
  EXPECT_TRUE(has_reason(*found, Reason::dpkg_interrupted, "belay-conf")) << text_of(*found);
  const auto left = manager_->repair(Duration(120'000), kQuiet);
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(text_of(*left), "");
  EXPECT_EQ(state_of("belay-app"), "ii 1.0-1");
  EXPECT_EQ(state_of("belay-conf"), "ii 1.0-1");
}

// dpkg --configure -a and apt-get -f install both end with 0 here and mend nothing.
TEST_F(AptDrill, HalfInstalledIsMendedByInstallingAgain) {
  set_status("belay-conf", "install reinstreq half-installed");
  EXPECT_TRUE(has_reason(*manager_->check_health(), Reason::package_broken, "belay-conf"));
  root_->inside({"dpkg", "--configure", "-a"});
  EXPECT_TRUE(has_reason(*manager_->check_health(), Reason::package_broken, "belay-conf"))
      << "dpkg --configure -a mended it after all";
  const auto left = manager_->repair(Duration(120'000), kQuiet);
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(text_of(*left), "");
  EXPECT_EQ(state_of("belay-conf"), "ii 1.0-1");
}

TEST_F(AptDrill, WhatCannotBeMendedIsSaid) {
  set_status("belay-conf", "install reinstreq half-installed");
  root_->forget_old_versions();
  const auto left = manager_->repair(Duration(120'000), kQuiet);
  ASSERT_TRUE(left.ok());
  EXPECT_TRUE(has_reason(*left, Reason::package_broken, "belay-conf")) << text_of(*left);
}

TEST_F(AptDrill, DiskFullWhileUnpacking) {
  ASSERT_EQ(::mount("small", path("/opt").c_str(), "tmpfs", 0, "size=1m"), 0);
  const auto report = manager_->install(order("belay-big"), kQuiet);
  const std::string state = state_of("belay-big");
  ::umount2(path("/opt").c_str(), MNT_DETACH);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(has_reason(report->problems, Reason::disk_full)) << text_of(report->problems) << report->output;
  EXPECT_EQ(state, "ii 1.0-1") << "dpkg put the package back";
  EXPECT_TRUE(report->changed.empty());
}

TEST_F(AptDrill, PackageFileTampered) {
  const std::string file = "/srv/repository/pool/stable/belay-conf_1.1-1_all.deb";
  auto bytes = read(file);
  bytes[bytes.size() / 2] = static_cast<char>(~bytes[bytes.size() / 2]);
  write(file, bytes);
  const auto report = manager_->install(order("belay-conf"), kQuiet);
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->problems.empty());
  EXPECT_TRUE(has_reason(report->problems, Reason::signature_bad)) << text_of(report->problems) << report->output;
  EXPECT_EQ(state_of("belay-conf"), "ii 1.0-1");
}

// What a full disk or a crash left of a package put by.
TEST_F(AptDrill, ATruncatedHeldPackageIsMadeAnewAndNeverTrusted) {
  const std::string directory = "/var/lib/belay/held", file = path(directory + "/belay-conf_1.0-1_all.deb");
  const auto wanted = order("belay-conf");
  ASSERT_EQ(text_of(*manager_->hold_old_versions(wanted, directory)), "");
  const auto whole = fs::file_size(file);
  fs::resize_file(file, whole - 100);
  ASSERT_EQ(text_of(*manager_->hold_old_versions(wanted, directory)), "");
  EXPECT_EQ(fs::file_size(file), whole);
  ASSERT_EQ(text_of(manager_->install(wanted, kQuiet)->problems), "");
  fs::resize_file(file, whole - 100);
  auto back = order("belay-conf", "1.1-1", "1.0-1");
  back.allow_downgrade = true;
  back.held_directory = directory;
  const auto report = manager_->install(back, kQuiet);
  ASSERT_TRUE(report.ok()) << report.error().chain();
  EXPECT_FALSE(report->problems.empty());
  EXPECT_EQ(state_of("belay-conf"), "ii 1.1-1");
}

// Half done because somebody is at it, not because it was killed.
TEST_F(AptDrill, WhoeverHasTheLockIsNamedAsAtWork) {
  const auto nobody = manager_->in_use();
  ASSERT_TRUE(nobody.ok());
  EXPECT_FALSE(nobody->has_value());
  const Holder holder(*this);
  const auto other = manager_->in_use();
  ASSERT_TRUE(other.ok() && other->has_value());
  EXPECT_EQ((*other)->reason, Reason::lock_held);
  EXPECT_NE(text_of({**other}).find(std::to_string(holder.pid())), std::string::npos) << text_of({**other});
}

TEST_F(AptDrill, OrderedChecksumDiffers) {
  auto wanted = order("belay-conf");
  wanted.changes[0].sha256 = std::string(64, '0');
  const auto plan = manager_->simulate(wanted);
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(has_reason(plan->problems, Reason::signature_bad, "belay-conf")) << text_of(plan->problems);
}

TEST_F(AptDrill, DatabaseDamaged) {
  write("/var/lib/dpkg/status", "Package: belay\x01\nStatus: nonsense\n\n");
  const auto scan = manager_->scan();
  ASSERT_FALSE(scan.ok());
  EXPECT_EQ(scan.error().reason(), "database-unreadable");
}

TEST_F(AptDrill, SecurityUpdateKeptBackByAPinIsSaid) {
  write("/etc/apt/preferences.d/keep", "Package: belay-app\nPin: release l=Test-Security\nPin-Priority: -1\n");
  const auto scan = manager_->scan();
  ASSERT_TRUE(scan.ok());
  EXPECT_TRUE(has_reason(scan->problems, Reason::package_held, "belay-app")) << text_of(scan->problems);
  for (const auto& offer : scan->offers.offers) EXPECT_FALSE(offer.name == "belay-app" && offer.version == "1.1-1");
}

}  // namespace
}  // namespace belay::agent::contract
