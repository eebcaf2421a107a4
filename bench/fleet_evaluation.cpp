// Judging a fleet: the interned way beside the plain one and beside PostgreSQL, in one run, on one core, in CPU time.
//   bench_fleet_evaluation [NODES]
// Exit status 1 where the ways disagree. Targets are DESIGN's; a miss is told, and is no failure (machines differ).
#include "core/baseline/fleet_evaluation.hpp"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>

#include "core/version/version.hpp"
#include "fleet_in_postgres.hpp"
#include "made_fleet.hpp"

namespace {

using namespace belay;
using namespace belay::bench;
using baseline::BaselineColumn;
using baseline::SetCounts;
using fleet::FleetIndex;

const Instant kNow = *parse_iso8601("2026-11-23T18:00:00Z");
constexpr std::string_view kProduct = "Debian12";

double cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <typename Work>
double timed(Work&& work) {
  const double start = cpu_s();
  work();
  return cpu_s() - start;
}

// The best of a few: what disturbs a measurement only ever makes it longer.
template <typename Work>
double best_of(int rounds, Work&& work) {
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) best = std::min(best, timed(work));
  return best;
}

void row(const char* what, double ms, const char* target, double target_ms) {
  if (target_ms > 0)
    std::printf("%-68s %10.3f ms   target %s: %s\n", what, ms, target, ms < target_ms ? "met" : "MISSED");
  else std::printf("%-68s %10.3f ms\n", what, ms);
}

struct Cold {
  double intern_s = 0, build_s = 0, judge_s = 0, count_s = 0;
  double sum() const { return intern_s + build_s + judge_s + count_s; }
};

class Bench {
 public:
  explicit Bench(FleetSize size) : made_(size) {}

  int run() {
    run_cold();
    run_changed_baseline();
    const bool agree = run_beside_others();
    run_new_advisory();  // last: it changes the index
    return agree ? 0 : 1;
  }

 private:
  // Sets come one by one in life too, so making one is not timed.
  void run_cold() {
    Cold cold;
    const auto channel = index_.add_channel("bookworm", fleet::PackageFormat::deb);
    for (std::uint32_t set = 0; set < made_.size().sets; ++set) {
      const auto packages = made_.package_set(set);
      cold.intern_s += timed([&] { index_.add_set(channel, packages); });
    }
    std::vector<fleet::Offer> offers;
    for (std::uint32_t patch = 0; patch < made_.size().patches; ++patch) offers.push_back(made_.patch(patch));
    cold.intern_s += timed([&] {
      for (auto& offer : offers) index_.add_patch(channel, std::move(offer));
      for (const auto set : made_.set_of_node()) index_.add_node(set);
    });
    cold.build_s = timed([&] { index_.build(); });
    cold.judge_s = timed([&] {
      for (const auto& one : made_.baselines()) columns_.emplace_back(index_, one, kProduct, kNow);
    });
    cold.count_s = timed([&] { of_nodes_ = counts_of_nodes(index_, columns_, made_.baseline_of_node()); });
    row("before: intern every set and patch (texts to numbers)", cold.intern_s * 1e3, "", 0);
    row("cold: build the index (version order, ranges, inverted)", cold.build_s * 1e3, "", 0);
    row("cold: judge every patch and package, all baselines", cold.judge_s * 1e3, "", 0);
    row("cold: every node's counts, node by node", cold.count_s * 1e3, "", 0);
    row("cold, index included", (cold.sum() - cold.intern_s) * 1e3, "500 ms", 500);
    row("  with the texts interned too (in life once, as each set arrives)", cold.sum() * 1e3, "", 0);
    fast_s_ = cold.build_s + cold.judge_s + cold.count_s;
    std::printf("%-68s %10.2f ns\n", "  a node's package, counting alone", cold.count_s * 1e9 / packages());
    std::printf("%-68s %10.1f MB\n", "  memory of the index", static_cast<double>(index_.bytes()) / 1e6);
  }

  void run_changed_baseline() {
    auto changed = made_.baselines()[0];
    changed.approval_rules[0].approve_after_days = 3;
    const std::vector<std::uint32_t> first(made_.size().nodes, 0);
    std::vector<SetCounts> counts;
    const double judge = best_of(5, [&] { BaselineColumn column(index_, changed, kProduct, kNow); });
    const double nodes = best_of(5, [&] {
      const BaselineColumn column(index_, changed, kProduct, kNow);
      counts = counts_of_nodes(index_, std::span(&column, 1), first);
    });
    const double sets = best_of(5, [&] {
      const BaselineColumn column(index_, changed, kProduct, kNow);
      counts = column.counts_of_every_set();
    });
    row("a changed baseline: judging alone", judge * 1e3, "", 0);
    row("a changed baseline: every node's counts, nothing shared", nodes * 1e3, "400 ms", 400);
    row("a changed baseline: by distinct sets", sets * 1e3, "20 ms", 20);
  }

  // What one would write first: for every node and package look the name up, compare versions, ask whether approved.
  std::uint32_t missing_naively(std::uint32_t node) const {
    std::uint32_t missing = 0;
    const auto& approved = approved_[made_.baseline_of_node()[node]];
    for (const auto& package : naive_sets_.at(made_.set_of_node()[node]).packages) {
      const auto found = patches_by_name_.find(package.name);
      if (found == patches_by_name_.end()) continue;
      missing += std::ranges::any_of(found->second, [&](std::uint32_t patch) {
        return approved[patch] && version::compare_deb(index_.patch(patch).version, package.version) > 0;
      });
    }
    return missing;
  }

