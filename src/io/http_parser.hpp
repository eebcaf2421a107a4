#pragma once
// Beast's HTTP/1.1 parser, with our limits and our values. Pure: bytes in, a request or response out.
// Only for io's own sources (and its fuzzer).
#include <memory>
#include <string_view>

#include "io/http.hpp"

namespace belay::io {

enum class ParseFailure { none, malformed, header_too_large, body_too_large, unsupported, overloaded };

class RequestParser {
 public:
  RequestParser(std::size_t header_bytes_max, std::size_t body_bytes_max);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;

  // How many bytes it took; the rest is to be given again, with what follows it. Stops at the end of the message.
  std::size_t feed(std::string_view bytes);
  ParseFailure failure() const;
  bool head_done() const;
  bool done() const;
  bool expects_continue() const;  // after head_done()
  bool has_authorization() const;
  std::uint64_t body_bytes_announced() const;  // 0 where it does not say
  bool keep_alive() const;
  bool is_head_request() const;
  std::size_t body_bytes() const;  // so far
  HttpRequest take();              // after done(), once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class ResponseParser {
 public:
  ResponseParser(std::size_t header_bytes_max, std::size_t body_bytes_max, bool answers_head);
  ~ResponseParser();

  std::size_t feed(std::string_view bytes);
  void end_of_stream();  // the peer closed: completes a body that ends so, else it is malformed
  ParseFailure failure() const;
  bool head_done() const;
  bool done() const;
  bool keep_alive() const;
  int status() const;
  HttpResponse take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace belay::io
