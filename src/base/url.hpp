#pragma once
// Addresses to connect to, as people write them. Nothing is resolved here.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay {

struct Url {
  std::string scheme, host, target;
  std::uint16_t port = 0;
};
Result<Url> parse_url(std::string_view text);  // http, https, ws, wss

struct Endpoint {
  std::string host;  // a name, or an address without brackets
  std::uint16_t port = 0;
};
Result<Endpoint> parse_endpoint(std::string_view text);  // "host:port", "[v6]:port"

}  // namespace belay
