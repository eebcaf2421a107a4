#include "store/nodes.hpp"

#include <algorithm>

#include "store/detail.hpp"

namespace belay::store::nodes {
namespace {

constexpr std::string_view kSelect =
    "SELECT n.node_id, n.name, n.state, n.operating_system, n.agent_version, n.activation_id, n.iam_role, "
    "n.registered_at, n.deregistered_at, n.clone_seen_at, n.order_counter, p.address, p.last_seen_at, f.facts, "
    "n.clone_address FROM nodes n "
    "JOIN node_presence p ON p.node_id = n.node_id JOIN node_facts f ON f.node_id = n.node_id";
constexpr std::string_view kSelectBriefs =
    "SELECT n.node_id, n.name, n.state, n.operating_system, n.os_name, n.os_version, n.registered_at, p.last_seen_at, "
    "n.deregistered_at, n.reboot_required FROM nodes n JOIN node_presence p ON p.node_id = n.node_id";

Result<Node> read(const Row& row) {
  Node node;
  node.node_id = row.text(0);
  node.name = row.text(1);
  BELAY_TRY_ASSIGN(node.state, row.enumerator<NodeState>(2));
  node.operating_system = row.text(3);
  node.agent_version = row.text(4);
  node.activation_id = row.text(5);
  node.iam_role = row.text(6);
  node.registered_at = row.instant(7);
  node.deregistered_at = row.optional_instant(8);
  node.clone_seen_at = row.optional_instant(9);
  node.order_counter = static_cast<std::uint64_t>(row.integer(10));
  node.address = row.text(11);
  node.last_seen_at = row.optional_instant(12);
  BELAY_TRY_ASSIGN(const auto facts, detail::decompress(row.blob(13)).within("facts of node " + node.node_id));
  BELAY_TRY_ASSIGN(node.facts, detail::decode_stored<fleet::NodeFacts>(facts, "facts of node " + node.node_id));
  node.clone_address = row.text(14);
  return node;
}

Result<Brief> read_brief(const Row& row) {
  Brief brief;
  brief.node_id = row.text(0);
  brief.name = row.text(1);
  BELAY_TRY_ASSIGN(brief.state, row.enumerator<NodeState>(2));
  brief.operating_system = row.text(3);
  brief.os_name = row.text(4);
  brief.os_version = row.text(5);
  brief.registered_at = row.instant(6);
  brief.last_seen_at = row.optional_instant(7);
  brief.deregistered_at = row.optional_instant(8);
  brief.reboot_required = row.boolean(9);
  return brief;
}

// Each id once, in order.
std::vector<Params> sorted_ids(std::span<const std::string> node_ids) {
  std::vector<std::string> wanted(node_ids.begin(), node_ids.end());
  std::ranges::sort(wanted);
  const auto repeats = std::ranges::unique(wanted);
  wanted.erase(repeats.begin(), repeats.end());
  std::vector<Params> asked;
  for (auto& id : wanted) asked.push_back({std::move(id)});
  return asked;
}

void add_seen(detail::Where& where, const std::vector<Seen>& ranges) {
  if (ranges.empty()) return;
  std::string any;
  for (const auto& range : ranges) {
    std::string one = "1 = 1";
    if (range.from) one += " AND p.last_seen_at >= " + where.bind(*range.from);
    if (range.before) one += " AND (p.last_seen_at IS NULL OR p.last_seen_at < " + where.bind(*range.before) + ")";
    any += (any.empty() ? "(" : " OR (") + one + ")";
  }
  where.add(any);
}

void add_tags(detail::Where& where, const std::vector<tags::TagFilter>& filters) {
  for (const auto& filter : filters) {
    std::string inner =
        "n.node_id IN (SELECT resource_id FROM tags WHERE resource_type = " + where.bind(tags::kManagedInstance) +
        " AND key = " + where.bind(filter.key);
    if (!filter.values.empty()) inner += " AND " + where.list("value", filter.values);
    where.add(inner + ")");
  }
}

// The worst first, as core/association::overall has it; what has not ended yet comes before all.
constexpr std::string_view kWorstAssociation =
    "(SELECT MAX(CASE a.status WHEN 'Failed' THEN 5 WHEN 'TimedOut' THEN 4 WHEN 'Cancelled' THEN 3 WHEN 'Skipped' THEN "
    "2 "
    "WHEN 'Success' THEN 1 ELSE 6 END) FROM association_nodes a WHERE a.node_id = n.node_id)";
std::int64_t rank_of(std::string_view status) {
  constexpr std::string_view kRanked[] = {"Success", "Skipped", "Cancelled", "TimedOut", "Failed", "Pending"};
  const auto* at = std::ranges::find(kRanked, status);
  return at == std::end(kRanked) ? 0 : at - kRanked + 1;
}

void add_associations(detail::Where& where, const NodeFilter& filter) {
  std::vector<std::int64_t> ranks;
  for (const auto& status : filter.association_statuses) ranks.push_back(rank_of(status));
  where.any_of(kWorstAssociation, ranks);
  if (filter.association_details.empty()) return;
  where.add("EXISTS (SELECT 1 FROM association_nodes a WHERE a.node_id = n.node_id AND " +
            where.list("a.details", filter.association_details) + ")");
}

Result<detail::Where> conditions(const NodeFilter& filter) {
  BELAY_TRY(detail::check_lists(filter.node_ids, filter.names, filter.operating_systems, filter.os_names,
                                filter.os_versions, filter.agent_versions, filter.activation_ids, filter.iam_roles,
                                filter.names_or_ids, filter.seen, filter.tags, filter.association_statuses,
                                filter.association_details));
  detail::Where where;
  if (!filter.include_deregistered) where.add("n.state = 'active'");
  if (filter.only_in_doubt) where.add("n.clone_seen_at IS NOT NULL");
  where.any_of("n.node_id", filter.node_ids);
  where.any_of("n.name", filter.names);
  where.any_of("n.operating_system", filter.operating_systems);
  where.any_of("n.os_name", filter.os_names);
  where.any_of("n.os_version", filter.os_versions);
  where.any_of("n.agent_version", filter.agent_versions);
  where.any_of("n.activation_id", filter.activation_ids);
  where.any_of("n.iam_role", filter.iam_roles);
  if (!filter.names_or_ids.empty()) {
    const std::string ids = where.list("n.node_id", filter.names_or_ids);
    const std::string names = where.list("n.name", filter.names_or_ids);
    where.add(ids + " OR " + names + " OR " + where.list("n.computer_name", filter.names_or_ids));
  }
  add_associations(where, filter);
  add_seen(where, filter.seen);
  for (const auto& tag : filter.tags) BELAY_TRY(detail::check_lists(tag.values));
  add_tags(where, filter.tags);
  return where;
}

std::string_view filtered(const NodeFilter& filter) {
  return filter.seen.empty() ? "FROM nodes n" : "FROM nodes n JOIN node_presence p ON p.node_id = n.node_id";
}

struct PageOfIds {
  std::string text;
  detail::Where where;
};
Result<PageOfIds> page_of_ids(const NodeFilter& filter, const Page& page) {
  BELAY_TRY_ASSIGN(auto where, conditions(filter));
  if (!page.after.empty()) where.add("n.node_id > ?", {page.after});
  // As a number in the text: a planner that does not see it plans for a tenth of the table.
  std::string text = "SELECT n.node_id " + std::string(filtered(filter)) + where.text() + " ORDER BY n.node_id LIMIT " +
                     std::to_string(detail::limit_of(page) + 1);
  return PageOfIds{std::move(text), std::move(where)};
}

// The page is chosen among the narrow rows first, so that what is joined to it is looked up for its few ids: a database
// that knows little of the tables yet (fresh, or just grown) would else join them whole.
Result<Rows> select(Sql& sql, std::string_view what, const NodeFilter& filter, const Page& page) {
  BELAY_TRY_ASSIGN(const auto ids, page_of_ids(filter, page));
  return sql.query(std::string(what) + " JOIN (" + ids.text + ") page ON page.node_id = n.node_id ORDER BY n.node_id",
                   ids.where.params());
}

Status set_column(Sql& sql, std::string_view node_id, std::string_view column, SqlValue value) {
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("UPDATE nodes SET " + std::string(column) + " = $2 WHERE node_id = $1",
                                                {node_id, std::move(value)}));
  if (touched == 0) return detail::missing("node", node_id);
  return {};
}

}  // namespace

