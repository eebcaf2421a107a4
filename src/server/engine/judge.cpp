#include "server/engine/judge.hpp"

#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/baseline/predefined.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/evaluation_cache.hpp"
#include "server/engine/evidence.hpp"
#include "server/engine/node_state.hpp"
#include "server/engine/rejudge.hpp"
#include "server/engine/remedy_kind.hpp"
#include "store/baselines.hpp"
#include "store/contents.hpp"
#include "store/settings.hpp"
#include "store/tags.hpp"

namespace belay::server {
namespace {
using fleet::Problem;
using fleet::Reason;
using store::Sql;
using store::verdicts::Compliance;

constexpr std::size_t kWholeMax = 200;  // evaluations of some hundred rows each: about 100 MB at the worst
constexpr std::size_t kSummariesMax = 200'000;
constexpr std::size_t kSetsMax = 64;  // of each kind, parsed

// An absent row as nullopt, any other failure as itself.
template <typename T>
Result<std::optional<T>> if_there(Result<T> result) {
  if (result.ok()) return std::optional<T>(std::move(result).value());
  if (result.error().code() == Code::not_found) return std::optional<T>();
  return result.error();
}

Result<store::nodes::Brief> brief(Sql& sql, const std::string& node_id) {
  BELAY_TRY_ASSIGN(auto found, store::nodes::get_briefs(sql, std::span(&node_id, 1)));
  if (found.empty()) return Error(Code::not_found, "there is no node " + node_id);
  return std::move(found.front());
}

Result<Duration> duration_setting(Sql& sql, std::string_view key, Duration otherwise) {
  BELAY_TRY_ASSIGN(const auto text, store::settings::get(sql, key));
  if (!text) return otherwise;
  return parse_duration(*text).within("setting '" + std::string(key) + "'");
}

template <typename Set>
Result<std::shared_ptr<const Set>> load_set(Sql& sql, RecentMap<Set>& held, store::contents::Kind kind,
                                            const std::string& hash) {
  if (auto found = held.find(hash)) return found;
  BELAY_TRY_ASSIGN(const auto text, if_there(store::contents::get(sql, kind, hash)));
  if (!text) return std::shared_ptr<const Set>();
  BELAY_TRY_ASSIGN(auto set, json::decode_text<Set>(*text, {.bytes_max = store::contents::kContentBytesMax}));
  auto kept = std::make_shared<const Set>(std::move(set));
  held.put(hash, kept);
  return kept;
}

Result<baseline::FirstSeen> first_seen_of(Sql& sql, const std::string& system, const fleet::OfferSet& offers) {
  std::vector<store::contents::PackageVersion> wanted;
  for (const auto& offer : offers.offers)
    if (!offer.released_at) wanted.push_back({offer.name, offer.arch, offer.version});
  BELAY_TRY_ASSIGN(const auto found, store::contents::first_seen(sql, system, wanted));
  baseline::FirstSeen first_seen;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!found[i]) continue;
    const auto [at, added] = first_seen.try_emplace({wanted[i].name, wanted[i].version}, *found[i]);
    if (!added) at->second = std::min(at->second, *found[i]);
  }
  return first_seen;
}

void refresh_ages(baseline::Evaluation& evaluation, Instant now) {
  evaluation.evaluated_at = now;
  for (auto& verdict : evaluation.verdicts) baseline::set_age(verdict, now);
}

bool says_nothing(const baseline::NodeState& state) {
  return state.held.empty() && state.failed.empty() && state.pending_reboot.empty() && state.blocked.empty();
}

}  // namespace

struct Judge::Impl {
  Impl(store::Store& the_store, const Clock& the_clock) : store(the_store), clock(the_clock) {}

  using Key = std::pair<std::string, std::string>;  // patch group and system
  struct Context {                                  // of one call: what many nodes share is read once
    Instant now{};
    std::optional<Instant> as_of;
    JudgePolicy policy;
    std::map<Key, InForce> in_force;
  };

  Result<Context> begin(Sql& sql, std::optional<Instant> as_of) {
    BELAY_TRY_ASSIGN(auto policy, read_judge_policy(sql));
    return Context{as_of.value_or(clock.now()), as_of, policy, {}};
  }

  Result<InForce> version(Sql& sql, const std::string& baseline_id, std::optional<Instant> at) {
    BELAY_TRY_ASSIGN(const auto version,
                     at ? store::baselines::as_of(sql, baseline_id, *at) : store::baselines::get(sql, baseline_id));
    return decode_version(version);
  }

