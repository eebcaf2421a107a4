#include "server/engine/vault_keys.hpp"

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kVaultKeyBytes = 32;
constexpr std::string_view kTitle = "BELAY VAULT ESCROW 1";

std::string field(std::string_view text, std::string_view name) {
  const auto begins = "\n" + std::string(name) + ": ";
  const auto at = text.find(begins);
  if (at == std::string_view::npos) return {};
  const auto from = at + begins.size();
  return std::string(trim(text.substr(from, text.find('\n', from) - from)));
}

}  // namespace

std::string new_vault_key() { return io::random_bytes(kVaultKeyBytes); }

std::string vault_key_fingerprint(std::string_view key) { return io::sha256_hex("belay vault\n" + std::string(key)); }

std::string repository_key(std::string_view vault_key, std::string_view plan_id, std::string_view node_id) {
  const auto name = "belay repository\n" + std::string(plan_id) + "\n" + std::string(node_id) + "\n";
  return to_base64(io::hmac_sha256(vault_key, name));
}

std::string escrow_text(std::string_view vault_name, std::string_view key) {
  const auto hex = to_hex(key);
  return std::string(kTitle) + "\nvault: " + std::string(vault_name) + "\nkey: " + hex +
         "\nfingerprint: " + vault_key_fingerprint(key) +
         "\n\nWhoever holds this can read every backup in the vault. Keep it where the server is not.\n"
         "Check it now and then: belay vault escrow " +
         std::string(vault_name) +
         " --check FILE\n"
         "The key of one repository (its path in the vault is PLAN-ID/NODE-ID), without any server:\n"
         "  printf 'belay repository\\n%s\\n%s\\n' PLAN-ID NODE-ID |\n"
         "    openssl dgst -sha256 -mac HMAC -macopt hexkey:KEY -binary | base64\n";
}

Result<EscrowKey> read_escrow(std::string_view text) {
  const auto title = text.find(kTitle);
  if (title == std::string_view::npos)
    return Error(Code::invalid_argument,
                 "this is no escrow file: it does not begin with '" + std::string(kTitle) + "'");
  text = text.substr(title);
  EscrowKey found;
  found.vault_name = field(text, "vault");
  const auto key = from_hex(field(text, "key"));
  if (!key.ok() || key->size() != kVaultKeyBytes)
    return Error(Code::corrupt, "the key in the escrow file is not 64 hex digits: it was not kept whole");
  found.key = *key;
  if (field(text, "fingerprint") != vault_key_fingerprint(found.key))
    return Error(Code::corrupt, "key and fingerprint of the escrow file do not agree: a digit was changed or lost");
  return found;
}

}  // namespace belay::server
