#include "core/policy/policy.hpp"

#include <gtest/gtest.h>

#include "base/toml.hpp"
#include "core/schedule/tzif.hpp"

namespace belay::policy {
namespace {

Policy policy_of(std::string_view text) { return read_policy(toml::parse(text).value()).value(); }
Error refusal_of(std::string_view text) { return read_policy(toml::parse(text).value()).error(); }
Instant at(std::string_view text) { return parse_iso8601(text).value(); }

document::Step step_of(document::Work work) {
  document::Step step;
  step.name = "step";
  step.work = std::move(work);
  return step;
}
document::Step script_in(std::string folder) {
  return step_of(document::RunShellScript{{"true"}, std::move(folder), {}, {}});
}
document::Step download_to(std::string destination) {
  document::DownloadContent content;
  content.destination = std::move(destination);
  return step_of(content);
}
document::Step patch(std::string operation) {
  document::Patch work;
  work.operation = std::move(operation);
  return step_of(work);
}
document::Step inner(std::string name) {
  document::RunDocument work;
  work.document = std::move(name);
  return step_of(work);
}

// Which rule stands against one step of Team-Deploy by admin; "" where none does.
std::string against(std::string_view policy, const document::Step& step) {
  const auto answer = check(policy_of(policy), {}, {"Team-Deploy", "admin", true, false, false, {&step, 1}}, Instant{});
  if (answer.ok()) return "";
  EXPECT_EQ(answer.error().code(), Code::permission_denied);
  EXPECT_EQ(answer.error().reason(), "policy-forbids");
  return answer.error().message();
}

struct Row {
  const char* policy;
  document::Step step;
  const char* why;  // part of the refusal, "" where it is allowed
};

TEST(Policy, Rules) {
  const Row rows[] = {
      {"", script_in("/anywhere"), ""},
      {"documents = ['Team-*']", script_in(""), ""},
      {"documents = ['Belay-*']", script_in(""), "document Team-Deploy"},
      {"documents = []", script_in(""), "document Team-Deploy"},
      {"documents = ['Team-*']", inner("Other"), "document Other"},
      {"documents = ['Team-*', 'AWS-RunShellScript']", inner("Belay-RunShellScript"), ""},
      {"users = ['adm?n']", script_in(""), ""},
      {"users = ['maintenance window *']", script_in(""), "'admin'"},
      {"scripts = false", script_in(""), "scripts"},
      {"scripts = false", download_to(""), ""},
      {"patching = false", script_in(""), ""},
      {"patching = false", patch("Install"), "patching"},
      {"patching = false", patch("Scan"), ""},
      {"paths = ['/srv/app/', '/opt/*/bin']", script_in("/srv/app"), ""},
      {"paths = ['/srv/app/', '/opt/*/bin']", script_in("/srv/app/deep/er"), ""},
      {"paths = ['/srv/app/', '/opt/*/bin']", script_in("/srv/apple"), "/srv/apple"},
      {"paths = ['/srv/app/', '/opt/*/bin']", download_to("/opt/x/bin"), ""},
      {"paths = ['/srv/app']", download_to("/srv/app/../../etc/cron.d/x"), "'..'"},
      {"paths = ['/srv/app']", download_to("../../etc"), "'..'"},
      {"paths = []", download_to("own/folder"), ""},
      {"paths = []", script_in("/"), "working directory /"},
      {"paths = ['/']", script_in("/any"), ""},
  };
  for (const auto& row : rows) {
    const auto why = against(row.policy, row.step);
    if (*row.why) EXPECT_NE(why.find(row.why), std::string::npos) << row.policy << ": " << why;
    else EXPECT_EQ(why, "") << row.policy;
  }
}

TEST(Policy, AStepThatIsPassedOverIsNotAsked) {
  auto step = script_in("/elsewhere");
  step.skip = "not on Linux";
  EXPECT_EQ(against("scripts = false\npaths = []", step), "");
}

TEST(Policy, WhatTheServerAsksForItselfIsAllowedUnlessItPatches) {
  const auto strict = policy_of("documents = []\nusers = []\nhours = []\npatching = false\n");
  EXPECT_TRUE(check(strict, {}, {}, Instant{}).ok()) << "a scan";
  EXPECT_FALSE(check(strict, {}, {"", "", false, true, false, {}}, Instant{}).ok()) << "a plan";
  EXPECT_FALSE(check(strict, {}, {"", "eve", false, false, false, {}}, Instant{}).ok()) << "a scan somebody wants";
  EXPECT_FALSE(check(policy_of("documents = ['A']"), {}, {"", "", true, false, false, {}}, Instant{}).ok());
}

TEST(Policy, WhatIsInstalledIsApprovedByAsManyAsItWants) {
  const auto two = policy_of("approvals = 2");
  const auto allowed = [&](bool installs, std::uint32_t approvals) {
    return check(two, {}, {"D", "u", true, true, false, {}, installs, approvals}, Instant{}).ok();
  };
  EXPECT_FALSE(allowed(true, 0));
  EXPECT_FALSE(allowed(true, 1));
  EXPECT_TRUE(allowed(true, 2));
  EXPECT_TRUE(allowed(false, 0)) << "a way back";
  EXPECT_TRUE(check(policy_of(""), {}, {"D", "u", true, true, false, {}, true, 0}, Instant{}).ok()) << "as ever";
  EXPECT_EQ(describe(two).at(5), "approvals: 2 of what is installed, besides its author's");
}

TEST(Policy, HoursAreThoseOfTheZoneAndOfTheDayTheyBeginOn) {
  const auto weeknights = policy_of("[[hours]]\ndays = ['Mon', 'friday']\nfrom = '22:00'\nuntil = '04:00'\n");
  const auto zone = schedule::ZoneRules{"X", {}, {}, schedule::parse_footer("CET-1").value()};
  const auto allowed = [&](const char* when, bool goes_on = false) {
    return check(weeknights, zone, {"D", "u", true, false, goes_on, {}}, at(when)).ok();
  };
  EXPECT_FALSE(allowed("2026-11-27T20:59:59Z"));  // a Friday, 21:59:59 there
  EXPECT_TRUE(allowed("2026-11-27T21:00:00Z"));
  EXPECT_TRUE(allowed("2026-11-28T02:59:59Z"));  // Saturday morning, of Friday's night
  EXPECT_FALSE(allowed("2026-11-28T03:00:00Z"));
  EXPECT_FALSE(allowed("2026-11-28T22:00:00Z"));       // Saturday
  EXPECT_FALSE(allowed("2026-11-30T00:30:00Z"));       // Monday morning belongs to Sunday's night
  EXPECT_TRUE(allowed("2026-11-28T03:00:00Z", true));  // begun in time, goes on
  EXPECT_TRUE(check(weeknights, zone, {"D", "u", false, false, false, {}}, at("2026-11-28T12:00:00Z")).ok());  // looks
  const auto days = policy_of("[[hours]]\ndays = ['Sat']\n[[hours]]\nfrom = '08:00'\nuntil = '09:00'");
  for (const auto& [when, is] :
       {std::pair{"2026-11-28T23:59:00Z", true}, {"2026-11-29T08:30:00Z", true}, {"2026-11-29T09:00:00Z", false}})
    EXPECT_EQ(check(days, {}, {"D", "u", true, false, false, {}}, at(when)).ok(), is) << when;
}

TEST(Policy, MistakesAreNamedWithFieldAndLine) {
  const std::pair<const char*, const char*> rows[] = {
      {"documnets = ['A']", "documnets (line 1)"},
      {"users = 'admin'", "users (line 1)"},
      {"users = ['admin', 3]", "users[1] (line 1)"},
      {"scripts = 'no'", "scripts (line 1)"},
      {"approvals = 'two'", "approvals (line 1)"},
      {"approvals = 11", "approvals (line 1)"},
      {"approvals = -1", "approvals (line 1)"},
      {"\npaths = ['srv']", "paths[0] (line 2)"},
      {"paths = ['/srv/../etc']", "paths[0]"},
      {"hours = 'night'", "hours (line 1)"},
      {"[[hours]]\ndays = ['Someday']", "hours[0].days[0] (line 2)"},
      {"[[hours]]\nfrom = '25:00'", "hours[0].from (line 2)"},
      {"[[hours]]\nfrom = '8:00'", "hours[0].from"},
      {"[[hours]]\nfrom = '08:00'\nuntil = '08:00'", "hours[0] (line 1)"},
      {"[[hours]]\nuntill = '08:00'", "untill"},
  };
  for (const auto& [text, place] : rows) {
    const auto error = refusal_of(text);
    EXPECT_EQ(error.reason(), "policy-unusable");
    EXPECT_NE(error.message().find(place), std::string::npos) << text << ": " << error.message();
  }
}

TEST(Policy, SaysWhatItAllows) {
  EXPECT_EQ(describe(policy_of("documents = ['A', 'B-*']\nusers = []\nscripts = false\ntimezone = 'UTC'\n[[hours]]\n"
                               "days = ['Sat']\nfrom = '22:00'\nuntil = '04:30'")),
            (std::vector<std::string>{"documents: A, B-*", "users: none", "paths: any", "scripts: forbidden",
                                      "patching: allowed", "hours: Sat 22:00-04:30 (UTC)"}));
}

}  // namespace
}  // namespace belay::policy
