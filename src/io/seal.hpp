#pragma once
// Bytes that only the holder of a key can read or make: AES-256-GCM with a random nonce before and a tag behind.
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay::io {

inline constexpr std::size_t kSealKeyBytes = 32;

// `key` must hold kSealKeyBytes. The same bytes are sealed differently each time.
std::string seal(std::string_view key, std::string_view bytes);
// corrupt where the key or the bytes are not the ones.
Result<std::string> unseal(std::string_view key, std::string_view sealed);

}  // namespace belay::io
