#include "server/api/authentication.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/api/errors.hpp"

namespace belay::server {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::size_t kTokenBytesMax = 4'096;

Error incomplete(std::string message) { return failure("IncompleteSignatureException", std::move(message)); }
Error invalid(std::string message) { return failure("InvalidSignatureException", std::move(message)); }

// 20261123T181200Z
Result<Instant> parse_amz_date(std::string_view text) {
  const bool shaped = text.size() == 16 && text[8] == 'T' && text[15] == 'Z';
  if (!shaped) return Error(Code::invalid_argument, "not YYYYMMDDTHHMMSSZ");
  const auto part = [&](std::size_t at, std::size_t count) { return std::string(text.substr(at, count)); };
  return parse_iso8601(part(0, 4) + "-" + part(4, 2) + "-" + part(6, 2) + "T" + part(9, 2) + ":" + part(11, 2) + ":" +
                       part(13, 2) + "Z");
}

std::string amz_date_of(Instant at) {
  std::string out;
  for (const char c : to_iso8601(std::chrono::floor<std::chrono::seconds>(at)))
    if (c != '-' && c != ':') out += c;
  return out;
}

Status check_time(std::string_view amz_date, Instant now, Duration skew_max) {
  const auto at = parse_amz_date(amz_date);
  if (!at.ok())
    return incomplete("Date must be in ISO-8601 'basic format'. Got '" + sanitize(amz_date, 64) + "'. See X-Amz-Date");
  const std::string minutes =
      " - " + std::to_string(std::chrono::duration_cast<std::chrono::minutes>(skew_max).count()) + " min.)";
  const std::string shown = sanitize(amz_date, 32);
  if (*at < now - skew_max)
    return invalid("Signature expired: " + shown + " is now earlier than " + amz_date_of(now - skew_max) + " (" +
                   amz_date_of(now) + minutes);
  if (*at > now + skew_max)
    return invalid("Signature not yet current: " + shown + " is still later than " + amz_date_of(now + skew_max) +
                   " (" + amz_date_of(now) + " + " + minutes.substr(3));
  return {};
}

Status check_signed_headers(const std::vector<std::string>& names) {
  for (const std::string_view needed : {"host", "x-amz-date", "x-amz-target"})
    if (std::ranges::find(names, needed) == names.end())
      return invalid("'" + std::string(needed) + "' must be a 'SignedHeader' in the AWS Authorization.");
  return {};
}

}  // namespace

Status verify_signature(const io::HttpRequest& request, const io::sigv4::Authorization& authorization,
                        std::string_view secret, Instant now, Duration skew_max) {
  const std::string_view amz_date = request.headers.get("x-amz-date");
  if (amz_date.empty()) return incomplete("Authorization header requires existence of an 'X-Amz-Date' header.");
  BELAY_TRY(check_time(amz_date, now, skew_max));
  const auto& scope = authorization.scope;
  if (scope.date != amz_date.substr(0, 8))
    return invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
                   sanitize(scope.date, 32) + "' != '" + sanitize(amz_date.substr(0, 8), 32) + "'.");
  if (scope.service != "ssm") return invalid("Credential should be scoped to correct service: 'ssm'.");
  BELAY_TRY(check_signed_headers(authorization.signed_headers));
  const std::string payload_hash = io::sha256_hex(request.body);
  const std::string_view said = request.headers.get("x-amz-content-sha256");
  if (!said.empty() && said != payload_hash)
    return invalid("The provided 'x-amz-content-sha256' header does not match what was computed.");
  const std::string canonical = io::sigv4::canonical_request(request, authorization.signed_headers, payload_hash);
  const std::string wanted = io::sigv4::signature(secret, scope, io::sigv4::string_to_sign(amz_date, scope, canonical));
  if (!equal_constant_time(wanted, authorization.signature))
    return invalid(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key "
        "and signing method. Consult the service documentation for details.");
  return {};
}

Result<SignedIn> sign_in_with_signature(store::Store& store, const io::HttpRequest& request, Instant now,
                                        Duration skew_max) {
  const std::string_view header = request.headers.get("authorization");
  if (header.empty()) return failure("MissingAuthenticationTokenException", "Missing Authentication Token");
  const auto authorization = io::sigv4::parse_authorization(header);
  if (!authorization.ok()) return incomplete(authorization.error().message());
  auto caller =
      store.read([&](store::Sql& sql) { return store::principals::by_access_key(sql, authorization->access_key_id); });
  if (!caller.ok() && caller.error().code() == Code::unauthenticated)
    return failure("UnrecognizedClientException", "The security token included in the request is invalid.");
  if (!caller.ok()) return caller.error();
  BELAY_TRY(verify_signature(request, *authorization, caller->secret, now, skew_max));
  return SignedIn{std::move(caller->principal), std::move(caller->credential), authorization->signature};
}

Result<SignedIn> sign_in_with_token(store::Store& store, const io::HttpRequest& request, Instant now) {
  const std::string_view header = request.headers.get("authorization");
  if (header.empty())
    return failure("MissingAuthenticationTokenException",
                   "Missing Authentication Token: send 'Authorization: Bearer TOKEN'");
  if (!header.starts_with(kBearer) || header.size() > kTokenBytesMax)
    return incomplete("the Authorization header must be 'Bearer TOKEN'");
  const std::string_view secret = trim(header.substr(kBearer.size()));
  auto caller = store.read([&](store::Sql& sql) -> Result<store::principals::Caller> {
    using store::principals::BearerKind;
    auto by_token = store::principals::by_bearer(sql, BearerKind::token, secret, now);
    if (by_token.ok() || by_token.error().reason() != "token-unknown") return by_token;
    return store::principals::by_bearer(sql, BearerKind::session, secret, now);
  });
  if (!caller.ok() && caller.error().reason() == "token-expired")
    return failure("ExpiredTokenException",
                   "The token included in the request is expired: sign in again, or make a new token");
  if (!caller.ok() && caller.error().code() == Code::unauthenticated)
    return failure("UnrecognizedClientException", "The security token included in the request is invalid.");
  if (!caller.ok()) return caller.error();
  return SignedIn{std::move(caller->principal), std::move(caller->credential), {}};
}

}  // namespace belay::server
