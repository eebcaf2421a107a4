// Stands on this machine's own disk and devices.
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "agent/snapshots/fake_snapshots.hpp"
#include "io/system_clock.hpp"
#include "tests/contract/snapshot_provider_contract.hpp"
#include "tests/fakes/manual_clock.hpp"

namespace belay::agent::contract {
namespace {

namespace fs = std::filesystem;

io::ProcessOutcome outcome_of(const std::vector<std::string>& argv) {
  io::ProcessSpec spec;
  spec.argv = argv;
  spec.environment = io::plain_environment();
  const auto outcome = io::real_processes().run(spec);
  if (outcome.ok()) return *outcome;
  io::ProcessOutcome missing;
  missing.exit_status = 127;
  return missing;
}

// A command of the test's own; its output.
std::string call(const std::vector<std::string>& argv) {
  const auto outcome = outcome_of(argv);
  EXPECT_TRUE(outcome.success()) << argv[0] << ": " << outcome.standard_output << outcome.standard_error;
  auto text = outcome.standard_output;
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_installed(const std::string& program) { return outcome_of({program, "--version"}).exit_status != 127; }

std::string slurp(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class FakeStand final : public Stand {
 public:
  FakeStand() : provider_(clock_) {
    provider_.on_create = [this] { saved_ = files_; };
    provider_.on_restore = [this] { files_ = saved_; };
  }
  SnapshotProvider& provider() override { return provider_; }
  std::vector<std::string> mounts() const override { return {"/"}; }
  void write(const std::string& file, const std::string& text) override { files_[file] = text; }
  std::optional<std::string> read(const std::string& file) override {
    return files_.contains(file) ? std::optional(files_[file]) : std::nullopt;
  }
  void erase(const std::string& file) override { files_.erase(file); }
  void delete_behind(const Snapshot& snapshot) override { EXPECT_TRUE(provider_.remove(snapshot).ok()); }

 private:
  fakes::ManualClock clock_;
  FakeSnapshots provider_;
  std::map<std::string, std::string> files_, saved_;
};

// A tree in a folder of the test's own.
class FolderStand : public Stand {
 public:
  FolderStand() {
    static int count = 0;
    folder_ =
        fs::temp_directory_path() / ("belay-snapshots-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
    fs::create_directories(tree());
  }
  ~FolderStand() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  SnapshotProvider& provider() override { return *provider_; }
  std::vector<std::string> mounts() const override { return {tree()}; }
  void write(const std::string& file, const std::string& text) override {
    fs::create_directories(fs::path(tree() + "/" + file).parent_path());
    std::ofstream(tree() + "/" + file) << text;
  }
  std::optional<std::string> read(const std::string& file) override {
    const auto path = tree() + "/" + file;
    return fs::exists(path) ? std::optional(slurp(path)) : std::nullopt;
  }
  void erase(const std::string& file) override { fs::remove(tree() + "/" + file); }
  std::string carried_folder() const override { return "var/lib/agent"; }

 protected:
  std::string tree() const { return (folder_ / "tree").string(); }
  SnapshotHost host() const {
    SnapshotHost host{io::real_files(), io::real_processes(), io::system_clock()};
    host.carry_over = {tree() + "/" + carried_folder()};
    host.run_directory = (folder_ / "run").string();
    host.fstab = (folder_ / "fstab").string();
    return host;
  }
  fs::path folder_;
  std::unique_ptr<SnapshotProvider> provider_;
};

class CopiedStand final : public FolderStand {
 public:
  CopiedStand() { provider_ = make_copied_tree(host(), {tree()}, copies()); }
  void delete_behind(const Snapshot& snapshot) override { fs::remove_all(copies() + "/" + snapshot.id); }

 private:
  std::string copies() const { return (folder_ / "copies").string(); }
};

// The example of the guide, as it stands there.
class CommandStand final : public FolderStand {
 public:
  CommandStand() {
    const auto guide = slurp("docs/guide/snapshots.md");
    const auto begin = guide.find("```python\n"), end = guide.find("\n```", begin);
    auto script = begin == std::string::npos ? "" : guide.substr(begin + 10, end - begin - 9);
    script = std::regex_replace(script, std::regex("/var/lib/example-snapshots"), (folder_ / "store").string());
    const auto program = (folder_ / "example").string();
    std::ofstream(program) << script;
    fs::permissions(program, fs::perms::owner_all);
    provider_ = make_command_provider(host(), {"example", program, {tree()}, Duration(60'000)});
  }
  void delete_behind(const Snapshot& snapshot) override { fs::remove_all(folder_ / "store" / snapshot.id); }
  std::string carried_folder() const override { return ""; }
};

// A file system in a file, on a loop device.
class DeviceStand : public FolderStand {
 public:
  ~DeviceStand() override {
    ::umount2(tree().c_str(), MNT_DETACH);
    if (!device_.empty()) outcome_of({"losetup", "--detach", device_});
  }

 protected:
  // False where no loop device is to be had.
  bool make_device(const std::string& size) {
    const auto image = (folder_ / "image").string();
    call({"truncate", "--size", size, image});
    const auto found = outcome_of({"losetup", "--find", "--show", image});
    device_ = found.standard_output.substr(0, found.standard_output.find('\n'));
    return found.success() && !device_.empty();
  }
  std::string device_;
};

enum class Layout { top, by_default, named };

class BtrfsStand final : public DeviceStand {
 public:
  bool make(Layout layout) {
    layout_ = layout;
    if (!make_device("300M")) return false;
    call({"mkfs.btrfs", "--quiet", device_});
    if (layout != Layout::top) {
      mount_top([&](const std::string& top) {
        call({"btrfs", "subvolume", "create", top + "/@"});
        if (layout == Layout::by_default) call({"btrfs", "subvolume", "set-default", top + "/@"});
      });
    }
    std::ofstream(folder_ / "fstab") << device_ << " " << tree() << " btrfs "
                                     << (layout == Layout::named ? "noatime,subvol=@" : "noatime") << " 0 0\n";
    mount_tree();
    // As systemd makes them in every root that is btrfs.
    call({"btrfs", "subvolume", "create", tree() + "/portables"});
    provider_ = make_btrfs(host());
    return true;
  }
  void reboot() override {
    call({"umount", tree()});
    mount_tree();
  }
  void delete_behind(const Snapshot& snapshot) override {
    mount_top([&](const std::string& top) {
      for (const auto& entry : fs::directory_iterator(top + "/.belay/" + snapshot.id))
        call({"btrfs", "subvolume", "delete", entry.path().string()});
    });
  }

 private:
  void mount_tree() {
    call({"mount", "-t", "btrfs", "-o", layout_ == Layout::named ? "subvol=@" : "noatime", device_, tree()});
  }
  template <typename Work>
  void mount_top(Work work) {
    const auto top = (folder_ / "top").string();
    fs::create_directories(top);
    call({"mount", "-t", "btrfs", "-o", "subvolid=5", device_, top});
    work(top);
    call({"umount", top});
  }
  Layout layout_ = Layout::top;
};

MadeStand make_btrfs(Layout layout) {
  if (::geteuid() != 0) return {nullptr, "root is needed to mount"};
  if (slurp("/proc/filesystems").find("\tbtrfs\n") == std::string::npos) return {nullptr, "this kernel has no btrfs"};
  if (!is_installed("mkfs.btrfs")) return {nullptr, "missing: btrfs-progs (scripts/packages-test.txt)"};
  auto stand = std::make_unique<BtrfsStand>();
  if (!stand->make(layout)) return {nullptr, "no loop device is free"};
  return {std::move(stand), ""};
}

class LvmStand final : public DeviceStand {
 public:
  ~LvmStand() override {
    ::umount2(tree().c_str(), MNT_DETACH);
    outcome_of({"vgremove", "--yes", "--force", group_});
    outcome_of({"pvremove", "--yes", device_});
  }
  bool make(bool thin) {
    if (!make_device("600M")) return false;
    group_ = "belay" + std::to_string(::getpid()) + "x" + device_.substr(device_.find_last_not_of("0123456789") + 1);
    call({"pvcreate", "--yes", device_});
    call({"vgcreate", group_, device_});
    if (thin) {
      call({"lvcreate", "--yes", "--type", "thin-pool", "--size", "400M", "--name", "pool", group_});
      call({"lvcreate", "--yes", "--virtualsize", "200M", "--thin", "--name", "tree", group_ + "/pool"});
    } else {
      call({"lvcreate", "--yes", "--size", "200M", "--name", "tree", group_});
    }
    call({"mkfs.ext4", "-q", volume()});
    call({"mount", volume(), tree()});
    provider_ = make_lvm(host(), 50);
    return true;
  }
  void reboot() override {
    call({"umount", tree()});
    call({"vgchange", "--activate", "n", group_});
    call({"vgchange", "--activate", "y", group_});
    for (int i = 0;
         i < 100 && call({"lvs", "--noheadings", "-o", "lv_attr", group_ + "/tree"}).find('O') != std::string::npos;
         ++i)
      ::usleep(100'000);
    call({"mount", volume(), tree()});
  }
  void delete_behind(const Snapshot& snapshot) override {
    call({"lvremove", "--yes", group_ + "/" + snapshot.id + ".tree"});
  }
  bool keeps_restored() const override { return false; }

 private:
  std::string volume() const { return "/dev/" + group_ + "/tree"; }
  std::string group_;
};

MadeStand make_lvm(bool thin) {
  if (::geteuid() != 0) return {nullptr, "root is needed to mount"};
  if (slurp("/proc/devices").find(" device-mapper\n") == std::string::npos)
    return {nullptr, "this kernel has no device-mapper"};
  if (!is_installed("lvcreate")) return {nullptr, "missing: lvm2"};
  auto stand = std::make_unique<LvmStand>();
  if (!stand->make(thin)) return {nullptr, "no loop device is free"};
  return {std::move(stand), ""};
}

}  // namespace

MadeStand make_fake_stand() { return {std::make_unique<FakeStand>(), ""}; }
MadeStand make_copied_stand() { return {std::make_unique<CopiedStand>(), ""}; }
MadeStand make_command_stand() {
  if (!is_installed("python3")) return {nullptr, "missing: python3"};
  return {std::make_unique<CommandStand>(), ""};
}
MadeStand make_btrfs_top() { return make_btrfs(Layout::top); }
MadeStand make_btrfs_default() { return make_btrfs(Layout::by_default); }
MadeStand make_btrfs_named() { return make_btrfs(Layout::named); }
MadeStand make_lvm_classic() { return make_lvm(false); }
MadeStand make_lvm_thin() { return make_lvm(true); }

}  // namespace belay::agent::contract
