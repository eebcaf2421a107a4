// What the fleet remembers of rollouts: nodes that failed and are not settled, quarantine, exceptions, package states
// saved under a name.
#include "base/text.hpp"
#include "store/detail.hpp"
#include "store/rollouts.hpp"

namespace belay::store::rollouts {
namespace {

constexpr std::string_view kSelectQuarantine =
    "SELECT quarantine_id, change_set_id, name, arch, version, operating_system, role, reason, rollout_id, node_id, "
    "added_by, added_at, lifted_by, lift_reason, lifted_at FROM quarantine";

Result<Quarantine> read_quarantine(const Row& row) {
  Quarantine found;
  found.quarantine_id = row.text(0);
  found.change_set_id = row.text(1);
  found.name = row.text(2);
  found.arch = row.text(3);
  found.version = row.text(4);
  found.operating_system = row.text(5);
  found.role = row.text(6);
  found.reason = row.text(7);
  found.rollout_id = row.text(8);
  found.node_id = row.text(9);
  found.added_by = row.text(10);
  found.added_at = row.instant(11);
  found.lifted_by = row.text(12);
  found.lift_reason = row.text(13);
  found.lifted_at = row.optional_instant(14);
  return found;
}

Result<Exception> read_exception(const Row& row) {
  return Exception{row.text(0), row.text(1), row.text(2),    row.text(3),
                   row.text(4), row.text(5), row.instant(6), row.instant(7)};
}

Result<Unsettled> read_unsettled(const Row& row) {
  return Unsettled{row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.instant(5)};
}

constexpr std::string_view kSelectState =
    "SELECT name, description, node_id, operating_system, package_set_hash, saved_by, saved_at FROM saved_states";

Result<SavedState> read_state(const Row& row) {
  return SavedState{row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5), row.instant(6)};
}

}  // namespace

// ---- nodes that failed

Status put_unsettled(Sql& sql, const Unsettled& entry) {
  BELAY_TRY(sql.exec(
      "INSERT INTO unsettled_nodes (node_id, rollout_id, order_id, state, why, since) "
      "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (node_id) DO UPDATE SET rollout_id = excluded.rollout_id, "
      "order_id = excluded.order_id, state = excluded.state, why = excluded.why, since = excluded.since",
      {entry.node_id, entry.rollout_id, entry.order_id, entry.state, sanitize(entry.why, kWhyBytesMax), entry.since}));
  return {};
}

Result<std::optional<Unsettled>> take_unsettled(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT node_id, rollout_id, order_id, state, why, since "
                                                 "FROM unsettled_nodes WHERE node_id = $1",
                                                 {node_id}));
  if (!row) return std::optional<Unsettled>();
  BELAY_TRY(sql.exec("DELETE FROM unsettled_nodes WHERE node_id = $1", {node_id}));
  BELAY_TRY_ASSIGN(auto entry, read_unsettled(*row));
  return std::optional(std::move(entry));
}

Result<std::vector<Unsettled>> unsettled(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT node_id, rollout_id, order_id, state, why, since "
                                              "FROM unsettled_nodes ORDER BY node_id"));
  return detail::read_all<Unsettled>(rows, read_unsettled);
}

// ---- quarantine

Status add_quarantine(Sql& sql, const Quarantine& entry) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM quarantine WHERE quarantine_id = $1", {entry.quarantine_id}));
  if (there) return detail::taken("quarantine entry", entry.quarantine_id);
  BELAY_TRY(sql.exec(
      "INSERT INTO quarantine (quarantine_id, change_set_id, name, arch, version, operating_system, role, reason, "
      "rollout_id, node_id, added_by, added_at, lifted_by, lift_reason, lifted_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
      {entry.quarantine_id, entry.change_set_id, entry.name, entry.arch, entry.version, entry.operating_system,
       entry.role, sanitize(entry.reason, kWhyBytesMax), entry.rollout_id, entry.node_id, entry.added_by,
       entry.added_at, entry.lifted_by, sanitize(entry.lift_reason, kWhyBytesMax), entry.lifted_at}));
  return {};
}

