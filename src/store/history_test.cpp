// What is kept for ever, and asked "as of".
#include <algorithm>

#include "store/baselines.hpp"
#include "store/change_sets.hpp"
#include "store/contents.hpp"
#include "store/fixture_test.hpp"
#include "store/nodes.hpp"
#include "store/runs.hpp"
#include "store/scans.hpp"
#include "store/snapshots.hpp"
#include "store/verdicts.hpp"

namespace belay::store {
namespace {

class HistoryTest : public StoreTest {};
BELAY_ON_EVERY_STORE(HistoryTest);
using Ids = std::vector<std::string>;

TEST_P(HistoryTest, ContentsAreKeptOnceUnderTheirHash) {
  const std::string text = "[\"" + std::string(100'000, 'p') + "\"]", hash = fake_hash(text);
  const auto put = [&](std::string_view name, std::string_view what) {
    return write([&](Sql& sql) { return contents::put(sql, contents::Kind::package_set, name, what, at_s(1)); });
  };
  ASSERT_OK(put(hash, text));
  ASSERT_OK(put(hash, text));
  EXPECT_REASON("hash-mismatch", put(hash, text + " "));
  EXPECT_REASON("hash-mismatch", put("../../etc", text));
  EXPECT_EQ(*read([&](Sql& sql) { return contents::get(sql, contents::Kind::package_set, hash); }), text);
  EXPECT_CODE(Code::not_found, read([&](Sql& sql) { return contents::get(sql, contents::Kind::offer_set, hash); }));
  const std::string absent = fake_hash("other");
  EXPECT_EQ(
      *read([&](Sql& sql) { return contents::missing(sql, contents::Kind::package_set, Ids{absent, hash, absent}); }),
      Ids{absent});
  const auto named = write([&](Sql& sql) { return contents::put(sql, contents::Kind::evidence, "{}", at_s(1)); });
  ASSERT_OK(named);
  EXPECT_EQ(read([](Sql& sql) { return contents::list_hashes(sql, contents::Kind::evidence, {}); })->items,
            Ids{*named});
  if (GetParam() == Driver::sqlite) {
    tamper("UPDATE contents SET body = x'00' WHERE kind = 'evidence'");
    EXPECT_CODE(Code::corrupt, read([&](Sql& sql) { return contents::get(sql, contents::Kind::evidence, *named); }));
  }
}

TEST_P(HistoryTest, TheFirstSightOfAVersionStays) {
  const std::vector<contents::PackageVersion> versions{{"bash", "amd64", "5.2-1"}, {"bash", "amd64", "5.2-2"}};
  ASSERT_OK(
      write([&](Sql& sql) { return contents::note_first_seen(sql, "DEBIAN", std::span(versions).first(1), at_s(1)); }));
  ASSERT_OK(write([&](Sql& sql) { return contents::note_first_seen(sql, "DEBIAN", versions, at_s(2)); }));
  EXPECT_EQ(*read([&](Sql& sql) { return contents::first_seen(sql, "DEBIAN", versions); }),
            (std::vector<std::optional<Instant>>{at_s(1), at_s(2)}));
  EXPECT_EQ(*read([&](Sql& sql) { return contents::first_seen(sql, "UBUNTU", std::span(versions).first(1)); }),
            (std::vector<std::optional<Instant>>{std::nullopt}));
}

scans::Scan scan(const std::string& id, const std::string& node, std::int64_t observed, std::int64_t received) {
  scans::Scan found;
  found.scan_id = id;
  found.node_id = node;
  found.observed_at = at_s(observed);
  found.received_at = at_s(received);
  found.package_set_hash = fake_hash("p" + id);
  found.offer_set_hash = fake_hash("offers");
  found.held = {"linux-image"};
  found.problems = {{.reason = fleet::Reason::release_stale,
                     .subject = "deb.example",
                     .detail = "old",
                     .next = "",
                     .blocks_judgement = true}};
  return found;
}

TEST_P(HistoryTest, ScansAreTakenOnceAndLateOnesHideNothing) {
  add_node("mi-1");
  add_node("mi-2");
  const auto add = [&](const scans::Scan& what) { return write([&](Sql& sql) { return scans::add(sql, what); }); };
  EXPECT_TRUE(*add(scan("s1", "mi-1", 10, 11)));
  EXPECT_FALSE(*add(scan("s1", "mi-1", 10, 15)));
  EXPECT_CODE(Code::invalid_argument, add(scan("s1", "mi-2", 10, 11)));
  EXPECT_CODE(Code::invalid_argument, add(scan("s9", "mi-2", 12, 11)));
  EXPECT_REASON("reference-missing", add(scan("s9", "mi-9", 1, 2)));
  EXPECT_TRUE(*add(scan("s3", "mi-1", 30, 31)));
  EXPECT_TRUE(*add(scan("s2", "mi-1", 20, 40)));  // delivered late
  const auto newest = read([](Sql& sql) { return scans::newest(sql, "mi-1"); });
  ASSERT_OK(newest);
  EXPECT_EQ((*newest)->scan_id, "s3");
  EXPECT_EQ((*newest)->problems.at(0).reason, fleet::Reason::release_stale);
  EXPECT_EQ((*newest)->held, Ids{"linux-image"});
  EXPECT_EQ((*read([](Sql& sql) { return scans::as_of(sql, "mi-1", at_s(25)); }))->scan_id, "s2");
  EXPECT_EQ(*read([](Sql& sql) { return scans::as_of(sql, "mi-1", at_s(5)); }), std::nullopt)
      << "nothing was known then";
  EXPECT_EQ(*read([](Sql& sql) { return scans::newest(sql, "mi-2"); }), std::nullopt);
  const auto first = read([](Sql& sql) { return scans::history(sql, "mi-1", {.limit = 2, .after = {}}); });
  ASSERT_OK(first);
  EXPECT_EQ(first->items.at(1).scan_id, "s2");
  EXPECT_EQ(read([&](Sql& sql) { return scans::history(sql, "mi-1", {.limit = 2, .after = first->next}); })
                ->items.at(0)
                .scan_id,
            "s1");
}

TEST_P(HistoryTest, HeadsFollowTheFleet) {
  add_node("mi-1");
  add_node("mi-2");
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(scans::add(sql, scan("s1", "mi-1", 10, 11)));
    BELAY_TRY(scans::add(sql, scan("s2", "mi-2", 20, 21)));
    BELAY_TRY(scans::add(sql, scan("s3", "mi-1", 30, 31)));
    return {};
  }));
  const auto all = read([](Sql& sql) { return scans::heads(sql, std::nullopt, {}); });
  ASSERT_OK(all);
  ASSERT_EQ(all->items.size(), 2u);
  EXPECT_EQ(all->items[0].scan_id, "s3");
  EXPECT_EQ(read([](Sql& sql) { return scans::heads(sql, at_s(31), {}); })->items.at(0).node_id, "mi-1");
  EXPECT_EQ(read([](Sql& sql) { return scans::heads_with_set(sql, fake_hash("ps2"), {}); })->items.at(0).node_id,
            "mi-2");
  EXPECT_EQ(read([](Sql& sql) { return scans::heads_with_set(sql, fake_hash("offers"), {}); })->items.size(), 2u);
  EXPECT_EQ(read([](Sql& sql) { return scans::heads_of(sql, Ids{"mi-2", "mi-7"}); })->size(), 1u);
}

