#pragma once
// The judgement service: which baseline is in force on a node, and what it says of the newest scan. Live: a changed
// baseline, tag or default shows at the next call, without touching a node. Judged once for each distinct (package set,
// offer set, product, baseline version) and held in a bounded cache; safe from any thread. Blocking: call from workers.
//
// Unknown is never compliant: a node that was never scanned, whose newest scan is older than `stale_after`, carries a
// problem that blocks judgement or waits for its sets, or that was not heard of for `dark_after`, is UNKNOWN with the
// reason named; what the newest scan said is still in `evaluation`, for people.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/baseline/evaluate.hpp"
#include "core/baseline/patch_group.hpp"
#include "core/fleet/problem.hpp"
#include "store/nodes.hpp"
#include "store/scans.hpp"
#include "store/store.hpp"
#include "store/verdicts.hpp"

namespace belay::server {

inline constexpr std::uint32_t kRuleVersion = 1;  // of core/baseline, named by every verdict

struct JudgePolicy {
  Duration stale_after{7LL * 24 * 3600 * 1000};  // setting "judge.stale-after"
  Duration dark_after{24LL * 3600 * 1000};       // setting "judge.dark-after"
};
// The policy in the settings ("7d"), else the defaults above.
Result<JudgePolicy> read_judge_policy(store::Sql& sql);

struct Judgement {
  std::string node_id;
  baseline::BaselineChoice choice;         // the id is "" where no baseline can be in force there
  std::uint32_t baseline_generation = 0;   // 0: of an override
  std::optional<store::scans::Scan> scan;  // what was judged; nullopt: never scanned (by then)
  std::optional<Duration> scan_age;
  Instant judged_at{};  // or the time asked about
  store::verdicts::Compliance compliance = store::verdicts::Compliance::unknown;
  std::vector<fleet::Problem> reasons;  // why it is unknown; empty otherwise
  baseline::Evaluation evaluation;      // no verdicts where there is no scan, set or baseline to judge by
};

struct JudgeQuestion {
  std::string node_id;
  std::optional<Instant> as_of;  // scan, tags' groups, baseline and dates as they were then; absent: now
  std::string baseline_id;       // instead of the one in force; "" for that
  const baseline::PatchBaseline* override_baseline = nullptr;  // instead of both
  // Also ask whether the agent is dark; false for a node that has just reported.
  bool mind_silence = true;
};

// One node's counters, for lists of many.
struct JudgedCounts {
  std::string node_id;
  baseline::BaselineChoice choice;
  std::uint32_t baseline_generation = 0;
  std::string scan_id;  // "" where it was never scanned
  std::optional<Instant> observed_at;
  store::verdicts::Compliance compliance = store::verdicts::Compliance::unknown;
  std::vector<fleet::Problem> reasons;
  baseline::PatchCounts counts;
  baseline::ComplianceLevel severity = baseline::ComplianceLevel::UNSPECIFIED;
};

// What belongs to the operation that a verdict is recorded for.
struct VerdictContext {
  std::string operation = "Scan";  // or "Install"
  Instant started_at{}, ended_at{};
  std::string snapshot_id, command_id, run_id;
  bool ad_hoc = false;  // judged under an override: never the node's newest verdict
  std::string actor = "belayd";
};

class Judge {
 public:
  Judge(store::Store& store, const Clock& clock);
  ~Judge();
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  // not_found where there is no such node or baseline.
  Result<Judgement> judge(const JudgeQuestion& question);
  // The same inside a transaction of the caller's.
  Result<Judgement> judge(store::Sql& sql, const JudgeQuestion& question);
  // In the order of the ids; unknown nodes are absent. At most 1,000 at a time.
  Result<std::vector<JudgedCounts>> counts(std::span<const std::string> node_ids);

  // The baseline in force on a node now or at `at`, its content included.
  struct InForce {
    baseline::BaselineChoice choice;
    baseline::PatchBaseline content;  // empty id where no baseline can be in force
    std::uint32_t generation = 0;
  };
  Result<InForce> in_force(store::Sql& sql, const store::nodes::Brief& node, std::optional<Instant> at = {});

  // Sets as kept, parsed and held for a while. nullptr where they are not here.
  Result<std::shared_ptr<const fleet::PackageSet>> packages(store::Sql& sql, const std::string& hash);
  Result<std::shared_ptr<const fleet::OfferSet>> offers(store::Sql& sql, const std::string& hash);

  // Appends the verdict with its evidence. Call in the transaction of what caused it. Returns its sequence.
  Result<std::int64_t> record(store::Sql& sql, const Judgement& judgement, const VerdictContext& context);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Puts Belay's predefined baselines into the store where they are not there yet. Call once at start.
Status install_predefined_baselines(store::Store& store, Instant now);

}  // namespace belay::server
