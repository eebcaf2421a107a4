#pragma once
// The agent's command line as data: a command is a row of words, arguments and a function. Ours rather than CLI11's,
// which the static agent would pay for with 300 KB; what it prints looks the same.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace belay {

struct AgentArgument {
  std::string_view name;  // "--state" or "-o,--output"; without a dash it stands in its place: "order-id"
  std::string help;
  std::variant<std::string*, bool*, std::vector<std::string>*> into;  // a bool takes no value
  bool required = false;
  std::vector<std::string> choices = {};  // empty: any text
  std::string_view excludes = {};         // the name of another argument
};

struct AgentCommand {
  std::string_view name;  // one word, or two: "policy check"
  std::string_view what;
  std::vector<AgentArgument> arguments = {};  // those in their place in their order, the one that takes several last
  std::function<int()> act = {};              // none: the heading of the commands whose first word it is
  bool hidden = false;                        // from the help
};

struct ChosenCommand {
  const AgentCommand* command = nullptr;
  std::string help;  // not empty: it was asked for, and is all there is to do
};

// Reads what was given, without the program's name, and fills in where the command's arguments point to.
// invalid_argument, in words for the person at the keyboard, where it makes no sense; what was filled in is void then.
Result<ChosenCommand> choose_command(const std::vector<AgentCommand>& commands, std::span<const std::string> given);

}  // namespace belay
