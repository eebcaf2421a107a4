#pragma once
// Who is calling. Errors carry SSM's exception names: MissingAuthenticationTokenException,
// IncompleteSignatureException, UnrecognizedClientException, InvalidSignatureException (also for a late request, with
// AWS's words).
#include <string>

#include "base/time.hpp"
#include "io/http.hpp"
#include "io/sigv4.hpp"
#include "store/principals.hpp"
#include "store/store.hpp"

namespace belay::server {

struct SignedIn {
  store::principals::Principal principal;
  std::string credential;  // access key id, token name or "session": for the audit log
  std::string signature;   // of a signed request; "" for a token
};

// Verifies a header-signed request: scope, time, signed headers (host, x-amz-date and x-amz-target at least), body.
// The secret is that of the access key the header names.
Status verify_signature(const io::HttpRequest& request, const io::sigv4::Authorization& authorization,
                        std::string_view secret, Instant now, Duration skew_max);

Result<SignedIn> sign_in_with_signature(store::Store& store, const io::HttpRequest& request, Instant now,
                                        Duration skew_max);
// "Authorization: Bearer …": a token or a console session.
Result<SignedIn> sign_in_with_token(store::Store& store, const io::HttpRequest& request, Instant now);

}  // namespace belay::server
