#include "core/baseline/override_list.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/text.hpp"
#include "core/fleet/version_order.hpp"

namespace belay::baseline {
namespace {

using fleet::InstalledPackage;
using fleet::Offer;
using Offers = std::unordered_multimap<std::string_view, const Offer*>;

Error bad(std::size_t index, const std::string& field, const std::string& why) {
  return Error(Code::invalid_argument, "patches[" + std::to_string(index) + "]." + field + ": " + why);
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// The glob may be written against the version as such, an rpm's without its epoch, or SSM's Title
// ("name.arch:version").
bool title_names(std::string_view title, std::string_view name, std::string_view arch, std::string_view text,
                 fleet::PackageFormat format) {
  if (title.empty() || glob_match(title, text)) return true;
  if (glob_match(title, std::string(name) + "." + std::string(arch) + ":" + std::string(text))) return true;
  const auto colon = text.find(':');
  return format == fleet::PackageFormat::rpm && colon != std::string_view::npos &&
         glob_match(title, text.substr(colon + 1));
}

// Newest offer of the package whose version the glob names; nullptr where none is at least as new as the installed one.
const Offer* newest_named(const InstalledPackage& installed, const Offers& offers, std::string_view title,
                          fleet::PackageFormat format) {
  const Offer* newest = nullptr;
  const auto [first, last] = offers.equal_range(installed.name);
  for (auto it = first; it != last; ++it) {
    const Offer& offer = *it->second;
    if (!fleet::can_replace(offer.arch, installed.arch)) continue;
    if (!title_names(title, offer.name, offer.arch, offer.version, format)) continue;
    if (fleet::compare_versions(format, offer.version, installed.version) < 0) continue;
    if (!newest || fleet::compare_versions(format, offer.version, newest->version) > 0) newest = &offer;
  }
  return newest;
}

bool names(const OverridePatch& patch, const InstalledPackage& package) {
  return glob_match(patch.id, package.name) || glob_match(patch.id, package.name + "." + package.arch);
}

enum class Match { none, satisfied, change };

Match meet(const OverridePatch& patch, const InstalledPackage& package, const Offers& offers,
           fleet::PackageFormat format, std::map<std::pair<std::string, std::string>, fleet::PackageChange>& changes) {
  const Offer* offer = newest_named(package, offers, patch.title, format);
  const bool named_is_installed = title_names(patch.title, package.name, package.arch, package.version, format);
  if (!offer) return named_is_installed ? Match::satisfied : Match::none;
  if (fleet::compare_versions(format, offer->version, package.version) == 0) return Match::satisfied;
  fleet::PackageChange change{package.name,   offer->arch,   package.version,
                              offer->version, offer->sha256, offer->size_bytes};
  auto [at, inserted] = changes.try_emplace({package.name, package.arch}, change);
  if (!inserted && fleet::compare_versions(format, change.to_version, at->second.to_version) > 0)
    at->second = std::move(change);
  return Match::change;
}

// rpm keeps several versions of a kernel: the newest counts.
std::vector<InstalledPackage> newest_of_each(const fleet::PackageSet& installed) {
  std::map<std::pair<std::string_view, std::string_view>, const InstalledPackage*> newest;
  for (const auto& package : installed.packages) {
    auto& kept = newest[{package.name, package.arch}];
    if (!kept || fleet::compare_versions(installed.format, package.version, kept->version) > 0) kept = &package;
  }
  std::vector<InstalledPackage> packages;
  for (const auto& [key, package] : newest) packages.push_back(*package);
  return packages;
}

}  // namespace

Status check(const std::vector<OverridePatch>& patches) {
  if (patches.empty())
    return Error(Code::invalid_argument, "patches: the override list names nothing; list at least one patch");
  if (patches.size() > kOverridePatchesMax)
    return Error(Code::invalid_argument, "patches: " + std::to_string(patches.size()) + " entries, at most " +
                                             std::to_string(kOverridePatchesMax) + " are allowed");
  for (std::size_t i = 0; i < patches.size(); ++i) {
    for (const auto& [text, field] : {std::pair{&patches[i].id, "id"}, std::pair{&patches[i].title, "title"}}) {
      if (text->size() > kOverrideTextMax)
        return bad(i, field, "longer than " + std::to_string(kOverrideTextMax) + " bytes");
      if (!is_valid_utf8(*text) || has_control_character(*text))
        return bad(i, field, "has a character that no package name has");
    }
    if (trim(patches[i].id).empty()) return bad(i, "id", "is empty; write name.arch, for example openssl.amd64");
  }
  return {};
}

OverrideSelection select(const fleet::PackageSet& installed, const fleet::OfferSet& offers,
                         const std::vector<OverridePatch>& patches) {
  Offers by_name;
  for (const auto& offer : offers.offers) by_name.emplace(offer.name, &offer);
  const auto packages = newest_of_each(installed);
  std::map<std::pair<std::string, std::string>, fleet::PackageChange> changes;
  OverrideSelection selection;
  for (const auto& patch : patches) {
    Match best = Match::none;
    for (const auto& package : packages)
      if (names(patch, package)) best = std::max(best, meet(patch, package, by_name, installed.format, changes));
    const std::string entry = patch.id + (patch.title.empty() ? "" : " " + patch.title);
    if (best == Match::none) selection.unmatched.push_back(entry);
    if (best == Match::satisfied) selection.already_installed.push_back(entry);
  }
  for (auto& [key, change] : changes) selection.changes.push_back(std::move(change));
  return selection;
}

}  // namespace belay::baseline
