#pragma once
// The key of a vault and what is made from it. Each repository in a vault is encrypted with a key of its own, so that a
// node which is broken into gives away its own copies and nobody else's; all of them come from the vault's key, so that
// one escrow file opens the vault when this server is gone.
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay::server {

std::string new_vault_key();                              // 32 random bytes
std::string vault_key_fingerprint(std::string_view key);  // 64 hex digits
// base64 of HMAC-SHA256(key, "belay repository\n" PLAN-ID "\n" NODE-ID "\n"): what the engines take for a password.
std::string repository_key(std::string_view vault_key, std::string_view plan_id, std::string_view node_id);

// The text that goes into a safe: the key, its fingerprint, and how a repository's key is made by hand.
std::string escrow_text(std::string_view vault_name, std::string_view key);
struct EscrowKey {
  std::string vault_name, key;
};
// invalid_argument where it is no escrow file; corrupt where key and fingerprint do not agree (a letter was lost).
Result<EscrowKey> read_escrow(std::string_view text);

}  // namespace belay::server
