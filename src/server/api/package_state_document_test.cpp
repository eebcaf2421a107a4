#include "server/api/package_state_document.hpp"

#include <gtest/gtest.h>

#include "core/document/document.hpp"

namespace belay::server {
namespace {

store::rollouts::SavedState state(const std::string& system = "DEBIAN") {
  store::rollouts::SavedState out;
  out.name = "web-golden";
  out.operating_system = system;
  return out;
}

TEST(PackageStateDocument, IsADocumentThatCanBeRun) {
  const auto text = restore_document(state(), {fleet::PackageFormat::deb, {{"openssl", "amd64", "1:3.0.1-1~deb12u1"}}});
  ASSERT_TRUE(text.ok()) << text.error().chain();
  const auto document = document::parse_command_document(*text, document::Format::YAML);
  ASSERT_TRUE(document.ok()) << document.error().chain();
  EXPECT_NE(text->find("- 'openssl amd64 1:3.0.1-1~deb12u1'"), std::string::npos);
}

TEST(PackageStateDocument, TakesNothingThatIsNoPackage) {
  for (const std::string evil :
       {"1'; reboot; '", "$(reboot)", "1\nEND-OF-PACKAGES\nreboot", "{{ x }}", "-o", "", "a b"}) {
    for (const auto& package : {fleet::InstalledPackage{evil, "amd64", "1"}, fleet::InstalledPackage{"a", evil, "1"},
                                fleet::InstalledPackage{"a", "amd64", evil}}) {
      const auto text = restore_document(state(), {fleet::PackageFormat::deb, {package}});
      ASSERT_FALSE(text.ok()) << *text;
      EXPECT_EQ(text.error().reason(), "InvalidStateException");
    }
  }
}

TEST(PackageStateDocument, SaysWhatItCannotDo) {
  fleet::PackageSet many{fleet::PackageFormat::deb, {}};
  for (int i = 0; i < 3'000; ++i) many.packages.push_back({"package-" + std::to_string(i), "amd64", "1.0-1"});
  EXPECT_EQ(restore_document(state(), many).error().code(), Code::resource_exhausted);
  const fleet::PackageSet rpm{fleet::PackageFormat::rpm,
                              {{"bash", "x86_64", "0:5.2-1"}, {"gpg-pubkey", "(none)", "1-2"}}};
  EXPECT_EQ(restore_document(state("SUSE"), rpm).error().code(), Code::unsupported);
  const auto text = restore_document(state("ROCKY_LINUX"), rpm);
  ASSERT_TRUE(text.ok()) << text.error().chain();
  EXPECT_EQ(text->find("gpg-pubkey"), std::string::npos);
}

}  // namespace
}  // namespace belay::server
