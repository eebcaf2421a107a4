#include "core/document/versions.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "base/yaml.hpp"

namespace belay::document {
namespace {

bool is_name(std::string_view text, std::size_t min, std::size_t max) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  return text.size() >= min && text.size() <= max && std::ranges::all_of(text, fits);
}

Error no_version(std::span<const Version> versions, const std::string& asked) {
  return Error(Code::not_found,
               "there is no version " + asked + " of the document; the newest is " +
                   (versions.empty() ? "none" : std::to_string(versions.back().number)),
               "InvalidDocumentVersion");
}

Result<Version> by_number(std::span<const Version> versions, std::uint32_t number) {
  const auto at = std::ranges::find(versions, number, &Version::number);
  if (at == versions.end()) return no_version(versions, std::to_string(number));
  return *at;
}

}  // namespace

Status check_document_name(std::string_view name) {
  static constexpr std::string_view kKept[] = {"aws-",       "aws:",   "awsec2", "awsconfigremediation",
                                               "awssupport", "amazon", "amzn",   "belay-"};
  const auto refuse = [&](const std::string& why) {
    return Error(Code::invalid_argument, "Name '" + sanitize(name, 130) + "' " + why, "ValidationException");
  };
  if (!is_name(name, 3, 128)) return refuse("must have 3 to 128 letters, digits and _.-");
  const auto lower = to_lower(name);
  for (const auto kept : kKept)
    if (lower.starts_with(kept))
      return refuse("begins with '" + std::string(kept) + "', which is kept for documents that are built in");
  return {};
}

std::string_view content_to_hash(std::string_view content) { return content; }

Result<Version> find_version(std::span<const Version> versions, std::uint32_t default_version, std::string_view wanted,
                             std::string_view version_name) {
  if (versions.empty()) return no_version(versions, "");
  if (!version_name.empty()) {
    const auto at = std::ranges::find(versions, version_name, &Version::name);
    if (at == versions.end()) return no_version(versions, "named '" + sanitize(version_name, 60) + "'");
    std::uint32_t number = 0;
    std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
    if (!wanted.empty() && wanted[0] != '$' && number != at->number)
      return no_version(versions, std::string(wanted) + " named '" + sanitize(version_name, 60) + "'");
    return *at;
  }
  if (wanted.empty() || wanted == "$DEFAULT") return by_number(versions, default_version);
  if (wanted == "$LATEST") return versions.back();
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  if (error != std::errc() || end != wanted.data() + wanted.size() || wanted.front() == '0')
    return Error(Code::invalid_argument,
                 "DocumentVersion '" + sanitize(wanted, 40) + "': expected $DEFAULT, $LATEST or a number",
                 "InvalidDocumentVersion");
  return by_number(versions, number);
}

Result<std::uint32_t> next_version(std::span<const Version> versions, std::string_view hash,
                                   std::string_view version_name) {
  if (!version_name.empty() && !is_name(version_name, 1, 128))
    return Error(Code::invalid_argument, "VersionName must have 1 to 128 letters, digits and _.-",
                 "ValidationException");
  for (const auto& version : versions) {
    if (version.hash == hash)
      return Error(
          Code::already_exists,
          "the content is that of version " + std::to_string(version.number) + "; change it, or use that version",
          "DuplicateDocumentContent");
    if (!version_name.empty() && version.name == version_name)
      return Error(Code::already_exists,
                   "version " + std::to_string(version.number) + " has the name '" + version.name + "' already",
                   "DuplicateDocumentVersionName");
  }
  if (versions.size() >= kVersionsMax)
    return Error(Code::resource_exhausted, "the document has 1000 versions; delete some and try again",
                 "DocumentVersionLimitExceeded");
  return versions.empty() ? 1 : versions.back().number + 1;
}

Status check_delete_version(std::span<const Version> versions, std::uint32_t default_version, std::uint32_t version) {
  BELAY_TRY(by_number(versions, version));
  if (version != default_version) return {};
  return Error(Code::conflict,
               "version " + std::to_string(version) +
                   " is the default one; make another the default first, or delete the document",
               "InvalidDocumentVersion");
}

Result<std::string> convert(std::string_view content, Format from, Format to) {
  if (from == to) return std::string(content);
  BELAY_TRY_ASSIGN(const auto read, read_content(content, from));
  return to == Format::YAML ? yaml::to_text(read.value) : json::to_pretty_text(read.value) + "\n";
}

Format guess_format(std::string_view content) { return trim(content).starts_with('{') ? Format::JSON : Format::YAML; }

}  // namespace belay::document
