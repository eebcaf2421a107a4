#include "core/rollout/spec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::rollout {
namespace {
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::string_view kWhole = R"(
name: october-security
baseline: deb-prod
approvals: 1
protect: {class: R1, snapshots: [btrfs, packages]}
rings:
  - {name: dev, targets: ["tag:Environment=dev"], soak: 10m, maxConcurrency: "100%", maxErrors: "0"}
  - {name: staging, targets: ["tag:Environment=staging"], soak: 1h, approval: 1}
  - {name: prod, targets: ["tag:Environment=prod"], maxConcurrency: "10%", window: mw-0123456789abcdef0, budget: [{tag: Role, maxDisrupted: 1}]}
probes:
  - {name: web, http: {url: "http://127.0.0.1/", status: 200, within: 2s}}
  - {name: units, systemd: newly-failed}
  - {name: app, command: "/usr/local/bin/check", timeout: 10s}
gate: {for: 2m, every: 10s, misses: 2}
reboot: if-needed
onFailure: rollback
)";

TEST(Spec, ReadsTheFileOfTheGuide) {
  const auto spec = read_spec(kWhole);
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->name, "october-security");
  EXPECT_EQ(spec->baseline, "deb-prod");
  EXPECT_EQ(spec->approvals, 1u);
  EXPECT_EQ(spec->protection.snapshots, (std::vector<std::string>{"btrfs", "packages"}));
  ASSERT_EQ(spec->rings.size(), 3u);
  EXPECT_EQ(spec->rings[0].soak, 10min);
  EXPECT_EQ(spec->rings[0].max_concurrency, "100%");
  EXPECT_EQ(spec->rings[1].approvals, 1u);
  EXPECT_EQ(spec->rings[1].max_concurrency, "10%") << "the default";
  EXPECT_EQ(spec->rings[2].window, "mw-0123456789abcdef0");
  ASSERT_EQ(spec->rings[2].budgets.size(), 1u);
  EXPECT_EQ(spec->rings[2].budgets[0].tag, "Role");
  ASSERT_EQ(spec->probes.size(), 3u);
  EXPECT_EQ(spec->probes[0].http->within, 2s);
  EXPECT_TRUE(spec->probes[1].systemd && spec->probes[1].systemd->units.empty());
  EXPECT_EQ(spec->probes[2].command->timeout, 10s);
  EXPECT_EQ(spec->gate.watch, 2min);
  EXPECT_EQ(spec->reboot, patchrun::Reboot::if_needed);
  EXPECT_EQ(spec->on_failure, FailureAction::rollback);
}

TEST(Spec, ASpanOfZeroNeedsNoQuotesAndNoUnit) {
  for (const auto* zero : {"0", "'0'", "0s"}) {
    const auto spec = read_spec("name: x\nrings: [{name: a, targets: ['*'], soak: " + std::string(zero) +
                                "}]\nprotect: {keep: " + zero + "}\ngate: {for: " + zero + "}");
    ASSERT_TRUE(spec.ok()) << spec.error().message();
    EXPECT_EQ(spec->gate.watch, Duration::zero());
    EXPECT_EQ(spec->gate.every, 10s);
    EXPECT_EQ(spec->rings[0].soak, Duration::zero());
  }
}

TEST(Spec, WhoIsToldIsOneOrMany) {
  const std::string rings = "name: x\nrings: [{name: a, targets: ['*']}]\n";
  const auto one = read_spec(rings + "notify: {webhook: 'https://chat/x'}");
  ASSERT_TRUE(one.ok()) << one.error().message();
  EXPECT_EQ(one->webhooks, std::vector<std::string>{"https://chat/x"});
  const auto many = read_spec(rings + "notify: [{webhook: 'https://chat/x'}, {mail: ops+patch@example.org}]");
  ASSERT_TRUE(many.ok()) << many.error().message();
  EXPECT_EQ(many->webhooks.size(), 1u);
  EXPECT_EQ(many->mails, std::vector<std::string>{"ops+patch@example.org"});
}

TEST(Spec, ProvidersOfOnesOwnAreNamedAsCommands) {
  const auto spec =
      read_spec("name: x\nprotect: {class: R2, snapshots: [lvm, 'command:filer']}\nrings: [{name: a, targets: ['*']}]");
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->protection.snapshots, (std::vector<std::string>{"lvm", "filer"})) << "as the node knows it";
}

