#include "store/snapshots.hpp"

#include "store/detail.hpp"

namespace belay::store::snapshots {
namespace {

// The whole snapshot ages from its first slot on.
Status check_age(Sql& sql, std::string_view snapshot_id, Instant now) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT MIN(frozen_at) FROM snapshots WHERE snapshot_id = $1", {snapshot_id}));
  const auto begun = row->optional_instant(0);
  if (!begun || *begun + kReuseMax >= now) return {};
  return Error(Code::conflict,
               "snapshot " + std::string(snapshot_id) + " was begun at " + to_iso8601(*begun) +
                   " and may be used for three days; use a new one",
               "snapshot-expired");
}

}  // namespace

Result<Frozen> freeze(Sql& sql, std::string_view snapshot_id, std::string_view slot, std::string_view content,
                      Instant now) {
  BELAY_TRY(check_age(sql, snapshot_id, now));
  BELAY_TRY(
      sql.exec("INSERT INTO snapshots (snapshot_id, slot, content, frozen_at) VALUES ($1, $2, $3, $4) "
               "ON CONFLICT (snapshot_id, slot) DO NOTHING",
               {snapshot_id, slot, content, now}));
  return get(sql, snapshot_id, slot, now);
}

Result<Frozen> get(Sql& sql, std::string_view snapshot_id, std::string_view slot, Instant now) {
  BELAY_TRY(check_age(sql, snapshot_id, now));
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT content, frozen_at FROM snapshots WHERE snapshot_id = $1 AND slot = $2",
                                 {snapshot_id, slot}));
  if (!row) return detail::missing("snapshot", std::string(snapshot_id) + " of " + std::string(slot));
  return Frozen{row->text(0), row->instant(1)};
}

}  // namespace belay::store::snapshots
