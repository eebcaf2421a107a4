#pragma once
// What was run of runbooks, step by step; kept for 30 days after its end. Statuses are SSM's words (core/automation
// decides them).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::automations {

// A runbook as it was when an execution began; executions of the same one share it.
struct Runbook {
  std::string sha256{};  // of the content
  std::string format = "YAML";
  std::string content{};
};
Status put_runbook(Sql& sql, const Runbook& runbook);  // may be repeated
Result<Runbook> get_runbook(Sql& sql, std::string_view sha256);

struct Execution {
  std::string execution_id{};  // UUID
  std::string kind{};          // of the engine's execution that drives it
  std::string document{}, document_version{};
  std::string runbook{};  // its sha256
  std::string status = "Pending";
  std::string parent_id{};                      // of the automation that started it; "" where none did
  std::string executed_by{};                    // who asked for it
  std::string target{};                         // the value that is this one's, of an automation over targets
  std::string settings = "{}", outputs = "{}";  // JSON text, the engine's own; a map of lists
  std::string current_step{}, current_action{};
  std::string failure{};
  Instant started_at{};
  std::optional<Instant> finished_at{};
};
struct Step {
  std::string execution_id{};
  std::uint32_t position = 0;  // in the runbook, from 0
  std::string step_id{};       // UUID
  std::string name{}, action{};
  std::string settings = "{}";  // JSON text, the engine's own
  std::string status = "Pending";
  std::string inputs = "{}", outputs = "{}";  // JSON texts
  std::string failure{};
  std::optional<Instant> started_at{}, finished_at{};
};
inline constexpr std::size_t kFailureBytesMax = 2'000;  // more is cut when kept

// With its steps; the runbook is there. already_exists.
Status create(Sql& sql, const Execution& execution, std::span<const Step> steps);
Result<Execution> get(Sql& sql, std::string_view execution_id);
// Status, outputs, current step and action, failure and finished_at; the rest never changes. not_found.
Status update(Sql& sql, const Execution& execution);
// Status, inputs, outputs, failure and times, by execution and position.
Status update_steps(Sql& sql, std::span<const Step> steps);
Result<std::vector<Step>> steps_of(Sql& sql, std::string_view execution_id);  // by position
Result<std::int64_t> count_running(Sql& sql);

struct Filter {
  std::vector<std::string> execution_ids{}, parent_ids{}, statuses{}, current_actions{};
  std::vector<std::string> document_prefixes{}, tag_keys{};  // any of them
  std::optional<Instant> started_before{}, started_after{};
};
// Newest first.
Result<Listed<Execution>> list(Sql& sql, const Filter& filter, const Page& page);

// Forgets executions that ended before, at most `limit`, with their steps and tags. Returns how many.
Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit);

}  // namespace belay::store::automations
