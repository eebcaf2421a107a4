#pragma once
// TLS contexts, and a connection's bytes with or without TLS. Only for io's own sources.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "io/http.hpp"
#include "io/openssl.hpp"

namespace belay::io {

// Shared by the connections it made, so that a reload does not pull it from under them.
using TlsContext = std::shared_ptr<SSL_CTX>;

// Parts of both ends' contexts.
TlsContext make_context(const SSL_METHOD* method);
Status use_certificate(SSL_CTX* context, std::string_view chain_pem, std::string_view key_pem);
Status add_authorities(SSL_CTX* context, std::string_view pem, bool announce);

Result<TlsContext> make_server_context(const TlsServerSettings& settings);
TlsPtr accept_tls(const TlsContext& context, int fd);

// The peer's certificate after the handshake; both empty without one, `expired` also where a resumed session hides
// that its certificate ran out since.
struct PeerIdentity {
  std::string common_name;
  std::string serial_hex;
  bool expired = false;
};
PeerIdentity peer_identity(const SSL* tls);

Result<TlsContext> make_client_context(const TlsClientSettings& settings);
// `settings` and `context` must outlive the handshake.
Result<TlsPtr> connect_tls(const TlsContext& context, const TlsClientSettings& settings, const std::string& host,
                           int fd);
// Why the handshake failed, in words for the person who has to act.
Error handshake_error(const SSL* tls, const std::string& peer, const std::string& detail);
// The certificate at which the verified chain ended.
std::string trusted_authority_pem(const SSL* tls);

// What one attempt on a non-blocking socket gave.
struct Step {
  enum class Kind { done, want_read, want_write, end, failed };
  Kind kind = Kind::failed;
  std::size_t bytes = 0;
  bool blocked() const { return kind == Kind::want_read || kind == Kind::want_write; }
};

// A connected non-blocking socket (not owned), plain where `tls` is null.
class Transport {
 public:
  Transport(int fd, TlsPtr tls) : fd_(fd), tls_(std::move(tls)) {}
  Step handshake();
  Step read(char* data, std::size_t size);
  Step write(std::string_view bytes);
  // Whether bytes were taken from the socket that read() has not given out.
  bool has_buffered() const { return tls_ && SSL_has_pending(tls_.get()) == 1; }
  void end_writing();                          // close_notify and FIN
  Step discard(char* data, std::size_t size);  // reads past TLS, for a connection whose rest nobody wants
  const SSL* tls() const { return tls_.get(); }
  TlsPtr release_tls() { return std::move(tls_); }
  const std::string& detail() const { return detail_; }  // of the last failure

 private:
  Step tls_step(int result);
  Step plain_step(ssize_t result, Step::Kind blocked);
  int fd_;
  TlsPtr tls_;
  std::string detail_;
};

}  // namespace belay::io
