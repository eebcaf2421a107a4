// The Authorization header, and the canonical form of a request whose path, query and header are anything.
#include <string_view>

#include "base/assert.hpp"
#include "io/sigv4.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace belay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = io::sigv4::parse_authorization(text);
  if (parsed.ok()) {
    BELAY_ASSERT(parsed->signature.size() == 64 && !parsed->access_key_id.empty());
    BELAY_ASSERT(parsed->signed_headers.size() <= io::sigv4::kSignedHeadersMax);
  }
  io::HttpRequest request;
  request.method = "POST";
  request.target = "/" + std::string(text);
  request.headers.set("host", std::string(text));
  const auto canonical = io::sigv4::canonical_request(request, {"host"}, "hash");
  BELAY_ASSERT(canonical.starts_with("POST\n/"));
  return 0;
}
