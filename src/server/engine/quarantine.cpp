#include "server/engine/quarantine.hpp"

#include <algorithm>
#include <set>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/rollout_kind.hpp"
#include "store/tags.hpp"

namespace belay::server {
namespace {
using store::Sql;

Status tell_rollouts(Sql& sql, const store::rollouts::Quarantine& entry, std::string_view but) {
  store::rollouts::Filter open;
  open.over = false;
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto some, store::rollouts::list(sql, open, page));
    for (const auto& row : some.items) {
      if (row.rollout_id == but || row.change_set_id.empty()) continue;
      bool ships = row.change_set_id == entry.change_set_id;
      if (!ships && !entry.name.empty()) {
        const auto frozen = frozen_change_set(sql, row.change_set_id);
        if (!frozen.ok()) continue;  // not frozen yet: it looks for itself when it is
        for (const auto& part : frozen->parts)
          for (const auto& change : part.changes) ships = ships || hit_by({entry}, change, part.operating_system);
      }
      if (!ships) continue;
      RolloutEvent event;
      event.kind = rollout::EventKind::quarantined;
      event.why = (entry.name.empty() ? "its change set" : entry.name + " " + entry.version) +
                  " was put into quarantine (" + entry.quarantine_id + "): " + entry.reason;
      const auto posted = store::executions::post(
          sql, kRolloutKind, row.rollout_id,
          {0, std::string(kRolloutEventKey) + entry.quarantine_id, json::encode_text(event), entry.added_at});
      if (!posted.ok() && posted.error().code() != Code::not_found) return posted;
    }
    page.after = some.next;
  } while (!page.after.empty());
  return {};
}

}  // namespace

const store::rollouts::Quarantine* hit_by(const std::vector<store::rollouts::Quarantine>& in_force,
                                          const fleet::PackageChange& change, std::string_view operating_system,
                                          const std::vector<std::string>& roles) {
  for (const auto& entry : in_force)
    if (entry.name == change.name && entry.version == change.to_version &&
        (entry.arch.empty() || entry.arch == change.arch) &&
        (entry.operating_system.empty() || entry.operating_system == operating_system) &&
        (entry.role.empty() || std::ranges::find(roles, entry.role) != roles.end()))
      return &entry;
  return nullptr;
}

Result<std::vector<std::string>> roles_of(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql, store::tags::kManagedInstance, node_id));
  std::vector<std::string> roles;
  for (const auto& tag : tags)
    if (tag.key == "Role") roles.push_back(tag.value);
  return roles;
}

namespace {

using Shipped = std::set<std::tuple<std::string, std::string, std::string>>;

Shipped shipped_by(const ChangeSetView& view) {
  Shipped out;
  for (const auto& part : view.parts)
    for (const auto& change : part.changes)
      if (!change.to_version.empty()) out.emplace(change.name, change.arch, change.to_version);
  return out;
}

}  // namespace

Result<const store::rollouts::Quarantine*> hit_by(Sql& sql, const std::vector<store::rollouts::Quarantine>& in_force,
                                                  const ChangeSetView& change_set) {
  const auto ships = shipped_by(change_set);
  for (const auto& entry : in_force) {
    if (entry.change_set_id.empty()) continue;
    if (entry.change_set_id == change_set.change_set_id) return &entry;
    const auto held = frozen_change_set(sql, entry.change_set_id);
    if (!held.ok() && held.error().code() != Code::not_found) return held.error();
    if (!held.ok()) continue;
    const auto bad = shipped_by(*held);
    if (!bad.empty() && std::ranges::includes(ships, bad)) return &entry;
  }
  return static_cast<const store::rollouts::Quarantine*>(nullptr);
}

bool is_in_quarantine(const std::vector<store::rollouts::Quarantine>& in_force,
                      const store::rollouts::Quarantine& entry) {
  const auto what = [](const store::rollouts::Quarantine& one) {
    return std::tie(one.change_set_id, one.name, one.arch, one.version, one.operating_system, one.role);
  };
  return std::ranges::any_of(in_force, [&](const auto& one) { return what(one) == what(entry); });
}

Result<std::string> put_into_quarantine(Sql& sql, store::rollouts::Quarantine entry, std::string_view but) {
  entry.quarantine_id = make_id("qu", io::random_bytes(kIdRandomBytes));
  BELAY_TRY(store::rollouts::add_quarantine(sql, entry));
  BELAY_TRY(note_in_audit(sql, entry.added_at, entry.added_by, "belay:PutQuarantine", entry.quarantine_id,
                          {{"rollout", entry.rollout_id},
                           {"changeSet", entry.change_set_id},
                           {"package", entry.name},
                           {"version", entry.version},
                           {"reason", entry.reason}}));
  BELAY_TRY(tell_rollouts(sql, entry, but));
  return entry.quarantine_id;
}

}  // namespace belay::server
