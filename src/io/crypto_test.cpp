#include "io/crypto.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/bytes.hpp"

namespace belay::io {
namespace {

TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("abc")), sha256_hex("abc"));
}

TEST(Sha256, IsTheSameInPieces) {
  Sha256Stream stream;
  stream.update("a");
  stream.update("");
  stream.update("bc");
  EXPECT_EQ(stream.finish_hex(), sha256_hex("abc"));
}

TEST(Hmac, GivesTheDigestsOfRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256("", "").size(), 32u);
}

TEST(Random, NeverRepeats) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(random_bytes(16)).second);
  EXPECT_EQ(random_bytes(0), "");
}

TEST(Ed25519, GivesTheSignatureOfRfc8032) {
  const auto key = *from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const auto public_key = *from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const auto signature = ed25519_sign(key, "");
  EXPECT_EQ(to_hex(signature),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f059"
            "5bbe24655"
            "141438e7a100b");
  EXPECT_TRUE(ed25519_verify(public_key, "", signature));
}

TEST(Ed25519, RefusesWhateverWasChanged) {
  const auto pair = make_signing_key(), other = make_signing_key();
  const auto signature = ed25519_sign(pair.private_key, "order 1");
  EXPECT_TRUE(ed25519_verify(pair.public_key, "order 1", signature));
  EXPECT_FALSE(ed25519_verify(pair.public_key, "order 2", signature));
  EXPECT_FALSE(ed25519_verify(other.public_key, "order 1", signature));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    auto bent = signature;
    bent[i] = static_cast<char>(bent[i] ^ 1);
    EXPECT_FALSE(ed25519_verify(pair.public_key, "order 1", bent)) << "byte " << i;
  }
  EXPECT_FALSE(ed25519_verify("short", "order 1", signature));
  EXPECT_FALSE(ed25519_verify(pair.public_key, "order 1", signature.substr(1)));
}

}  // namespace
}  // namespace belay::io
