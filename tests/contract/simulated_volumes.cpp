// LVM and ZFS as far as the providers use them: programs that behave like theirs over trees in memory.
#include <algorithm>
#include <map>

#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/contract/snapshot_provider_contract.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::contract {
namespace {

using Tree = std::map<std::string, std::string>;
using Words = std::vector<std::string>;

std::string after(const Words& argv, std::string_view option) {
  const auto found = std::ranges::find(argv, option);
  return found == argv.end() || found + 1 == argv.end() ? "" : *(found + 1);
}

class SimulatedStand : public Stand {
 public:
  explicit SimulatedStand(const std::string& mountinfo) {
    files_.put("/proc/self/mountinfo", mountinfo + "21 1 0:5 / /proc rw - proc proc rw\n");
    processes_.on("*", [this](const io::ProcessSpec& spec, const io::OutputSink&) { return run(spec.argv); });
  }
  SnapshotProvider& provider() override { return *provider_; }
  std::vector<std::string> mounts() const override { return {"/srv/data"}; }
  void write(const std::string& file, const std::string& text) override { tree()[file] = text; }
  std::optional<std::string> read(const std::string& file) override {
    return tree().contains(file) ? std::optional(tree()[file]) : std::nullopt;
  }
  void erase(const std::string& file) override { tree().erase(file); }

 protected:
  virtual io::ProcessOutcome run(const Words& argv) = 0;
  virtual Tree& tree() = 0;
  SnapshotHost host() { return {files_, processes_, clock_}; }
  fakes::ManualClock clock_;
  fakes::MemoryFiles files_;
  fakes::ScriptedProcesses processes_;
  std::unique_ptr<SnapshotProvider> provider_;
};

class SimulatedLvm final : public SimulatedStand {
 public:
  explicit SimulatedLvm(bool thin)
      : SimulatedStand("20 1 253:0 / /srv/data rw - ext4 /dev/mapper/vg-tree rw\n"), thin_(thin) {
    volumes_["tree"].device = 0;
    provider_ = make_lvm(host(), 20);
  }
  void reboot() override {
    for (auto it = volumes_.begin(); it != volumes_.end();) {
      if (it->second.merging) volumes_["tree"].tree = it->second.tree, it = volumes_.erase(it);
      else ++it;
    }
  }
  void delete_behind(const Snapshot& snapshot) override { volumes_.erase(snapshot.id + ".tree"); }
  bool keeps_restored() const override { return false; }

 private:
  struct Volume {
    Tree tree;
    std::vector<std::string> tags;
    std::string origin;
    bool merging = false;
    int device = 1;
    Instant created_at{};
  };
  Tree& tree() override { return volumes_["tree"].tree; }

