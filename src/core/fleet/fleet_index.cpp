#include "core/fleet/fleet_index.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "core/fleet/version_order.hpp"

namespace belay::fleet {
namespace {

// Keys are channel (4 bytes), then texts; '\0' is in no package name.
void start_key(std::string& key, ChannelId channel, std::string_view text) {
  key.resize(sizeof channel);
  std::memcpy(key.data(), &channel, sizeof channel);
  key += text;
}

bool starts_with_letter(std::string_view evr) {
  const auto version = version::split_evr(evr).version;
  return version.empty() || version.front() < '0' || version.front() > '9';
}

// Counting sort: for every value of `of[i]`, the places i, in `items`, with `begin` of one more than `values`.
void invert_into(std::span<const std::uint32_t> of, std::uint32_t values, std::vector<std::uint32_t>& begin,
                 std::vector<std::uint32_t>& items) {
  begin.assign(values + std::size_t{1}, 0);
  for (const auto value : of) ++begin[value + std::size_t{1}];
  for (std::size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
  items.resize(of.size());
  std::vector<std::uint32_t> next(begin.begin(), begin.end() - 1);
  for (std::uint32_t i = 0; i < of.size(); ++i) items[next[of[i]]++] = i;
}

}  // namespace

ChannelId FleetIndex::add_channel(std::string_view name, PackageFormat format) {
  const ChannelId channel = channels_.intern(name);
  if (channel == formats_.size()) formats_.push_back(format);
  BELAY_ASSERT(formats_[channel] == format);
  return channel;
}

std::strong_ordering FleetIndex::compare(ChannelId channel, std::string_view a, std::string_view b) const {
  return compare_versions(formats_[channel], a, b);
}

std::uint32_t FleetIndex::name_of(ChannelId channel, std::string_view name) {
  start_key(key_, channel, name);
  const auto id = names_.intern(key_);
  if (id == name_packages_.size()) {
    name_packages_.emplace_back();
    name_patches_.emplace_back();
  }
  return id;
}

// A part of a set at a time: its keys stand in one text behind each other, and stay near.
void FleetIndex::find_pairs(ChannelId channel, std::span<const InstalledPackage> packages) {
  std::string& keys = set_keys_;
  keys.clear();
  key_ends_.clear();
  for (const auto& package : packages) {
    keys.append(reinterpret_cast<const char*>(&channel), sizeof channel);
    keys.append(package.name).push_back('\0');
    keys.append(package.arch).push_back('\0');
    keys.append(package.version);
    key_ends_.push_back(keys.size());
  }
  keys_.clear();
  std::size_t begin = 0;
  for (const auto end : key_ends_) {
    keys_.push_back(std::string_view(keys).substr(begin, end - begin));
    begin = end;
  }
  pair_texts_.intern_many(keys_, found_pairs_);
  for (std::size_t i = 0; i < packages.size(); ++i)
    if (found_pairs_[i] == pair_package_.size()) add_pair(channel, packages[i], found_pairs_[i]);
}

void FleetIndex::add_pair(ChannelId channel, const InstalledPackage& package, PairId pair) {
  start_key(key_, channel, package.name);
  key_ += '\0';
  key_ += package.arch;
  const auto id = packages_by_text_.intern(key_);
  if (id == packages_.size()) {
    const auto name = name_of(channel, package.name);
    packages_.push_back({channel, name, {}, {}});
    name_packages_[name].push_back(id);
    set_place_.push_back(0);
  }
  letter_versions_ |= starts_with_letter(package.version);
  packages_[id].pairs.push_back(pair);
  pair_package_.push_back(id);
  pair_range_.emplace_back();
}

InstalledPackage FleetIndex::package(PairId pair) const {
  std::string_view text = pair_texts_.text(pair).substr(sizeof(ChannelId));
  const auto name = text.substr(0, text.find('\0'));
  text.remove_prefix(name.size() + 1);
  const auto arch = text.substr(0, text.find('\0'));
  text.remove_prefix(arch.size() + 1);
  return {std::string(name), std::string(arch), std::string(text)};
}

std::string_view FleetIndex::version_of(PairId pair) const {
  const auto text = pair_texts_.text(pair);
  return text.substr(text.rfind('\0') + 1);
}

SetId FleetIndex::add_set(ChannelId channel, const PackageSet& set) {
  BELAY_ASSERT(set.format == formats_[channel]);
  constexpr std::size_t part = 256;  // what is asked for ahead has to fit into the nearest cache
  for (std::size_t begin = 0; begin < set.packages.size(); begin += part) {
    find_pairs(channel, std::span(set.packages).subspan(begin, std::min(part, set.packages.size() - begin)));
    for (const auto pair : found_pairs_) {
      auto& at = set_place_[pair_package_[pair]];
      if (at >= set_begin_.back() && at < set_pairs_.size() && pair_package_[set_pairs_[at]] == pair_package_[pair]) {
        if (compare(channel, version_of(pair), version_of(set_pairs_[at])) > 0) set_pairs_[at] = pair;
        continue;
      }
      at = static_cast<std::uint32_t>(set_pairs_.size());
      set_pairs_.push_back(pair);
    }
  }
  set_begin_.push_back(static_cast<std::uint32_t>(set_pairs_.size()));
  built_ = false;
  return sets() - 1;
}

NodeIndex FleetIndex::add_node(SetId set) {
  BELAY_ASSERT(set < sets());
  node_set_.push_back(set);
  built_ = false;
  return nodes() - 1;
}

PatchId FleetIndex::add_patch(ChannelId channel, Offer offer) {
  const PatchId patch = patches();
  name_patches_[name_of(channel, offer.name)].push_back(patch);
  patch_profile_.push_back(profile_for(offer));
  patch_released_.push_back(offer.released_at);
  note_ids(patch, offer);
  patches_.push_back(std::move(offer));
  patch_channel_.push_back(channel);
  if (built_) place(patch);
  return patch;
}

ProfileId FleetIndex::profile_for(const Offer& offer) {
  key_.clear();
  for (const auto* text : {&offer.origin, &offer.label, &offer.suite, &offer.codename, &offer.component, &offer.section,
                           &offer.priority, &offer.classification, &offer.severity}) {
    key_ += *text;
    key_ += '\0';
  }
  key_ += offer.security ? 's' : '-';
  key_ += offer.advisory_ids.empty() ? '-' : 'a';
  const ProfileId profile = profile_texts_.intern(key_);
  if (profile == profiles_.size()) profiles_.push_back(offer);
  return profile;
}

void FleetIndex::note_ids(PatchId patch, const Offer& offer) {
  for (const auto* ids : {&offer.advisory_ids, &offer.cve_ids, &offer.bugzilla_ids})
    for (const auto& id : *ids) {
      const auto known = id_texts_.intern(to_lower(id));
      if (known == id_patches_.size()) id_patches_.emplace_back();
      id_patches_[known].push_back(patch);
    }
  letter_versions_ |= starts_with_letter(offer.version);
}

std::span<const PatchId> FleetIndex::patches_with_id(std::string_view id) const {
  const auto known = id_texts_.find(to_lower(id));
  return known ? std::span<const PatchId>(id_patches_[*known]) : std::span<const PatchId>();
}

void FleetIndex::build() {
  for (auto& package : packages_) {
    sort_patches(package);
    find_ranges(package);
  }
  invert();
  built_ = true;
}

void FleetIndex::sort_patches(Package& package) const {
  const auto installed_arch = this->package(package.pairs.front()).arch;
  package.patches.clear();
  for (const auto patch : name_patches_[package.name])
    if (can_replace(patches_[patch].arch, installed_arch)) package.patches.push_back(patch);
  std::ranges::sort(package.patches, [&](PatchId a, PatchId b) {
    const auto order = compare(package.channel, patches_[a].version, patches_[b].version);
    return order == 0 ? a < b : order < 0;
  });
}

void FleetIndex::find_ranges(const Package& package) {
  for (const auto pair : package.pairs) {
    const auto installed = version_of(pair);
    const auto below = [&](PatchId patch) { return compare(package.channel, patches_[patch].version, installed) < 0; };
    const auto first = std::ranges::partition_point(package.patches, below);
    auto last = first;
    while (last != package.patches.end() && compare(package.channel, patches_[*last].version, installed) == 0) ++last;
    pair_range_[pair] = {static_cast<std::uint32_t>(first - package.patches.begin()),
                         static_cast<std::uint32_t>(last - package.patches.begin())};
  }
}

// One more patch: only the packages of its name move.
void FleetIndex::place(PatchId patch) {
  start_key(key_, patch_channel_[patch], patches_[patch].name);
  for (const auto id : name_packages_[*names_.find(key_)]) {
    sort_patches(packages_[id]);
    find_ranges(packages_[id]);
  }
}

void FleetIndex::invert() {
  invert_into(node_set_, sets(), set_nodes_begin_, set_nodes_);
  invert_into(set_pairs_, pairs(), pair_sets_begin_, pair_sets_);
  // invert_into gives places in set_pairs_; the set of a place is the run it lies in. Places of a set follow each
  // other.
  std::vector<SetId> set_of_place(set_pairs_.size());
  for (SetId set = 0; set < sets(); ++set)
    std::fill(set_of_place.begin() + set_begin_[set], set_of_place.begin() + set_begin_[set + 1], set);
  for (auto& place : pair_sets_) place = set_of_place[place];
}

std::span<const PatchId> FleetIndex::present(PairId pair) const {
  const auto& range = pair_range_[pair];
  return std::span(packages_[pair_package_[pair]].patches).subspan(range.present, range.newer - range.present);
}

std::span<const PatchId> FleetIndex::newer(PairId pair) const {
  return std::span(packages_[pair_package_[pair]].patches).subspan(pair_range_[pair].newer);
}

std::vector<PackageId> FleetIndex::packages_of_patch(PatchId patch) const {
  BELAY_ASSERT(built_);
  std::string key;
  start_key(key, patch_channel_[patch], patches_[patch].name);
  std::vector<PackageId> found;
  for (const auto id : name_packages_[*names_.find(key)])
    if (std::ranges::find(packages_[id].patches, patch) != packages_[id].patches.end()) found.push_back(id);
  return found;
}

FleetIndex::Affected FleetIndex::affected_by(PatchId patch) const {
  BELAY_ASSERT(built_);
  Affected affected;
  for (const auto id : packages_of_patch(patch)) {
    const auto& package = packages_[id];
    const auto place = static_cast<std::uint32_t>(std::ranges::find(package.patches, patch) - package.patches.begin());
    for (const auto pair : package.pairs) {
      if (pair_range_[pair].newer > place) continue;
      const auto sets = span(pair_sets_, pair_sets_begin_, pair);
      affected.sets.insert(affected.sets.end(), sets.begin(), sets.end());
    }
  }
  std::ranges::sort(affected.sets);  // a set may hold the package in two architectures
  affected.sets.erase(std::unique(affected.sets.begin(), affected.sets.end()), affected.sets.end());
  for (const auto set : affected.sets)
    affected.nodes.insert(affected.nodes.end(), nodes_of(set).begin(), nodes_of(set).end());
  return affected;
}

PackageSet FleetIndex::package_set(SetId set) const {
  PackageSet made;
  for (const auto pair : pairs_of(set)) {
    made.format = formats_[channel_of_package(pair_package_[pair])];
    made.packages.push_back(package(pair));
  }
  std::ranges::sort(made.packages);
  return made;
}

OfferSet FleetIndex::offer_set(SetId set) const {
  std::vector<PatchId> patches;  // one may serve two architectures
  OfferSet made;
  for (const auto pair : pairs_of(set)) {
    made.format = formats_[channel_of_package(pair_package_[pair])];
    patches.insert(patches.end(), present(pair).begin(), present(pair).end());
    patches.insert(patches.end(), newer(pair).begin(), newer(pair).end());
  }
  std::ranges::sort(patches, [&](PatchId a, PatchId b) {
    const auto &x = patches_[a], &y = patches_[b];
    if (x.name != y.name || x.arch != y.arch) return std::tie(x.name, x.arch) < std::tie(y.name, y.arch);
    const auto order = compare_versions(made.format, x.version, y.version);
    return order == 0 ? a < b : order < 0;
  });
  patches.erase(std::unique(patches.begin(), patches.end()), patches.end());
  for (const auto patch : patches) made.offers.push_back(patches_[patch]);
  return made;
}

std::size_t FleetIndex::bytes() const {
  std::size_t sum = channels_.bytes() + names_.bytes() + packages_by_text_.bytes() + pair_texts_.bytes();
  for (const auto& package : packages_) sum += sizeof package + (package.pairs.size() + package.patches.size()) * 4;
  sum += (pair_package_.size() + pair_range_.size() * 2 + set_begin_.size() + set_pairs_.size() + node_set_.size()) * 4;
  sum += (pair_sets_begin_.size() + pair_sets_.size() + set_nodes_begin_.size() + set_nodes_.size()) * 4;
  return sum;
}

}  // namespace belay::fleet
