#pragma once
// The order of package versions, as dpkg and rpm themselves have it. Pure, total and without allocation: every
// function takes any bytes. Sources: deb-version(7) and dpkg's lib/dpkg/version.c, rpm's rpmio/rpmvercmp.c (4.15+,
// with ~ and ^) and lib/rpmvercmp of whole EVRs. The prototype's facts: stack.md §6.
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay::version {

// [epoch:]upstream[-revision]. What dpkg would refuse is still ordered (an absent epoch is 0, a wrong one too).
std::strong_ordering compare_deb(std::string_view a, std::string_view b);

// [epoch:]version[-release], as rpmverCmp(): an absent epoch is 0, an absent release sorts before any other. (Only
// dependencies compare without the release; installed packages always have one.)
std::strong_ordering compare_rpm(std::string_view a, std::string_view b);

// One segment, as `rpm --eval '%{lua:print(rpm.vercmp("a","b"))}'` does for texts without epoch and release.
std::strong_ordering compare_rpm_segment(std::string_view a, std::string_view b);

// What dpkg --validate-version checks: a whole epoch that fits, an upstream version that starts with a digit, known
// characters, no empty revision. The error says which part is wrong.
Status validate_deb(std::string_view text);
// Characters that rpmbuild allows, a whole epoch, a version that is not empty.
Status validate_rpm(std::string_view text);

// Views into the text given.
struct DebVersion {
  std::uint64_t epoch = 0;
  std::string_view upstream;
  std::string_view revision;  // "" where there is none
};
DebVersion split_deb(std::string_view text);

struct Evr {
  std::string_view epoch;  // "" where none is written
  std::string_view version;
  std::string_view release;  // "" where none is written
};
Evr split_evr(std::string_view text);

struct Nevra {
  std::string_view name;
  Evr evr;
  std::string_view arch;
};
// "bash-0:5.1.8-6.el9.x86_64", "0:bash-5.1.8-6.el9.x86_64" (yum's form), with or without epoch.
// invalid_argument where the text has no name-version-release.arch in it.
Result<Nevra> split_nevra(std::string_view text);

}  // namespace belay::version