  void prepare_naive(std::uint32_t nodes) {
    for (const auto& one : made_.baselines()) {
      const baseline::Approver approver(one, fleet::PackageFormat::deb, kProduct, kNow);
      std::vector<bool> bits;
      for (std::uint32_t patch = 0; patch < index_.patches(); ++patch)
        bits.push_back(approver.judge(index_.patch(patch), *index_.patch(patch).released_at).approved);
      approved_.push_back(std::move(bits));
    }
    for (std::uint32_t patch = 0; patch < index_.patches(); ++patch)
      patches_by_name_[index_.patch(patch).name].push_back(patch);
    for (std::uint32_t node = 0; node < nodes; ++node) {
      const auto set = made_.set_of_node()[node];
      if (!naive_sets_.contains(set)) naive_sets_.emplace(set, made_.package_set(set));
    }
  }

  bool run_beside_others() {
    const std::uint32_t naive_nodes = std::min(400u, made_.size().nodes),
                        full_nodes = std::min(50u, made_.size().nodes);
    const std::uint32_t postgres_nodes = std::min(2'000u, made_.size().nodes);
    prepare_naive(naive_nodes);
    std::vector<std::uint32_t> naive;
    const double naive_s = timed([&] {
      for (std::uint32_t node = 0; node < naive_nodes; ++node) naive.push_back(missing_naively(node));
    });
    ratio("the plain way, a node at a time, counting what is missing", naive_s, naive_nodes);
    bool agree = same("the plain way", naive);

    std::vector<std::uint32_t> full;
    double full_s = 0;
    for (std::uint32_t node = 0; node < full_nodes; ++node) {
      const auto set = index_.set_of(node);
      const auto installed = index_.package_set(set);
      const auto offers = index_.offer_set(set);
      const auto& by = made_.baselines()[made_.baseline_of_node()[node]];
      full_s += timed(
          [&] { full.push_back(baseline::judge_set({installed, offers, by, kProduct, kNow, {}}).counts.missing); });
    }
    ratio("the full list of verdicts with evidence, a node at a time", full_s, full_nodes);
    agree &= same("the full list", full);

    std::string why_not;
    const auto answer = missing_in_postgres(made_, approved_, postgres_nodes, why_not);
    if (!answer) {
      std::printf("SKIPPED PostgreSQL: %s\n", why_not.c_str());
      return agree;
    }
    ratio("PostgreSQL 15, one process, versions ranked beforehand", answer->cpu_s, postgres_nodes);
    return agree & same("PostgreSQL", answer->missing);
  }

  void run_new_advisory() {
    constexpr int rounds = 500;
    std::size_t nodes = 0;
    double find_s = 0, judge_s = 0;
    for (int round = 0; round < rounds; ++round) {
      auto offer = made_.another_patch();
      fleet::PatchId patch = 0;
      find_s += timed([&] {
        patch = index_.add_patch(0, std::move(offer));
        nodes += index_.affected_by(patch).nodes.size();
      });
      judge_s += timed([&] {
        for (auto& column : columns_) column.add_patch(patch);
      });
    }
    std::printf("a new advisory concerns %zu nodes on average\n", nodes / rounds);
    row("a new advisory: placed, and its nodes found", find_s * 1e3 / rounds, "1 ms", 1);
    row("a new advisory: judged anew by all baselines", judge_s * 1e3 / rounds, "", 0);
  }

  double packages() const { return static_cast<double>(made_.size().nodes) * made_.size().packages_per_set; }

  void ratio(const char* what, double seconds, std::uint32_t nodes) const {
    const double scaled = seconds * made_.size().nodes / nodes;
    std::printf("%-68s %10.1f s    scaled from %u nodes; %.0f ns a node's package; ratio %.0f\n", what, scaled, nodes,
                scaled * 1e9 / packages(), scaled / fast_s_);
  }

  bool same(const char* who, const std::vector<std::uint32_t>& missing) const {
    std::size_t different = 0;
    for (std::size_t node = 0; node < missing.size(); ++node)
      different += of_nodes_[node].counts.missing != missing[node];
    std::printf("  %s and the index agree on %zu of %zu nodes%s\n", who, missing.size() - different, missing.size(),
                different ? "  DIFFERENT" : "");
    return different == 0;
  }

  MadeFleet made_;
  FleetIndex index_;
  std::vector<BaselineColumn> columns_;
  std::vector<SetCounts> of_nodes_;
  std::vector<std::vector<bool>> approved_;
  std::unordered_map<std::string, std::vector<std::uint32_t>> patches_by_name_;
  std::unordered_map<std::uint32_t, fleet::PackageSet> naive_sets_;
  double fast_s_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  FleetSize size;
  if (argc > 1) size.nodes = static_cast<std::uint32_t>(std::max(1L, std::strtol(argv[1], nullptr, 10)));
  std::printf("%u nodes x %u packages, %u distinct sets, %u patches, %u baselines; CPU time of one core\n", size.nodes,
              size.packages_per_set, size.sets, size.patches, size.baselines);
  return Bench(size).run();
}
