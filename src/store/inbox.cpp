#include "store/inbox.hpp"

namespace belay::store::inbox {

Result<bool> first_time(Sql& sql, std::string_view node_id, std::string_view message_id, Instant at) {
  BELAY_TRY_ASSIGN(const auto added, sql.exec("INSERT INTO inbox (node_id, message_id, seen_at) VALUES ($1, $2, $3) "
                                              "ON CONFLICT (node_id, message_id) DO NOTHING",
                                              {node_id, message_id, at}));
  return added > 0;
}

Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit) {
  return sql.exec(
      "DELETE FROM inbox WHERE (node_id, message_id) IN (SELECT node_id, message_id FROM inbox "
      "WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)",
      {before, limit});
}

}  // namespace belay::store::inbox
