#include "store/settings.hpp"

namespace belay::store::settings {

Result<std::optional<std::string>> get(Sql& sql, std::string_view key) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT value FROM settings WHERE key = $1", {key}));
  return row ? row->optional_text(0) : std::nullopt;
}

Status set(Sql& sql, std::string_view key, std::string_view value, Instant at) {
  BELAY_TRY(
      sql.exec("INSERT INTO settings (key, value, updated_at) VALUES ($1, $2, $3) "
               "ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
               {key, value, at}));
  return {};
}

Result<std::string> set_if_absent(Sql& sql, std::string_view key, std::string_view value, Instant at) {
  BELAY_TRY(sql.exec("INSERT INTO settings (key, value, updated_at) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING",
                     {key, value, at}));
  BELAY_TRY_ASSIGN(auto stands, get(sql, key));
  BELAY_ASSERT(stands.has_value());
  return std::move(*stands);
}

Status remove(Sql& sql, std::string_view key) {
  BELAY_TRY(sql.exec("DELETE FROM settings WHERE key = $1", {key}));
  return {};
}

Result<std::map<std::string, std::string>> with_prefix(Sql& sql, std::string_view prefix) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT key, value FROM settings WHERE substr(key, 1, length(CAST($1 AS TEXT))) = $1 "
                             "ORDER BY key LIMIT 1000",
                             {prefix}));
  std::map<std::string, std::string> found;
  for (const auto& row : rows) found.emplace(row.text(0), row.text(1));
  return found;
}

}  // namespace belay::store::settings
