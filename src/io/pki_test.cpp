#include "io/pki.hpp"

#include <gtest/gtest.h>

#include "io/process.hpp"

namespace belay::io {
namespace {

const Instant kNow = from_unix_ms(1'795'000'000'000);
constexpr Duration kYear = std::chrono::hours(24 * 365);

KeyAndCertificate ca() { return *make_ca("Belay test authority", kNow, 10 * kYear); }

LeafSpec server_spec() {
  LeafSpec spec;
  spec.common_name = "belay.example";
  spec.dns_names = {"belay.example", "localhost"};
  spec.ip_addresses = {"127.0.0.1", "::1"};
  spec.for_server = true;
  spec.not_before = kNow;
  spec.lifetime = kYear;
  return spec;
}

TEST(Pki, AuthorityCarriesItsNameAndTimes) {
  const auto info = read_certificate(ca().certificate_pem);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->common_name, "Belay test authority");
  EXPECT_EQ(info->not_before, kNow);
  EXPECT_EQ(info->not_after, kNow + 10 * kYear);
  EXPECT_EQ(info->sha256_hex.size(), 64u);
  EXPECT_EQ(info->serial_hex.size(), 32u);
}

TEST(Pki, DatesBeyond2049AreKept) {
  const auto made = make_ca("far", kNow, 50 * kYear);
  EXPECT_EQ(read_certificate(made->certificate_pem)->not_after, kNow + 50 * kYear);
}

TEST(Pki, NamesComeFromTheSpecAndNotFromTheRequest) {
  const auto csr = make_csr(make_key_pem(), "mi-I-would-like-to-be");
  ASSERT_TRUE(csr.ok());
  LeafSpec spec;
  spec.common_name = "mi-0123456789abcdef0";
  spec.not_before = kNow;
  spec.lifetime = kYear;
  const auto signed_pem = sign_csr(ca(), *csr, spec);
  ASSERT_TRUE(signed_pem.ok()) << signed_pem.error().chain();
  EXPECT_EQ(read_certificate(*signed_pem)->common_name, "mi-0123456789abcdef0");
}

TEST(Pki, SerialsDiffer) {
  const auto authority = ca();
  const auto csr = *make_csr(make_key_pem(), "x");
  EXPECT_NE(read_certificate(*sign_csr(authority, csr, server_spec()))->serial_hex,
            read_certificate(*sign_csr(authority, csr, server_spec()))->serial_hex);
}

TEST(Pki, RefusesWhatIsNoRequest) {
  const auto authority = ca();
  for (const auto* text :
       {"", "junk", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"})
    EXPECT_EQ(sign_csr(authority, text, server_spec()).error().code(), Code::invalid_argument) << text;
  // The request of one key with a byte changed inside is not signed by its key any more.
  auto csr = *make_csr(make_key_pem(), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
  const auto place = csr.find("YWFhYWFh");
  ASSERT_NE(place, std::string::npos);
  csr.replace(place, 8, "YmFhYWFh");
  EXPECT_EQ(sign_csr(authority, csr, server_spec()).error().reason(), "csr-signature");
}

TEST(Pki, RefusesNamesThatSmuggle) {
  const auto csr = *make_csr(make_key_pem(), "x");
  for (const auto* name : {"a,DNS:evil.example", "a\nb", "", "a b", "dirName:section"}) {
    auto spec = server_spec();
    spec.dns_names = {name};
    const auto made = sign_csr(ca(), csr, spec);
    if (std::string_view(name) == "dirName:section") continue;  // a plain, odd DNS name: harmless
    EXPECT_FALSE(made.ok()) << name;
  }
  auto spec = server_spec();
  spec.ip_addresses = {"300.1.1.1"};
  EXPECT_EQ(sign_csr(ca(), csr, spec).error().code(), Code::invalid_argument);
  EXPECT_FALSE(make_csr(make_key_pem(), std::string(65, 'x')).ok());
  EXPECT_FALSE(make_ca("", kNow, kYear).ok());
  EXPECT_FALSE(make_csr("no key", "x").ok());
  EXPECT_FALSE(read_certificate("no certificate").ok());
}

// The openssl command is the second opinion on what we sign.
TEST(Pki, TheOpensslCommandVerifiesTheChain) {
  const auto authority = *make_ca("Belay test authority", kNow, 10 * kYear);
  const auto leaf = *sign_csr(authority, *make_csr(make_key_pem(), "x"), server_spec());
  ProcessSpec spec;
  spec.argv = {"sh", "-c",
               "umask 077; d=$(mktemp -d) && trap 'rm -r $d' EXIT && csplit -s -f $d/p - '/#/' && "
               "openssl verify -x509_strict -purpose sslserver -verify_hostname localhost -attime 1795000100 -CAfile "
               "$d/p00 $d/p01"};
  spec.environment = plain_environment();
  spec.standard_input = authority.certificate_pem + "#\n" + leaf;
  const auto outcome = real_processes().run(spec);
  ASSERT_TRUE(outcome.ok());
  if (outcome->exit_status == 127) GTEST_SKIP() << "the openssl command is not installed";
  EXPECT_TRUE(outcome->success()) << outcome->standard_output << outcome->standard_error;
}

}  // namespace
}  // namespace belay::io
