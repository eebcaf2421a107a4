#pragma once
// A script for /bin/sh, as AWS-RunShellScript runs it.
#include "agent/runner/order_work.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

// The lines become one script; its exit code is that of its last command. It runs as root in the order's working
// directory ("/" where none is named) with a private TMPDIR that is removed afterwards. A script that ends with 194 has
// the machine restarted and is run again from its first line, eight times at most, as SSM does; its output is that of
// all turns. But for that it is never begun twice: where an earlier process died in it, the result says so.
Result<wire::OrderResult> run_shell_order(const WorkTools& tools, const StatePaths& paths,
                                          const AcceptedOrder& accepted);

}  // namespace belay::agent
