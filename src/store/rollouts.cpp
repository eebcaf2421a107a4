#include "store/rollouts.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/text.hpp"
#include "store/detail.hpp"

namespace belay::store::rollouts {
namespace {

constexpr std::string_view kBriefColumns =
    "SELECT rollout_id, name, state, why, change_set_id, undoes, created_by, created_at, started_at, finished_at, "
    "rings";

Rollout read_brief(const Row& row) {
  Rollout found;
  found.rollout_id = row.text(0);
  found.name = row.text(1);
  found.state = row.text(2);
  found.why = row.text(3);
  found.change_set_id = row.text(4);
  found.undoes = row.text(5);
  found.created_by = row.text(6);
  found.created_at = row.instant(7);
  found.started_at = row.optional_instant(8);
  found.finished_at = row.optional_instant(9);
  found.rings = row.text(10);
  return found;
}

Result<Rollout> read(const Row& row) {
  Rollout found = read_brief(row);
  const std::string what = "rollout " + found.rollout_id;
  BELAY_TRY_ASSIGN(found.content, detail::decompress(row.blob(11)).within(what));
  BELAY_TRY_ASSIGN(found.spec, detail::decompress(row.blob(12)).within(what));
  if (row.is_null(13)) return found;
  BELAY_TRY_ASSIGN(found.report, detail::decompress(row.blob(13)).within(what));
  return found;
}

constexpr std::string_view kNodeColumns =
    "SELECT n.rollout_id, n.node_id, n.ring, n.state, n.why, n.order_id, n.machine FROM ";
std::string select_nodes(std::string_view rest) { return std::string(kNodeColumns) + std::string(rest); }

Result<Node> read_node(const Row& row) {
  return Node{row.text(0), row.text(1), static_cast<std::uint32_t>(row.integer(2)), row.text(3), row.text(4),
              row.text(5), row.text(6)};
}

// At most a page and one row more; in any state where none is named.
Result<std::vector<Node>> page_of_nodes(Sql& sql, std::string_view rollout_id, const std::optional<std::string>& state,
                                        const std::optional<std::uint32_t>& ring, const Page& page) {
  detail::Where where;
  where.add("n.rollout_id = ?", {rollout_id});
  if (state) where.add("n.state = ?", {*state});
  if (ring) where.add("n.ring = ?", {*ring});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    if (ring) where.add("n.node_id > ?", {after.text});  // a pair would be read to the end of all rings
    else where.add("(n.ring, n.node_id) > (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(select_nodes("rollout_nodes n" + where.text() +
                                                           " ORDER BY n.ring, n.node_id LIMIT " + limit),
                                              where.params()));
  return detail::read_all<Node>(rows, read_node);
}

}  // namespace

Status create(Sql& sql, const Rollout& rollout) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM rollouts WHERE rollout_id = $1", {rollout.rollout_id}));
  if (there) return detail::taken("rollout", rollout.rollout_id);
  const auto report = rollout.report.empty() ? std::nullopt : std::optional(detail::compress(rollout.report));
  BELAY_TRY(sql.exec(
      "INSERT INTO rollouts (rollout_id, name, state, why, change_set_id, undoes, created_by, created_at, "
      "started_at, finished_at, rings, content, spec, report) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
      {rollout.rollout_id, rollout.name, rollout.state, sanitize(rollout.why, kWhyBytesMax), rollout.change_set_id,
       sanitize(rollout.undoes, kWhyBytesMax), rollout.created_by, rollout.created_at, rollout.started_at,
       rollout.finished_at, rollout.rings, detail::compress(rollout.content), detail::compress(rollout.spec), report}));
  return {};
}

Result<Rollout> get(Sql& sql, std::string_view rollout_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kBriefColumns) +
                                                     ", content, spec, report FROM rollouts WHERE rollout_id = $1",
                                                 {rollout_id}));
  if (!row) return detail::missing("rollout", rollout_id);
  return read(*row);
}

Result<Rollout> get_brief(Sql& sql, std::string_view rollout_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kBriefColumns) + " FROM rollouts WHERE rollout_id = $1", {rollout_id}));
  if (!row) return detail::missing("rollout", rollout_id);
  return read_brief(*row);
}

Status update(Sql& sql, const Rollout& rollout) {
  std::string text =
      "UPDATE rollouts SET state = $2, why = $3, change_set_id = $4, started_at = $5, finished_at = $6, rings = $7";
  Params params{rollout.rollout_id,    rollout.state,      sanitize(rollout.why, kWhyBytesMax),
                rollout.change_set_id, rollout.started_at, rollout.finished_at,
                rollout.rings};
  if (!rollout.report.empty()) {
    text += ", report = $8";
    params.push_back(detail::compress(rollout.report));
  }
  BELAY_TRY_ASSIGN(const auto touched, sql.exec(text + " WHERE rollout_id = $1", params));
  if (touched == 0) return detail::missing("rollout", rollout.rollout_id);
  return {};
}

