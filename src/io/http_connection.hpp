#pragma once
// One accepted connection: requests one after the other, until it closes or becomes a WebSocket.
// Only for io's own sources.
#include "io/http_parser.hpp"
#include "io/http_server_core.hpp"
#include "io/stream.hpp"

namespace belay::io {

class HttpConnection final : public Peer,
                             private DeadlineWheel::Entry,
                             public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<ServerCore> core, Descriptor fd);
  static Task<void> serve(std::shared_ptr<HttpConnection> self);

  void drain() override;
  void cut() override;

 private:
  struct Exchange;  // one request's way to its answer
  class Answer;
  class BodyShare;

  void on_deadline() override { cut(); }
  bool note_peer();
  Task<bool> shake_hands();
  Task<bool> serve_one();
  Task<ParseFailure> read_request(RequestParser& parser, BodyShare& share);
  ParseFailure weigh(const RequestParser& parser, BodyShare& share) const;
  Task<bool> begin_body(const RequestParser& parser, const BodyShare& share);
  std::size_t feed(RequestParser& parser, std::string_view bytes);
  Task<HttpResponse> answer(HttpRequest request);
  Task<bool> write_response(HttpResponse response, bool keep_alive, bool without_body);
  Task<void> refuse(ParseFailure failure);
  Task<void> upgrade(HttpRequest request);
  Task<void> linger();
  bool may_go_on() const { return !is_cut_ && !core_->draining; }

  std::shared_ptr<ServerCore> core_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Membership> membership_;
  std::shared_ptr<Exchange> exchange_;
  std::string pending_;  // received, not yet taken by a parser
  std::string peer_address_;
  PeerIdentity peer_;
  bool is_idle_ = true;
  bool is_cut_ = false;
};

}  // namespace belay::io
