// Lists of documents and of their versions.
#include <algorithm>
#include <cstdlib>

#include "base/text.hpp"
#include "core/document/built_in.hpp"
#include "server/api/document_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/reply_parts.hpp"
#include "server/engine/change_calendars.hpp"
#include "server/engine/documents.hpp"
#include "store/documents.hpp"

namespace belay::server {
namespace {

namespace documents = store::documents;
using Shown = ShownDocument;

// Each under the name that AWS's users know, where it has one, and our own.
std::vector<std::string_view> built_in_names() {
  std::vector<std::string_view> names;
  for (const auto& built_in : document::built_in_documents()) {
    if (const auto aws = document::aws_name_of(built_in.name); !aws.empty()) names.push_back(aws);
    names.push_back(built_in.name);
  }
  return names;
}

struct WireFilter {  // either spelling of ListDocuments
  std::string key;
  std::vector<std::string> values;
};
Result<std::vector<WireFilter>> filters_of(const Call& call) {
  std::vector<WireFilter> filters;
  if (const auto* list = json::find(call.request, "DocumentFilterList"))
    for (const auto& item : list->as_array())
      filters.push_back({json::text_or_empty(item, "key"), {json::text_or_empty(item, "value")}});
  if (const auto* list = json::find(call.request, "Filters"))
    for (const auto& item : list->as_array()) {
      WireFilter filter{json::text_or_empty(item, "Key"), {}};
      if (const auto* values = json::find(item, "Values")) {
        BELAY_TRY_ASSIGN(filter.values, json::decode<std::vector<std::string>>(*values, "Values"));
      }
      filters.push_back(std::move(filter));
    }
  for (const auto& filter : filters)
    if (filter.key != "Name" && filter.key != "Owner" && filter.key != "DocumentType" && filter.key != "TargetType" &&
        filter.key != "PlatformTypes" && filter.key != "SearchKeyword")
      return failure("InvalidFilterKey",
                     "there is no filter '" + sanitize(filter.key, 60) +
                         "'; there are Name, Owner, DocumentType, TargetType, PlatformTypes and SearchKeyword");
  static constexpr std::string_view kPlatforms[] = {"Linux", "Windows", "MacOS"},
                                    kOwners[] = {"Amazon", "Belay", "Private", "Public", "Self", "All", "ThirdParty"};
  for (const auto& filter : filters)
    for (const auto& value : filter.values) {
      if (filter.key == "PlatformTypes") BELAY_TRY(check_word(filter.key, value, kPlatforms));
      if (filter.key == "Owner") BELAY_TRY(check_word(filter.key, value, kOwners));
    }
  return filters;
}

bool passes(const Shown& shown, const std::vector<WireFilter>& filters) {
  return std::ranges::all_of(filters, [&](const WireFilter& filter) {
    return std::ranges::any_of(filter.values, [&](const std::string& value) {
      if (filter.key == "Name") return shown.document.name.starts_with(value);
      if (filter.key == "SearchKeyword")
        return to_lower(shown.document.name).find(to_lower(value)) != std::string::npos;
      if (filter.key == "DocumentType") return shown.document.document_type == value;
      if (filter.key == "TargetType") return shown.document.target_type == value;
      if (filter.key == "PlatformTypes") return value == "Linux" && shown.document.document_type != kChangeCalendarType;
      return value == "All" || value == (shown.built_in ? "Amazon" : "Self") || (shown.built_in && value == "Belay") ||
             (shown.built_in && value == "Public") || (!shown.built_in && value == "Private");
    });
  });
}

}  // namespace

// Those built in stand before the server's own: its page goes on with "b" and how many of them were looked at, then
// with "o" and the store's own word for where to go on.
Result<json::Object> list_documents(const Call& call) {
  BELAY_TRY_ASSIGN(const auto filters, filters_of(call));
  BELAY_TRY_ASSIGN(auto page, page_of(call, 50, 50));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    json::Array rows;
    const auto add = [&](const Shown& shown) {
      if (!passes(shown, filters)) return;
      auto row = identity_reply(shown);
      if (shown.document.document_type != kChangeCalendarType) {
        row["PlatformTypes"] = texts_reply({"Linux"});
        row["SchemaVersion"] = shown.version.schema_version.empty() ? "2.2" : shown.version.schema_version;
      }
      rows.push_back(std::move(row));
    };
    json::Object reply;
    const std::size_t wanted = page.limit;
    if (!page.after.starts_with('o')) {
      const auto names = built_in_names();
      std::size_t at = page.after.empty() ? 0 : std::strtoull(page.after.c_str() + 1, nullptr, 10);
      for (; at < names.size() && rows.size() < wanted; ++at)
        add(show_built_in(*document::find_built_in(names[at]), names[at]));
      if (at < names.size()) {
        reply["DocumentIdentifiers"] = std::move(rows);
        put_next(reply, call, "b" + std::to_string(at));
        return reply;
      }
      page.after = "o";
    }
    page.after.erase(0, 1);
    page.limit = static_cast<std::uint32_t>(std::max<std::size_t>(1, wanted - rows.size()));
    BELAY_TRY_ASSIGN(auto listed, documents::list(sql, {}, page));
    if (rows.size() == wanted) {  // full of built-in ones: the own ones come next, if there are any
      listed.next.clear();
      if (!listed.items.empty()) put_next(reply, call, "o");
      listed.items.clear();
    }
    for (const auto& document : listed.items) {
      BELAY_TRY_ASSIGN(const auto version, documents::get_version(sql, document.name, document.default_version));
      add({document, version, false});
    }
    reply["DocumentIdentifiers"] = std::move(rows);
    if (!listed.next.empty()) put_next(reply, call, "o" + listed.next);
    return reply;
  });
}

Result<json::Object> list_document_versions(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    const std::string name(document_name_of(call.text("Name")));
    const auto row = [&sql](const Shown& shown) -> Result<json::Object> {
      auto out = identity_reply(shown);
      for (const char* member : {"DocumentType", "Owner", "Author", "TargetType"}) out.erase(member);
      out["Status"] = "Active";
      out["IsDefaultVersion"] = shown.built_in || shown.version.version == shown.document.default_version;
      if (shown.built_in) return out;
      BELAY_TRY_ASSIGN(const auto review, newest_review(sql, shown));
      out["ReviewStatus"] = json::encode(review.status);
      return out;
    };
    if (const auto* built_in = document::find_built_in(name)) {
      BELAY_TRY_ASSIGN(auto only, row(show_built_in(*built_in, name)));
      return json::Object{{"DocumentVersions", json::Array{std::move(only)}}};
    }
    BELAY_TRY_ASSIGN(const auto document, own_document(sql, name));
    BELAY_TRY_ASSIGN(const auto listed, documents::list_versions(sql, name, page));
    json::Array rows;
    for (const auto& version : listed.items) {
      BELAY_TRY_ASSIGN(auto one, row({document, version, false}));
      rows.push_back(std::move(one));
    }
    json::Object reply{{"DocumentVersions", std::move(rows)}};
    put_next(reply, call, listed.next);
    return reply;
  });
}

}  // namespace belay::server
