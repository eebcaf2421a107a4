#include "store/remedies.hpp"

#include "store/detail.hpp"

namespace belay::store::remedies {
namespace {

constexpr std::string_view kPolicyColumns = "policy_id, name, generation, content, created_at, updated_at, updated_by";
constexpr std::string_view kEpisodeColumns =
    "episode_id, policy_id, policy_name, node_id, opened_at, due_at, closed_at, acted_at, action, outcome, command_id, "
    "compliance, severity, detail";

Result<Policy> read_policy(const Row& row) {
  return Policy{row.text(0), row.text(1), row.integer(2), row.text(3), row.instant(4), row.instant(5), row.text(6)};
}

Result<Episode> read_episode(const Row& row) {
  Episode episode;
  episode.episode_id = row.text(0);
  episode.policy_id = row.text(1);
  episode.policy_name = row.text(2);
  episode.node_id = row.text(3);
  episode.opened_at = row.instant(4);
  episode.due_at = row.instant(5);
  episode.closed_at = row.optional_instant(6);
  episode.acted_at = row.optional_instant(7);
  episode.action = row.text(8);
  episode.outcome = row.text(9);
  episode.command_id = row.text(10);
  episode.compliance = row.text(11);
  episode.severity = row.text(12);
  episode.detail = row.text(13);
  return episode;
}

std::string select(std::string_view columns, std::string_view rest) {
  return "SELECT " + std::string(columns) + " FROM " + std::string(rest);
}

Result<std::optional<Policy>> one_policy(Sql& sql, std::string_view condition, std::string_view value) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(select(kPolicyColumns, "remedy_policies WHERE ") + std::string(condition), {value}));
  if (!row) return std::optional<Policy>();
  BELAY_TRY_ASSIGN(auto policy, read_policy(*row));
  return std::optional<Policy>(std::move(policy));
}

}  // namespace

Status create_policy(Sql& sql, const Policy& policy) {
  BELAY_TRY_ASSIGN(const auto there, find_policy_by_name(sql, policy.name));
  if (there) return detail::taken("remedy policy", policy.name);
  BELAY_TRY(
      sql.exec("INSERT INTO remedy_policies (policy_id, name, generation, content, created_at, updated_at, updated_by) "
               "VALUES ($1, $2, 1, $3, $4, $4, $5)",
               {policy.policy_id, policy.name, policy.content, policy.created_at, policy.updated_by}));
  return {};
}

Result<std::int64_t> update_policy(Sql& sql, const Policy& policy) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("UPDATE remedy_policies SET content = $2, updated_at = $3, updated_by = $4, "
                                 "generation = generation + 1 WHERE policy_id = $1 RETURNING generation",
                                 {policy.policy_id, policy.content, policy.updated_at, policy.updated_by}));
  if (!row) return detail::missing("remedy policy", policy.policy_id);
  return row->integer(0);
}

Status remove_policy(Sql& sql, std::string_view policy_id) {
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("DELETE FROM remedy_policies WHERE policy_id = $1", {policy_id}));
  return touched > 0 ? Status() : Status(detail::missing("remedy policy", policy_id));
}

Result<std::optional<Policy>> find_policy(Sql& sql, std::string_view policy_id) {
  return one_policy(sql, "policy_id = $1", policy_id);
}

Result<std::optional<Policy>> find_policy_by_name(Sql& sql, std::string_view name) {
  return one_policy(sql, "name = $1", name);
}

Result<Listed<Policy>> list_policies(Sql& sql, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(select(kPolicyColumns, "remedy_policies WHERE name > $1 ORDER BY name LIMIT $2"),
                             {page.after, detail::limit_of(page) + 1}));
  BELAY_TRY_ASSIGN(auto policies, detail::read_all<Policy>(rows, read_policy));
  return detail::paged(std::move(policies), page, [](const Policy& policy) { return policy.name; });
}

// ---- episodes

Status open(Sql& sql, const Episode& e) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT episode_id FROM remedy_episodes WHERE policy_id = $1 "
                                                   "AND node_id = $2 AND closed_at IS NULL",
                                                   {e.policy_id, e.node_id}));
  if (there)
    return Error(Code::conflict, "the episode " + there->text(0) + " is still open for node " + e.node_id,
                 "episode-open");
  BELAY_TRY(
      sql.exec("INSERT INTO remedy_episodes (episode_id, policy_id, policy_name, node_id, opened_at, due_at, action, "
               "outcome, command_id, compliance, severity, detail) "
               "VALUES ($1, $2, $3, $4, $5, $6, '', '', '', $7, $8, $9)",
               {e.episode_id, e.policy_id, e.policy_name, e.node_id, e.opened_at, e.due_at, e.compliance, e.severity,
                e.detail}));
  return {};
}

