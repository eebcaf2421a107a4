// The three systems that the contract is tried on.
#include <fstream>

#include "agent/packages/apt/apt_package_manager.hpp"
#include "agent/packages/dnf/dnf_package_manager.hpp"
#include "agent/packages/fake_package_manager.hpp"
#include "io/system_clock.hpp"
#include "tests/contract/package_manager_contract.hpp"
#include "tests/contract/real_root.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::contract {
namespace {

class FakeSystem final : public System {
 public:
  FakeSystem() : manager_({files_, processes_, clock_}, "/state.json") {
    FakeState state;
    const auto offer = [&](const std::string& name, const std::string& upstream, bool security) {
      fleet::Offer one;
      one.name = name, one.arch = "all", one.version = upstream + "-1", one.security = security;
      one.size_bytes = 1000, one.sha256 = std::string(64, 'a');
      state.offers.offers.push_back(one);
    };
    for (const std::string name : {"belay-app", "belay-bad", "belay-conf", "belay-lib", "belay-needs"}) {
      state.installed.packages.push_back({name, "all", "1.0-1"});
      const bool security = name == "belay-app" || name == "belay-lib";
      offer(name, "1.0", false), offer(name, "1.1", security);
      if (security) offer(name, "1.2", false);
    }
    offer("belay-new", "1.0", false);
    state.needs["belay-needs"] = {"belay-new"};
    state.automatic = {"belay-lib"};
    state.failing_scripts["belay-bad"] = "1.1-1";
    EXPECT_TRUE(manager_.save(state).ok());
  }
  PackageManager& manager() override { return manager_; }
  std::string version(std::string_view upstream) const override { return std::string(upstream) + "-1"; }
  std::string arch() const override { return "all"; }
  void forget_old_versions() override {
    auto state = *manager_.load();
    std::erase_if(state.offers.offers, [](const auto& offer) { return offer.version == "1.0-1"; });
    EXPECT_TRUE(manager_.save(state).ok());
  }
  void hold(const std::string& package) override {
    auto state = *manager_.load();
    state.held.push_back(package);
    EXPECT_TRUE(manager_.save(state).ok());
  }
  bool tells_conffiles() const override { return false; }

 private:
  fakes::ManualClock clock_;
  fakes::MemoryFiles files_{&clock_};
  fakes::ScriptedProcesses processes_;
  FakePackageManager manager_;
};

class RealSystem : public System {
 public:
  explicit RealSystem(std::unique_ptr<RealRoot> root) : root_(std::move(root)) {}
  void forget_old_versions() override { root_->forget_old_versions(); }
  void change_conffile() override {
    std::ofstream(root_->path() + "/etc/belay-conf.conf") << "as the operator wants it\n";
  }

 protected:
  Host host() { return {io::real_files(), root_->processes(), io::system_clock()}; }
  std::unique_ptr<RealRoot> root_;
};

class AptSystem final : public RealSystem {
 public:
  explicit AptSystem(std::unique_ptr<RealRoot> root)
      : RealSystem(std::move(root)), manager_(host(), layout(root_->path())) {}
  PackageManager& manager() override { return manager_; }
  std::string version(std::string_view upstream) const override { return std::string(upstream) + "-1"; }
  std::string arch() const override { return "all"; }
  void hold(const std::string& package) override { root_->inside({"apt-mark", "hold", package}); }

 private:
  static apt::Layout layout(const std::string& root) {
    apt::Layout layout;
    layout.root = root;
    return layout;
  }
  AptPackageManager manager_;
};

class DnfSystem final : public RealSystem {
 public:
  explicit DnfSystem(std::unique_ptr<RealRoot> root) : RealSystem(std::move(root)), manager_(host(), root_->path()) {}
  PackageManager& manager() override { return manager_; }
  std::string version(std::string_view upstream) const override { return "0:" + std::string(upstream) + "-1.el9"; }
  std::string arch() const override { return "noarch"; }
  void hold(const std::string& package) override {
    std::ofstream(root_->path() + "/etc/dnf/plugins/versionlock.list") << package << "-0:1.0-1.el9.*\n";
  }
  bool tells_automatic() const override { return false; }
  bool keeps_failed_install_out() const override { return true; }

 private:
  DnfPackageManager manager_;
};

template <typename Kind>
Made make_real(const std::string& kind) {
  Made made;
  auto root = RealRoot::make(kind, made.why_not);
  if (root) made.system = std::make_unique<Kind>(std::move(root));
  return made;
}

}  // namespace

Made make_fake_system() { return {std::make_unique<FakeSystem>(), ""}; }
Made make_apt_system() { return make_real<AptSystem>("apt"); }
Made make_dnf_system() { return make_real<DnfSystem>("rpm"); }

}  // namespace belay::agent::contract
