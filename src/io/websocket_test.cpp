#include "io/http_support_test.hpp"
#include "io/websocket_frames.hpp"

namespace belay::io {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Kind = FrameDecoder::Event::Kind;

constexpr std::uint32_t kMask = 0x37fa213d;

// --- frames alone ---

TEST(Frames, AreThoseOfTheRfc) {
  EXPECT_EQ(encode_frame(Opcode::text, "Hello"), "\x81\x05Hello");
  EXPECT_EQ(encode_frame(Opcode::text, "Hello", kMask), "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  EXPECT_EQ(encode_frame(Opcode::ping, "Hello"), "\x89\x05Hello");
  EXPECT_EQ(encode_frame(Opcode::text, std::string(256, 'x')).substr(0, 4), std::string("\x81\x7e\x01\x00", 4));
  EXPECT_EQ(encode_frame(Opcode::text, std::string(65'536, 'x')).substr(0, 10),
            std::string("\x81\x7f\0\0\0\0\0\x01\0\0", 10));
}

TEST(Frames, SurviveEveryWayOfCuttingThem) {
  std::string bytes;
  for (const std::size_t size : {0u, 1u, 125u, 126u, 127u, 300u, 65'535u, 65'536u})
    bytes += encode_frame(Opcode::text, std::string(size, 'a'), kMask);
  bytes += encode_frame(Opcode::ping, "p", kMask) + encode_frame(Opcode::close, encode_close(1000, "bye"), kMask);
  for (const std::size_t step : {1u, 2u, 3u, 7u, 1000u, 1'000'000u}) {
    FrameDecoder decoder(true, 1 << 20);
    std::vector<FrameDecoder::Event> events;
    for (std::size_t at = 0; at < bytes.size(); at += step)
      ASSERT_FALSE(decoder.feed(std::string_view(bytes).substr(at, step), events)) << step;
    ASSERT_EQ(events.size(), 10u) << step;
    EXPECT_EQ(events[7].payload, std::string(65'536, 'a'));
    EXPECT_EQ(events[8].kind, Kind::ping);
    EXPECT_EQ(events[9].payload, "bye");
    EXPECT_EQ(events[9].close_code, 1000);
  }
}

std::string raw(std::initializer_list<int> head, std::string_view rest = {}) {
  std::string bytes;
  for (const int byte : head) bytes += static_cast<char>(byte);
  return bytes.append(rest);
}

TEST(Frames, ViolationsHaveTheirCodes) {
  struct Row {
    const char* why;
    std::string bytes;
    int close_code;
  };
  const std::string no_mask = raw({0, 0, 0, 0});
  const Row rows[] = {
      {"not masked", "\x81\x05Hello", 1002},
      {"a reserved bit", raw({0xc1, 0x80}, no_mask), 1002},
      {"an unknown kind", raw({0x83, 0x80}, no_mask), 1002},
      {"an unknown control", raw({0x8b, 0x80}, no_mask), 1002},
      {"binary", raw({0x82, 0x80}, no_mask), 1003},
      {"a long way to write 5", raw({0x81, 0xfe, 0, 5}, no_mask), 1002},
      {"a longer way to write 300", raw({0x81, 0xff, 0, 0, 0, 0, 0, 0, 1, 44}, no_mask), 1002},
      {"a length beyond all", raw({0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255}, no_mask), 1009},
      {"too big", encode_frame(Opcode::text, std::string(1001, 'x'), 0), 1009},
      {"too big in pieces", raw({0x01, 0xfe, 2, 0}, no_mask + std::string(512, 'x')) + raw({0x80, 0xfe, 2, 0}, no_mask),
       1009},
      {"a continuation of nothing", raw({0x80, 0x80}, no_mask), 1002},
      {"a message in a message", raw({0x01, 0x80}, no_mask) + raw({0x81, 0x80}, no_mask), 1002},
      {"a ping in pieces", raw({0x09, 0x80}, no_mask), 1002},
      {"a big ping", encode_frame(Opcode::ping, std::string(126, 'x'), 0), 1002},
      {"bad text", encode_frame(Opcode::text, "\xff\xfe", 0), 1007},
      {"half a close code", encode_frame(Opcode::close, "x", 0), 1002},
      {"a close code not to be sent", encode_frame(Opcode::close, raw({0x03, 0xed}), 0), 1002},
      {"a bad close reason", encode_frame(Opcode::close, raw({0x03, 0xe8, 0xff}), 0), 1007},
  };
  for (const auto& row : rows) {
    FrameDecoder decoder(true, 1000);
    std::vector<FrameDecoder::Event> events;
    const auto violation = decoder.feed(row.bytes, events);
    ASSERT_TRUE(violation) << row.why;
    EXPECT_EQ(violation->close_code, row.close_code) << row.why;
  }
}

TEST(Frames, PingsComeBetweenThePiecesOfAMessage) {
  FrameDecoder decoder(false, 1000);
  std::vector<FrameDecoder::Event> events;
  EXPECT_FALSE(
      decoder.feed(raw({0x01, 0x03}, "gr\xc3") + encode_frame(Opcode::ping, "") + raw({0x80, 0x02}, "\xbcn"), events));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, Kind::ping);
  EXPECT_EQ(events[1].payload, "grün");
}

// --- over the wire ---

// A server that echoes what it is told, and tells the mailbox how each socket ended.
class EchoServer : public TestServer {
 public:
  explicit EchoServer(std::function<void(HttpServerOptions&)> change = {})
      : TestServer([this, change](HttpServerOptions& options) {
          options.upgrade = [](const HttpRequest& request) -> std::optional<HttpResponse> {
            if (request.path() == "/ws") return {};
            HttpResponse refusal;
            refusal.status = 403;
            refusal.body = "not for you";
            return refusal;
          };
          options.opened = [this](std::shared_ptr<WebSocket> socket) {
            last = socket;
            socket->on_message = [this, raw_socket = socket.get()](std::string message) {
              if (message == "close") return raw_socket->close("as you wish");
              if (message == "throw") throw std::runtime_error("on purpose");
              if (!raw_socket->send(message)) ended.put("cannot send");
            };
            socket->on_close = [this](std::string_view reason) { ended.put("server: " + std::string(reason)); };
          };
          if (change) change(options);
        }) {}
  ~EchoServer() { shut_down(); }
  Mailbox ended;
  std::shared_ptr<WebSocket> last;
};

struct Client {
  Mailbox events;
  std::shared_ptr<WebSocket> socket;
  LoopThread loop;  // ends first: the sockets on it then tell the mailbox

  void open(const std::string& url, const HttpClientOptions& options = {}, const ServerLimits& limits = {}) {
    open_websocket(loop.loop(), url, {}, options, limits, [this](Result<std::shared_ptr<WebSocket>> opened) {
      if (!opened.ok()) return events.put("failed: " + opened.error().chain());
      socket = *opened;
      socket->on_message = [this](std::string message) { events.put(message); };
      socket->on_close = [this](std::string_view reason) { events.put("closed: " + std::string(reason)); };
      events.put("open");
    });
  }
};

TEST(WebSocket, EchoesOverMutualTls) {
  EchoServer server([](HttpServerOptions& options) { options.tls = test_pki().server; });
  auto options = pinned(test_pki());
  const auto identity = test_pki().client("mi-0123456789abcdef0");
  options.tls.certificate_pem = identity.certificate_pem;
  options.tls.key_pem = identity.key_pem;
  Client client;
  client.open(server.url("wss", "/ws"), options);
  ASSERT_EQ(client.events.take(), "open");
  for (const std::size_t size : {0u, 1u, 200u, 70'000u, 3'000'000u}) {
    const std::string message(size, 'm');
    EXPECT_TRUE(client.socket->send(message));
    EXPECT_EQ(client.events.take(), message);
  }
  EXPECT_EQ(server.last->handshake.peer_common_name, "mi-0123456789abcdef0");
  EXPECT_EQ(server.last->handshake.path(), "/ws");
  client.socket->close("done here");
  EXPECT_EQ(client.events.take(), "closed: done here");
  EXPECT_EQ(server.ended.take(), "server: done here");
  EXPECT_FALSE(client.socket->send("too late"));
  client.events.expect_nothing_more();
}

TEST(WebSocket, TheServerMayCloseToo) {
  EchoServer server;
  Client client;
  client.open(server.url("ws", "/ws"));
  ASSERT_EQ(client.events.take(), "open");
  EXPECT_TRUE(client.socket->send("close"));
  EXPECT_EQ(client.events.take(), "closed: as you wish");
  EXPECT_EQ(server.ended.take(), "server: as you wish");
}

TEST(WebSocket, KeepsTheOrderOfManyMessages) {
  EchoServer server;
  Client client;
  client.open(server.url("ws", "/ws"));
  ASSERT_EQ(client.events.take(), "open");
  for (int i = 0; i < 2000; ++i) EXPECT_TRUE(client.socket->send(std::to_string(i)));
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(client.events.take(), std::to_string(i));
}

TEST(WebSocket, RefusalsSayWhy) {
  EchoServer server;
  TestServer without;
  Client client;
  client.open(server.url("ws", "/elsewhere"));
  EXPECT_THAT(client.events.take(), StartsWith("failed: 127.0.0.1 refused the connection (403): not for you"));
  client.open(without.url("ws", "/ws"));
  EXPECT_THAT(client.events.take(), HasSubstr("no WebSocket is offered here"));
  client.open("ws://127.0.0.1:1/ws");
  EXPECT_THAT(client.events.take(), HasSubstr("Connection refused"));
  client.open("junk");
  EXPECT_THAT(client.events.take(), HasSubstr("no address to connect to"));
}

TEST(WebSocket, AFullQueueIsSaidAndTheRestArrives) {
  EchoServer server([](HttpServerOptions& options) { options.limits.bytes_queued_max = 100'000; });
  RawClient raw_client(server.port());
  raw_client.send(
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_THAT(raw_client.read_until("\r\n\r\n"), HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  int accepted = 0;
  server.loop().run([&] {
    while (accepted < 1'000'000 && server.last->send(std::string(50'000, 'x'))) ++accepted;
  });
  EXPECT_GE(accepted, 1);
  EXPECT_LT(accepted, 1'000'000);  // what the kernel takes, and then what the queue holds
}

TEST(WebSocket, ASilentPeerIsCut) {
  EchoServer server([](HttpServerOptions& options) { options.limits.websocket_ping_every = Duration(60); });
  RawClient silent(server.port());
  silent.send(
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_EQ(server.ended.take(), "server: the peer is silent");
  EXPECT_TRUE(silent.read_to_end().ends_with(std::string("\x89\x00\x89\x00", 4)));
}

TEST(WebSocket, PingsKeepAQuietConnectionAlive) {
  EchoServer server([](HttpServerOptions& options) { options.limits.websocket_ping_every = Duration(700); });
  Client client;
  client.open(server.url("ws", "/ws"));
  ASSERT_EQ(client.events.take(), "open");
  std::this_thread::sleep_for(Duration(2'500));
  client.events.expect_nothing_more();
  EXPECT_TRUE(client.socket->send("still here"));
  EXPECT_EQ(client.events.take(), "still here");
}

TEST(WebSocket, AViolationIsToldAndEndsIt) {
  EchoServer server([](HttpServerOptions& options) { options.limits.message_bytes_max = 1000; });
  const std::string open =
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  RawClient unmasked(server.port());
  unmasked.send(open + encode_frame(Opcode::text, "hello"));
  EXPECT_THAT(unmasked.read_until("mask"), HasSubstr("\x88\x14\x03\xea"
                                                     "a client must mask"));
  EXPECT_EQ(server.ended.take(), "server: a client must mask") << "once the client hangs up, or at the deadline";
  RawClient big(server.port());
  big.send(open + encode_frame(Opcode::text, std::string(2000, 'x'), kMask));
  EXPECT_THAT(big.read_until("too big"), HasSubstr("\x03\xf1the message is too big"));
}

TEST(WebSocket, AHandlerThatThrowsEndsItsSocketOnly) {
  EchoServer server;
  Client client;
  client.open(server.url("ws", "/ws"));
  ASSERT_EQ(client.events.take(), "open");
  EXPECT_TRUE(client.socket->send("throw"));
  EXPECT_EQ(client.events.take(), "closed: internal error");
  client.open(server.url("ws", "/ws"));
  EXPECT_EQ(client.events.take(), "open");
}

TEST(WebSocket, DrainSaysGoodBye) {
  EchoServer server;
  Client client;
  client.open(server.url("ws", "/ws"));
  ASSERT_EQ(client.events.take(), "open");
  Mailbox drained;
  server.server().drain(Duration(30'000), [&] { drained.put("drained"); });
  EXPECT_EQ(client.events.take(), "closed: server stops");
  EXPECT_EQ(drained.take(), "drained");
}

TEST(WebSocket, OutlivesItsLoopWithoutHarm) {
  EchoServer server;
  std::shared_ptr<WebSocket> kept;
  Mailbox events;
  {
    Client client;
    client.open(server.url("ws", "/ws"));
    ASSERT_EQ(client.events.take(), "open");
    kept = client.socket;
    client.loop.run([&] { kept->on_close = [&](std::string_view reason) { events.put(std::string(reason)); }; });
  }
  EXPECT_EQ(events.take(), "the program stops");
  EXPECT_FALSE(kept->send("x"));
  kept->close("x");
}

TEST(WebSocket, AnAttemptIsCancelledWithItsLoop) {
  TestServer hanging([](HttpServerOptions& options) {
    static std::vector<std::unique_ptr<Responder>> never;
    options.handler = [](HttpRequest, std::unique_ptr<Responder> responder) { never.push_back(std::move(responder)); };
    options.upgrade = nullptr;
  });
  Mailbox events;
  {
    // A port that listens and never answers: the accept queue of a server whose loop stands still.
    LoopThread loop;
    std::promise<void> release;
    hanging.loop().loop().post([&] { release.get_future().wait(); });
    open_websocket(loop.loop(), hanging.url("ws"), {}, {}, {}, [&](Result<std::shared_ptr<WebSocket>> opened) {
      events.put(opened.ok() ? "open" : std::string(name(opened.error().code())));
    });
    loop.run([] {});
    loop.stop();
    release.set_value();
  }
  const auto end = events.take();
  EXPECT_TRUE(end == "cancelled" || end == "not_found") << end;
}

}  // namespace
}  // namespace belay::io
