#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "base/error_table.hpp"
#include "base/next_step.hpp"
#include "base/text.hpp"
#include "cli/context.hpp"

namespace belay::cli {
namespace {

// Where CLI11 puts what it reads, one for each command.
struct Capture {
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::map<std::string, bool, std::less<>> flags;
};

std::string key_of(const std::string& flag) {
  const auto names = split(flag, ',');
  std::string_view last = trim(names.back());
  while (last.starts_with('-')) last.remove_prefix(1);
  return std::string(last);
}

void add_option(CLI::App& app, const OptionSpec& spec, Capture& capture) {
  const std::string key = key_of(spec.flag);
  if (spec.takes == Takes::nothing) {
    app.add_flag(spec.flag, capture.flags[key], spec.help);
    return;
  }
  auto* option = app.add_option(spec.flag, capture.values[key], spec.help);
  option->required(spec.required)->expected(1, spec.takes == Takes::values ? CLI::detail::expected_max_vector_size : 1);
  option->allow_extra_args(false);
  if (spec.takes == Takes::values) option->take_all();
  if (!spec.fallback.empty()) option->default_str(spec.fallback);
}

void add_positional(CLI::App& app, const PositionalSpec& spec, Capture& capture) {
  auto* option = app.add_option(spec.name, capture.values[spec.name], spec.help);
  option->required(spec.required);
  const bool many = spec.takes == Takes::values;  // to one that may have none CLI11 gives a word only where many fit
  option->expected(spec.required || !many ? 1 : 0, many ? CLI::detail::expected_max_vector_size : 1);
  option->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  option->allow_extra_args(many);
}

Arguments arguments_of(const CommandSpec& spec, const Capture& capture) {
  Arguments arguments;
  for (const auto& [key, given] : capture.flags)
    if (given) arguments.values[key] = {};
  for (const auto& [key, values] : capture.values)
    if (!values.empty()) arguments.values[key] = values;
  for (const auto& option : spec.options) {
    const std::string key = key_of(option.flag);
    if (!option.fallback.empty() && !arguments.has(key)) arguments.values[key] = {option.fallback};
  }
  return arguments;
}

constexpr int kExitUnwritten = 1;  // as Code::internal

struct Chosen {
  const CommandSpec* spec = nullptr;
  const Capture* capture = nullptr;
};

void add_command(CLI::App& parent, const CommandSpec& spec, std::vector<std::unique_ptr<Capture>>& captures,
                 Chosen& chosen) {
  CLI::App* app = parent.add_subcommand(spec.name, spec.help);
  app->fallthrough();
  Capture& capture = *captures.emplace_back(std::make_unique<Capture>());
  for (const auto& option : spec.options) add_option(*app, option, capture);
  for (const auto& positional : spec.positionals) add_positional(*app, positional, capture);
  for (const auto& subcommand : spec.subcommands) add_command(*app, subcommand, captures, chosen);
  if (!spec.run) app->require_subcommand(1);
  if (spec.run && !spec.subcommands.empty()) app->require_subcommand(0, 1);
  // CLI11 calls a parent's callback after its subcommand's: the innermost is the one that was meant.
  app->callback([&spec, &capture, &chosen] {
    if (!chosen.spec && spec.run) chosen = {&spec, &capture};
  });
}

std::string exit_statuses() {
  std::string text =
      "Exit status:\n   0  done, and what was printed is written\n   9  answered: a node is not compliant, or a node "
      "failed\n";
  for (const auto& row : kErrorTable)
    text += (row.exit_status < 10 ? "   " : "  ") + std::to_string(row.exit_status) + "  " +
            std::string(name(row.code)) + ": " + std::string(row.what_to_do) + "\n";
  return text +
         "\nThe server is found through BELAY_URL, BELAY_CA and BELAY_TOKEN; the server writes them to admin.env:\n"
         "  set -a; . DIR/admin.env; set +a\n"
         "A TARGET is a node's id (mi-…), its name, tag:Key=Value, or all.\n";
}

int report(const Error& error) {
  std::cerr << "belay: " << error.chain() << "\n";
  std::cerr << "  what to do: " << next_step(error) << "\n";
  return meaning(error.code()).exit_status;
}

int run(const Chosen& chosen, const std::string& format) {
  Context context;
  context.settings = settings_of_environment();
  if (format == "json") context.format = Format::json;
  else if (format == "csv") context.format = Format::csv;
  const auto status = chosen.spec->run(context, arguments_of(*chosen.spec, *chosen.capture));
  return status.ok() ? *status : report(status.error());
}

// What was printed but could not be written is no answer: a report on a full disk would pass for a whole one.
int after_writing(int status) {
  std::cout.flush();
  if (std::cout.good() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  std::cerr << "belay: what it had to say could not be written to standard output, or not all of it\n"
               "  what to do: make room where it goes. What was ordered was done all the same; a secret that is shown "
               "once\n  (an activation's code, a token) is lost with it: delete what it belongs to, and make another\n";
  return status == kExitOk || status == kExitNonCompliant ? kExitUnwritten : status;
}

// The first word that should name a command and does not, as an error; CLI11 only says that a command is required.
Status check_command_words(const std::vector<CommandSpec>& commands, int argc, char** argv) {
  const auto* level = &commands;
  std::string path = "belay";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "-o" || word == "--output") ++i;
    if (word.starts_with('-')) continue;
    const auto found = std::ranges::find(*level, word, &CommandSpec::name);
    if (found == level->end()) {
      std::vector<std::string_view> names;
      for (const auto& command : *level) names.push_back(command.name);
      const auto meant = nearest(word, names);
      return Error(Code::invalid_argument, "'" + sanitize(word, 100) + "' is no command of " + path + "; " +
                                               (meant.empty() ? "" : "did you mean '" + std::string(meant) + "'? ") +
                                               "There are " + join({names.begin(), names.end()}, ", ") + " (" + path +
                                               " --help)");
    }
    if (found->run) return {};
    path += " " + found->name;
    level = &found->subcommands;
  }
  return {};
}

}  // namespace

bool Arguments::has(std::string_view name) const { return values.find(name) != values.end(); }

std::string Arguments::one(std::string_view name) const {
  const auto found = values.find(name);
  return found == values.end() || found->second.empty() ? std::string() : found->second.back();
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  const auto found = values.find(name);
  return found == values.end() ? std::vector<std::string>() : found->second;
}

int run_command_line(int argc, char** argv) {
  CLI::App app("Belay patches Linux fleets with a proven way back.", "belay");
  app.set_version_flag("--version", BELAY_VERSION);
  app.require_subcommand(1);
  app.footer(exit_statuses());
  std::string format = "table";
  app.add_option("-o,--output", format, "table, json or csv")->check(CLI::IsMember({"table", "json", "csv"}));
  const auto commands = all_commands();
  std::vector<std::unique_ptr<Capture>> captures;
  Chosen chosen;
  for (const auto& command : commands) add_command(app, command, captures, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0)
      if (const Status words = check_command_words(commands, argc, argv); !words.ok()) return report(words.error());
    const int status = app.exit(e, std::cout, std::cerr);
    return after_writing(status == 0 ? kExitOk : kExitUsage);
  }
  BELAY_ASSERT(chosen.spec != nullptr);
  return after_writing(run(chosen, format));
}

}  // namespace belay::cli
