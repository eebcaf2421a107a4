#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "io/files.hpp"

namespace belay::cli {
namespace {

constexpr std::size_t kFileBytesMax = 64u << 10;  // as the API takes it

json::Object by_name(const Arguments& arguments) {
  json::Object request{{"Name", arguments.one("NAME")}};
  if (arguments.has("version")) request["DocumentVersion"] = arguments.one("version");
  return request;
}

// JSON where it begins with a brace; the rest is YAML.
std::string_view format_of(std::string_view content) { return trim(content).starts_with('{') ? "JSON" : "YAML"; }

Status add_content(const Arguments& arguments, json::Object& request) {
  BELAY_TRY_ASSIGN(const auto content, io::real_files().read(arguments.one("file"), kFileBytesMax));
  request["DocumentFormat"] = arguments.one("type") == "ChangeCalendar" ? "TEXT" : format_of(content);
  request["Content"] = content;
  if (arguments.has("version-name")) request["VersionName"] = arguments.one("version-name");
  return {};
}

Result<int> list(Context& context, const Arguments& arguments) {
  json::Object request;
  json::Array filters;
  const auto filter = [&](std::string_view key, const std::string& value) {
    filters.push_back(json::Object{{"Key", key}, {"Values", json::Array{json::Value(value)}}});
  };
  if (arguments.has("own")) filter("Owner", "Self");
  if (arguments.has("type")) filter("DocumentType", arguments.one("type"));
  if (!filters.empty()) request["Filters"] = std::move(filters);
  BELAY_TRY_ASSIGN(const auto documents, call_all(context, "ListDocuments", request, "DocumentIdentifiers"));
  Table table{{"NAME", "TYPE", "FORMAT", "VERSION", "OWNER", "CREATED (UTC)"}, {}};
  for (const auto& d : documents)
    table.rows.push_back({cell(d, "Name"), cell(d, "DocumentType"), cell(d, "DocumentFormat"),
                          cell(d, "DocumentVersion"), cell(d, "Owner"), time_cell(json::find(d, "CreatedDate"))});
  print(context, table, json::Object{{"DocumentIdentifiers", documents}}, std::cout);
  return kExitOk;
}

// The text itself, so that it can be kept as a file and given back to `update`.
Result<int> show(Context& context, const Arguments& arguments) {
  auto request = by_name(arguments);
  BELAY_TRY_ASSIGN(auto document, call(context, "GetDocument", request));
  BELAY_TRY_ASSIGN(const auto described, call(context, "DescribeDocument", request));
  const auto* of = json::find(described, "Document");
  if (const auto* format = of ? json::find(*of, "DocumentFormat") : nullptr; format && *format != "JSON") {
    request["DocumentFormat"] = *format;  // as it was written
    BELAY_TRY_ASSIGN(document, call(context, "GetDocument", request));
  }
  if (context.format != Format::table) {
    print_record(context, document, std::cout);
    return kExitOk;
  }
  const std::string content = json::text_or_empty(document, "Content");
  std::cout << content << (content.ends_with('\n') ? "" : "\n");
  return kExitOk;
}

Result<int> versions(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto versions,
                   call_all(context, "ListDocumentVersions", {{"Name", arguments.one("NAME")}}, "DocumentVersions"));
  Table table{{"VERSION", "NAME", "DEFAULT", "FORMAT", "STATUS", "CREATED (UTC)"}, {}};
  for (const auto& v : versions)
    table.rows.push_back({cell(v, "DocumentVersion"), cell(v, "VersionName"), cell(v, "IsDefaultVersion"),
                          cell(v, "DocumentFormat"), cell(v, "Status"), time_cell(json::find(v, "CreatedDate"))});
  print(context, table, json::Object{{"DocumentVersions", versions}}, std::cout);
  return kExitOk;
}

void told(Context& context, const std::string& what, const std::string& name, const std::string& version) {
  say(context, what + " " + name + ", version " + version, {{"Name", name}, {"DocumentVersion", version}}, std::cout);
}

Result<int> create(Context& context, const Arguments& arguments) {
  json::Object request{{"Name", arguments.one("NAME")}, {"DocumentType", arguments.one("type")}};
  BELAY_TRY(add_content(arguments, request));
  const auto made = call(context, "CreateDocument", request);
  if (!made.ok()) return made.error().within(arguments.one("file"));
  told(context, "made", arguments.one("NAME"), json::text_or_empty(made->at("DocumentDescription"), "DocumentVersion"));
  return kExitOk;
}

Result<int> make_default(Context& context, const std::string& name, const std::string& version) {
  BELAY_TRY(call(context, "UpdateDocumentDefaultVersion", {{"Name", name}, {"DocumentVersion", version}}));
  told(context, "the default is now", name, version);
  return kExitOk;
}

// A new version beside the old ones; what names no version goes on with the default one.
Result<int> update(Context& context, const Arguments& arguments) {
  const std::string name = arguments.one("NAME");
  BELAY_TRY_ASSIGN(const auto known, call(context, "DescribeDocument", {{"Name", name}}));
  json::Object request{{"Name", name}, {"DocumentVersion", "$LATEST"}};
  BELAY_TRY(add_content(arguments, request));
  if (json::text_or_empty(known.at("Document"), "DocumentType") == "ChangeCalendar") request["DocumentFormat"] = "TEXT";
  const auto made = call(context, "UpdateDocument", request);
  if (!made.ok()) return made.error().within(arguments.one("file"));
  const std::string version = json::text_or_empty(made->at("DocumentDescription"), "DocumentVersion");
  if (arguments.has("default")) return make_default(context, name, version);
  told(context, "kept", name, version);
  const std::string stays = json::text_or_empty(known.at("Document"), "DefaultVersion");
  if (context.format == Format::table && stays != version)
    std::cerr << "version " << stays << " stays the default; change it with: belay document default " << name << " "
              << version << "\n";
  return kExitOk;
}

Result<int> set_default(Context& context, const Arguments& arguments) {
  return make_default(context, arguments.one("NAME"), arguments.one("VERSION"));
}

Result<int> remove(Context& context, const Arguments& arguments) {
  const auto request = by_name(arguments);
  BELAY_TRY(call(context, "DeleteDocument", request));
  say(context,
      "deleted " + arguments.one("NAME") + (arguments.has("version") ? ", version " + arguments.one("version") : ""),
      {{"Deleted", arguments.one("NAME")}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec document_command() {
  const PositionalSpec name{"NAME", "the document's name"};
  const OptionSpec file{"-f,--file", "its text, YAML or JSON", Takes::one_value, true};
  const OptionSpec version_name{"--version-name", "a name for the version"};
  return {
      "document",
      "documents that commands, associations and automations run: list, show, versions, create, update, default, "
      "delete",
      {},
      {},
      {},
      {{"list",
        "every document, those that come with the server too",
        {},
        {{"--own", "only your own", Takes::nothing}, {"--type", "Command, Automation or ChangeCalendar"}},
        list,
        {}},
       {"show", "its text", {name}, {{"--version", "a number, $LATEST or $DEFAULT (the default)"}}, show, {}},
       {"versions", "its versions, and which is the default", {name}, {}, versions, {}},
       {"create",
        "a new document from a file",
        {name},
        {file, {"--type", "Command, Automation or ChangeCalendar", Takes::one_value, false, "Command"}, version_name},
        create,
        {}},
       {"update",
        "a new version from a file",
        {name},
        {file, version_name, {"--default", "make it the default version at once", Takes::nothing}},
        update,
        {}},
       {"default", "which version runs where none is named", {name, {"VERSION", "its number"}}, {}, set_default, {}},
       {"delete", "remove a document", {name}, {{"--version", "only this version"}}, remove, {}}}};
}

}  // namespace belay::cli
