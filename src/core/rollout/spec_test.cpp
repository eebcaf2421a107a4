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
    {"no_backups_yet", "name: x\nprotect: {class: R3}\nrings: [{name: a, targets: ['*']}]", "not offered yet"},
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
