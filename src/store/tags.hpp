#pragma once
// Tags as SSM has them: a key and a value on a resource, at most 50 each.
#include <boost/describe.hpp>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::tags {

inline constexpr std::size_t kTagsMax = 50;  // of one resource
inline constexpr std::size_t kKeyChars = 128, kValueChars = 256;
// SSM's ResourceType words; any other text of at most 64 bytes may be used likewise.
inline constexpr std::string_view kManagedInstance = "ManagedInstance", kPatchBaseline = "PatchBaseline",
                                  kActivation = "Activation", kMaintenanceWindow = "MaintenanceWindow";

struct Tag {
  std::string key{};
  std::string value{};
  auto operator<=>(const Tag&) const = default;
};
BOOST_DESCRIBE_STRUCT(Tag, (), (key, value))

// tag:Key=value,value (any of), or tag-key where `values` is empty.
struct TagFilter {
  std::string key{};
  std::vector<std::string> values{};
};

// Adds or overwrites by key. resource_exhausted "too-many-tags" over 50; invalid_argument for a bad key or value.
// May be repeated. Whether the resource exists is the caller's to know.
Status set(Sql& sql, std::string_view resource_type, std::string_view resource_id, std::span<const Tag> tags);
// Keys that are not there are passed over.
Status remove(Sql& sql, std::string_view resource_type, std::string_view resource_id,
              std::span<const std::string> keys);
Status remove_all(Sql& sql, std::string_view resource_type, std::string_view resource_id);
// Sorted by key; empty where there are none.
Result<std::vector<Tag>> list(Sql& sql, std::string_view resource_type, std::string_view resource_id);
// Of many resources, by id; those without tags are absent.
Result<std::map<std::string, std::vector<Tag>>> list_many(Sql& sql, std::string_view resource_type,
                                                          std::span<const std::string> resource_ids);
// Ids (sorted) of the resources that pass every filter.
Result<Listed<std::string>> find(Sql& sql, std::string_view resource_type, std::span<const TagFilter> filters,
                                 const Page& page);
// The values in use of one key, sorted, empty ones left out: the patch groups there are, for instance.
Result<Listed<std::string>> values(Sql& sql, std::string_view resource_type, std::string_view key, const Page& page);

}  // namespace belay::store::tags
