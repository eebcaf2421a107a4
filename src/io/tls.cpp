#include "io/tls.hpp"

#include <openssl/pem.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "base/text.hpp"

namespace belay::io {
namespace {

constexpr unsigned char kSessionContext[] = "belay";
constexpr long kSessionLifetime_s = 3600;

}  // namespace

// Both ends: TLS 1.2 and later, small idle connections, and no buffer that must stay where it was.
TlsContext make_context(const SSL_METHOD* method) {
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  TlsContext context(SSL_CTX_new(method), SSL_CTX_free);
  BELAY_ASSERT(context && SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_read_ahead(context.get(), 1);
  return context;
}

// The leaf first, then what leads to its authority.
Status use_certificate(SSL_CTX* context, std::string_view chain_pem, std::string_view key_pem) {
  const auto bio = bio_over(chain_pem);
  const CertificatePtr leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1)
    return Error(Code::invalid_argument, "the certificate cannot be used: " + take_openssl_error());
  for (;;) {
    CertificatePtr next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    BELAY_ASSERT(SSL_CTX_add0_chain_cert(context, next.release()) == 1);
  }
  ERR_clear_error();  // the end of the chain is an "error" of the reader
  BELAY_TRY_ASSIGN(const auto key, read_key_pem(key_pem));
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return Error(Code::invalid_argument, "the key does not belong to the certificate: " + take_openssl_error());
  return {};
}

Status add_authorities(SSL_CTX* context, std::string_view pem, bool announce) {
  const auto bio = bio_over(pem);
  int count = 0;
  for (;; ++count) {
    const CertificatePtr authority(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!authority) break;
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        (announce && SSL_CTX_add_client_CA(context, authority.get()) != 1))
      return Error(Code::invalid_argument, "an authority's certificate cannot be used: " + take_openssl_error());
  }
  ERR_clear_error();
  if (count == 0) return Error(Code::invalid_argument, "no authority's certificate in the PEM text");
  return {};
}

Result<TlsContext> make_server_context(const TlsServerSettings& settings) {
  auto context = make_context(TLS_server_method());
  BELAY_TRY(use_certificate(context.get(), settings.certificate_chain_pem, settings.key_pem));
  // Sessions live in tickets with the clients and nowhere here. Without the context id none would resume as soon as
  // clients are verified.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context.get(), kSessionLifetime_s);
  SSL_CTX_set_num_tickets(context.get(), 1);
  BELAY_ASSERT(SSL_CTX_set_session_id_context(context.get(), kSessionContext, sizeof kSessionContext - 1) == 1);
  if (!settings.client_ca_pem.empty()) {
    BELAY_TRY(add_authorities(context.get(), settings.client_ca_pem, true).within("the authority of the clients"));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  return context;
}

TlsPtr accept_tls(const TlsContext& context, int fd) {
  TlsPtr tls(SSL_new(context.get()));
  BELAY_ASSERT(tls && SSL_set_fd(tls.get(), fd) == 1);
  SSL_set_accept_state(tls.get());
  return tls;
}

PeerIdentity peer_identity(const SSL* tls) {
  const X509* certificate = SSL_get0_peer_certificate(tls);
  if (!certificate || SSL_get_verify_result(tls) != X509_V_OK) return {};
  return {certificate_common_name(certificate), certificate_serial_hex(certificate),
          X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0};
}

Step Transport::handshake() {
  if (!tls_) return {Step::Kind::done, 0};
  ERR_clear_error();
  return tls_step(SSL_do_handshake(tls_.get()));
}

Step Transport::read(char* data, std::size_t size) {
  if (!tls_) {
    const ssize_t count = ::recv(fd_, data, size, 0);
    return count == 0 ? Step{Step::Kind::end, 0} : plain_step(count, Step::Kind::want_read);
  }
  ERR_clear_error();
  return tls_step(SSL_read(tls_.get(), data, static_cast<int>(std::min<std::size_t>(size, INT_MAX))));
}

Step Transport::write(std::string_view bytes) {
  if (bytes.empty()) return {Step::Kind::done, 0};
  if (!tls_) return plain_step(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), Step::Kind::want_write);
  ERR_clear_error();
  return tls_step(SSL_write(tls_.get(), bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX))));
}

Step Transport::discard(char* data, std::size_t size) {
  const ssize_t count = ::recv(fd_, data, size, 0);
  return count == 0 ? Step{Step::Kind::end, 0} : plain_step(count, Step::Kind::want_read);
}

void Transport::end_writing() {
  if (tls_ && SSL_is_init_finished(tls_.get())) {
    ERR_clear_error();
    SSL_shutdown(tls_.get());
  }
  ::shutdown(fd_, SHUT_WR);
}

Step Transport::plain_step(ssize_t result, Step::Kind blocked) {
  if (result >= 0) return {Step::Kind::done, static_cast<std::size_t>(result)};
  if (errno == EAGAIN || errno == EINTR) return {blocked, 0};
  const char* words = strerrordesc_np(errno);
  detail_ = words ? words : "error " + std::to_string(errno);
  return {Step::Kind::failed, 0};
}

Step Transport::tls_step(int result) {
  if (result > 0) return {Step::Kind::done, static_cast<std::size_t>(result)};
  const int number = errno;
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ: return {Step::Kind::want_read, 0};
    case SSL_ERROR_WANT_WRITE: return {Step::Kind::want_write, 0};
    case SSL_ERROR_ZERO_RETURN: return {Step::Kind::end, 0};
    case SSL_ERROR_SYSCALL: {
      const char* words = number ? strerrordesc_np(number) : "the peer closed the connection";
      detail_ = words ? words : "error " + std::to_string(number);
      return {Step::Kind::failed, 0};
    }
    default: detail_ = take_openssl_error(); return {Step::Kind::failed, 0};
  }
}

}  // namespace belay::io
