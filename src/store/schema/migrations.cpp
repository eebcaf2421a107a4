#include "store/schema/migrations.hpp"

#include <algorithm>
#include <set>
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

// Which of our steps are there already, unchanged. A step may land after one with a larger number: each stands alone.
Result<std::set<std::int64_t>> applied(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT number, name, hash FROM schema_steps ORDER BY number"));
  const auto known = migrations();
  std::set<std::int64_t> there;
  for (const auto& row : rows) {
    const auto step = std::ranges::find(known, row.integer(0), &Migration::number);
    if (step == known.end())
      return Error(Code::conflict,
                   "the database's schema has a step (" + row.text(1) +
                       ") that this program does not know; run the newer version, or restore an older backup",
                   "schema-newer");
    if (row.text(2) != sql.seams().sha256_hex(step->sql))
      return Error(Code::corrupt,
                   "schema step " + row.text(1) + " was made by another program than this one; the data is left alone",
                   "schema-edited");
    there.insert(step->number);
  }
  return there;
}

}  // namespace

Result<std::int64_t> migrate(Sql& sql, const Dialect& dialect) {
  BELAY_TRY(
      sql.exec("CREATE TABLE IF NOT EXISTS schema_steps (number BIGINT NOT NULL PRIMARY KEY, "
               "name TEXT NOT NULL, hash TEXT NOT NULL)"));
  BELAY_TRY_ASSIGN(const auto there, applied(sql));
  std::int64_t count = 0;
  for (const auto& step : migrations()) {
    if (there.contains(step.number)) continue;
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
  if (there.size() == migrations().size()) return {};
  return Error(Code::unavailable, "the database's schema lacks steps of this version; open it for writing once");
}

}  // namespace belay::store::schema
