#include "io/http_support_test.hpp"

namespace belay::io {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  TestServer server;
  RawClient client(server.port());
  client.send("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto first = client.read_until("|");
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(first, HasSubstr("\r\nContent-Type: text/plain\r\nContent-Length: "));
  EXPECT_THAT(first, HasSubstr("\r\n\r\nGET /a?b=c |"));
  client.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody");
  EXPECT_THAT(client.read_to_end(), HasSubstr("Connection: close\r\n\r\nPOST /b |body"));
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  RawClient client(server.port());
  std::string requests;
  for (int i = 0; i < 50; ++i)
    requests += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  requests += "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  client.send(requests);
  const auto text = client.read_to_end();
  std::size_t place = 0;
  for (int i = 0; i < 50; ++i) {
    place = text.find("POST /" + std::to_string(i) + " |abc", place);
    ASSERT_NE(place, std::string::npos) << i;
  }
  EXPECT_NE(text.find("GET /last |", place), std::string::npos);
}

TEST(HttpServer, TakesARequestByteByByte) {
  TestServer server;
  RawClient client(server.port());
  for (const char c :
       std::string("POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                   "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n"))
    client.send({&c, 1});
  EXPECT_THAT(client.read_to_end(), HasSubstr("POST /slow |abcdefg"));
}

struct RequestRow {
  const char* why;
  std::string request;
  const char* answer;  // begins so; "" where the connection just ends
};

class MalformedRequest : public testing::TestWithParam<RequestRow> {};

TEST_P(MalformedRequest, IsAnsweredAndTheConnectionEnds) {
  TestServer server([](HttpServerOptions& options) {
    options.limits.body_bytes_max = 1000;
    options.limits.header_bytes_max = 2000;
  });
  RawClient client(server.port());
  client.send(GetParam().request);
  client.end_writing();
  EXPECT_THAT(client.read_to_end(), StartsWith(GetParam().answer)) << GetParam().why;
  RawClient again(server.port());
  again.send("GET /still HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(again.read_to_end(), HasSubstr("GET /still"));
}

std::vector<RequestRow> malformed_requests() {
  const std::string host = "Host: x\r\n";
  return {
      {"nothing", "", ""},
      {"no HTTP", "hello\r\n\r\n", "HTTP/1.1 400 "},
      {"a TLS hello",
       std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + std::string(600, 'x') + "\r\n\r\n",
       "HTTP/1.1 400 "},
      {"zero bytes", std::string(100, '\0') + "\r\n\r\n", "HTTP/1.1 400 "},
      {"no target", "GET HTTP/1.1\r\n" + host + "\r\n", "HTTP/1.1 400 "},
      {"a target that is no path", "GET abc HTTP/1.1\r\n" + host + "\r\n", "HTTP/1.1 400 "},
      {"a control character in the target", "GET /a\x01 HTTP/1.1\r\n" + host + "\r\n", "HTTP/1.1 400 "},
      {"an unknown version", "GET / HTTP/3.1\r\n" + host + "\r\n", "HTTP/1.1 400 "},
      {"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"two hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", "HTTP/1.1 400 "},
      {"a header without a colon", "GET / HTTP/1.1\r\n" + host + "abc\r\n\r\n", "HTTP/1.1 400 "},
      {"a blank before the colon", "GET / HTTP/1.1\r\n" + host + "A : b\r\n\r\n", "HTTP/1.1 400 "},
      {"a bad length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1x\r\n\r\na", "HTTP/1.1 400 "},
      {"a negative length", "POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\na", "HTTP/1.1 400 "},
      {"a length beyond all numbers", "POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999999\r\n\r\na",
       "HTTP/1.1 400 "},
      {"two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
       "HTTP/1.1 400 "},
      {"length and chunks",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "HTTP/1.1 400 "},
      {"another encoding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
       "HTTP/1.1 501 "},
      {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 501 "},
      {"a bad chunk", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", "HTTP/1.1 400 "},
      {"a chunk that overruns its size",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", "HTTP/1.1 400 "},
      {"a head too large", "GET / HTTP/1.1\r\n" + host + "A: " + std::string(3000, 'a') + "\r\n\r\n", "HTTP/1.1 431 "},
      {"a head too large and endless", "GET / HTTP/1.1\r\n" + host + "A: " + std::string(100'000, 'a'),
       "HTTP/1.1 431 "},
      {"a target too large", "GET /" + std::string(3000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", "HTTP/1.1 431 "},
      {"a body announced too large", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1001\r\n\r\n", "HTTP/1.1 413 "},
      {"a body too large in chunks",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'a') +
           "\r\n0\r\n\r\n",
       "HTTP/1.1 413 "},
      {"a chunk announced too large",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n" + std::string(500, 'a'),
       "HTTP/1.1 4"},
      {"a body that ends early", "POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\nabc", ""},
      {"a head that ends early", "GET / HTTP/1.1\r\nHo", ""},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, MalformedRequest, testing::ValuesIn(malformed_requests()));

TEST(HttpServer, AnswersAnOversizedBodyThatIsStillComing) {
  TestServer server([](HttpServerOptions& options) { options.limits.body_bytes_max = 1000; });
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
  client.send(std::string(3'000'000, 'x'));  // a client that sends all before it reads
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 413 Content Too Large\r\n"));
}

TEST(HttpServer, SaysContinueOnlyWhereItWantsTheBody) {
  TestServer server([](HttpServerOptions& options) { options.limits.body_bytes_max = 1000; });
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_THAT(client.read_to_end(), HasSubstr("POST / |abc"));
  RawClient greedy(server.port());
  greedy.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3000\r\n\r\n");
  EXPECT_THAT(greedy.read_to_end(), StartsWith("HTTP/1.1 413 "));
}

TEST(HttpServer, HeadHasLengthAndNoBody) {
  TestServer server;
  RawClient client(server.port());
  client.send("HEAD /large HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const auto text = client.read_to_end();
  EXPECT_THAT(text, HasSubstr("Content-Length: 3145728\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

TEST(HttpServer, CutsTheSlow) {
  TestServer server([](HttpServerOptions& options) {
    options.limits.header_timeout = Duration(200);
    options.limits.body_timeout = Duration(200);
  });
  TestServer impatient([](HttpServerOptions& options) { options.limits.idle_timeout = Duration(200); });
  RawClient silent(server.port()), dripping(server.port()), stuck(server.port()), idle(impatient.port());
  dripping.send("GET / HTTP/1.1\r\nHos");
  stuck.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_EQ(dripping.read_to_end(), "");
  EXPECT_EQ(stuck.read_to_end(), "");
  EXPECT_THAT(idle.read_to_end(), HasSubstr("GET / |"));
}

TEST(HttpServer, AResponderAnswersFromAnyThreadAndNeverForgets) {
  std::vector<std::thread> threads;
  TestServer server([&](HttpServerOptions& options) {
    options.handler = [&](HttpRequest request, std::unique_ptr<Responder> responder) {
      if (request.path() == "/dropped") return;
      if (request.path() == "/throws") throw std::runtime_error("on purpose");
      threads.emplace_back([responder = std::move(responder)] {
        HttpResponse response;
        response.status = 202;
        response.body = "later";
        responder->respond(std::move(response));
      });
    };
  });
  auto client = make_http_client(server.url("http"), {});
  for (int i = 0; i < 20; ++i) EXPECT_EQ((*client)->send(get("/"))->body, "later");
  EXPECT_EQ((*client)->send(get("/dropped"))->status, 500);
  EXPECT_EQ((*client)->send(get("/throws"))->status, 500);
  EXPECT_EQ((*client)->send(get("/"))->status, 202);
  for (auto& thread : threads) thread.join();
}

TEST(HttpServer, HeaderValuesCannotBreakOut) {
  TestServer server([](HttpServerOptions& options) {
    options.handler = [](HttpRequest, std::unique_ptr<Responder> responder) {
      HttpResponse response;
      response.headers.set("X-Text", "a\r\nSet-Cookie: evil");
      responder->respond(std::move(response));
    };
  });
  RawClient client(server.port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), HasSubstr("X-Text: a  Set-Cookie: evil\r\n"));
}

TEST(HttpServer, HoldsTheConnectionLimit) {
  TestServer server([](HttpServerOptions& options) { options.limits.connections_max = 2; });
  RawClient first(server.port()), second(server.port());
  first.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  second.send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(first.read_until("|"), HasSubstr("GET /1"));
  EXPECT_THAT(second.read_until("|"), HasSubstr("GET /2"));
  RawClient third(server.port());
  EXPECT_EQ(third.read_to_end(), "");
}

TEST(HttpServer, HoldsTheBudgetOfAllBodies) {
  TestServer server([](HttpServerOptions& options) { options.limits.body_bytes_total_max = 1000; });
  RawClient first(server.port());
  first.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n" + std::string(1500, 'x'));
  EXPECT_THAT(first.read_to_end(), StartsWith("HTTP/1.1 503 "));
  RawClient second(server.port());
  second.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\nConnection: close\r\n\r\n" + std::string(500, 'x'));
  EXPECT_THAT(second.read_to_end(), StartsWith("HTTP/1.1 200 "));
}

// Strangers hold little memory together and none of what others need, however many they are and however slow.
TEST(HttpServer, StrangersBodiesAreFewAndSmall) {
  TestServer server([](HttpServerOptions& options) {
    options.limits.nameless = BodyLimits{1000, 3500, Duration(60'000)};
    options.limits.claimed = BodyLimits{2000, 4000, Duration(60'000)};
  });
  const auto head = [](int bytes, const std::string& more) {
    return "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more + "Content-Length: " + std::to_string(bytes) +
           "\r\n\r\n";
  };
  const std::string claim = "Authorization: Bearer perhaps\r\n";
  for (const auto& [bytes, more, answer] : {std::tuple{1000, std::string(), "HTTP/1.1 200 "},
                                            {1001, std::string(), "HTTP/1.1 413 "},
                                            {2000, claim, "HTTP/1.1 200 "},
                                            {2001, claim, "HTTP/1.1 413 "}}) {
    RawClient client(server.port());
    client.send(head(bytes, more) + std::string(static_cast<std::size_t>(bytes), 'x'));
    EXPECT_THAT(client.read_to_end(), StartsWith(answer)) << bytes << more;
  }
  RawClient chunked(server.port());
  chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x'));
  EXPECT_THAT(chunked.read_to_end(), StartsWith("HTTP/1.1 413 "));

  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 3; ++i) {
    slow.push_back(std::make_unique<RawClient>(server.port()));
    slow.back()->send(head(1000, "Expect: 100-continue\r\n"));
    slow.back()->read_until("\r\n\r\n");  // taken on
    slow.back()->send(std::string(999, 'x'));
  }
  // The fourth finds no room as soon as the others' bytes are there.
  std::string answer;
  for (int i = 0; i < 2000 && !answer.starts_with("HTTP/1.1 503 "); ++i) {
    RawClient fourth(server.port());
    fourth.send(head(1000, "") + std::string(1000, 'x'));
    answer = fourth.read_to_end();
  }
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  RawClient other(server.port());
  other.send(head(2000, claim) + std::string(2000, 'x'));
  EXPECT_THAT(other.read_to_end(), StartsWith("HTTP/1.1 200 "));
  for (auto& client : slow) {
    client->send("x");
    EXPECT_THAT(client->read_to_end(), StartsWith("HTTP/1.1 200 "));
  }
}

TEST(HttpServer, StrangersGetLittleTime) {
  TestServer server(
      [](HttpServerOptions& options) { options.limits.nameless = BodyLimits{1000, 3000, Duration(100)}; });
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123");
  EXPECT_EQ(client.read_to_end(), "") << "cut off";
}

TEST(HttpServer, ServesManyConnectionsAtOnce) {
  TestServer server;
  constexpr int kClients = 200;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(std::make_unique<RawClient>(server.port()));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kClients; ++i)
      clients[static_cast<std::size_t>(i)]->send("GET /" + std::to_string(i) + "! HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < kClients; ++i)
      EXPECT_THAT(clients[static_cast<std::size_t>(i)]->read_until("|"),
                  HasSubstr("GET /" + std::to_string(i) + "! |"));
  }
  EXPECT_EQ(server.server().connections(), 200u);
}

TEST(HttpServer, DrainLetsRunningRequestsEnd) {
  Mailbox mailbox;
  std::unique_ptr<Responder> kept;
  TestServer server([&](HttpServerOptions& options) {
    options.handler = [&](HttpRequest, std::unique_ptr<Responder> responder) {
      kept = std::move(responder);
      mailbox.put("asked");
    };
  });
  RawClient running(server.port()), idle(server.port());
  running.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(mailbox.take(), "asked");
  server.server().drain(Duration(60'000), [&] { mailbox.put("drained"); });
  EXPECT_EQ(idle.read_to_end(), "");
  server.loop().run([&] { mailbox.expect_nothing_more(); });
  kept->respond({});
  EXPECT_THAT(running.read_to_end(), HasSubstr("Connection: close"));
  EXPECT_EQ(mailbox.take(), "drained");
  EXPECT_EQ(server.server().connections(), 0u);
}

TEST(HttpServer, DrainCutsAtItsDeadline) {
  Mailbox mailbox;
  std::unique_ptr<Responder> kept;
  TestServer server([&](HttpServerOptions& options) {
    options.handler = [&](HttpRequest, std::unique_ptr<Responder> responder) {
      kept = std::move(responder);
      mailbox.put("asked");
    };
  });
  RawClient running(server.port());
  running.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(mailbox.take(), "asked");
  server.server().drain(Duration(100), [&] { mailbox.put("drained"); });
  EXPECT_EQ(mailbox.take(), "drained");
  EXPECT_EQ(running.read_to_end(), "");
  kept.reset();  // answers a connection that is gone
}

TEST(HttpServer, DiesWithRequestsRunning) {
  std::unique_ptr<Responder> kept;
  Mailbox mailbox;
  {
    TestServer server([&](HttpServerOptions& options) {
      options.handler = [&](HttpRequest, std::unique_ptr<Responder> responder) {
        kept = std::move(responder);
        mailbox.put("asked");
      };
    });
    RawClient running(server.port());
    running.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(mailbox.take(), "asked");
  }
  kept->respond({});  // the loop is gone: nothing happens
}

TEST(HttpServer, SaysWhyItCannotListen) {
  TestServer server;
  LoopThread other;
  HttpServerOptions options;
  options.handler = [](HttpRequest, std::unique_ptr<Responder>) {};
  options.port = server.port();
  EXPECT_EQ(start_http_server(other.loop(), options).error().reason(), "address-in-use");
  options.address = "no.such.address.invalid";
  EXPECT_EQ(start_http_server(other.loop(), options).error().code(), Code::invalid_argument);
  options.address = "127.0.0.1";
  options.port = 0;
  options.tls = TlsServerSettings{"no certificate", "no key", ""};
  EXPECT_EQ(start_http_server(other.loop(), options).error().code(), Code::invalid_argument);
}

}  // namespace
}  // namespace belay::io
