#include <gtest/gtest.h>

#include "io/http.hpp"
#include "io/http_text.hpp"

namespace belay::io {
namespace {

struct UrlRow {
  const char* text;
  const char* seen;  // scheme host port target; "" where it is refused
};

TEST(Url, IsTakenApart) {
  const UrlRow rows[] = {
      {"https://belay.example", "https belay.example 443 /"},
      {"HTTP://Belay.Example:8080/a/b?c=d#e", "http belay.example 8080 /a/b?c=d"},
      {"ws://10.0.0.1", "ws 10.0.0.1 80 /"},
      {"wss://[2001:db8::1]:8443/x", "wss 2001:db8::1 8443 /x"},
      {"https://[::1]", "https ::1 443 /"},
      {"https://a?b", "https a 443 /?b"},
      {"https://a#b", "https a 443 /"},
      {"", ""},
      {"belay.example", ""},
      {"ftp://belay.example", ""},
      {"https://", ""},
      {"https:///path", ""},
      {"https://user:secret@belay.example", ""},
      {"https://a:0", ""},
      {"https://a:65536", ""},
      {"https://a:", ""},
      {"https://a:8x", ""},
      {"https://a b", ""},
      {"https://a/b c", ""},
      {"https://a/\r\nHost: evil", ""},
      {"https://[::1", ""},
      {"https://[::1]x", ""},
      {"https://[::1]:", ""},
      {"https://[not an address]", ""},
      {"https://::1", ""},
  };
  for (const auto& row : rows) {
    const auto url = parse_url(row.text);
    const auto seen =
        url.ok() ? url->scheme + " " + url->host + " " + std::to_string(url->port) + " " + url->target : std::string();
    EXPECT_EQ(seen, row.seen) << row.text;
  }
  EXPECT_FALSE(parse_url("https://a/" + std::string(10'000, 'x')).ok());
  EXPECT_EQ(parse_url("https://user:secret@belay.example").error().message().find("secret"), std::string::npos);
}

TEST(HttpText, DatesAreThoseOfTheRfc) {
  EXPECT_EQ(http_date(from_unix_ms(784'111'777'000)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(*parse_http_date(http_date(from_unix_ms(1'795'435'200'999))), from_unix_ms(1'795'435'200'000));
}

TEST(HttpText, HeadersAreCaseBlind) {
  HttpHeaders headers;
  headers.set("Content-Type", "a");
  headers.set("content-type", "b");
  EXPECT_EQ(headers.fields.size(), 1u);
  EXPECT_EQ(headers.get("CONTENT-TYPE"), "b");
  EXPECT_EQ(headers.get("other"), "");
  EXPECT_TRUE(has_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(has_token("keep-alive, Upgraded", "upgrade"));
}

}  // namespace
}  // namespace belay::io