TEST_P(HistoryTest, RunsAndWhatWaitsForAReboot) {
  add_node("mi-1");
  runs::Run run;
  run.run_id = "r1";
  run.node_id = "mi-1";
  run.finished_at = at_s(10);
  run.reboot = patchrun::Reboot::never;
  run.report.outcome = patchrun::Outcome::committed;
  run.report.changed = {
      {.name = "bash", .arch = "amd64", .from_version = "1", .to_version = "2", .sha256 = "", .size_bytes = 7}};
  EXPECT_TRUE(*write([&](Sql& sql) { return runs::add(sql, run); }));
  EXPECT_FALSE(*write([&](Sql& sql) { return runs::add(sql, run); }));
  run.run_id = "r2";
  run.finished_at = at_s(20);
  run.reboot = patchrun::Reboot::if_needed;
  ASSERT_OK(write([&](Sql& sql) { return runs::add(sql, run); }));
  EXPECT_EQ((*read([](Sql& sql) { return runs::newest(sql, "mi-1"); }))->run_id, "r2");
  EXPECT_EQ((*read([](Sql& sql) { return runs::newest(sql, "mi-1", at_s(15)); }))->report.changed.at(0).name, "bash");
  EXPECT_EQ(*read([](Sql& sql) { return runs::last_no_reboot_install_at(sql, "mi-1"); }), at_s(10));
  EXPECT_EQ(read([](Sql& sql) { return runs::history(sql, "mi-1", {}); })->items.size(), 2u);
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return runs::get(sql, "r9"); }));

  const std::vector<runs::PendingReboot> waiting{{"linux", "amd64", "6.1", "r2", "boot1", at_s(20)}};
  ASSERT_OK(write([&](Sql& sql) { return runs::add_pending_reboot(sql, "mi-1", waiting); }));
  ASSERT_OK(write([&](Sql& sql) { return runs::add_pending_reboot(sql, "mi-1", waiting); }));
  ASSERT_OK(write([](Sql& sql) { return runs::booted(sql, "mi-1", "boot1"); }));
  EXPECT_EQ(read([](Sql& sql) { return runs::pending_reboot(sql, "mi-1"); })->size(), 1u);
  ASSERT_OK(write([](Sql& sql) { return runs::booted(sql, "mi-1", "boot2"); }));
  EXPECT_TRUE(read([](Sql& sql) { return runs::pending_reboot(sql, "mi-1"); })->empty());
}

