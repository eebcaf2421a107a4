#include "agent/runner/boot_menu.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kMenuBytesMax = 4 << 20, kTextBytesMax = 1 << 20, kEntriesMax = 500;
constexpr Duration kMenuTimeout{600'000};
constexpr const char* kMenu = "/boot/grub/grub.cfg";
constexpr const char* kEnvironment = "/boot/grub/grubenv";
constexpr const char* kDefaults = "/etc/default/grub";
constexpr const char* kDropInFolder = "/etc/default/grub.d";
constexpr const char* kDropIn = "/etc/default/grub.d/zz-belay-agent.cfg";
constexpr std::string_view kSaved = "${saved_entry}";
constexpr std::string_view kIdOption = "$menuentry_id_option '";

// A kernel that panics, or finds no root, restarts the machine by itself; the trial is over then.
constexpr std::string_view kDropInText =
    "# Of a patch run of belay-agent: the new kernel is booted once; until it is verified every other boot begins the\n"
    "# old one, and a kernel that panics restarts the machine. The agent takes this file away again.\n"
    "GRUB_DEFAULT=saved\n"
    "GRUB_SAVEDEFAULT=false\n"
    "GRUB_CMDLINE_LINUX=\"${GRUB_CMDLINE_LINUX} panic=30\"\n";

std::string_view quoted_after(std::string_view line, std::string_view mark, char quote) {
  const auto at = line.find(mark);
  if (at == std::string_view::npos) return {};
  const auto from = at + mark.size();
  const auto to = line.find(quote, from);
  return to == std::string_view::npos ? std::string_view() : line.substr(from, to - from);
}

// "linux /boot/vmlinuz-6.1.0-50-amd64 root=…"; the path is below /boot, or of a /boot of its own.
std::string_view kernel_of(std::string_view line) {
  if (!line.starts_with("linux")) return {};
  const auto at = line.find("/vmlinuz-");
  if (at == std::string_view::npos) return {};
  const auto release = line.substr(at + 9);
  return release.substr(0, release.find_first_of(" \t"));
}

// What the menu begins by itself.
std::string first_kernel(const BootMenu& menu) {
  for (const auto& entry : menu.entries)
    if (!entry.kernel.empty()) return entry.kernel;
  return {};
}

// The entry that names its kernel, rather than "the newest".
const BootEntry* named(const BootMenu& menu, const std::string& kernel) {
  for (const auto& entry : menu.entries)
    if (entry.kernel == kernel && entry.id.find(kernel) != std::string::npos) return &entry;
  return nullptr;
}

}  // namespace

BootMenu parse_boot_menu(std::string_view text) {
  BootMenu menu;
  std::string submenu;
  bool in_entry = false;
  for (const auto raw : split(text, '\n')) {
    const auto line = trim(raw);
    if (line.starts_with("submenu ")) submenu = std::string(quoted_after(line, kIdOption, '\'')) + ">";
    if (raw.starts_with("}")) submenu.clear();
    // Of several the last without an indirection is the one that stands where no boot is marked.
    if (menu.entries.empty() && line.starts_with("set default=\"") && line.find("next_entry") == std::string_view::npos)
      menu.begins = std::string(quoted_after(line, "set default=\"", '"'));
    if (line == "save_env next_entry") menu.forgets_one_boot = true;
    if (line.starts_with("menuentry ")) {
      const auto id = quoted_after(line, kIdOption, '\'');
      in_entry = !id.empty() && id.find("-recovery-") == std::string_view::npos && menu.entries.size() < kEntriesMax;
      if (in_entry) menu.entries.push_back({submenu + std::string(id), ""});
    }
    if (const auto kernel = kernel_of(line); in_entry && !kernel.empty() && menu.entries.back().kernel.empty())
      menu.entries.back().kernel = std::string(kernel);
  }
  return menu;
}

std::string BootTrial::kernel_running() const {
  const auto text = files_.read("/proc/sys/kernel/osrelease", kTextBytesMax);
  return text.ok() ? std::string(trim(*text)) : std::string();
}

Result<BootMenu> BootTrial::menu() const {
  BELAY_TRY_ASSIGN(const auto text, files_.read(kMenu, kMenuBytesMax));
  return parse_boot_menu(text);
}

bool BootTrial::is_armed() const {
  const auto environment = files_.read(kEnvironment, kTextBytesMax);
  return files_.info(kDropIn).ok() || (environment.ok() && environment->find("\nbelay_trial=") != std::string::npos);
}

Status BootTrial::run(std::vector<std::string> argv) {
  io::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.environment = io::plain_environment();
  spec.timeout = kMenuTimeout;
  BELAY_TRY_ASSIGN(const auto outcome, processes_.run(spec));
  if (outcome.success()) return {};
  return Error(Code::internal, "'" + join(spec.argv, " ") + "' ended with status " +
                                   std::to_string(outcome.exit_status) + ": " +
                                   sanitize(trim(outcome.standard_error), 300));
}

