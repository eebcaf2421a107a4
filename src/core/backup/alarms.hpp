#pragma once
// What people are told about a plan on a node: each trouble once when it begins and once when it is over, whatever was
// looked at in between. Pure; the caller keeps the alarms (Progress) and sends the notices.
//
// Troubles that jobs make, and that only a good job of the same task ends: "backup", "copy VAULT", "proof" (failed, and
// no retry is left), "start" (an occurrence was missed; any good job ends it).
// Troubles that stand until they are seen to be gone: "rpo", "rto" (an objective is missed; what is merely not proven
// yet is the posture's to say), "points" (suspect, quarantined or damaged ones), "watch NAME" (a finding of the
// node's).
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/backup/agenda.hpp"
#include "core/backup/posture.hpp"

namespace belay::backup {

struct Trouble {
  std::string why;
  std::uint64_t weight = 0;  // what already alarms is told again where this grows: one more suspect point
};
using Troubles = std::map<std::string, Trouble>;

struct Notice {
  std::string what;
  bool began = true;  // false: it is over
  std::string why;    // of the beginning
  Instant since{};
};

// Of the standing kind alone. `joined_at`: a node that never had a point misses its RPO from then on.
Troubles standing_troubles(const Known& known, const Posture& posture, Instant joined_at, Instant now);

// What is to be told of the standing troubles: changes `alarms`, so the next call with the same ones has nothing.
std::vector<Notice> turn_standing(std::map<std::string, Alarm>& alarms, const Troubles& troubles, Instant now);

// Of a job's trouble: told where it did not alarm already.
std::vector<Notice> begin_trouble(std::map<std::string, Alarm>& alarms, std::string_view what, const std::string& why,
                                  Instant now);
// A job of this task went well: its trouble is over, and so is a missed start.
std::vector<Notice> end_trouble(std::map<std::string, Alarm>& alarms, std::string_view what);

// "backup", "copy s3-offsite", "proof" of "backup full", "copy s3-offsite", "prove" as task_text() writes it.
std::string trouble_of_task(std::string_view task);

// Adds a job that is over to what is counted of its task.
void count_run(std::map<std::string, Tally>& tallies, std::string_view task, Tally last);

}  // namespace belay::backup
