#include <cstdlib>

#include "io/http_parser.hpp"
#include "io/http_text.hpp"

namespace {

using belay::io::ParseFailure;

constexpr std::size_t kHeaderMax = 1024, kBodyMax = 2048;

struct Seen {
  bool done = false;
  std::string text;
};

// As the server does it: what the parser leaves is given again with what follows.
Seen parse(std::string_view bytes, std::size_t step) {
  belay::io::RequestParser parser(kHeaderMax, kBodyMax);
  std::string pending;
  for (std::size_t at = 0; at < bytes.size() && !parser.done() && parser.failure() == ParseFailure::none; at += step) {
    pending += bytes.substr(at, step);
    const std::size_t taken = parser.feed(pending);
    if (taken > pending.size()) std::abort();
    pending.erase(0, taken);
  }
  if (parser.body_bytes() > kBodyMax) std::abort();
  Seen seen{parser.done(), {}};
  if (!seen.done) return seen;
  auto request = parser.take();
  static_cast<void>(belay::io::is_websocket_upgrade(request));
  seen.text = request.method + " " + request.target + " " + request.body;
  for (const auto& [name, value] : request.headers.fields) seen.text += "\n" + name + ":" + value;
  return seen;
}

void parse_response(std::string_view bytes, bool answers_head) {
  belay::io::ResponseParser parser(kHeaderMax, kBodyMax, answers_head);
  parser.feed(bytes);
  if (parser.failure() == ParseFailure::none && !parser.done()) parser.end_of_stream();
  if (parser.done() && parser.take().body.size() > kBodyMax) std::abort();
}

}  // namespace

// However the bytes are cut, the same request is understood, and no limit is passed.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = parse(bytes, bytes.size() + 1);
  const auto pieces = parse(bytes, 1u + data[0] % 64u);
  if (whole.done && pieces.done && whole.text != pieces.text) std::abort();
  parse_response(bytes, data[0] & 1);
  return 0;
}
