#pragma once
// The frames of RFC 6455, as bytes and values. No socket. Only for io's own sources (and its fuzzer).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::io {

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// One whole frame. A client masks (RFC 6455 §5.3) with four random bytes; a server does not.
std::string encode_frame(Opcode opcode, std::string_view payload, std::optional<std::uint32_t> mask = {});
// The payload of a close frame; the reason is cut to what a control frame holds.
std::string encode_close(std::uint16_t code, std::string_view reason);

class FrameDecoder {
 public:
  struct Event {
    enum class Kind { message, ping, pong, close };
    Kind kind = Kind::message;
    std::string payload;           // of a close: its reason
    std::uint16_t close_code = 0;  // 1005 where the peer gave none
  };
  // Why the connection must be failed (RFC 6455 §7.4.1).
  struct Violation {
    std::uint16_t close_code = 0;
    std::string_view words;
  };

  FrameDecoder(bool peer_masks, std::size_t message_bytes_max)
      : peer_masks_(peer_masks), message_bytes_max_(message_bytes_max) {}

  // Takes all of `bytes`, appends what became complete. After a violation the decoder must not be fed again.
  std::optional<Violation> feed(std::string_view bytes, std::vector<Event>& events);

 private:
  std::optional<Violation> begin_frame();
  std::optional<Violation> check_first_byte() const;
  std::optional<Violation> check_length() const;
  void take_payload(std::string_view part);
  std::optional<Violation> end_frame(std::vector<Event>& events);
  std::optional<Violation> end_control(std::vector<Event>& events);
  std::size_t header_size() const;
  bool is_control() const { return static_cast<std::uint8_t>(opcode_) >= 8; }

  const bool peer_masks_;
  const std::size_t message_bytes_max_;
  std::string header_;  // the frame's first bytes, until they are complete
  bool in_payload_ = false;
  Opcode opcode_ = Opcode::text;
  bool final_ = false;
  std::uint64_t frame_length_ = 0, frame_taken_ = 0;
  std::uint8_t mask_[4] = {};
  bool in_message_ = false;  // a text frame came without FIN
  std::string message_, control_;
};

}  // namespace belay::io
