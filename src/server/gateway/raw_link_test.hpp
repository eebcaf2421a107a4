#pragma once
// What a node sends and hears over its link, for the gateway's tests.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "io/crypto.hpp"
#include "io/http.hpp"
#include "wire/codec.hpp"

namespace belay::server {

inline constexpr std::chrono::seconds kPatience{20};  // never waited for where things work

inline std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

// A node's end of a link: raw wire messages, nothing clever.
class RawLink : public std::enable_shared_from_this<RawLink> {
 public:
  void opened(Result<std::shared_ptr<io::WebSocket>> socket) {
    const std::scoped_lock lock(mutex_);
    if (!socket.ok()) {
      closed_ = true, why_ = socket.error().chain();
    } else {
      socket_ = *socket;
      socket_->on_message = [this, self = shared_from_this()](const std::string& text) {
        const std::scoped_lock inner(mutex_);
        inbox_.push_back(text);
        changed_.notify_all();
      };
      socket_->on_close = [this, self = shared_from_this()](std::string_view why) {
        const std::scoped_lock inner(mutex_);
        closed_ = true, why_ = why;
        changed_.notify_all();
      };
    }
    changed_.notify_all();
  }
  bool wait_open() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return socket_ || closed_; });
    return socket_ && !closed_;
  }
  bool wait_closed() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return closed_; });
  }
  template <typename Message>
  std::string send(const Message& message, std::string id = new_id()) {
    EXPECT_TRUE(socket_->send(wire::to_text(wire::pack(id, message))));
    return id;
  }
  void send_text(std::string text) { EXPECT_TRUE(socket_->send(std::move(text))); }
  // The next message of the type; others before it are dropped.
  template <typename Message>
  std::optional<wire::Envelope> next() {
    std::unique_lock lock(mutex_);
    std::optional<wire::Envelope> found;
    changed_.wait_for(lock, kPatience, [&] {
      while (!inbox_.empty() && !found) {
        auto parsed = wire::parse_envelope(inbox_.front());
        inbox_.pop_front();
        if (parsed.ok() && parsed->type == wire::type_name<Message>()) found = *parsed;
      }
      return found || closed_;
    });
    return found;
  }
  bool acknowledged(const std::string& id) {
    const auto ack = next<wire::Ack>();
    return ack && wire::unpack<wire::Ack>(*ack)->ids == std::vector<std::string>{id};
  }
  void close() { socket_->close("bye"); }
  std::string why() { return why_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<io::WebSocket> socket_;
  std::deque<std::string> inbox_;
  bool closed_ = false;
  std::string why_;
};

}  // namespace belay::server