Brief brief_of(const Node& node) {
  return {
      node.node_id,          node.name,          node.state,        node.operating_system, node.facts.os_name,
      node.facts.os_version, node.registered_at, node.last_seen_at, node.deregistered_at,  node.facts.reboot_required};
}

Status create(Sql& sql, const Node& node) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM nodes WHERE node_id = $1", {node.node_id}));
  if (there) return detail::taken("node", node.node_id);
  BELAY_TRY(sql.exec(
      "INSERT INTO nodes (node_id, name, state, operating_system, agent_version, activation_id, iam_role, "
      "computer_name, os_name, os_version, registered_at, deregistered_at, clone_seen_at, order_counter, "
      "clone_address, reboot_required) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
      {node.node_id, node.name, node.state, node.operating_system, node.agent_version, node.activation_id,
       node.iam_role, node.facts.computer_name, node.facts.os_name, node.facts.os_version, node.registered_at,
       node.deregistered_at, node.clone_seen_at, node.order_counter, node.clone_address, node.facts.reboot_required}));
  BELAY_TRY(sql.exec("INSERT INTO node_facts (node_id, facts) VALUES ($1, $2)",
                     {node.node_id, detail::compress(json::encode_text(node.facts))}));
  BELAY_TRY(
      sql.exec("INSERT INTO node_presence (node_id, last_seen_at, instance_nonce, boot_id, address) "
               "VALUES ($1, $2, '', '', $3)",
               {node.node_id, node.last_seen_at, node.address}));
  return {};
}

