#include "core/fleet/operating_system.hpp"

#include <gtest/gtest.h>

namespace belay::fleet {
namespace {

struct Row {
  std::string_view id, version, system, product;
};
// os-release of the images named.
constexpr Row kRows[] = {
    {"debian", "12", "DEBIAN", "Debian12"},
    {"debian", "", "DEBIAN", "Debian"},  // testing and sid have no VERSION_ID
    {"ubuntu", "22.04", "UBUNTU", "Ubuntu22.04"},
    {"raspbian", "11", "RASPBIAN", "Raspbian11"},
    {"rhel", "9.4", "REDHAT_ENTERPRISE_LINUX", "RedhatEnterpriseLinux9.4"},
    {"centos", "7", "CENTOS", "CentOS7"},
    {"ol", "9.3", "ORACLE_LINUX", "OracleLinux9.3"},
    {"rocky", "9.3", "ROCKY_LINUX", "RockyLinux9.3"},
    {"almalinux", "8.9", "ALMA_LINUX", "AlmaLinux8.9"},
    {"sles", "15.5", "SUSE", "Suse15.5"},
    {"sles_sap", "15.5", "SUSE", "Suse15.5"},
    {"amzn", "2018.03", "AMAZON_LINUX", "AmazonLinux2018.03"},
    {"amzn", "2", "AMAZON_LINUX_2", "AmazonLinux2"},
    {"amzn", "2022", "AMAZON_LINUX_2022", "AmazonLinux2022"},
    {"amzn", "2023", "AMAZON_LINUX_2023", "AmazonLinux2023"},
};

TEST(OperatingSystem, ComesFromOsRelease) {
  for (const auto& row : kRows) {
    const auto system = operating_system_of(row.id, row.version);
    ASSERT_TRUE(system) << row.id;
    EXPECT_EQ(to_text(*system), row.system);
    EXPECT_EQ(operating_system_from_text(row.system), system);
    EXPECT_EQ(product_name(*system, row.version), row.product);
    EXPECT_TRUE(package_format(*system));
  }
  EXPECT_EQ(operating_system_of("arch", ""), std::nullopt);
  EXPECT_EQ(operating_system_of("fedora", "40"), std::nullopt);
  EXPECT_EQ(operating_system_from_text("debian"), std::nullopt);
  EXPECT_EQ(package_format(OperatingSystem::WINDOWS), std::nullopt);
}

TEST(OperatingSystem, ValuesOfOsRelease) {
  const std::string text = "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nID=ubuntu\n ID_LIKE='debian'\nVERSION_ID=\n";
  EXPECT_EQ(os_release_value(text, "PRETTY_NAME"), "Ubuntu 24.04.1 LTS");
  EXPECT_EQ(os_release_value(text, "ID"), "ubuntu");
  EXPECT_EQ(os_release_value(text, "ID_LIKE"), "debian");
  EXPECT_EQ(os_release_value(text, "VERSION_ID"), "");
  EXPECT_EQ(os_release_value(text, "NAME"), "");
}

TEST(OperatingSystem, TextIsWhatTheCodecWrites) {
  for (int value = 0; value <= static_cast<int>(OperatingSystem::ALMA_LINUX); ++value) {
    const auto system = static_cast<OperatingSystem>(value);
    EXPECT_EQ(to_text(system), boost::describe::enum_to_string(system, "?"));
  }
}

}  // namespace
}  // namespace belay::fleet
