// Whom a client trusts: a pinned authority, a fingerprint, or the host's own bundle.
#include <arpa/inet.h>

#include "base/text.hpp"
#include "io/files.hpp"
#include "io/tls.hpp"

namespace belay::io {
namespace {

constexpr std::size_t kBundleBytesMax = 8 << 20;
// A static binary's OpenSSL looks where Debian has it; the others are RHEL and Fedora, SUSE, and Alpine.
constexpr const char* kBundles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem",
                                    "/etc/ssl/cert.pem"};

bool is_address(const std::string& host) {
  in_addr four{};
  in6_addr six{};
  return ::inet_pton(AF_INET, host.c_str(), &four) == 1 || ::inet_pton(AF_INET6, host.c_str(), &six) == 1;
}

Status add_system_bundle(SSL_CTX* context) {
  for (const char* path : kBundles) {
    const auto bundle = real_files().read(path, kBundleBytesMax);
    if (!bundle.ok()) continue;
    return add_authorities(context, *bundle, false).within(std::string("the bundle ") + path);
  }
  return Error(
      Code::not_found,
      "this host has no bundle of certificate authorities; install the package ca-certificates, or name the authority",
      "no-ca-bundle");
}

// The presented certificate with the wanted fingerprint becomes the one authority; then OpenSSL checks the rest of the
// chain, the dates and the host name as ever. A leaf may be named as well.
int verify_by_fingerprint(X509_STORE_CTX* store, void* settings_pointer) {
  const auto& settings = *static_cast<const TlsClientSettings*>(settings_pointer);
  const auto matches = [&](X509* certificate) {
    return certificate && equal_ignoring_case(certificate_sha256_hex(certificate), settings.ca_sha256_hex);
  };
  X509* found = matches(X509_STORE_CTX_get0_cert(store)) ? X509_STORE_CTX_get0_cert(store) : nullptr;
  STACK_OF(X509)* presented = X509_STORE_CTX_get0_untrusted(store);
  for (int i = 0; !found && i < sk_X509_num(presented); ++i)
    if (matches(sk_X509_value(presented, i))) found = sk_X509_value(presented, i);
  if (!found) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
  }
  STACK_OF(X509)* trusted = sk_X509_new_null();
  BELAY_ASSERT(trusted && sk_X509_push(trusted, found) > 0);
  X509_STORE_CTX_set0_trusted_stack(store, trusted);
  const int verified = X509_verify_cert(store);
  X509_STORE_CTX_set0_trusted_stack(store, nullptr);
  sk_X509_free(trusted);
  return verified;
}

}  // namespace

Result<TlsContext> make_client_context(const TlsClientSettings& settings) {
  const int ways = int{!settings.ca_pem.empty()} + int{!settings.ca_sha256_hex.empty()} + int{settings.system_ca};
  if (ways != 1)
    return Error(
        Code::invalid_argument,
        ways == 0 ? "no authority to trust was named: give its certificate, its fingerprint, or use the system's bundle"
                  : "name one authority to trust, not several",
        "no-authority");
  auto context = make_context(TLS_client_method());
  // Else the authority is sent behind our certificate, to a server that has it: 3 KB for it to keep, each connection.
  SSL_CTX_set_mode(context.get(), SSL_MODE_NO_AUTO_CHAIN);
  if (!settings.ca_pem.empty()) {
    BELAY_TRY(add_authorities(context.get(), settings.ca_pem, false).within("the pinned authority"));
    // The one that was pinned counts also where it is no root.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()), X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (settings.system_ca) BELAY_TRY(add_system_bundle(context.get()));
  if (!settings.certificate_pem.empty())
    BELAY_TRY(use_certificate(context.get(), settings.certificate_pem, settings.key_pem)
                  .within("the client's own certificate"));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

Result<TlsPtr> connect_tls(const TlsContext& context, const TlsClientSettings& settings, const std::string& host,
                           int fd) {
  if (!settings.ca_sha256_hex.empty()) {
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_cert_verify_callback(context.get(), verify_by_fingerprint, const_cast<TlsClientSettings*>(&settings));
  }
  TlsPtr tls(SSL_new(context.get()));
  BELAY_ASSERT(tls && SSL_set_fd(tls.get(), fd) == 1);
  bool prepared = true;
  if (is_address(host)) {
    if (settings.verify_host_name)
      prepared = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls.get()), host.c_str()) == 1;
  } else {
    prepared = SSL_set_tlsext_host_name(tls.get(), host.c_str()) == 1 &&
               (!settings.verify_host_name || SSL_set1_host(tls.get(), host.c_str()) == 1);
  }
  if (!prepared)
    return Error(Code::invalid_argument, "'" + host + "' cannot be checked as a host name: " + take_openssl_error());
  SSL_set_connect_state(tls.get());
  return tls;
}

Error handshake_error(const SSL* tls, const std::string& peer, const std::string& detail) {
  const long verdict = SSL_get_verify_result(tls);
  if (verdict == X509_V_OK)
    return Error(Code::unavailable, "no secure connection to " + peer + ": " + detail, "tls-failed");
  const std::string words = X509_verify_cert_error_string(verdict);
  if (verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID)
    return Error(Code::unauthenticated,
                 "the certificate of " + peer + " is not valid now (" + words + "); check the clocks of both",
                 "certificate-time");
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
    return Error(Code::unauthenticated,
                 "the certificate of " + peer + " is for another name (" + words +
                     "); reach it by a name that it holds, or give its server this one (belayd --name)",
                 "certificate-name");
  return Error(Code::unauthenticated,
               peer + " is not the one that is trusted (" + words + "); check the authority or its fingerprint",
               "certificate-untrusted");
}

std::string trusted_authority_pem(const SSL* tls) {
  STACK_OF(X509)* chain = SSL_get0_verified_chain(tls);
  const int count = chain ? sk_X509_num(chain) : 0;
  return count > 0 ? certificate_to_pem(sk_X509_value(chain, count - 1)) : std::string();
}

}  // namespace belay::io
