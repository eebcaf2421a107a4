#pragma once
// The server's own identity in DIR/keys, made at the first start: its authority, its certificate, the key that signs
// orders and the key that seals secrets in the store. Several servers over one store share this folder.
#include <string>
#include <vector>

#include "base/time.hpp"
#include "io/files.hpp"
#include "io/http.hpp"
#include "server/engine/node_registry.hpp"

namespace belay {

class ServerKeys {
 public:
  // Reads what is there and makes what is missing; a broken file is an error, never replaced.
  static Result<ServerKeys> open(io::Files& files, const std::string& directory, Instant now);

  const server::Authority& authority() const { return authority_; }
  const std::string& seal_key() const { return seal_key_; }
  std::string ca_path() const { return directory_ + "/ca.pem"; }
  // The certificate for these names: kept until it nears its end or the names change, then made anew.
  Result<io::TlsServerSettings> tls(io::Files& files, const std::vector<std::string>& dns_names,
                                    const std::vector<std::string>& ip_addresses, Instant now) const;

 private:
  std::string directory_;
  server::Authority authority_;
  std::string seal_key_;
};

}  // namespace belay
