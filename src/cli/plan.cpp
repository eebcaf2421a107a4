#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/change_set.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"
#include "io/system_clock.hpp"

namespace belay::cli {
namespace {

std::string default_name() {
  std::string at = to_iso8601(io::system_clock().now()).substr(0, 19);
  for (char& c : at)
    if (c == ':') c = '-';
  return "plan-" + at;
}

void say_skipped(const json::Value& answer) {
  const auto* skipped = json::find(answer, "Skipped");
  if (!skipped || !skipped->is_array()) return;
  for (const auto& node : skipped->get_array())
    std::cerr << "left out " << cell(node, "InstanceId") << ": " << sanitize(cell(node, "Reason"), 500) << "\n";
}

std::string install_with(const std::string& id) {
  return "install it with: belay patch --change-set " + id + " TARGET --wait";
}

Result<int> run(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto targets, resolve_targets(context, arguments.all("TARGET")));
  if (!targets.targets.empty()) BELAY_TRY(require_nodes(context, targets.targets));
  json::Object request{{"Name", arguments.has("name") ? arguments.one("name") : default_name()}};
  if (arguments.has("baseline")) {
    BELAY_TRY_ASSIGN(const auto baseline, checked_id(IdKind::baseline, arguments.one("baseline")));
    request["BaselineId"] = baseline;
  }
  if (arguments.has("description")) request["Description"] = arguments.one("description");
  targets.add_to(request);
  BELAY_TRY_ASSIGN(const auto answer, call(context, "CreateChangeSet", request));
  say_skipped(answer);
  const auto* summary = json::find(answer, "ChangeSet");
  const std::string id = summary ? json::text_or_empty(*summary, "ChangeSetId") : "";
  if (id.empty()) return Error(Code::internal, "CreateChangeSet: the server named no change set");
  BELAY_TRY(wait_until_frozen(context, id));
  return show_change_set(context, id, install_with(id));
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::change_set, arguments.one("CHANGE-SET")));
  return show_change_set(context, id, install_with(id));
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto sets, call_all(context, "DescribeChangeSets", {}, "ChangeSets"));
  Table table{{"CHANGE SET", "NAME", "PACKAGES", "NODES", "BASELINE", "CREATED (UTC)", "BY"}, {}};
  for (const auto& s : sets)
    table.rows.push_back({cell(s, "ChangeSetId"), cell(s, "Name"), cell(s, "PackageCount"), cell(s, "NodeCount"),
                          cell(s, "BaselineId"), time_cell(json::find(s, "CreatedDate")), cell(s, "CreatedBy")});
  print(context, table, json::Object{{"ChangeSets", sets}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec plan_command() {
  return {"plan",
          "freeze exactly what a patch would install: a change set",
          {{"TARGET", "nodes, tag:Key=Value, or all", Takes::values, false}},
          {{"--baseline", "judge by this baseline instead of each node's own"},
           {"--name", "of the change set (letters, digits, _ - .)"},
           {"--description", "a note for people"}},
          run,
          {{"list", "change sets, the newest first", {}, {}, list, {}},
           {"show", "one change set, package by package", {{"CHANGE-SET", "cs-…"}}, {}, show, {}}}};
}

}  // namespace belay::cli
