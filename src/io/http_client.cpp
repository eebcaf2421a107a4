#include <csignal>

#include "io/client_connection.hpp"
#include "io/http_text.hpp"

namespace belay::io {
namespace {

bool is_encrypted(const Url& url) { return url.scheme == "https" || url.scheme == "wss"; }

class BlockingHttpClient final : public HttpClient {
 public:
  BlockingHttpClient(Url url, HttpClientOptions options, TlsContext context)
      : url_(std::move(url)), options_(std::move(options)), context_(std::move(context)) {}

  Result<HttpResponse> send(const HttpRequest& request) override {
    const Patience patience(options_.timeout);
    if (connection_ && !connection_->is_usable()) connection_.reset();
    auto response = exchange(request, patience);
    if (!response.ok() || !connection_->keeps_alive()) connection_.reset();
    return response;
  }

  std::string server_ca_pem() const override { return server_ca_pem_; }

 private:
  Result<HttpResponse> exchange(const HttpRequest& request, const Patience& patience) {
    if (!connection_) {
      BELAY_TRY_ASSIGN(connection_,
                       ClientConnection::open(url_, context_, options_.tls, patience, options_.public_only));
      if (connection_->tls()) server_ca_pem_ = trusted_authority_pem(connection_->tls());
    }
    BELAY_TRY_ASSIGN(const auto checked, check(request));
    const auto sent = connection_->write(checked + request.body, patience);
    auto response = connection_->read_response(options_.body_bytes_max, request.method == "HEAD", patience);
    // A server may refuse (413, 401) and hang up before it read everything: its answer counts then.
    if (!sent.ok() && !response.ok()) return sent.error();
    return response;
  }

  // What would break out of the request line is a mistake of the caller.
  Result<std::string> check(const HttpRequest& request) const {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-";
    const bool good_method = !request.method.empty() && request.method.find_first_not_of(letters) == std::string::npos;
    bool good_target = request.target.starts_with('/');
    for (const char c : request.target) good_target = good_target && static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
    if (good_method && good_target) return request_head(request, url_);
    return Error(Code::invalid_argument,
                 "a request needs a method in capitals and a path that begins with '/' and holds no blanks");
  }

  const Url url_;
  const HttpClientOptions options_;
  const TlsContext context_;
  std::unique_ptr<ClientConnection> connection_;
  std::string server_ca_pem_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> make_http_client(std::string_view url, HttpClientOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  BELAY_TRY_ASSIGN(auto parsed, parse_url(url));
  TlsContext context;
  if (is_encrypted(parsed)) {
    BELAY_TRY_ASSIGN(context, make_client_context(options.tls));
  }
  return std::unique_ptr<HttpClient>(
      std::make_unique<BlockingHttpClient>(std::move(parsed), std::move(options), std::move(context)));
}

}  // namespace belay::io
