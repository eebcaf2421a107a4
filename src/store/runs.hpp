#pragma once
// Patch runs as the nodes reported them, and what waits for a reboot.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/package.hpp"
#include "core/patchrun/order.hpp"
#include "store/store.hpp"

namespace belay::store::runs {

struct Run {
  std::string run_id{};  // the order's id
  std::string node_id{};
  std::string command_id{};  // "" where no command ordered it
  std::string change_set_id{};
  Instant started_at{}, finished_at{}, received_at{};
  patchrun::Reboot reboot = patchrun::Reboot::if_needed;  // as ordered
  patchrun::PatchRunReport report{};
};

// true where it is new; false, and nothing changed, where this run_id is there. invalid_argument: another node's.
Result<bool> add(Sql& sql, const Run& run);
Result<Run> get(Sql& sql, std::string_view run_id);
// Newest by its end. nullopt where there is none.
Result<std::optional<Run>> newest(Sql& sql, std::string_view node_id, std::optional<Instant> at_or_before = {});
// The newest that was ordered with Reboot::never and changed something (LastNoRebootInstallOperationTime).
Result<std::optional<Instant>> last_no_reboot_install_at(Sql& sql, std::string_view node_id);
// Newest first.
Result<Listed<Run>> history(Sql& sql, std::string_view node_id, const Page& page);

// ---- INSTALLED_PENDING_REBOOT: changed by us, and not booted since
struct PendingReboot {
  std::string name{}, arch{}, version{};
  std::string run_id{};
  std::string boot_id{};  // the boot it was changed in
  Instant changed_at{};
};
// May be repeated.
Status add_pending_reboot(Sql& sql, std::string_view node_id, std::span<const PendingReboot> packages);
Result<std::vector<PendingReboot>> pending_reboot(Sql& sql, std::string_view node_id);
// Forgets those of other boots than `boot_id`. Call with every report that names the boot.
Status booted(Sql& sql, std::string_view node_id, std::string_view boot_id);

}  // namespace belay::store::runs
