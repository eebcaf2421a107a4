// What pgBackRest and PostgreSQL print: any bytes are refused or become values.
#include "agent/backup/pg_control.hpp"
#include "agent/backup/pg_text.hpp"
#include "agent/backup/pgbackrest_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::agent::backups;
  using namespace belay::agent::backups::pgbackrest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto info = parse_info(text, "main"); info.ok()) static_cast<void>(judge(*info));
  if (const auto verified = parse_verify(text); verified.ok() && !verified->backups.empty())
    if (!verified->backup(verified->backups.front().name)) __builtin_trap();
  if (const auto listed = parse_repo_ls(text); listed.ok()) {
    if (listed->times.size() != listed->files.size()) __builtin_trap();
    for (const auto& name : wal_between(listed->files, "", ""))
      if (!is_wal_name(name)) __builtin_trap();
  }
  if (complaints(text).size() > 1'010) __builtin_trap();
  if (const auto position = parse_position(text); position && to_text(*position) != text) __builtin_trap();
  static_cast<void>(wal_name(1, text, 16u << 20));
  if (const auto data_of = parse_control_data(text); data_of.ok() && data_of->least.size() != 5) __builtin_trap();
  if (const auto prints = parse_fingerprints(text); prints.ok())
    if (unchanged(*prints, *prints).size() > prints->size()) __builtin_trap();
  static_cast<void>(parse_pg_time(text));
  static_cast<void>(last_transaction_in(text));
  static_cast<void>(last_errors_in(text));
  static_cast<void>(parse_dump_entries(text));
  static_cast<void>(parse_server_options(text));
  static_cast<void>(unit_in(text, ""));
  if (sql_literal(text).front() != '\'' || sql_identifier(text).back() != '"') __builtin_trap();
  if (const auto table = sql_table(text); table.ok() && table->size() > 140) __builtin_trap();
  return 0;
}
