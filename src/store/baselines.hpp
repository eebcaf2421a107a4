#pragma once
// Patch baselines, every version kept, so that "as of T" can be asked; the defaults per operating system and the
// bindings of patch groups likewise.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::baselines {

struct Version {
  std::string baseline_id{};     // "pb-…"
  std::uint32_t generation = 1;  // 1, 2, … ; a version never changes
  std::string name{};
  std::string operating_system{};  // SSM's word; the same in every generation
  bool predefined = false;         // Belay's own, owner "AWS" in SSM's words; else "Self"
  std::string content{};           // JSON text of core/baseline's struct
  Instant created_at{};            // of generation 1
  Instant valid_from{};
  std::optional<Instant> valid_to{};  // exclusive; absent: in force
  std::string changed_by{};
};

// generation, created_at, valid_to are set here. already_exists where the id is taken, even by a deleted one.
Status create(Sql& sql, const Version& first);
struct Change {
  std::string baseline_id{}, name{}, content{}, changed_by{};
  std::optional<std::uint32_t> expected_generation{};  // conflict where another one is in force
  Instant at{};
};
// Ends the version in force and adds the next. not_found where there is none.
Result<Version> update(Sql& sql, const Change& change);
// Ends the version in force. conflict "baseline-in-use" where it is a default or bound to a group; ok where unknown.
Status remove(Sql& sql, std::string_view baseline_id, Instant at);
Result<Version> get(Sql& sql, std::string_view baseline_id);
Result<Version> get_generation(Sql& sql, std::string_view baseline_id, std::uint32_t generation);
Result<Version> as_of(Sql& sql, std::string_view baseline_id, Instant at);
struct Filter {
  std::vector<std::string> name_prefixes{}, operating_systems{};
  std::optional<bool> predefined{};
};
// Versions in force, by id.
Result<Listed<Version>> list(Sql& sql, const Filter& filter, const Page& page);
Result<std::vector<Version>> history(Sql& sql, std::string_view baseline_id);

// ---- the default of an operating system; repeats are ok
Status set_default(Sql& sql, std::string_view operating_system, std::string_view baseline_id, Instant at);
// not_found where none was set. `at` absent: now.
Result<std::string> default_of(Sql& sql, std::string_view operating_system, std::optional<Instant> at = {});

// ---- patch groups: at most one baseline an operating system
struct GroupBinding {
  std::string patch_group{}, baseline_id{}, operating_system{};
};
// already_exists "patch-group-bound" where another baseline of that system has the group; the same again is ok.
Status bind_group(Sql& sql, const GroupBinding& binding, Instant at);
// ok where it was not bound.
Status unbind_group(Sql& sql, std::string_view patch_group, std::string_view baseline_id, Instant at);
// not_found where the group has none for that system.
Result<std::string> baseline_of_group(Sql& sql, std::string_view patch_group, std::string_view operating_system,
                                      std::optional<Instant> at = {});
Result<std::vector<std::string>> groups_of(Sql& sql, std::string_view baseline_id);
Result<Listed<GroupBinding>> list_groups(Sql& sql, const Page& page);

// Grows with every change above: tells a server that what it holds in memory is old.
Result<std::int64_t> generation(Sql& sql);

}  // namespace belay::store::baselines
