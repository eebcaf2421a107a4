#include <iostream>

#include "base/error_table.hpp"
#include "cli/change_set.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"

namespace belay::cli {
namespace {

Result<int> run(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto first, checked_id(IdKind::change_set, arguments.one("FIRST")));
  BELAY_TRY_ASSIGN(const auto second, checked_id(IdKind::change_set, arguments.one("SECOND")));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "CompareChangeSets", {{"First", first}, {"Second", second}}));
  Table table{{"PACKAGE", "ARCH", "CHANGE", "FIRST", "SECOND"}, {}};
  if (const auto* rows = json::find(answer, "Differences"); rows && rows->is_array())
    for (const auto& row : rows->get_array())
      table.rows.push_back(
          {cell(row, "Name"), cell(row, "Architecture"), cell(row, "Change"), cell(row, "First"), cell(row, "Second")});
  print(context, table, answer, std::cout);
  if (context.format == Format::table)
    std::cerr << counted(std::to_string(table.rows.size()), "package") << " differ, " << cell(answer, "UnchangedCount")
              << " are the same\n";
  return kExitOk;
}

}  // namespace

CommandSpec diff_command() {
  return {"diff", "what one change set ships that another does not", {{"FIRST", "cs-…"}, {"SECOND", "cs-…"}}, {}, run,
          {}};
}

}  // namespace belay::cli
