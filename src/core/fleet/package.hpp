#pragma once
// What a node has and what its repositories offer it: the values that a scan reports and a judgement reads.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace belay::fleet {

enum class PackageFormat { deb, rpm };
BOOST_DESCRIBE_ENUM(PackageFormat, deb, rpm)

// SSM's OperatingSystem values (facts of the public API model; WINDOWS and MACOS are known but never judged).
// The text forms are in operating_system.hpp.
struct InstalledPackage {
  std::string name;
  std::string arch;     // "amd64", "all", "x86_64", "noarch"
  std::string version;  // deb: [epoch:]upstream[-revision]; rpm: epoch:version-release, the epoch always written
  auto operator<=>(const InstalledPackage&) const = default;
};
BOOST_DESCRIBE_STRUCT(InstalledPackage, (), (name, arch, version))

// Sorted and without repeats. Two nodes with the same packages have the same set; it is named by the SHA-256 of
// wire/codec.hpp canonical_text(), so it is sent and stored once.
struct PackageSet {
  PackageFormat format = PackageFormat::deb;
  std::vector<InstalledPackage> packages;
};
BOOST_DESCRIBE_STRUCT(PackageSet, (), (format, packages))

// One version of an installed package that a repository of the node carries: the installed version itself (so
// that it can be classified) and every newer one.
struct Offer {
  std::string name;
  std::string arch;
  std::string version;
  std::string origin;          // deb: Origin of the Release file; rpm: vendor
  std::string label;           // deb: Label ("Debian-Security"); rpm: repository id
  std::string suite;           // deb: Suite ("oldstable-security")
  std::string codename;        // deb: Codename ("bookworm-security")
  std::string component;       // deb: "main"
  std::string site;            // host of the repository, never with credentials
  std::string section;         // deb: "libs"
  std::string priority;        // deb: "optional"
  std::string classification;  // rpm, from the notice: Security, Bugfix, Enhancement, Recommended, Newpackage
  std::string
      severity;  // rpm, from the notice: Critical, Important, Medium, Low, None; deb: changelog urgency where read
  std::vector<std::string> advisory_ids;
  std::vector<std::string> cve_ids;
  std::vector<std::string> bugzilla_ids;
  std::optional<Instant>
      released_at;  // rpm: the notice's date; deb: the changelog's date where read, else the fleet's first sight counts
  std::uint64_t size_bytes = 0;  // of the download
  std::uint64_t installed_bytes = 0;
  std::string sha256;     // of the package file, as the signed index says
  bool security = false;  // ssm.md 1.2: trusted security archive (deb), security notice (rpm)
  auto operator<=>(const Offer&) const = default;
};
BOOST_DESCRIBE_STRUCT(Offer, (),
                      (name, arch, version, origin, label, suite, codename, component, site, section, priority,
                       classification, severity, advisory_ids, cve_ids, bugzilla_ids, released_at, size_bytes,
                       installed_bytes, sha256, security))

// Sorted by name, arch, then version in the format's own order. Named by its hash, like the package set.
struct OfferSet {
  PackageFormat format = PackageFormat::deb;
  std::vector<Offer> offers;
};
BOOST_DESCRIBE_STRUCT(OfferSet, (), (format, offers))

// One line of a change set. from_version is empty for a package that comes in as a dependency; to_version is
// empty for one that would be removed (never without the order saying so).
struct PackageChange {
  std::string name;
  std::string arch;
  std::string from_version;
  std::string to_version;
  std::string sha256;
  std::uint64_t size_bytes = 0;
  auto operator<=>(const PackageChange&) const = default;
};
BOOST_DESCRIBE_STRUCT(PackageChange, (), (name, arch, from_version, to_version, sha256, size_bytes))

}  // namespace belay::fleet
