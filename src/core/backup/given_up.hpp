#pragma once
// Jobs that were given up, and whose result came all the same.
#include <string_view>

#include "core/backup/agenda.hpp"

namespace belay::backup {

// One that went well after all: its retry is called off, and a backup is one that succeeded, now that it is known. What
// is under way by now goes on. `task` as task_text() writes it. May be repeated.
void job_was_good_after_all(const PlanSpec& plan, Progress& progress, std::string_view task, Instant now);

}  // namespace belay::backup