  Result<InForce> decode_version(const store::baselines::Version& version) {
    const std::string key = version.baseline_id + "@" + std::to_string(version.generation);
    if (const auto held = contents.find(key)) return *held;
    InForce found;
    BELAY_TRY_ASSIGN(found.content,
                     json::decode_text<baseline::PatchBaseline>(version.content).within("baseline " + key));
    found.choice.baseline_id = version.baseline_id;
    found.generation = version.generation;
    contents.put(key, std::make_shared<InForce>(found));
    return found;
  }

  // ssm.md 1.3: the group's baseline, else the system's default, else the predefined one.
  Result<baseline::BaselineChoice> choose(Sql& sql, const std::string& group, const std::string& system,
                                          std::optional<Instant> at) {
    using baseline::ChosenBy;
    if (!group.empty()) {
      BELAY_TRY_ASSIGN(const auto bound, if_there(store::baselines::baseline_of_group(sql, group, system, at)));
      if (bound) return baseline::BaselineChoice{*bound, group, ChosenBy::patch_group};
    }
    BELAY_TRY_ASSIGN(const auto chosen, if_there(store::baselines::default_of(sql, system, at)));
    if (chosen) return baseline::BaselineChoice{*chosen, group, ChosenBy::default_baseline};
    const auto known = fleet::operating_system_from_text(system);
    const auto* predefined = known ? baseline::predefined_baseline(*known) : nullptr;
    return baseline::BaselineChoice{predefined ? predefined->id : "", group, ChosenBy::predefined};
  }

  Result<InForce> in_force(Sql& sql, Context& context, const store::nodes::Brief& node, const std::string& group) {
    const Key key{group, node.operating_system};
    if (const auto at = context.in_force.find(key); at != context.in_force.end()) return at->second;
    InForce found;
    BELAY_TRY_ASSIGN(found.choice, choose(sql, group, node.operating_system, context.as_of));
    if (const auto* predefined = baseline::predefined_baseline_by_id(found.choice.baseline_id)) {
      found.content = *predefined;  // never changes, so it is in force at any time
      found.generation = 1;
    } else if (!found.choice.baseline_id.empty()) {
      BELAY_TRY_ASSIGN(const auto content, version(sql, found.choice.baseline_id, context.as_of));
      found.content = content.content;
      found.generation = content.generation;
    }
    context.in_force.emplace(key, found);
    return found;
  }

  Result<std::string> group_of(Sql& sql, const std::string& node_id) {
    BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql, store::tags::kManagedInstance, node_id));
    return group_in(tags);
  }
  static std::string group_in(const std::vector<store::tags::Tag>& tags) {
    std::map<std::string, std::string> by_key;
    for (const auto& tag : tags) by_key.emplace(tag.key, tag.value);
    return baseline::patch_group_of(by_key);
  }

  struct Subject {  // one node with the scan and the rules it is judged by
    const store::nodes::Brief& node;
    const std::optional<store::scans::Scan>& scan;
    const InForce& rules;
    const std::string cache_key = key_of(node, scan, rules);
    static std::string key_of(const store::nodes::Brief& node, const std::optional<store::scans::Scan>& scan,
                              const InForce& rules) {
      if (!scan) return {};
      return scan->package_set_hash + scan->offer_set_hash + node.operating_system + node.os_version + '|' +
             rules.choice.baseline_id + '@' + std::to_string(rules.generation);
    }
    bool cacheable(const Context& context) const { return rules.generation != 0 && !context.as_of; }
  };

  std::vector<Problem> doubts(const Context& context, const Subject& subject, bool mind_silence) const;
  // nullptr where a set is not here (yet).
  Result<std::shared_ptr<const baseline::Evaluation>> evaluation_of_set(Sql& sql, const Context& context,
                                                                        const Subject& subject);
  Result<Judgement> judge(Sql& sql, Context& context, const Subject& subject, bool mind_silence);
  Result<JudgedCounts> count(Sql& sql, Context& context, const Subject& subject);

  store::Store& store;
  const Clock& clock;
  RecentMap<InForce> contents{1'000};
  RecentMap<baseline::Evaluation> whole{kWholeMax};
  RecentMap<EvaluationSummary> summaries{kSummariesMax};
  RecentMap<fleet::PackageSet> package_sets{kSetsMax};
  RecentMap<fleet::OfferSet> offer_sets{kSetsMax};
};

