#include <iostream>
#include <thread>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/change_set.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/report_html.hpp"
#include "cli/report_text.hpp"
#include "cli/rollout_progress.hpp"
#include "cli/targets.hpp"
#include "io/files.hpp"

namespace belay::cli {
namespace {

constexpr std::size_t kFileBytesMax = 64u << 10;

Result<std::string> id_of(const Arguments& arguments) { return checked_id(IdKind::rollout, arguments.one("ROLLOUT")); }

std::string text_at(const json::Value& answer, std::string_view object, std::string_view member) {
  const auto* found = json::find(answer, object);
  return found ? json::text_or_empty(*found, member) : std::string();
}

void say_each(const json::Value& answer, std::string_view member, std::string_view before) {
  if (const auto* texts = json::find(answer, member); texts && texts->is_array())
    for (const auto& text : texts->get_array())
      if (text.is_string()) std::cerr << before << sanitize(text.get_string(), 2'000) << "\n";
}

// The server reads the file: what is wrong with it comes back with field and line.
Result<json::Value> create(Context& context, const Arguments& arguments, bool start) {
  const std::string path = arguments.one("file");
  BELAY_TRY_ASSIGN(const auto content, io::real_files().read(path, kFileBytesMax));
  BELAY_TRY_ASSIGN(auto answer, call(context, "CreateRollout", {{"Content", content}, {"Start", start}}).within(path));
  say_each(answer, "Warnings", "mind: ");
  return answer;
}

// Until its change set is frozen, or the rollout says why there will be none.
Result<json::Value> planned(Context& context, const std::string& id) {
  for (;;) {
    BELAY_TRY_ASSIGN(auto rollout, get_rollout(context, id));
    const std::string set = json::text_or_empty(rollout, "ChangeSetId"), state = json::text_or_empty(rollout, "State");
    if (!set.empty()) BELAY_TRY(wait_until_frozen(context, set));
    if (!set.empty() || state != "Planned") return rollout;
    std::this_thread::sleep_for(kPollEvery);
  }
}

Result<int> plan(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto made, create(context, arguments, false));
  const std::string id = text_at(made, "Rollout", "RolloutId");
  if (!arguments.has("wait")) {
    print_rollout(context, made.at("Rollout"), made);
    if (context.format == Format::table) std::cerr << "start it with: belay rollout start " << id << "\n";
    return kExitOk;
  }
  BELAY_TRY_ASSIGN(const auto rollout, planned(context, id));
  const std::string set = json::text_or_empty(rollout, "ChangeSetId");
  json::Value changes = json::Object();
  if (!set.empty()) {
    BELAY_TRY_ASSIGN(changes, call(context, "GetChangeSet", {{"ChangeSetId", set}}));
    say_each(changes, "LeftOut", "left out: ");
  }
  json::Object whole = changes.get_object();
  whole["Rollout"] = rollout;
  if (context.format != Format::table) {
    print(context, changes_table(changes), whole, std::cout);
  } else {
    std::cout << to_text_table(changes_table(changes)) << "\n";
    print_rollout(context, rollout, whole);
  }
  if (context.format == Format::table) std::cerr << "start it with: belay rollout start " << id << "\n";
  return set.empty() ? kExitNonCompliant : kExitOk;
}

Result<int> start(Context& context, const Arguments& arguments) {
  if (arguments.has("file") == arguments.has("ROLLOUT"))
    return Error(Code::invalid_argument, "say what is started: -f FILE, or a rollout that was planned, not both");
  json::Value answer;
  if (arguments.has("file")) {
    BELAY_TRY_ASSIGN(answer, create(context, arguments, true));
  } else {
    BELAY_TRY_ASSIGN(const auto id, id_of(arguments));
    BELAY_TRY_ASSIGN(answer, call(context, "StartRollout", {{"RolloutId", id}}));
  }
  const std::string id = text_at(answer, "Rollout", "RolloutId");
  if (arguments.has("wait")) return follow_rollout(context, id);
  print_rollout(context, answer.at("Rollout"), answer);
  if (context.format == Format::table) std::cerr << "follow it with: belay rollout watch " << id << "\n";
  return kExitOk;
}

Result<int> list(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("state")) request["State"] = json::encode(arguments.all("state"));
  if (arguments.has("name")) request["Name"] = arguments.one("name");
  if (arguments.has("node")) {
    BELAY_TRY_ASSIGN(request["InstanceId"], resolve_node(context, arguments.one("node")));
  }
  BELAY_TRY_ASSIGN(const auto rollouts, call_all(context, "ListRollouts", request, "Rollouts"));
  Table table{{"ROLLOUT", "NAME", "STATE", "CHANGE SET", "CREATED (UTC)", "BY", "ENDED (UTC)", "WHY"}, {}};
  for (const auto& r : rollouts)
    table.rows.push_back({cell(r, "RolloutId"), cell(r, "Name"), cell(r, "State"), cell(r, "ChangeSetId"),
                          time_cell(json::find(r, "CreatedDate")), cell(r, "CreatedBy"),
                          time_cell(json::find(r, "FinishedDate")), cell(r, "Why")});
  print(context, table, json::Object{{"Rollouts", rollouts}}, std::cout);
  return kExitOk;
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, id_of(arguments));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetRollout", {{"RolloutId", id}}));
  print_rollout(context, answer.at("Rollout"), answer);
  return kExitOk;
}

