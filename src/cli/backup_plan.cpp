#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/backup_jobs.hpp"
#include "cli/output.hpp"
#include "io/files.hpp"

namespace belay::cli {
namespace {

constexpr std::size_t kFileBytesMax = 64u << 10;

void warn(const json::Value& answer) {
  if (const auto* texts = json::find(answer, "Warnings"); texts && texts->is_array())
    for (const auto& text : texts->get_array())
      if (text.is_string()) std::cerr << "mind: " << sanitize(text.get_string(), 2'000) << "\n";
}

json::Object changed(const Arguments& arguments, const std::string& content) {
  json::Object request{{"Content", content}};
  if (arguments.has("confirm")) request["Confirm"] = arguments.one("confirm");
  return request;
}

// Made where there is none of its name, else its next version.
Result<int> apply(Context& context, const Arguments& arguments) {
  const std::string path = arguments.one("file");
  BELAY_TRY_ASSIGN(const auto content, io::real_files().read(path, kFileBytesMax));
  auto answer = call(context, "CreateBackupPlan", {{"Content", content}});
  const bool made = answer.ok();
  if (!made && answer.error().code() == Code::already_exists)
    answer = call(context, "UpdateBackupPlan", changed(arguments, content));
  if (!answer.ok()) return answer.error().within(path);
  warn(*answer);
  const auto& plan = answer->at("Plan");
  const auto* nodes = json::find(plan, "InstanceIds");
  const auto count = nodes && nodes->is_array() ? nodes->get_array().size() : 0;
  say(context,
      std::string(made ? "made" : "changed") + " the plan " + json::text_or_empty(plan, "Name") + " (" +
          json::text_or_empty(plan, "PlanId") + "); it covers " + std::to_string(count) +
          (count == 1 ? " node" : " nodes") + " now",
      {{"PlanId", json::text_or_empty(plan, "PlanId")}, {"Name", json::text_or_empty(plan, "Name")}}, std::cout);
  return kExitOk;
}

Result<int> list(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("retired")) request["IncludeRetired"] = true;
  BELAY_TRY_ASSIGN(const auto plans, call_all(context, "ListBackupPlans", request, "Plans"));
  Table table{{"PLAN", "ID", "STATE", "ENGINE", "VAULT", "NODES", "VERSION", "CHANGED (UTC)"}, {}};
  for (const auto& p : plans) {
    const auto* nodes = json::find(p, "InstanceIds");
    table.rows.push_back({cell(p, "Name"), cell(p, "PlanId"), cell(p, "State"), cell(p, "Engine"), cell(p, "Vault"),
                          std::to_string(nodes && nodes->is_array() ? nodes->get_array().size() : 0),
                          cell(p, "Version"), time_cell(json::find(p, "UpdatedDate"))});
  }
  print(context, table, json::Object{{"Plans", plans}}, std::cout);
  return kExitOk;
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetBackupPlan", {{"Plan", arguments.one("PLAN")}}));
  if (arguments.has("file")) std::cout << json::text_or_empty(answer.at("Plan"), "Content");
  else print_record(context, answer.at("Plan"), std::cout);
  return kExitOk;
}

Result<int> set_state(Context& context, const Arguments& arguments, std::string_view operation, std::string_view done) {
  json::Object request{{"Plan", arguments.one("PLAN")}};
  if (arguments.has("reason")) request["Reason"] = arguments.one("reason");
  BELAY_TRY(call(context, operation, request));
  say(context, std::string(done) + " " + arguments.one("PLAN"), {{"Plan", arguments.one("PLAN")}}, std::cout);
  return kExitOk;
}

Result<int> retention(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto answer, call(context, "PreviewRetention", {{"Plan", arguments.one("PLAN")}}));
  Table table{{"POINT", "NODE", "VAULT", "TYPE", "TAKEN (UTC)", "KEPT", "BECAUSE"}, {}};
  if (const auto* points = json::find(answer, "Points"); points && points->is_array())
    for (const auto& p : points->get_array())
      table.rows.push_back({cell(p, "PointId"), cell(p, "InstanceId"), cell(p, "Vault"), cell(p, "Type"),
                            time_cell(json::find(p, "TakenDate")), cell(p, "Keep"), cell(p, "Because")});
  print(context, table, answer, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec backup_plan_command() {
  const PositionalSpec plan{"PLAN", "its name or id (bp-…)"};
  const OptionSpec reason{"--reason", "why; it stands in the audit log"};
  const auto state = [](const char* operation, const char* done) {
    return [operation, done](Context& context, const Arguments& arguments) {
      return set_state(context, arguments, operation, done);
    };
  };
  return {"plan",
          "backup plans: apply, list, show, retention, pause, resume, retire",
          {},
          {},
          {},
          {{"apply",
            "make the plan of a file, or change the one of its name",
            {},
            {{"-f,--file", "the plan's file (YAML or JSON)", Takes::one_value, true},
             {"--confirm", "the plan's name: delete the points that the new rules let go of"}},
            apply,
            {}},
           {"list", "the plans there are", {}, {{"--retired", "also retired ones", Takes::nothing}}, list, {}},
           {"show", "one of them", {plan}, {{"--file", "only its file", Takes::nothing}}, show, {}},
           {"retention", "what is kept and what would go, with the reason", {plan}, {}, retention, {}},
           {"pause", "nothing begins by itself", {plan}, {reason}, state("PauseBackupPlan", "paused"), {}},
           {"resume", "go on", {plan}, {reason}, state("ResumeBackupPlan", "resumed"), {}},
           {"retire",
            "make no more points; those there are can still be restored",
            {plan},
            {reason},
            state("DeleteBackupPlan", "retired"),
            {}}}};
}

}  // namespace belay::cli
