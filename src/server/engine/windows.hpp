#pragma once
// Maintenance windows: when they open, what a task of theirs holds, and the changes that the engine must hear of. The
// executions are driven by window_kind.hpp (when to open) and window_run.hpp (what to do once open).
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/schedule/tzif.hpp"
#include "core/schedule/window.hpp"
#include "core/window/machine.hpp"
#include "server/engine/commands.hpp"
#include "server/engine/zones.hpp"
#include "store/windows.hpp"

namespace belay::server {

inline constexpr std::string_view kWindowKind = "window";  // one for each window, as long as the window is there
inline constexpr std::string_view kWindowExecutionKind = "window_execution";

// A task as it was registered; kept as the store's content of it, and frozen into each execution.
struct WindowTask {
  std::string name, description, service_role_arn;
  std::vector<Target> targets;              // Key "WindowTargetIds" or "InstanceIds"; empty: none (not RUN_COMMAND)
  std::string max_concurrency, max_errors;  // "" where there are no targets
  std::optional<window::CutoffBehavior> cutoff_behavior;  // nothing was said: CONTINUE_TASK
  std::string document_version, comment;
  std::uint32_t timeout_seconds = 0;  // for delivery; 0: SSM's default. Never beyond the cut-off
  std::map<std::string, std::vector<std::string>> parameters;
  bool legacy_parameters = false;  // given as TaskParameters, and so shown
  std::string written_by;          // the user: what an AUTOMATION task runs may do what they may do
};
BOOST_DESCRIBE_STRUCT(WindowTask, (),
                      (name, description, service_role_arn, targets, max_concurrency, max_errors, cutoff_behavior,
                       document_version, comment, timeout_seconds, parameters, legacy_parameters, written_by))

inline constexpr std::size_t kWindowsMax = 20'000, kTasksMax = 100, kTargetsMax = 500;  // the latter of one window

class Windows {
 public:
  Windows(store::Store& store, const Clock& clock, Zones& zones) : store_(store), clock_(clock), zones_(zones) {}

  // Whether the fields go together and ever open: invalid_argument that names the field.
  Status check(const store::windows::Window& window) const;
  // The next openings after `after`, whether the window is enabled or not.
  Result<std::vector<schedule::Opening>> openings(const store::windows::Window& window, Instant after,
                                                  std::size_t count) const;
  // The latest opening that began at or before `at`; nullopt where there was none since the schedule was made.
  Result<std::optional<schedule::Opening>> opening_before(const store::windows::Window& window, Instant at) const;

  // ---- in the caller's transaction; each wakes the engine's row of the window
  Status create(store::Sql& sql, store::windows::Window window) const;
  // Schedule, switch or calendars may have changed; a running execution goes on as it began.
  Status update(store::Sql& sql, store::windows::Window window) const;
  Status remove(store::Sql& sql, std::string_view window_id) const;
  // not_found; ok where it has ended. Only what has not begun is dropped.
  static Status cancel_execution(store::Sql& sql, std::string_view execution_id, Instant now);

  // Why its change calendars hold the window back at that time; "" where they do not.
  Result<std::string> held(store::Sql& sql, const store::windows::Window& window, Instant at) const;
  const schedule::ReadZone& read_zone() const { return zones_.reader(); }  // for calendars

 private:
  store::Store& store_;
  const Clock& clock_;
  Zones& zones_;
};

// {{ names }} in a task's parameters that were meant to be pseudo parameters and are none: invalid_argument.
Status check_pseudo_parameters(const WindowTask& task);
// Whether a RUN_COMMAND task's document is there and takes its parameters: invalid_argument that names the field.
Status check_command_task(store::Sql& sql, std::string_view document, const WindowTask& task, Instant now);

Result<std::vector<std::string>> nodes_of_target(store::Sql& sql, const store::windows::Target& target);
Result<std::vector<Target>> targets_of_text(std::string_view text);  // of the store's JSON

}  // namespace belay::server
