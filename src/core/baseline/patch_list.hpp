#pragma once
// ApprovedPatches and RejectedPatches: which entry names an offered or installed version (ssm.md §1.2, "Lists").
// rpm: case-insensitive globs against name, name.arch, name-version, … and "version" forms, or an advisory, CVE or
// Bugzilla id in full; SUSE: patch names too may have wildcards, and a package's file name counts without ".rpm".
// deb: globs against name, name.arch and name:arch, or an advisory or CVE id in full.
#include <string>
#include <string_view>
#include <vector>

#include "core/baseline/baseline.hpp"
#include "core/fleet/package.hpp"

namespace belay::baseline {

class PatchList {
 public:
  PatchList(const std::vector<std::string>& entries, OperatingSystem system, fleet::PackageFormat format);

  // Index of the first entry that names it, -1 where none does.
  std::int32_t find(const fleet::Offer& offer) const;
  bool empty() const { return entries_.empty(); }
  // Whether an entry could name some version of this package by its name, or by any name; quick, and false only where
  // find() could match by an id or by a version that starts with a letter at most.
  bool may_name(std::string_view name) const;
  // Lower case, each of them a glob or an id in full.
  std::vector<std::string_view> entries() const;
  bool has_advisory_globs() const { return advisory_globs_; }

 private:
  struct Entry {
    std::string text;         // lower case, without ".rpm"
    std::size_t literal = 0;  // bytes before the first wildcard
  };
  bool may_name(const Entry& entry, std::string_view name) const;
  bool may_match(const Entry& entry, const fleet::Offer& offer) const;

  std::vector<Entry> entries_;
  fleet::PackageFormat format_;
  bool advisory_globs_;
};

// Whether an entry could be a package's own name: no wildcard, no id of an advisory, CVE or bug.
bool is_plain_package_name(std::string_view entry);

}  // namespace belay::baseline
