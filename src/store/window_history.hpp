#pragma once
// What maintenance windows did: their executions, the tasks of each as they were frozen, the invocations of each task.
// Statuses are SSM's words (core/window decides them).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::window_history {

struct Execution {
  std::string execution_id{};  // UUID
  std::string window_id{};
  std::string status = "PENDING", status_details{};
  Instant started_at{};  // when the window opened
  Instant cutoff_at{}, ends_at{};
  std::optional<Instant> finished_at{};
};

struct Task {
  std::string task_execution_id{}, execution_id{}, window_task_id{};
  std::string type{}, task_arn{};
  std::uint32_t priority = 0;
  std::string content = "{}";  // JSON text, the caller's own: frozen parameters and rate control
  std::string status = "PENDING", status_details{};
  std::optional<Instant> started_at{}, finished_at{};
};

struct Invocation {
  std::string invocation_id{}, task_execution_id{}, execution_id{};
  std::string window_target_id{};  // "" where the task names nodes itself
  std::string owner_information{};
  bool catch_up = false;             // of nodes that were missed before
  std::uint32_t node_count = 0;      // set by create from `nodes`
  std::vector<std::string> nodes{};  // read by nodes_of alone
  std::string child_id{};            // of the command or automation
  std::string parameters{};          // as sent, JSON text; "" before
  std::string status = "PENDING", status_details{};
  std::optional<Instant> started_at{}, finished_at{};
};

// All in one call, in order, so that an execution is never without its parts. already_exists.
Status create(Sql& sql, const Execution& execution, std::span<const Task> tasks,
              std::span<const Invocation> invocations);
Result<Execution> get(Sql& sql, std::string_view execution_id);
// Status, details and finished_at.
Status update(Sql& sql, const Execution& execution);
Result<Task> get_task(Sql& sql, std::string_view execution_id, std::string_view task_execution_id);
// Status, details and times.
Status update_tasks(Sql& sql, std::span<const Task> tasks);
Result<Invocation> get_invocation(Sql& sql, std::string_view task_execution_id, std::string_view invocation_id);
// Status, details, times, child and parameters.
Status update_invocations(Sql& sql, std::span<const Invocation> invocations);
Result<std::vector<std::string>> nodes_of(Sql& sql, std::string_view invocation_id);

struct Filter {
  std::string window_id{};
  std::optional<Instant> started_after{}, started_before{};
};
// Newest first.
Result<Listed<Execution>> list(Sql& sql, const Filter& filter, const Page& page);
// In the order they stand in the execution. `statuses` empty: all.
Result<Listed<Task>> list_tasks(Sql& sql, std::string_view execution_id, const std::vector<std::string>& statuses,
                                const Page& page);
Result<Listed<Invocation>> list_invocations(Sql& sql, std::string_view task_execution_id,
                                            const std::vector<std::string>& statuses, const Page& page);
// Every task and invocation of one execution, in order: what core/window decides on.
Result<std::vector<Task>> tasks_of(Sql& sql, std::string_view execution_id);
Result<std::vector<Invocation>> invocations_of(Sql& sql, std::string_view execution_id);
// The one that has not ended, if any.
Result<std::optional<Execution>> running(Sql& sql, std::string_view window_id);

// Forgets executions that ended before, at most `limit`, with all their parts. Returns how many.
Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit);

}  // namespace belay::store::window_history
