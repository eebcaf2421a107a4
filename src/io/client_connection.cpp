#include "io/client_connection.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "io/public_address.hpp"

namespace belay::io {
namespace {

constexpr std::size_t kResponseHeaderMax = 64 << 10;
constexpr std::size_t kReadBytes = 32 << 10;
constexpr int kInterimMax = 8;  // 100 Continue and its like
constexpr Duration kCancelTick{100};

std::string name_of(const Url& url) { return url.host + " port " + std::to_string(url.port); }

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

// Not interruptible: the resolver has time-outs of its own (resolv.conf).
Result<Addresses> resolve(const Url& url) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  int failure = ::getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
  if (failure != 0) {  // a machine with nothing but a loopback interface has no "configured" address
    hints.ai_flags = AI_NUMERICSERV;
    failure = ::getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
  }
  if (failure == 0) return Addresses(found, ::freeaddrinfo);
  return Error(Code::unavailable, "the name " + url.host + " cannot be resolved: " + ::gai_strerror(failure),
               "name-unresolved");
}

Result<Descriptor> connect_to(const addrinfo& address, const std::string& peer, const Patience& patience) {
  Descriptor fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return posix_error(errno, "cannot open a socket to " + peer);
  // Else Nagle and delayed acknowledgements make each handshake with a request take 45 ms.
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0 && errno != EINPROGRESS)
    return posix_error(errno, "cannot connect to " + peer);
  BELAY_TRY(patience.wait(fd.get(), Step::Kind::want_write, "connecting to " + peer));
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) return posix_error(failure, "cannot connect to " + peer);
  return fd;
}

Error private_address(const Url& url) {
  return Error(Code::permission_denied,
               url.host + " has an address of a private or special network; only public ones are fetched from",
               "address-private");
}

// One address after the other, each with its part of the time. What was checked is what is connected to: a second
// answer of the name's server does not count.
Result<Descriptor> connect_any(const Url& url, bool public_only, const Patience& patience) {
  BELAY_TRY_ASSIGN(const auto addresses, resolve(url));
  std::size_t left = 0;
  for (const addrinfo* a = addresses.get(); a; a = a->ai_next) ++left;
  Result<Descriptor> last = Error(Code::unavailable, "the name " + url.host + " has no address");
  for (const addrinfo* a = addresses.get(); a; a = a->ai_next, --left) {
    if (public_only && !is_public_address(*a->ai_addr)) {
      if (a == addresses.get()) last = private_address(url);
      continue;
    }
    last = connect_to(*a, name_of(url), patience.share_of(left));
    if (last.ok() || last.error().code() == Code::cancelled) break;
  }
  return last;
}

Error response_error(ParseFailure failure, const std::string& peer) {
  if (failure == ParseFailure::body_too_large)
    return Error(Code::resource_exhausted, "the response of " + peer + " is larger than allowed", "response-too-large");
  return Error(Code::corrupt, "the response of " + peer + " is not HTTP", "response-malformed");
}

}  // namespace

Duration Patience::left() const {
  return std::max(Duration(0), std::chrono::ceil<Duration>(until_ - std::chrono::steady_clock::now()));
}

Patience Patience::share_of(std::size_t parts) const {
  return Patience(left() / static_cast<std::int64_t>(std::max<std::size_t>(1, parts)), cancelled_);
}

Status Patience::wait(int fd, Step::Kind want, const std::string& what) const {
  for (;;) {
    if (cancelled_ && *cancelled_) return Error(Code::cancelled, what + " was cancelled");
    const Duration remaining = left();
    if (remaining.count() == 0)
      return Error(Code::timed_out, what + " took longer than " + humanize(timeout_), "network-timeout");
    pollfd event{fd, static_cast<short>(want == Step::Kind::want_write ? POLLOUT : POLLIN), 0};
    const auto slice = cancelled_ ? std::min(remaining, kCancelTick) : remaining;
    const int ready = ::poll(&event, 1, static_cast<int>(slice.count()));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return posix_error(errno, what);
  }
}

