// Documents and their versions (ssm.md §3.1). The built-in ones can be read and run, not changed.
#include "store/documents.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "core/automation/runbook.hpp"
#include "core/calendar/calendar.hpp"
#include "core/document/built_in.hpp"
#include "core/document/versions.hpp"
#include "io/crypto.hpp"
#include "server/api/document_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/reply_parts.hpp"
#include "server/engine/association_sets.hpp"
#include "server/engine/change_calendars.hpp"
#include "server/engine/documents.hpp"
#include "server/engine/uses.hpp"

namespace belay::server {
namespace {

namespace documents = store::documents;

constexpr std::string_view kTagged = "Document";

using Shown = ShownDocument;

// What can be read from a content that was checked when it was made.
struct Content {
  std::string schema_version, description;  // "" where the type has none
  std::vector<document::Parameter> parameters;
  std::vector<std::string> platforms{"Linux"};
};

document::Format format_of(std::string_view text) {
  return text == "JSON" ? document::Format::JSON : document::Format::YAML;
}

Error no_document(std::string_view name) {
  return failure("InvalidDocument", "document '" + sanitize(name, 128) + "' does not exist");
}

Result<Content> read_content(const std::string& type, const std::string& content, document::Format format) {
  if (type == kChangeCalendarType) return Content{"", "", {}, {}};
  if (type == "Automation") {
    BELAY_TRY_ASSIGN(auto runbook, automation::parse_runbook(content, format));
    return Content{"0.3", runbook.description, std::move(runbook.parameters), {"Linux"}};
  }
  BELAY_TRY_ASSIGN(auto command, document::parse_command_document(content, format));
  auto platforms = document::platform_types(command);
  return Content{command.schema_version, command.description, std::move(command.parameters), std::move(platforms)};
}

json::Array parameters_reply(const std::vector<document::Parameter>& parameters) {
  json::Array rows;
  for (const auto& parameter : parameters) {
    json::Object row{{"Name", parameter.name}, {"Type", json::encode(parameter.type)}};
    put(row, "Description", json::Value(parameter.description));
    if (parameter.default_value)
      row["DefaultValue"] = parameter.default_value->is_string() ? *parameter.default_value
                                                                 : json::Value(json::to_text(*parameter.default_value));
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<json::Object> description_reply(store::Sql& sql, const Shown& shown) {
  auto out = identity_reply(shown);
  out["Status"] = "Active";
  out["Hash"] = shown.version.sha256;
  out["HashType"] = "Sha256";
  out["DefaultVersion"] = std::to_string(shown.built_in ? 1 : shown.document.default_version);
  out["LatestVersion"] = std::to_string(shown.built_in ? 1 : shown.document.latest_version);
  BELAY_TRY_ASSIGN(const auto content,
                   read_content(shown.document.document_type, shown.version.content, format_of(shown.version.format)));
  put(out, "SchemaVersion", json::Value(content.schema_version));
  put(out, "PlatformTypes", texts_reply(content.platforms));
  put(out, "Description", json::Value(content.description));
  put(out, "Parameters", parameters_reply(content.parameters));
  BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql, kTagged, shown.document.name));
  put(out, "Tags", tags_reply(tags));
  if (shown.built_in) return out;
  BELAY_TRY_ASSIGN(const auto review, newest_review(sql, shown));
  out["ReviewStatus"] = json::encode(review.status);
  if (review.status != document::ReviewStatus::NOT_REVIEWED)
    out["ReviewInformation"] = json::Array{json::Object{
        {"ReviewedTime", epoch(review.at)}, {"Status", json::encode(review.status)}, {"Reviewer", review.reviewer}}};
  return out;
}

Status check_calendar(const Call& call, const std::string& content) {
  const auto read = calendar::parse_calendar(call.text("Name"), content, call.services.windows.read_zone());
  if (read.ok()) return {};
  const bool large = read.error().code() == Code::resource_exhausted;
  return failure(large ? "MaxDocumentSizeExceeded" : "InvalidDocumentContent", read.error().chain());
}

automation::RunbookResolver runbook_resolver(store::Sql& sql) {
  return [&sql](const std::string& name, const std::string& version) -> Result<automation::Runbook> {
    BELAY_TRY_ASSIGN(const auto found, find_document(sql, name, version));
    return automation::parse_runbook(found.content, found.format);
  };
}

// The content as it was sent, checked whole: what would not run is not kept.
Result<documents::Version> version_from(store::Sql& sql, const Call& call, const std::string& type) {
  documents::Version version;
  version.content = call.text("Content");
  version.format = call.text("DocumentFormat");
  const bool is_calendar = type == kChangeCalendarType;
  if (version.format.empty()) version.format = is_calendar ? "TEXT" : "JSON";
  if ((version.format == "TEXT") != is_calendar)
    return failure("InvalidDocumentContent",
                   "DocumentFormat " + version.format + " is not for documents of the type " + type +
                       (is_calendar ? ": a change calendar is iCalendar text, TEXT" : "; write JSON or YAML"));
  version.version_name = call.text("VersionName");
  version.display_name = call.text("DisplayName");
  version.sha256 = io::sha256_hex(document::content_to_hash(version.content));
  version.created_at = call.now;
  version.created_by = call.principal;
  if (is_calendar) {
    BELAY_TRY(check_calendar(call, version.content));
    return version;
  }
  const auto format = format_of(version.format);
  const auto content = read_content(type, version.content, format);
  if (!content.ok()) return document_failure(content.error());
  version.schema_version = content->schema_version;
  if (type == "Automation") {
    BELAY_TRY_ASSIGN(const auto runbook, automation::parse_runbook(version.content, format));
    const auto inner = automation::check_inner_runbooks(call.text("Name"), runbook, runbook_resolver(sql));
    if (!inner.ok()) return failure("InvalidDocumentContent", inner.error().chain());
  }
  if (type != "Command") return version;
  BELAY_TRY_ASSIGN(const auto command, document::parse_command_document(version.content, format));
  const auto inner = document::check_inner_documents(call.text("Name"), command, document_resolver(sql));
  if (!inner.ok()) return failure("InvalidDocumentContent", inner.error().chain());
  const auto literal = document::check_literal_inputs(command);
  if (!literal.ok()) return failure("InvalidDocumentContent", literal.error().chain());
  return version;
}

Error not_kept(const Error& error) {
  if (error.reason() == "duplicate-content") return failure("DuplicateDocumentContent", error.chain());
  if (error.reason() == "duplicate-version-name") return failure("DuplicateDocumentVersionName", error.chain());
  if (error.reason() == "too-many-versions") return failure("DocumentVersionLimitExceeded", error.chain());
  return error;
}

// `version`: "" for the document whole.
Status refuse_while_in_use(store::Sql& sql, const std::string& name, const std::string& version) {
  BELAY_TRY_ASSIGN(const auto user, user_of_document(sql, name, version));
  if (user.empty()) return {};
  return failure(user.starts_with("association") ? "AssociatedInstances" : "InvalidDocumentOperation",
                 user + " names " + (version.empty() ? "" : "version " + version + " of ") + "document " + name +
                     "; delete or change that first");
}

}  // namespace

ShownDocument show_built_in(const document::BuiltIn& built_in, std::string_view name) {
  ShownDocument shown;
  shown.built_in = true;
  shown.document.name = name;
  shown.version.version = 1;
  shown.version.format = "YAML";
  shown.version.content = built_in.content;
  shown.version.sha256 = io::sha256_hex(built_in.content);
  return shown;
}

json::Object identity_reply(const ShownDocument& shown) {
  json::Object out{{"Name", shown.document.name},
                   {"DocumentType", shown.document.document_type},
                   {"DocumentFormat", shown.version.format},
                   {"DocumentVersion", std::to_string(shown.version.version)},
                   {"Owner", shown.built_in ? "Belay" : "Self"}};
  put(out, "VersionName", json::Value(shown.version.version_name));
  put(out, "DisplayName", json::Value(shown.version.display_name));
  put(out, "TargetType", json::Value(shown.document.target_type));
  if (!shown.built_in) {
    out["CreatedDate"] = epoch(shown.version.created_at);
    out["Author"] = shown.version.created_by;
  }
  return out;
}

Error document_failure(const Error& error) {
  return error.reason().empty() ? error : failure(error.reason(), error.chain());
}

Result<documents::Document> own_document(store::Sql& sql, std::string_view name) {
  if (document::find_built_in(name))
    return failure("InvalidDocument", "document " + std::string(name) + " comes with the server and cannot be changed");
  auto found = documents::get(sql, document_name_of(name));
  if (!found.ok() && found.error().code() == Code::not_found) return no_document(name);
  return found;
}

Result<ShownDocument> find_shown_document(store::Sql& sql, const Call& call) {
  const std::string name(document_name_of(call.text("Name")));
  const auto found = find_document(sql, name, call.text("DocumentVersion"), call.text("VersionName"));
  if (!found.ok()) return document_failure(found.error());
  if (found->built_in) return show_built_in(*document::find_built_in(name), name);
  Shown shown;
  BELAY_TRY_ASSIGN(shown.document, documents::get(sql, name));
  std::uint32_t number = 0;
  std::from_chars(found->version.data(), found->version.data() + found->version.size(), number);
  BELAY_TRY_ASSIGN(shown.version, documents::get_version(sql, name, number));
  return shown;
}

Result<json::Object> create_document(const Call& call) {
  for (const char* member : {"Attachments", "Requires"})
    if (json::find(call.request, member))
      return failure("ValidationException", std::string(member) + " is not supported: leave it out");
  documents::Document document;
  document.name = call.text("Name");
  document.document_type = call.text("DocumentType").empty() ? "Command" : call.text("DocumentType");
  document.target_type = call.text("TargetType");
  document.created_at = call.now;
  document.created_by = call.principal;
  if (document.document_type != "Command" && document.document_type != "Automation" &&
      document.document_type != kChangeCalendarType)
    return failure("ValidationException", "DocumentType: documents of the type " + document.document_type +
                                              " are not offered; there are Command, Automation and ChangeCalendar");
  if (const auto name = document::check_document_name(document.name); !name.ok()) return document_failure(name.error());
  BELAY_TRY_ASSIGN(const auto tags, tags_of(call.request));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto version, version_from(sql, call, document.document_type));
    const auto created = documents::create(sql, document, version);
    if (!created.ok() && created.error().code() == Code::already_exists)
      return failure("DocumentAlreadyExists",
                     "document " + document.name + " exists already; UpdateDocument makes a new version");
    BELAY_TRY(created);
    BELAY_TRY(store::tags::set(sql, kTagged, document.name, tags));
    BELAY_TRY(
        audit_change(sql, call, document.name, {{"DocumentType", document.document_type}, {"Sha256", version.sha256}}));
    auto first = version;
    first.version = 1;
    BELAY_TRY_ASSIGN(auto described, description_reply(sql, {document, first, false}));
    return json::Object{{"DocumentDescription", std::move(described)}};
  });
}

