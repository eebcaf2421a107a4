#include "base/bytes.hpp"

#include <gtest/gtest.h>

namespace belay {
namespace {

struct Base64Row {
  std::string_view bytes, text;
};
// RFC 4648 section 10.
constexpr Base64Row kBase64Rows[] = {{"", ""},
                                     {"f", "Zg=="},
                                     {"fo", "Zm8="},
                                     {"foo", "Zm9v"},
                                     {"foob", "Zm9vYg=="},
                                     {"fooba", "Zm9vYmE="},
                                     {"foobar", "Zm9vYmFy"}};

TEST(Base64, FollowsTheRfc) {
  for (const auto& row : kBase64Rows) {
    EXPECT_EQ(to_base64(row.bytes), row.text);
    EXPECT_EQ(from_base64(row.text).value(), row.bytes);
  }
}

TEST(Base64, RefusesWhatIsNotBase64) {
  for (const auto* text : {"Zg=", "Zg", "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9", "====", "Z-9v"})
    EXPECT_FALSE(from_base64(text).ok()) << text;
}

TEST(Hex, GoesRoundAndRefusesTheRest) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(from_hex(to_hex(all)).value(), all);
  EXPECT_EQ(from_hex("AbcD").value(), "\xab\xcd");
  EXPECT_FALSE(from_hex("abc").ok());
  EXPECT_FALSE(from_hex("zz").ok());
}

TEST(ConstantTime, SaysWhetherEqual) {
  EXPECT_TRUE(equal_constant_time("secret", "secret"));
  EXPECT_FALSE(equal_constant_time("secret", "secreT"));
  EXPECT_FALSE(equal_constant_time("secret", "secre"));
}

}  // namespace
}  // namespace belay