Result<std::unique_ptr<ClientConnection>> ClientConnection::open(const Url& url, const TlsContext& context,
                                                                 const TlsClientSettings& settings,
                                                                 const Patience& patience, bool public_only) {
  BELAY_TRY_ASSIGN(auto fd, connect_any(url, public_only, patience));
  TlsPtr tls;
  if (context) {
    BELAY_TRY_ASSIGN(tls, connect_tls(context, settings, url.host, fd.get()));
  }
  std::unique_ptr<ClientConnection> connection(new ClientConnection(std::move(fd), std::move(tls), name_of(url)));
  BELAY_TRY(connection->shake_hands(patience));
  return connection;
}

Status ClientConnection::shake_hands(const Patience& patience) {
  for (;;) {
    const Step step = transport_.handshake();
    if (step.kind == Step::Kind::done) return {};
    if (!step.blocked()) return handshake_error(transport_.tls(), peer_, transport_.detail());
    BELAY_TRY(patience.wait(fd_.get(), step.kind, "the secure handshake with " + peer_));
  }
}

// TLS 1.3 sends its session tickets when it likes: they make the socket readable, but are no data.
bool ClientConnection::is_usable() const {
  if (!rest_.empty()) return false;
  pollfd event{fd_.get(), POLLIN, 0};
  if (::poll(&event, 1, 0) == 0) return true;
  char byte = 0;
  return transport_.tls() != nullptr && ::recv(fd_.get(), &byte, 1, MSG_PEEK) == 1;
}

Status ClientConnection::write(std::string_view bytes, const Patience& patience) {
  while (!bytes.empty()) {
    const Step step = transport_.write(bytes);
    if (step.kind == Step::Kind::done) {
      bytes.remove_prefix(step.bytes);
    } else if (step.blocked()) {
      BELAY_TRY(patience.wait(fd_.get(), step.kind, "sending to " + peer_));
    } else {
      return Error(Code::unavailable, "the connection to " + peer_ + " broke while sending: " + transport_.detail(),
                   "connection-broken");
    }
  }
  return {};
}

Result<HttpResponse> ClientConnection::read_response(std::size_t body_bytes_max, bool answers_head,
                                                     const Patience& patience) {
  keeps_alive_ = false;
  for (int i = 0; i < kInterimMax; ++i) {
    ResponseParser parser(kResponseHeaderMax, body_bytes_max, answers_head);
    BELAY_TRY(fill(parser, patience));
    if (parser.status() < 200 && parser.status() != 101) continue;
    keeps_alive_ = parser.keep_alive();
    return parser.take();
  }
  return response_error(ParseFailure::malformed, peer_);
}

Status ClientConnection::fill(ResponseParser& parser, const Patience& patience) {
  if (!rest_.empty()) rest_.erase(0, parser.feed(rest_));
  while (!parser.done() && parser.failure() == ParseFailure::none) {
    char buffer[kReadBytes];
    const Step step = transport_.read(buffer, sizeof buffer);
    if (step.kind == Step::Kind::done) {
      rest_.append(buffer, step.bytes);
      rest_.erase(0, parser.feed(rest_));
    } else if (step.kind == Step::Kind::end) {
      parser.end_of_stream();
      if (!parser.done())
        return Error(Code::unavailable, peer_ + " closed the connection before its response was complete",
                     "connection-broken");
    } else if (step.blocked()) {
      BELAY_TRY(patience.wait(fd_.get(), step.kind, "waiting for " + peer_));
    } else {
      // A refused client certificate comes to light here: with TLS 1.3 the client's handshake is over before.
      return Error(Code::unavailable, "the connection to " + peer_ + " broke: " + transport_.detail(),
                   "connection-broken");
    }
  }
  return parser.failure() == ParseFailure::none ? Status() : Status(response_error(parser.failure(), peer_));
}

}  // namespace belay::io
