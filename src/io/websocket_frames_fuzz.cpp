#include <cstdlib>

#include "io/websocket_frames.hpp"

namespace {

struct Seen {
  std::string text;
  int violation = 0;
};

Seen decode(std::string_view bytes, std::size_t step, bool masked) {
  belay::io::FrameDecoder decoder(masked, 4096);
  Seen seen;
  std::vector<belay::io::FrameDecoder::Event> events;
  for (std::size_t at = 0; at < bytes.size() && seen.violation == 0; at += step)
    if (const auto violation = decoder.feed(bytes.substr(at, step), events)) seen.violation = violation->close_code;
  for (const auto& event : events) {
    if (event.payload.size() > 4096) std::abort();
    seen.text += std::to_string(static_cast<int>(event.kind)) + ":" + event.payload + ";";
  }
  return seen;
}

}  // namespace

// However the bytes are cut, the same is understood.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool masked = data[0] & 1;
  const auto whole = decode(bytes, bytes.size() + 1, masked);
  const auto pieces = decode(bytes, 1u + data[1] % 32u, masked);
  if (whole.text != pieces.text || whole.violation != pieces.violation) std::abort();
  return 0;
}
