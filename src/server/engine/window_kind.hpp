#pragma once
// Executions of the kinds "window" (opens a maintenance window when it is due) and "window_execution" (carries out what
// core/window says, over the window as it was when it opened).
#include <boost/describe.hpp>
#include <memory>
#include <optional>
#include <string>

#include "server/engine/engine.hpp"
#include "server/engine/parent.hpp"
#include "server/engine/windows.hpp"
#include "store/window_history.hpp"

namespace belay::server {

inline constexpr std::string_view kCancelKey = "cancel";  // of an operator's event to a window_execution

struct WindowState {
  std::int64_t version = 0;         // of the window this was planned by; 0: not planned yet
  std::optional<Instant> opens_at;  // the opening that is waited for
};
BOOST_DESCRIBE_STRUCT(WindowState, (), (version, opens_at))

// Starts what a task of another type than RUN_COMMAND runs. In the caller's transaction.
class TaskStarter {
 public:
  virtual ~TaskStarter() = default;
  struct Request {
    std::string document, document_version;
    std::map<std::string, std::vector<std::string>> parameters;
    std::vector<std::string> node_ids;  // empty: the task has no targets
    std::string max_concurrency, max_errors;
    Parent parent;
    std::string requested_by;
    std::string acts_for;  // the user who wrote the task
  };
  // The child's id. An error of the request itself (invalid_argument, not_found, unsupported, resource_exhausted) makes
  // the invocation FAILED with its words; any other is tried again.
  virtual Result<std::string> start(store::Sql& sql, const Request& request, Instant now) = 0;
  virtual Status cancel(store::Sql& sql, std::string_view child_id, Instant now) = 0;
};

struct WindowParts {
  const Windows& windows;
  Duration online_within{300'000};    // who was not heard of for longer is not caught up first
  TaskStarter* automation = nullptr;  // nullptr: AUTOMATION tasks fail with that reason
};

std::unique_ptr<ExecutionKind> make_window_kind(WindowParts parts);
std::unique_ptr<ExecutionKind> make_window_execution_kind(WindowParts parts);

}  // namespace belay::server
