#include "io/reach.hpp"

#include "io/http_support_test.hpp"
#include "io/openssl.hpp"

namespace belay::io {
namespace {

constexpr Duration kLong{20'000};

std::string sha256_of(const std::string& certificate_pem) {
  return certificate_sha256_hex(read_certificate_pem(certificate_pem).value().get());
}

TEST(Reach, ConnectsWhereSomebodyListens) {
  TestServer server;
  for (const auto* host : {"127.0.0.1", "localhost"})
    EXPECT_TRUE(real_reach().connect({host, server.port()}, kLong).ok()) << host;
  TestServer six([](HttpServerOptions& options) { options.address = "::1"; });
  EXPECT_TRUE(real_reach().connect({"::1", six.port()}, kLong).ok());
  const auto port = server.port();
  server.shut_down();
  const auto refused = real_reach().connect({"127.0.0.1", port}, kLong);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::unavailable);
}

TEST(Reach, GetsWithoutFollowing) {
  std::string seen;
  TestServer server([&](HttpServerOptions& options) {
    options.handler = [&](const HttpRequest& request, std::unique_ptr<Responder> responder) {
      seen = request.method + " " + request.target + " " + std::string(request.headers.get("User-Agent"));
      HttpResponse response{302, {}, "over there"};
      response.headers.set("Location", "/there");
      responder->respond(std::move(response));
    };
  });
  const auto response = real_reach().get(server.url("http", "/here?x=1"), {});
  ASSERT_TRUE(response.ok()) << response.error().chain();
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->body, "over there");
  EXPECT_EQ(seen, "GET /here?x=1 belay-agent");
}

TEST(Reach, SeesWhichCertificateIsShownAndThatOneIsRecognized) {
  TestServer server([](HttpServerOptions& options) { options.tls = test_pki().server; });
  const auto shown = real_reach().certificate_sha256_hex({"127.0.0.1", server.port()}, kLong);
  ASSERT_TRUE(shown.ok()) << shown.error().chain();
  EXPECT_EQ(*shown, sha256_of(test_pki().server.certificate_chain_pem)) << "the leaf's";

  HttpClientOptions options;
  options.tls.ca_sha256_hex = *shown;
  EXPECT_TRUE(real_reach().get(server.url("https"), options).ok());
  options.tls.ca_sha256_hex = sha256_of(test_pki().other_ca.certificate_pem);
  const auto other = real_reach().get(server.url("https"), options);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), Code::unauthenticated);
}

TEST(Reach, FindsNoCertificateWherePlainTextIsSpoken) {
  TestServer server;
  EXPECT_FALSE(real_reach().certificate_sha256_hex({"127.0.0.1", server.port()}, kLong).ok());
}

}  // namespace
}  // namespace belay::io
