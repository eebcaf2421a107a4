#include "io/openssl.hpp"

#include <openssl/pem.h>

#include <limits>

#include "base/bytes.hpp"
#include "base/text.hpp"

namespace belay::io {
namespace {

// An encrypted key is refused instead of asking a terminal that a daemon does not have.
int no_password(char*, int, int, void*) { return 0; }

}  // namespace

std::string take_openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "no further detail";
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : "error " + std::to_string(code);
}

BioPtr bio_over(std::string_view bytes) {
  BELAY_ASSERT(bytes.size() < static_cast<std::size_t>(std::numeric_limits<int>::max()));
  BioPtr bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  BELAY_ASSERT(bio);
  return bio;
}

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

Result<KeyPtr> read_key_pem(std::string_view key_pem) {
  const auto bio = bio_over(key_pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key) return Error(Code::invalid_argument, "not a private key in PEM: " + take_openssl_error());
  return key;
}

Result<CertificatePtr> read_certificate_pem(std::string_view certificate_pem) {
  const auto bio = bio_over(certificate_pem);
  CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
  if (!certificate) return Error(Code::invalid_argument, "not a certificate in PEM: " + take_openssl_error());
  return certificate;
}

std::string certificate_common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
  if (size < 0) return ERR_clear_error(), std::string();
  std::string name(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return name;
}

std::string certificate_serial_hex(const X509* certificate) {
  const NumberPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (!number) return {};
  char* digits = BN_bn2hex(number.get());
  std::string text = digits ? to_lower(digits) : std::string();
  OPENSSL_free(digits);
  return text;
}

std::string certificate_sha256_hex(const X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  BELAY_ASSERT(X509_digest(certificate, EVP_sha256(), digest, &size) == 1);
  return to_hex({reinterpret_cast<const char*>(digest), size});
}

std::string certificate_to_pem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  BELAY_ASSERT(bio && PEM_write_bio_X509(bio.get(), certificate) == 1);
  return bio_text(bio.get());
}

}  // namespace belay::io