verdicts::Verdict verdict(const std::string& baseline, std::int64_t judged, verdicts::Compliance compliance) {
  verdicts::Verdict found;
  found.node_id = "mi-1";
  found.baseline_id = baseline;
  found.judged_at = at_s(judged);
  found.compliance = compliance;
  found.patch_group = "web";
  return found;
}

TEST_P(HistoryTest, VerdictsOverwriteNothing) {
  using enum verdicts::Compliance;
  add_node("mi-1");
  add_node("mi-2");
  const auto add = [&](const verdicts::Verdict& what) {
    return write([&](Sql& sql) { return verdicts::add(sql, what); });
  };
  const auto first = add(verdict("pb-1", 10, compliant));
  ASSERT_OK(first);
  ASSERT_OK(add(verdict("pb-2", 20, non_compliant)));
  auto override = verdict("pb-3", 30, compliant);
  override.ad_hoc = true;
  const auto ad_hoc = add(override);
  ASSERT_OK(ad_hoc);
  EXPECT_GT(*ad_hoc, *first);
  EXPECT_EQ((*read([](Sql& sql) { return verdicts::newest(sql, "mi-1"); }))->baseline_id, "pb-2");
  EXPECT_EQ((*read([](Sql& sql) { return verdicts::newest(sql, "mi-1", "pb-1"); }))->compliance, compliant);
  EXPECT_EQ((*read([](Sql& sql) { return verdicts::as_of(sql, "mi-1", at_s(15)); }))->baseline_id, "pb-1");
  EXPECT_EQ((*read([](Sql& sql) { return verdicts::as_of(sql, "mi-1", at_s(5)); })).has_value(), false);
  EXPECT_EQ(read([](Sql& sql) { return verdicts::newest_of(sql, Ids{"mi-2", "mi-1"}); })->at(0).baseline_id, "pb-2");
  EXPECT_EQ(read([](Sql& sql) { return verdicts::history(sql, "mi-1", {}); })->items.size(), 3u);
  EXPECT_EQ(read([&](Sql& sql) { return verdicts::get(sql, *ad_hoc); })->ad_hoc, true);
  const auto listed = [&](const verdicts::Filter& filter) {
    return read([&](Sql& sql) { return verdicts::list_newest(sql, filter, {}); })->items.size();
  };
  EXPECT_EQ(listed({}), 1u);
  EXPECT_EQ(listed({.patch_groups = {"web"}, .baseline_ids = {}, .compliance = {non_compliant, unknown}}), 1u);
  EXPECT_EQ(listed({.patch_groups = {}, .baseline_ids = {}, .compliance = {compliant}}), 0u);
}