std::vector<Problem> Judge::Impl::doubts(const Context& context, const Subject& subject, bool mind_silence) const {
  std::vector<Problem> doubts;
  const auto doubt = [&](Reason reason, std::string detail, std::string next) {
    doubts.push_back({reason, "", std::move(detail), std::move(next), true});
  };
  const auto& node = subject.node;
  if (subject.rules.choice.baseline_id.empty() && subject.rules.generation == 0 && subject.rules.content.name.empty())
    doubt(Reason::unsupported_system, "no patch baseline is there for the system '" + node.os_name + "'",
          "see which systems are supported");
  if (!subject.scan) {
    doubt(Reason::never_scanned, context.as_of ? "the node had not been scanned by then" : "the node was never scanned",
          "run AWS-RunPatchBaseline with Operation=Scan");
    return doubts;
  }
  const Duration age = context.now - subject.scan->observed_at;
  if (age > context.policy.stale_after)
    doubt(Reason::scan_stale,
          "the newest scan is " + humanize(age) + " old; the policy allows " + humanize(context.policy.stale_after),
          "see that the agent runs, and scan again");
  for (const auto& problem : subject.scan->problems)
    if (problem.blocks_judgement) doubts.push_back(problem);
  const Instant heard = node.last_seen_at.value_or(node.registered_at);
  if (mind_silence && !context.as_of && context.now - heard > context.policy.dark_after)
    doubt(Reason::agent_dark, "the agent was last heard of " + humanize(context.now - heard) + " ago",
          "see that the host is up and reaches the server, then `systemctl status belay-agent` on it");
  return doubts;
}

Result<std::shared_ptr<const baseline::Evaluation>> Judge::Impl::evaluation_of_set(Sql& sql, const Context& context,
                                                                                   const Subject& subject) {
  if (subject.cacheable(context))
    if (auto held = whole.find(subject.cache_key); held && still_true(*held, context.now)) return held;
  using store::contents::Kind;
  std::shared_ptr<const baseline::Evaluation> nothing;
  BELAY_TRY_ASSIGN(const auto packages, load_set(sql, package_sets, Kind::package_set, subject.scan->package_set_hash));
  BELAY_TRY_ASSIGN(const auto offers, load_set(sql, offer_sets, Kind::offer_set, subject.scan->offer_set_hash));
  const auto system = fleet::operating_system_from_text(subject.node.operating_system);
  if (!packages || !offers || !system) return nothing;
  BELAY_TRY_ASSIGN(const auto first_seen, first_seen_of(sql, subject.node.operating_system, *offers));
  const std::string product = fleet::product_name(*system, subject.node.os_version);
  auto evaluation = std::make_shared<baseline::Evaluation>(
      baseline::judge_set({*packages, *offers, subject.rules.content, product, context.now, first_seen}));
  if (subject.cacheable(context)) {
    whole.put(subject.cache_key, evaluation);
    summaries.put(subject.cache_key, std::make_shared<EvaluationSummary>(EvaluationSummary{
                                         evaluation->evaluated_at, evaluation->changes_at, evaluation->counts,
                                         evaluation->compliant, evaluation->severity}));
  }
  return std::shared_ptr<const baseline::Evaluation>(std::move(evaluation));
}

namespace {
Problem sets_missing() {
  return {Reason::metadata_missing, "", "the node has not sent the package lists of its newest scan yet",
          "wait for the node; it sends them at its next contact", true};
}
Compliance compliance_of(const std::vector<Problem>& reasons, bool compliant) {
  if (!reasons.empty()) return Compliance::unknown;
  return compliant ? Compliance::compliant : Compliance::non_compliant;
}
}  // namespace

Result<Judgement> Judge::Impl::judge(Sql& sql, Context& context, const Subject& subject, bool mind_silence) {
  Judgement judgement;
  judgement.node_id = subject.node.node_id;
  judgement.choice = subject.rules.choice;
  judgement.baseline_generation = subject.rules.generation;
  judgement.scan = subject.scan;
  judgement.judged_at = context.now;
  judgement.reasons = doubts(context, subject, mind_silence);
  if (subject.scan) {
    judgement.scan_age = context.now - subject.scan->observed_at;
    BELAY_TRY_ASSIGN(const auto of_set, evaluation_of_set(sql, context, subject));
    if (of_set) {
      BELAY_TRY_ASSIGN(const auto state, node_state(sql, subject.node.node_id, *subject.scan, context.as_of));
      judgement.evaluation = baseline::apply_node(*of_set, subject.rules.content, state);
      refresh_ages(judgement.evaluation, context.now);
    } else if (judgement.reasons.empty()) {
      judgement.reasons.push_back(sets_missing());
    }
  }
  judgement.compliance = compliance_of(judgement.reasons, judgement.evaluation.compliant);
  return judgement;
}