Result<int> nodes(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, id_of(arguments));
  json::Object request{{"RolloutId", id}};
  if (arguments.has("ring")) request["RingName"] = arguments.one("ring");
  if (arguments.has("state")) request["State"] = json::encode(arguments.all("state"));
  BELAY_TRY_ASSIGN(const auto rows, call_all(context, "ListRolloutNodes", request, "Nodes"));
  Table table{{"NODE", "NAME", "RING", "STATE", "BEGAN (UTC)", "ENDED (UTC)", "RUN", "WHY"}, {}};
  for (const auto& n : rows)
    table.rows.push_back({cell(n, "InstanceId"), cell(n, "Name"), cell(n, "RingName"), cell(n, "State"),
                          time_cell(json::find(n, "StartedDate")), time_cell(json::find(n, "EndedDate")),
                          cell(n, "RunId"), cell(n, "Why")});
  print(context, table, json::Object{{"Nodes", rows}}, std::cout);
  return kExitOk;
}

Result<int> watch(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, id_of(arguments));
  return follow_rollout(context, id);
}

// The ring that waits for a person, "" where none does.
std::string ring_to_approve(const json::Value& rollout) {
  if (const auto* rings = json::find(rollout, "Rings"); rings && rings->is_array())
    for (const auto& ring : rings->get_array())
      if (json::text_or_empty(ring, "State") == "AwaitingApproval") return json::text_or_empty(ring, "Name");
  return "";
}

Result<int> approve(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, id_of(arguments));
  std::string ring = arguments.one("ring");
  if (ring.empty()) {
    BELAY_TRY_ASSIGN(const auto rollout, get_rollout(context, id));
    ring = ring_to_approve(rollout);
    const std::string set = json::text_or_empty(rollout, "ChangeSetId");
    if (ring.empty() && set.empty()) return Error(Code::conflict, id + " has no change set yet that could be approved");
    if (ring.empty()) {
      BELAY_TRY_ASSIGN(const auto answer, call(context, "ApproveChangeSet", {{"ChangeSetId", set}, {"RolloutId", id}}));
      say(context, "approved the change set " + set + " for " + id + "; it has " + cell(answer, "ApprovalCount"),
          {{"RolloutId", id}, {"ChangeSetId", set}}, std::cout);
      return kExitOk;
    }
  }
  BELAY_TRY(call(context, "ApproveRing", {{"RolloutId", id}, {"RingName", ring}}));
  say(context, "approved the ring " + ring, {{"RolloutId", id}, {"RingName", ring}}, std::cout);
  return kExitOk;
}

Result<int> pause(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, id_of(arguments));
  BELAY_TRY(call(context, "PauseRollout", {{"RolloutId", id}, {"Reason", arguments.one("reason")}}));
  say(context, "paused " + id + ": no node begins; what runs goes on to its end", {{"RolloutId", id}}, std::cout);
  return kExitOk;
}

Result<int> resume(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, id_of(arguments));
  json::Object request{{"RolloutId", id}, {"RetryHeld", arguments.has("retry-held")}};
  if (arguments.has("reason")) request["Reason"] = arguments.one("reason");
  BELAY_TRY(call(context, "ResumeRollout", std::move(request)));
  say(context, "resumed " + id, {{"RolloutId", id}}, std::cout);
  return kExitOk;
}

Result<int> abort(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, id_of(arguments));
  BELAY_TRY(call(context, "AbortRollout", {{"RolloutId", id}, {"Reason", arguments.one("reason")}}));
  say(context, "aborted " + id + ": nodes that took the change keep it; belay rollback " + id + " takes it back",
      {{"RolloutId", id}}, std::cout);
  return kExitOk;
}

Result<int> settle(Context& context, const Arguments& arguments) {
  const auto name = arguments.one("NODE");
  BELAY_TRY_ASSIGN(const auto answer,
                   call(context, "SettleRolloutNode", {{"InstanceId", name}, {"Reason", arguments.one("reason")}}));
  const auto id = json::text_or_empty(answer, "InstanceId");
  say(context, "settled " + id + ": what failed there takes no place in any budget any more", {{"InstanceId", id}},
      std::cout);
  return kExitOk;
}

