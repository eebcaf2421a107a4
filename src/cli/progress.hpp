#pragma once
// Follows a command until it has ended, saying what changes; one line a node and change, or one live line on a
// terminal.
#include <string>

#include "base/result.hpp"
#include "cli/context.hpp"

namespace belay::cli {

// Of a command as SSM says it: it has ended.
bool is_final_status(std::string_view status);

// The exit status: 0 where every node succeeded, kExitNonCompliant where one did not.
Result<int> follow_command(Context& context, const std::string& command_id);

// Sends the request (a SendCommand body), says its id, and follows it where `wait` is set.
Result<int> send_command(Context& context, const json::Object& request, bool wait);

}  // namespace belay::cli
