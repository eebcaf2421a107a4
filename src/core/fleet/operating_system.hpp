#pragma once
// SSM's OperatingSystem values and what follows from them. WINDOWS and MACOS are known to the API and never judged.
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/fleet/package.hpp"

namespace belay::fleet {

enum class OperatingSystem {
  WINDOWS,
  AMAZON_LINUX,
  AMAZON_LINUX_2,
  AMAZON_LINUX_2022,
  AMAZON_LINUX_2023,
  UBUNTU,
  REDHAT_ENTERPRISE_LINUX,
  SUSE,
  CENTOS,
  ORACLE_LINUX,
  DEBIAN,
  MACOS,
  RASPBIAN,
  ROCKY_LINUX,
  ALMA_LINUX,
};
BOOST_DESCRIBE_ENUM(OperatingSystem, WINDOWS, AMAZON_LINUX, AMAZON_LINUX_2, AMAZON_LINUX_2022, AMAZON_LINUX_2023,
                    UBUNTU, REDHAT_ENTERPRISE_LINUX, SUSE, CENTOS, ORACLE_LINUX, DEBIAN, MACOS, RASPBIAN, ROCKY_LINUX,
                    ALMA_LINUX)

// The text as on the wire ("DEBIAN"), and back; nullopt for what SSM does not know.
std::string_view to_text(OperatingSystem system);
std::optional<OperatingSystem> operating_system_from_text(std::string_view text);

// os-release(5): the value of one name, unquoted and sanitized; "" where it is absent.
std::string os_release_value(std::string_view text, std::string_view name);

// From os-release ID and VERSION_ID. nullopt: no baseline can be in force there (Reason::unsupported_system).
std::optional<OperatingSystem> operating_system_of(std::string_view os_id, std::string_view os_version);

// nullopt for WINDOWS and MACOS.
std::optional<PackageFormat> package_format(OperatingSystem system);

// SSM's word for one release, as PRODUCT filters name it: "Debian12", "Ubuntu22.04", "RedhatEnterpriseLinux9.4",
// "AmazonLinux2023". `os_version` is VERSION_ID; "" gives the name alone.
std::string product_name(OperatingSystem system, std::string_view os_version);

}  // namespace belay::fleet
