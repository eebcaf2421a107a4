#pragma once
// Ids as SSM writes them: a prefix and 17 lower-case hexadecimal digits ("mi-0123456789abcdef0"), or a UUID.
// Randomness comes in as bytes (io/crypto.hpp), so that a simulation can repeat itself.
#include <string>
#include <string_view>

namespace belay {

inline constexpr std::size_t kIdRandomBytes = 16;

// prefix without the dash: "mi", "pb", "mw", "cs". `random` must hold kIdRandomBytes bytes.
std::string make_id(std::string_view prefix, std::string_view random);
bool is_id(std::string_view prefix, std::string_view text);

// RFC 9562 version 4.
std::string make_uuid(std::string_view random);
bool is_uuid(std::string_view text);

}  // namespace belay
