#include "server/engine/credentials.hpp"

#include "base/bytes.hpp"
#include "io/crypto.hpp"

namespace belay::server {

std::string new_bearer_token() { return "belay-" + to_hex(io::random_bytes(24)); }

std::string new_access_key_id() {
  std::string id = "AKIA";
  for (const char c : io::random_bytes(16))
    id += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[static_cast<unsigned char>(c) % 32];
  return id;
}

std::string new_secret_access_key() { return to_base64(io::random_bytes(30)); }

}  // namespace belay::server
