#include <unistd.h>

#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/backup_jobs.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

constexpr std::string_view kBeside = "/var/lib/belay-restored/";  // where only a node was named

struct Place {
  std::string node, path;
};

// "PATH", "NODE" or "NODE:PATH".
Place place_of(const std::string& text) {
  if (text.starts_with('/')) return {"", text};
  const auto colon = text.find(":/");
  if (colon == std::string::npos) return {text, ""};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

// "a copy of 2026-11-27T02:00:00Z that is available, proven P4": what one goes back to.
std::string told(const json::Value& point) {
  const auto proven = json::text_or_empty(point, "Proven");
  return "a copy of " + time_cell(json::find(point, "TakenDate")) + " that is " + json::text_or_empty(point, "State") +
         (proven.empty() ? ", never tested" : ", proven " + proven);
}

// Asked twice: what is replaced is somebody's data.
Status confirm(const std::string& point, const std::string& what, bool yes) {
  if (yes) return {};
  if (!::isatty(STDIN_FILENO))
    return Error(Code::invalid_argument,
                 "this replaces " + what + "; say --yes where nobody can be asked (a preview: --preview)");
  std::string answer;
  std::cerr << "This replaces " << what << ". What is there is put aside first. Go on? [y/N] ";
  std::getline(std::cin, answer);
  if (trim(answer) != "y" && trim(answer) != "yes") return Error(Code::cancelled, "nothing was done");
  std::cerr << "Type the recovery point's id to be sure: ";
  std::getline(std::cin, answer);
  if (trim(answer) != point) return Error(Code::cancelled, "that is not " + point + "; nothing was done");
  return {};
}

Result<int> preview(Context& context, json::Object request, const std::string& point) {
  BELAY_TRY_ASSIGN(const auto shown, call(context, "GetRecoveryPoint", {{"PointId", point}}));
  if (context.format == Format::table) print_record(context, shown.at("RecoveryPoint"), std::cout);
  request["Preview"] = true;
  BELAY_TRY_ASSIGN(const auto answer, call(context, "StartRestore", request));
  return begun(context, {json::text_or_empty(answer.at("Job"), "JobId")}, "the node looks", true);
}

Result<int> restore(Context& context, const Arguments& arguments) {
  if (!arguments.has("POINT")) {
    if (!arguments.values.empty())
      return Error(Code::invalid_argument, "say which POINT; `belay restore` alone lists them with their proof");
    return list_points(context, {});
  }
  BELAY_TRY_ASSIGN(const auto point, checked_id(IdKind::point, arguments.one("POINT")));
  auto place = place_of(arguments.one("to"));
  json::Object request{{"PointId", point}};
  if (!place.node.empty()) {
    BELAY_TRY_ASSIGN(request["InstanceId"], resolve_node(context, place.node));
  }
  const bool in_place = arguments.has("in-place"), over = arguments.has("over");
  if (!place.node.empty() && place.path.empty() && !in_place) place.path = std::string(kBeside) + point;
  if (!place.path.empty()) request["Path"] = place.path;
  if (arguments.has("path")) request["Paths"] = json::encode(arguments.all("path"));
  BELAY_TRY(add_time(arguments, "time", "Time", request));
  if (place.path.empty() && !in_place && !arguments.has("to"))
    return Error(Code::invalid_argument, "say where to: --to PATH, --to NODE:PATH, or --in-place");
  if (over) request["Over"] = true;
  if (in_place) request["InPlace"] = true;
  if (arguments.has("preview")) return preview(context, request, point);
  if (over || in_place) {
    auto what = place.path.empty() ? std::string("the database's data") : "what is at " + place.path;
    if (!place.node.empty()) what += " on " + place.node;
    const bool yes = arguments.has("yes");
    if (!yes) {
      BELAY_TRY_ASSIGN(const auto shown, call(context, "GetRecoveryPoint", {{"PointId", point}}));
      what += " by " + told(shown.at("RecoveryPoint"));
    }
    BELAY_TRY(confirm(point, what, yes));
    if (arguments.has("untrusted")) request["Untrusted"] = true;
    request["Confirm"] = point;
  }
  BELAY_TRY_ASSIGN(const auto answer, call(context, "StartRestore", request));
  return begun(context, {json::text_or_empty(answer.at("Job"), "JobId")}, "the restore begins", arguments.has("wait"));
}

}  // namespace

CommandSpec restore_command() {
  return {"restore",
          "bring a recovery point back, beside what is there or over it",
          {{"POINT", "its id (rp-…); without one, they are listed with their proof", Takes::one_value, false}},
          {{"--to", "PATH on the node it came from, NODE:PATH, or NODE: below /var/lib/belay-restored there"},
           {"--in-place", "a database where it was: stopped, put aside, restored, started", Takes::nothing},
           {"--over", "replace what is at the path; it is put aside first", Takes::nothing},
           {"--path", "only these files or folders out of it", Takes::values},
           {"--time", "a database: to this moment (ISO 8601), at or after the point"},
           {"--preview", "say what would be done, do nothing", Takes::nothing},
           {"--yes", "replace without asking", Takes::nothing},
           {"--untrusted", "replace it also by a suspect, quarantined or damaged point", Takes::nothing},
           {"--wait", "follow it to its end", Takes::nothing}},
          restore,
          {}};
}

}  // namespace belay::cli
