#include "cli/backup_jobs.hpp"

#include <iostream>
#include <set>
#include <thread>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

bool is_over(const std::string& state) { return state != "Pending" && state != "Sent" && state != "Running"; }

std::string state_of(const json::Value& job) {
  const std::string state = json::text_or_empty(job, "State");
  const std::string why = json::text_or_empty(job, is_over(state) ? "Why" : "Progress");
  return state + (why.empty() ? "" : ": " + why);
}

Result<json::Value> get_job(Context& context, const std::string& id) {
  BELAY_TRY_ASSIGN(auto answer, call(context, "GetBackupJob", {{"JobId", id}}));
  const auto* job = json::find(answer, "Job");
  if (!job) return Error(Code::internal, "GetBackupJob: the server's answer has no job");
  return *job;
}

Result<int> follow(Context& context, const std::vector<std::string>& ids) {
  Progress progress;
  std::set<std::string> open(ids.begin(), ids.end());
  json::Array ended;
  bool all_well = true;
  while (!open.empty()) {
    std::map<std::string, int> sums;
    for (const auto& id : ids) {
      if (!open.contains(id)) continue;
      BELAY_TRY_ASSIGN(const auto job, get_job(context, id));
      const std::string state = json::text_or_empty(job, "State");
      progress.say(id, cell(job, "InstanceId") + " " + cell(job, "Task") + " (" + id + ")", state_of(job));
      if (!is_over(state)) {
        sums[state] += 1;
        continue;
      }
      open.erase(id);
      all_well = all_well && state == "Succeeded";
      ended.push_back(job);
    }
    progress.draw(sums);
    if (!open.empty()) std::this_thread::sleep_for(kPollEvery);
  }
  progress.clear();
  if (context.format == Format::table)
    for (const auto& job : ended) print_job(context, job);
  else print(context, {}, json::Object{{"Jobs", std::move(ended)}}, std::cout);
  return all_well ? kExitOk : kExitNonCompliant;
}

Result<int> list(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("plan")) request["Plan"] = arguments.one("plan");
  if (arguments.has("node")) {
    BELAY_TRY_ASSIGN(request["InstanceId"], resolve_node(context, arguments.one("node")));
  }
  if (arguments.has("state")) request["State"] = json::encode(arguments.all("state"));
  if (arguments.has("task")) request["Task"] = json::encode(arguments.all("task"));
  BELAY_TRY_ASSIGN(const auto jobs, call_all(context, "ListBackupJobs", request, "Jobs"));
  Table table{{"JOB", "TASK", "NODE", "STATE", "CREATED (UTC)", "ENDED (UTC)", "BECAUSE", "BY", "WHY"}, {}};
  for (const auto& job : jobs)
    table.rows.push_back({cell(job, "JobId"), cell(job, "Task"), cell(job, "InstanceId"), cell(job, "State"),
                          time_cell(json::find(job, "CreatedDate")), time_cell(json::find(job, "FinishedDate")),
                          cell(job, "Reason"), cell(job, "RequestedBy"), cell(job, "Why")});
  print(context, table, json::Object{{"Jobs", jobs}}, std::cout);
  return kExitOk;
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::backup_job, arguments.one("JOB")));
  if (arguments.has("wait")) return follow(context, {id});
  BELAY_TRY_ASSIGN(const auto job, get_job(context, id));
  print_job(context, job);
  return kExitOk;
}

Result<int> stop(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::backup_job, arguments.one("JOB")));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "StopBackupJob", {{"JobId", id}}));
  const auto* job = json::find(answer, "Job");
  say(context, "asked " + id + " to stop" + (job ? "; it is " + json::text_or_empty(*job, "State") : std::string()),
      {{"JobId", id}}, std::cout);
  return kExitOk;
}

}  // namespace

std::vector<std::string> job_ids(const json::Value& answer) {
  std::vector<std::string> ids;
  if (const auto* list = json::find(answer, "JobIds"); list && list->is_array())
    for (const auto& id : list->get_array())
      if (id.is_string()) ids.emplace_back(id.get_string());
  return ids;
}

Result<int> begun(Context& context, const std::vector<std::string>& jobs, const std::string& what, bool wait) {
  if (wait) return follow(context, jobs);
  Table table{{"JOB"}, {}};
  json::Array list;
  for (const auto& id : jobs) table.rows.push_back({id}), list.emplace_back(id);
  print(context, table, json::Object{{"JobIds", std::move(list)}}, std::cout);
  if (context.format == Format::table && !jobs.empty())
    std::cerr << what << "; follow it with: belay backup job " << jobs.front() << " --wait\n";
  return kExitOk;
}