Result<Listed<Rollout>> list(Sql& sql, const Filter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.states));
  detail::Where where;
  where.any_of("state", filter.states);
  if (!filter.name.empty()) where.add("name = ?", {filter.name});
  if (!filter.change_set_id.empty()) where.add("change_set_id = ?", {filter.change_set_id});
  if (!filter.node_id.empty())
    where.add("rollout_id IN (SELECT rollout_id FROM rollout_nodes WHERE node_id = ?)", {filter.node_id});
  if (filter.over) where.add(*filter.over ? "finished_at IS NOT NULL" : "finished_at IS NULL");
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(created_at, rollout_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kBriefColumns) + " FROM rollouts" + where.text() +
                                                  " ORDER BY created_at DESC, rollout_id DESC LIMIT " + limit,
                                              where.params()));
  std::vector<Rollout> found;
  for (const auto& row : rows) found.push_back(read_brief(row));
  return detail::paged(std::move(found), page,
                       [](const Rollout& item) { return detail::cursor(item.created_at, item.rollout_id); });
}

// ---- nodes

Status put_nodes(Sql& sql, std::span<const Node> nodes) {
  std::vector<Params> rows;
  rows.reserve(nodes.size());
  for (const auto& node : nodes)
    rows.push_back({node.rollout_id, node.node_id, node.ring, node.state, sanitize(node.why, kWhyBytesMax),
                    node.order_id, node.machine});
  BELAY_TRY(
      sql.exec_many("INSERT INTO rollout_nodes (rollout_id, node_id, ring, state, why, order_id, machine) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (node_id, rollout_id) DO UPDATE SET "
                    "ring = excluded.ring, state = excluded.state, why = excluded.why, order_id = excluded.order_id, "
                    "machine = excluded.machine",
                    rows));
  return {};
}

Result<std::vector<Node>> nodes_of(Sql& sql, std::string_view rollout_id) {
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(select_nodes("rollout_nodes n WHERE n.rollout_id = $1 ORDER BY n.ring, n.node_id"), {rollout_id}));
  return detail::read_all<Node>(rows, read_node);
}

Result<Listed<Node>> list_nodes(Sql& sql, std::string_view rollout_id, const NodeFilter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.states));
  std::vector<std::optional<std::string>> states(filter.states.begin(), filter.states.end());
  if (states.empty()) states.emplace_back();
  std::ranges::sort(states);
  const auto repeats = std::ranges::unique(states);
  states.erase(repeats.begin(), repeats.end());
  // Each state's page by itself, in the order of its index: neither a look at all nodes for a rare state, nor a sort
  // of all for a common one.
  std::vector<Node> found;
  for (const auto& state : states) {
    BELAY_TRY_ASSIGN(auto part, page_of_nodes(sql, rollout_id, state, filter.ring, page));
    std::ranges::move(part, std::back_inserter(found));
  }
  std::ranges::sort(found, {}, [](const Node& node) { return std::tie(node.ring, node.node_id); });
  return detail::paged(std::move(found), page,
                       [](const Node& node) { return detail::cursor(node.ring, node.node_id); });
}

Result<std::vector<Node>> open_of_node(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(select_nodes("rollout_nodes n JOIN rollouts r ON r.rollout_id = n.rollout_id "
                                          "WHERE n.node_id = $1 AND r.finished_at IS NULL ORDER BY n.rollout_id"),
                             {node_id}));
  return detail::read_all<Node>(rows, read_node);
}

Result<std::vector<Node>> all_of_node(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(select_nodes("rollout_nodes n WHERE n.node_id = $1 ORDER BY n.rollout_id"), {node_id}));
  return detail::read_all<Node>(rows, read_node);
}

Result<std::vector<Node>> open_in_states(Sql& sql, std::string_view but_rollout_id,
                                         std::span<const std::string> states) {
  BELAY_TRY(detail::check_lists(states));
  if (states.empty()) return std::vector<Node>();
  detail::Where where;
  where.add("n.rollout_id = r.rollout_id");
  where.add("r.finished_at IS NULL");
  where.add("r.rollout_id <> ?", {but_rollout_id});
  where.any_of("n.state", std::vector<std::string>(states.begin(), states.end()));
  // CROSS JOIN: SQLite takes the few open rollouts first, and not the nodes of all that ever were.
  BELAY_TRY_ASSIGN(const auto rows, sql.query(select_nodes("rollouts r CROSS JOIN rollout_nodes n" + where.text() +
                                                           " ORDER BY n.rollout_id, n.ring, n.node_id"),
                                              where.params()));
  return detail::read_all<Node>(rows, read_node);
}

Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT rollout_id FROM rollouts WHERE finished_at < $1 ORDER BY finished_at LIMIT $2",
                             {before, limit}));
  std::vector<Params> keys;
  for (const auto& row : rows) keys.push_back({row.text(0)});
  BELAY_TRY(sql.exec_many("DELETE FROM rollout_nodes WHERE rollout_id = $1", keys));
  BELAY_TRY(sql.exec_many("DELETE FROM rollouts WHERE rollout_id = $1", keys));
  return static_cast<std::int64_t>(rows.size());
}

}  // namespace belay::store::rollouts
