// What the programs of MariaDB and MySQL print or leave in files: any bytes are refused or become values.
#include "agent/backup/mariadb_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::agent::backups::mariadb;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto read = read_checkpoints(text); read.ok()) {
    if (read->to_lsn < read->from_lsn) __builtin_trap();
    static_cast<void>(check_follows(*read, *read));
  }
  for (const auto& position : {read_binlog_info(text), read_dump_position(text), read_position(text)})
    if (!position.file.empty() && position.file.find(' ') == std::string::npos &&
        position.gtid.find(' ') == std::string::npos && read_position(text_of(position)).file != position.file)
      __builtin_trap();
  for (const auto& log : read_server_logs(text))
    if (!log_number(log.name)) __builtin_trap();
  is_dump_complete(text);
  newest_change(text);
  if (const auto version = read_version(text)) text_of(*version);
  read_checked_tables(text);
  if (sql_name(text).size() < size + 2 || sql_text(text).size() < size + 2) __builtin_trap();
  unescaped(text);
  belay::io::ProcessOutcome outcome;
  outcome.standard_error = std::string(text);
  static_cast<void>(judge_backup_tool(outcome, "it"));
  outcome.exit_status = 1;
  if (judge_client(outcome, "it").ok()) __builtin_trap();
  return 0;
}
