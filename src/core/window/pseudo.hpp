#pragma once
// Pseudo parameters of a maintenance window's tasks: {{WINDOW_ID}} and its kin in the values a task hands on. Only
// these names are looked at; a document's own {{ parameters }} pass through untouched.
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace belay::window {

inline constexpr std::string_view kPseudoParameters[] = {"WINDOW_ID",           "WINDOW_TASK_ID",    "WINDOW_TARGET_ID",
                                                         "WINDOW_EXECUTION_ID", "TASK_EXECUTION_ID", "INVOCATION_ID",
                                                         "TARGET_TYPE"};
// SSM has these in other tasks than Run Command's; there one command serves many nodes, so they mean nothing.
inline constexpr std::string_view kNotInRunCommand[] = {"TARGET_ID", "RESOURCE_ID"};

// {{NAME}} and {{ NAME }} of the names given become their values; a value is never looked at again.
std::string substitute(std::string_view text, const std::map<std::string, std::string, std::less<>>& values);
// The first name of kNotInRunCommand that the text uses; "" where none.
std::string_view not_in_run_command(std::string_view text);
// A name between braces that is none of these, and the one that was meant: {{WINDOWID}}, {{window_id}}. Other names are
// somebody else's braces.
struct Mistyped {
  std::string name;
  std::string_view meant;
};
std::optional<Mistyped> mistyped(std::string_view text);

}  // namespace belay::window
