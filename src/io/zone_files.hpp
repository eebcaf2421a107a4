#pragma once
// The system's time zone files. Their bytes only: core/schedule/tzif.hpp reads them, and io knows nothing of core.
#include <string>
#include <string_view>

#include "io/files.hpp"

namespace belay::io {

// The file of an IANA name ("Europe/Berlin") under /usr/share/zoneinfo, read anew each time (a few kilobytes), so that
// an update of tzdata counts at once. invalid_argument for a text that can be no zone name (and so no path outside);
// not_found where the system does not know the zone, or has no zone files at all: then reason is "tzdata-missing".
Result<std::string> read_zone_file(const Files& files, std::string_view name);

}  // namespace belay::io