Result<json::Object> update_document(const Call& call) {
  if (json::find(call.request, "Attachments"))
    return failure("ValidationException", "Attachments is not supported: leave it out");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(auto document, own_document(sql, call.text("Name")));
    // The version that the change was made from: it must be there, and the change becomes the newest one all the same.
    const auto base = find_document(sql, document.name, call.text("DocumentVersion"));
    if (!base.ok()) return document_failure(base.error());
    BELAY_TRY_ASSIGN(auto version, version_from(sql, call, document.document_type));
    const auto number = documents::add_version(sql, document.name, version);
    if (!number.ok()) return not_kept(number.error());
    document.latest_version = version.version = *number;
    if (const auto target_type = call.text("TargetType"); !target_type.empty()) {
      BELAY_TRY(documents::set_target_type(sql, document.name, target_type));
      document.target_type = target_type;
    }
    BELAY_TRY(association_documents_changed(sql, call.now));
    BELAY_TRY(
        audit_change(sql, call, document.name, {{"DocumentVersion", version.version}, {"Sha256", version.sha256}}));
    BELAY_TRY_ASSIGN(auto described, description_reply(sql, {document, version, false}));
    return json::Object{{"DocumentDescription", std::move(described)}};
  });
}

Result<json::Object> get_document(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto shown, find_shown_document(sql, call));
    auto out = identity_reply(shown);
    out.erase("Owner");
    out.erase("Author");
    out.erase("TargetType");
    out["Status"] = "Active";
    out["Content"] = shown.version.content;
    if (shown.version.format == "TEXT") return out;  // there is no other spelling of it
    const std::string wanted = call.text("DocumentFormat");
    const std::string format = wanted.empty() ? "JSON" : wanted;  // as SSM: JSON where nothing is said
    if (format == "TEXT")
      return failure("ValidationException", "DocumentFormat TEXT is for change calendars; ask for JSON or YAML");
    const auto content = document::convert(shown.version.content, format_of(shown.version.format), format_of(format));
    if (!content.ok()) return document_failure(content.error());
    out["Content"] = *content;
    out["DocumentFormat"] = format;
    return out;
  });
}