TEST(Spec, ReadsJsonToo) {
  const auto spec = read_spec(R"({"name": "x", "rings": [{"name": "all", "targets": ["*"], "maxConcurrency": 5}]})");
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->rings[0].max_concurrency, "5");
  EXPECT_EQ(spec->rings[0].targets[0].values, std::vector<std::string>{"*"});
}

struct Wrong {
  const char *name, *text, *says;
};
void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

class WrongSpec : public testing::TestWithParam<Wrong> {};

TEST_P(WrongSpec, IsRefusedWithItsField) {
  const auto spec = read_spec(GetParam().text);
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.error().code(), Code::invalid_argument);
  EXPECT_EQ(spec.error().reason(), "ValidationException");
  EXPECT_THAT(spec.error().message(), HasSubstr(GetParam().says));
}

constexpr Wrong kWrong[] = {
    {"empty", "", "is empty"},
    {"no_name", "rings: [{name: a, targets: ['*']}]", "name (line 1): is missing"},
    {"no_rings", "name: x", "rings (line 1): is missing"},
    {"empty_rings", "name: x\nrings: []", "rings (line 2): is empty"},
    {"ring_without_targets", "name: x\nrings: [{name: a}]", "rings[0].targets"},
    {"ring_with_no_target", "name: x\nrings: [{name: a, targets: []}]", "names nobody"},
    {"same_ring", "name: x\nrings: [{name: a, targets: ['*']}, {name: a, targets: ['*']}]", "like another ring"},
    {"unknown_member", "name: x\nrings: [{name: a, targets: ['*']}]\nonFailur: halt",
     "onFailur (line 3): is not known"},
    {"bad_tag", "name: x\nrings: [{name: a, targets: ['tag:Role']}]", "write tag:Key=Value"},
    {"two_sources", "name: x\nbaseline: b\nchangeSet: cs-1\nrings: [{name: a, targets: ['*']}]", "beside a baseline"},
    {"bad_soak", "name: x\nrings: [{name: a, targets: ['*'], soak: 10}]", "soak"},
    {"bad_rate", "name: x\nrings: [{name: a, targets: ['*'], maxConcurrency: 0}]", "maxConcurrency"},
    {"bad_class", "name: x\nprotect: {class: R9}\nrings: [{name: a, targets: ['*']}]", "protect.class"},
    {"r3_without_proof", "name: x\nprotect: {class: R3, proof: none}\nrings: [{name: a, targets: ['*']}]", "say R2"},
    {"proof_level", "name: x\nprotect: {proof: {level: P6}}\nrings: [{name: a, targets: ['*']}]",
     "protect.proof.level (line 2): is 'P6'"},
    {"proof_level_x", "name: x\nprotect: {proof: {level: x}}\nrings: [{name: a, targets: ['*']}]", "expected P0 to P5"},
    {"proof_member", "name: x\nprotect: {proof: {within: 7d}}\nrings: [{name: a, targets: ['*']}]",
     "protect.proof.within (line 2): is not known"},
    {"proof_for_ever", "name: x\nprotect: {proof: {provenWithin: '0'}}\nrings: [{name: a, targets: ['*']}]",
     "provenWithin"},
    {"rto_unmeasured", "name: x\nprotect: {proof: {level: P2, rto: 1h}}\nrings: [{name: a, targets: ['*']}]",
     "measured by restoring"},
    {"proof_of_ring", "name: x\nrings: [{name: a, targets: ['*'], proof: {level: P9}}]", "rings[0].proof.level"},
    {"proof_is_text", "name: x\nrings: [{name: a, targets: ['*'], proof: P4}]", "rings[0].proof"},
    {"restore_unproven", "name: x\nprotect:\n  restoreData: true\nrings: [{name: a, targets: ['*']}]",
     "protect.restoreData (line 3): puts data back from a backup, and no proof"},
    {"restore_unproven_in_ring",
     "name: x\nprotect: {class: R3}\nprobes: [{name: p, tcp: 'a:1'}]\nrings: [{name: a, targets: ['*'], proof: none, "
     "restoreData: true}]",
     "rings[0].restoreData (line 4): puts data back from a backup, and no proof"},
    {"restore_never_restored",
     "name: x\nprotect: {proof: {level: P2}, restoreData: true}\nprobes: [{name: p, tcp: 'a:1'}]\n"
     "rings: [{name: a, targets: ['*']}]",
     "protect.restoreData (line 2): wants"},
    {"restore_without_probes", "name: x\nprotect: {class: R3, restoreData: true}\nrings: [{name: a, targets: ['*']}]",
     "protect.restoreData (line 2): wants probes"},
    {"restore_without_rollback",
     "name: x\nprotect: {class: R3}\nprobes: [{name: p, tcp: 'a:1'}]\nonFailure: halt\n"
     "rings: [{name: a, targets: ['*'], restoreData: true}]",
     "rings[0].restoreData (line 5): is the last step"},
    {"restore_is_text", "name: x\nprotect: {class: R3, restoreData: maybe}\nrings: [{name: a, targets: ['*']}]",
     "protect.restoreData"},
    {"packages_are_no_snapshot",
     "name: x\nprotect: {class: R2, snapshots: [packages]}\nrings: [{name: a, targets: ['*']}]", "held packages"},
    {"nor_for_a_ring", "name: x\nprotect: {snapshots: [packages]}\nrings: [{name: a, targets: ['*'], class: R2}]",
     "rings[0].class"},
    {"unknown_provider", "name: x\nprotect: {snapshots: [brtfs]}\nrings: [{name: a, targets: ['*']}]", "brtfs"},
    {"no_mail", "name: x\nrings: [{name: a, targets: ['*']}]\nnotify: [{mail: \"a@b, c@d\"}]", "notify[0].mail"},
    {"mail_header", "name: x\nrings: [{name: a, targets: ['*']}]\nnotify: [{mail: \"a@b\\nBcc: c@d\"}]",
     "notify[0].mail"},
    {"no_notice", "name: x\nrings: [{name: a, targets: ['*']}]\nnotify: [{}]", "neither or both"},
    {"plain_http", "name: x\nrings: [{name: a, targets: ['*']}]\nnotify: {webhook: 'http://x'}", "notify.webhook"},
    {"no_sample", "name: x\nrings: [{name: a, targets: ['*'], sampleSize: 0}]", "sampleSize"},
    {"bare_number", "name: x\nrings: [{name: a, targets: ['*']}]\ngate: {for: 120}", "without a unit"},
    {"gate_too_short", "name: x\nrings: [{name: a, targets: ['*']}]\ngate: {for: 500ms, every: 500ms, misses: 1}",
     "0 reads once"},
    {"probe_of_nothing", "name: x\nrings: [{name: a, targets: ['*']}]\nprobes: [{name: p}]", "measures nothing"},
    {"probe_of_two",
     "name: x\nrings: [{name: a, targets: ['*']}]\nprobes: [{name: p, tcp: 'a:1', systemd: newly-failed}]",
     "several things"},
    {"timeout_alone", "name: x\nrings: [{name: a, targets: ['*']}]\nprobes: [{name: p, tcp: 'a:1', timeout: 1s}]",
     "belongs to a command"},
    {"gate_cannot_close", "name: x\nrings: [{name: a, targets: ['*']}]\ngate: {for: 10s, every: 10s, misses: 2}",
     "could not close"},
    {"gate_never", "name: x\nrings: [{name: a, targets: ['*']}]\ngate: {for: 5s, every: 10s, misses: 1}",
     "could not close"},
    {"order_without_last", "name: x\nrings: [{name: a, targets: ['*'], order: {command: role}}]", "comes last"},
    {"window", "name: x\nrings: [{name: a, targets: ['*'], window: sunday}]", "mw-"},
    {"not_a_mapping", "- a\n- b", "expected a mapping"},
};
INSTANTIATE_TEST_SUITE_P(Table, WrongSpec, testing::ValuesIn(kWrong),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Spec, ReadsTheProofThatIsDemanded) {
  const auto spec = read_spec(
      "name: x\n"
      "protect: {class: R3, proof: {level: P4x, provenWithin: 3d, pointWithin: 12h, rto: 1h, backUpFirst: false}}\n"
      "rings:\n"
      "  - {name: a, targets: ['*']}\n"
      "  - {name: b, targets: ['*'], class: R1, proof: {level: P5, proveFirst: false}}\n"
      "  - {name: c, targets: ['*'], proof: none}\n"
      "  - {name: d, targets: ['*'], class: R1}\n");
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  using backup::ProofLevel;
  EXPECT_EQ(spec->protection.least, patchrun::ReversibilityClass::R2) << "what a node reaches by itself";
  const backup::Demand whole{ProofLevel::P4, true, std::chrono::days(3), 12h, 1h, false, true};
  EXPECT_EQ(spec->proof, whole);
  EXPECT_EQ(spec->rings[0].proof, whole);
  EXPECT_EQ(spec->rings[1].least, patchrun::ReversibilityClass::R1);
  EXPECT_EQ(spec->rings[1].proof, (backup::Demand{ProofLevel::P5, false, std::chrono::days(3), 12h, 1h, false, false}))
      << "what it leaves out is the rollout's";
  EXPECT_EQ(spec->rings[2].proof, std::nullopt);
  EXPECT_EQ(spec->rings[3].proof, whole) << "a class alone lifts no demand";
}