Result<Quarantine> get_quarantine(Sql& sql, std::string_view quarantine_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kSelectQuarantine) + " WHERE quarantine_id = $1", {quarantine_id}));
  if (!row) return detail::missing("quarantine entry", quarantine_id);
  return read_quarantine(*row);
}

Status lift_quarantine(Sql& sql, std::string_view quarantine_id, std::string_view by, std::string_view reason,
                       Instant at) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE quarantine SET lifted_by = $2, lift_reason = $3, lifted_at = $4 "
                            "WHERE quarantine_id = $1 AND lifted_at IS NULL",
                            {quarantine_id, by, sanitize(reason, kWhyBytesMax), at}));
  if (touched > 0) return {};
  BELAY_TRY_ASSIGN(const auto entry, get_quarantine(sql, quarantine_id));
  return Error(Code::conflict, "quarantine entry " + entry.quarantine_id + " was lifted already, by " + entry.lifted_by,
               "already-lifted");
}

Result<std::vector<Quarantine>> in_quarantine(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelectQuarantine) +
                                              " WHERE lifted_at IS NULL ORDER BY added_at DESC, quarantine_id DESC"));
  return detail::read_all<Quarantine>(rows, read_quarantine);
}

Result<Listed<Quarantine>> list_quarantine(Sql& sql, bool lifted_too, const Page& page) {
  detail::Where where;
  if (!lifted_too) where.add("lifted_at IS NULL");
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(added_at, quarantine_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelectQuarantine) + where.text() +
                                                  " ORDER BY added_at DESC, quarantine_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Quarantine>(rows, read_quarantine));
  return detail::paged(std::move(found), page,
                       [](const Quarantine& item) { return detail::cursor(item.added_at, item.quarantine_id); });
}

// ---- exceptions

Status add_exception(Sql& sql, const Exception& exception) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM exceptions WHERE exception_id = $1", {exception.exception_id}));
  if (there) return detail::taken("exception", exception.exception_id);
  BELAY_TRY(sql.exec(
      "INSERT INTO exceptions (exception_id, package, target, owner, reason, created_by, created_at, "
      "expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
      {exception.exception_id, exception.package, exception.target, exception.owner,
       sanitize(exception.reason, kWhyBytesMax), exception.created_by, exception.created_at, exception.expires_at}));
  return {};
}

Status remove_exception(Sql& sql, std::string_view exception_id) {
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("DELETE FROM exceptions WHERE exception_id = $1", {exception_id}));
  return touched > 0 ? Status() : Status(detail::missing("exception", exception_id));
}

Result<std::vector<Exception>> exceptions(Sql& sql, std::optional<Instant> in_force_at) {
  detail::Where where;
  // In force from the moment it is written: another server's clock may be behind.
  if (in_force_at) where.add("expires_at > ?", {*in_force_at});
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT exception_id, package, target, owner, reason, created_by, "
                                              "created_at, expires_at FROM exceptions" +
                                                  where.text() + " ORDER BY expires_at, exception_id",
                                              where.params()));
  return detail::read_all<Exception>(rows, read_exception);
}

// ---- package states

Status save_state(Sql& sql, const SavedState& state) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM saved_states WHERE name = $1", {state.name}));
  if (there) return detail::taken("saved state", state.name);
  BELAY_TRY(
      sql.exec("INSERT INTO saved_states (name, description, node_id, operating_system, package_set_hash, saved_by, "
               "saved_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
               {state.name, state.description, state.node_id, state.operating_system, state.package_set_hash,
                state.saved_by, state.saved_at}));
  return {};
}

Result<SavedState> get_state(Sql& sql, std::string_view name) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelectState) + " WHERE name = $1", {name}));
  if (!row) return detail::missing("saved state", name);
  return read_state(*row);
}

Status remove_state(Sql& sql, std::string_view name) {
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("DELETE FROM saved_states WHERE name = $1", {name}));
  return touched > 0 ? Status() : Status(detail::missing("saved state", name));
}

Result<Listed<SavedState>> list_states(Sql& sql, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelectState) + " WHERE name > $1 ORDER BY name LIMIT $2",
                                              {page.after, detail::limit_of(page) + 1}));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<SavedState>(rows, read_state));
  return detail::paged(std::move(found), page, [](const SavedState& item) { return item.name; });
}

}  // namespace belay::store::rollouts
