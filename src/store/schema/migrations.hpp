#pragma once
// The schema's numbered steps, embedded from the .sql files of this folder, and the one function that applies them.
// A step that has landed is never edited: its hash is kept in every database and compared.
#include <cstdint>
#include <span>
#include <string_view>

#include "store/sql.hpp"

namespace belay::store::schema {

struct Migration {
  std::int64_t number;    // of its name; gaps are fine
  std::string_view name;  // "0001_fleet.sql"
  std::string_view sql;   // statements, each ended by ";" at the end of a line
};
std::span<const Migration> migrations();

// The two words of the steps that databases spell differently.
struct Dialect {
  std::string_view identity_key;  // for IDENTITY_KEY: a primary key of whole numbers that only grow
  std::string_view blob;          // for BLOB
};

// Applies what is missing in the order of the numbers, inside the transaction given. Returns how many were applied.
// conflict "schema-newer" where the database has a step that this program does not know, corrupt "schema-edited" where
// one differs. May be repeated.
Result<std::int64_t> migrate(Sql& sql, const Dialect& dialect);
// Only looks: unavailable where steps are missing, else as above.
Status verify(Sql& sql);

}  // namespace belay::store::schema
