#pragma once
// A whole fleet, interned: every distinct installed package is a number, every distinct package set a run of numbers,
// every patch (one offered version) a place in the version order of its package. What the fleet then lacks is a
// question of ranges; it is asked once per distinct package, not once per node. baseline/fleet_evaluation.hpp judges
// it.
//
// A channel is a name under which offers are shared. Named after the offer set's hash the index is exact, node by node;
// named after what nodes' repositories have in common it is smaller, and says what the channel offers.
//
// Use: add_patch(), add_set(), add_node(), then build(). After build(), add_patch() keeps the index true by itself and
// affected_by() says whom it concerns; add_set() and add_node() want a build() again.
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/package.hpp"
#include "core/fleet/text_interner.hpp"

namespace belay::fleet {

using ChannelId = std::uint32_t;
using PatchId = std::uint32_t;
using PairId = std::uint32_t;  // an installed (channel, name, architecture, version)
using SetId = std::uint32_t;
using NodeIndex = std::uint32_t;
using PackageId = std::uint32_t;
using ProfileId = std::uint32_t;
using NameId = std::uint32_t;

class FleetIndex {
 public:
  ChannelId add_channel(std::string_view name, PackageFormat format);  // the same name: the same channel
  // Sort and repeats do not matter; of several versions of one (name, arch) the newest counts.
  SetId add_set(ChannelId channel, const PackageSet& set);
  NodeIndex add_node(SetId set);
  // offer.released_at should be what date_of() says; the fleet's first sight is not asked later.
  PatchId add_patch(ChannelId channel, Offer offer);
  void build();

  std::uint32_t patches() const { return static_cast<std::uint32_t>(patches_.size()); }
  std::uint32_t pairs() const { return pair_texts_.size(); }
  std::uint32_t sets() const { return static_cast<std::uint32_t>(set_begin_.size() - 1); }
  std::uint32_t nodes() const { return static_cast<std::uint32_t>(node_set_.size()); }

  const Offer& patch(PatchId patch) const { return patches_[patch]; }
  ChannelId channel_of_patch(PatchId patch) const { return patch_channel_[patch]; }
  PackageFormat format(ChannelId channel) const { return formats_[channel]; }
  SetId set_of(NodeIndex node) const { return node_set_[node]; }
  std::span<const PairId> pairs_of(SetId set) const { return span(set_pairs_, set_begin_, set); }
  std::span<const NodeIndex> nodes_of(SetId set) const { return span(set_nodes_, set_nodes_begin_, set); }
  InstalledPackage package(PairId pair) const;

  // What rules look at besides name, version and ids, once for every distinct combination: origin, section, priority,
  // classification, severity, security, and whether an advisory is named (one of them stands for all).
  std::uint32_t profiles() const { return static_cast<std::uint32_t>(profiles_.size()); }
  const Offer& profile(ProfileId profile) const { return profiles_[profile]; }
  ProfileId profile_of(PatchId patch) const { return patch_profile_[patch]; }
  std::optional<Instant> released_of(PatchId patch) const { return patch_released_[patch]; }

  // For lists: distinct names (of a channel), and who carries an advisory, CVE or Bugzilla id (ASCII case apart).
  std::uint32_t names() const { return names_.size(); }
  std::string_view name_text(NameId name) const { return names_.text(name).substr(sizeof(ChannelId)); }
  std::span<const PatchId> patches_of_name(NameId name) const { return name_patches_[name]; }
  std::span<const PatchId> patches_with_id(std::string_view id) const;
  // Some version, on offer or installed, starts with a letter; then a list entry may mean a version, whatever it starts
  // with.
  bool has_letter_versions() const { return letter_versions_; }

