#include "store/documents.hpp"

#include "store/detail.hpp"

namespace belay::store::documents {
namespace {

constexpr std::string_view kSelect =
    "SELECT name, document_type, target_type, default_version, latest_version, shared_with, created_at, created_by "
    "FROM documents";
constexpr std::string_view kVersionColumns =
    "version, version_name, display_name, format, schema_version, sha256, created_at, created_by";

Result<Document> read(const Row& row) {
  Document document;
  document.name = row.text(0);
  document.document_type = row.text(1);
  document.target_type = row.text(2);
  document.default_version = static_cast<std::uint32_t>(row.integer(3));
  document.latest_version = static_cast<std::uint32_t>(row.integer(4));
  BELAY_TRY_ASSIGN(document.shared_with,
                   detail::decode_stored<std::vector<std::string>>(row.text(5), "accounts of a document"));
  document.created_at = row.instant(6);
  document.created_by = row.text(7);
  return document;
}

Result<Version> read_version(const Row& row) {
  Version version;
  version.version = static_cast<std::uint32_t>(row.integer(0));
  version.version_name = row.text(1);
  version.display_name = row.text(2);
  version.format = row.text(3);
  version.schema_version = row.text(4);
  version.sha256 = row.text(5);
  version.created_at = row.instant(6);
  version.created_by = row.text(7);
  return version;
}

Status insert_version(Sql& sql, std::string_view name, std::uint32_t number, const Version& version) {
  if (version.content.size() > kContentBytesMax)
    return Error(Code::invalid_argument, "a document holds at most 65536 bytes", "document-too-large");
  BELAY_TRY(
      sql.exec("INSERT INTO document_versions (name, version, version_name, display_name, format, schema_version, "
               "sha256, content, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
               {name, number, version.version_name, version.display_name, version.format, version.schema_version,
                version.sha256, version.content, version.created_at, version.created_by}));
  return {};
}

Result<Version> one_version(Sql& sql, std::string_view name, std::string_view condition, SqlValue value,
                            std::string_view shown) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT " + std::string(kVersionColumns) +
                                                     ", content FROM document_versions WHERE name = $1 AND " +
                                                     std::string(condition) + " = $2",
                                                 {name, std::move(value)}));
  if (!row) return detail::missing("version " + std::string(shown) + " of document", name);
  BELAY_TRY_ASSIGN(auto version, read_version(*row));
  version.content = row->text(8);
  return version;
}

}  // namespace

Status create(Sql& sql, const Document& document, const Version& first) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM documents WHERE name = $1", {document.name}));
  if (there) return detail::taken("document", document.name);
  BELAY_TRY(
      sql.exec("INSERT INTO documents (name, document_type, target_type, default_version, latest_version, "
               "shared_with, created_at, created_by) VALUES ($1, $2, $3, 1, 1, $4, $5, $6)",
               {document.name, document.document_type, document.target_type, json::encode_text(document.shared_with),
                document.created_at, document.created_by}));
  return insert_version(sql, document.name, 1, first);
}

Result<Document> get(Sql& sql, std::string_view name) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE name = $1", {name}));
  if (!row) return detail::missing("document", name);
  return read(*row);
}

Result<std::uint32_t> add_version(Sql& sql, std::string_view name, const Version& version) {
  BELAY_TRY_ASSIGN(const auto document, get(sql, name));
  BELAY_TRY_ASSIGN(const auto count, sql.query_one("SELECT count(*) FROM document_versions WHERE name = $1", {name}));
  if (count->integer(0) >= kVersionsMax)
    return Error(Code::resource_exhausted, "document " + std::string(name) + " has 1000 versions; delete some",
                 "too-many-versions");
  BELAY_TRY_ASSIGN(
      const auto same,
      sql.query_one("SELECT version FROM document_versions WHERE name = $1 AND sha256 = $2", {name, version.sha256}));
  if (same)
    return Error(
        Code::conflict,
        "version " + std::to_string(same->integer(0)) + " of document " + std::string(name) + " has this very content",
        "duplicate-content");
  if (!version.version_name.empty() && get_version_named(sql, name, version.version_name).ok())
    return Error(Code::conflict,
                 "document " + std::string(name) + " has a version called " + version.version_name + " already",
                 "duplicate-version-name");
  const std::uint32_t number = document.latest_version + 1;
  BELAY_TRY(insert_version(sql, name, number, version));
  BELAY_TRY(sql.exec("UPDATE documents SET latest_version = $2 WHERE name = $1", {name, number}));
  return number;
}

