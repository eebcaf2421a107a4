#include <cstdlib>

#include "base/url.hpp"

// What was accepted can be written down again and reads the same.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view given(reinterpret_cast<const char*>(data), size);
  if (const auto endpoint = belay::parse_endpoint(given); endpoint.ok()) {
    const auto url = belay::parse_url("http://" + std::string(given));
    if (!url.ok() || url->host != endpoint->host || url->port != endpoint->port || url->target != "/") std::abort();
  }
  const auto url = belay::parse_url(given);
  if (!url.ok()) return 0;
  const bool brackets = url->host.find(':') != std::string::npos;
  const std::string text = url->scheme + "://" + (brackets ? "[" + url->host + "]" : url->host) + ":" +
                           std::to_string(url->port) + url->target;
  const auto again = belay::parse_url(text);
  if (text.size() <= 8192 &&
      (!again.ok() || again->host != url->host || again->port != url->port || again->target != url->target))
    std::abort();
  return 0;
}
