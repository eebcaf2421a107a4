#include <algorithm>
#include <iostream>

#include "base/error_table.hpp"
#include "base/ids.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/rollout_progress.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

// A whole fleet is not taken back by a word that is easily typed.
Status refuse_all(const std::vector<std::string>& words) {
  if (std::ranges::find(words, "all") == words.end()) return {};
  return Error(Code::invalid_argument, "'all' is not taken here: name nodes, a tag, or the rollout that is taken back");
}

Result<json::Object> request_of(Context& context, const Arguments& arguments) {
  const auto words = arguments.all("TARGET");
  json::Object request{{"Reason", arguments.one("reason")}};
  if (arguments.has("quarantine") && arguments.has("no-quarantine"))
    return Error(Code::invalid_argument, "--quarantine and --no-quarantine contradict each other");
  if (arguments.has("quarantine") || arguments.has("no-quarantine"))
    request["Quarantine"] = arguments.has("quarantine");
  if (arguments.has("package")) request["Package"] = arguments.one("package");
  const bool is_rollout = std::ranges::any_of(words, [](const auto& word) { return is_id("ro", word); });
  if (is_rollout && words.size() > 1)
    return Error(Code::invalid_argument, "name one rollout, or nodes, not both in one call");
  if (is_rollout) {
    if (arguments.has("to"))
      return Error(Code::invalid_argument, "--to names a run of a node: it goes with nodes, not with a rollout");
    request["RolloutId"] = words.front();
    if (arguments.has("ring")) request["RingName"] = arguments.one("ring");
    return request;
  }
  if (arguments.has("ring")) return Error(Code::invalid_argument, "--ring goes with a rollout's id (ro-…)");
  BELAY_TRY(refuse_all(words));
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, words));
  request["InstanceIds"] = json::encode(ids);
  if (arguments.has("to")) request["RunId"] = arguments.one("to");
  return request;
}

Result<int> run(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto request, request_of(context, arguments));
  json::Value before;
  if (arguments.has("wait") && request.contains("RolloutId")) {
    BELAY_TRY_ASSIGN(before, get_rollout(context, arguments.one("TARGET")));
  }
  BELAY_TRY_ASSIGN(const auto answer, call(context, "RollbackNodes", request));
  const std::string id = json::text_or_empty(answer, "RolloutId");
  if (arguments.has("wait")) return follow_rollout(context, id, true, before);
  say(context, "asked for; follow it with: belay rollout watch " + id, {{"RolloutId", id}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec rollback_command() {
  return {"rollback",
          "take back what a run or a rollout changed; the nodes verify themselves afterwards",
          {{"TARGET", "nodes or tag:Key=Value, or a rollout (ro-…)", Takes::values}},
          {{"--ring", "of a rollout: only this ring"},
           {"--to", "of a node: back to how it was before this run; else before the newest"},
           {"--package", "only this package"},
           {"--reason", "why; it stands in the audit log", Takes::one_value, false, "by hand"},
           {"--quarantine", "what is taken back goes nowhere else; so it is of a rollout or a ring", Takes::nothing},
           {"--no-quarantine", "the change was not to blame; so it is of nodes", Takes::nothing},
           {"--wait", "follow it to its end", Takes::nothing}},
          run,
          {}};
}

}  // namespace belay::cli
