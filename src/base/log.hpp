#pragma once
// One JSON line an event on standard error: {"time":…,"level":…,"event":…, fields}. Never a secret in a field.
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace belay::log {

enum class Level { debug, info, warning, error };

struct Field {
  std::string_view name;
  std::string value;
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(v) {}
  Field(std::string_view n, const std::string& v) : name(n), value(v) {}
  template <typename T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view n, T v) : name(n), value(std::to_string(v)) {}
  Field(std::string_view n, const Error& e) : name(n), value(e.chain()) {}
};

void set_level(Level lowest);  // default: info
void write(Level level, std::string_view event, std::initializer_list<Field> fields);

inline void debug(std::string_view event, std::initializer_list<Field> f = {}) { write(Level::debug, event, f); }
inline void info(std::string_view event, std::initializer_list<Field> f = {}) { write(Level::info, event, f); }
inline void warning(std::string_view event, std::initializer_list<Field> f = {}) { write(Level::warning, event, f); }
inline void error(std::string_view event, std::initializer_list<Field> f = {}) { write(Level::error, event, f); }

}  // namespace belay::log
