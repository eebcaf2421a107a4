#include "io/crypto.hpp"

#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/bytes.hpp"
#include "io/openssl.hpp"

namespace belay::io {
namespace {

constexpr std::size_t kEd25519KeyBytes = 32;
constexpr std::size_t kEd25519SignatureBytes = 64;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  BELAY_ASSERT(EVP_Digest(bytes.data(), bytes.size(), bytes_of(digest), nullptr, EVP_sha256(), nullptr) == 1);
  return digest;
}

std::string sha256_hex(std::string_view bytes) { return to_hex(sha256(bytes)); }

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string digest(32, '\0');
  unsigned int size = 0;
  BELAY_ASSERT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(bytes), bytes.size(),
                    bytes_of(digest), &size) != nullptr);
  return digest;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  BELAY_ASSERT(RAND_bytes(bytes_of(bytes), static_cast<int>(count)) == 1);
  return bytes;
}

struct Sha256Stream::Impl {
  DigestPtr context{EVP_MD_CTX_new()};
};

Sha256Stream::Sha256Stream() : impl_(std::make_unique<Impl>()) {
  BELAY_ASSERT(EVP_DigestInit_ex(impl_->context.get(), EVP_sha256(), nullptr) == 1);
}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(std::string_view bytes) {
  BELAY_ASSERT(EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha256Stream::finish_hex() {
  std::string digest(32, '\0');
  BELAY_ASSERT(EVP_DigestFinal_ex(impl_->context.get(), bytes_of(digest), nullptr) == 1);
  return to_hex(digest);
}

SigningKeyPair make_signing_key() {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  BELAY_ASSERT(key);
  SigningKeyPair pair{std::string(kEd25519KeyBytes, '\0'), std::string(kEd25519KeyBytes, '\0')};
  std::size_t size = kEd25519KeyBytes;
  BELAY_ASSERT(EVP_PKEY_get_raw_private_key(key.get(), bytes_of(pair.private_key), &size) == 1);
  size = kEd25519KeyBytes;
  BELAY_ASSERT(EVP_PKEY_get_raw_public_key(key.get(), bytes_of(pair.public_key), &size) == 1);
  return pair;
}

std::string ed25519_sign(std::string_view private_key, std::string_view message) {
  BELAY_ASSERT(private_key.size() == kEd25519KeyBytes);
  const KeyPtr key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(private_key), private_key.size()));
  const DigestPtr context(EVP_MD_CTX_new());
  BELAY_ASSERT(key && context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  std::string signature(kEd25519SignatureBytes, '\0');
  std::size_t size = signature.size();
  BELAY_ASSERT(EVP_DigestSign(context.get(), bytes_of(signature), &size, bytes_of(message), message.size()) == 1);
  return signature;
}

bool ed25519_verify(std::string_view public_key, std::string_view message, std::string_view signature) {
  if (public_key.size() != kEd25519KeyBytes || signature.size() != kEd25519SignatureBytes) return false;
  const KeyPtr key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(public_key), public_key.size()));
  const DigestPtr context(EVP_MD_CTX_new());
  const bool good =
      key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace belay::io
