#include "agent/runner/boot_menu.hpp"

#include <gtest/gtest.h>

#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

using fakes::MemoryFiles;
using fakes::ScriptedProcesses;

constexpr const char* kDropIn = "/etc/default/grub.d/zz-belay-agent.cfg";
constexpr const char* kHead = "# GRUB Environment Block\n";

std::string entry(const std::string& kernel, const std::string& kind, const std::string& indent) {
  return indent + "menuentry 'Debian GNU/Linux, with Linux " + kernel +
         "' --class debian $menuentry_id_option 'gnulinux-" + kernel + "-" + kind + "-5c2a' {\n" + indent +
         "\tload_video\n" + indent + "\tlinux\t/boot/vmlinuz-" + kernel + " root=UUID=5c2a ro\n" + indent +
         "\tinitrd\t/boot/initrd.img-" + kernel + "\n" + indent + "}\n";
}

// As Debian 12's grub-mkconfig writes it, newest kernel first.
std::string menu_of(const std::vector<std::string>& kernels, const std::string& begins) {
  std::string text =
      "if [ -s $prefix/grubenv ]; then\n  set have_grubenv=true\n  load_env\nfi\n"
      "if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\n   set next_entry=\n   save_env next_entry\n"
      "   set boot_once=true\nelse\n   set default=\"" +
      begins +
      "\"\nfi\n"
      "menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-5c2a' {\n"
      "\tlinux\t/boot/vmlinuz-" +
      kernels.front() +
      " root=UUID=5c2a ro\n}\n"
      "submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-5c2a' {\n";
  for (const auto& kernel : kernels) text += entry(kernel, "advanced", "\t") + entry(kernel, "recovery-", "\t");
  return text + "}\nmenuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {\n\tfwsetup\n}\n";
}

TEST(BootMenu, IsReadAsGrubWritesIt) {
  const auto menu = parse_boot_menu(menu_of({"6.1.0-56-amd64", "6.1.0-50-amd64"}, "0"));
  EXPECT_EQ(menu.begins, "0");
  EXPECT_TRUE(menu.forgets_one_boot);
  ASSERT_EQ(menu.entries.size(), 4u);
  EXPECT_EQ(menu.entries[0].id, "gnulinux-simple-5c2a");
  EXPECT_EQ(menu.entries[0].kernel, "6.1.0-56-amd64");
  EXPECT_EQ(menu.entries[2].id, "gnulinux-advanced-5c2a>gnulinux-6.1.0-50-amd64-advanced-5c2a");
  EXPECT_EQ(menu.entries[2].kernel, "6.1.0-50-amd64");
  EXPECT_EQ(menu.entries[3].id, "uefi-firmware") << "the submenu has ended";
  EXPECT_EQ(menu.entries[3].kernel, "");
}

TEST(BootMenu, WhatIsNoMenuIsEmpty) {
  for (const char* text :
       {"", "\n\n", "menuentry", "menuentry 'x' {", "submenu 'x' $menuentry_id_option 'y", "linux /vmlinuz-"})
    EXPECT_TRUE(parse_boot_menu(text).entries.empty()) << text;
}

// A machine with GRUB on a plain partition: its tools do what the real ones do to these files.
struct Machine {
  MemoryFiles files;
  ScriptedProcesses processes;
  std::vector<std::string> kernels{"6.1.0-56-amd64", "6.1.0-50-amd64"};
  std::string own_default = "0";  // of /etc/default/grub

