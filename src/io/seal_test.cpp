#include "io/seal.hpp"

#include <gtest/gtest.h>

namespace belay::io {
namespace {

TEST(Seal, OpensWithItsKeyOnly) {
  const std::string key(kSealKeyBytes, 'k'), other(kSealKeyBytes, 'o');
  for (const std::string& text : {std::string(), std::string("secret"), std::string(100'000, '\0')}) {
    const auto sealed = seal(key, text);
    EXPECT_NE(sealed, seal(key, text));
    const auto opened = unseal(key, sealed);
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(*opened, text);
    EXPECT_FALSE(unseal(other, sealed).ok());
  }
}

TEST(Seal, NoticesEveryChange) {
  const std::string key(kSealKeyBytes, 'k');
  const auto sealed = seal(key, "secret");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    ASSERT_FALSE(unseal(key, changed).ok()) << i;
    EXPECT_FALSE(unseal(key, sealed.substr(0, i)).ok()) << i;
  }
}

}  // namespace
}  // namespace belay::io
