#pragma once
// What rpm's and dnf's words mean. Pure: text in, values out; bounded, and lines that are none of theirs are passed
// over. dnf 4.14's texts with LC_ALL=C.UTF-8, each seen in a run.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/packages/package_manager.hpp"

namespace belay::agent::dnf {

inline constexpr std::size_t kInstalledPackagesMax = 50'000;

// rpm -qa --qf kInstalledFormat. gpg-pubkey entries are keys, not packages. corrupt on a line that is none of it.
inline constexpr std::string_view kInstalledFormat = "%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}\\n";
Result<fleet::PackageSet> parse_installed(std::string_view text);

// dnf repoquery --qf kOfferFormat: every package of every repository; `wanted` keeps those it says yes to.
inline constexpr std::string_view kOfferFormat =
    "%{name}|%{epoch}|%{version}|%{release}|%{arch}|%{reponame}|%{downloadsize}|%{installsize}|%{chksum}|%{vendor}";
std::vector<fleet::Offer> parse_offers(std::string_view text,
                                       const std::function<bool(std::string_view name, std::string_view arch)>& wanted);

// dnf -v updateinfo info --all: the notices, by the package files they name ("foo-1.1-1.el9.noarch").
struct Advisory {
  std::string id, classification, severity;
  std::vector<std::string> cve_ids, bugzilla_ids;
  std::optional<Instant> released_at;
};
std::map<std::string, std::vector<Advisory>, std::less<>> parse_advisories(std::string_view text);
// Puts what the notices say into the offers they name.
void apply_advisories(std::vector<fleet::Offer>& offers,
                      const std::map<std::string, std::vector<Advisory>, std::less<>>& advisories);

// The table that `dnf install` prints before it asks.
std::vector<fleet::PackageChange> parse_transaction(std::string_view text);

std::vector<fleet::Problem> problems_of_dnf(std::string_view output);
// Of `gpg --with-colons --list-keys`: there are keys, and every one of them has expired.
bool names_only_expired_keys(std::string_view colons);
// `dnf check`: duplicates left by a killed transaction, unmet dependencies.
std::vector<fleet::Problem> problems_of_check(std::string_view output);
// "warning: /etc/foo.conf created as /etc/foo.conf.rpmnew"
std::vector<ConffileDifference> conffiles_of(std::string_view output);

// Installed several times (kernels) counts as several; one gone and one come of a name and architecture are one change.
std::vector<fleet::PackageChange> changes_between(const fleet::PackageSet& before, const fleet::PackageSet& after);

// "foo-0:1.1-1.el9.noarch", as dnf takes it.
std::string nevra(std::string_view name, std::string_view version, std::string_view arch);

}  // namespace belay::agent::dnf
