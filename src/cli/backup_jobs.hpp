#pragma once
// Backup jobs as they stand, and followed until all of them are over.
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/command_line.hpp"
#include "cli/context.hpp"

namespace belay::cli {

// Of an answer with JobIds.
std::vector<std::string> job_ids(const json::Value& answer);
// Says what was begun, and follows it where `wait` is set: 0 where every job succeeded, else kExitNonCompliant.
Result<int> begun(Context& context, const std::vector<std::string>& jobs, const std::string& what, bool wait);
// What a job's report says: points, evidence, phases.
void print_job(const Context& context, const json::Value& job);
// ListRecoveryPoints, as a table with the proof of each.
Result<int> list_points(Context& context, const json::Object& request);
// The moment that an option names (ISO 8601), put into a request where it was given.
Status add_time(const Arguments& arguments, std::string_view option, std::string_view member, json::Object& request);

CommandSpec backup_jobs_command();
CommandSpec backup_job_command();
CommandSpec backup_stop_command();
CommandSpec backup_plan_command();
CommandSpec backup_report_command();

}  // namespace belay::cli
