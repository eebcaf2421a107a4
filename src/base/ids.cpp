#include "base/ids.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace belay {
namespace {
bool is_lower_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }
constexpr std::size_t kIdDigits = 17;
}  // namespace

std::string make_id(std::string_view prefix, std::string_view random) {
  BELAY_ASSERT(random.size() >= kIdRandomBytes);
  return std::string(prefix) + "-" + to_hex(random).substr(0, kIdDigits);
}

bool is_id(std::string_view prefix, std::string_view text) {
  if (!text.starts_with(prefix) || text.size() != prefix.size() + 1 + kIdDigits || text[prefix.size()] != '-')
    return false;
  return std::ranges::all_of(text.substr(prefix.size() + 1), is_lower_hex);
}

std::string make_uuid(std::string_view random) {
  BELAY_ASSERT(random.size() >= kIdRandomBytes);
  std::string bytes(random.substr(0, 16));
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  const std::string hex = to_hex(bytes);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_lower_hex(text[i])) return false;
  }
  return true;
}

}  // namespace belay
