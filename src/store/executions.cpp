#include "store/executions.hpp"

#include <limits>

#include "store/detail.hpp"

namespace belay::store::executions {
namespace {

constexpr std::string_view kColumns =
    "execution_id, kind, state, generation, wake_at, finished, created_at, updated_at, lease_owner, lease_until";

Result<Execution> read(const Row& row) {
  Execution execution;
  execution.execution_id = row.text(0);
  execution.kind = row.text(1);
  execution.state = row.text(2);
  execution.generation = row.integer(3);
  execution.wake_at = row.optional_instant(4);
  execution.finished = row.boolean(5);
  execution.created_at = row.instant(6);
  execution.updated_at = row.instant(7);
  execution.lease_owner = row.text(8);
  execution.lease_until = row.optional_instant(9);
  return execution;
}

std::string name_of(std::string_view kind, std::string_view execution_id) {
  return std::string(kind) + " " + std::string(execution_id);
}

std::string select(std::string_view rest) {
  return "SELECT " + std::string(kColumns) + " FROM executions" + std::string(rest);
}

// The events of $1, $2 that wait, through sequence $3. As a range of one index, because there is another one over
// executions: SQLite would take that, and pass over all events that were ever taken in to find the few that wait.
constexpr std::string_view kWaiting =
    " FROM execution_events WHERE taken = 0 AND (kind, execution_id, sequence) > ($1, $2, 0) "
    "AND (kind, execution_id, sequence) <= ($1, $2, $3)";
constexpr std::string_view kOldestFirst = " ORDER BY kind, execution_id, sequence";
constexpr std::int64_t kAnySequence = std::numeric_limits<std::int64_t>::max();

std::string waiting(std::string_view what, std::string_view rest = {}) {
  return "SELECT " + std::string(what) + std::string(kWaiting) + std::string(rest);
}

// Sequences only grow, so what lies between the oldest and the newest bounds the number from above; they are counted
// only where that says nothing. Thousands of nodes may answer at once, and none of them is to count the others.
Status check_room(Sql& sql, std::string_view kind, std::string_view execution_id) {
  const Params params{kind, execution_id, kAnySequence};
  constexpr auto kMax = static_cast<std::int64_t>(kEventsMax);
  BELAY_TRY_ASSIGN(const auto oldest,
                   sql.query_one(waiting("sequence", std::string(kOldestFirst) + " LIMIT 1"), params));
  if (!oldest) return {};
  BELAY_TRY_ASSIGN(
      const auto newest,
      sql.query_one(waiting("sequence", " ORDER BY kind DESC, execution_id DESC, sequence DESC LIMIT 1"), params));
  if (newest->integer(0) - oldest->integer(0) + 1 < kMax) return {};
  BELAY_TRY_ASSIGN(const auto count, sql.query_one(waiting("COUNT(*)"), params));
  if (count->integer(0) < kMax) return {};
  return Error(Code::resource_exhausted, name_of(kind, execution_id) + " has too many events waiting");
}

Status check_lease(std::string_view owner, Duration lease) {
  if (!owner.empty() && lease > Duration(0)) return {};
  return Error(Code::invalid_argument, "a lease needs an owner and a length");
}

}  // namespace

Status create(Sql& sql, const Execution& execution) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM executions WHERE kind = $1 AND execution_id = $2",
                                                   {execution.kind, execution.execution_id}));
  if (there) return detail::taken("execution", name_of(execution.kind, execution.execution_id));
  BELAY_TRY(
      sql.exec("INSERT INTO executions (kind, execution_id, state, generation, wake_at, finished, created_at, "
               "updated_at, lease_owner) VALUES ($1, $2, $3, 1, $4, $5, $6, $6, '')",
               {execution.kind, execution.execution_id, execution.state, execution.wake_at, execution.finished,
                execution.created_at}));
  return {};
}

Result<Execution> get(Sql& sql, std::string_view kind, std::string_view execution_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(select(" WHERE kind = $1 AND execution_id = $2"), {kind, execution_id}));
  if (!row) return detail::missing("execution", name_of(kind, execution_id));
  return read(*row);
}

