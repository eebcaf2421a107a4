#pragma once
// A client's connection while it blocks: reaching the server, TLS, one request and its response. A WebSocket goes over
// to the loop afterwards. Only for io's own sources.
#include <atomic>
#include <chrono>

#include "io/http_parser.hpp"
#include "io/posix.hpp"
#include "io/tls.hpp"

namespace belay::io {

// How long one may wait in all; `cancelled` ends it earlier.
class Patience {
 public:
  explicit Patience(Duration timeout, const std::atomic<bool>* cancelled = nullptr)
      : timeout_(timeout),
        until_(std::chrono::steady_clock::now() + std::min(timeout, Duration(std::chrono::hours(24)))),
        cancelled_(cancelled) {}
  // Until the socket is ready for what the step wants; timed_out or cancelled. `until` may shorten it once.
  Status wait(int fd, Step::Kind want, const std::string& what) const;
  Duration left() const;
  Patience share_of(std::size_t parts) const;  // an equal part of what is left

 private:
  Duration timeout_;
  std::chrono::steady_clock::time_point until_;
  const std::atomic<bool>* cancelled_;
};

class ClientConnection {
 public:
  // `context` is null for plain HTTP; `settings` must outlive the call.
  static Result<std::unique_ptr<ClientConnection>> open(const Url& url, const TlsContext& context,
                                                        const TlsClientSettings& settings, const Patience& patience,
                                                        bool public_only = false);
  // False where the server hung up, or sent what nobody asked for, while the connection was idle.
  bool is_usable() const;
  Status write(std::string_view bytes, const Patience& patience);
  Result<HttpResponse> read_response(std::size_t body_bytes_max, bool answers_head, const Patience& patience);
  bool keeps_alive() const { return keeps_alive_; }  // after read_response()
  const SSL* tls() const { return transport_.tls(); }

  // For a WebSocket: what the loop goes on with.
  Descriptor release_socket() { return std::move(fd_); }
  TlsPtr release_tls() { return transport_.release_tls(); }
  std::string take_rest() { return std::move(rest_); }

 private:
  ClientConnection(Descriptor fd, TlsPtr tls, std::string peer)
      : fd_(std::move(fd)), transport_(fd_.get(), std::move(tls)), peer_(std::move(peer)) {}
  Status shake_hands(const Patience& patience);
  Status fill(ResponseParser& parser, const Patience& patience);

  Descriptor fd_;
  Transport transport_;
  std::string peer_;
  std::string rest_;  // received behind the last response
  bool keeps_alive_ = false;
};

}  // namespace belay::io