Result<int> reversibility(Context& context, const Arguments& arguments) {
  json::Object request{{"InstanceId", arguments.one("NODE")}};
  if (arguments.has("change-set")) request["ChangeSetId"] = arguments.one("change-set");
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetReversibility", request));
  if (context.format != Format::table) return print_record(context, answer, std::cout), kExitOk;
  std::cout << cell(answer, "InstanceId") << ", " << cell(answer, "ChangeSetId") << ": " << cell(answer, "Class")
            << "\n";
  const auto say = [](const json::Value& object, const char* member, std::string_view before) {
    if (const auto* texts = json::find(object, member); texts && texts->is_array())
      for (const auto& text : texts->get_array())
        if (text.is_string()) std::cout << "  " << before << sanitize(text.get_string(), 2'000) << "\n";
  };
  say(answer, "Evidence", "");
  say(answer, "WhyNotMore", "not more: ");
  if (const auto* proven = json::find(answer, "Proven"); proven) {
    std::cout << "  proven by a run of this change set: " << cell(*proven, "Class") << "\n";
    say(*proven, "Snapshots", "took ");
  }
  return kExitOk;
}

Result<int> report(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, id_of(arguments));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetRolloutReport", {{"RolloutId", id}}));
  const auto* report = json::find(answer, "Report");
  if (!report) return Error(Code::internal, "GetRolloutReport: the server's answer has no report");
  if (arguments.has("html")) std::cout << report_html(id, *report);
  else if (context.format == Format::table) std::cout << report_text(*report);
  else print_record(context, *report, std::cout);
  return kExitOk;
}

std::vector<CommandSpec> subcommands() {
  const PositionalSpec id{"ROLLOUT", "its id (ro-…)"};
  const OptionSpec reason{"--reason", "why; it stands in the audit log", Takes::one_value, false, "by hand"};
  return {{"plan",
           "read a rollout's file, freeze its rings and begin to freeze its change set; nothing is installed",
           {},
           {{"-f,--file", "the rollout's file, YAML or JSON", Takes::one_value, true},
            {"--wait", "until the change set is frozen, and show it", Takes::nothing}},
           plan,
           {}},
          {"start",
           "start a rollout: of a file, or one that was planned",
           {{"ROLLOUT", "a rollout that was planned", Takes::one_value, false}},
           {{"-f,--file", "the rollout's file, YAML or JSON"},
            {"--wait", "follow it until it is over or halts", Takes::nothing}},
           start,
           {}},
          {"list",
           "rollouts, the newest first",
           {},
           {{"--state", "only in this state; may be repeated", Takes::values},
            {"--name", "only of this name"},
            {"--node", "only with this node"}},
           list,
           {}},
          {"show", "how a rollout stands: its rings, and what each waits for", {id}, {}, show, {}},
          {"nodes",
           "its nodes, and how each stands",
           {id},
           {{"--ring", "only of this ring"}, {"--state", "only in this state; may be repeated", Takes::values}},
           nodes,
           {}},
          {"watch", "follow it until it is over or halts", {id}, {}, watch, {}},
          {"approve",
           "approve what it waits for: its change set, else a ring",
           {id},
           {{"--ring", "this ring"}},
           approve,
           {}},
          {"pause", "begin no node until it is resumed", {id}, {reason}, pause, {}},
          {"resume",
           "go on; of one whose ring halted, with a reason: what halted it is accepted",
           {id},
           {{"--retry-held", "try the ring's held nodes again", Takes::nothing},
            {"--reason", "why what halted its ring is accepted; it stands in the audit log"}},
           resume,
           {}},
          {"abort", "end it; nodes that took the change keep it", {id}, {reason}, abort, {}},
          {"settle",
           "a node whose change failed is well again: it takes no place in disruption budgets any more",
           {{"NODE", "its id or name"}},
           {{"--reason", "what you saw there; it stands in the audit log", Takes::one_value, true}},
           settle,
           {}},
          {"reversibility",
           "which class of a way back a node has for a change set, and what that rests on",
           {{"NODE", "its id or name"}},
           {{"--change-set", "cs-…; else the one of its newest rollout"}},
           reversibility,
           {}},
          {"report", "what happened, and what to change", {id}, {{"--html", "as a page", Takes::nothing}}, report, {}}};
}

}  // namespace

CommandSpec rollout_command() {
  return {"rollout",
          "staged rollouts: plan, start, list, show, nodes, watch, approve, pause, resume, abort, settle, "
          "reversibility, report",
          {},
          {},
          {},
          subcommands()};
}

}  // namespace belay::cli