TEST(Spec, R3IsR2AndARestoredPoint) {
  const auto spec = read_spec("name: x\nprotect: {class: R3}\nrings: [{name: a, targets: ['*']}]");
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->protection.least, patchrun::ReversibilityClass::R2);
  const backup::Demand demand{backup::ProofLevel::P3, false, std::chrono::days(7), 24h, 0s, true, true};
  EXPECT_EQ(spec->proof, demand);
  EXPECT_EQ(spec->rings[0].proof, demand);
  const auto ring = read_spec("name: x\nrings: [{name: a, targets: ['*']}, {name: b, targets: ['*'], class: R3}]");
  ASSERT_TRUE(ring.ok()) << ring.error().message();
  EXPECT_EQ(ring->rings[0].proof, std::nullopt);
  EXPECT_EQ(ring->rings[1].least, patchrun::ReversibilityClass::R2);
  EXPECT_EQ(ring->rings[1].proof, demand);
  const auto plain = read_spec("name: x\nprotect: {proof: {level: P4}}\nrings: [{name: a, targets: ['*']}]");
  ASSERT_TRUE(plain.ok()) << plain.error().message();
  EXPECT_EQ(plain->protection.least, patchrun::ReversibilityClass::R1) << "a proof alone changes no class";
  EXPECT_EQ(plain->proof->level, backup::ProofLevel::P4);
  EXPECT_EQ(plain->proof->proven_within, std::chrono::days(7));
}