Result<Version> get_version(Sql& sql, std::string_view name, std::uint32_t version) {
  return one_version(sql, name, "version", version, std::to_string(version));
}

Result<Version> get_version_named(Sql& sql, std::string_view name, std::string_view version_name) {
  if (version_name.empty()) return detail::missing("version without a name of document", name);
  return one_version(sql, name, "version_name", version_name, version_name);
}

Result<Listed<Version>> list_versions(Sql& sql, std::string_view name, const Page& page) {
  detail::Where where;
  where.add("name = ?", {name});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("version < ?", {after.number});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT " + std::string(kVersionColumns) + " FROM document_versions" +
                                                  where.text() + " ORDER BY version DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Version>(rows, read_version));
  return detail::paged(std::move(found), page,
                       [](const Version& item) { return detail::cursor(std::int64_t{item.version}); });
}

Status set_default_version(Sql& sql, std::string_view name, std::uint32_t version) {
  BELAY_TRY(get_version(sql, name, version));
  BELAY_TRY(sql.exec("UPDATE documents SET default_version = $2 WHERE name = $1", {name, version}));
  return {};
}

Status set_target_type(Sql& sql, std::string_view name, std::string_view target_type) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE documents SET target_type = $2 WHERE name = $1", {name, target_type}));
  if (touched == 0) return detail::missing("document", name);
  return {};
}

Status share(Sql& sql, std::string_view name, const std::vector<std::string>& shared_with) {
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("UPDATE documents SET shared_with = $2 WHERE name = $1",
                                                {name, json::encode_text(shared_with)}));
  if (touched == 0) return detail::missing("document", name);
  return {};
}

Status remove(Sql& sql, std::string_view name) {
  BELAY_TRY(sql.exec("DELETE FROM document_versions WHERE name = $1", {name}));
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("DELETE FROM documents WHERE name = $1", {name}));
  if (touched == 0) return detail::missing("document", name);
  return {};
}

Status remove_version(Sql& sql, std::string_view name, std::uint32_t version) {
  BELAY_TRY_ASSIGN(const auto document, get(sql, name));
  if (document.default_version == version)
    return Error(Code::conflict,
                 "version " + std::to_string(version) + " is the default of document " + std::string(name) +
                     "; make another one the default first",
                 "default-version");
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("DELETE FROM document_versions WHERE name = $1 AND version = $2", {name, version}));
  if (touched == 0) return detail::missing("version " + std::to_string(version) + " of document", name);
  return {};
}

Result<std::vector<Mention>> that_mention(Sql& sql, std::string_view text) {
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query("SELECT d.name, d.document_type, v.version FROM documents d JOIN document_versions v "
                "ON v.name = d.name AND v.version IN (d.default_version, d.latest_version) "
                "WHERE d.name <> $1 AND replace(v.content, $1, '') <> v.content ORDER BY d.name, v.version",
                {text}));
  std::vector<Mention> mentions;
  for (const auto& row : rows)
    mentions.push_back({row.text(0), row.text(1), static_cast<std::uint32_t>(row.integer(2))});
  return mentions;
}

Result<Listed<Document>> list(Sql& sql, const Filter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.names, filter.document_types, filter.target_types));
  detail::Where where;
  where.any_of("name", filter.names);
  if (!filter.name_prefix.empty())
    where.add("substr(name, 1, ?) = ?", {static_cast<std::int64_t>(filter.name_prefix.size()), filter.name_prefix});
  where.any_of("document_type", filter.document_types);
  where.any_of("target_type", filter.target_types);
  if (!page.after.empty()) where.add("name > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(std::string(kSelect) + where.text() + " ORDER BY name LIMIT " + limit, where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Document>(rows, read));
  return detail::paged(std::move(found), page, [](const Document& item) { return item.name; });
}

}  // namespace belay::store::documents
