#pragma once
// A request against its described shape: type, required members, lengths in characters, ranges, enumerations and
// patterns, with the words that AWS uses.
#include <optional>
#include <string>

#include "base/json.hpp"
#include "server/api/shapes/shapes.hpp"

namespace belay::server::shapes {

struct Refusal {
  enum class Kind { serialization, validation };  // of the wrong type altogether, or outside its constraints
  Kind kind = Kind::validation;
  std::string message;
};

inline constexpr std::size_t kViolationsMax = 10;  // told at once; the rest is counted

// Members that the shape does not have: passed over as AWS does (a newer SDK may know more than we), or refused with
// the nearest name, so that a slip of the pen does not drop half a baseline.
enum class Unknown { passed_over, refused };
// nullopt: the request is fine. Work is bounded by the size of the value.
std::optional<Refusal> validate(const Shape& shape, const json::Value& request, Unknown unknown = Unknown::passed_over);

// Seconds since 1970 as a number, or ISO 8601 text. nullopt: neither, or beyond the year 9999.
std::optional<Instant> time_of(const json::Value& value);

}  // namespace belay::server::shapes
