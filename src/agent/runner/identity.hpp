#pragma once
// Who this node is to its server: made at enrolment, kept in one file (0600), so that key and certificate never part.
#include <boost/describe.hpp>
#include <optional>
#include <string>

#include "agent/runner/state_paths.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "io/files.hpp"
#include "io/http.hpp"

namespace belay::agent {

struct Identity {
  std::uint32_t format = 1;
  std::string server;  // https://host:port
  std::string node_id;
  std::string key_pem;  // never leaves the node
  std::string certificate_pem;
  std::string ca_pem;            // the only authority that counts
  std::string order_public_key;  // base64, Ed25519
  Instant enrolled_at{};
};
BOOST_DESCRIBE_STRUCT(Identity, (),
                      (format, server, node_id, key_pem, certificate_pem, ca_pem, order_public_key, enrolled_at))

// not_found where the node was never enrolled; the message says what to do.
Result<Identity> load_identity(const io::Files& files, const StatePaths& paths);
// Also writes `node-id` beside it, for scripts.
Status save_identity(io::Files& files, const StatePaths& paths, const Identity& identity);

io::TlsClientSettings tls_of(const Identity& identity);

// When the certificate wants to be renewed: the middle of its life.
Result<Instant> renewal_due(const Identity& identity);

}  // namespace belay::agent
