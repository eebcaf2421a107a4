#pragma once
// What answers at an address, seen from here: for one who measures it. Blocking; all may be repeated. Names are
// resolved as everywhere in Belay (hosts file and DNS), with the resolver's own time-outs.
#include <string>

#include "base/url.hpp"
#include "io/http.hpp"

namespace belay::io {

class Reach {
 public:
  virtual ~Reach() = default;
  // Connects, and closes at once. Any address of the name will do.
  virtual Status connect(const Endpoint& to, Duration timeout) = 0;
  // One GET over a connection of its own; redirects are not followed.
  virtual Result<HttpResponse> get(const std::string& url, const HttpClientOptions& options) = 0;
  // Of the certificate that a TLS server shows, whoever it is: nothing is verified, and nothing is sent to it. Good
  // for recognizing the server later (TlsClientSettings::ca_sha256_hex), for trusting it never.
  virtual Result<std::string> certificate_sha256_hex(const Endpoint& server, Duration timeout) = 0;
};

Reach& real_reach();

}  // namespace belay::io
