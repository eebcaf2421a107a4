#include "cli/commands.hpp"
#include "cli/progress.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

Result<int> run(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto targets, resolve_targets(context, arguments.all("TARGET")));
  json::Object request{{"DocumentName", "AWS-RunPatchBaseline"},
                       {"Parameters", json::Object{{"Operation", json::Array{"Scan"}}}},
                       {"MaxConcurrency", "100%"},
                       {"MaxErrors", "100%"}};
  targets.add_to(request);
  return send_command(context, request, arguments.has("wait"));
}

}  // namespace

CommandSpec scan_command() {
  return {"scan",
          "ask nodes what they have and what they are offered; changes nothing on them",
          {{"TARGET", "nodes, tag:Key=Value, or all", Takes::values}},
          {{"--wait", "follow it to its end", Takes::nothing}},
          run,
          {}};
}

}  // namespace belay::cli