Status update(Sql& sql, const Episode& e) {
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE remedy_episodes SET due_at = $2, closed_at = $3, compliance = $4, severity = $5, "
               "detail = CASE WHEN acted_at IS NULL THEN CAST($6 AS TEXT) ELSE detail END WHERE episode_id = $1",
               {e.episode_id, e.due_at, e.closed_at, e.compliance, e.severity, e.detail}));
  return touched > 0 ? Status() : Status(detail::missing("episode", e.episode_id));
}

Result<bool> mark_acted(Sql& sql, const Episode& e) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE remedy_episodes SET acted_at = $2, action = $3, outcome = $4, command_id = $5, "
                            "detail = $6 WHERE episode_id = $1 AND acted_at IS NULL",
                            {e.episode_id, e.acted_at, e.action, e.outcome, e.command_id, e.detail}));
  return touched > 0;
}

Result<std::vector<Episode>> open_of(Sql& sql, std::string_view policy_id, std::span<const std::string> node_ids) {
  std::vector<Params> asked;
  for (const auto& id : node_ids) asked.push_back({policy_id, id});
  BELAY_TRY_ASSIGN(const auto answers,
                   sql.query_many(select(kEpisodeColumns,
                                         "remedy_episodes WHERE policy_id = $1 AND node_id = $2 AND closed_at IS NULL"),
                                  asked));
  std::vector<Episode> found;
  for (const auto& rows : answers) {
    if (rows.empty()) continue;
    BELAY_TRY_ASSIGN(auto episode, read_episode(rows.front()));
    found.push_back(std::move(episode));
  }
  return found;
}

Result<std::vector<Episode>> due(Sql& sql, std::string_view policy_id, Instant now, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(select(kEpisodeColumns,
                                    "remedy_episodes WHERE policy_id = $1 AND closed_at IS NULL AND acted_at IS NULL "
                                    "AND due_at <= $2 ORDER BY due_at LIMIT $3"),
                             {policy_id, now, limit}));
  return detail::read_all<Episode>(rows, read_episode);
}

Result<std::optional<Instant>> next_due(Sql& sql, std::string_view policy_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT MIN(due_at) FROM remedy_episodes WHERE policy_id = $1 AND closed_at IS NULL "
                                 "AND acted_at IS NULL",
                                 {policy_id}));
  return row ? row->optional_instant(0) : std::nullopt;
}

Result<std::int64_t> close_all(Sql& sql, std::string_view policy_id, Instant at) {
  return sql.exec("UPDATE remedy_episodes SET closed_at = $2 WHERE policy_id = $1 AND closed_at IS NULL",
                  {policy_id, at});
}

Result<std::int64_t> close_gone(Sql& sql, std::string_view policy_id, Instant at) {
  return sql.exec(
      "UPDATE remedy_episodes SET closed_at = $2 WHERE policy_id = $1 AND closed_at IS NULL AND NOT EXISTS "
      "(SELECT 1 FROM nodes n WHERE n.node_id = remedy_episodes.node_id AND n.state = 'active')",
      {policy_id, at});
}

Result<Listed<Episode>> list(Sql& sql, const Filter& filter, const Page& page) {
  detail::Where where;
  if (!filter.policy_name.empty()) where.add("policy_name = ?", {filter.policy_name});
  if (!filter.node_id.empty()) where.add("node_id = ?", {filter.node_id});
  if (filter.open) where.add(*filter.open ? "closed_at IS NULL" : "closed_at IS NOT NULL");
  if (filter.acted) where.add(*filter.acted ? "acted_at IS NOT NULL" : "acted_at IS NULL");
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto cursor, detail::parse_cursor(page.after));
    where.add("opened_at < ? OR (opened_at = ? AND episode_id < ?)", {cursor.number, cursor.number, cursor.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(select(kEpisodeColumns, "remedy_episodes") + where.text() +
                                                  " ORDER BY opened_at DESC, episode_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Episode>(rows, read_episode));
  return detail::paged(std::move(found), page,
                       [](const Episode& e) { return detail::cursor(e.opened_at, e.episode_id); });
}

}  // namespace belay::store::remedies
