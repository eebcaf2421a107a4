#include <charconv>
#include <string_view>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/progress.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

Result<std::string> reboot_option(const std::string& word) {
  if (word == "if-needed") return std::string("RebootIfNeeded");
  if (word == "never") return std::string("NoReboot");
  return Error(Code::invalid_argument, "--reboot: '" + word + "' is not known; say if-needed or never");
}

// A number of nodes, or a percentage of them, as SSM has it.
Status checked_rate(const std::string& option, const std::string& text) {
  const std::string_view digits = text.ends_with('%') ? std::string_view(text).substr(0, text.size() - 1) : text;
  int number = -1;
  const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const int least = option == "max-errors" ? 0 : 1;
  if (wrong == std::errc() && end == digits.data() + digits.size() && number >= least &&
      (digits.size() == text.size() || number <= 100))
    return {};
  return Error(Code::invalid_argument, "--" + option + ": '" + sanitize(text, 40) + "' is neither a number from " +
                                           std::to_string(least) + " nor a percentage up to 100%");
}

Result<int> run(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto targets, resolve_targets(context, arguments.all("TARGET")));
  for (const std::string option : {"max-concurrency", "max-errors"})
    BELAY_TRY(checked_rate(option, arguments.one(option)));
  BELAY_TRY_ASSIGN(const auto reboot, reboot_option(arguments.one("reboot")));
  json::Object parameters{{"RebootOption", json::Array{reboot}}};
  const bool frozen = arguments.has("change-set");
  if (frozen) {
    BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::change_set, arguments.one("change-set")));
    parameters["ChangeSetId"] = json::Array{id};
  } else parameters["Operation"] = json::Array{"Install"};
  json::Object request{{"DocumentName", frozen ? "Belay-ApplyChangeSet" : "AWS-RunPatchBaseline"},
                       {"Parameters", std::move(parameters)},
                       {"MaxConcurrency", arguments.one("max-concurrency")},
                       {"MaxErrors", arguments.one("max-errors")}};
  targets.add_to(request);
  return send_command(context, request, arguments.has("wait"));
}

}  // namespace

CommandSpec patch_command() {
  return {"patch",
          "install what is approved, or exactly what a change set froze",
          {{"TARGET", "nodes, tag:Key=Value, or all", Takes::values}},
          {{"--change-set", "cs-…: install its exact versions (see belay plan)"},
           {"--reboot", "if-needed or never", Takes::one_value, false, "if-needed"},
           {"--max-concurrency", "nodes at a time, a number or a percentage", Takes::one_value, false, "50"},
           {"--max-errors", "stop after more than so many failures, a number or a percentage", Takes::one_value, false,
            "0"},
           {"--wait", "follow it to its end", Takes::nothing}},
          run,
          {}};
}

}  // namespace belay::cli
