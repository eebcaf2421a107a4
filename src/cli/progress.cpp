#include "cli/progress.hpp"

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <map>
#include <thread>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

std::string label_of(const json::Value& invocation) {
  const std::string id = json::text_or_empty(invocation, "InstanceId");
  const std::string name = json::text_or_empty(invocation, "InstanceName");
  return name.empty() ? id : name + " (" + id + ")";
}

void show(Progress& progress, const json::Array& invocations) {
  std::map<std::string, int> sums;
  for (const auto& invocation : invocations) {
    const std::string status = json::text_or_empty(invocation, "StatusDetails");
    ++sums[status];
    progress.say(json::text_or_empty(invocation, "InstanceId"), label_of(invocation), status);
  }
  progress.draw(sums);
}

Table table_of(const json::Array& invocations) {
  Table table{{"NODE", "NAME", "STATUS", "DETAILS", "EXIT"}, {}};
  for (const auto& invocation : invocations) {
    std::string exit_code = "-";
    if (const auto* plugins = json::find(invocation, "CommandPlugins");
        plugins && plugins->is_array() && !plugins->get_array().empty())
      exit_code = cell(plugins->get_array().front(), "ResponseCode");
    table.rows.push_back({cell(invocation, "InstanceId"), cell(invocation, "InstanceName"), cell(invocation, "Status"),
                          cell(invocation, "StatusDetails"), exit_code});
  }
  return table;
}

// What failed nodes said, so that nobody has to ask again.
void explain_failures(const json::Array& invocations) {
  for (const auto& invocation : invocations) {
    if (json::text_or_empty(invocation, "Status") == "Success") continue;
    const auto* plugins = json::find(invocation, "CommandPlugins");
    if (!plugins || !plugins->is_array()) continue;
    for (const auto& plugin : plugins->get_array()) {
      const std::string output = json::text_or_empty(plugin, "Output");
      if (!output.empty())
        std::cerr << json::text_or_empty(invocation, "InstanceId") << " said:\n" << sanitize(output, 2500) << "\n";
    }
  }
}

}  // namespace

Progress::Progress() : live_(::isatty(2) == 1) {}

void Progress::say(const std::string& id, const std::string& label, const std::string& state) {
  auto& before = seen_[id];
  if (before == state) return;
  before = state;
  clear();
  std::cerr << "  " << sanitize(label, 200) << ": " << sanitize(state, 2'000) << "\n";
}

void Progress::draw(const std::map<std::string, int>& sums) {
  if (!live_) return;
  std::string line;
  for (const auto& [status, count] : sums) line += (line.empty() ? "  " : ", ") + std::to_string(count) + " " + status;
  clear();
  std::cerr << sanitize(line, 400) << std::flush;
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) std::cerr << "\r\x1b[K";
  drawn_ = false;
}

bool is_final_status(std::string_view status) {
  return status == "Success" || status == "Failed" || status == "TimedOut" || status == "Cancelled";
}

Result<int> follow_command(Context& context, const std::string& command_id) {
  Progress progress;
  for (;;) {
    BELAY_TRY_ASSIGN(const auto invocations,
                     call_all(context, "ListCommandInvocations", {{"CommandId", command_id}, {"Details", true}},
                              "CommandInvocations"));
    show(progress, invocations);
    BELAY_TRY_ASSIGN(const auto commands, call_all(context, "ListCommands", {{"CommandId", command_id}}, "Commands"));
    const std::string status = commands.empty() ? "" : json::text_or_empty(commands.front(), "Status");
    if (commands.empty()) return Error(Code::not_found, "command " + command_id + " is gone");
    if (is_final_status(status)) {
      progress.clear();
      BELAY_TRY_ASSIGN(const auto last, call_all(context, "ListCommandInvocations",
                                                 {{"CommandId", command_id}, {"Details", true}}, "CommandInvocations"));
      print(context, table_of(last), json::Object{{"Command", commands.front()}, {"CommandInvocations", last}},
            std::cout);
      if (json::text_or_empty(commands.front(), "StatusDetails") == "NoInstancesInTag")
        return Error(Code::not_found, "command " + command_id + " found no node with its tags: nothing was done");
      if (status != "Success") explain_failures(last);
      return status == "Success" ? kExitOk : kExitNonCompliant;
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

Result<int> send_command(Context& context, const json::Object& request, bool wait) {
  // SSM calls a command to nobody a success; who typed a tag wrong is not to believe that something was done.
  if (const auto* targets = request.if_contains("Targets"); targets && targets->is_array())
    BELAY_TRY(require_nodes(context, targets->get_array()));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "SendCommand", request));
  const auto* command = json::find(answer, "Command");
  const std::string id = command ? json::text_or_empty(*command, "CommandId") : "";
  if (id.empty()) return Error(Code::internal, "SendCommand: the server named no command");
  if (wait) return follow_command(context, id);
  Table table{{"COMMAND", "DOCUMENT", "STATUS"}, {{id, cell(*command, "DocumentName"), cell(*command, "Status")}}};
  print(context, table, answer, std::cout);
  if (context.format == Format::table) std::cerr << "follow it with: belay command show " << id << " --wait\n";
  return kExitOk;
}

}  // namespace belay::cli
