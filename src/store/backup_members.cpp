// What a plan knows of each of its nodes.
#include "base/json.hpp"
#include "store/backups.hpp"
#include "store/detail.hpp"

namespace belay::store::backups {
namespace {

constexpr std::string_view kColumns =
    "SELECT plan_id, node_id, joined_at, left_at, look_at, progress, watch, verdict FROM backup_nodes ";

Result<Member> read_member(const Row& row) {
  Member found;
  found.plan_id = row.text(0);
  found.node_id = row.text(1);
  const std::string what = "node " + found.node_id + " of backup plan " + found.plan_id;
  found.joined_at = row.instant(2);
  found.left_at = row.optional_instant(3);
  found.look_at = row.optional_instant(4);
  BELAY_TRY_ASSIGN(found.progress, detail::decode_stored<backup::Progress>(row.text(5), what));
  found.verdict = row.text(7);
  if (row.is_null(6)) return found;
  BELAY_TRY_ASSIGN(const auto text, detail::decompress(row.blob(6)).within(what));
  BELAY_TRY_ASSIGN(found.watch, detail::decode_stored<backup::WatchReport>(text, what));
  return found;
}

Result<std::vector<Member>> select(Sql& sql, std::string_view rest, const Params& params) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kColumns) + std::string(rest), params));
  return detail::read_all<Member>(rows, read_member);
}

}  // namespace

Status put_members(Sql& sql, std::span<const Member> members) {
  std::vector<Params> rows;
  rows.reserve(members.size());
  for (const auto& member : members)
    rows.push_back({member.plan_id, member.node_id, member.joined_at, member.left_at, member.look_at,
                    json::encode_text(member.progress), member.verdict});
  BELAY_TRY(
      sql.exec_many("INSERT INTO backup_nodes (plan_id, node_id, joined_at, left_at, look_at, progress, verdict) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (plan_id, node_id) DO UPDATE SET "
                    "joined_at = excluded.joined_at, left_at = excluded.left_at, look_at = excluded.look_at, "
                    "progress = excluded.progress, verdict = excluded.verdict",
                    rows));
  return {};
}

Status put_watch(Sql& sql, std::string_view node_id, const backup::WatchReport& watch) {
  BELAY_TRY(
      sql.exec("UPDATE backup_nodes SET watch = $3, watched_at = $4 WHERE plan_id = $1 AND node_id = $2 AND "
               "(watched_at IS NULL OR watched_at <= $4)",
               {watch.plan_id, node_id, detail::compress(json::encode_text(watch)), watch.at}));
  return {};
}

Result<Member> get_member(Sql& sql, std::string_view plan_id, std::string_view node_id) {
  BELAY_TRY_ASSIGN(auto found, select(sql, "WHERE plan_id = $1 AND node_id = $2", {plan_id, node_id}));
  if (found.empty())
    return detail::missing("backup plan that covers the node", std::string(plan_id) + " " + std::string(node_id));
  return std::move(found.front());
}

Result<std::vector<Member>> members_of(Sql& sql, std::string_view plan_id) {
  return select(sql, "WHERE plan_id = $1 ORDER BY node_id", {plan_id});
}

Result<std::vector<Member>> members_due(Sql& sql, std::string_view plan_id, Instant now, std::uint32_t limit) {
  return select(sql, "WHERE plan_id = $1 AND look_at <= $2 ORDER BY look_at, node_id LIMIT $3", {plan_id, now, limit});
}

Result<std::optional<Instant>> next_look(Sql& sql, std::string_view plan_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT MIN(look_at) FROM backup_nodes WHERE plan_id = $1", {plan_id}));
  if (!row) return std::optional<Instant>();
  return row->optional_instant(0);
}

Result<std::vector<Member>> plans_of_node(Sql& sql, std::string_view node_id) {
  return select(sql, "WHERE node_id = $1 AND left_at IS NULL ORDER BY plan_id", {node_id});
}

}  // namespace belay::store::backups