  std::string attributes(const Volume& volume) const {
    const bool merging = std::ranges::any_of(volumes_, [](const auto& item) { return item.second.merging; });
    const bool taken = volumes_.size() > 1;
    if (volume.origin.empty()) {
      if (merging) return thin_ ? "Owi-aotz--" : "Owi-aos---";
      return thin_ ? "Vwi-aotz--" : taken ? "owi-aos---" : "-wi-ao----";
    }
    if (volume.merging) return thin_ ? "Swi---tz-k" : "Swi-a-s---";
    return thin_ ? "Vwi---tz-k" : "swi-a-s---";
  }
  io::ProcessOutcome report() const {
    json::Array rows;
    const auto row = [&](const std::string& name, const std::string& attr, const Volume& volume) {
      rows.push_back({{"vg_name", "vg"},
                      {"lv_name", name},
                      {"lv_attr", attr},
                      {"lv_size", "1073741824"},
                      {"pool_lv", thin_ && name != "pool" ? "pool" : ""},
                      {"origin", volume.origin},
                      {"data_percent", name == "tree" && !thin_ ? "" : "12.50"},
                      {"metadata_percent", name == "pool" ? "10.40" : ""},
                      {"lv_tags", join(volume.tags, ",")},
                      {"lv_time", std::to_string(to_unix_ms(volume.created_at) / 1'000)},
                      {"lv_kernel_major", "253"},
                      {"lv_kernel_minor", std::to_string(volume.device)},
                      {"vg_free", "2147483648"}});
    };
    for (const auto& [name, volume] : volumes_)
      row(volume.merging ? "[" + name + "]" : name, attributes(volume), volume);
    if (thin_) row("pool", "twi-aotz--", Volume{.tree = {}, .tags = {}, .origin = "", .device = 9});
    return fakes::exits(0, R"({"report":[{"lv":)" + json::to_text(rows) + "}]}");
  }
  io::ProcessOutcome create(const Words& argv) {
    const auto name = after(argv, "--name");
    if (volumes_.contains(name))
      return fakes::exits(5, "", "Logical Volume \"" + name + "\" already exists in volume group \"vg\"");
    if (argv.back() != "vg/tree" || after(argv, "--size").empty() != thin_) return fakes::exits(3, "", "what size?");
    auto& volume = volumes_[name];
    volume.tree = tree(), volume.origin = "tree", volume.created_at = clock_.now();
    for (std::size_t i = 0; i + 1 < argv.size(); ++i)
      if (argv[i] == "--addtag") volume.tags.push_back(argv[i + 1]);
    clock_.advance(Duration(60'000));
    return fakes::exits(0, "Logical volume created.");
  }
  io::ProcessOutcome run(const Words& argv) override {
    if (argv[0] == "lvs") return report();
    if (argv[0] == "lvcreate") return create(argv);
    const auto name = argv.back().substr(argv.back().find('/') + 1);
    const auto found = volumes_.find(name);
    if (found == volumes_.end()) return fakes::exits(5, "", "Failed to find logical volume \"" + argv.back() + "\"");
    auto& tags = found->second.tags;
    if (argv[0] == "lvremove") volumes_.erase(found);
    else if (argv[0] == "lvconvert" && argv[2] == "--merge") found->second.merging = true;
    else if (argv[0] == "lvchange" && argv[2] == "--addtag") tags.push_back(argv[3]);
    else if (argv[0] == "lvchange" && argv[2] == "--deltag") std::erase(tags, argv[3]);
    else return fakes::exits(3, "", "no such command");
    return fakes::exits(0);
  }

  bool thin_;
  std::map<std::string, Volume> volumes_;
};

class SimulatedZfs final : public SimulatedStand {
 public:
  SimulatedZfs() : SimulatedStand("20 1 0:44 / /srv/data rw - zfs tank/data rw,xattr\n") {
    provider_ = make_zfs(host());
  }
  void delete_behind(const Snapshot& snapshot) override { taken_.erase("tank/data@" + snapshot.id); }

 private:
  struct Taken {
    Tree tree;
    std::string mounts;
    Instant created_at{};
    int transaction = 0;
  };
  Tree& tree() override { return tree_; }

  io::ProcessOutcome list(const Words& argv) const {
    if (after(argv, "-t") != "snapshot") return fakes::exits(0, argv.back() + "\t5368709120\n");
    std::string text = "tank/data@nightly\t1795000000\t7\t-\n";  // somebody else's
    for (const auto& [name, taken] : taken_)
      text += name + "\t" + std::to_string(to_unix_ms(taken.created_at) / 1'000) + "\t" +
              std::to_string(taken.transaction) + "\t" + taken.mounts + "\n";
    return fakes::exits(0, text);
  }
  io::ProcessOutcome take(const Words& argv) {
    if (taken_.contains(argv.back())) return fakes::exits(1, "", "cannot create snapshot: dataset already exists");
    taken_[argv.back()] = {tree_, after(argv, "-o").substr(std::string_view("belay:mounts=").size()), clock_.now(),
                           ++transaction_};
    clock_.advance(Duration(60'000));
    return fakes::exits(0);
  }
  io::ProcessOutcome run(const Words& argv) override {
    if (argv[0] != "zfs") return fakes::exits(127);
    if (argv[1] == "list") return list(argv);
    if (argv[1] == "snapshot") return take(argv);
    const auto found = taken_.find(argv.back());
    if (found == taken_.end()) return fakes::exits(1, "", "could not find any snapshots to destroy");
    if (argv[1] == "destroy") taken_.erase(found);
    else if (argv[1] == "rollback" && argv.size() == 3) tree_ = found->second.tree;
    else return fakes::exits(2, "", "usage");
    return fakes::exits(0);
  }

  Tree tree_;
  std::map<std::string, Taken> taken_;
  int transaction_ = 10;
};

}  // namespace

MadeStand make_simulated_lvm_classic() { return {std::make_unique<SimulatedLvm>(false), ""}; }
MadeStand make_simulated_lvm_thin() { return {std::make_unique<SimulatedLvm>(true), ""}; }
MadeStand make_simulated_zfs() { return {std::make_unique<SimulatedZfs>(), ""}; }

}  // namespace belay::agent::contract
