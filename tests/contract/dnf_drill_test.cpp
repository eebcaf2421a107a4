// dnf's and rpm's faults, each played on a real system: what dnf prints, or leaves out, has a name here.
// prepare_root.py makes the system.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/packages/dnf/dnf_package_manager.hpp"
#include "io/system_clock.hpp"
#include "tests/contract/package_manager_contract.hpp"
#include "tests/contract/real_root.hpp"

namespace belay::agent::contract {
namespace {

using fleet::Reason;
namespace fs = std::filesystem;
const OutputLine kQuiet;
const std::string kRepository = "/srv/repository";
const std::string kSource = "/etc/yum.repos.d/belay.repo";

class DnfDrill : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why_not;
    root_ = RealRoot::make("rpm", why_not);
    if (!root_) GTEST_SKIP() << why_not;
    manager_ = std::make_unique<DnfPackageManager>(Host{io::real_files(), root_->processes(), io::system_clock()},
                                                   root_->path());
  }
  std::string path(const std::string& inside) const { return root_->path() + inside; }
  std::string read(const std::string& inside) const {
    std::ifstream in(path(inside));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& inside, const std::string& text) const {
    std::ofstream(path(inside), std::ios::trunc) << text;
  }
  // Where the repository is and how it is trusted.
  void source(const std::string& url, const std::string& more = "gpgcheck=0\n") const {
    write(kSource, "[belay]\nname=belay\nbaseurl=" + url + "\n" + more);
  }
  std::vector<fleet::Problem> refresh(Duration timeout = Duration(120'000)) {
    const auto report = manager_->refresh(timeout, kQuiet);
    EXPECT_TRUE(report.ok()) << report.error().chain();
    return report.ok() ? report->problems : std::vector<fleet::Problem>();
  }
  void expect_untrusted(const std::vector<fleet::Problem>& problems, Reason reason) {
    EXPECT_TRUE(has_reason(problems, reason)) << text_of(problems);
    for (const auto& problem : problems) EXPECT_TRUE(problem.blocks_judgement) << text_of(problems);
  }
  // A key of the drill's own: its home, and the file that a source names as its key.
  std::string make_key(const std::string& name, std::vector<std::string> when = {},
                       const std::string& expires = "never") {
    const std::string home = path("/root/" + name);
    fs::create_directory(home);
    fs::permissions(home, fs::perms::owner_all);
    auto argv = gpg(home, when);
    argv.insert(argv.end(), {"--passphrase", "", "--quick-gen-key", name + " <" + name + "@belay.invalid>", "rsa2048",
                             "sign", expires});
    RealRoot::outside(argv);
    argv = gpg(home, {});
    argv.insert(argv.end(), {"--armor", "-o", path("/root/" + name + ".asc"), "--export"});
    RealRoot::outside(argv);
    return home;
  }
  static std::vector<std::string> gpg(const std::string& home, const std::vector<std::string>& when) {
    std::vector<std::string> argv{"gpg", "--homedir", home, "--batch", "--quiet", "--yes"};
    argv.insert(argv.end(), when.begin(), when.end());
    return argv;
  }
  void sign(const std::string& home, const std::vector<std::string>& when = {}) {
    const auto metadata = path(kRepository + "/repodata/repomd.xml");
    auto argv = gpg(home, when);
    argv.insert(argv.end(), {"--armor", "-o", metadata + ".asc", "--detach-sign", metadata});
    RealRoot::outside(argv);
  }
  void source_signed_by(const std::string& name) const {
    source("file://" + kRepository, "gpgcheck=0\nrepo_gpgcheck=1\ngpgkey=file:///root/" + name + ".asc\n");
  }
  void accept_key() { root_->inside({"dnf", "-q", "-y", "--refresh", "makecache"}); }
  InstallOrder order(const std::string& name) const {
    InstallOrder order;
    order.changes.push_back({name, "noarch", "0:1.0-1.el9", "0:1.1-1.el9", "", 0});
    order.lock_timeout = Duration(1'000);
    return order;
  }
  std::string version_of(const std::string& name) { return root_->inside({"rpm", "-q", "--qf", "%{version}", name}); }

  std::unique_ptr<RealRoot> root_;
  std::unique_ptr<DnfPackageManager> manager_;
};

TEST_F(DnfDrill, RepositoryGone) {
  fs::remove_all(path(kRepository + "/repodata"));
  expect_untrusted(refresh(), Reason::repository_unreachable);
}

TEST_F(DnfDrill, NobodyListens) {
  source("http://127.0.0.1:9/repository");
  const auto problems = refresh();
  expect_untrusted(problems, Reason::repository_unreachable);
  EXPECT_TRUE(has_reason(problems, Reason::repository_unreachable, "belay")) << text_of(problems);
}

TEST_F(DnfDrill, AKeyIsAcceptedByAPersonAndThenTrusted) {
  sign(make_key("good"));
  source_signed_by("good");
  expect_untrusted(refresh(), Reason::key_missing);
  accept_key();
  EXPECT_EQ(text_of(refresh()), "");
}

TEST_F(DnfDrill, SignedByAStranger) {
  const auto stranger = make_key("stranger");
  sign(make_key("good"));
  source_signed_by("good");
  accept_key();
  sign(stranger);
  expect_untrusted(refresh(), Reason::signature_bad);
}

TEST_F(DnfDrill, KeyExpired) {
  sign(make_key("old", {"--faked-system-time", "20200101T000000"}, "1d"), {"--faked-system-time", "20200101T010000"});
  source_signed_by("old");
  root_->inside({"sh", "-c", "dnf -q -y --refresh makecache || true"});
  expect_untrusted(refresh(), Reason::key_expired);
}

TEST_F(DnfDrill, KeyFileMissing) {
  sign(make_key("good"));
  source_signed_by("absent");
  const auto problems = refresh();
  EXPECT_TRUE(has_reason(problems, Reason::key_missing, "belay")) << text_of(problems);
}

TEST_F(DnfDrill, NotSignedAtAll) {
  make_key("good");
  source_signed_by("good");
  const auto problems = refresh();
  ASSERT_FALSE(problems.empty());
  for (const auto& problem : problems) EXPECT_TRUE(problem.blocks_judgement);
}

TEST_F(DnfDrill, MetadataTampered) {
  const auto home = make_key("good");
  sign(home);
  source_signed_by("good");
  accept_key();
  const auto metadata = kRepository + "/repodata/repomd.xml";
  write(metadata, read(metadata) + "<!-- tampered -->\n");
  expect_untrusted(refresh(), Reason::signature_bad);
}

TEST_F(DnfDrill, PackageListTampered) {
  for (const auto& entry : fs::directory_iterator(path(kRepository + "/repodata")))
    if (entry.path().filename().string().find("primary") != std::string::npos) {
      std::ofstream(entry.path(), std::ios::app) << "tampered";
      root_->inside({"rm", "-rf", "/var/cache/dnf"});
    }
  const auto problems = refresh();
  ASSERT_FALSE(problems.empty());
  for (const auto& problem : problems) EXPECT_TRUE(problem.blocks_judgement);
}

TEST_F(DnfDrill, NoMetadataAtAll) {
  root_->inside({"rm", "-rf", "/var/cache/dnf"});
  const auto scan = manager_->scan();
  ASSERT_TRUE(scan.ok()) << scan.error().chain();
  EXPECT_TRUE(has_reason(scan->problems, Reason::metadata_missing)) << text_of(scan->problems);
  EXPECT_TRUE(scan->problems.front().blocks_judgement);
}

TEST_F(DnfDrill, VersionNotOfferedAnyMore) {
  auto wanted = order("belay-conf");
  wanted.changes[0].to_version = "0:1.7-1.el9";
  const auto plan = manager_->simulate(wanted);
  ASSERT_TRUE(plan.ok()) << plan.error().chain();
  EXPECT_TRUE(has_reason(plan->problems, Reason::version_not_offered)) << text_of(plan->problems);
  const auto report = manager_->install(wanted, kQuiet);
  ASSERT_TRUE(report.ok()) << report.error().chain();
  EXPECT_TRUE(has_reason(report->problems, Reason::version_not_offered)) << text_of(report->problems);
  EXPECT_EQ(version_of("belay-conf"), "1.0");
}

TEST_F(DnfDrill, LockHeldNamesItsHolder) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execlp("sleep", "sleep", "120", nullptr);
    ::_exit(1);
  }
  write("/var/lib/dnf/rpmdb_lock.pid", std::to_string(child));
  const auto other = manager_->in_use();
  const auto report = manager_->install(order("belay-conf"), kQuiet);
  ::kill(child, SIGKILL);
  ASSERT_TRUE(other.ok() && other->has_value());
  EXPECT_EQ((*other)->reason, Reason::lock_held);
  EXPECT_NE((*other)->subject.find(std::to_string(child)), std::string::npos) << (*other)->subject;
  ASSERT_TRUE(report.ok()) << report.error().chain();
  ASSERT_TRUE(has_reason(report->problems, Reason::lock_held)) << text_of(report->problems) << report->output;
  EXPECT_EQ(version_of("belay-conf"), "1.0");
}

