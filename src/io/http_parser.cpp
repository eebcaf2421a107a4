#include "io/http_parser.hpp"

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/text.hpp"

namespace belay::io {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kReserveMax = 64 << 10;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Like string_body, but memory follows what came and not what was announced: else 60,000 heads that say 4 MiB
// would take 240 GB.
struct GrowingBody {
  using value_type = std::string;
  static std::uint64_t size(const value_type& body) { return body.size(); }

  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(http::header<isRequest, Fields>&, value_type& body) : body_(body) {}

    void init(const boost::optional<std::uint64_t>& length, error_code& failure) {
      failure = {};
      if (length) body_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*length, kReserveMax)));
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, error_code& failure) {
      failure = {};
      std::size_t taken = 0;
      for (auto it = boost::asio::buffer_sequence_begin(buffers); it != boost::asio::buffer_sequence_end(buffers);
           ++it) {
        const boost::asio::const_buffer buffer(*it);
        body_.append(static_cast<const char*>(buffer.data()), buffer.size());
        taken += buffer.size();
      }
      return taken;
    }
    void finish(error_code& failure) { failure = {}; }

   private:
    value_type& body_;
  };
};

ParseFailure failure_of(const error_code& code) {
  if (!code) return ParseFailure::none;
  if (code == http::error::header_limit) return ParseFailure::header_too_large;
  if (code == http::error::body_limit) return ParseFailure::body_too_large;
  return ParseFailure::malformed;
}

// Beast takes what it can and says need_more; the message may be complete before the bytes are used up.
template <typename Parser>
std::size_t feed_parser(Parser& parser, std::string_view bytes, ParseFailure& failure) {
  std::size_t taken = 0;
  while (failure == ParseFailure::none && !parser.is_done()) {
    error_code code;
    const auto rest = bytes.substr(taken);
    const std::size_t count = parser.put(boost::asio::const_buffer(rest.data(), rest.size()), code);
    taken += count;
    if (code == http::error::need_more) break;
    failure = failure_of(code);
    if (count == 0 || taken == bytes.size()) break;
  }
  return taken;
}

template <typename Message>
void copy_headers(const Message& message, HttpHeaders& headers) {
  for (const auto& field : message) headers.fields.emplace_back(view(field.name_string()), view(field.value()));
}

std::uint32_t limit32(std::size_t limit) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(limit, std::numeric_limits<std::uint32_t>::max()));
}

// "http://host/path" as proxies are asked becomes "/path"; anything that is neither a path nor "*" is no target.
std::optional<std::string> origin_form(std::string_view target) {
  if (target.starts_with('/') || target == "*") return std::string(target);
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    const auto slash = target.find('/', scheme.size());
    return slash == std::string_view::npos ? "/" : std::string(target.substr(slash));
  }
  return {};
}

}  // namespace

struct RequestParser::Impl {
  http::request_parser<GrowingBody> parser;
  ParseFailure failure = ParseFailure::none;
  bool head_checked = false;

  // What Beast lets pass and what request smuggling is made of.
  void check_head() {
    head_checked = true;
    const auto& message = parser.get();
    const auto encoding = view(message[http::field::transfer_encoding]);
    const bool is_old = message.version() < 11;
    if (!encoding.empty() && (is_old || !equal_ignoring_case(trim(encoding), "chunked") ||
                              message.count(http::field::transfer_encoding) > 1))
      failure = ParseFailure::unsupported;
    if (message.count(http::field::host) > 1 || (!is_old && message.count(http::field::host) == 0) ||
        !origin_form(view(message.target())))
      failure = ParseFailure::malformed;
  }
};

RequestParser::RequestParser(std::size_t header_bytes_max, std::size_t body_bytes_max)
    : impl_(std::make_unique<Impl>()) {
  impl_->parser.eager(true);
  impl_->parser.header_limit(limit32(header_bytes_max));
  impl_->parser.body_limit(body_bytes_max);
}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;

std::size_t RequestParser::feed(std::string_view bytes) {
  const std::size_t taken = feed_parser(impl_->parser, bytes, impl_->failure);
  if (impl_->parser.is_header_done() && !impl_->head_checked && impl_->failure == ParseFailure::none)
    impl_->check_head();
  return taken;
}

ParseFailure RequestParser::failure() const { return impl_->failure; }
bool RequestParser::head_done() const { return impl_->parser.is_header_done(); }
bool RequestParser::done() const { return impl_->parser.is_done() && impl_->failure == ParseFailure::none; }
bool RequestParser::expects_continue() const {
  return impl_->parser.get().version() >= 11 &&
         equal_ignoring_case(view(impl_->parser.get()[http::field::expect]), "100-continue");
}
bool RequestParser::has_authorization() const { return impl_->parser.get().count(http::field::authorization) > 0; }
std::uint64_t RequestParser::body_bytes_announced() const {
  const auto length = impl_->parser.content_length();
  return length ? *length : 0;
}
bool RequestParser::keep_alive() const { return impl_->parser.get().keep_alive(); }
bool RequestParser::is_head_request() const { return view(impl_->parser.get().method_string()) == "HEAD"; }
std::size_t RequestParser::body_bytes() const { return impl_->parser.get().body().size(); }

HttpRequest RequestParser::take() {
  auto& message = impl_->parser.get();
  HttpRequest request;
  request.method = std::string(view(message.method_string()));
  request.target = origin_form(view(message.target())).value_or("/");
  copy_headers(message, request.headers);
  request.body = std::move(message.body());
  return request;
}

struct ResponseParser::Impl {
  http::response_parser<GrowingBody> parser;
  ParseFailure failure = ParseFailure::none;
};

ResponseParser::ResponseParser(std::size_t header_bytes_max, std::size_t body_bytes_max, bool answers_head)
    : impl_(std::make_unique<Impl>()) {
  impl_->parser.eager(true);
  impl_->parser.header_limit(limit32(header_bytes_max));
  impl_->parser.body_limit(body_bytes_max);
  impl_->parser.skip(answers_head);
}
ResponseParser::~ResponseParser() = default;

std::size_t ResponseParser::feed(std::string_view bytes) { return feed_parser(impl_->parser, bytes, impl_->failure); }

void ResponseParser::end_of_stream() {
  error_code code = http::error::partial_message;
  if (impl_->parser.got_some() && impl_->failure == ParseFailure::none) impl_->parser.put_eof(code);
  if (code && impl_->failure == ParseFailure::none) impl_->failure = ParseFailure::malformed;
}

ParseFailure ResponseParser::failure() const { return impl_->failure; }
bool ResponseParser::head_done() const { return impl_->parser.is_header_done(); }
bool ResponseParser::done() const { return impl_->parser.is_done() && impl_->failure == ParseFailure::none; }
bool ResponseParser::keep_alive() const { return impl_->parser.get().keep_alive(); }
int ResponseParser::status() const { return static_cast<int>(impl_->parser.get().result_int()); }

HttpResponse ResponseParser::take() {
  auto& message = impl_->parser.get();
  HttpResponse response;
  response.status = status();
  copy_headers(message, response.headers);
  response.body = std::move(message.body());
  return response;
}

}  // namespace belay::io