  // Installed (channel, name, architecture)s: all their versions, and every patch that can replace one, in rising
  // version order; a pair's present() and newer() are runs of those.
  struct Range {
    std::uint32_t present = 0, newer = 0;  // places in patches_of_package()
  };
  std::uint32_t packages() const { return static_cast<std::uint32_t>(packages_.size()); }
  PackageId package_of(PairId pair) const { return pair_package_[pair]; }
  ChannelId channel_of_package(PackageId package) const { return packages_[package].channel; }
  NameId name_of_package(PackageId package) const { return packages_[package].name; }
  std::span<const PairId> pairs_of_package(PackageId package) const { return packages_[package].pairs; }
  std::span<const PatchId> patches_of_package(PackageId package) const { return packages_[package].patches; }
  Range range(PairId pair) const { return pair_range_[pair]; }

  // In rising version order: what offers the very version, and what is newer.
  std::span<const PatchId> present(PairId pair) const;
  std::span<const PatchId> newer(PairId pair) const;
  // Packages that have the patch among theirs.
  std::vector<PackageId> packages_of_patch(PatchId patch) const;

  struct Affected {
    std::vector<SetId> sets;
    std::vector<NodeIndex> nodes;
  };
  // Who has an older version of what the patch brings. Each set and node once.
  Affected affected_by(PatchId patch) const;

  // As the node itself would report them: for lists on demand.
  PackageSet package_set(SetId set) const;
  OfferSet offer_set(SetId set) const;

  std::size_t bytes() const;  // of memory, about, without the patches' texts

 private:
  struct Package {
    ChannelId channel;
    std::uint32_t name;  // channel and name, of names_
    std::vector<PairId> pairs;
    std::vector<PatchId> patches;
  };
  template <typename T>
  static std::span<const T> span(const std::vector<T>& items, const std::vector<std::uint32_t>& begin,
                                 std::uint32_t of) {
    return std::span(items).subspan(begin[of], begin[of + 1] - begin[of]);
  }
  std::uint32_t name_of(ChannelId channel, std::string_view name);
  void find_pairs(ChannelId channel, std::span<const InstalledPackage> packages);
  void add_pair(ChannelId channel, const InstalledPackage& package, PairId pair);
  std::string_view version_of(PairId pair) const;
  std::strong_ordering compare(ChannelId channel, std::string_view a, std::string_view b) const;
  void sort_patches(Package& package) const;
  void find_ranges(const Package& package);
  ProfileId profile_for(const Offer& offer);
  void note_ids(PatchId patch, const Offer& offer);
  void place(PatchId patch);
  void invert();

  std::vector<PackageFormat> formats_;
  TextInterner channels_, names_, packages_by_text_, pair_texts_, profile_texts_, id_texts_;
  std::vector<std::vector<std::uint32_t>> name_packages_;  // by name: its Packages
  std::vector<std::vector<PatchId>> name_patches_;         // by name
  std::vector<Package> packages_;
  std::vector<Offer> patches_;
  std::vector<ChannelId> patch_channel_;
  std::vector<ProfileId> patch_profile_;
  std::vector<std::optional<Instant>> patch_released_;
  std::vector<Offer> profiles_;
  std::vector<std::vector<PatchId>> id_patches_;
  bool letter_versions_ = false;
  std::vector<std::uint32_t> pair_package_;
  std::vector<Range> pair_range_;
  std::vector<std::uint32_t> set_begin_{0};
  std::vector<PairId> set_pairs_;
  std::vector<SetId> node_set_;
  std::vector<std::uint32_t> pair_sets_begin_, set_nodes_begin_;  // inverted, by build()
  std::vector<SetId> pair_sets_;
  std::vector<NodeIndex> set_nodes_;
  std::vector<std::uint32_t> set_place_;  // by Package: its place in set_pairs_ in the newest set that has it
  bool built_ = false;
  std::string key_;  // of what is at hand; and for a part of a set:
  std::string set_keys_;
  std::vector<std::size_t> key_ends_;
  std::vector<std::string_view> keys_;
  std::vector<PairId> found_pairs_;
};

}  // namespace belay::fleet
