#include "io/http_text.hpp"

#include <gtest/gtest.h>

#include "io/http.hpp"

namespace belay::io {
namespace {

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
