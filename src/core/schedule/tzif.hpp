#pragma once
// The Time Zone Information Format of /usr/share/zoneinfo (RFC 9636, which replaced RFC 8536), as values.
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::schedule {

inline constexpr std::size_t kTzifBytesMax = std::size_t{256} * 1024;

// Versions 1 to 4. Any bytes may come: corrupt says what is wrong. unsupported: a file that counts leap seconds
// ("right/…"), whose clock is not the one everything else here counts by.
Result<ZoneRules> parse_tzif(std::string_view bytes, std::string_view name);

// The rules of a zone by its IANA name. UTC ("", "UTC", "Etc/UTC", "GMT", "Z") is known without reading; of any other
// `read` gives the file's bytes (io::read_zone_file does, from the system's).
using ReadZone = std::function<Result<std::string>(std::string_view name)>;
Result<ZoneRules> zone_of(std::string_view name, const ReadZone& read);

// The footer alone: "CET-1CEST,M3.5.0,M10.5.0/3", "<+0545>-5:45". corrupt where it is none.
Result<FooterRule> parse_footer(std::string_view text);

}  // namespace belay::schedule