TEST_F(DnfDrill, TheLockOfOneThatDiedIsNone) {
  write("/var/lib/dnf/rpmdb_lock.pid", "999999999");
  const auto other = manager_->in_use();
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE(other->has_value());
}

TEST_F(DnfDrill, DiskFull) {
  ASSERT_EQ(::mount("small", path("/opt").c_str(), "tmpfs", 0, "size=1m"), 0);
  const auto report = manager_->install(order("belay-big"), kQuiet);
  ::umount2(path("/opt").c_str(), MNT_DETACH);
  ASSERT_TRUE(report.ok()) << report.error().chain();
  EXPECT_TRUE(has_reason(report->problems, Reason::disk_full)) << text_of(report->problems) << report->output;
  EXPECT_EQ(version_of("belay-big"), "1.0");
}

TEST_F(DnfDrill, PackageFileTampered) {
  const std::string file = kRepository + "/belay-conf-1.1-1.el9.noarch.rpm";
  auto bytes = read(file);
  ASSERT_FALSE(bytes.empty());
  bytes[bytes.size() / 2] = static_cast<char>(~bytes[bytes.size() / 2]);
  write(file, bytes);
  const auto report = manager_->install(order("belay-conf"), kQuiet);
  ASSERT_TRUE(report.ok()) << report.error().chain();
  EXPECT_TRUE(has_reason(report->problems, Reason::signature_bad)) << text_of(report->problems) << report->output;
  EXPECT_EQ(version_of("belay-conf"), "1.0");
}

TEST_F(DnfDrill, PackageFileMissing) {
  fs::remove(path(kRepository + "/belay-conf-1.1-1.el9.noarch.rpm"));
  const auto report = manager_->install(order("belay-conf"), kQuiet);
  ASSERT_TRUE(report.ok()) << report.error().chain();
  EXPECT_TRUE(has_reason(report->problems, Reason::repository_unreachable))
      << text_of(report->problems) << report->output;
  EXPECT_EQ(version_of("belay-conf"), "1.0");
}

}  // namespace
}  // namespace belay::agent::contract
