#include "base/text.hpp"
#include "store/commands.hpp"
#include "store/detail.hpp"

namespace belay::store::commands {
namespace {

constexpr std::size_t kInvocationsMax = 100'000;
constexpr std::string_view kColumns =
    "SELECT command_id, node_id, node_name, status, status_details, order_id, requested_at, started_at, finished_at, "
    "response_code, plugin_name, detail";

std::string select(bool with_output, std::string_view rest) {
  return std::string(kColumns) + (with_output ? ", standard_output, standard_error" : "") + " FROM invocations" +
         std::string(rest);
}

Result<Invocation> read(const Row& row) {
  Invocation invocation;
  invocation.command_id = row.text(0);
  invocation.node_id = row.text(1);
  invocation.node_name = row.text(2);
  invocation.status = row.text(3);
  invocation.status_details = row.text(4);
  invocation.order_id = row.text(5);
  invocation.requested_at = row.instant(6);
  invocation.started_at = row.optional_instant(7);
  invocation.finished_at = row.optional_instant(8);
  invocation.response_code = static_cast<std::int32_t>(row.integer(9));
  invocation.plugin_name = row.text(10);
  invocation.detail = row.text(11);
  if (row.size() > 12) invocation.standard_output = row.text(12), invocation.standard_error = row.text(13);
  return invocation;
}

// In SSM's words. put_output() keeps the rest.
constexpr std::string_view kTruncated = "\n---Output truncated---";

// At most so many characters, whole ones, with a mark where some are missing; what cannot be printed was made harmless.
std::string shown(std::string_view text, std::size_t characters_max) {
  std::string safe = sanitize(text, text.size() * 4 + 4);
  std::size_t characters = 0, room_for_mark = 0;
  for (std::size_t i = 0; i < safe.size(); ++i) {
    if ((safe[i] & 0xC0) == 0x80) continue;
    ++characters;
    if (characters == characters_max - kTruncated.size() + 1) room_for_mark = i;
    if (characters > characters_max) return safe.substr(0, room_for_mark) + std::string(kTruncated);
  }
  return safe;
}

Result<Invocation> one(Sql& sql, std::string_view rest, const Params& params, std::string_view what) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(select(true, rest), params));
  if (!row) return detail::missing("invocation for", what);
  return read(*row);
}

Status insert_invocations(Sql& sql, const Command& command, std::span<const Invocation> invocations) {
  std::vector<Params> rows;
  rows.reserve(invocations.size());
  for (const auto& item : invocations)
    rows.push_back({command.command_id, item.node_id, item.node_name, command.document_name, item.status,
                    item.status_details, item.order_id, item.requested_at, item.started_at, item.finished_at,
                    item.response_code, item.plugin_name, item.detail,
                    shown(item.standard_output, kStandardOutputChars),
                    shown(item.standard_error, kStandardErrorChars)});
  BELAY_TRY(
      sql.exec_many("INSERT INTO invocations (command_id, node_id, node_name, document_name, status, status_details, "
                    "order_id, requested_at, started_at, finished_at, response_code, plugin_name, detail, "
                    "standard_output, standard_error) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
                    rows));
  return {};
}

}  // namespace

Status create(Sql& sql, const Command& command, std::span<const Invocation> invocations) {
  if (invocations.size() > kInvocationsMax)
    return Error(Code::resource_exhausted, "command " + command.command_id + " is for more than 100,000 nodes");
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM commands WHERE command_id = $1", {command.command_id}));
  if (there) return detail::taken("command", command.command_id);
  BELAY_TRY(sql.exec(
      "INSERT INTO commands (command_id, document_name, document_version, comment, parameters, targets, "
      "instance_ids, max_concurrency, max_errors, timeout_seconds, status, status_details, requested_at, "
      "expires_at, requested_by, target_count, completed_count, error_count, delivery_timed_out_count, detail) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
      {command.command_id,
       command.document_name,
       command.document_version,
       command.comment,
       command.parameters,
       command.targets,
       json::encode_text(command.instance_ids),
       command.max_concurrency,
       command.max_errors,
       command.timeout_seconds,
       command.status,
       command.status_details,
       command.requested_at,
       command.expires_at,
       command.requested_by,
       command.target_count,
       command.completed_count,
       command.error_count,
       command.delivery_timed_out_count,
       command.detail}));
  return insert_invocations(sql, command, invocations);
}

Result<Invocation> get_invocation(Sql& sql, std::string_view command_id, std::string_view node_id) {
  return one(sql, " WHERE command_id = $1 AND node_id = $2", {command_id, node_id}, node_id);
}

Result<Invocation> invocation_of_order(Sql& sql, std::string_view order_id) {
  return one(sql, " WHERE order_id = $1 AND order_id <> ''", {order_id}, order_id);
}

Status update_invocation(Sql& sql, const Invocation& invocation) {
  return update_invocations(sql, std::span(&invocation, 1));
}

