#include "store/schema/migrations.hpp"

#include <string>
#include <vector>

#include "base/text.hpp"

namespace belay::store::schema {
namespace {

// Without comments; whole statements. Our files hold no ";" at the end of a line but those that end a statement.
std::vector<std::string> statements(std::string_view text) {
  std::vector<std::string> found;
  std::string current;
  for (const auto line : split(text, '\n')) {
    if (trim(line).empty() || trim(line).starts_with("--")) continue;
    current.append(line).push_back('\n');
    if (!trim(line).ends_with(";")) continue;
    found.push_back(std::move(current));
    current.clear();
  }
  BELAY_ASSERT(trim(current).empty());
  return found;
}

std::string replaced(std::string text, std::string_view word, std::string_view by) {
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + by.size()))
    text.replace(at, word.size(), by);
  return text;
}

std::string spelled(const std::string& statement, const Dialect& dialect) {
  return replaced(replaced(statement, "IDENTITY_KEY", dialect.identity_key), "BLOB", dialect.blob);
}

// How many of our steps are there already, in order, unchanged.
Result<std::size_t> applied(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT number, name, hash FROM schema_steps ORDER BY number"));
  const auto known = migrations();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i >= known.size())
      return Error(Code::conflict,
                   "the database's schema is newer (step " + rows[i].text(1) + ") than this program knows (step " +
                       std::to_string(known.size()) + "); run the newer version, or restore an older backup",
                   "schema-newer");
    if (rows[i].integer(0) != known[i].number || rows[i].text(2) != sql.seams().sha256_hex(known[i].sql))
      return Error(
          Code::corrupt,
          "schema step " + rows[i].text(1) + " was made by another program than this one; the data is left alone",
          "schema-edited");
  }
  return rows.size();
}

}  // namespace

Result<std::int64_t> migrate(Sql& sql, const Dialect& dialect) {
  BELAY_TRY(
      sql.exec("CREATE TABLE IF NOT EXISTS schema_steps (number BIGINT NOT NULL PRIMARY KEY, "
               "name TEXT NOT NULL, hash TEXT NOT NULL)"));
  BELAY_TRY_ASSIGN(const auto there, applied(sql));
  std::int64_t count = 0;
  for (const auto& step : migrations().subspan(there)) {
    for (const auto& statement : statements(step.sql)) {
      BELAY_TRY(sql.exec(spelled(statement, dialect)).within("schema step " + std::string(step.name)));
    }
    BELAY_TRY(sql.exec("INSERT INTO schema_steps (number, name, hash) VALUES ($1, $2, $3)",
                       {step.number, step.name, sql.seams().sha256_hex(step.sql)}));
    ++count;
  }
  return count;
}

Status verify(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto there, applied(sql));
  if (there == migrations().size()) return {};
  return Error(Code::unavailable, "the database's schema lacks steps of this version; open it for writing once");
}

}  // namespace belay::store::schema