void print_job(const Context& context, const json::Value& job) {
  if (context.format != Format::table) return print_record(context, job, std::cout);
  std::cout << cell(job, "JobId") << ": " << cell(job, "Task") << " of " << cell(job, "PlanName") << " on "
            << cell(job, "InstanceId") << ": " << sanitize(state_of(job), 2'000) << "\n";
  const auto* report = json::find(job, "Report");
  if (!report) return;
  if (const auto* points = json::find(*report, "Points");
      points && points->is_array() && !points->get_array().empty()) {
    Table table{{"REFERENCE", "TYPE", "TAKEN (UTC)", "BYTES", "IN THE VAULT", "FILES", "ROWS"}, {}};
    for (const auto& point : points->get_array())
      table.rows.push_back({cell(point, "Reference"), cell(point, "Type"), time_cell(json::find(point, "TakenDate")),
                            cell(point, "BytesSource"), cell(point, "BytesAdded"), cell(point, "Files"),
                            cell(point, "Rows")});
    std::cout << to_text_table(table);
  }
  if (const auto* evidence = json::find(*report, "Evidence");
      evidence && evidence->is_array() && !evidence->get_array().empty()) {
    Table table{{"LEVEL", "WHAT", "PASSED", "SEEN"}, {}};
    for (const auto& item : evidence->get_array())
      table.rows.push_back({cell(item, "Level"), cell(item, "What"),
                            cell(item, "LookedAt") == "false" ? "not looked at" : cell(item, "Passed"),
                            cell(item, "Seen")});
    std::cout << to_text_table(table);
  }
  if (const auto* took = json::find(*report, "TimeToRestoreSeconds"); took && took->is_int64())
    std::cout << "time to restore: " << humanize(Duration(took->get_int64() * 1'000)) << "\n";
  if (const auto* to = json::find(*report, "RestoredToDate")) std::cout << "restored to: " << time_cell(to) << " UTC\n";
  // Of a restore and its preview the engine says here what it did or would do.
  const std::string output = json::text_or_empty(*report, "Output");
  if (cell(job, "Task") == "restore" || cell(job, "State") == "Failed")
    for (const auto line : split(output, '\n'))
      if (!line.empty()) std::cout << sanitize(line, 2'000) << "\n";
}

CommandSpec backup_jobs_command() {
  return {"jobs",
          "what ran and runs, the newest first",
          {},
          {{"--plan", "only of this plan"},
           {"--node", "only on this node"},
           {"--state", "Pending, Sent, Running, Succeeded, Partial, Failed, Cancelled, Expired", Takes::values},
           {"--task", "backup, copy, prove, restore, forget, check, list", Takes::values}},
          list,
          {}};
}

CommandSpec backup_job_command() {
  return {"job",
          "one of them, with what it reported",
          {{"JOB", "its id (bj-…)"}},
          {{"--wait", "follow it to its end", Takes::nothing}},
          show,
          {}};
}

CommandSpec backup_stop_command() { return {"stop", "stop a job", {{"JOB", "its id (bj-…)"}}, {}, stop, {}}; }

Result<int> list_points(Context& context, const json::Object& request) {
  BELAY_TRY_ASSIGN(const auto found, call_all(context, "ListRecoveryPoints", request, "RecoveryPoints"));
  Table table{{"POINT", "NODE", "TAKEN (UTC)", "TYPE", "VAULT", "BYTES", "STATE", "PROVEN", "AT (UTC)", "WHY"}, {}};
  for (const auto& p : found) {
    const auto* held = json::find(p, "LegalHold");
    const bool is_held = held && held->is_bool() && held->get_bool();
    table.rows.push_back({cell(p, "PointId"), cell(p, "InstanceId"), time_cell(json::find(p, "TakenDate")),
                          cell(p, "Type"), cell(p, "Vault"), cell(p, "BytesSource"),
                          cell(p, "State") + (is_held ? ", on hold" : ""), cell(p, "Proven"),
                          time_cell(json::find(p, "ProvenDate")), cell(p, "Why")});
  }
  print(context, table, json::Object{{"RecoveryPoints", found}}, std::cout);
  return kExitOk;
}

Status add_time(const Arguments& arguments, std::string_view option, std::string_view member, json::Object& request) {
  if (!arguments.has(option)) return {};
  const auto text = arguments.one(option);
  BELAY_TRY_ASSIGN(const auto time, parse_iso8601(text).within("--" + std::string(option) +
                                                               ", a day and a time such as 2026-11-23T18:12:00Z"));
  request[member] = to_iso8601(time);
  return {};
}

}  // namespace belay::cli
