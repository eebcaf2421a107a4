#pragma once
// GRUB's menu as grub-mkconfig writes it, and a trial of its newest kernel: booted once, while the kernel that runs now
// stays what every other boot begins. Settled once somebody has verified the new one.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/patchrun/machine.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::agent {

struct BootEntry {
  std::string id;      // as saved_entry and next_entry name it: "submenu>entry"
  std::string kernel;  // its release, as uname -r says it; "" of an entry that begins none
};

struct BootMenu {
  std::vector<BootEntry> entries;  // in order; without those for recovery
  std::string begins;              // what the menu begins by itself: "0", "${saved_entry}", or what an operator named
  bool forgets_one_boot = false;   // next_entry is read, and emptied before that boot
};

// Lenient: what it does not know it passes over. Bounded by the text.
BootMenu parse_boot_menu(std::string_view text);

// GRUB with its menu under /boot/grub, and its tools. Debian's way: /etc/default/grub.d is read.
class BootTrial {
 public:
  BootTrial(io::Files& files, io::Processes& processes) : files_(files), processes_(processes) {}

  // From now on every boot, a sudden one too, begins the kernel that runs. Empty, or why that cannot be had: nothing is
  // changed then, and the menu begins what it would have. May be repeated.
  std::string hold();
  // Holds the kernel that runs, and names the one that the menu would begin: it is on trial. Empty where that is the
  // one that runs; `why_not` as above. May be repeated.
  patchrun::KernelTrial begin();
  // The next boot, and only that, begins the kernel on trial. May be repeated.
  Status boot_once(const std::string& wanted);
  // Gives the menu back as it was found. conflict where it would begin the kernel that failed: the trial stays armed
  // then. Fine where none is armed.
  Status end(const std::string& failed);
  std::string kernel_running() const;

 private:
  Status arm(const BootEntry& before);
  Status put_back();
  Status run(std::vector<std::string> argv);
  bool is_armed() const;
  std::string why_not(const BootMenu& menu, const std::string& running) const;
  std::string why_not_written() const;
  Result<BootMenu> menu() const;

  io::Files& files_;
  io::Processes& processes_;
};

}  // namespace belay::agent
