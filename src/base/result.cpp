#include "base/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace belay {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "belay: bug: %s does not hold at %s:%d\n", expression, file, line);
  std::abort();
}

std::string_view name(Code code) {
  switch (code) {
    case Code::invalid_argument: return "invalid-argument";
    case Code::not_found: return "not-found";
    case Code::already_exists: return "already-exists";
    case Code::conflict: return "conflict";
    case Code::permission_denied: return "permission-denied";
    case Code::unauthenticated: return "unauthenticated";
    case Code::resource_exhausted: return "resource-exhausted";
    case Code::unavailable: return "unavailable";
    case Code::timed_out: return "timed-out";
    case Code::cancelled: return "cancelled";
    case Code::corrupt: return "corrupt";
    case Code::unsupported: return "unsupported";
    case Code::internal: return "internal";
  }
  return "internal";
}

Error Error::within(std::string message) const {
  Error outer(code_, std::move(message), reason_);
  outer.cause_ = std::make_shared<const Error>(*this);
  return outer;
}

std::string Error::chain() const {
  std::string text = message_;
  for (const Error* e = cause(); e; e = e->cause()) text += ": " + e->message_;
  return text;
}

}  // namespace belay
