#pragma once
// What every package manager must do, tried over the fake and over real apt and dnf in root file systems of their own
// (prepare_root.py, where the packages are described). Each test gets a fresh system.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "agent/packages/package_manager.hpp"

namespace belay::agent::contract {

class System {
 public:
  virtual ~System() = default;
  virtual PackageManager& manager() = 0;
  virtual std::string version(std::string_view upstream) const = 0;  // "1.0" as this format writes it: "1.0-1"
  virtual std::string arch() const = 0;
  virtual void forget_old_versions() = 0;  // the repositories no longer offer any 1.0
  virtual void hold(const std::string& package) = 0;
  virtual bool tells_automatic() const { return true; }
  virtual bool tells_conffiles() const { return true; }
  virtual bool keeps_failed_install_out() const { return false; }  // a failing script leaves the old version whole
  virtual void change_conffile() {}                                // /etc/belay-conf.conf, by its operator
  virtual std::string held_directory() const { return "/var/lib/belay/held"; }
};

// The system, or why there is none here.
struct Made {
  std::unique_ptr<System> system;
  std::string why_not;
};
struct Maker {
  std::string name;
  Made (*make)();
};

Made make_fake_system();
Made make_apt_system();
Made make_dnf_system();

class PackageManagerContract : public ::testing::TestWithParam<Maker> {
 protected:
  void SetUp() override {
    auto made = GetParam().make();
    if (!made.system) GTEST_SKIP() << GetParam().name << ": " << made.why_not;
    system_ = std::move(made.system);
  }
  PackageManager& manager() { return system_->manager(); }
  fleet::PackageChange change(const std::string& name, std::string_view from, std::string_view to) const {
    return {
        name, system_->arch(), from.empty() ? "" : system_->version(from), to.empty() ? "" : system_->version(to), "",
        0};
  }
  std::string installed(const std::string& name) {
    const auto scan = manager().scan();
    EXPECT_TRUE(scan.ok()) << scan.error().chain();
    if (scan.ok())
      for (const auto& package : scan->installed.packages)
        if (package.name == name) return package.version;
    return {};
  }
  std::unique_ptr<System> system_;
};

std::string text_of(const std::vector<fleet::Problem>& problems);
bool has_reason(const std::vector<fleet::Problem>& problems, fleet::Reason reason, std::string_view subject = {});

}  // namespace belay::agent::contract