TEST_P(HistoryTest, TotalsCountWhatIsStillKnown) {
  using enum verdicts::Compliance;
  struct Row {
    const char* node;
    verdicts::Compliance compliance;
    std::int64_t observed, seen;
    const char* standing;
  };
  const Row rows[] = {{"mi-1", compliant, 100, 100, "compliant"},   {"mi-2", non_compliant, 100, 100, "non"},
                      {"mi-3", compliant, 49, 100, "scan too old"}, {"mi-4", non_compliant, 100, 79, "silent"},
                      {"mi-5", unknown, 100, 100, "said to be so"}, {"mi-6", compliant, 50, 80, "just in time"},
                      {"mi-7", compliant, 100, 100, "deregistered"}};
  for (const auto& row : rows) {
    add_node(row.node);
    auto said = verdict("pb-1", 100, row.compliance);
    said.node_id = row.node;
    said.observed_at = at_s(row.observed);
    ASSERT_OK(write([&](Sql& sql) -> Status {
      BELAY_TRY(verdicts::add(sql, said));
      return nodes::touch_many(sql, std::vector<nodes::Touch>{{row.node, at_s(row.seen)}});
    }));
  }
  add_node("mi-8");  // never judged
  ASSERT_OK(write([](Sql& sql) { return nodes::deregister(sql, "mi-7", at_s(100)); }));
  const auto totals = read([](Sql& sql) { return verdicts::totals(sql, at_s(50), at_s(80)); });
  ASSERT_OK(totals);
  EXPECT_EQ(totals->compliant, 2);
  EXPECT_EQ(totals->non_compliant, 1);
  EXPECT_EQ(totals->unknown, 4);
  const auto ids = [&](std::uint32_t limit) {
    return *read([&](Sql& sql) { return verdicts::by_need(sql, at_s(50), at_s(80), limit); });
  };
  EXPECT_EQ(ids(10), (Ids{"mi-2", "mi-3", "mi-4", "mi-5", "mi-8", "mi-1", "mi-6"}));
  EXPECT_EQ(ids(2), (Ids{"mi-2", "mi-3"}));
}

TEST_P(HistoryTest, SetsThatNoScanNamesAreForgotten) {
  using contents::Kind;
  add_node("mi-1");
  std::vector<std::string> hashes;
  ASSERT_OK(write([&](Sql& sql) -> Status {
    for (int i = 0; i < 5; ++i) {
      BELAY_TRY_ASSIGN(auto hash, contents::put(sql, Kind::package_set, "[" + std::to_string(i) + "]", at_s(i)));
      hashes.push_back(std::move(hash));
    }
    BELAY_TRY(contents::put(sql, Kind::evidence, "{}", at_s(0)));
    auto old = scan("s1", "mi-1", 1, 1), newest = scan("s2", "mi-1", 2, 2);
    old.package_set_hash = hashes[0];  // history: only a scan of the past names it
    newest.package_set_hash = hashes[1];
    BELAY_TRY(scans::add(sql, old));
    BELAY_TRY(scans::add(sql, newest));
    return {};
  }));
  std::int64_t count = 0;
  std::string after;
  int rounds = 0;
  do {  // two at a time
    const auto round =
        write([&](Sql& sql) { return contents::forget_unused_sets(sql, Kind::package_set, at_s(4), after, 2); });
    ASSERT_OK(round);
    count += round->count;
    after = round->after;
  } while (!after.empty() && ++rounds < 10);
  EXPECT_EQ(count, 2);
  const auto left = read([](Sql& sql) { return contents::list_hashes(sql, Kind::package_set, {}); })->items;
  for (const int i : {0, 1, 4})
    EXPECT_TRUE(std::ranges::count(left, fake_hash("[" + std::to_string(i) + "]")) == 1) << i << " must stay";
  EXPECT_EQ(left.size(), 3u);
  EXPECT_EQ(read([](Sql& sql) { return contents::list_hashes(sql, Kind::evidence, {}); })->items.size(), 1u);
}

baselines::Version baseline(const std::string& id, const std::string& os, std::int64_t from) {
  baselines::Version version;
  version.baseline_id = id;
  version.name = "name-" + id;
  version.operating_system = os;
  version.content = "{\"generation\":1}";
  version.valid_from = at_s(from);
  version.changed_by = "admin";
  return version;
}

TEST_P(HistoryTest, BaselinesKeepEveryVersion) {
  ASSERT_OK(write([](Sql& sql) { return baselines::create(sql, baseline("pb-1", "DEBIAN", 10)); }));
  EXPECT_CODE(Code::already_exists,
              write([](Sql& sql) { return baselines::create(sql, baseline("pb-1", "DEBIAN", 10)); }));
  const auto change = [&](std::optional<std::uint32_t> expected, std::int64_t when) {
    return write([&](Sql& sql) {
      return baselines::update(sql, {.baseline_id = "pb-1",
                                     .name = "two",
                                     .content = "{}",
                                     .changed_by = "x",
                                     .expected_generation = expected,
                                     .at = at_s(when)});
    });
  };
  const auto two = change(1, 20);
  ASSERT_OK(two);
  EXPECT_EQ(two->generation, 2u);
  EXPECT_EQ(two->created_at, at_s(10));
  EXPECT_CODE(Code::conflict, change(1, 30));
  ASSERT_OK(change(2, 15));  // the clock went back
  EXPECT_EQ(read([](Sql& sql) { return baselines::get(sql, "pb-1"); })->generation, 3u);
  EXPECT_EQ(read([](Sql& sql) { return baselines::as_of(sql, "pb-1", at_s(19)); })->generation, 1u);
  EXPECT_EQ(read([](Sql& sql) { return baselines::as_of(sql, "pb-1", at_s(20)); })->generation, 3u);
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return baselines::as_of(sql, "pb-1", at_s(9)); }));
  EXPECT_EQ(read([](Sql& sql) { return baselines::history(sql, "pb-1"); })->size(), 3u);
  ASSERT_OK(write([](Sql& sql) { return baselines::remove(sql, "pb-1", at_s(40)); }));
  ASSERT_OK(write([](Sql& sql) { return baselines::remove(sql, "pb-1", at_s(41)); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return baselines::get(sql, "pb-1"); }));
  EXPECT_EQ(read([](Sql& sql) { return baselines::get_generation(sql, "pb-1", 3); })->valid_to, at_s(40));
}

