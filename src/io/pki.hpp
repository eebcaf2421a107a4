#pragma once
// Belay's own certificates (X.509, ECDSA P-256), in PEM.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::io {

struct KeyAndCertificate {
  std::string key_pem;
  std::string certificate_pem;
};

std::string make_key_pem();  // a fresh P-256 private key

// A certificate authority of our own; `name` becomes its common name.
Result<KeyAndCertificate> make_ca(std::string_view name, Instant not_before, Duration lifetime);

// A request for `common_name` by the key; the key never leaves the node.
Result<std::string> make_csr(std::string_view key_pem, std::string_view common_name);

struct LeafSpec {
  std::string common_name;             // node id, or the server's name
  std::vector<std::string> dns_names;  // subject alternative names
  std::vector<std::string> ip_addresses;
  bool for_server = false;  // else for a client
  Instant not_before{};
  Duration lifetime{};
};
// Signs what the request proves to hold; only its public key is taken, names come from `spec`.
Result<std::string> sign_csr(const KeyAndCertificate& ca, std::string_view csr_pem, const LeafSpec& spec);

struct CertificateInfo {
  std::string common_name;
  std::string serial_hex;
  std::string sha256_hex;  // of the DER form; what --ca-sha256 compares
  Instant not_before{};
  Instant not_after{};
};
Result<CertificateInfo> read_certificate(std::string_view certificate_pem);

}  // namespace belay::io
