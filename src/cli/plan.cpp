#include <chrono>
#include <iostream>
#include <thread>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"
#include "io/system_clock.hpp"

namespace belay::cli {
namespace {

constexpr auto kPollEvery = std::chrono::milliseconds(500);

// "1 node", "2 nodes".
std::string counted(const std::string& number, const std::string& word) {
  return number + " " + word + (number == "1" ? "" : "s");
}

std::string nodes_of(const json::Value& part) {
  const auto* ids = json::find(part, "NodeIds");
  const std::size_t count = ids && ids->is_array() ? ids->get_array().size() : 0;
  return counted(std::to_string(count), "node");
}

// Nodes are asked what their own resolvers would do; the change set is frozen when they have answered.
Status wait_until_frozen(Context& context, const std::string& id) {
  std::string said;
  for (;;) {
    BELAY_TRY_ASSIGN(const auto answer, call(context, "GetChangeSet", {{"ChangeSetId", id}}));
    const auto* summary = json::find(answer, "ChangeSet");
    if (!summary) return Error(Code::internal, "GetChangeSet: the server's answer has no change set");
    const std::string status = json::text_or_empty(*summary, "Status"),
                      details = json::text_or_empty(*summary, "StatusDetails");
    if (status == "Failed") return Error(Code::conflict, "no change set could be made: " + details, "plan-failed");
    if (status != "Planning") return {};
    if (details != said && !details.empty()) std::cerr << "  " << sanitize(details, 500) << "\n";
    said = details;
    std::this_thread::sleep_for(kPollEvery);
  }
}

Result<int> show_change_set(Context& context, const std::string& id) {
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetChangeSet", {{"ChangeSetId", id}}));
  Table table{{"PACKAGE", "ARCH", "FROM", "TO", "FOR", "SHA256"}, {}};
  if (const auto* parts = json::find(answer, "Parts"); parts && parts->is_array())
    for (const auto& part : parts->get_array()) {
      const auto* changes = json::find(part, "Changes");
      if (!changes || !changes->is_array()) continue;
      for (const auto& c : changes->get_array())
        table.rows.push_back({cell(c, "Name"), cell(c, "Architecture"), cell(c, "FromVersion"), cell(c, "ToVersion"),
                              nodes_of(part), cell(c, "Sha256").substr(0, 12)});
    }
  print(context, table, answer, std::cout);
  if (context.format != Format::table) return kExitOk;
  const auto* summary = json::find(answer, "ChangeSet");
  if (summary)
    std::cout << "\nchange set " << id << ": " << counted(cell(*summary, "PackageCount"), "package") << " for "
              << counted(cell(*summary, "NodeCount"), "node") << " under " << cell(*summary, "BaselineId")
              << ", frozen with hash " << cell(*summary, "Sha256").substr(0, 16)
              << "…\ninstall it with: belay patch --change-set " << id << " TARGET --wait\n";
  return kExitOk;
}

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
  return show_change_set(context, id);
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::change_set, arguments.one("CHANGE-SET")));
  return show_change_set(context, id);
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
