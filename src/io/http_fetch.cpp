#include <algorithm>

#include "base/text.hpp"
#include "io/http.hpp"

namespace belay::io {
namespace {

constexpr std::size_t kUrlBytesShown = 200;

std::string shown(const std::string& url) { return sanitize(url, kUrlBytesShown); }

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Result<HttpResponse> ask(const std::string& url, const FetchLimits& limits) {
  HttpClientOptions options;
  options.tls.system_ca = true;
  options.timeout = limits.timeout;
  options.body_bytes_max = limits.bytes_max;
  BELAY_TRY_ASSIGN(const auto parts, parse_url(url));
  options.public_only =
      limits.public_only && std::ranges::find(limits.private_hosts, parts.host) == limits.private_hosts.end();
  BELAY_TRY_ASSIGN(auto client, make_http_client(url, options));
  HttpRequest request;
  request.method = "GET";
  request.target = parts.target;
  return client->send(request);
}

// Where a redirect leads: an https address, or a path on the same server.
Result<std::string> followed(const std::string& from, std::string_view location) {
  if (location.starts_with("https://")) return std::string(location);
  if (location.starts_with('/') && !location.starts_with("//")) {
    const auto path = from.find('/', from.find("//") + 2);
    return from.substr(0, path) + std::string(location);
  }
  return Error(Code::unsupported, shown(from) + " leads to '" + sanitize(location, kUrlBytesShown) +
                                      "'; only https addresses and paths of the same server are followed");
}

}  // namespace

Result<std::string> fetch(const std::string& url, const FetchLimits& limits) {
  if (!url.starts_with("https://") && !(limits.plain_http && url.starts_with("http://")))
    return Error(Code::unsupported, "'" + shown(url) + "' is no https address");
  std::string at = url;
  for (int hops = 0; hops <= limits.redirects_max; ++hops) {
    BELAY_TRY_ASSIGN(auto response, ask(at, limits).within("cannot fetch " + shown(at)));
    if (response.status == 200) return std::move(response.body);
    if (!is_redirect(response.status))
      return Error(Code::unavailable, shown(at) + " answers with status " + std::to_string(response.status));
    BELAY_TRY_ASSIGN(at, followed(at, response.headers.get("Location")));
  }
  return Error(Code::unavailable, shown(url) + " leads from address to address, more than " +
                                      std::to_string(limits.redirects_max) + " times");
}

}  // namespace belay::io