Result<Node> get(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE n.node_id = $1", {node_id}));
  if (!row) return detail::missing("node", node_id);
  return read(*row);
}

Result<std::vector<Node>> get_many(Sql& sql, std::span<const std::string> node_ids) {
  BELAY_TRY_ASSIGN(const auto answers,
                   sql.query_many(std::string(kSelect) + " WHERE n.node_id = $1", sorted_ids(node_ids)));
  std::vector<Node> nodes;
  for (const auto& answer : answers) {
    if (answer.empty()) continue;
    BELAY_TRY_ASSIGN(auto node, read(answer.front()));
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Result<Listed<Node>> list(Sql& sql, const NodeFilter& filter, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows, select(sql, kSelect, filter, page));
  BELAY_TRY_ASSIGN(auto nodes, detail::read_all<Node>(rows, read));
  return detail::paged(std::move(nodes), page, [](const Node& node) { return node.node_id; });
}

Result<std::vector<Brief>> get_briefs(Sql& sql, std::span<const std::string> node_ids) {
  BELAY_TRY_ASSIGN(const auto answers,
                   sql.query_many(std::string(kSelectBriefs) + " WHERE n.node_id = $1", sorted_ids(node_ids)));
  std::vector<Brief> briefs;
  for (const auto& answer : answers) {
    if (answer.empty()) continue;
    BELAY_TRY_ASSIGN(auto brief, read_brief(answer.front()));
    briefs.push_back(std::move(brief));
  }
  return briefs;
}

Result<Listed<Brief>> list_briefs(Sql& sql, const NodeFilter& filter, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows, select(sql, kSelectBriefs, filter, page));
  BELAY_TRY_ASSIGN(auto briefs, detail::read_all<Brief>(rows, read_brief));
  return detail::paged(std::move(briefs), page, [](const Brief& brief) { return brief.node_id; });
}

Result<Listed<std::string>> list_ids(Sql& sql, const NodeFilter& filter, const Page& page) {
  BELAY_TRY_ASSIGN(const auto chosen, page_of_ids(filter, page));
  BELAY_TRY_ASSIGN(const auto rows, sql.query(chosen.text, chosen.where.params()));
  std::vector<std::string> ids;
  for (const auto& row : rows) ids.push_back(row.text(0));
  return detail::paged(std::move(ids), page, [](const std::string& id) { return id; });
}

