#include "main/server_keys.hpp"

#include <functional>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "io/pki.hpp"
#include "io/seal.hpp"

namespace belay {
namespace {

constexpr std::size_t kFileBytesMax = 64u << 10;
constexpr Duration kDay{24LL * 3600 * 1000};
constexpr Duration kCaLifetime = 7'300 * kDay;
constexpr Duration kCertificateLifetime = 397 * kDay;
constexpr Duration kRenewBefore = 60 * kDay;
constexpr Duration kSkew{300'000};

// The file's content, or what `make` gives, kept before it is used.
Result<std::string> keep(io::Files& files, const std::string& path, std::uint32_t mode,
                         const std::function<Result<std::string>()>& make) {
  auto there = files.read(path, kFileBytesMax);
  if (there.ok() || there.error().code() != Code::not_found) return there;
  BELAY_TRY_ASSIGN(auto content, make());
  BELAY_TRY(files.write_durable(path, content, mode));
  return content;
}

Result<std::string> keep_secret(io::Files& files, const std::string& path, std::size_t bytes,
                                const std::function<std::string()>& make) {
  BELAY_TRY_ASSIGN(const auto text,
                   keep(files, path, 0600, [&]() -> Result<std::string> { return to_hex(make()) + "\n"; }));
  BELAY_TRY_ASSIGN(auto secret, from_hex(trim(text)).within(path));
  if (secret.size() != bytes)
    return Error(Code::corrupt,
                 path + " does not hold a key of " + std::to_string(bytes) + " bytes; restore it from a backup");
  return secret;
}

}  // namespace

Result<ServerKeys> ServerKeys::open(io::Files& files, const std::string& directory, Instant now) {
  ServerKeys keys;
  keys.directory_ = directory;
  BELAY_TRY(files.make_directories(directory, 0700));
  // The key first: a certificate without its key could never be used, a key without a certificate gets one.
  const std::string key_path = directory + "/ca.key", certificate_path = directory + "/ca.pem";
  auto certificate = files.read(certificate_path, kFileBytesMax);
  if (!certificate.ok() && certificate.error().code() != Code::not_found) return certificate.error();
  if (!certificate.ok()) {
    BELAY_TRY_ASSIGN(const auto ca, io::make_ca("Belay CA " + to_hex(io::random_bytes(4)), now - kSkew, kCaLifetime));
    BELAY_TRY(files.write_durable(key_path, ca.key_pem, 0600));
    BELAY_TRY(files.write_durable(certificate_path, ca.certificate_pem, 0644));
    certificate = ca.certificate_pem;
  }
  keys.authority_.ca.certificate_pem = *certificate;
  BELAY_TRY_ASSIGN(keys.authority_.ca.key_pem,
                   files.read(key_path, kFileBytesMax).within("the authority's key is gone; restore it from a backup"));
  std::string made_public;
  BELAY_TRY_ASSIGN(const auto pair, keep_secret(files, directory + "/orders.key", 64, [] {
                     const auto made = io::make_signing_key();
                     return made.private_key + made.public_key;
                   }));
  keys.authority_.order_private_key = pair.substr(0, 32);
  keys.authority_.order_public_key = pair.substr(32);
  BELAY_TRY_ASSIGN(keys.seal_key_, keep_secret(files, directory + "/seal.key", io::kSealKeyBytes,
                                               [] { return io::random_bytes(io::kSealKeyBytes); }));
  return keys;
}

Result<io::TlsServerSettings> ServerKeys::tls(io::Files& files, const std::vector<std::string>& dns_names,
                                              const std::vector<std::string>& ip_addresses, Instant now) const {
  const std::string names = join(dns_names, " ") + " " + join(ip_addresses, " ") + "\n";
  io::TlsServerSettings tls;
  tls.client_ca_pem = authority_.ca.certificate_pem;
  BELAY_TRY_ASSIGN(tls.key_pem, keep(files, directory_ + "/server.key", 0600,
                                     []() -> Result<std::string> { return io::make_key_pem(); }));
  const auto kept = files.read(directory_ + "/server.pem", kFileBytesMax);
  const auto kept_names = files.read(directory_ + "/server.names", kFileBytesMax);
  if (kept.ok() && kept_names.ok() && *kept_names == names) {
    const auto info = io::read_certificate(*kept);
    if (info.ok() && info->not_after - now > kRenewBefore) {
      tls.certificate_chain_pem = *kept + authority_.ca.certificate_pem;
      return tls;
    }
  }
  io::LeafSpec spec;
  spec.common_name = dns_names.empty() ? "belayd" : dns_names.front();
  spec.dns_names = dns_names;
  spec.ip_addresses = ip_addresses;
  spec.for_server = true;
  spec.not_before = now - kSkew;
  spec.lifetime = kCertificateLifetime;
  BELAY_TRY_ASSIGN(const auto csr, io::make_csr(tls.key_pem, spec.common_name));
  BELAY_TRY_ASSIGN(const auto certificate, io::sign_csr(authority_.ca, csr, spec));
  BELAY_TRY(files.write_durable(directory_ + "/server.pem", certificate, 0644));
  BELAY_TRY(files.write_durable(directory_ + "/server.names", names, 0644));
  tls.certificate_chain_pem = certificate + authority_.ca.certificate_pem;
  return tls;
}

}  // namespace belay
