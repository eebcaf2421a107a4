#pragma once
// What an association says (ssm.md §3.3): SSM's fields, and two that AWS has only on maintenance windows: a cut-off,
// and a window to run in. Times of its schedule are UTC, as SSM's.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/schedule/schedule.hpp"

namespace belay::association {

enum class Severity { CRITICAL, HIGH, MEDIUM, LOW, UNSPECIFIED };
BOOST_DESCRIBE_ENUM(Severity, CRITICAL, HIGH, MEDIUM, LOW, UNSPECIFIED)
enum class SyncCompliance { AUTO, MANUAL };
BOOST_DESCRIBE_ENUM(SyncCompliance, AUTO, MANUAL)

struct Target {
  std::string key;  // "InstanceIds", "tag:Name", "tag-key"; keys are AND, values OR
  std::vector<std::string> values;
  bool operator==(const Target&) const = default;
};
BOOST_DESCRIBE_STRUCT(Target, (), (key, values))

struct Settings {
  std::string name;  // of the association, "" where it has none
  std::string document, document_version;
  std::map<std::string, std::vector<std::string>> parameters;
  std::vector<Target> targets;
  bool single_instance = false;   // made with InstanceId, and so shown
  std::string schedule;           // "": it runs when it is made or edited, and when somebody asks
  bool only_at_schedule = false;  // ApplyOnlyAtCronInterval
  std::optional<std::int32_t> offset_days, duration_hours;
  std::string max_concurrency, max_errors;        // "": all at once, and no budget
  std::optional<Severity> severity;               // nothing was said: UNSPECIFIED
  std::optional<SyncCompliance> sync_compliance;  // nothing was said: AUTO
  std::vector<std::string> calendars;             // while one of them is closed nothing begins
  std::string window_id;                          // it begins only in this maintenance window, before the cut-off
  std::optional<std::int32_t> cutoff_hours;       // before the end of Duration or of the window nothing begins any more
  bool operator==(const Settings&) const = default;
};
BOOST_DESCRIBE_STRUCT(Settings, (),
                      (name, document, document_version, parameters, targets, single_instance, schedule,
                       only_at_schedule, offset_days, duration_hours, max_concurrency, max_errors, severity,
                       sync_compliance, calendars, window_id, cutoff_hours))

// Whether the fields go together. The reason is SSM's exception ("InvalidSchedule", "InvalidTarget",
// "InvalidParameters"), the message names the field. Documents, targets and windows themselves are the caller's to look
// up.
Status validate(const Settings& settings, Instant now);

// What is taken and may not do what was meant, in words; SSM takes it without one.
std::vector<std::string> notes(const Settings& settings);

// Its schedule from `since` on; nullopt where it has none.
Result<std::optional<schedule::Schedule>> schedule_of(const Settings& settings, Instant since);

}  // namespace belay::association
