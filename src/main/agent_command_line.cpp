#include "main/agent_command_line.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace belay {
namespace {

constexpr std::size_t kHelpColumn = 30;
constexpr std::size_t kWordShownMax = 80;

bool in_its_place(const AgentArgument& argument) { return !argument.name.starts_with('-'); }
bool is_flag(const AgentArgument& argument) { return std::holds_alternative<bool*>(argument.into); }
bool takes_several(const AgentArgument& argument) {
  return std::holds_alternative<std::vector<std::string>*>(argument.into);
}

// The last of its names: "--output" of "-o,--output".
std::string_view long_name(const AgentArgument& argument) { return argument.name.substr(argument.name.rfind(',') + 1); }

bool is_one_of(const auto& words, std::string_view word) { return std::ranges::find(words, word) != words.end(); }
bool is_asked_for_help(std::string_view word) { return word == "-h" || word == "--help"; }

Error refused(std::string why) { return Error(Code::invalid_argument, std::move(why)); }

std::string line(std::string left, std::string_view right) {
  left.insert(0, 2, ' ');
  if (left.size() < kHelpColumn) left.resize(kHelpColumn, ' ');
  else left += "\n" + std::string(kHelpColumn, ' ');
  return left + std::string(right) + "\n";
}

std::string left_of(const AgentArgument& argument) {
  std::string text(argument.name);
  if (is_flag(argument)) return text;
  text += " TEXT";
  if (!argument.choices.empty()) text += ":{" + join(argument.choices, ",") + "}";
  if (const auto* const* into = std::get_if<std::string*>(&argument.into); into && !(*into)->empty())
    text += "=" + **into;
  if (takes_several(argument)) text += " ...";
  if (argument.required) text += " REQUIRED";
  if (!argument.excludes.empty()) text += " Excludes: " + std::string(argument.excludes);
  return text;
}

std::string usage_of(const AgentArgument& argument) {
  const auto name = std::string(argument.name) + (takes_several(argument) ? "..." : "");
  return argument.required ? " " + name : " [" + name + "]";
}

std::string help_of(const AgentCommand& command) {
  std::string usage = "Usage: belay-agent " + std::string(command.name) + " [OPTIONS]", places, options;
  for (const auto& argument : command.arguments) {
    (in_its_place(argument) ? places : options) += line(left_of(argument), argument.help);
    if (in_its_place(argument)) usage += usage_of(argument);
  }
  return std::string(command.what) + "\n" + usage + "\n\n" + (places.empty() ? "" : "Positionals:\n" + places + "\n") +
         "Options:\n" + line("-h,--help", "Print this help message and exit") + options + "\n";
}

// Of the commands under a heading, or of all where it is empty.
std::string help_of(const std::vector<AgentCommand>& commands, const AgentCommand& heading) {
  const auto prefix = heading.name.empty() ? std::string() : std::string(heading.name) + " ";
  std::string names;
  for (const auto& command : commands) {
    if (command.hidden || !command.name.starts_with(prefix)) continue;
    const auto rest = command.name.substr(prefix.size());
    if (rest.find(' ') == std::string_view::npos) names += line(std::string(rest), command.what);
  }
  return std::string(heading.what) + "\nUsage: belay-agent " + prefix + "[OPTIONS] SUBCOMMAND\n\nOptions:\n" +
         line("-h,--help", "Print this help message and exit") + "\nSubcommands:\n" + names + "\n";
}

class Filler {
 public:
  Filler(const AgentCommand& command, std::span<const std::string> given) : command_(command), given_(given) {}

  Status fill() {
    while (at_ < given_.size()) {
      const auto& word = given_[at_++];
      if (!only_places_ && word == "--") only_places_ = true;
      else if (!only_places_ && word.size() > 1 && word.starts_with('-')) BELAY_TRY(option(word));
      else BELAY_TRY(place(word));
    }
    for (const auto& argument : command_.arguments) {
      if (argument.required && !is_given(argument.name))
        return refused(std::string(long_name(argument)) + " is required");
      if (is_given(argument.name) && is_given(argument.excludes))
        return refused(std::string(long_name(argument)) + " excludes " + std::string(argument.excludes));
    }
    return {};
  }

 private:
  bool is_given(std::string_view name) const { return given_names_.contains(name); }

  const AgentArgument* find(std::string_view name) const {
    for (const auto& argument : command_.arguments)
      if (!in_its_place(argument) && is_one_of(split(argument.name, ','), name)) return &argument;
    return nullptr;
  }

  // "--state DIR", "--state=DIR", "-o json" or "-ojson".
  Status option(const std::string& word) {
    const bool is_long = word.starts_with("--");
    const auto end = is_long ? std::min(word.find('='), word.size()) : 2;
    const auto* argument = find(std::string_view(word).substr(0, end));
    if (!argument) return unexpected(word);
    const bool has_value = end < word.size();
    if (is_flag(*argument)) {
      if (has_value) return refused(std::string(long_name(*argument)) + " takes no value");
      *std::get<bool*>(argument->into) = true;
      given_names_.insert(argument->name);
      return {};
    }
    if (has_value) return put(*argument, word.substr(end + (is_long ? 1 : 0)));
    if (at_ == given_.size() || find(given_[at_])) return refused(std::string(long_name(*argument)) + " needs a value");
    return put(*argument, given_[at_++]);
  }

  Status place(const std::string& word) {
    for (const auto& argument : command_.arguments)
      if (in_its_place(argument) && (takes_several(argument) || !is_given(argument.name))) return put(argument, word);
    return unexpected(word);
  }

  Status put(const AgentArgument& argument, const std::string& value) {
    const auto name = std::string(long_name(argument));
    if (!argument.choices.empty() && !is_one_of(argument.choices, value))
      return refused(name + ": " + sanitize(value, kWordShownMax) + " not in {" + join(argument.choices, ",") + "}");
    const bool first = given_names_.insert(argument.name).second;
    if (takes_several(argument)) {
      std::get<std::vector<std::string>*>(argument.into)->push_back(value);
      return {};
    }
    if (!first) return refused(name + " is given twice");
    *std::get<std::string*>(argument.into) = value;
    return {};
  }

  static Error unexpected(std::string_view word) {
    return refused("The following argument was not expected: " + sanitize(word, kWordShownMax));
  }

  const AgentCommand& command_;
  std::span<const std::string> given_;
  std::size_t at_ = 0;
  bool only_places_ = false;
  std::set<std::string_view> given_names_;
};

const AgentCommand* find_command(const std::vector<AgentCommand>& commands, std::string_view name) {
  const auto found = std::ranges::find(commands, name, &AgentCommand::name);
  return found == commands.end() ? nullptr : &*found;
}

}  // namespace

Result<ChosenCommand> choose_command(const std::vector<AgentCommand>& commands, std::span<const std::string> given) {
  AgentCommand heading{"", "belay-agent: this machine's end of Belay"};
  std::string name;
  while (true) {
    if (given.empty()) return refused("A subcommand is required");
    if (is_asked_for_help(given.front())) return ChosenCommand{nullptr, help_of(commands, heading)};
    const auto* command = find_command(commands, name + given.front());
    if (!command) return refused("There is no command " + sanitize(name + given.front(), kWordShownMax));
    given = given.subspan(1);
    if (command->act) {
      if (std::ranges::any_of(given, is_asked_for_help)) return ChosenCommand{command, help_of(*command)};
      BELAY_TRY(Filler(*command, given).fill());
      return ChosenCommand{command, ""};
    }
    heading = *command;
    name = std::string(command->name) + " ";
  }
}

}  // namespace belay
