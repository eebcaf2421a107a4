// Each kind of vault for real: stored, read back, refused with wrong credentials, away when its server is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "agent/backup/real_fixture_test.hpp"
#include "base/text.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::backups {
namespace {

namespace fs = std::filesystem;
using backup::VaultKind;
using testing::HasSubstr;

class Vaults : public RealFixture {
 protected:
  void SetUp() override {
    if (!has("restic")) GTEST_SKIP() << "restic is not installed";
    write(at("source/file"), noise(300'000, 1));
  }
  Result<Stored> store(const Secrets& secrets) {
    BELAY_TRY_ASSIGN(const auto access, VaultAccess::open(host_, job_, job_.vault, secrets));
    Repository repository(host_, job_, access, "key");
    BELAY_TRY(repository.open(true));
    StoreWhat what;
    what.paths = {at("source")};
    BELAY_TRY_ASSIGN(auto stored, repository.store(what));
    fs::remove_all(at("out"));
    fs::create_directories(at("out"));
    const auto came = repository.restore(stored.snapshot_id, at("out"));
    if (!came.ok()) return came.error();
    EXPECT_EQ(came->first, 300'000u);
    BELAY_TRY(repository.check(true));
    EXPECT_EQ(shell("diff -r " + at("source") + " " + at("out") + at("source") + " && echo same"), "same\n");
    return stored;
  }
  std::string reason(const Secrets& secrets) {
    const auto stored = store(secrets);
    return stored.ok() ? "ok" : stored.error().reason().empty() ? stored.error().chain() : stored.error().reason();
  }
  bool is_root() const { return ::geteuid() == 0; }
};

TEST_F(Vaults, AMountMustBeOne) {
  job_.vault.kind = VaultKind::mount;
  const auto empty = store({});
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().reason(), "vault-away");
  EXPECT_THAT(empty.error().message(), HasSubstr("nothing is mounted there"));
  if (::mount("tmpfs", at("vault").c_str(), "tmpfs", 0, "size=50m") != 0)
    GTEST_SKIP() << "no tmpfs can be mounted here";
  const auto stored = store({});
  EXPECT_TRUE(stored.ok()) << stored.error().chain();
  EXPECT_EQ(::umount(at("vault").c_str()), 0);
  EXPECT_EQ(reason({}), "vault-away");
  EXPECT_TRUE(fs::is_empty(at("vault")));  // nothing was written to our own disk
}

TEST_F(Vaults, AMountThatHangsHangsNobody) {
  fakes::ScriptedProcesses processes;
  processes.on("stat *", fakes::times_out());
  const BackupHost host{.files = host_.files,
                        .processes = processes,
                        .clock = host_.clock,
                        .work_directory = host_.work_directory,
                        .state_directory = host_.state_directory};
  job_.vault.kind = VaultKind::mount;
  const auto hangs = VaultAccess::open(host, job_, job_.vault, {});
  ASSERT_FALSE(hangs.ok());
  EXPECT_EQ(hangs.error().reason(), "vault-away");
  EXPECT_THAT(hangs.error().message(), HasSubstr("hangs"));
  EXPECT_LE(processes.calls().at(0).timeout, Duration(10'000));
}

class Sftp : public Vaults {
 protected:
  void SetUp() override {
    Vaults::SetUp();
    if (!fs::exists("/usr/sbin/sshd") || !is_root())
      GTEST_SKIP() << "an sshd on loopback needs openssh-server and root";
    fs::create_directories("/run/sshd");
    shell("ssh-keygen -q -t ed25519 -N '' -f " + at("host_key") + "; ssh-keygen -q -t ed25519 -N '' -f " +
          at("user_key") + "; ssh-keygen -q -t ed25519 -N '' -f " + at("other_key"));
    port_ = free_port();
    write(at("sshd_config"),
          "ListenAddress 127.0.0.1\nPort " + std::to_string(port_) + "\nHostKey " + at("host_key") +
              "\nPidFile none\nAuthorizedKeysFile " + at("user_key.pub") +
              "\nStrictModes no\nPermitRootLogin prohibit-password\nUsePAM no\nPasswordAuthentication no\n"
              "Subsystem sftp internal-sftp\n");
    server_ = std::make_unique<Server>(std::vector<std::string>{"/usr/sbin/sshd", "-D", "-e", "-f", at("sshd_config")});
    if (!eventually([&] { return answers(port_) || !server_->is_running(); }) || !answers(port_))
      GTEST_SKIP() << "sshd does not start here";
    job_.vault.kind = VaultKind::sftp;
    job_.vault.sftp = place("host_key.pub", at("vault"));
    secrets_ = {{"sshKey", text("user_key")}};
  }
  std::string text(const std::string& file) { return *io::real_files().read(at(file), 1 << 20); }
  backup::SftpPlace place(const std::string& host_key, const std::string& path) {
    backup::SftpPlace place;
    place.host = "127.0.0.1";
    place.user = "root";
    place.port = static_cast<std::uint32_t>(port_);
    place.path = path;
    place.host_keys = {std::string(trim(text(host_key)))};
    return place;
  }
  int port_ = 0;
  std::unique_ptr<Server> server_;
  Secrets secrets_;
};

TEST_F(Sftp, StoresAndReadsBackAndIsRefusedByName) {
  const auto stored = store(secrets_);
  ASSERT_TRUE(stored.ok()) << stored.error().chain();
  EXPECT_TRUE(fs::exists(at("vault/bp-1/mi-1/config")));
  job_.vault.sftp = place("other_key.pub", at("vault"));
  EXPECT_EQ(reason(secrets_), "vault-refused");  // not the host that was pinned
  job_.vault.sftp = place("host_key.pub", at("vault"));
  EXPECT_EQ(reason({{"sshKey", text("other_key")}}), "vault-refused");
  EXPECT_EQ(reason(secrets_), "ok");
  server_.reset();
  EXPECT_EQ(reason(secrets_), "vault-away");
}

TEST_F(Sftp, CopiesFromOneToAnother) {
  ASSERT_TRUE(store(secrets_).ok());
  auto far = job_.vault;
  far.name = "far";
  far.sftp = place("host_key.pub", at("far"));
  Secrets secrets = secrets_;
  secrets["copy.sshKey"] = secrets_["sshKey"];
  const auto one = VaultAccess::open(host_, job_, job_.vault, secrets);
  const auto other = VaultAccess::open(host_, job_, far, secrets, "copy.");
  ASSERT_TRUE(one.ok() && other.ok());
  Repository from(host_, job_, *one, "key"), to(host_, job_, *other, "far key");
  ASSERT_TRUE(from.open(false).ok());
  ASSERT_TRUE(to.open(true, &from).ok());
  const auto id = from.snapshots()->front().snapshot_id;
  const auto copied = to.copy_from(from, {id});
  ASSERT_TRUE(copied.ok()) << copied.error().chain();
  EXPECT_EQ(*to.copy_from(from, {id}), *copied);
  EXPECT_TRUE(to.check(true).ok());
  EXPECT_TRUE(fs::is_empty(at("state/scratch")));
}

TEST_F(Vaults, RestWithUserAndPassword) {
  if (!has("rclone")) GTEST_SKIP() << "rclone is not installed";
  const int port = free_port();
  auto server = std::make_unique<Server>(std::vector<std::string>{"rclone", "serve", "restic", "--addr",
                                                                  "127.0.0.1:" + std::to_string(port), "--user",
                                                                  "us er", "--pass", "pa/ss%w", at("vault")});
  ASSERT_TRUE(eventually([&] { return answers(port); }));
  job_.vault.kind = VaultKind::rest;
  job_.vault.rest.emplace().url = "http://127.0.0.1:" + std::to_string(port);
  const Secrets secrets{{"user", "us er"}, {"password", "pa/ss%w"}};
  const auto stored = store(secrets);
  ASSERT_TRUE(stored.ok()) << stored.error().chain();
  EXPECT_TRUE(fs::exists(at("vault/bp-1/mi-1/config")));
  EXPECT_EQ(reason({{"user", "us er"}, {"password", "wrong"}}), "vault-refused");
  EXPECT_EQ(reason(secrets), "ok");
  server.reset();
  EXPECT_EQ(reason(secrets), "vault-away");
}

TEST_F(Vaults, S3WithItsKeys) {
  if (shell("python3 -c 'import moto.server, boto3' && echo yes") != "yes\n")
    GTEST_SKIP() << "moto's server is not installed";
  const int port = free_port();
  const auto port_text = std::to_string(port);
  auto server = std::make_unique<Server>(std::vector<std::string>{
      "python3", "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", port_text});
  ASSERT_TRUE(eventually([&] { return answers(port) || !server->is_running(); }));
  const auto endpoint = "http://127.0.0.1:" + port_text;
  const auto s3 = "import boto3; s3 = boto3.client('s3', endpoint_url='" + endpoint +
                  "', region_name='us-east-1', aws_access_key_id='a', aws_secret_access_key='b'); ";
  ASSERT_EQ(shell("python3 -c \"" + s3 + "s3.create_bucket(Bucket='belay-vault')\" && echo made"), "made\n");
  job_.vault.kind = VaultKind::s3;
  auto& place = job_.vault.s3.emplace();
  place.endpoint = endpoint;
  place.bucket = "belay-vault";
  place.prefix = "some/prefix";
  place.region = "us-east-1";
  place.storage_class = "STANDARD_IA";
  place.path_style = true;
  const Secrets secrets{{"accessKey", "AKIAEXAMPLE"}, {"secretKey", "se/cret"}};
  const auto stored = store(secrets);
  ASSERT_TRUE(stored.ok()) << stored.error().chain();
  const auto classes = shell("python3 -c \"" + s3 +
                             "print(sorted((o['Key'].split('/')[4], o['StorageClass']) for o in "
                             "s3.list_objects_v2(Bucket='belay-vault')['Contents']))\"");
  EXPECT_THAT(classes, HasSubstr("('data', 'STANDARD_IA')")) << classes;
  if (has("aws")) {
    const auto access = VaultAccess::open(host_, job_, job_.vault, secrets);
    ASSERT_TRUE(access.ok());
    EXPECT_THAT(access->protections(),
                testing::ElementsAre(HasSubstr("keeps no versions"), HasSubstr("locks no objects")));
    shell("python3 -c \"" + s3 +
          "s3.put_bucket_versioning(Bucket='belay-vault', VersioningConfiguration={'Status': 'Enabled'})\"");
    EXPECT_EQ(access->protections()[0], "the bucket keeps versions");
  }
  server.reset();
  EXPECT_EQ(reason(secrets), "vault-away");
}

// A file system in a file, as a drive with a label.
class Drive : public Vaults {
 protected:
  void SetUp() override {
    Vaults::SetUp();
    if (!is_root() || !has("losetup") || !has("mkfs.ext4")) GTEST_SKIP() << "a loop device needs root";
    label_ = "BELAY" + std::to_string(::getpid() % 100'000);
    job_.vault.kind = VaultKind::removable;
    auto& place = job_.vault.removable.emplace();
    place.labels = {label_ + "-A", label_};
    place.path = "backups";
  }
  void TearDown() override { unplug(); }
  bool plug(const std::string& image, const std::string& label) {
    if (!fs::exists(at(image)))
      shell("truncate -s 40M " + at(image) + " && mkfs.ext4 -q -L " + label + " " + at(image));
    loop_ = trim(shell("losetup --find --show " + at(image)));
    return loop_.starts_with("/dev/loop");
  }
  void unplug() {
    if (!loop_.empty()) shell("losetup -d " + loop_);
    loop_.clear();
  }
  std::string label_, loop_;
};

TEST_F(Drive, IsFoundByItsLabelAndAskedForByIt) {
  const Secrets secrets{{"repository.key", "key"}};
  const auto wanted = store(secrets);
  ASSERT_FALSE(wanted.ok());
  EXPECT_EQ(wanted.error().reason(), "drive-wanted");
  EXPECT_THAT(wanted.error().message(), HasSubstr(label_ + "-A or " + label_));
  if (!plug("image", label_)) GTEST_SKIP() << "no loop device here: " << loop_;
  job_.task = backup::Task::restore;
  EXPECT_EQ(reason(secrets), "vault-refused");  // never seen, and nothing is written to it for a restore
  job_.task = backup::Task::backup;
  const auto stored = store(secrets);
  ASSERT_TRUE(stored.ok()) << stored.error().chain();
  EXPECT_FALSE(fs::exists(host_.work_directory + "/drive-own"));  // unmounted again
  job_.task = backup::Task::restore;
  EXPECT_EQ(reason(secrets), "ok");
  EXPECT_EQ(reason({{"repository.key", "of another vault"}}), "vault-refused");
  job_.vault.name = "another";
  EXPECT_EQ(reason(secrets), "vault-refused");
  unplug();
  EXPECT_EQ(reason(secrets), "drive-wanted");
}

// Two drives in turns: what is asked of the one that is away names it, and what lies on it is not touched.
TEST_F(Drive, InRotationEachPointKnowsItsOwn) {
  const auto a = label_ + "-A";
  job_.vault.removable->labels = {a, label_};
  const auto run = [&](backup::Task task, std::vector<backup::MadePoint> points = {}) {
    auto job = job_;
    job.task = task;
    job.source.engine = backup::EngineName::restic;
    job.source.paths = {at("source")};
    job.points = std::move(points);
    job.level = backup::ProofLevel::P3;
    return do_job(host_, job, {{"repository.key", "key"}});
  };
  const auto reason_of = [](const backup::JobReport& report) {
    return report.problems.empty() ? report.why : report.problems.front().subject;
  };
  if (!plug("a", a)) GTEST_SKIP() << "no loop device here: " << loop_;
  const auto on_a = run(backup::Task::backup);
  ASSERT_EQ(on_a.outcome, backup::JobOutcome::ok) << on_a.why;
  const auto first = on_a.points.at(0);
  EXPECT_EQ(first.drive, a);
  unplug();
  ASSERT_TRUE(plug("b", label_));
  job_.known_in = {a};
  const auto on_b = run(backup::Task::backup);  // new, and made: nothing is known of this one
  ASSERT_EQ(on_b.outcome, backup::JobOutcome::ok) << on_b.why;
  const auto second = on_b.points.at(0);
  EXPECT_EQ(second.drive, label_);
  job_.known_in = {a, label_};
  for (const auto task : {backup::Task::prove, backup::Task::restore, backup::Task::forget}) {
    const auto report = run(task, {first});
    EXPECT_EQ(reason_of(report), "drive-wanted") << report.why;
    EXPECT_THAT(report.why, HasSubstr(a));
    EXPECT_THAT(report.why, testing::Not(HasSubstr(a + " or")));
    EXPECT_FALSE(backup::speaks_against(report.evidence));
    EXPECT_TRUE(report.forgotten.empty());
  }
  const auto listed = run(backup::Task::list);
  EXPECT_EQ(listed.drive, label_);
  ASSERT_EQ(listed.points.size(), 1u) << listed.why;
  EXPECT_EQ(listed.points[0].reference, second.reference);
  EXPECT_EQ(run(backup::Task::prove, {second}).outcome, backup::JobOutcome::ok);
  const auto forgotten = run(backup::Task::forget, {first, second});
  EXPECT_THAT(forgotten.forgotten, testing::ElementsAre(second.reference)) << forgotten.why;
  unplug();
  ASSERT_TRUE(plug("a", a));
  EXPECT_EQ(run(backup::Task::prove, {first}).outcome, backup::JobOutcome::ok);
  unplug();
  // The drive of this label was emptied: it is not made to look like new.
  fs::remove(at("a"));
  ASSERT_TRUE(plug("a", a));
  EXPECT_EQ(reason_of(run(backup::Task::backup)), "repository-gone");
}

TEST_F(Vaults, ATapeIsAnLtfsMountAndADriveIsSaidToBeNone) {
  job_.vault.kind = VaultKind::tape;
  job_.vault.tape.emplace().device = "/dev/nst0";
  const auto drive = store({});
  ASSERT_FALSE(drive.ok());
  EXPECT_EQ(drive.error().code(), Code::unsupported);
  EXPECT_THAT(drive.error().message(), HasSubstr("/dev/nst0"));
  job_.vault.tape->ltfs = at("vault");
  EXPECT_EQ(reason({{"repository.key", "key"}}), "vault-away");
  if (::mount("tmpfs", at("vault").c_str(), "tmpfs", 0, "size=50m") != 0)
    GTEST_SKIP() << "no tmpfs can be mounted here";
  EXPECT_EQ(reason({{"repository.key", "key"}}), "ok");
  EXPECT_TRUE(fs::exists(at("vault/.belay-vault")));
  EXPECT_EQ(::umount(at("vault").c_str()), 0);
}

TEST_F(Vaults, LimitsReachRestic) {
  job_.vault.bytes_a_second_max = 10 << 20;
  job_.limits.bytes_a_second_max = 5 << 20;
  job_.limits.idle_io = true;
  const auto access = VaultAccess::open(host_, job_, job_.vault, {});
  ASSERT_TRUE(access.ok());
  EXPECT_THAT(access->restic_options(), testing::ElementsAre("--limit-upload", "5120", "--limit-download", "5120"));
  EXPECT_EQ(reason({}), "ok");
}

}  // namespace
}  // namespace belay::agent::backups
