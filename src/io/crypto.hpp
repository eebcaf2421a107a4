#pragma once
// Hashes, signatures and randomness over OpenSSL, which appears only in io.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay::io {

std::string sha256(std::string_view bytes);                             // 32 raw bytes
std::string sha256_hex(std::string_view bytes);                         // 64 lower-case digits
std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 raw bytes
std::string random_bytes(std::size_t count);                            // from the system; aborts where there is none

// Hash of what comes in pieces.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void update(std::string_view bytes);
  std::string finish_hex();  // once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Ed25519: orders and approvals. Keys are 32 raw bytes; a signature is 64.
struct SigningKeyPair {
  std::string private_key;
  std::string public_key;
};
SigningKeyPair make_signing_key();
std::string ed25519_sign(std::string_view private_key, std::string_view message);
bool ed25519_verify(std::string_view public_key, std::string_view message, std::string_view signature);

}  // namespace belay::io
