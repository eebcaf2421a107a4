#pragma once
// A whole fleet through baselines. A baseline judges every patch of the index once, then every distinct installed
// package once; what is left for a set of packages is a sum of small numbers. The counters are those of judge_set(),
// but for not_applicable, which needs what a node is offered beyond what it has, and stays 0 here. What one node alone
// knows (holds, failures, reboots) is laid over its own list: verdicts() and apply_node().
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/baseline/approval.hpp"
#include "core/baseline/evaluate.hpp"
#include "core/fleet/fleet_index.hpp"

namespace belay::baseline {

struct SetCounts {
  PatchCounts counts;
  bool compliant = true;
  ComplianceLevel severity = ComplianceLevel::UNSPECIFIED;
  bool operator==(const SetCounts&) const = default;
};

// One baseline over one index, at one time. Channels of another package format than the baseline's are left unjudged:
// their packages count as INSTALLED_OTHER, so a set must be asked with a baseline of its own system.
class BaselineColumn {
 public:
  // `product` as in EvaluationInput. Index, baseline and product must outlive the column; the baseline is a Linux one.
  BaselineColumn(const fleet::FleetIndex& index, const PatchBaseline& baseline, std::string_view product, Instant now);

  SetCounts counts(fleet::SetId set) const;
  std::vector<SetCounts> counts_of_every_set() const;

  // After fleet_index.add_patch(): judges it and the packages it concerns; affected_by() says whose counts to ask
  // again.
  void add_patch(fleet::PatchId patch);

  const PatchBaseline& baseline() const { return *baseline_; }

 private:
  // What a baseline says of one patch, in one byte and a level.
  struct PatchMark {
    std::uint8_t flags = 0;
    std::uint8_t level = 0;
  };
  // What is said of the installed version itself.
  struct Installed {
    bool approved = false, rejected = false, security = false;
    std::uint8_t level = 0;
  };
  // What is said of all versions above one.
  struct Above {
    bool missing = false, security = false, waiting = false;
    std::uint8_t level = 0;
  };
  std::uint8_t code_of(unsigned state, unsigned level, bool security) const;
  void make_lanes();
  const Approver::Match& match_of(fleet::PatchId patch);
  void find_listed();
  void judge_patch(fleet::PatchId patch);
  void judge_package(fleet::PackageId package);
  std::uint8_t judge_pair(fleet::PairId pair, std::span<const fleet::PatchId> present, const Above& above) const;
  Installed judge_installed(fleet::PairId pair, std::span<const fleet::PatchId> present) const;

  const fleet::FleetIndex* index_;
  const PatchBaseline* baseline_;
  Instant now_;
  fleet::PackageFormat format_;
  Approver approver_;
  bool names_matter_;
  bool all_listed_ = false;               // no short cut: ask the lists about every patch
  std::vector<bool> listed_;              // by patch: a list could name it
  std::vector<bool> listed_names_;        // by name: a list could name some version of it
  std::vector<Approver::Match> matches_;  // by profile
  Approver::Match whole_match_;
  std::vector<Above> above_;          // of the package at hand
  std::vector<PatchMark> marks_;      // by patch
  std::vector<std::uint8_t> codes_;   // by pair
  std::vector<std::uint64_t> lanes_;  // by code: eight counters of 8 bits
};

// Every node by itself, `column_of_node[i]` naming the column of node i. Asks nothing of how sets are shared.
std::vector<SetCounts> counts_of_nodes(const fleet::FleetIndex& index, std::span<const BaselineColumn> columns,
                                       std::span<const std::uint32_t> column_of_node);

// The list of one node's set, on demand: judge_set() over what the index knows.
Evaluation verdicts(const fleet::FleetIndex& index, fleet::SetId set, const PatchBaseline& baseline,
                    std::string_view product, Instant now);

}  // namespace belay::baseline
