#pragma once
// The command line as data: each command is a row of names, options and a function. CLI11 parses it in one place
// (command_line.cpp); the commands themselves see only Arguments.
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace belay::cli {

struct Context;

enum class Takes { nothing, one_value, values };

struct OptionSpec {
  std::string flag;  // "--wait", or "-f,--file"
  std::string help;
  Takes takes = Takes::one_value;
  bool required = false;
  std::string fallback = {};  // shown in the help, used where the option is absent
};

struct PositionalSpec {
  std::string name;  // "TARGET"
  std::string help;
  Takes takes = Takes::one_value;
  bool required = true;
};

// What was given. An option is asked by the last of its names without dashes: "wait", "file".
class Arguments {
 public:
  bool has(std::string_view name) const;
  std::string one(std::string_view name) const;               // "" where absent
  std::vector<std::string> all(std::string_view name) const;  // empty where absent
  std::map<std::string, std::vector<std::string>, std::less<>> values;
};

struct CommandSpec {
  std::string name;
  std::string help;
  std::vector<PositionalSpec> positionals;
  std::vector<OptionSpec> options;
  // The exit status (error_table.hpp), or the error that the edge prints.
  std::function<Result<int>(Context&, const Arguments&)> run;  // empty: one of the subcommands is needed
  std::vector<CommandSpec> subcommands = {};
};

// Every command of the program, in the order of the help.
std::vector<CommandSpec> all_commands();

// Parses, runs, prints errors; the exit status of the program.
int run_command_line(int argc, char** argv);

}  // namespace belay::cli
