#pragma once
// State Manager: associations and the changes that the engine must hear of. association_kind.hpp drives them.
#include <memory>
#include <string>
#include <string_view>

#include "core/association/machine.hpp"
#include "server/engine/commands.hpp"
#include "server/engine/windows.hpp"
#include "store/associations.hpp"

namespace belay::server {

inline constexpr std::string_view kAssociationKind = "association";  // one for each, as long as it is there
inline constexpr std::string_view kAssociationMatcherKind = "association_matcher";  // one: which nodes match which
inline constexpr std::int64_t kAssociationsMax = 10'000;

// Whether it could be run as things are: settings, targets, calendars, window, document and parameters. Writes what it
// tries: the caller's transaction is to be given up, whatever the answer. Reasons are SSM's exceptions.
Status try_association(store::Sql& sql, const Windows& windows, const association::Settings& settings, Instant now);
// The same in a transaction of its own that leaves nothing behind.
Status rehearse_association(store::Store& store, const Windows& windows, const association::Settings& settings,
                            Instant now);
// CutoffHours against the length of the window that it counts back from.
Status check_cutoff_in(const association::Settings& settings, const store::windows::Window& window);

// ---- in the caller's transaction, each with its audit entry; the settings were rehearsed
Result<store::associations::Association> create_association(store::Sql& sql, const association::Settings& settings,
                                                            std::string_view by, Instant now);
// not_found "AssociationDoesNotExist". What is the same as before is a new version, too: it runs again.
Result<store::associations::Association> update_association(store::Sql& sql, std::string_view association_id,
                                                            const association::Settings& settings, std::string_view by,
                                                            Instant now);
Status remove_association(store::Sql& sql, std::string_view association_id, std::string_view by, Instant now);
// Runs it once more as soon as nothing holds it back.
Status run_association(store::Sql& sql, std::string_view association_id, std::string_view by, Instant now);

// A node came, its tags changed, or it is gone: the associations that match it now run on it at once.
Status node_changed(store::Sql& sql, std::string_view node_id, Instant now);
// It was heard of again: what missed it runs on it now.
Status node_came_back(store::Sql& sql, std::string_view node_id, Instant now);

Result<association::Settings> settings_of(const std::string& content);
std::vector<Target> targets_of(const association::Settings& settings);

}  // namespace belay::server
