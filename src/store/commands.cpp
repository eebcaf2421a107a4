#include "store/commands.hpp"

#include "store/detail.hpp"

namespace belay::store::commands {
namespace {

constexpr std::string_view kSelect =
    "SELECT command_id, document_name, document_version, comment, parameters, targets, instance_ids, max_concurrency, "
    "max_errors, timeout_seconds, status, status_details, requested_at, expires_at, requested_by, target_count, "
    "completed_count, error_count, delivery_timed_out_count, detail FROM commands";

Result<Command> read(const Row& row) {
  Command command;
  command.command_id = row.text(0);
  command.document_name = row.text(1);
  command.document_version = row.text(2);
  command.comment = row.text(3);
  command.parameters = row.text(4);
  command.targets = row.text(5);
  BELAY_TRY_ASSIGN(command.instance_ids,
                   detail::decode_stored<std::vector<std::string>>(row.text(6), "targets of a command"));
  command.max_concurrency = row.text(7);
  command.max_errors = row.text(8);
  command.timeout_seconds = static_cast<std::uint32_t>(row.integer(9));
  command.status = row.text(10);
  command.status_details = row.text(11);
  command.requested_at = row.instant(12);
  command.expires_at = row.instant(13);
  command.requested_by = row.text(14);
  command.target_count = static_cast<std::uint32_t>(row.integer(15));
  command.completed_count = static_cast<std::uint32_t>(row.integer(16));
  command.error_count = static_cast<std::uint32_t>(row.integer(17));
  command.delivery_timed_out_count = static_cast<std::uint32_t>(row.integer(18));
  command.detail = row.text(19);
  return command;
}

}  // namespace

Result<Command> get(Sql& sql, std::string_view command_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE command_id = $1", {command_id}));
  if (!row) return detail::missing("command", command_id);
  return read(*row);
}

Status update(Sql& sql, const Command& command) {
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE commands SET status = $2, status_details = $3, target_count = $4, completed_count = $5, "
               "error_count = $6, delivery_timed_out_count = $7, detail = $8 WHERE command_id = $1",
               {command.command_id, command.status, command.status_details, command.target_count,
                command.completed_count, command.error_count, command.delivery_timed_out_count, command.detail}));
  if (touched == 0) return detail::missing("command", command.command_id);
  return {};
}

Result<Listed<Command>> list(Sql& sql, const Filter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.statuses));
  detail::Where where;
  if (!filter.command_id.empty()) where.add("command_id = ?", {filter.command_id});
  if (!filter.node_id.empty())
    where.add("command_id IN (SELECT command_id FROM invocations WHERE node_id = ?)", {filter.node_id});
  if (!filter.document_name.empty()) where.add("document_name = ?", {filter.document_name});
  where.any_of("status", filter.statuses);
  if (filter.requested_after) where.add("requested_at > ?", {*filter.requested_after});
  if (filter.requested_before) where.add("requested_at < ?", {*filter.requested_before});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(requested_at, command_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelect) + where.text() +
                                                  " ORDER BY requested_at DESC, command_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Command>(rows, read));
  return detail::paged(std::move(found), page,
                       [](const Command& item) { return detail::cursor(item.requested_at, item.command_id); });
}

}  // namespace belay::store::commands