Result<json::Object> describe_document(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto shown, find_shown_document(sql, call));
    BELAY_TRY_ASSIGN(auto described, description_reply(sql, shown));
    return json::Object{{"Document", std::move(described)}};
  });
}

Result<json::Object> delete_document(const Call& call) {
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto document, own_document(sql, call.text("Name")));
    const bool one = !call.text("DocumentVersion").empty() || !call.text("VersionName").empty();
    if (one) {
      BELAY_TRY_ASSIGN(const auto shown, find_shown_document(sql, call));
      BELAY_TRY(refuse_while_in_use(sql, document.name, std::to_string(shown.version.version)));
      const auto removed = documents::remove_version(sql, document.name, shown.version.version);
      if (!removed.ok()) return failure("InvalidDocumentOperation", removed.error().chain());
    } else {
      BELAY_TRY(refuse_while_in_use(sql, document.name, ""));
      BELAY_TRY(documents::remove(sql, document.name));
      BELAY_TRY(store::tags::remove_all(sql, kTagged, document.name));
    }
    BELAY_TRY(audit_change(sql, call, document.name, {{"DocumentVersion", call.text("DocumentVersion")}}));
    return json::Object();
  });
}

Result<json::Object> update_document_default_version(const Call& call) {
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto document, own_document(sql, call.text("Name")));
    BELAY_TRY_ASSIGN(const auto shown, find_shown_document(sql, call));
    BELAY_TRY(documents::set_default_version(sql, document.name, shown.version.version));
    BELAY_TRY(association_documents_changed(sql, call.now));
    BELAY_TRY(audit_change(sql, call, document.name, {{"DefaultVersion", shown.version.version}}));
    json::Object description{{"Name", document.name}, {"DefaultVersion", std::to_string(shown.version.version)}};
    put(description, "DefaultVersionName", json::Value(shown.version.version_name));
    return json::Object{{"Description", std::move(description)}};
  });
}