Result<JudgedCounts> Judge::Impl::count(Sql& sql, Context& context, const Subject& subject) {
  JudgedCounts counts;
  counts.node_id = subject.node.node_id;
  counts.choice = subject.rules.choice;
  counts.baseline_generation = subject.rules.generation;
  counts.reasons = doubts(context, subject, true);
  bool compliant = false;
  if (subject.scan) {
    counts.scan_id = subject.scan->scan_id;
    counts.observed_at = subject.scan->observed_at;
    BELAY_TRY_ASSIGN(const auto state, node_state(sql, subject.node.node_id, *subject.scan, {}));
    if (const auto held = summaries.find(subject.cache_key);
        held && says_nothing(state) && still_true(*held, context.now)) {
      counts.counts = held->counts;
      counts.severity = held->severity;
      compliant = held->compliant;
    } else {
      BELAY_TRY_ASSIGN(const auto of_set, evaluation_of_set(sql, context, subject));
      if (of_set) {
        const auto evaluation = baseline::apply_node(*of_set, subject.rules.content, state);
        counts.counts = evaluation.counts;
        counts.severity = evaluation.severity;
        compliant = evaluation.compliant;
      } else if (counts.reasons.empty()) {
        counts.reasons.push_back(sets_missing());
      }
    }
  }
  counts.compliance = compliance_of(counts.reasons, compliant);
  return counts;
}

Judge::Judge(store::Store& store, const Clock& clock) : impl_(std::make_unique<Impl>(store, clock)) {}
Judge::~Judge() = default;

Result<Judgement> Judge::judge(const JudgeQuestion& question) {
  return impl_->store.read([&](Sql& sql) { return judge(sql, question); });
}

Result<Judgement> Judge::judge(Sql& sql, const JudgeQuestion& question) {
  BELAY_TRY_ASSIGN(auto context, impl_->begin(sql, question.as_of));
  BELAY_TRY_ASSIGN(const auto node, brief(sql, question.node_id));
  BELAY_TRY_ASSIGN(const auto scan, question.as_of ? store::scans::as_of(sql, question.node_id, *question.as_of)
                                                   : store::scans::newest(sql, question.node_id));
  BELAY_TRY_ASSIGN(const auto group, impl_->group_of(sql, question.node_id));
  InForce rules;
  if (question.override_baseline) {
    rules.content = *question.override_baseline;
    rules.choice = {question.override_baseline->id, group, baseline::ChosenBy::default_baseline};
  } else if (!question.baseline_id.empty()) {
    BELAY_TRY_ASSIGN(rules, impl_->version(sql, question.baseline_id, question.as_of));
    rules.choice.patch_group = group;
  } else {
    BELAY_TRY_ASSIGN(rules, impl_->in_force(sql, context, node, group));
  }
  return impl_->judge(sql, context, {node, scan, rules}, question.mind_silence);
}

Result<Judge::InForce> Judge::in_force(Sql& sql, const store::nodes::Brief& node, std::optional<Instant> at) {
  BELAY_TRY_ASSIGN(auto context, impl_->begin(sql, at));
  BELAY_TRY_ASSIGN(const auto group, impl_->group_of(sql, node.node_id));
  return impl_->in_force(sql, context, node, group);
}

Result<std::vector<JudgedCounts>> Judge::counts(std::span<const std::string> node_ids) {
  return impl_->store.read([&](Sql& sql) -> Result<std::vector<JudgedCounts>> {
    BELAY_TRY_ASSIGN(auto context, impl_->begin(sql, {}));
    BELAY_TRY_ASSIGN(const auto nodes, store::nodes::get_briefs(sql, node_ids));
    BELAY_TRY_ASSIGN(const auto tags, store::tags::list_many(sql, store::tags::kManagedInstance, node_ids));
    std::vector<JudgedCounts> all;
    all.reserve(nodes.size());
    for (const auto& node : nodes) {
      const auto of_node = tags.find(node.node_id);
      const std::string group = of_node == tags.end() ? "" : Impl::group_in(of_node->second);
      BELAY_TRY_ASSIGN(const auto rules, impl_->in_force(sql, context, node, group));
      BELAY_TRY_ASSIGN(const auto scan, store::scans::newest(sql, node.node_id));
      BELAY_TRY_ASSIGN(auto counts, impl_->count(sql, context, {node, scan, rules}));
      all.push_back(std::move(counts));
    }
    return all;
  });
}

