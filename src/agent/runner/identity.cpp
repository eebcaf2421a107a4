#include "agent/runner/identity.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "io/pki.hpp"

namespace belay::agent {
namespace {
constexpr std::size_t kIdentityBytesMax = 256 << 10;
constexpr std::size_t kPublicKeyBytes = 32;
}  // namespace

Result<Identity> load_identity(const io::Files& files, const StatePaths& paths) {
  const auto path = paths.identity("identity.json");
  const auto text = files.read(path, kIdentityBytesMax);
  if (!text.ok() && text.error().code() == Code::not_found)
    return Error(Code::not_found, "this node is not enrolled (no " + path + "); run `belay-agent enroll`");
  if (!text.ok()) return text.error().within("the node's identity cannot be read");
  BELAY_TRY_ASSIGN(auto identity, json::decode_text<Identity>(*text).within("the node's identity " + path));
  const auto key = from_base64(identity.order_public_key);
  if (identity.format != 1 || identity.node_id.empty() || identity.key_pem.empty() || !key.ok() ||
      key->size() != kPublicKeyBytes)
    return Error(Code::corrupt, path + " is not whole; restore it, or enrol the node again with --force");
  return identity;
}

Status save_identity(io::Files& files, const StatePaths& paths, const Identity& identity) {
  BELAY_TRY(files.make_directories(paths.identity_directory(), 0700));
  BELAY_TRY(files.write_durable(paths.identity("identity.json"), json::encode_text(identity), 0600));
  return files.write_durable(paths.root() + "/node-id", identity.node_id + "\n", 0644);
}

io::TlsClientSettings tls_of(const Identity& identity) {
  io::TlsClientSettings tls;
  tls.ca_pem = identity.ca_pem;
  tls.certificate_pem = identity.certificate_pem;
  tls.key_pem = identity.key_pem;
  return tls;
}

Result<Instant> renewal_due(const Identity& identity) {
  BELAY_TRY_ASSIGN(const auto certificate, io::read_certificate(identity.certificate_pem));
  return certificate.not_before + (certificate.not_after - certificate.not_before) / 2;
}

}  // namespace belay::agent
