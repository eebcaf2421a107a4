#include "io/pki.hpp"

#include <openssl/pem.h>

#include <ctime>

#include "io/openssl.hpp"

namespace belay::io {
namespace {

constexpr int kSerialBits = 127;  // RFC 5280 asks for at most 20 octets, positive; 64 random bits are the least

// ASN1_TIME_adj picks the ASN.1 type by itself: dates beyond 2049 need another one.
void set_time(ASN1_TIME* target, Instant instant) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(instant).time_since_epoch().count();
  BELAY_ASSERT(ASN1_TIME_adj(target, static_cast<std::time_t>(seconds), 0, 0) != nullptr);
}

Instant read_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  const auto day = std::chrono::year_month_day(std::chrono::year(parts.tm_year + 1900),
                                               std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                               std::chrono::day(static_cast<unsigned>(parts.tm_mday)));
  return std::chrono::sys_days(day) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
         std::chrono::seconds(parts.tm_sec);
}

Status set_common_name(X509_NAME* target, std::string_view name) {
  if (X509_NAME_add_entry_by_NID(target, NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), -1,
                                 0) == 1)
    return {};
  return Error(Code::invalid_argument,
               "'" + std::string(name) +
                   "' cannot be a certificate's common name (1 to 64 characters): " + take_openssl_error());
}

Status add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (extension && X509_add_ext(certificate, extension.get(), -1) == 1) return {};
  return Error(Code::invalid_argument, "'" + value + "' cannot stand in a certificate: " + take_openssl_error());
}

bool is_plain_name(std::string_view name) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*:";
  return !name.empty() && name.size() <= 253 && name.find_first_not_of(allowed) == std::string_view::npos;
}

// "DNS:a.example,IP:10.0.0.1". The text is OpenSSL's little language: a name with a comma could smuggle in another one.
Result<std::string> alternative_names(const LeafSpec& spec) {
  std::string text;
  const auto add = [&text](std::string_view kind, const std::string& name) -> Status {
    if (!is_plain_name(name)) return Error(Code::invalid_argument, "'" + name + "' is no host name or address");
    text += (text.empty() ? "" : ",") + std::string(kind) + ":" + name;
    return {};
  };
  for (const auto& name : spec.dns_names) BELAY_TRY(add("DNS", name));
  for (const auto& address : spec.ip_addresses) BELAY_TRY(add("IP", address));
  return text;
}

CertificatePtr blank_certificate(Instant not_before, Duration lifetime, EVP_PKEY* subject_key) {
  CertificatePtr certificate(X509_new());
  const NumberPtr serial(BN_new());
  BELAY_ASSERT(certificate && serial && X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  BELAY_ASSERT(BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1);
  BELAY_ASSERT(BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get())) != nullptr);
  set_time(X509_getm_notBefore(certificate.get()), not_before);
  set_time(X509_getm_notAfter(certificate.get()), not_before + lifetime);
  BELAY_ASSERT(X509_set_pubkey(certificate.get(), subject_key) == 1);
  return certificate;
}

Status add_leaf_extensions(X509* certificate, X509* issuer, const LeafSpec& spec) {
  BELAY_TRY(add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE"));
  BELAY_TRY(add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature"));
  BELAY_TRY(add_extension(certificate, issuer, NID_ext_key_usage, spec.for_server ? "serverAuth" : "clientAuth"));
  BELAY_TRY(add_extension(certificate, issuer, NID_subject_key_identifier, "hash"));
  BELAY_TRY(add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always"));
  BELAY_TRY_ASSIGN(const auto names, alternative_names(spec));
  if (!names.empty()) BELAY_TRY(add_extension(certificate, issuer, NID_subject_alt_name, names));
  return {};
}

}  // namespace

std::string make_key_pem() {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  const BioPtr bio(BIO_new(BIO_s_mem()));
  BELAY_ASSERT(key && bio &&
               PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return bio_text(bio.get());
}

Result<KeyAndCertificate> make_ca(std::string_view name, Instant not_before, Duration lifetime) {
  KeyAndCertificate made{make_key_pem(), {}};
  BELAY_TRY_ASSIGN(const auto key, read_key_pem(made.key_pem));
  const auto certificate = blank_certificate(not_before, lifetime, key.get());
  BELAY_TRY(set_common_name(X509_get_subject_name(certificate.get()), name));
  BELAY_ASSERT(X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())) == 1);
  BELAY_TRY(add_extension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  BELAY_TRY(add_extension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign"));
  BELAY_TRY(add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash"));
  BELAY_ASSERT(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  made.certificate_pem = certificate_to_pem(certificate.get());
  return made;
}

Result<std::string> make_csr(std::string_view key_pem, std::string_view common_name) {
  BELAY_TRY_ASSIGN(const auto key, read_key_pem(key_pem));
  const RequestPtr request(X509_REQ_new());
  BELAY_ASSERT(request && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1);
  BELAY_TRY(set_common_name(X509_REQ_get_subject_name(request.get()), common_name));
  if (X509_REQ_set_pubkey(request.get(), key.get()) != 1 || X509_REQ_sign(request.get(), key.get(), EVP_sha256()) <= 0)
    return Error(Code::invalid_argument, "the key cannot sign a certificate request: " + take_openssl_error());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  BELAY_ASSERT(bio && PEM_write_bio_X509_REQ(bio.get(), request.get()) == 1);
  return bio_text(bio.get());
}

Result<std::string> sign_csr(const KeyAndCertificate& ca, std::string_view csr_pem, const LeafSpec& spec) {
  const auto bio = bio_over(csr_pem);
  const RequestPtr request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  if (!request) return Error(Code::invalid_argument, "not a certificate request in PEM: " + take_openssl_error());
  EVP_PKEY* subject_key = X509_REQ_get0_pubkey(request.get());
  if (!subject_key || X509_REQ_verify(request.get(), subject_key) != 1) {
    ERR_clear_error();
    return Error(Code::invalid_argument, "the certificate request is not signed by its own key", "csr-signature");
  }
  if (EVP_PKEY_get_security_bits(subject_key) < 112)
    return Error(Code::invalid_argument, "the key in the certificate request is too weak; use P-256", "csr-key-weak");
  BELAY_TRY_ASSIGN(const auto ca_key, read_key_pem(ca.key_pem));
  BELAY_TRY_ASSIGN(const auto ca_certificate, read_certificate_pem(ca.certificate_pem));
  const auto certificate = blank_certificate(spec.not_before, spec.lifetime, subject_key);
  BELAY_TRY(set_common_name(X509_get_subject_name(certificate.get()), spec.common_name));
  BELAY_ASSERT(X509_set_issuer_name(certificate.get(), X509_get_subject_name(ca_certificate.get())) == 1);
  BELAY_TRY(add_leaf_extensions(certificate.get(), ca_certificate.get(), spec));
  if (X509_sign(certificate.get(), ca_key.get(), EVP_sha256()) <= 0)
    return Error(Code::invalid_argument, "the authority's key cannot sign: " + take_openssl_error());
  return certificate_to_pem(certificate.get());
}

Result<CertificateInfo> read_certificate(std::string_view certificate_pem) {
  BELAY_TRY_ASSIGN(const auto certificate, read_certificate_pem(certificate_pem));
  CertificateInfo info;
  info.common_name = certificate_common_name(certificate.get());
  info.serial_hex = certificate_serial_hex(certificate.get());
  info.sha256_hex = certificate_sha256_hex(certificate.get());
  info.not_before = read_time(X509_get0_notBefore(certificate.get()));
  info.not_after = read_time(X509_get0_notAfter(certificate.get()));
  return info;
}

}  // namespace belay::io