  Machine() {
    files.put("/proc/sys/kernel/osrelease", "6.1.0-50-amd64\n");
    files.put("/etc/default/grub", "GRUB_DEFAULT=0\n");
    files.put("/boot/grub/grubenv", kHead);
    lies_on("254:1", "ext4", "../../devices/pci0000:00/0000:00:02.0/virtio0/block/vda/vda1");
    write_menu();
    processes.on("update-grub", [this](const io::ProcessSpec&, const io::OutputSink&) {
      write_menu();
      return Result<io::ProcessOutcome>(fakes::exits(0));
    });
    processes.on("grub-editenv /boot/grub/grubenv *", [this](const io::ProcessSpec& spec, const io::OutputSink&) {
      edit({spec.argv.begin() + 2, spec.argv.end()});
      return Result<io::ProcessOutcome>(fakes::exits(0));
    });
    processes.on("sync", fakes::prints(""));
  }
  void lies_on(const std::string& device, const std::string& type, const std::string& link) {
    files.put("/proc/self/mountinfo", "22 1 0:20 / /sys rw,relatime - sysfs sysfs rw\n26 1 " + device +
                                          " / / rw,noatime shared:1 - " + type + " /dev/root rw\n");
    files.put_link("/sys/dev/block/" + device, link);
  }
  void write_menu() {
    files.put("/boot/grub/grub.cfg", menu_of(kernels, files.info(kDropIn).ok() ? "${saved_entry}" : own_default));
  }
  std::string environment() { return *files.read("/boot/grub/grubenv", 1'024); }
  void edit(const std::vector<std::string>& words) {
    std::string text = environment();
    for (std::size_t i = 1; i < words.size(); ++i) {
      const auto name = words[i].substr(0, words[i].find('='));
      if (const auto at = text.find("\n" + name + "="); at != std::string::npos)
        text.erase(at + 1, text.find('\n', at + 1) - at);
      if (words[0] == "set") text += words[i] + "\n";
    }
    files.put("/boot/grub/grubenv", text);
  }
  BootTrial trial() { return {files, processes}; }
  void begin() {
    const auto trial = this->trial().begin();
    ASSERT_EQ(trial.why_not, "");
    ASSERT_TRUE(this->trial().boot_once(trial.wanted).ok());
  }
  // What GRUB would do now, and what it would leave behind.
  std::string boot() {
    const auto menu = parse_boot_menu(*files.read("/boot/grub/grub.cfg", 1 << 20));
    const auto value = [&](const std::string& name) {
      const auto text = environment();
      const auto at = text.find("\n" + name + "=");
      const auto from = at + name.size() + 2;
      return at == std::string::npos ? std::string() : text.substr(from, text.find('\n', from) - from);
    };
    auto wanted = value("next_entry");
    if (!wanted.empty()) edit({"set", "next_entry="});
    else if (menu.begins == "${saved_entry}") wanted = value("saved_entry");
    auto kernel = menu.entries.front().kernel;
    for (const auto& entry : menu.entries)
      if (entry.id == wanted) kernel = entry.kernel;
    files.put("/proc/sys/kernel/osrelease", kernel + "\n");
    return kernel;
  }
};

TEST(BootTrial, TheNewKernelIsBootedOnceAndTheOldOneEverAfter) {
  Machine machine;
  const auto trial = machine.trial().begin();
  EXPECT_EQ(trial.why_not, "");
  EXPECT_EQ(trial.before, "6.1.0-50-amd64");
  EXPECT_EQ(trial.wanted, "6.1.0-56-amd64");
  EXPECT_NE(machine.files.read(kDropIn, 1'024)->find("panic=30"), std::string::npos);
  EXPECT_EQ(machine.boot(), "6.1.0-50-amd64") << "nobody has asked for the new one yet";
  ASSERT_TRUE(machine.trial().boot_once(trial.wanted).ok());
  EXPECT_EQ(machine.boot(), "6.1.0-56-amd64");
  EXPECT_EQ(machine.boot(), "6.1.0-50-amd64");
  EXPECT_EQ(machine.boot(), "6.1.0-50-amd64");
}

TEST(BootTrial, OnceVerifiedEveryBootIsOneOfTheNewKernel) {
  Machine machine;
  machine.begin();
  machine.boot();
  for (int twice = 0; twice < 2; ++twice) ASSERT_TRUE(machine.trial().end("").ok());
  EXPECT_EQ(machine.environment(), kHead) << "the menu is as it was found";
  EXPECT_FALSE(machine.files.info(kDropIn).ok());
  EXPECT_EQ(machine.boot(), "6.1.0-56-amd64");
  EXPECT_EQ(machine.boot(), "6.1.0-56-amd64");
}

TEST(BootTrial, AKernelThatIsBeingInstalledIsNotBootedByAccident) {
  Machine machine;
  machine.kernels = {"6.1.0-50-amd64"};
  machine.write_menu();
  ASSERT_EQ(machine.trial().hold(), "");
  machine.kernels = {"6.1.0-56-amd64", "6.1.0-50-amd64"};
  machine.write_menu();  // as the package does
  EXPECT_EQ(machine.boot(), "6.1.0-50-amd64");
  const auto trial = machine.trial().begin();
  EXPECT_EQ(trial.wanted, "6.1.0-56-amd64") << trial.why_not;
}

TEST(BootTrial, WhatIsNotOnTrialIsNotBooted) {
  Machine machine;
  EXPECT_EQ(machine.trial().boot_once("6.1.0-56-amd64").error().code(), Code::not_found) << "none is armed";
  machine.begin();
  EXPECT_EQ(machine.trial().boot_once("6.1.0-99-amd64").error().code(), Code::not_found);
}

TEST(BootTrial, AKernelThatFailedIsNotBootedAgainWhileItIsInstalled) {
  Machine machine;
  machine.begin();
  machine.boot();
  machine.boot();
  const auto refused = machine.trial().end("6.1.0-56-amd64");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::conflict);
  EXPECT_EQ(machine.boot(), "6.1.0-50-amd64");
  machine.kernels = {"6.1.0-50-amd64"};
  machine.write_menu();
  ASSERT_TRUE(machine.trial().end("6.1.0-56-amd64").ok());
  EXPECT_EQ(machine.environment(), kHead);
  EXPECT_EQ(machine.boot(), "6.1.0-50-amd64");
}

TEST(BootTrial, NothingNewIsNoTrial) {
  Machine machine;
  machine.files.put("/proc/sys/kernel/osrelease", "6.1.0-56-amd64\n");
  const auto trial = machine.trial().begin();
  EXPECT_EQ(trial.wanted + trial.why_not, "");
  EXPECT_EQ(machine.processes.count("*"), 0);
  EXPECT_TRUE(machine.trial().end("").ok());
  EXPECT_EQ(machine.processes.count("*"), 0) << "there is nothing to put back";
}

struct CannotRow {
  const char* name;
  void (*make)(Machine&);
  const char* why;
};
class BootTrialCannot : public testing::TestWithParam<CannotRow> {};
TEST_P(BootTrialCannot, SaysWhyAndLeavesTheMenuAlone) {
  Machine machine;
  GetParam().make(machine);
  const auto before = machine.files.content();
  const auto trial = machine.trial().begin();
  EXPECT_EQ(trial.wanted, "");
  EXPECT_NE(trial.why_not.find(GetParam().why), std::string::npos) << trial.why_not;
  EXPECT_EQ(machine.files.content(), before);
}
INSTANTIATE_TEST_SUITE_P(
    Table, BootTrialCannot,
    testing::Values(
        CannotRow{"no_grub", [](Machine& m) { EXPECT_TRUE(m.files.remove("/boot/grub/grub.cfg").ok()); },
                  "there is no /boot/grub/grub.cfg"},
        CannotRow{"lvm", [](Machine& m) { m.lies_on("254:0", "ext4", "../../devices/virtual/block/dm-0"); }, "LVM"},
        CannotRow{"btrfs", [](Machine& m) { m.lies_on("0:30", "btrfs", "x"); }, "GRUB cannot write to btrfs"},
        CannotRow{"no_environment", [](Machine& m) { EXPECT_TRUE(m.files.remove("/boot/grub/grubenv").ok()); },
                  "grubenv"},
        CannotRow{"set_by_hand",
                  [](Machine& m) {
                    m.own_default = "Debian GNU/Linux, old";
                    m.write_menu();
                  },
                  "somebody has set"},
        CannotRow{"pinned",
                  [](Machine& m) {
                    m.own_default = "${saved_entry}";
                    m.write_menu();
                    m.edit({"set", "saved_entry=old"});
                  },
                  "somebody has set"},
        CannotRow{"no_old_entry",
                  [](Machine& m) {
                    m.kernels = {"6.1.0-56-amd64"};
                    m.write_menu();
                  },
                  "no entry of its own"},
        CannotRow{"fails",
                  [](Machine& m) {
                    m.processes.on("grub-editenv * set *",
                                   fakes::fails(1, "grub-editenv: error: invalid environment block"));
                  },
                  "invalid environment block"},
        CannotRow{"not_followed", [](Machine& m) { m.processes.on("update-grub", fakes::prints("")); },
                  "does not follow"}),
    [](const auto& info) { return std::string(info.param.name); });

// Whatever write the power is cut at: the menu begins what it did before, or the kernel that ran; a later end puts
// everything back.
TEST(BootTrial, SurvivesAPowerCutAnywhere) {
  for (const bool ending : {false, true})
    for (int change = 1; change <= 4; ++change)
      for (const auto kind : {MemoryFiles::Kill::before, MemoryFiles::Kill::after}) {
        Machine machine;
        if (ending) machine.begin();
        machine.files.kill_at(change, kind);
        try {
          if (ending) static_cast<void>(machine.trial().end(""));
          else static_cast<void>(machine.trial().hold());
        } catch (const fakes::Killed&) {
        }
        machine.files.power_cut();
        machine.boot();
        ASSERT_TRUE(machine.trial().end("").ok());
        EXPECT_EQ(machine.environment(), kHead);
        EXPECT_EQ(machine.boot(), "6.1.0-56-amd64");
      }
}

}  // namespace
}  // namespace belay::agent