TEST(Spec, DataIsRestoredOnlyWhereSomebodySaysSo) {
  const auto spec = read_spec(
      "name: x\n"
      "protect: {class: R3, restoreData: true}\n"
      "probes: [{name: p, tcp: 'a:1'}]\n"
      "rings:\n"
      "  - {name: a, targets: ['*']}\n"
      "  - {name: b, targets: ['*'], restoreData: false}\n"
      "  - {name: c, targets: ['*'], proof: none}\n");
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_TRUE(spec->rings[0].restore_data);
  EXPECT_FALSE(spec->rings[1].restore_data);
  EXPECT_TRUE(spec->rings[1].proof) << "the demand stays";
  EXPECT_FALSE(spec->rings[2].restore_data) << "it ends with the demand";
  const auto plain = read_spec("name: x\nprotect: {class: R3}\nrings: [{name: a, targets: ['*']}]");
  ASSERT_TRUE(plain.ok()) << plain.error().message();
  EXPECT_FALSE(plain->rings[0].restore_data) << "never by itself";
}

TEST(Spec, TellsEverythingThatIsWrongAtOnce) {
  const auto spec = read_spec("rings: [{name: a}]\nreboot: maybe");
  ASSERT_FALSE(spec.ok());
  for (const char* says : {"name (line 1): is missing", "rings[0].targets", "reboot (line 2)"})
    EXPECT_THAT(spec.error().message(), HasSubstr(says));
}

TEST(Spec, Spans) {
  EXPECT_EQ(parse_span("1h30m").value(), 90min);
  EXPECT_EQ(parse_span("0").value(), 0s);
  EXPECT_EQ(parse_span("7d").value(), std::chrono::days(7));
  for (const char* wrong : {"", "10", "m", "1h30", "1 h", "-5m"}) EXPECT_FALSE(parse_span(wrong).ok()) << wrong;
}

TEST(Spec, Targets) {
  EXPECT_EQ(parse_target("tag:Role=db, web").value(), (RingTarget{"tag:Role", {"db", "web"}}));
  EXPECT_EQ(parse_target("group:prod").value(), (RingTarget{"PatchGroup", {"prod"}}));
  EXPECT_EQ(parse_target("web-1").value(), (RingTarget{"InstanceIds", {"web-1"}}));
  for (const char* wrong : {"tag:=x", "tag:Role=", "group:", "a=b", "10%"})
    EXPECT_FALSE(parse_target(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace belay::rollout
