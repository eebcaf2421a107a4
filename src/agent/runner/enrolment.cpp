#include "agent/runner/enrolment.hpp"

#include "agent/runner/agent_update.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/pki.hpp"
#include "wire/messages.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kReplyBytesMax = 256 << 10;
constexpr Duration kProgramTimeout{600'000};
constexpr Duration kTimeout{30'000};

// What the server says of a refusal, in its own words where it has any.
Error refusal(const io::HttpResponse& response) {
  const auto body = json::parse(response.body);
  std::string words;
  if (body.ok())
    for (const std::string_view member : {"message", "Message", "error"})
      if (words.empty()) words = json::text_or_empty(*body, member);
  if (words.empty()) words = trim(response.body);
  words = sanitize(words, 500);
  const auto status = std::to_string(response.status);
  if (response.status == 401 || response.status == 403)
    return Error(Code::unauthenticated, "the server refused (HTTP " + status + "): " + words +
                                            "; check the activation's id, code, expiry and limit");
  if (response.status == 429 || response.status >= 500)
    return Error(Code::unavailable, "the server cannot do it now (HTTP " + status + "): " + words + "; try again");
  return Error(Code::invalid_argument, "the server did not accept the request (HTTP " + status + "): " + words);
}

template <typename Reply>
Result<Reply> post(io::HttpClient& client, std::string_view target, const json::Value& body) {
  io::HttpRequest request;
  request.method = "POST";
  request.target = target;
  request.headers.set("Content-Type", "application/json");
  request.body = json::to_text(body);
  BELAY_TRY_ASSIGN(const auto response, client.send(request));
  if (response.status != 200) return refusal(response);
  return json::decode_text<Reply>(response.body).within("the server's reply cannot be read");
}

// The server's authority is its own: the host's bundle of authorities cannot know it.
Status check_authority(const EnrolmentRequest& request) {
  if (request.ca_pem.empty() && request.ca_sha256_hex.empty())
    return Error(Code::invalid_argument,
                 "nothing says how the server is known: give --ca FILE or --ca-sha256 HEX (`belay activation create` "
                 "prints the fingerprint)");
  if (request.ca_sha256_hex.empty()) return {};
  const auto bytes = from_hex(to_lower(request.ca_sha256_hex));
  if (bytes.ok() && bytes->size() == 32) return {};
  return Error(Code::invalid_argument,
               "--ca-sha256 is '" + sanitize(request.ca_sha256_hex, 100) + "': expected 64 hexadecimal digits");
}

// Kept before it is used: the server may have signed for it when we hear nothing more.
Result<std::string> pending_key(io::Files& files, const StatePaths& paths) {
  const auto path = paths.identity("pending-key.pem");
  const auto kept = files.read(path, kReplyBytesMax);
  if (kept.ok() && !kept->empty()) return *kept;
  auto key = io::make_key_pem();
  BELAY_TRY(files.make_directories(paths.identity_directory(), 0700));
  BELAY_TRY(files.write_durable(path, key, 0600).within("the node's key cannot be kept"));
  return key;
}

Status check_not_enrolled(const io::Files& files, const StatePaths& paths) {
  const auto present = load_identity(files, paths);
  if (!present.ok() && present.error().code() == Code::not_found) return {};
  if (!present.ok()) return present.error();
  return Error(Code::already_exists, "this machine is node " + present->node_id + " of " + present->server +
                                         " already; --force makes it a new one");
}

Status check_reply(const wire::EnrollReply& reply) {
  BELAY_TRY(io::read_certificate(reply.certificate_pem).ok()
                ? Status()
                : Status(Error(Code::corrupt, "the server's certificate for this node cannot be read")));
  const auto key = from_base64(reply.order_public_key);
  if (reply.node_id.empty() || reply.ca_pem.empty() || !key.ok() || key->size() != 32)
    return Error(Code::corrupt, "the server's reply is not whole");
  return {};
}

}  // namespace

Result<Identity> enroll(io::Files& files, const StatePaths& paths, const EnrolmentRequest& request, Instant now) {
  if (!request.force) BELAY_TRY(check_not_enrolled(files, paths));
  if (request.activation_id.empty() || request.activation_code.empty())
    return Error(Code::invalid_argument, "an activation id and its code are needed (belay activation create)");
  BELAY_TRY_ASSIGN(const auto url, io::parse_url(request.server));
  if (url.scheme != "https")
    return Error(Code::invalid_argument, "the server's address must begin with https://, not " + url.scheme);
  BELAY_TRY(check_authority(request));

  io::HttpClientOptions options;
  options.timeout = kTimeout;
  options.body_bytes_max = kReplyBytesMax;
  options.tls.ca_pem = request.ca_pem;
  options.tls.ca_sha256_hex = request.ca_sha256_hex;
  BELAY_TRY_ASSIGN(const auto client, io::make_http_client(request.server, options));
  BELAY_TRY_ASSIGN(const auto key, pending_key(files, paths));
  BELAY_TRY_ASSIGN(
      const auto csr,
      io::make_csr(key, request.facts.computer_name.empty() ? "node" : request.facts.computer_name.substr(0, 60)));
  const wire::EnrollRequest body{request.activation_id, request.activation_code, csr, BELAY_VERSION, request.facts};
  BELAY_TRY_ASSIGN(const auto reply, post<wire::EnrollReply>(*client, "/agent/v1/enroll", json::encode(body)));
  BELAY_TRY(check_reply(reply));

  const Identity identity{
      1, request.server, reply.node_id, key, reply.certificate_pem, reply.ca_pem, reply.order_public_key, now};
  BELAY_TRY(save_identity(files, paths, identity).within("the node's identity cannot be kept"));
  // An order counter belongs to the identity that it was counted for.
  BELAY_TRY(files.remove(paths.counter()));
  BELAY_TRY(files.remove(paths.identity("pending-key.pem")));
  return identity;
}

Result<std::string> fetch_program(const Identity& identity, const std::string& sha256) {
  io::HttpClientOptions options;
  options.timeout = kProgramTimeout;
  options.body_bytes_max = kProgramBytesMax;
  options.tls = tls_of(identity);
  BELAY_TRY_ASSIGN(const auto client, io::make_http_client(identity.server, options));
  io::HttpRequest request;
  request.method = "GET";
  request.target = "/agent/v1/program/" + sha256;
  BELAY_TRY_ASSIGN(auto response,
                   client->send(request).within("the program cannot be fetched from " + identity.server));
  if (response.status == 200) return std::move(response.body);
  return Error(response.status == 404 ? Code::not_found : Code::unavailable,
               identity.server + " answers with status " + std::to_string(response.status) + " where the program " +
                   sha256 + " is asked for");
}

Result<std::map<std::string, std::string>> fetch_secrets(const Identity& identity, const std::string& order_id) {
  io::HttpClientOptions options;
  options.timeout = kTimeout;
  options.body_bytes_max = kReplyBytesMax;
  options.tls = tls_of(identity);
  BELAY_TRY_ASSIGN(const auto client, io::make_http_client(identity.server, options));
  BELAY_TRY_ASSIGN(
      auto reply, post<wire::SecretsReply>(*client, "/agent/v1/secrets", json::encode(wire::SecretsRequest{order_id})));
  std::map<std::string, std::string> secrets;
  for (auto& secret : reply.secrets) secrets[std::move(secret.name)] = std::move(secret.value);
  return secrets;
}

Result<Identity> renew(io::Files& files, const StatePaths& paths, const Identity& identity, bool fresh_key) {
  io::HttpClientOptions options;
  options.timeout = kTimeout;
  options.body_bytes_max = kReplyBytesMax;
  options.tls = tls_of(identity);
  BELAY_TRY_ASSIGN(const auto client, io::make_http_client(identity.server, options));
  Identity renewed = identity;
  if (fresh_key) renewed.key_pem = io::make_key_pem();
  BELAY_TRY_ASSIGN(const auto csr, io::make_csr(renewed.key_pem, identity.node_id));
  BELAY_TRY_ASSIGN(const auto reply,
                   post<wire::RenewReply>(*client, "/agent/v1/renew", json::encode(wire::RenewRequest{csr})));
  BELAY_TRY_ASSIGN(const auto certificate, io::read_certificate(reply.certificate_pem));
  if (certificate.common_name != identity.node_id)
    return Error(Code::corrupt,
                 "the server renewed the certificate of " + certificate.common_name + ", not of this node");
  renewed.certificate_pem = reply.certificate_pem;
  if (!reply.ca_pem.empty()) renewed.ca_pem = reply.ca_pem;
  BELAY_TRY(save_identity(files, paths, renewed));
  return renewed;
}

}  // namespace belay::agent