namespace {

struct Claim {
  std::string_view owner;
  Instant now;
  Duration lease;
};

// The earliest of one kind, or of all ("").
// The condition stands twice: inside to choose, outside so that of two servers that chose the same row one gets it.
Result<std::vector<Execution>> claim_of(Sql& sql, const Claim& claim, std::string_view kind, std::uint32_t limit) {
  Params params{claim.owner, claim.now, claim.now + claim.lease, limit};
  if (!kind.empty()) params.emplace_back(kind);
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query("UPDATE executions SET lease_owner = $1, lease_until = $3, woken_at = NULL "
                "WHERE finished = 0 AND (lease_until IS NULL OR lease_until <= $2) AND (kind, execution_id) IN "
                "(SELECT kind, execution_id FROM executions WHERE finished = 0 AND wake_at <= $2 " +
                    std::string(kind.empty() ? "" : "AND kind = $5 ") +
                    "AND (lease_until IS NULL OR lease_until <= $2) ORDER BY wake_at LIMIT $4) RETURNING " +
                    std::string(kColumns),
                params));
  return detail::read_all<Execution>(rows, read);
}

// A step of the index for each, however many rows they have.
Result<std::vector<std::string>> open_kinds(Sql& sql) {
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query("WITH RECURSIVE kinds (kind) AS (SELECT MIN(kind) FROM executions WHERE finished = 0 UNION ALL "
                "SELECT (SELECT MIN(e.kind) FROM executions e WHERE e.finished = 0 AND e.kind > k.kind) "
                "FROM kinds k WHERE k.kind IS NOT NULL) SELECT kind FROM kinds WHERE kind IS NOT NULL LIMIT " +
                std::to_string(kKindsMax)));
  std::vector<std::string> kinds;
  for (const auto& row : rows) kinds.push_back(row.text(0));
  return kinds;
}

}  // namespace

Result<std::vector<Execution>> claim_due(Sql& sql, std::string_view owner, Instant now, Duration lease,
                                         std::uint32_t limit) {
  BELAY_TRY(check_lease(owner, lease));
  const Claim claim{owner, now, lease};
  BELAY_TRY_ASSIGN(auto claimed, claim_of(sql, claim, "", limit));
  if (claimed.size() == limit) {
    BELAY_TRY_ASSIGN(const auto kinds, open_kinds(sql));
    const std::uint32_t share = share_of_a_kind(limit);
    for (const auto& kind : kinds) {
      const auto has = static_cast<std::uint32_t>(std::ranges::count(claimed, kind, &Execution::kind));
      if (has >= share) continue;
      BELAY_TRY_ASSIGN(auto more, claim_of(sql, claim, kind, share - has));
      std::ranges::move(more, std::back_inserter(claimed));
    }
  }
  std::ranges::sort(claimed, {},
                    [](const Execution& item) { return std::tie(item.wake_at, item.kind, item.execution_id); });
  return claimed;
}

Result<Execution> save(Sql& sql, const Execution& execution, Instant now) {
  BELAY_TRY_ASSIGN(const auto more,
                   sql.query_one(waiting("1", " LIMIT 1"), {execution.kind, execution.execution_id, kAnySequence}));
  auto wake_at = execution.wake_at;
  if (more && (!wake_at || *wake_at > now)) wake_at = now;
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("UPDATE executions SET state = $4, generation = generation + 1, finished = $6, updated_at = $7, "
                    "wake_at = CASE WHEN woken_at IS NULL THEN CAST($5 AS BIGINT) "
                    "WHEN CAST($5 AS BIGINT) IS NULL OR woken_at < CAST($5 AS BIGINT) THEN woken_at "
                    "ELSE CAST($5 AS BIGINT) END, woken_at = NULL, lease_owner = '', lease_until = NULL "
                    "WHERE kind = $1 AND execution_id = $2 AND generation = $3 AND finished = 0 RETURNING " +
                        std::string(kColumns),
                    {execution.kind, execution.execution_id, execution.generation, execution.state, wake_at,
                     execution.finished, now}));
  if (row) return read(*row);
  BELAY_TRY_ASSIGN(const auto there, get(sql, execution.kind, execution.execution_id));
  return Error(Code::conflict,
               name_of(execution.kind, execution.execution_id) +
                   (there.finished
                        ? " has ended"
                        : " was carried on by another server: it is at generation " + std::to_string(there.generation)),
               "generation-old");
}

Status release(Sql& sql, const Execution& execution, std::string_view owner, Instant retry_at) {
  BELAY_TRY(
      sql.exec("UPDATE executions SET wake_at = CASE WHEN woken_at < $5 THEN woken_at ELSE $5 END, woken_at = NULL, "
               "lease_owner = '', lease_until = NULL WHERE kind = $1 AND execution_id = $2 AND generation = $3 "
               "AND lease_owner = $4 AND finished = 0",
               {execution.kind, execution.execution_id, execution.generation, owner, retry_at}));
  return {};
}