TEST_P(HistoryTest, DefaultsAndPatchGroups) {
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(baselines::create(sql, baseline("pb-1", "DEBIAN", 1)));
    BELAY_TRY(baselines::create(sql, baseline("pb-2", "DEBIAN", 1)));
    return baselines::create(sql, baseline("pb-3", "UBUNTU", 1));
  }));
  const auto generation = *read([](Sql& sql) { return baselines::generation(sql); });
  const auto set_default = [&](std::string id, std::string os, std::int64_t when) {
    return write([&](Sql& sql) { return baselines::set_default(sql, os, id, at_s(when)); });
  };
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return baselines::default_of(sql, "DEBIAN"); }));
  EXPECT_CODE(Code::invalid_argument, set_default("pb-3", "DEBIAN", 5));
  EXPECT_CODE(Code::not_found, set_default("pb-9", "DEBIAN", 5));
  ASSERT_OK(set_default("pb-1", "DEBIAN", 5));
  ASSERT_OK(set_default("pb-2", "DEBIAN", 10));
  EXPECT_EQ(*read([](Sql& sql) { return baselines::default_of(sql, "DEBIAN"); }), "pb-2");
  EXPECT_EQ(*read([](Sql& sql) { return baselines::default_of(sql, "DEBIAN", at_s(9)); }), "pb-1");
  EXPECT_REASON("baseline-in-use", write([](Sql& sql) { return baselines::remove(sql, "pb-2", at_s(11)); }));

  const auto bind = [&](std::string id, std::string os, std::int64_t when) {
    return write([&](Sql& sql) { return baselines::bind_group(sql, {"web", id, os}, at_s(when)); });
  };
  ASSERT_OK(bind("pb-1", "DEBIAN", 20));
  ASSERT_OK(bind("pb-1", "DEBIAN", 21));
  ASSERT_OK(bind("pb-3", "UBUNTU", 22));
  EXPECT_REASON("patch-group-bound", bind("pb-2", "DEBIAN", 23));
  EXPECT_REASON("baseline-in-use", write([](Sql& sql) { return baselines::remove(sql, "pb-1", at_s(24)); }));
  EXPECT_EQ(read([](Sql& sql) { return baselines::list_groups(sql, {.limit = 1, .after = {}}); })->items.size(), 1u);
  EXPECT_EQ(read([](Sql& sql) { return baselines::list_groups(sql, {}); })->items.size(), 2u);
  EXPECT_EQ(*read([](Sql& sql) { return baselines::groups_of(sql, "pb-3"); }), Ids{"web"});
  ASSERT_OK(write([](Sql& sql) { return baselines::unbind_group(sql, "web", "pb-1", at_s(30)); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return baselines::baseline_of_group(sql, "web", "DEBIAN"); }));
  EXPECT_EQ(*read([](Sql& sql) { return baselines::baseline_of_group(sql, "web", "DEBIAN", at_s(29)); }), "pb-1");
  EXPECT_GT(*read([](Sql& sql) { return baselines::generation(sql); }), generation);

  const auto listed = [&](const baselines::Filter& filter) {
    return read([&](Sql& sql) { return baselines::list(sql, filter, {}); })->items.size();
  };
  EXPECT_EQ(listed({}), 3u);
  EXPECT_EQ(listed({.name_prefixes = {"name-pb-3", "other"}, .operating_systems = {}, .predefined = {}}), 1u);
  EXPECT_EQ(listed({.name_prefixes = {}, .operating_systems = {"DEBIAN"}, .predefined = false}), 2u);
  EXPECT_EQ(listed({.name_prefixes = {}, .operating_systems = {}, .predefined = true}), 0u);
}

