#include <iostream>

#include "base/error_table.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"
#include "io/system_clock.hpp"

namespace belay::cli {
namespace {

Result<int> list(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("expired")) request["IncludeExpired"] = true;
  BELAY_TRY_ASSIGN(const auto answer, call(context, "ListExceptions", request));
  Table table{{"EXCEPTION", "PACKAGE", "TARGET", "UNTIL (UTC)", "OWNER", "REASON", "BY"}, {}};
  if (const auto* rows = json::find(answer, "Exceptions"); rows && rows->is_array())
    for (const auto& e : rows->get_array())
      table.rows.push_back({cell(e, "ExceptionId"), json::find(e, "Package") ? cell(e, "Package") : "every package",
                            json::find(e, "Target") ? cell(e, "Target") : "every node",
                            time_cell(json::find(e, "ExpiresDate")), cell(e, "Owner"), cell(e, "Reason"),
                            cell(e, "CreatedBy")});
  print(context, table, answer, std::cout);
  return kExitOk;
}

// "30d" from now, or a time.
Result<std::string> until(const std::string& word) {
  if (const auto span = parse_duration(word); span.ok()) return to_iso8601(io::system_clock().now() + *span);
  if (const auto at = parse_iso8601(word); at.ok()) return to_iso8601(*at);
  return Error(Code::invalid_argument, "--until is '" + word +
                                           "': expected a span such as 30d, or a time such as "
                                           "2026-12-31T00:00:00Z");
}

Result<int> add(Context& context, const Arguments& arguments) {
  json::Object request{{"Owner", arguments.one("owner")}, {"Reason", arguments.one("reason")}};
  BELAY_TRY_ASSIGN(request["ExpiresDate"], until(arguments.one("until")));
  if (arguments.has("package")) request["Package"] = arguments.one("package");
  if (arguments.has("target")) {
    std::string target = arguments.one("target");
    if (!target.starts_with("tag:")) {
      BELAY_TRY_ASSIGN(target, resolve_node(context, target));
    }
    request["Target"] = target;
  }
  BELAY_TRY_ASSIGN(const auto answer, call(context, "PutException", request));
  const auto* made = json::find(answer, "Exception");
  const std::string id = made ? json::text_or_empty(*made, "ExceptionId") : "";
  say(context,
      id + ": rollouts leave it out from now on, until " + (made ? time_cell(json::find(*made, "ExpiresDate")) : "-") +
          " UTC",
      {{"ExceptionId", id}}, std::cout);
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::exception, arguments.one("EXCEPTION")));
  BELAY_TRY(call(context, "DeleteException", {{"ExceptionId", id}}));
  say(context, "deleted " + id + ": rollouts take it along again from now on", {{"ExceptionId", id}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec exception_command() {
  return {"exception",
          "what rollouts leave out, who answers for it, until when: list, add, delete",
          {},
          {},
          {},
          {{"list",
            "what is left out, the next to end first",
            {},
            {{"--expired", "also what has ended", Takes::nothing}},
            list,
            {}},
           {"add",
            "leave out a package (wildcards as in approved patches), a node, or a package on some nodes",
            {},
            {{"--package", "its name; every package where none is named"},
             {"--target", "a node, or tag:Key=Value; every node where none is named"},
             {"--owner", "who answers for it", Takes::one_value, true},
             {"--until", "30d, or a time", Takes::one_value, true},
             {"--reason", "why", Takes::one_value, true}},
            add,
            {}},
           {"delete", "end one now", {{"EXCEPTION", "its id (ex-…)"}}, {}, remove, {}}}};
}

}  // namespace belay::cli
