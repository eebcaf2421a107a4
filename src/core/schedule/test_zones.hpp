#pragma once
// Zone rules for tests, of the machine's own zone files.
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "core/schedule/tzif.hpp"

namespace belay::schedule {

inline std::string zone_bytes(const std::string& name) {
  std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

inline const ZoneRules& zone(const std::string& name) {
  static std::map<std::string, ZoneRules> read;
  const auto found = read.find(name);
  if (found != read.end()) return found->second;
  return read.emplace(name, parse_tzif(zone_bytes(name), name).value()).first->second;
}

inline Instant at(std::string_view text) { return parse_iso8601(text).value(); }

}  // namespace belay::schedule
