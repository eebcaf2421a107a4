#include "store/tags.hpp"

#include "base/text.hpp"
#include "store/detail.hpp"

namespace belay::store::tags {
namespace {

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

Status check(const Tag& tag) {
  if (!is_valid_utf8(tag.key) || !is_valid_utf8(tag.value))
    return Error(Code::invalid_argument, "a tag is no valid UTF-8 text", "text-invalid");
  if (tag.key.empty() || characters(tag.key) > kKeyChars)
    return Error(Code::invalid_argument,
                 "a tag's key has 1 to 128 characters; '" + sanitize(tag.key, 64) + "' has not");
  if (characters(tag.value) > kValueChars)
    return Error(Code::invalid_argument,
                 "a tag's value has at most 256 characters; that of '" + tag.key + "' has more");
  return {};
}

Tag read_tag(const Row& row, std::size_t first) { return {row.text(first), row.text(first + 1)}; }

}  // namespace

Status set(Sql& sql, std::string_view resource_type, std::string_view resource_id, std::span<const Tag> tags) {
  std::vector<Params> rows;
  for (const auto& tag : tags) {
    BELAY_TRY(check(tag));
    rows.push_back({resource_type, resource_id, tag.key, tag.value});
  }
  BELAY_TRY(
      sql.exec_many("INSERT INTO tags (resource_type, resource_id, key, value) "
                    "VALUES ($1, $2, $3, $4) ON CONFLICT (resource_type, resource_id, key) "
                    "DO UPDATE SET value = excluded.value",
                    rows));
  BELAY_TRY_ASSIGN(const auto count,
                   sql.query_one("SELECT COUNT(*) FROM tags WHERE resource_type = $1 AND resource_id = $2",
                                 {resource_type, resource_id}));
  if (count->integer(0) > static_cast<std::int64_t>(kTagsMax))
    return Error(Code::resource_exhausted, std::string(resource_id) + " would have more than 50 tags", "too-many-tags");
  return {};
}

Status remove(Sql& sql, std::string_view resource_type, std::string_view resource_id,
              std::span<const std::string> keys) {
  std::vector<Params> rows;
  for (const auto& key : keys) rows.push_back({resource_type, resource_id, key});
  BELAY_TRY(sql.exec_many("DELETE FROM tags WHERE resource_type = $1 AND resource_id = $2 AND key = $3", rows));
  return {};
}

Status remove_all(Sql& sql, std::string_view resource_type, std::string_view resource_id) {
  BELAY_TRY(sql.exec("DELETE FROM tags WHERE resource_type = $1 AND resource_id = $2", {resource_type, resource_id}));
  return {};
}

Result<std::vector<Tag>> list(Sql& sql, std::string_view resource_type, std::string_view resource_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT key, value FROM tags WHERE resource_type = $1 AND resource_id = $2 ORDER BY key",
                             {resource_type, resource_id}));
  std::vector<Tag> found;
  for (const auto& row : rows) found.push_back(read_tag(row, 0));
  return found;
}

Result<std::map<std::string, std::vector<Tag>>> list_many(Sql& sql, std::string_view resource_type,
                                                          std::span<const std::string> resource_ids) {
  std::vector<Params> asked;
  for (const auto& id : resource_ids) asked.push_back({resource_type, id});
  BELAY_TRY_ASSIGN(
      const auto answers,
      sql.query_many("SELECT key, value FROM tags WHERE resource_type = $1 AND resource_id = $2 ORDER BY key", asked));
  std::map<std::string, std::vector<Tag>> found;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].empty()) continue;
    auto& tags = found[resource_ids[i]];
    tags.clear();
    for (const auto& row : answers[i]) tags.push_back(read_tag(row, 0));
  }
  return found;
}

Result<Listed<std::string>> find(Sql& sql, std::string_view resource_type, std::span<const TagFilter> filters,
                                 const Page& page) {
  detail::Where where;
  where.add("resource_type = ?", {resource_type});
  for (const auto& filter : filters) {
    BELAY_TRY(detail::check_lists(filter.values));
    std::string inner =
        "resource_id IN (SELECT resource_id FROM tags WHERE resource_type = " + where.bind(resource_type) +
        " AND key = " + where.bind(filter.key);
    if (!filter.values.empty()) inner += " AND " + where.list("value", filter.values);
    where.add(inner + ")");
  }
  if (!page.after.empty()) where.add("resource_id > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT DISTINCT resource_id FROM tags" + where.text() +
                                                  " ORDER BY resource_id LIMIT " + limit,
                                              where.params()));
  std::vector<std::string> ids;
  for (const auto& row : rows) ids.push_back(row.text(0));
  return detail::paged(std::move(ids), page, [](const std::string& id) { return id; });
}

Result<Listed<std::string>> values(Sql& sql, std::string_view resource_type, std::string_view key, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT DISTINCT value FROM tags WHERE resource_type = $1 AND key = $2 "
                                              "AND value > $3 ORDER BY value LIMIT $4",
                                              {resource_type, key, page.after, detail::limit_of(page) + 1}));
  std::vector<std::string> found;
  for (const auto& row : rows) found.push_back(row.text(0));
  return detail::paged(std::move(found), page, [](const std::string& value) { return value; });
}

}  // namespace belay::store::tags
