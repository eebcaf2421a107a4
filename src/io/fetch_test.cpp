// What a server may be made to fetch: nothing from its own network, however the address is written.
#include <arpa/inet.h>
#include <netinet/in.h>

#include "io/http_support_test.hpp"
#include "io/public_address.hpp"

namespace belay::io {
namespace {

using testing::HasSubstr;

bool is_public(const std::string& text) {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1)
    return is_public_address(reinterpret_cast<const sockaddr&>(four));
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr), 1) << text;
  return is_public_address(reinterpret_cast<const sockaddr&>(six));
}

TEST(PublicAddress, KnowsWhatIsNot) {
  for (const auto* text : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.255.254",
                           "168.63.129.16",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.192",
                           "192.168.1.1",
                           "198.19.0.1",
                           "203.0.113.9",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::ffff:10.0.0.1",
                           "::ffff:127.0.0.1",
                           "::ffff:169.254.169.254",
                           "::127.0.0.1",
                           "64:ff9b::10.0.0.1",
                           "64:ff9b:1::1",
                           "fe80::1",
                           "fec0::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "ff02::1",
                           "2001::1",
                           "2001:1ff::1",
                           "2001:db8::1",
                           "2002:7f00:1::",
                           "3fff:fff::1",
                           "100::1"})
    EXPECT_FALSE(is_public(text)) << text;
  for (const auto* text :
       {"1.1.1.1",           "9.255.255.255",  "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.255.255.255",   "128.0.0.1",      "169.253.255.255", "172.15.255.255", "172.32.0.0",
        "192.167.255.255",   "198.17.255.255", "223.255.255.255", "168.63.129.17",  "2606:4700::1111",
        "2a00:1450:4001::1", "2001:200::1",    "3ffe:ffff::1",    "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"})
    EXPECT_TRUE(is_public(text)) << text;
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_FALSE(is_public_address(other));
}

FetchLimits guarded(std::vector<std::string> private_hosts = {}) {
  FetchLimits limits;
  limits.timeout = Duration(20'000);
  limits.plain_http = true;  // the tests' server has no certificate that the host's own bundle knows
  limits.public_only = true;
  limits.private_hosts = std::move(private_hosts);
  return limits;
}

TEST(Fetch, ReachesNothingOfTheServersOwnNetworkHoweverItIsWritten) {
  std::atomic<int> asked = 0;
  TestServer server([&](HttpServerOptions& options) {
    options.handler = [&](const HttpRequest&, std::unique_ptr<Responder> responder) {
      asked += 1;
      responder->respond({200, {}, "secret"});
    };
  });
  const auto port = ":" + std::to_string(server.port()) + "/";
  for (const auto* host : {"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "127.1",
                           "0177.0.0.1", "0.0.0.0", "[::]", "169.254.169.254", "[fd00:ec2::254]", "10.0.0.1"}) {
    for (const auto* scheme : {"http://", "https://"}) {
      const auto fetched = fetch(scheme + (host + port), guarded());
      ASSERT_FALSE(fetched.ok()) << host;
      // Spellings that the resolver does not know are no way in either.
      EXPECT_TRUE(fetched.error().reason() == "address-private" || fetched.error().reason() == "name-unresolved")
          << host << ": " << fetched.error().chain();
    }
  }
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(fetch("http://127.0.0.1" + port, {.plain_http = true}).value(), "secret") << "nodes may";
}

TEST(Fetch, ChecksWhereARedirectLeadsAndTakesNamedHosts) {
  std::string location;
  std::atomic<int> asked = 0;
  TestServer server([&](HttpServerOptions& options) {
    options.handler = [&](const HttpRequest& request, std::unique_ptr<Responder> responder) {
      asked += 1;
      if (request.target == "/there") return responder->respond({200, {}, "list"});
      HttpResponse response{302, {}, ""};
      response.headers.set("Location", location);
      responder->respond(std::move(response));
    };
  });
  const auto port = ":" + std::to_string(server.port());
  location = "/there";
  EXPECT_EQ(fetch("http://LOCALHOST" + port + "/", guarded({"localhost"})).value(), "list");
  location = "https://127.0.0.1" + port + "/there";
  const auto elsewhere = fetch("http://localhost" + port + "/", guarded({"localhost"}));
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_EQ(elsewhere.error().reason(), "address-private");
  EXPECT_THAT(elsewhere.error().chain(), HasSubstr("127.0.0.1"));
  EXPECT_EQ(asked, 3) << "the address that the redirect named was not asked";
}

}  // namespace
}  // namespace belay::io