Status update_invocations(Sql& sql, std::span<const Invocation> invocations) {
  std::vector<Params> rows;
  for (const auto& item : invocations)
    rows.push_back({item.command_id, item.node_id, item.status, item.status_details, item.order_id, item.started_at,
                    item.finished_at, item.response_code, item.plugin_name, item.detail,
                    shown(item.standard_output, kStandardOutputChars),
                    shown(item.standard_error, kStandardErrorChars)});
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec_many("UPDATE invocations SET status = $3, status_details = $4, order_id = $5, started_at = $6, "
                    "finished_at = $7, response_code = $8, plugin_name = $9, detail = $10, standard_output = $11, "
                    "standard_error = $12 WHERE command_id = $1 AND node_id = $2",
                    rows));
  if (touched != static_cast<std::int64_t>(rows.size())) return Error(Code::not_found, "there is no such invocation");
  return {};
}

Result<Listed<Invocation>> list_invocations(Sql& sql, const Filter& filter, const Page& page, bool with_output) {
  BELAY_TRY(detail::check_lists(filter.statuses));
  // Those of one command were all requested at once, so that their order is that of its key: nothing to sort.
  const bool one_command = !filter.command_id.empty();
  const std::string order = one_command ? " ORDER BY node_id DESC LIMIT "
                                        : " ORDER BY requested_at DESC, command_id DESC, node_id DESC LIMIT ";
  detail::Where where;
  if (one_command) where.add("command_id = ?", {filter.command_id});
  if (!filter.node_id.empty()) where.add("node_id = ?", {filter.node_id});
  if (!filter.document_name.empty()) where.add("document_name = ?", {filter.document_name});
  where.any_of("status", filter.statuses);
  if (filter.requested_after) where.add("requested_at > ?", {*filter.requested_after});
  if (filter.requested_before) where.add("requested_at < ?", {*filter.requested_before});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    const auto ids = split(after.text, '/');
    if (ids.size() != 2)
      return Error(Code::invalid_argument, "the page token is not one that was given", "page-token-invalid");
    // Newest first, then by command backwards and by node backwards: one order, so that one comparison follows it.
    if (one_command) where.add("node_id < ?", {ids[1]});
    else where.add("(requested_at, command_id, node_id) < (?, ?, ?)", {after.number, ids[0], ids[1]});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(select(with_output, where.text() + order + limit), where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Invocation>(rows, read));
  return detail::paged(std::move(found), page, [](const Invocation& item) {
    return detail::cursor(item.requested_at, item.command_id + "/" + item.node_id);
  });
}

Result<std::vector<Invocation>> invocations_of(Sql& sql, std::string_view command_id) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query(select(false, " WHERE command_id = $1 ORDER BY node_id"), {command_id}));
  return detail::read_all<Invocation>(rows, read);
}

Status put_output(Sql& sql, std::string_view command_id, std::string_view node_id, Stream stream,
                  std::string_view text) {
  const std::string safe = sanitize(text, kOutputBytesMax);
  BELAY_TRY(
      sql.exec("INSERT INTO command_outputs (command_id, node_id, stream, body) VALUES ($1, $2, $3, $4) "
               "ON CONFLICT (command_id, node_id, stream) DO UPDATE SET body = excluded.body",
               {command_id, node_id, stream, detail::compress(safe)}));
  return {};
}

Result<std::string> get_output(Sql& sql, std::string_view command_id, std::string_view node_id, Stream stream) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT body FROM command_outputs WHERE command_id = $1 AND node_id = $2 "
                                 "AND stream = $3",
                                 {command_id, node_id, stream}));
  if (!row) return detail::missing("output of", node_id);
  return detail::decompress(row->blob(0), kOutputBytesMax * 4);
}

Status put_steps(Sql& sql, std::string_view command_id, std::string_view node_id, std::span<const StepRow> steps) {
  std::vector<Params> rows;
  for (const auto& step : steps)
    rows.push_back({command_id, node_id, step.position, step.name, step.action, step.status, step.response_code,
                    step.started_at, step.finished_at, shown(step.standard_output, kStandardOutputChars),
                    shown(step.standard_error, kStandardErrorChars)});
  BELAY_TRY(sql.exec_many(
      "INSERT INTO invocation_steps (command_id, node_id, position, name, action, status, response_code, started_at, "
      "finished_at, standard_output, standard_error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
      "ON CONFLICT (command_id, node_id, position) DO UPDATE SET status = excluded.status, "
      "response_code = excluded.response_code, started_at = excluded.started_at, finished_at = excluded.finished_at, "
      "standard_output = CASE WHEN excluded.standard_output = '' THEN invocation_steps.standard_output "
      "ELSE excluded.standard_output END, "
      "standard_error = CASE WHEN excluded.standard_error = '' THEN invocation_steps.standard_error "
      "ELSE excluded.standard_error END",
      rows));
  return {};
}

Result<std::vector<StepRow>> steps_of(Sql& sql, std::string_view command_id, std::string_view node_id) {
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query("SELECT position, name, action, status, response_code, started_at, finished_at, standard_output, "
                "standard_error FROM invocation_steps WHERE command_id = $1 AND node_id = $2 ORDER BY position",
                {command_id, node_id}));
  return detail::read_all<StepRow>(rows, [](const Row& row) -> Result<StepRow> {
    return StepRow{static_cast<std::uint32_t>(row.integer(0)),
                   row.text(1),
                   row.text(2),
                   row.text(3),
                   static_cast<std::int32_t>(row.integer(4)),
                   row.optional_instant(5),
                   row.optional_instant(6),
                   row.text(7),
                   row.text(8)};
  });
}

}  // namespace belay::store::commands
