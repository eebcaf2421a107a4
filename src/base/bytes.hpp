#pragma once
// Bytes as text. Hashing needs a library of its own and lives in io/crypto.hpp.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay {

std::string to_hex(std::string_view bytes);              // lower case
Result<std::string> from_hex(std::string_view text);     // either case
std::string to_base64(std::string_view bytes);           // RFC 4648 with padding
Result<std::string> from_base64(std::string_view text);  // strict: padding wanted, no white space

// Takes the same time wherever the two differ. Lengths may leak.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace belay
