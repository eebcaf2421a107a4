#include "core/baseline/patch_list.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::baseline {
namespace {

using fleet::Offer;
using fleet::PackageFormat;

// Every way in which an rpm may be written: n, n.a, nv, nvr, nvra, nevra, envra, nevr, v, vr, evr, naevr.
std::vector<std::string> rpm_forms(const Offer& offer) {
  const auto evr = version::split_evr(offer.version);
  const std::string epoch = evr.epoch.empty() ? "0" : std::string(evr.epoch), version(evr.version);
  const std::string name = to_lower(offer.name), arch = to_lower(offer.arch);
  const std::string vr = to_lower(version + "-" + std::string(evr.release)), v = to_lower(version);
  return {name,
          name + "." + arch,
          name + "-" + v,
          name + "-" + vr,
          name + "-" + vr + "." + arch,
          name + "-" + epoch + ":" + vr + "." + arch,
          epoch + ":" + name + "-" + vr + "." + arch,
          name + "-" + epoch + ":" + vr,
          v,
          vr,
          epoch + ":" + vr,
          name + "." + arch + "-" + epoch + ":" + vr};
}

std::vector<std::string> deb_forms(const Offer& offer) {
  const std::string name = to_lower(offer.name), arch = to_lower(offer.arch);
  return {name, name + "." + arch, name + ":" + arch};
}

bool names_advisory(const Offer& offer, std::string_view entry, bool globs) {
  const auto same = [&](const std::string& id) {
    return globs ? glob_match(entry, to_lower(id)) : equal_ignoring_case(id, entry);
  };
  return std::ranges::any_of(offer.advisory_ids, same) ||
         std::ranges::any_of(offer.cve_ids, [&](const auto& id) { return equal_ignoring_case(id, entry); }) ||
         std::ranges::any_of(offer.bugzilla_ids, [&](const auto& id) { return id == entry; });
}

}  // namespace

// Cheap, and never wrong where it says no: every form starts with the name or, on rpm, the epoch or version. So what an
// entry says before its first wildcard must start the name, or go on where the name ends, or start a version.
bool PatchList::may_name(const Entry& entry, std::string_view name) const {
  if (entry.literal == 0) return !entry.text.empty();
  const std::size_t common = std::min(entry.literal, name.size());
  if (equal_ignoring_case(std::string_view(entry.text).substr(0, common), name.substr(0, common))) return true;
  return format_ == PackageFormat::rpm && entry.text.front() >= '0' && entry.text.front() <= '9';
}

bool PatchList::may_match(const Entry& entry, const Offer& offer) const {
  if (may_name(entry, offer.name)) return true;
  const auto version = version::split_evr(offer.version).version;
  return format_ == PackageFormat::rpm && !entry.text.empty() && !version.empty() &&
         equal_ignoring_case(version.substr(0, 1), entry.text.substr(0, 1));
}

bool PatchList::may_name(std::string_view name) const {
  return std::ranges::any_of(entries_, [&](const Entry& entry) { return may_name(entry, name); });
}

std::vector<std::string_view> PatchList::entries() const {
  std::vector<std::string_view> texts;
  for (const auto& entry : entries_) texts.push_back(entry.text);
  return texts;
}

PatchList::PatchList(const std::vector<std::string>& entries, OperatingSystem system, PackageFormat format)
    : format_(format), advisory_globs_(system == OperatingSystem::SUSE) {
  entries_.reserve(entries.size());
  for (const auto& entry : entries) {
    std::string text = to_lower(trim(entry));
    if (format == PackageFormat::rpm && text.ends_with(".rpm")) text.resize(text.size() - 4);
    const std::size_t literal = std::min(text.find_first_of("*?["), text.size());
    entries_.push_back({std::move(text), literal});
  }
}

std::int32_t PatchList::find(const Offer& offer) const {
  std::vector<std::string> forms;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto& entry = entries_[i];
    if (names_advisory(offer, entry.text, advisory_globs_)) return static_cast<std::int32_t>(i);
    if (!may_match(entry, offer)) continue;
    if (forms.empty()) forms = format_ == PackageFormat::rpm ? rpm_forms(offer) : deb_forms(offer);
    if (std::ranges::any_of(forms, [&](const auto& form) { return glob_match(entry.text, form); }))
      return static_cast<std::int32_t>(i);
  }
  return -1;
}

bool is_plain_package_name(std::string_view entry) {
  if (entry.empty() || entry.find_first_of("*?[:") != std::string_view::npos) return false;
  if (std::ranges::all_of(entry, [](char c) { return c >= '0' && c <= '9'; })) return false;
  const std::string text = to_lower(entry);
  return !text.starts_with("cve-") && !text.starts_with("dsa-") && !text.starts_with("usn-") &&
         !text.starts_with("dla-");
}

}  // namespace belay::baseline