Result<std::int64_t> count(Sql& sql, const NodeFilter& filter) {
  BELAY_TRY_ASSIGN(const auto where, conditions(filter));
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT COUNT(*) " + std::string(filtered(filter)) + where.text(), where.params()));
  return row->integer(0);
}

Status set_facts(Sql& sql, std::string_view node_id, const fleet::NodeFacts& facts, std::string_view operating_system,
                 std::string_view agent_version) {
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE nodes SET operating_system = $2, agent_version = $3, computer_name = $4, os_name = $5, "
               "os_version = $6, reboot_required = $7 WHERE node_id = $1",
               {node_id, operating_system, agent_version, facts.computer_name, facts.os_name, facts.os_version,
                facts.reboot_required}));
  if (touched == 0) return detail::missing("node", node_id);
  BELAY_TRY(sql.exec("UPDATE node_facts SET facts = $2 WHERE node_id = $1",
                     {node_id, detail::compress(json::encode_text(facts))}));
  return {};
}

Status set_name(Sql& sql, std::string_view node_id, std::string_view name) {
  return set_column(sql, node_id, "name", name);
}

Status set_iam_role(Sql& sql, std::string_view node_id, std::string_view iam_role) {
  return set_column(sql, node_id, "iam_role", iam_role);
}

Status deregister(Sql& sql, std::string_view node_id, Instant at) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE nodes SET state = 'deregistered', deregistered_at = COALESCE(deregistered_at, $2) "
                            "WHERE node_id = $1",
                            {node_id, at}));
  if (touched == 0) return detail::missing("node", node_id);
  BELAY_TRY(revoke_certificates(sql, node_id, at));
  BELAY_TRY(
      sql.exec("UPDATE orders SET state = 'cancelled', finished_at = $2 WHERE node_id = $1 "
               "AND state IN ('queued', 'delivered')",
               {node_id, at}));
  return {};
}

Status touch_many(Sql& sql, std::span<const Touch> touches) {
  std::vector<Params> rows;
  rows.reserve(touches.size());
  for (const auto& touch : touches) rows.push_back({touch.node_id, touch.at});
  BELAY_TRY(
      sql.exec_many("UPDATE node_presence SET last_seen_at = $2 WHERE node_id = $1 "
                    "AND (last_seen_at IS NULL OR last_seen_at < $2)",
                    rows));
  return {};
}

Result<Session> begin_session(Sql& sql, std::string_view node_id, const Session& session) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT n.state, p.instance_nonce, p.boot_id, p.address, p.session_at, p.earlier_nonce "
                    "FROM nodes n "
                    "JOIN node_presence p ON p.node_id = n.node_id WHERE n.node_id = $1",
                    {node_id}));
  if (!row) return detail::missing("node", node_id);
  if (row->text(0) != "active")
    return Error(Code::permission_denied, "node " + std::string(node_id) + " was deregistered", "node-deregistered");
  BELAY_TRY(sql.exec(
      "UPDATE node_presence SET instance_nonce = $2, boot_id = $3, address = $4, session_at = $5, earlier_nonce = "
      "CASE WHEN instance_nonce <> $2 THEN instance_nonce ELSE earlier_nonce END WHERE node_id = $1",
      {node_id, session.instance_nonce, session.boot_id, session.address, session.at}));
  BELAY_TRY(touch_many(sql, std::vector<Touch>{{std::string(node_id), session.at}}));
  Session before{row->text(1), row->text(2), {}, {}, row->text(5)};
  if (const auto at = row->optional_instant(4)) before.at = *at, before.address = row->text(3);
  return before;
}

Status mark_clone(Sql& sql, std::string_view node_id, Instant at, std::string_view other_address) {
  BELAY_TRY(set_column(sql, node_id, "clone_address", other_address));
  return set_column(sql, node_id, "clone_seen_at", at);
}

Status clear_clone(Sql& sql, std::string_view node_id) {
  BELAY_TRY(set_column(sql, node_id, "clone_address", ""));
  return set_column(sql, node_id, "clone_seen_at", std::nullopt);
}

}  // namespace belay::store::nodes
