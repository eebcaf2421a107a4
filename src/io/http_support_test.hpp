#pragma once
// For io's own tests: certificates, a server on a loop of its own thread, and a raw socket to misbehave with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "io/http.hpp"
#include "io/pki.hpp"
#include "io/posix.hpp"

namespace belay::io {

constexpr Duration kTestYear = std::chrono::hours(24 * 365);

struct TestPki {
  KeyAndCertificate ca, other_ca;
  TlsServerSettings server;
  TestPki();
  KeyAndCertificate leaf(const KeyAndCertificate& authority, const std::string& name, bool for_server,
                         Instant not_before, Duration lifetime) const;
  KeyAndCertificate client(const std::string& name) const;
};
const TestPki& test_pki();

// An event loop in its own thread; stopped and joined at the end.
class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.run(); }) {}
  ~LoopThread() { stop(); }
  EventLoop& loop() { return loop_; }
  void stop() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }
  // Runs the task on the loop and waits for it.
  void run(const std::function<void()>& task);

 private:
  EventLoop loop_;
  std::thread thread_;
};

// A server whose handler echoes method, target and body; GET /large gives 3 MB.
class TestServer {
 public:
  explicit TestServer(std::function<void(HttpServerOptions&)> change = {});
  ~TestServer() { shut_down(); }
  void shut_down();  // for those whose callbacks hold something of their own
  std::string url(const std::string& scheme, const std::string& path = "/") const;
  HttpServer& server() { return *server_; }
  LoopThread& loop() { return loop_; }
  std::uint16_t port() const { return server_->port(); }

 private:
  LoopThread loop_;
  std::unique_ptr<HttpServer> server_;
};

// Bytes as they come, with a deadline; the kernel's own blocking socket.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  bool send(std::string_view bytes);
  void end_writing();
  std::string read_until(std::string_view end);  // or until the server hangs up, or 20 s
  std::string read_to_end() { return read_until({}); }

 private:
  Descriptor fd_;
};

// What an asynchronous test waits for.
class Mailbox {
 public:
  void put(std::string text);
  std::string take();  // the next, or "(nothing within 20 s)"
  void expect_nothing_more();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> texts_;
};

HttpClientOptions pinned(const TestPki& pki);
HttpRequest get(const std::string& target);
HttpRequest post(const std::string& target, std::string body);

}  // namespace belay::io
