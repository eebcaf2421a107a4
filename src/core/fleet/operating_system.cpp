#include "core/fleet/operating_system.hpp"

#include <array>

#include "base/text.hpp"

namespace belay::fleet {
namespace {

using enum OperatingSystem;

struct OsReleaseRow {
  std::string_view id;              // os-release ID
  std::string_view version_prefix;  // of VERSION_ID; "" for any
  OperatingSystem system;
};
// The first row that fits counts. CentOS Stream says ID=centos too.
constexpr std::array kOsReleaseRows{
    OsReleaseRow{"debian", "", DEBIAN},
    OsReleaseRow{"ubuntu", "", UBUNTU},
    OsReleaseRow{"raspbian", "", RASPBIAN},
    OsReleaseRow{"rhel", "", REDHAT_ENTERPRISE_LINUX},
    OsReleaseRow{"centos", "", CENTOS},
    OsReleaseRow{"ol", "", ORACLE_LINUX},
    OsReleaseRow{"rocky", "", ROCKY_LINUX},
    OsReleaseRow{"almalinux", "", ALMA_LINUX},
    OsReleaseRow{"sles", "", SUSE},
    OsReleaseRow{"sles_sap", "", SUSE},
    OsReleaseRow{"sled", "", SUSE},
    OsReleaseRow{"opensuse-leap", "", SUSE},
    OsReleaseRow{"amzn", "2023", AMAZON_LINUX_2023},
    OsReleaseRow{"amzn", "2022", AMAZON_LINUX_2022},
    OsReleaseRow{"amzn", "201", AMAZON_LINUX},  // 2011.09 to 2018.03
    OsReleaseRow{"amzn", "2", AMAZON_LINUX_2},
};

struct SystemRow {
  OperatingSystem system;
  std::string_view text;
  std::optional<PackageFormat> format;
  std::string_view product;
};
constexpr std::array kSystemRows{
    SystemRow{WINDOWS, "WINDOWS", std::nullopt, "Windows"},
    SystemRow{AMAZON_LINUX, "AMAZON_LINUX", PackageFormat::rpm, "AmazonLinux"},
    SystemRow{AMAZON_LINUX_2, "AMAZON_LINUX_2", PackageFormat::rpm, "AmazonLinux"},
    SystemRow{AMAZON_LINUX_2022, "AMAZON_LINUX_2022", PackageFormat::rpm, "AmazonLinux"},
    SystemRow{AMAZON_LINUX_2023, "AMAZON_LINUX_2023", PackageFormat::rpm, "AmazonLinux"},
    SystemRow{UBUNTU, "UBUNTU", PackageFormat::deb, "Ubuntu"},
    SystemRow{REDHAT_ENTERPRISE_LINUX, "REDHAT_ENTERPRISE_LINUX", PackageFormat::rpm, "RedhatEnterpriseLinux"},
    SystemRow{SUSE, "SUSE", PackageFormat::rpm, "Suse"},
    SystemRow{CENTOS, "CENTOS", PackageFormat::rpm, "CentOS"},
    SystemRow{ORACLE_LINUX, "ORACLE_LINUX", PackageFormat::rpm, "OracleLinux"},
    SystemRow{DEBIAN, "DEBIAN", PackageFormat::deb, "Debian"},
    SystemRow{MACOS, "MACOS", std::nullopt, "MacOS"},
    SystemRow{RASPBIAN, "RASPBIAN", PackageFormat::deb, "Raspbian"},
    SystemRow{ROCKY_LINUX, "ROCKY_LINUX", PackageFormat::rpm, "RockyLinux"},
    SystemRow{ALMA_LINUX, "ALMA_LINUX", PackageFormat::rpm, "AlmaLinux"},
};

const SystemRow& row_of(OperatingSystem system) {
  for (const auto& row : kSystemRows)
    if (row.system == system) return row;
  BELAY_ASSERT(false && "an operating system without a row");
  return kSystemRows[0];
}

}  // namespace

std::string_view to_text(OperatingSystem system) { return row_of(system).text; }

std::optional<OperatingSystem> operating_system_from_text(std::string_view text) {
  for (const auto& row : kSystemRows)
    if (row.text == text) return row.system;
  return std::nullopt;
}

std::string os_release_value(std::string_view text, std::string_view name) {
  for (auto line : split(text, '\n')) {
    line = trim(line);
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != '=') continue;
    auto value = line.substr(name.size() + 1);
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
      value = value.substr(1, value.size() - 2);
    return sanitize(value, 200);
  }
  return {};
}

std::optional<OperatingSystem> operating_system_of(std::string_view os_id, std::string_view os_version) {
  for (const auto& row : kOsReleaseRows)
    if (row.id == os_id && os_version.starts_with(row.version_prefix)) return row.system;
  return std::nullopt;
}

std::optional<PackageFormat> package_format(OperatingSystem system) { return row_of(system).format; }

std::string product_name(OperatingSystem system, std::string_view os_version) {
  return std::string(row_of(system).product) + std::string(os_version);
}

}  // namespace belay::fleet
