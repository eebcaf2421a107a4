#include "io/seal.hpp"

#include "io/crypto.hpp"
#include "io/openssl.hpp"

namespace belay::io {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr int kTagBytes = 16;

using CipherPtr = OpensslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

std::string seal(std::string_view key, std::string_view bytes) {
  BELAY_ASSERT(key.size() == kSealKeyBytes);
  const std::string nonce = random_bytes(kNonceBytes);
  const CipherPtr cipher(EVP_CIPHER_CTX_new());
  std::string hidden(bytes.size(), '\0'), tag(kTagBytes, '\0');
  int size = 0, rest = 0;
  BELAY_ASSERT(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key), bytes_of(nonce)) == 1);
  BELAY_ASSERT(
      EVP_EncryptUpdate(cipher.get(), bytes_of(hidden), &size, bytes_of(bytes), static_cast<int>(bytes.size())) == 1);
  BELAY_ASSERT(EVP_EncryptFinal_ex(cipher.get(), bytes_of(hidden) + size, &rest) == 1);
  BELAY_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1);
  return nonce + hidden + tag;
}

Result<std::string> unseal(std::string_view key, std::string_view sealed) {
  BELAY_ASSERT(key.size() == kSealKeyBytes);
  const Error wrong(Code::corrupt, "the sealed bytes are not of this key, or were changed");
  if (sealed.size() < kNonceBytes + kTagBytes) return wrong;
  const auto nonce = sealed.substr(0, kNonceBytes);
  const auto hidden = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  const CipherPtr cipher(EVP_CIPHER_CTX_new());
  std::string bytes(hidden.size(), '\0');
  int size = 0, rest = 0;
  BELAY_ASSERT(EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key), bytes_of(nonce)) == 1);
  BELAY_ASSERT(
      EVP_DecryptUpdate(cipher.get(), bytes_of(bytes), &size, bytes_of(hidden), static_cast<int>(hidden.size())) == 1);
  BELAY_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(cipher.get(), bytes_of(bytes) + size, &rest) != 1) {
    take_openssl_error();
    return wrong;
  }
  return bytes;
}

}  // namespace belay::io
