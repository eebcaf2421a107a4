#include <iostream>

#include "base/error_table.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace belay::cli {
namespace {

Result<int> list(Context& context, const Arguments& arguments) {
  json::Object request;
  for (const auto& [option, member] : {std::pair{"action", "Action"},
                                       {"actor", "Actor"},
                                       {"resource", "Resource"},
                                       {"from", "From"},
                                       {"before", "Before"}})
    if (arguments.has(option)) request[member] = arguments.one(option);
  BELAY_TRY_ASSIGN(const auto entries, call_all(context, "ListAudit", request, "Entries"));
  Table table{{"SEQUENCE", "AT (UTC)", "ACTOR", "ACTION", "RESOURCE"}, {}};
  for (const auto& e : entries)
    table.rows.push_back({cell(e, "Sequence"), time_cell(json::find(e, "Date")), cell(e, "Actor"), cell(e, "Action"),
                          cell(e, "Resource")});
  print(context, table, json::Object{{"Entries", entries}}, std::cout);
  return kExitOk;
}

Result<int> verify(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto answer, call(context, "VerifyAudit", {}));
  const auto* intact = json::find(answer, "Intact");
  const bool whole = intact && intact->is_bool() && intact->get_bool();
  if (context.format != Format::table) print_record(context, answer, std::cout);
  else if (whole)
    std::cout << "intact: " << cell(answer, "Checked") << " entries, the last is " << cell(answer, "LastSequence")
              << " with hash " << cell(answer, "LastHash") << "\n";
  else
    std::cout << "BROKEN at entry " << cell(answer, "BrokenAt") << ": " << cell(answer, "Why")
              << "\nThe log was changed after it was written. Compare with a backup of the server's data before "
                 "trusting it.\n";
  return whole ? kExitOk : meaning(Code::corrupt).exit_status;
}

}  // namespace

CommandSpec audit_command() {
  return {"audit",
          "who changed what: list, verify",
          {},
          {},
          {},
          {{"list",
            "entries, the newest first",
            {},
            {{"--action", "only this action"},
             {"--actor", "only this actor"},
             {"--resource", "only this resource"},
             {"--from", "from this time (2026-11-23T18:00:00Z)"},
             {"--before", "before this time"}},
            list,
            {}},
           {"verify", "walk the hash chain; exit status 10 where it is broken", {}, {}, verify, {}}}};
}

}  // namespace belay::cli
