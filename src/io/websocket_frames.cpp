#include "io/websocket_frames.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace belay::io {
namespace {

constexpr std::size_t kControlBytesMax = 125;
constexpr std::uint8_t kLength16 = 126, kLength64 = 127;
constexpr std::uint16_t kProtocolError = 1002, kUnsupportedData = 1003, kNoStatus = 1005, kBadText = 1007,
                        kTooBig = 1009;

std::uint8_t byte_at(std::string_view bytes, std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); }

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 255);
}

bool is_valid_close_code(std::uint16_t code) {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace

std::string encode_frame(Opcode opcode, std::string_view payload, std::optional<std::uint32_t> mask) {
  std::string frame;
  frame.reserve(payload.size() + 14);
  frame += static_cast<char>(0x80 | static_cast<std::uint8_t>(opcode));
  const std::uint8_t mask_bit = mask ? 0x80 : 0;
  if (payload.size() < kLength16) {
    frame += static_cast<char>(mask_bit | payload.size());
  } else if (payload.size() <= 0xffff) {
    frame += static_cast<char>(mask_bit | kLength16);
    append_big_endian(frame, payload.size(), 2);
  } else {
    frame += static_cast<char>(mask_bit | kLength64);
    append_big_endian(frame, payload.size(), 8);
  }
  if (!mask) return frame += payload;
  append_big_endian(frame, *mask, 4);
  for (std::size_t i = 0; i < payload.size(); ++i)
    frame += static_cast<char>(byte_at(payload, i) ^ static_cast<std::uint8_t>(*mask >> (8 * (3 - i % 4))));
  return frame;
}

std::string encode_close(std::uint16_t code, std::string_view reason) {
  std::string payload;
  append_big_endian(payload, code, 2);
  return payload + sanitize(reason, kControlBytesMax - 2);
}

// Bytes of the header, as far as its first two tell.
std::size_t FrameDecoder::header_size() const {
  if (header_.size() < 2) return 2;
  const std::uint8_t length = byte_at(header_, 1) & 0x7f;
  const bool masked = byte_at(header_, 1) & 0x80;
  return 2u + (length == kLength16 ? 2u : length == kLength64 ? 8u : 0u) + (masked ? 4u : 0u);
}

std::optional<FrameDecoder::Violation> FrameDecoder::feed(std::string_view bytes, std::vector<Event>& events) {
  while (!bytes.empty() || in_payload_) {
    if (!in_payload_) {
      const std::size_t missing = std::min(header_size() - header_.size(), bytes.size());
      header_ += bytes.substr(0, missing);
      bytes.remove_prefix(missing);
      if (header_.size() < 2 || header_.size() < header_size()) continue;
      if (auto violation = begin_frame()) return violation;
    }
    const auto part =
        bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(frame_length_ - frame_taken_, bytes.size())));
    bytes.remove_prefix(part.size());
    take_payload(part);
    if (frame_taken_ < frame_length_) return {};
    if (auto violation = end_frame(events)) return violation;
  }
  return {};
}

std::optional<FrameDecoder::Violation> FrameDecoder::begin_frame() {
  opcode_ = static_cast<Opcode>(byte_at(header_, 0) & 0x0f);
  final_ = byte_at(header_, 0) & 0x80;
  if (auto violation = check_first_byte()) return violation;
  const bool masked = byte_at(header_, 1) & 0x80;
  if (masked != peer_masks_) return Violation{kProtocolError, masked ? "a server must not mask" : "a client must mask"};
  const std::uint8_t short_length = byte_at(header_, 1) & 0x7f;
  const std::size_t extra = short_length == kLength16 ? 2 : short_length == kLength64 ? 8 : 0;
  frame_length_ = extra ? big_endian(std::string_view(header_).substr(2, extra)) : short_length;
  frame_taken_ = 0;
  if ((extra == 2 && frame_length_ < kLength16) || (extra == 8 && frame_length_ <= 0xffff))
    return Violation{kProtocolError, "the frame's length is not written in the shortest way"};
  if (auto violation = check_length()) return violation;
  for (std::size_t i = 0; masked && i < 4; ++i) mask_[i] = byte_at(header_, 2 + extra + i);
  header_.clear();
  in_payload_ = true;
  return {};
}

std::optional<FrameDecoder::Violation> FrameDecoder::check_first_byte() const {
  if (byte_at(header_, 0) & 0x70) return Violation{kProtocolError, "a reserved bit is set"};
  switch (opcode_) {
    case Opcode::continuation:
      if (!in_message_) return Violation{kProtocolError, "a continuation without a beginning"};
      return {};
    case Opcode::text:
      if (in_message_) return Violation{kProtocolError, "a message within a message"};
      return {};
    case Opcode::binary: return Violation{kUnsupportedData, "only text is understood"};
    case Opcode::close:
    case Opcode::ping:
    case Opcode::pong:
      if (!final_) return Violation{kProtocolError, "a control frame in pieces"};
      return {};
  }
  return Violation{kProtocolError, "an unknown kind of frame"};
}

std::optional<FrameDecoder::Violation> FrameDecoder::check_length() const {
  if (is_control()) {
    if (frame_length_ > kControlBytesMax) return Violation{kProtocolError, "a control frame over 125 bytes"};
    return {};
  }
  if (frame_length_ > message_bytes_max_ || message_.size() > message_bytes_max_ - frame_length_)
    return Violation{kTooBig, "the message is too big"};
  return {};
}

// Grows with what came, not with what was announced.
void FrameDecoder::take_payload(std::string_view part) {
  std::string& target = is_control() ? control_ : message_;
  const std::size_t begin = target.size();
  target += part;
  if (peer_masks_)
    for (std::size_t i = 0; i < part.size(); ++i)
      target[begin + i] = static_cast<char>(byte_at(part, i) ^ mask_[(frame_taken_ + i) % 4]);
  frame_taken_ += part.size();
}

std::optional<FrameDecoder::Violation> FrameDecoder::end_frame(std::vector<Event>& events) {
  in_payload_ = false;
  if (is_control()) return end_control(events);
  in_message_ = !final_;
  if (!final_) return {};
  if (!is_valid_utf8(message_)) return Violation{kBadText, "the text is not UTF-8"};
  events.push_back({Event::Kind::message, std::exchange(message_, {}), 0});
  return {};
}

std::optional<FrameDecoder::Violation> FrameDecoder::end_control(std::vector<Event>& events) {
  std::string payload = std::exchange(control_, {});
  if (opcode_ != Opcode::close) {
    events.push_back({opcode_ == Opcode::ping ? Event::Kind::ping : Event::Kind::pong, std::move(payload), 0});
    return {};
  }
  if (payload.size() == 1) return Violation{kProtocolError, "half a close code"};
  const auto code =
      payload.empty() ? kNoStatus : static_cast<std::uint16_t>(big_endian(std::string_view(payload).substr(0, 2)));
  if (!payload.empty() && !is_valid_close_code(code))
    return Violation{kProtocolError, "a close code that must not be sent"};
  payload.erase(0, 2);
  if (!is_valid_utf8(payload)) return Violation{kBadText, "the reason is not UTF-8"};
  events.push_back({Event::Kind::close, std::move(payload), code});
  return {};
}

}  // namespace belay::io
