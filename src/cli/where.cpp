#include <iostream>

#include "base/error_table.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace belay::cli {
namespace {

Result<int> run(Context& context, const Arguments& arguments) {
  json::Object request{{"Package", arguments.one("PACKAGE")}};
  if (arguments.has("VERSION")) request["Version"] = arguments.one("VERSION");
  BELAY_TRY_ASSIGN(const auto answer, call(context, "WherePackage", request));
  Table table{{"NODE", "NAME", "SYSTEM", "ARCH", "VERSION", "QUARANTINED", "CAME BY RUN", "REPLACED"}, {}};
  bool came_by_us = false;
  if (const auto* nodes = json::find(answer, "Nodes"); nodes && nodes->is_array())
    for (const auto& n : nodes->get_array()) {
      const auto* quarantined = json::find(n, "Quarantined");
      came_by_us = came_by_us || json::find(n, "CameByRunId");
      table.rows.push_back({cell(n, "InstanceId"), cell(n, "Name"), cell(n, "OperatingSystem"), cell(n, "Architecture"),
                            cell(n, "Version"),
                            quarantined && quarantined->is_bool() && quarantined->get_bool() ? "yes" : "no",
                            cell(n, "CameByRunId"), cell(n, "FromVersion")});
    }
  print(context, table, answer, std::cout);
  if (context.format != Format::table) return kExitOk;
  if (table.rows.empty()) std::cerr << "no node has it, as the newest scans say\n";
  if (came_by_us)
    std::cerr << "where it came by a run, it goes back with: belay rollback NODE --package " << arguments.one("PACKAGE")
              << "\n";
  return kExitOk;
}

}  // namespace

CommandSpec where_command() {
  return {"where",
          "who has a package, how it came there, and whether it is quarantined",
          {{"PACKAGE", "its name"}, {"VERSION", "only this version", Takes::one_value, false}},
          {},
          run,
          {}};
}

}  // namespace belay::cli
