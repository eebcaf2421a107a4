#pragma once
// Run Command: a document sent to many nodes, and what became of it on each. Statuses are SSM's words (core/command
// decides them). Output is kept whole beside the short form that the API shows.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::commands {

inline constexpr std::size_t kStandardOutputChars = 24'000, kStandardErrorChars = 8'000;  // of an invocation, shown
inline constexpr std::size_t kOutputBytesMax = 8u << 20;                                  // of one stream, kept whole

struct Command {
  std::string command_id{};  // UUID
  std::string document_name{}, document_version{}, comment{};
  std::string parameters = "{}";            // JSON text: name to list of texts
  std::string targets = "[]";               // JSON text as asked: [{"Key":…,"Values":[…]}]
  std::vector<std::string> instance_ids{};  // as asked, not as resolved: those are the invocations
  std::string max_concurrency = "50", max_errors = "0";
  std::uint32_t timeout_seconds = 3600;  // for delivery
  std::string status = "Pending", status_details = "Pending";
  Instant requested_at{}, expires_at{};
  std::string requested_by{};
  std::uint32_t target_count = 0, completed_count = 0, error_count = 0, delivery_timed_out_count = 0;
  std::string detail = "{}";  // JSON text, the caller's own: snapshot, change set, options
};

struct Invocation {
  std::string command_id{}, node_id{}, node_name{};
  std::string status = "Pending", status_details = "Pending";
  std::string order_id{};  // "" until one was made
  Instant requested_at{};
  std::optional<Instant> started_at{}, finished_at{};
  std::int32_t response_code = -1;
  std::string plugin_name{};                        // "aws:runShellScript", …
  std::string standard_output{}, standard_error{};  // cut to the limits above when kept
  std::string detail = "{}";                        // JSON text, the caller's own
};

// already_exists where the id is taken. All in one call, so that a command is never without its nodes.
Status create(Sql& sql, const Command& command, std::span<const Invocation> invocations);
Result<Command> get(Sql& sql, std::string_view command_id);
// Status, details, counts and detail; the rest never changes. not_found.
Status update(Sql& sql, const Command& command);
struct Filter {
  std::string command_id{}, node_id{}, document_name{};  // "" does not filter
  std::vector<std::string> statuses{};
  std::optional<Instant> requested_after{}, requested_before{};
};
// Newest first.
Result<Listed<Command>> list(Sql& sql, const Filter& filter, const Page& page);

Result<Invocation> get_invocation(Sql& sql, std::string_view command_id, std::string_view node_id);
// not_found where the order belongs to no command.
Result<Invocation> invocation_of_order(Sql& sql, std::string_view order_id);
// Everything but the key, the name and requested_at. not_found.
Status update_invocation(Sql& sql, const Invocation& invocation);
Status update_invocations(Sql& sql, std::span<const Invocation> invocations);
// Newest first, then by node backwards; without `standard_output` and `standard_error` where with_output is false.
Result<Listed<Invocation>> list_invocations(Sql& sql, const Filter& filter, const Page& page, bool with_output = false);
// Every invocation of one command (at most 100,000), by node, without output: what core/command decides on.
Result<std::vector<Invocation>> invocations_of(Sql& sql, std::string_view command_id);

// What one step of a document with several did on one node.
struct StepRow {
  std::uint32_t position = 0;    // in the document, from 0
  std::string name{}, action{};  // "install", "aws:runShellScript"
  std::string status{};          // core/document's: "Success", "Skipped", …
  std::int32_t response_code = -1;
  std::optional<Instant> started_at{}, finished_at{};
  std::string standard_output{}, standard_error{};  // cut like an invocation's when kept
};
// Adds or overwrites by position; text that is empty leaves what was kept. May be repeated.
Status put_steps(Sql& sql, std::string_view command_id, std::string_view node_id, std::span<const StepRow> steps);
// By position; empty where the document has one step only, or none ran yet.
Result<std::vector<StepRow>> steps_of(Sql& sql, std::string_view command_id, std::string_view node_id);

enum class Stream { standard_output, standard_error };
BOOST_DESCRIBE_ENUM(Stream, standard_output, standard_error)
// Whole output, compressed; the newest for the same key stands. Invalid UTF-8 and control characters are made harmless.
Status put_output(Sql& sql, std::string_view command_id, std::string_view node_id, Stream stream,
                  std::string_view text);
// not_found where none was kept.
Result<std::string> get_output(Sql& sql, std::string_view command_id, std::string_view node_id, Stream stream);

}  // namespace belay::store::commands
