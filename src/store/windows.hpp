#pragma once
// Maintenance windows as operators wrote them, with their targets and tasks, and who was missed in them. What opened
// and what became of it: window_history.hpp. Field names and limits are SSM's (ssm.md §2).
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::windows {

struct Window {
  std::string window_id{};  // "mw-…"
  std::string name{}, description{};
  std::string schedule{};  // "cron(…)", "rate(…)", "at(…)"
  std::string timezone{};  // IANA; "" is UTC
  std::optional<std::uint32_t> schedule_offset{};
  std::string start_date{}, end_date{};  // as given; "" where none
  std::uint32_t duration_hours = 1, cutoff_hours = 0;
  bool allow_unassociated = false, enabled = true;
  std::int64_t version = 1;  // grows with every change of what decides when it opens
  Instant created_at{}, modified_at{};
  Instant scheduled_at{};  // when what decides when it opens was last changed
  std::string created_by{};
  std::vector<std::string> calendars{};  // change calendars that hold it back while they are closed
  std::optional<Instant> next_at{};      // the opening that is waited for; kept by the engine
};

struct Target {
  std::string window_target_id{}, window_id{};
  std::string name{}, description{}, owner_information{};
  std::string targets = "[]";  // JSON text: [{"Key":…,"Values":[…]}]
  Instant created_at{};
};

struct Task {
  std::string window_task_id{}, window_id{};
  std::string type{};      // "RUN_COMMAND", …
  std::string task_arn{};  // the document
  std::uint32_t priority = 1;
  std::string content = "{}";  // JSON text, the caller's own: targets, rate control, parameters
  Instant created_at{};
};

// already_exists where the id is taken.
Status create(Sql& sql, const Window& window);
Result<Window> get(Sql& sql, std::string_view window_id);
// Everything but created_at, created_by and next_at. not_found.
Status update(Sql& sql, const Window& window);
Status set_next(Sql& sql, std::string_view window_id, std::optional<Instant> next_at);
// With its targets, tasks and missed nodes; its history stays. May be repeated.
Status remove(Sql& sql, std::string_view window_id);
struct Filter {
  std::vector<std::string> names{};
  std::optional<bool> enabled{};
  bool with_calendars = false;  // those alone that change calendars hold back
};
// By id.
Result<Listed<Window>> list(Sql& sql, const Filter& filter, const Page& page);
Result<std::int64_t> count(Sql& sql);

// already_exists; not_found where there is no such window.
Status add_target(Sql& sql, const Target& target);
Result<Target> get_target(Sql& sql, std::string_view window_id, std::string_view window_target_id);
Status update_target(Sql& sql, const Target& target);  // not_found
Status remove_target(Sql& sql, std::string_view window_id, std::string_view window_target_id);
Result<std::vector<Target>> targets_of(Sql& sql, std::string_view window_id);  // oldest first

Status add_task(Sql& sql, const Task& task);
Result<Task> get_task(Sql& sql, std::string_view window_id, std::string_view window_task_id);
Status update_task(Sql& sql, const Task& task);
// Also forgets whom it missed.
Status remove_task(Sql& sql, std::string_view window_id, std::string_view window_task_id);
Result<std::vector<Task>> tasks_of(Sql& sql, std::string_view window_id);  // by priority, then oldest first
// Of any window, those that have the text somewhere in their document's name or in their content, by id.
Result<Listed<Task>> tasks_that_mention(Sql& sql, std::string_view text, const Page& page);

// ---- nodes that a task should have reached in an opening of the window and did not
enum class MissedReason {
  offline,  // it did not take the order in time
  cut_off,  // the cut-off came before its turn
  remedy,   // a remedy policy asks for it: it has not complied for too long
};
BOOST_DESCRIBE_ENUM(MissedReason, offline, cut_off, remedy)
struct Missed {
  std::string window_id{}, window_task_id{}, node_id{};
  std::string execution_id{};  // the last in which it was missed
  MissedReason reason = MissedReason::offline;
  Instant first_at{}, missed_at{};  // since when in a row, and the last time
  std::uint32_t times = 1;          // in a row
};
// Adds, or counts once more; the same execution again changes nothing. Passed over where the window is gone.
Status add_missed(Sql& sql, std::span<const Missed> missed);
// They were reached. Those that were not missed are passed over.
Status clear_missed(Sql& sql, std::string_view window_id, std::string_view window_task_id,
                    std::span<const std::string> node_ids);
// By node; of every task. At most 100,000.
Result<std::vector<Missed>> missed_of(Sql& sql, std::string_view window_id);
struct MissedFilter {
  std::string window_id{}, node_id{};  // "" does not filter
};
Result<Listed<Missed>> list_missed(Sql& sql, const MissedFilter& filter, const Page& page);

}  // namespace belay::store::windows
