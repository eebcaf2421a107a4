#include "store/audit.hpp"

#include "store/detail.hpp"

namespace belay::store::audit {
namespace {

constexpr std::string_view kSelect =
    "SELECT sequence, at, actor, action, resource, detail, previous_hash, hash FROM audit";
constexpr std::int64_t kBatch = 1'000;

Result<Entry> read(const Row& row) {
  Entry entry;
  entry.sequence = row.integer(0);
  entry.at = row.instant(1);
  entry.actor = row.text(2);
  entry.action = row.text(3);
  entry.resource = row.text(4);
  entry.detail = row.text(5);
  entry.previous_hash = row.text(6);
  entry.hash = row.text(7);
  return entry;
}

// The detail goes in as text, so that what is hashed is exactly what is kept.
std::string hash_of(Sql& sql, const Entry& entry) {
  const json::Value content = json::Object{{"sequence", entry.sequence},
                                           {"at", to_unix_ms(entry.at)},
                                           {"actor", entry.actor},
                                           {"action", entry.action},
                                           {"resource", entry.resource},
                                           {"detail", entry.detail},
                                           {"previous_hash", entry.previous_hash}};
  return sql.seams().sha256_hex(json::to_canonical_text(content));
}

void broken(Verification& result, std::int64_t sequence, std::string why) {
  result.broken_at = sequence;
  result.why = "entry " + std::to_string(sequence) + " " + std::move(why);
}

// The link of one entry to what was before it.
void check_one(Sql& sql, const Entry& entry, Verification& result) {
  const auto expected = result.last_sequence + 1;
  if (entry.sequence != expected) return broken(result, expected, "is missing");
  if (entry.previous_hash != result.last_hash) return broken(result, expected, "does not follow the entry before it");
  if (hash_of(sql, entry) != entry.hash) return broken(result, expected, "was changed");
  result.last_sequence = entry.sequence;
  result.last_hash = entry.hash;
  ++result.checked;
}

Status check_end(Sql& sql, Verification& result) {
  BELAY_TRY_ASSIGN(const auto newest, head(sql));
  if (newest.sequence > result.last_sequence)
    broken(result, result.last_sequence + 1, "is missing: the newest entries are gone");
  else if (newest.sequence != result.last_sequence || newest.hash != result.last_hash)
    broken(result, result.last_sequence, "is not the newest by the log's own note");
  return {};
}

}  // namespace

Status append(Sql& sql, const Entry& entry) {
  if (entry.detail.size() > kDetailBytesMax)
    return Error(Code::resource_exhausted,
                 "the detail of an audit entry is larger than " + std::to_string(kDetailBytesMax) + " bytes");
  BELAY_TRY_ASSIGN(const auto detail, json::parse(entry.detail).within("detail of an audit entry"));
  // The head is taken first: of two servers that append at once, one waits and then begins again.
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1 RETURNING sequence, hash"));
  if (!row) return Error(Code::corrupt, "the audit log has lost its head");
  Entry next = entry;
  next.sequence = row->integer(0);
  next.previous_hash = row->text(1);
  next.detail = json::to_canonical_text(detail);
  next.hash = hash_of(sql, next);
  BELAY_TRY(sql.exec(
      "INSERT INTO audit (sequence, at, actor, action, resource, detail, previous_hash, hash) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
      {next.sequence, next.at, next.actor, next.action, next.resource, next.detail, next.previous_hash, next.hash}));
  BELAY_TRY(sql.exec("UPDATE audit_head SET hash = $1 WHERE id = 1", {next.hash}));
  return {};
}

Result<Listed<Entry>> list(Sql& sql, const Filter& filter, const Page& page) {
  detail::Where where;
  if (!filter.actor.empty()) where.add("actor = ?", {filter.actor});
  if (!filter.action.empty()) where.add("action = ?", {filter.action});
  if (!filter.resource.empty()) where.add("resource = ?", {filter.resource});
  if (filter.from) where.add("at >= ?", {*filter.from});
  if (filter.before) where.add("at < ?", {*filter.before});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add(filter.oldest_first ? "sequence > ?" : "sequence < ?", {after.number});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelect) + where.text() + " ORDER BY sequence" +
                                                  (filter.oldest_first ? "" : " DESC") + " LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Entry>(rows, read));
  return detail::paged(std::move(found), page, [](const Entry& item) { return detail::cursor(item.sequence); });
}

Result<Head> head(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT sequence, hash FROM audit_head WHERE id = 1"));
  if (!row) return Error(Code::corrupt, "the audit log has lost its head");
  return Head{row->integer(0), row->text(1)};
}

Result<Verification> verify(Sql& sql, std::int64_t from, std::int64_t to, std::int64_t entries_max) {
  Verification result;
  result.last_sequence = std::max<std::int64_t>(from, 1) - 1;
  result.last_hash = std::string(64, '0');
  if (result.last_sequence > 0) {
    BELAY_TRY_ASSIGN(const auto before,
                     sql.query_one("SELECT hash FROM audit WHERE sequence = $1", {result.last_sequence}));
    if (!before) return broken(result, result.last_sequence, "is missing"), result;
    result.last_hash = before->text(0);
  }
  while (result.checked < entries_max && (to == 0 || result.last_sequence < to)) {
    const auto wanted = std::min(kBatch, entries_max - result.checked);
    BELAY_TRY_ASSIGN(const auto rows,
                     sql.query(std::string(kSelect) + " WHERE sequence > $1 ORDER BY sequence LIMIT $2",
                               {result.last_sequence, wanted}));
    for (const auto& row : rows) {
      if (to != 0 && result.last_sequence >= to) return result;
      BELAY_TRY_ASSIGN(const auto entry, read(row));
      check_one(sql, entry, result);
      if (result.broken_at) return result;
    }
    if (static_cast<std::int64_t>(rows.size()) < wanted) {
      BELAY_TRY(check_end(sql, result));
      break;
    }
  }
  return result;
}

}  // namespace belay::store::audit
