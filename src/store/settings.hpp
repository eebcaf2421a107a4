#pragma once
// Small named values of the installation. No secrets: keys are files of the server's own.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "store/store.hpp"

namespace belay::store::settings {

Result<std::optional<std::string>> get(Sql& sql, std::string_view key);
Status set(Sql& sql, std::string_view key, std::string_view value, Instant at);
// Keeps what is there, else keeps `value`; returns what then stands. So that two servers agree.
Result<std::string> set_if_absent(Sql& sql, std::string_view key, std::string_view value, Instant at);
Status remove(Sql& sql, std::string_view key);
// At most 1,000.
Result<std::map<std::string, std::string>> with_prefix(Sql& sql, std::string_view prefix);

}  // namespace belay::store::settings
