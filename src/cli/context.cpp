#include "cli/context.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdlib>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "io/files.hpp"

namespace belay::cli {
namespace {

constexpr int kPagesMax = 10'000;
constexpr std::size_t kAnswerBytesMax = 64u << 20;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_loopback(const std::string& host) {
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return host == "localhost" || (::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
}

Status connect(Context& context) {
  if (context.client) return {};
  const auto& settings = context.settings;
  if (settings.url.empty())
    return Error(Code::invalid_argument,
                 "no server is named: set BELAY_URL, BELAY_CA and BELAY_TOKEN (set -a; . DIR/admin.env)");
  if (settings.token.empty())
    return Error(Code::unauthenticated, "BELAY_TOKEN is not set; the server writes one to DIR/admin.env", "no-token");
  BELAY_TRY(check_server_url(settings.url));
  io::HttpClientOptions options;
  options.timeout = Duration(120'000);
  options.body_bytes_max = kAnswerBytesMax;
  if (settings.url.starts_with("https:")) {
    if (settings.ca_path.empty()) options.tls.system_ca = true;
    else {
      BELAY_TRY_ASSIGN(options.tls.ca_pem, io::real_files().read(settings.ca_path, 1 << 20).within("BELAY_CA"));
    }
  }
  BELAY_TRY_ASSIGN(context.client, io::make_http_client(settings.url, options));
  return {};
}

Code code_of(int http_status) {
  for (const auto& row : kErrorTable)
    if (row.http_status == http_status) return row.code;
  return http_status >= 500 ? Code::internal : Code::invalid_argument;
}

// SSM says which kind of error it is by its name, always with status 400.
Code code_of(int http_status, std::string_view type) {
  const auto has = [&](std::string_view word) { return type.find(word) != std::string_view::npos; };
  if (has("DoesNotExist") || has("NotFound") || has("InvalidInstanceId") || has("InvalidActivationId") ||
      has("InvalidCommandId"))
    return Code::not_found;
  if (has("AlreadyExists")) return Code::already_exists;
  if (has("ResourceInUse") || has("Conflict") || has("InvalidState")) return Code::conflict;
  if (has("AccessDenied")) return Code::permission_denied;
  if (has("LimitExceeded") || has("Throttling") || has("TooMany")) return Code::resource_exhausted;
  if (has("UnrecognizedClient") || has("InvalidClientToken") || has("MissingAuthentication") || has("Signature") ||
      has("ExpiredToken"))
    return Code::unauthenticated;
  if (has("Unsupported") || has("UnknownOperation")) return Code::unsupported;
  return code_of(http_status);
}

Error error_of(const io::HttpResponse& response, std::string_view operation) {
  const auto body = json::parse(response.body);
  std::string type, message;
  if (body.ok()) {
    type = json::text_or_empty(*body, "__type");
    message = json::text_or_empty(*body, "message");
    if (message.empty()) message = json::text_or_empty(*body, "Message");
  }
  if (message.empty()) message = "the server answered with HTTP status " + std::to_string(response.status);
  if (!type.empty()) message = type + ": " + message;
  return Error(code_of(response.status, type), std::string(operation) + ": " + message);
}

}  // namespace

Status check_server_url(const std::string& text) {
  BELAY_TRY_ASSIGN(const auto url, io::parse_url(text).within("BELAY_URL"));
  if (url.scheme == "https" || (url.scheme == "http" && is_loopback(url.host))) return {};
  return Error(Code::invalid_argument, "BELAY_URL is " + sanitize(text, 200) +
                                           ": the token would cross the network readable; write https://, as the "
                                           "server's admin.env has it (http:// is for loopback addresses)");
}

bool is_loopback_url(const std::string& text) {
  const auto url = io::parse_url(text);
  return url.ok() && is_loopback(url->host);
}

Settings settings_of_environment() { return {variable("BELAY_URL"), variable("BELAY_CA"), variable("BELAY_TOKEN")}; }

Result<json::Value> call(Context& context, std::string_view operation, const json::Object& request) {
  BELAY_TRY(connect(context));
  io::HttpRequest http;
  http.method = "POST";
  http.target = "/api/" + std::string(operation);
  http.headers.set("Content-Type", "application/json");
  http.headers.set("Authorization", "Bearer " + context.settings.token);
  http.body = json::to_text(request);
  BELAY_TRY_ASSIGN(const auto response,
                   context.client->send(http).within("cannot reach the server at " + context.settings.url));
  if (response.status != 200) return error_of(response, operation);
  return json::parse(response.body.empty() ? "{}" : response.body, {.bytes_max = kAnswerBytesMax, .depth_max = 64})
      .within(std::string(operation) + ": the server's answer cannot be read");
}

Result<json::Array> call_all(Context& context, std::string_view operation, json::Object request,
                             std::string_view member) {
  json::Array items;
  for (int page = 0; page < kPagesMax; ++page) {
    BELAY_TRY_ASSIGN(const auto answer, call(context, operation, request));
    if (const auto* list = json::find(answer, member); list && list->is_array())
      items.insert(items.end(), list->get_array().begin(), list->get_array().end());
    const std::string next = json::text_or_empty(answer, "NextToken");
    if (next.empty()) return items;
    request["NextToken"] = next;
  }
  return Error(Code::resource_exhausted,
               std::string(operation) + " has more pages than can be read; ask for less at once");
}

}  // namespace belay::cli
