#include "server/engine/documents.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "core/document/built_in.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kSentAlongBytesMax = 1u << 20;

Error no_version(std::string_view name, std::string_view version, const std::string& there) {
  return Error(Code::invalid_argument,
               "document " + std::string(name) + " has no version '" + sanitize(version, 40) + "'; there is " + there,
               "InvalidDocumentVersion");
}

Result<FoundDocument> find_built_in(const document::BuiltIn& built_in, std::string_view name, std::string_view version,
                                    std::string_view version_name) {
  const bool the_one = version.empty() || version == "$DEFAULT" || version == "$LATEST" || version == "1";
  if (!the_one || !version_name.empty())
    return no_version(name, version_name.empty() ? version : version_name, "1 only: it comes with this server");
  return FoundDocument{std::string(name), "1", "Command", document::Format::YAML, std::string(built_in.content), true};
}

Result<store::documents::Version> version_of(store::Sql& sql, const store::documents::Document& row,
                                             std::string_view version, std::string_view version_name) {
  if (!version_name.empty()) return store::documents::get_version_named(sql, row.name, version_name);
  std::uint32_t number = row.default_version;
  if (version == "$LATEST") {
    number = row.latest_version;
  } else if (!version.empty() && version != "$DEFAULT") {
    const auto [end, error] = std::from_chars(version.data(), version.data() + version.size(), number);
    if (error != std::errc() || end != version.data() + version.size()) number = 0;
  }
  return store::documents::get_version(sql, row.name, number);
}

}  // namespace

std::string_view document_name_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return name.starts_with("arn:") && slash != std::string_view::npos ? name.substr(slash + 1) : name;
}

Result<FoundDocument> find_document(store::Sql& sql, std::string_view name_or_arn, std::string_view version,
                                    std::string_view version_name) {
  const auto name = document_name_of(name_or_arn);
  if (const auto* built_in = document::find_built_in(name))
    return find_built_in(*built_in, name, version, version_name);
  const auto row = store::documents::get(sql, name);
  if (!row.ok() && row.error().code() != Code::not_found) return row.error();
  // "does not exist" is what Terraform's provider looks for.
  if (!row.ok())
    return Error(Code::not_found, "document '" + sanitize(name, 128) + "' does not exist", "InvalidDocument");
  auto found = version_of(sql, *row, version, version_name);
  if (!found.ok() && found.error().code() != Code::not_found) return found.error();
  if (!found.ok())
    return no_version(
        name, version_name.empty() ? version : version_name,
        std::to_string(row->default_version) + " (the default) and up to " + std::to_string(row->latest_version));
  const auto format = found->format == "JSON" ? document::Format::JSON : document::Format::YAML;
  return FoundDocument{row->name, std::to_string(found->version), row->document_type,
                       format,    std::move(found->content),      false};
}

Status send_documents_along(store::Sql& sql, std::vector<document::Step>& steps) {
  std::size_t bytes = 0;
  for (auto& step : steps) {
    auto* work = std::get_if<document::DownloadContent>(&step.work);
    if (!work || !step.skip.empty() || work->source != document::Source::SSMDocument || !work->content.empty())
      continue;
    BELAY_TRY_ASSIGN(auto found,
                     find_document(sql, work->location, work->document_version).within("step " + step.name));
    bytes += found.content.size();
    if (bytes > kSentAlongBytesMax)
      return Error(Code::resource_exhausted, "step " + step.name + ": the documents that are downloaded are over 1 MiB",
                   "InvalidDocument");
    work->path = found.name + (found.format == document::Format::JSON ? ".json" : ".yaml");
    work->content = std::move(found.content);
  }
  return {};
}

document::Resolver document_resolver(store::Sql& sql) {
  return [&sql](const std::string& name, const std::string& version) -> Result<document::CommandDocument> {
    BELAY_TRY_ASSIGN(const auto found, find_document(sql, name, version));
    if (found.document_type != "Command")
      return Error(
          Code::invalid_argument,
          "document " + found.name + " is of the type " + found.document_type + "; only Command documents run on nodes",
          "InvalidDocument");
    return document::parse_command_document(found.content, found.format).within("document " + found.name);
  };
}

}  // namespace belay::server
