#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "base/log.hpp"
#include "io/http_connection.hpp"

namespace belay::io {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptBatch = 64;       // then the others get their turn
constexpr Duration kAcceptPause{100};  // where no descriptor is left

Error listen_error(int number, const HttpServerOptions& options) {
  return posix_error(number, "cannot listen on " + options.address + " port " + std::to_string(options.port));
}

Result<Descriptor> open_listener(const HttpServerOptions& options) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int failure = ::getaddrinfo(options.address.c_str(), std::to_string(options.port).c_str(), &hints, &found))
    return Error(Code::invalid_argument,
                 "'" + options.address + "' is no address to listen on: " + ::gai_strerror(failure));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  Descriptor fd(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd.get(), kBacklog) != 0)
    return listen_error(errno, options);
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  BELAY_ASSERT(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

class Listener {
 public:
  Listener(boost::asio::io_context& context, Descriptor fd) : descriptor(context, fd.get()) { fd.release(); }
  boost::asio::posix::stream_descriptor descriptor;
};

void begin_connection(const std::shared_ptr<ServerCore>& core, Descriptor fd) {
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (core->connections >= core->options.limits.connections_max) return;  // closed again: full
  auto connection = std::make_shared<HttpConnection>(core, std::move(fd));
  boost::asio::co_spawn(core->loop.context, HttpConnection::serve(std::move(connection)), boost::asio::detached);
}

// False where no more connections wait, or none can be taken now.
enum class Accepted { more, none, exhausted };
Accepted accept_batch(const std::shared_ptr<ServerCore>& core, Listener& listener) {
  for (int i = 0; i < kAcceptBatch; ++i) {
    Descriptor fd(::accept4(listener.descriptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      begin_connection(core, std::move(fd));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return Accepted::exhausted;
    if (errno == EAGAIN) return Accepted::none;  // anything else befell one connection that is gone already
  }
  return Accepted::more;
}

Task<void> accept_connections(std::shared_ptr<ServerCore> core, std::shared_ptr<Listener> listener) {
  while (listener->descriptor.is_open()) {
    const auto [failure] = co_await listener->descriptor.async_wait(boost::asio::posix::descriptor_base::wait_read,
                                                                    boost::asio::as_tuple(boost::asio::use_awaitable));
    if (failure || !listener->descriptor.is_open()) co_return;
    if (accept_batch(core, *listener) != Accepted::exhausted) continue;
    log::warning("out-of-descriptors", {{"connections", core->connections.load()}});
    boost::asio::steady_timer pause(core->loop.context, kAcceptPause);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

class AsioHttpServer final : public HttpServer {
 public:
  AsioHttpServer(std::shared_ptr<ServerCore> core, Descriptor fd)
      : core_(std::move(core)),
        port_(port_of(fd.get())),
        listener_(std::make_shared<Listener>(core_->loop.context, std::move(fd))) {
    boost::asio::co_spawn(core_->loop.context, accept_connections(core_, listener_), boost::asio::detached);
  }

  ~AsioHttpServer() override {
    core_->drained = nullptr;
    stop_listening();
    cut_all(core_);
  }

  std::uint16_t port() const override { return port_; }
  std::size_t connections() const override { return core_->connections; }

  void drain(Duration deadline, std::function<void()> done) override {
    boost::asio::dispatch(core_->loop.context,
                          [core = core_, listener = listener_, deadline, done = std::move(done)]() mutable {
                            boost::system::error_code ignored;
                            listener->descriptor.close(ignored);
                            begin_drain(core, deadline, std::move(done));
                          });
  }

  Status reload(const TlsServerSettings& tls) override {
    BELAY_TRY_ASSIGN(auto context, make_server_context(tls));
    boost::asio::dispatch(core_->loop.context, [core = core_, context = std::move(context)] { core->tls = context; });
    return {};
  }

 private:
  void stop_listening() {
    boost::system::error_code ignored;
    listener_->descriptor.close(ignored);
    core_->draining = true;
  }

  // A peer leaves the set when it is cut or drained, perhaps others with it.
  static void cut_all(const std::shared_ptr<ServerCore>& core) {
    const std::vector<Peer*> peers(core->peers.begin(), core->peers.end());
    for (Peer* peer : peers)
      if (core->peers.contains(peer)) peer->cut();
  }

  static void begin_drain(const std::shared_ptr<ServerCore>& core, Duration deadline, std::function<void()> done) {
    core->draining = true;
    if (core->connections == 0) return done();
    auto timer = std::make_shared<boost::asio::steady_timer>(core->loop.context, deadline);
    timer->async_wait([core, timer](const boost::system::error_code& failure) {
      if (!failure) cut_all(core);
    });
    core->drained = [timer, done = std::move(done)] {
      timer->cancel();
      done();
    };
    const std::vector<Peer*> peers(core->peers.begin(), core->peers.end());
    for (Peer* peer : peers)
      if (core->peers.contains(peer)) peer->drain();
  }

  std::shared_ptr<ServerCore> core_;
  std::uint16_t port_;
  std::shared_ptr<Listener> listener_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> start_http_server(EventLoop& loop, HttpServerOptions options) {
  BELAY_ASSERT(options.handler);
  BELAY_TRY_ASSIGN(auto fd, open_listener(options));
  auto core = std::make_shared<ServerCore>(loop, std::move(options));
  if (core->options.tls) {
    BELAY_TRY_ASSIGN(core->tls, make_server_context(*core->options.tls).within("the server's TLS settings"));
    core->options.tls.reset();  // the key stays in one place
  }
  return std::unique_ptr<HttpServer>(std::make_unique<AsioHttpServer>(std::move(core), std::move(fd)));
}

}  // namespace belay::io
