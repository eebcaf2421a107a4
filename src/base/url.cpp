#include "base/url.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace belay {
namespace {

constexpr std::size_t kUrlBytesMax = 8192;

struct Scheme {
  std::string_view name;
  std::uint16_t port;
};
constexpr Scheme kSchemes[] = {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}};

bool is_host(std::string_view host, bool in_brackets) {
  constexpr std::string_view name = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  constexpr std::string_view address = "abcdefABCDEF0123456789:.";
  return !host.empty() && host.size() <= 253 &&
         host.find_first_not_of(in_brackets ? address : name) == std::string_view::npos;
}

bool is_target(std::string_view target) {
  for (const char c : target)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return false;
  return true;
}

Error bad_url(std::string_view text, std::string_view why) {
  return Error(Code::invalid_argument,
               "'" + sanitize(text, 200) + "' is no address to connect to: " + std::string(why));
}

struct Authority {
  std::string_view host, port;
  bool in_brackets = false;
};

Authority split_authority(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return {};
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && (rest[0] != ':' || rest.size() == 1)) return {};
    return {text.substr(1, end - 1), rest.empty() ? rest : rest.substr(1), true};
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return {text, {}, false};
  if (colon + 1 == text.size()) return {};
  return {text.substr(0, colon), text.substr(colon + 1), false};
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  return text.size() <= 5 && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && port != 0;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) return bad_url(text, "it is too long");
  const auto separator = text.find("://");
  if (separator == std::string_view::npos)
    return bad_url(text, "it must begin with http://, https://, ws:// or wss://");
  Url url;
  url.scheme = to_lower(text.substr(0, separator));
  for (const auto& scheme : kSchemes)
    if (scheme.name == url.scheme) url.port = scheme.port;
  if (url.port == 0) return bad_url(text, "it must begin with http://, https://, ws:// or wss://");
  const auto rest = text.substr(separator + 3);
  const auto authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  if (rest.substr(0, authority_end).find('@') != std::string_view::npos)
    return bad_url("(not shown)", "a user name or password must not stand in it");
  const auto authority = split_authority(rest.substr(0, authority_end));
  if (!is_host(authority.host, authority.in_brackets)) return bad_url(text, "its host name is malformed");
  url.host = to_lower(authority.host);
  if (!authority.port.empty() && !parse_port(authority.port, url.port))
    return bad_url(text, "its port must be 1 to 65535");
  url.target = std::string(rest.substr(authority_end));
  url.target = url.target.substr(0, url.target.find('#'));  // a fragment is never sent
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  if (!is_target(url.target)) return bad_url(text, "blanks and control characters must be percent-encoded");
  return url;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto authority = split_authority(text);
  Endpoint endpoint{to_lower(authority.host), 0};
  if (!is_host(authority.host, authority.in_brackets)) return bad_url(text, "it must be host:port or [address]:port");
  if (!parse_port(authority.port, endpoint.port)) return bad_url(text, "its port must be 1 to 65535");
  return endpoint;
}

}  // namespace belay
