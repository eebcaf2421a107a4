#pragma once
// Documents of the operators' own and their versions. What is in them is core/document's to judge; the built-in ones
// are not here. A version is never changed once made.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::documents {

inline constexpr std::uint32_t kVersionsMax = 1'000;  // of one document, as SSM has it
inline constexpr std::size_t kContentBytesMax = 64 << 10;

struct Version {
  std::uint32_t version = 0;  // set here: 1, 2, …, never given again while the document is there
  std::string version_name{}, display_name{};
  std::string format = "JSON";   // as it was sent: JSON, YAML or TEXT
  std::string schema_version{};  // "2.2"
  std::string sha256{};          // of content
  std::string content{};         // list_versions() leaves it empty
  Instant created_at{};
  std::string created_by{};
};

struct Document {
  std::string name{};
  std::string document_type = "Command";  // SSM's DocumentType
  std::string target_type{};
  std::uint32_t default_version = 1, latest_version = 1;
  std::vector<std::string> shared_with{};  // account ids, or "All"; sorted
  Instant created_at{};
  std::string created_by{};
};

// With its first version. already_exists.
Status create(Sql& sql, const Document& document, const Version& first);
Result<Document> get(Sql& sql, std::string_view name);
// Adds the next version and returns its number; the default stays. conflict "duplicate-content" where a version of it
// has these very bytes, "duplicate-version-name"; resource_exhausted "too-many-versions"; not_found.
Result<std::uint32_t> add_version(Sql& sql, std::string_view name, const Version& version);
// not_found, for the document or the version.
Result<Version> get_version(Sql& sql, std::string_view name, std::uint32_t version);
Result<Version> get_version_named(Sql& sql, std::string_view name, std::string_view version_name);
// Newest first, without content.
Result<Listed<Version>> list_versions(Sql& sql, std::string_view name, const Page& page);
Status set_default_version(Sql& sql, std::string_view name, std::uint32_t version);
Status set_target_type(Sql& sql, std::string_view name, std::string_view target_type);
Status share(Sql& sql, std::string_view name, const std::vector<std::string>& shared_with);
// The whole document with every version. not_found.
Status remove(Sql& sql, std::string_view name);
// One version; conflict "default-version" for the one that is the default.
Status remove_version(Sql& sql, std::string_view name, std::uint32_t version);

// The default and the latest versions of other documents that have the text somewhere in their content.
struct Mention {
  std::string name{}, document_type{};
  std::uint32_t version = 0;
};
Result<std::vector<Mention>> that_mention(Sql& sql, std::string_view text);

struct Filter {
  std::vector<std::string> names{};  // whole names
  std::string name_prefix{};
  std::vector<std::string> document_types{}, target_types{};
};
// By name.
Result<Listed<Document>> list(Sql& sql, const Filter& filter, const Page& page);

}  // namespace belay::store::documents
