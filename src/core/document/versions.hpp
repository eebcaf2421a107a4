#pragma once
// What goes by a document's name: which names may be taken, its versions, the default one, its content in both formats.
// Errors carry the names of SSM's exceptions as reasons.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/document/reader.hpp"

namespace belay::document {

inline constexpr std::size_t kVersionsMax = 1'000;

struct Version {
  std::uint32_t number = 1;  // from 1, one after the other; a deleted one's number is not given again
  std::string name;          // VersionName; may be ""
  std::string hash;          // of content_to_hash(), in hexadecimal
};
BOOST_DESCRIBE_STRUCT(Version, (), (number, name, hash))

// [a-zA-Z0-9_.-]{3,128}, and none of the beginnings that are kept for us and for AWS (aws-, amazon, amzn, belay-, in
// any case). invalid_argument "ValidationException".
Status check_document_name(std::string_view name);

// SHA-256 of these bytes is the document's hash: the content as it was given.
std::string_view content_to_hash(std::string_view content);

// `wanted` is "", "$DEFAULT", "$LATEST" or a number; `version_name` asks by name and excludes any other `wanted`.
// "InvalidDocumentVersion" says which there are.
Result<Version> find_version(std::span<const Version> versions, std::uint32_t default_version, std::string_view wanted,
                             std::string_view version_name = {});

// Whether a new version with this content and name may be added, and its number: "DuplicateDocumentContent",
// "DuplicateDocumentVersionName", "DocumentVersionLimitExceeded".
Result<std::uint32_t> next_version(std::span<const Version> versions, std::string_view hash,
                                   std::string_view version_name);

// Whether the version may be deleted alone: not the default one. "InvalidDocumentVersion".
Status check_delete_version(std::span<const Version> versions, std::uint32_t default_version, std::uint32_t version);

// The content spelled in the other format; as it is where the formats are one. Comments are lost on the way.
Result<std::string> convert(std::string_view content, Format from, Format to);

// What a caller means who did not say: JSON where it begins with '{'.
Format guess_format(std::string_view content);

}  // namespace belay::document