TEST_P(HistoryTest, ChangeSetsAreFrozenAndApproved) {
  change_sets::ChangeSet frozen;
  frozen.change_set_id = "cs-1";
  frozen.content = "{\"changes\":[]}";
  frozen.sha256 = fake_hash(frozen.content);
  frozen.created_at = at_s(1);
  frozen.parts = {{fake_hash("p"), fake_hash("o"), "[1]"}, {fake_hash("q"), fake_hash("o"), "[2]"}};
  ASSERT_OK(write([&](Sql& sql) { return change_sets::create(sql, frozen); }));
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return change_sets::create(sql, frozen); }));
  EXPECT_EQ(read([](Sql& sql) { return change_sets::get(sql, "cs-1"); })->parts.size(), 2u);
  EXPECT_EQ(read([](Sql& sql) { return change_sets::part(sql, "cs-1", fake_hash("q"), fake_hash("o")); })->changes,
            "[2]");
  EXPECT_CODE(Code::not_found,
              read([](Sql& sql) { return change_sets::part(sql, "cs-1", fake_hash("x"), fake_hash("o")); }));
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(change_sets::approve(sql, "cs-1", {"alice", "k1", "sig1", at_s(2)}));
    return change_sets::approve(sql, "cs-1", {"alice", "k1", "sig2", at_s(3)});
  }));
  EXPECT_EQ(read([](Sql& sql) { return change_sets::approvals(sql, "cs-1"); })->at(0).signature, "sig1");
  EXPECT_CODE(Code::not_found,
              write([](Sql& sql) { return change_sets::approve(sql, "cs-9", {"a", "", "", at_s(1)}); }));
  change_sets::Summary line;
  line.change_set_id = "cs-1";
  line.name = "june";
  line.status = "Planning";
  line.created_at = at_s(1);
  ASSERT_OK(write([&](Sql& sql) { return change_sets::summarize(sql, line); }));
  line.status = "Ready";
  line.sha256 = frozen.sha256;
  line.nodes = 7;
  ASSERT_OK(write([&](Sql& sql) { return change_sets::summarize(sql, line); }));
  line.change_set_id = "cs-0";
  line.created_at = at_s(2);
  ASSERT_OK(write([&](Sql& sql) { return change_sets::summarize(sql, line); }));
  const auto lines = read([](Sql& sql) { return change_sets::list(sql, {.limit = 1, .after = {}}); });
  ASSERT_OK(lines);
  EXPECT_EQ(lines->items.at(0).change_set_id, "cs-0");
  const auto more = read([&](Sql& sql) { return change_sets::list(sql, {.limit = 1, .after = lines->next}); });
  ASSERT_OK(more);
  EXPECT_EQ(more->next, "");
  EXPECT_EQ(more->items.at(0).name, "june");
  EXPECT_EQ(more->items.at(0).status, "Ready");
  EXPECT_EQ(more->items.at(0).nodes, 7);
  EXPECT_EQ(more->items.at(0).packages, std::nullopt);
  frozen.change_set_id = "cs-2";
  frozen.content += " ";
  EXPECT_REASON("hash-mismatch", write([&](Sql& sql) { return change_sets::create(sql, frozen); }));
  tamper("UPDATE change_sets SET sha256 = '" + fake_hash("x") + "'");
  EXPECT_CODE(Code::corrupt, read([](Sql& sql) { return change_sets::get(sql, "cs-1"); }));
}

TEST_P(HistoryTest, SnapshotsFreezeForThreeDays) {
  const auto freeze = [&](const char* slot, const char* content, std::int64_t when) {
    return write([&](Sql& sql) { return snapshots::freeze(sql, "snap", slot, content, at_s(when)); });
  };
  EXPECT_EQ(freeze("DEBIAN/", "one", 0)->content, "one");
  EXPECT_EQ(freeze("DEBIAN/", "two", 60)->content, "one");
  EXPECT_EQ(freeze("UBUNTU/", "three", 60)->content, "three");
  EXPECT_OK(freeze("DEBIAN/", "", 3 * 86'400));
  EXPECT_REASON("snapshot-expired", freeze("DEBIAN/", "", 3 * 86'400 + 1));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return snapshots::get(sql, "other", "", at_s(0)); }));
}

}  // namespace
}  // namespace belay::store