// GRUB writes plain file systems on plain partitions alone; elsewhere it could not forget the one boot.
std::string BootTrial::why_not_written() const {
  const auto mounts = files_.read("/proc/self/mountinfo", kTextBytesMax);
  if (!mounts.ok() || !files_.info(kEnvironment).ok()) return "there is no " + std::string(kEnvironment);
  std::string type, device;
  std::size_t length = 0;
  for (const auto line : split(*mounts, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 10 || fields.end() - dash < 2) continue;
    const auto point = fields[4];
    if ((point != "/" && point != "/boot" && point != "/boot/grub") || point.size() < length) continue;
    length = point.size();
    type = std::string(dash[1]);
    device = std::string(fields[2]);
  }
  const auto link = files_.read_link("/sys/dev/block/" + device);
  const bool layered = !link.ok() || link->find("/dm-") != std::string::npos || link->find("/md") != std::string::npos;
  if (!layered && (type.starts_with("ext") || type == "vfat" || type == "xfs")) return {};
  return "GRUB cannot write to " + type + (layered ? " on LVM, RAID or encryption" : "") +
         ", so it could not forget a single boot";
}

// Why no boot can be chosen in this menu.
std::string BootTrial::why_not(const BootMenu& menu, const std::string& running) const {
  if (!named(menu, running)) return "the boot menu has no entry of its own for " + running;
  if (!menu.forgets_one_boot || !files_.info(kDefaults).ok()) return "the boot menu is not one that grub-mkconfig made";
  const auto environment = files_.read(kEnvironment, kTextBytesMax);
  const bool pinned = environment.ok() && environment->find("\nsaved_entry=") != std::string::npos &&
                      environment->find("\nsaved_entry=\n") == std::string::npos;
  if (!is_armed() && menu.begins != "0" && (menu.begins != kSaved || pinned))
    return "the boot menu begins what somebody has set: " + sanitize(menu.begins, 100);
  return why_not_written();
}

std::string BootTrial::hold() {
  const auto found = menu();
  if (!found.ok()) return "there is no " + std::string(kMenu);
  const auto running = kernel_running();
  if (auto why = why_not(*found, running); !why.empty()) return why;
  const auto armed = arm(*named(*found, running));
  if (armed.ok()) return {};
  const auto back = put_back();
  return armed.error().chain() + (back.ok() ? "" : "; " + back.error().chain());
}

patchrun::KernelTrial BootTrial::begin() {
  patchrun::KernelTrial trial;
  const auto found = menu();
  if (!found.ok()) return trial.why_not = "there is no " + std::string(kMenu), trial;
  const auto running = kernel_running();
  const auto first = first_kernel(*found);
  if (first.empty() || first == running) return trial;  // nothing is new
  trial.why_not = named(*found, first) ? hold() : "the boot menu has no entry of its own for " + first;
  if (!trial.why_not.empty()) return trial;
  trial.before = running;
  trial.wanted = first;
  return trial;
}

Status BootTrial::boot_once(const std::string& wanted) {
  BELAY_TRY_ASSIGN(const auto found, menu());
  const auto* entry = named(found, wanted);
  if (!entry || !is_armed()) return Error(Code::not_found, "the boot menu has no trial of kernel " + wanted);
  BELAY_TRY(run({"grub-editenv", kEnvironment, "set", "next_entry=" + entry->id}));
  return run({"sync"});
}

// A power cut between these lines leaves a menu that begins what it did before, or one that is held.
Status BootTrial::arm(const BootEntry& before) {
  BELAY_TRY(files_.make_directories(kDropInFolder, 0755));
  BELAY_TRY(files_.write_durable(kDropIn, kDropInText, 0644));
  BELAY_TRY(run({"grub-editenv", kEnvironment, "set", "belay_trial=1", "saved_entry=" + before.id}));
  BELAY_TRY(run({"update-grub"}));
  BELAY_TRY_ASSIGN(const auto now, menu());
  if (now.begins != kSaved) return Error(Code::internal, "the boot menu does not follow saved_entry");
  return run({"sync"});
}

Status BootTrial::put_back() {
  BELAY_TRY(files_.remove(kDropIn));
  BELAY_TRY(run({"update-grub"}));
  BELAY_TRY(run({"grub-editenv", kEnvironment, "unset", "saved_entry", "next_entry", "belay_trial"}));
  return run({"sync"});
}

Status BootTrial::end(const std::string& failed) {
  if (!is_armed()) return {};
  if (!failed.empty()) {
    BELAY_TRY_ASSIGN(const auto found, menu());
    if (first_kernel(found) == failed)
      return Error(Code::conflict,
                   "kernel " + failed + " failed and is still the newest, so the boot menu goes on beginning " +
                       kernel_running() + "; remove it, then delete " + kDropIn + " and run update-grub");
  }
  return put_back().within("the boot menu cannot be put back");
}

}  // namespace belay::agent
