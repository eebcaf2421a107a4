#pragma once
// AWS Signature Version 4, the part that a signer and a verifier share: how a request becomes the text that is signed.
// Header-signed requests of JSON services only (no presigned URLs, no S3: paths are normalised and encoded twice).
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "io/http.hpp"

namespace belay::io::sigv4 {

inline constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
inline constexpr std::size_t kSignedHeadersMax = 64;
inline constexpr std::size_t kAuthorizationBytesMax = 4'096;

// What is in force for a day, a region and a service.
struct Scope {
  std::string date;  // YYYYMMDD
  std::string region;
  std::string service;
  std::string text() const { return date + "/" + region + "/" + service + "/aws4_request"; }
};

struct Authorization {
  std::string access_key_id;
  Scope scope;
  std::vector<std::string> signed_headers;  // lower case, in order
  std::string signature;                    // 64 lower-case hexadecimal digits
};
// The Authorization header's value. invalid_argument names what is missing or malformed; bounded.
Result<Authorization> parse_authorization(std::string_view header);

// `signed_headers` in lower case and sorted; `payload_sha256_hex` of the body as sent.
std::string canonical_request(const HttpRequest& request, const std::vector<std::string>& signed_headers,
                              std::string_view payload_sha256_hex);
// `amz_date`: 20261123T181200Z, as in the X-Amz-Date header.
std::string string_to_sign(std::string_view amz_date, const Scope& scope, std::string_view canonical_request);
// 64 lower-case hexadecimal digits.
std::string signature(std::string_view secret, const Scope& scope, std::string_view string_to_sign);

}  // namespace belay::io::sigv4