Result<std::shared_ptr<const fleet::PackageSet>> Judge::packages(Sql& sql, const std::string& hash) {
  return load_set(sql, impl_->package_sets, store::contents::Kind::package_set, hash);
}

Result<std::shared_ptr<const fleet::OfferSet>> Judge::offers(Sql& sql, const std::string& hash) {
  return load_set(sql, impl_->offer_sets, store::contents::Kind::offer_set, hash);
}

Result<KeptVerdict> keep_verdict(Sql& sql, const Judgement& judgement, const VerdictContext& context) {
  const auto& scan = judgement.scan;
  store::verdicts::Verdict verdict;
  verdict.node_id = judgement.node_id;
  verdict.scan_id = scan ? scan->scan_id : "";
  verdict.observed_at = scan ? scan->observed_at : judgement.judged_at;
  verdict.judged_at = judgement.judged_at;
  verdict.baseline_id = judgement.choice.baseline_id;
  verdict.baseline_generation = judgement.baseline_generation;
  verdict.rule_version = kRuleVersion;
  verdict.patch_group = judgement.choice.patch_group;
  verdict.operation = context.operation;
  verdict.operation_started_at = context.started_at;
  verdict.operation_ended_at = context.ended_at;
  verdict.snapshot_id = context.snapshot_id;
  verdict.command_id = context.command_id;
  verdict.run_id = context.run_id;
  verdict.ad_hoc = context.ad_hoc;
  verdict.compliance = judgement.compliance;
  verdict.severity = json::encode(judgement.evaluation.severity).as_string().c_str();
  verdict.counters = json::encode_text(judgement.evaluation.counts);
  verdict.reasons = json::encode_text(judgement.reasons);
  BELAY_TRY_ASSIGN(verdict.evidence_hash, store::contents::put(sql, store::contents::Kind::evidence,
                                                               evidence_text(judgement), judgement.judged_at));
  BELAY_TRY_ASSIGN(const auto before, store::verdicts::newest(sql, judgement.node_id));
  BELAY_TRY_ASSIGN(const auto sequence, store::verdicts::add(sql, verdict));
  if (!verdict.ad_hoc && (!before || before->compliance != verdict.compliance || before->severity != verdict.severity))
    BELAY_TRY(tell_remedies(sql, judgement.node_id, judgement.judged_at));
  return KeptVerdict{sequence, verdict.evidence_hash};
}

Result<std::int64_t> Judge::record(Sql& sql, const Judgement& judgement, const VerdictContext& context) {
  BELAY_TRY_ASSIGN(const auto kept, keep_verdict(sql, judgement, context));
  const json::Object detail{{"baseline", judgement.choice.baseline_id},
                            {"compliance", json::encode(judgement.compliance)},
                            {"evidence", kept.evidence_hash},
                            {"operation", context.operation},
                            {"verdict", kept.sequence}};
  BELAY_TRY(note_in_audit(sql, judgement.judged_at, context.actor, kVerdictEntry, judgement.node_id, detail));
  return kept.sequence;
}

Result<JudgePolicy> read_judge_policy(Sql& sql) {
  JudgePolicy policy;
  BELAY_TRY_ASSIGN(policy.stale_after, duration_setting(sql, "judge.stale-after", policy.stale_after));
  BELAY_TRY_ASSIGN(policy.dark_after, duration_setting(sql, "judge.dark-after", policy.dark_after));
  return policy;
}

Status install_predefined_baselines(store::Store& store, Instant now) {
  return store.write([&](Sql& sql) -> Status {
    for (const auto& predefined : baseline::predefined_baselines()) {
      BELAY_TRY_ASSIGN(const auto there, if_there(store::baselines::get(sql, predefined.id)));
      if (there) continue;
      store::baselines::Version version;
      version.baseline_id = predefined.id;
      version.name = predefined.name;
      version.operating_system = fleet::to_text(predefined.operating_system);
      version.predefined = true;
      version.content = json::encode_text(predefined);
      version.valid_from = version.created_at = now;
      version.changed_by = "belayd";
      BELAY_TRY(store::baselines::create(sql, version));
    }
    return {};
  });
}

}  // namespace belay::server