Status wake(Sql& sql, std::string_view kind, std::string_view execution_id, Instant at) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE executions SET wake_at = CASE WHEN wake_at < $3 THEN wake_at ELSE $3 END, "
                            "woken_at = CASE WHEN woken_at < $3 THEN woken_at ELSE $3 END "
                            "WHERE kind = $1 AND execution_id = $2 AND finished = 0",
                            {kind, execution_id, at}));
  if (touched > 0) return {};
  BELAY_TRY(get(sql, kind, execution_id));
  return {};
}

Result<Listed<Execution>> list(Sql& sql, const Filter& filter, const Page& page) {
  detail::Where where;
  if (!filter.kind.empty()) where.add("kind = ?", {filter.kind});
  if (filter.finished) where.add("finished = ?", {*filter.finished});
  if (!page.after.empty()) {
    const auto slash = page.after.find('/');
    if (slash == std::string::npos)
      return Error(Code::invalid_argument, "the page token is not one that was given", "page-token-invalid");
    where.add("(kind, execution_id) > (?, ?)", {page.after.substr(0, slash), page.after.substr(slash + 1)});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(select(where.text() + " ORDER BY kind, execution_id LIMIT " + limit), where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Execution>(rows, read));
  return detail::paged(std::move(found), page,
                       [](const Execution& item) { return item.kind + "/" + item.execution_id; });
}

Result<std::vector<std::pair<std::string, std::int64_t>>> open_by_kind(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT kind, COUNT(*) FROM executions WHERE finished = 0 GROUP BY kind "
                                              "ORDER BY kind",
                                              {}));
  std::vector<std::pair<std::string, std::int64_t>> counts;
  for (const auto& row : rows) counts.emplace_back(row.text(0), row.integer(1));
  return counts;
}

Result<std::optional<Instant>> next_wake(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT wake_at FROM executions WHERE finished = 0 AND wake_at IS NOT NULL "
                                 "ORDER BY wake_at LIMIT 1"));
  return row ? row->optional_instant(0) : std::nullopt;
}

Status post(Sql& sql, std::string_view kind, std::string_view execution_id, const Event& event) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT finished FROM executions WHERE kind = $1 AND execution_id = $2", {kind, execution_id}));
  if (!row) return detail::missing("execution", name_of(kind, execution_id));
  if (row->boolean(0)) return {};
  BELAY_TRY(check_room(sql, kind, execution_id));
  BELAY_TRY_ASSIGN(
      const auto added,
      sql.exec("INSERT INTO execution_events (kind, execution_id, key, body, at, taken) VALUES ($1, $2, $3, $4, $5, 0) "
               "ON CONFLICT DO NOTHING",
               {kind, execution_id, event.key, event.body, event.at}));
  if (added == 0) return {};
  return wake(sql, kind, execution_id, event.at);
}

Result<std::vector<Event>> events(Sql& sql, std::string_view kind, std::string_view execution_id, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(waiting("sequence, key, body, at", std::string(kOldestFirst) + " LIMIT $4"),
                             {kind, execution_id, kAnySequence, limit}));
  std::vector<Event> found;
  for (const auto& row : rows) found.push_back({row.integer(0), row.text(1), row.text(2), row.instant(3)});
  return found;
}

Status taken(Sql& sql, std::string_view kind, std::string_view execution_id, std::int64_t through_sequence) {
  const Params params{kind, execution_id, through_sequence};
  BELAY_TRY(sql.exec("DELETE" + std::string(kWaiting) + " AND key = ''", params));
  // Those with a key leave the key behind: a repeat is known.
  BELAY_TRY(sql.exec("UPDATE execution_events SET taken = 1, body = '' WHERE sequence IN (" + waiting("sequence") + ")",
                     params));
  return {};
}

Result<std::int64_t> forget_finished(Sql& sql, Instant before, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT kind, execution_id FROM executions WHERE finished = 1 AND updated_at < $1 "
                             "ORDER BY updated_at LIMIT $2",
                             {before, limit}));
  std::vector<Params> keys;
  for (const auto& row : rows) keys.push_back({row.text(0), row.text(1)});
  BELAY_TRY(sql.exec_many("DELETE FROM execution_events WHERE kind = $1 AND execution_id = $2", keys));
  return sql.exec_many("DELETE FROM executions WHERE kind = $1 AND execution_id = $2", keys);
}

}  // namespace belay::store::executions
