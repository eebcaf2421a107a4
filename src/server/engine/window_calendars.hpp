#pragma once
// Change calendars (documents of the type ChangeCalendar) that hold maintenance windows back.
#include <string>
#include <vector>

#include "server/engine/zones.hpp"
#include "store/store.hpp"

namespace belay::server {

// Why the calendars hold a change back at `at`, for a person; "" where all of them are open. One that is not there or
// cannot be read holds back too: nobody knows what it would have said.
Result<std::string> held_by_calendars(store::Sql& sql, const Zones& zones, const std::vector<std::string>& names,
                                      Instant at);

}  // namespace belay::server