Result<json::Object> describe_document_permission(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 1'000, 1'000));  // whole, for who does not page
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto document, own_document(sql, call.text("Name")));
    json::Array accounts, sharing;
    json::Object reply;
    for (const auto& account : document.shared_with) {  // sorted
      if (account <= page.after) continue;
      if (accounts.size() == page.limit) {
        put_next(reply, call, std::string(accounts.back().get_string()));
        break;
      }
      accounts.push_back(json::Value(account));
      sharing.push_back(json::Object{{"AccountId", account}, {"SharedDocumentVersion", "$DEFAULT"}});
    }
    reply["AccountIds"] = std::move(accounts);
    reply["AccountSharingInfoList"] = std::move(sharing);
    return reply;
  });
}

Result<json::Object> modify_document_permission(const Call& call) {
  struct Changes {
    std::vector<std::string> add, remove;
  } changes;
  for (const auto& [member, list] :
       {std::pair{"AccountIdsToAdd", &changes.add}, {"AccountIdsToRemove", &changes.remove}})
    if (const auto* value = json::find(call.request, member)) {
      BELAY_TRY_ASSIGN(*list, json::decode<std::vector<std::string>>(*value, member));
    }
  for (const auto& account : changes.add)
    if (std::ranges::find(changes.remove, account) != changes.remove.end())
      return failure("ValidationException", "the account " + sanitize(account, 20) +
                                                " is in AccountIdsToAdd and in AccountIdsToRemove; name it in one");
  if (const auto version = call.text("SharedDocumentVersion"); !version.empty() && version != "$DEFAULT")
    return failure("ValidationException", "SharedDocumentVersion: it is the default version that is shared, $DEFAULT");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto document, own_document(sql, call.text("Name")));
    std::vector<std::string> shared = document.shared_with;
    std::erase_if(shared, [&](const auto& account) {
      return std::ranges::find(changes.remove, account) != changes.remove.end();
    });
    shared.insert(shared.end(), changes.add.begin(), changes.add.end());
    std::ranges::sort(shared);
    shared.erase(std::ranges::unique(shared).begin(), shared.end());
    if (shared.size() > 1'000)
      return failure("DocumentPermissionLimit", "a document is shared with at most 1000 accounts");
    BELAY_TRY(documents::share(sql, document.name, shared));
    BELAY_TRY(audit_change(sql, call, document.name, {{"SharedWith", texts_reply(shared)}}));
    return json::Object();
  });
}

}  // namespace belay::server
