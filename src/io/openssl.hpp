#pragma once
// Owners of OpenSSL's objects. Only for io's own sources.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay::io {

template <auto Free>
struct OpensslFree {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <typename T, auto Free>
using OpensslPtr = std::unique_ptr<T, OpensslFree<Free>>;

using BioPtr = OpensslPtr<BIO, BIO_free_all>;
using KeyPtr = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;
using KeyContextPtr = OpensslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestPtr = OpensslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using CertificatePtr = OpensslPtr<X509, X509_free>;
using RequestPtr = OpensslPtr<X509_REQ, X509_REQ_free>;
using ExtensionPtr = OpensslPtr<X509_EXTENSION, X509_EXTENSION_free>;
using NumberPtr = OpensslPtr<BIGNUM, BN_free>;
using StorePtr = OpensslPtr<X509_STORE, X509_STORE_free>;
using TlsContextPtr = OpensslPtr<SSL_CTX, SSL_CTX_free>;
using TlsPtr = OpensslPtr<SSL, SSL_free>;
using TlsSessionPtr = OpensslPtr<SSL_SESSION, SSL_SESSION_free>;

// The newest entry of this thread's error queue in words, and the queue emptied.
std::string take_openssl_error();

BioPtr bio_over(std::string_view bytes);
std::string bio_text(BIO* bio);

// invalid_argument where the PEM does not hold one.
Result<KeyPtr> read_key_pem(std::string_view key_pem);
Result<CertificatePtr> read_certificate_pem(std::string_view certificate_pem);

std::string certificate_common_name(const X509* certificate);
std::string certificate_serial_hex(const X509* certificate);
std::string certificate_sha256_hex(const X509* certificate);
std::string certificate_to_pem(X509* certificate);

}  // namespace belay::io
