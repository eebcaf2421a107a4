#include "io/http_support_test.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "io/system_clock.hpp"

namespace belay::io {

TestPki::TestPki() {
  const Instant since = system_clock().now() - std::chrono::hours(1);
  ca = *make_ca("Belay test authority", since, kTestYear);
  other_ca = *make_ca("Another authority", since, kTestYear);
  const auto made = leaf(ca, "localhost", true, since, kTestYear);
  server = {made.certificate_pem + ca.certificate_pem, made.key_pem, ca.certificate_pem};
}

KeyAndCertificate TestPki::leaf(const KeyAndCertificate& authority, const std::string& name, bool for_server,
                                Instant not_before, Duration lifetime) const {
  KeyAndCertificate made;
  made.key_pem = make_key_pem();
  LeafSpec spec;
  spec.common_name = name;
  if (for_server) spec.dns_names = {name};
  if (for_server) spec.ip_addresses = {"127.0.0.1"};
  spec.for_server = for_server;
  spec.not_before = not_before;
  spec.lifetime = lifetime;
  made.certificate_pem = *sign_csr(authority, *make_csr(made.key_pem, "x"), spec);
  return made;
}

KeyAndCertificate TestPki::client(const std::string& name) const {
  return leaf(ca, name, false, system_clock().now() - std::chrono::hours(1), kTestYear);
}

const TestPki& test_pki() {
  static const TestPki pki;
  return pki;
}

void LoopThread::run(const std::function<void()>& task) {
  std::promise<void> done;
  loop_.post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

TestServer::TestServer(std::function<void(HttpServerOptions&)> change) {
  HttpServerOptions options;
  options.handler = [](HttpRequest request, std::unique_ptr<Responder> responder) {
    HttpResponse response;
    response.headers.set("Content-Type", "text/plain");
    response.body = request.method + " " + request.target + " " + request.peer_common_name + "|" + request.body;
    if (request.path() == "/large") response.body.assign(3 << 20, 'L');
    responder->respond(std::move(response));
  };
  if (change) change(options);
  auto started = start_http_server(loop_.loop(), std::move(options));
  EXPECT_TRUE(started.ok()) << started.error().chain();
  server_ = std::move(*started);
}

void TestServer::shut_down() {
  loop_.stop();
  server_.reset();
}

std::string TestServer::url(const std::string& scheme, const std::string& path) const {
  return scheme + "://127.0.0.1:" + std::to_string(server_->port()) + path;
}

RawClient::RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const timeval limit{20, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void RawClient::end_writing() { ::shutdown(fd_.get(), SHUT_WR); }

std::string RawClient::read_until(std::string_view end) {
  std::string text;
  char buffer[4096];
  while (end.empty() || text.find(end) == std::string::npos) {
    const auto count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (count < 0) return text + "(reset or timed out)";
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

void Mailbox::put(std::string text) {
  const std::scoped_lock lock(mutex_);
  texts_.push_back(std::move(text));
  changed_.notify_all();
}

std::string Mailbox::take() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(20), [this] { return !texts_.empty(); }))
    return "(nothing within 20 s)";
  auto text = std::move(texts_.front());
  texts_.erase(texts_.begin());
  return text;
}

void Mailbox::expect_nothing_more() {
  const std::scoped_lock lock(mutex_);
  EXPECT_THAT(texts_, testing::IsEmpty());
}

HttpClientOptions pinned(const TestPki& pki) {
  HttpClientOptions options;
  options.tls.ca_pem = pki.ca.certificate_pem;
  options.timeout = Duration(20'000);
  return options;
}

HttpRequest get(const std::string& target) {
  HttpRequest request;
  request.method = "GET";
  request.target = target;
  return request;
}

HttpRequest post(const std::string& target, std::string body) {
  HttpRequest request = get(target);
  request.method = "POST";
  request.body = std::move(body);
  return request;
}

}  // namespace belay::io
