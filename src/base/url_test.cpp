#include "base/url.hpp"

#include <gtest/gtest.h>

namespace belay {
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

TEST(Endpoint, IsAHostAndAPort) {
  const UrlRow rows[] = {
      {"db.example:5432", "db.example 5432"},
      {"DB:1", "db 1"},
      {"10.0.0.1:65535", "10.0.0.1 65535"},
      {"[::1]:22", "::1 22"},
      {"", ""},
      {"db.example", ""},
      {"db.example:", ""},
      {":22", ""},
      {"db:0", ""},
      {"db:65536", ""},
      {"db:22/", ""},
      {"db:+22", ""},
      {"::1:22", ""},
      {"[::1]", ""},
      {"[::1]:", ""},
      {"[::1]x:22", ""},
      {"a b:22", ""},
      {"http://db:22", ""},
  };
  for (const auto& row : rows) {
    const auto endpoint = parse_endpoint(row.text);
    const auto seen = endpoint.ok() ? endpoint->host + " " + std::to_string(endpoint->port) : std::string();
    EXPECT_EQ(seen, row.seen) << row.text;
  }
}

}  // namespace
}  // namespace belay
