#include "main/server_settings.hpp"

#include <arpa/inet.h>

#include <charconv>

#include "base/text.hpp"

namespace belay {

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const Error wrong(
      Code::invalid_argument,
      "'" + sanitize(text, 100) + "' is no address to listen on; give ADDR:PORT, for instance 127.0.0.1:8443");
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong;
  ListenAddress parsed;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) return wrong;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos) return wrong;
  parsed.address = host.empty() ? "0.0.0.0" : host == "localhost" ? "127.0.0.1" : std::string(host);
  return parsed;
}

Result<ServerName> parse_server_name(std::string_view text) {
  unsigned char bytes[sizeof(in6_addr)];
  ServerName name{std::string(text), false};
  if (text.starts_with('[') && text.ends_with(']')) name.text = std::string(text.substr(1, text.size() - 2));
  if (::inet_pton(AF_INET, name.text.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.text.c_str(), bytes) == 1) {
    name.is_address = true;
    return name;
  }
  const Error wrong(Code::invalid_argument,
                    "'" + sanitize(text, 100) +
                        "' is no name for a server; give a DNS name or an address without scheme and port, for "
                        "instance --name belay.example");
  if (text.empty() || text.size() > 253) return wrong;
  for (const auto label : split(text, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return wrong;
    for (const char c : label)
      if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-') return wrong;
  }
  return name;
}

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

}  // namespace belay
