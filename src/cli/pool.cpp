#include <iostream>

#include "base/error_table.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace belay::cli {
namespace {

Result<int> show(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto pool, call(context, "DescribePool", {}));
  if (context.format != Format::table) return print_record(context, pool, std::cout), kExitOk;
  std::cout << cell(pool, "CompleteCount") << " of " << cell(pool, "PackageCount")
            << " package files that change sets name, " << cell(pool, "StoredBytes") << " of "
            << cell(pool, "LimitBytes") << " bytes";
  if (cell(pool, "IncompleteCount") != "0") std::cout << "; " << cell(pool, "IncompleteCount") << " on their way";
  std::cout << "\n";
  return kExitOk;
}

}  // namespace

CommandSpec pool_command() {
  return {"pool", "the package files of change sets that the server keeps for later rings", {}, {}, show, {}};
}

}  // namespace belay::cli
