#include "server/engine/rejudge.hpp"

#include "base/json.hpp"
#include "io/crypto.hpp"
#include "server/engine/compliance_view.hpp"
#include "server/engine/evidence.hpp"
#include "server/engine/fixture_test.hpp"
#include "store/audit.hpp"
#include "store/baselines.hpp"
#include "store/contents.hpp"

namespace belay::server {
namespace {
using store::verdicts::Compliance;
using store::verdicts::Verdict;

class RejudgeTest : public EngineTest {
 protected:
  RejudgeTest() {
    begin();
    EXPECT_TRUE(store_->write([&](store::Sql& sql) { return ensure_rejudge(sql, clock_.now()); }).ok());
    settle();
  }

  void begin() {
    boot();
    engine_->add(make_rejudge_kind(*judge_));
  }

  // A baseline that approves nothing: everything complies.
  void lenient_by_default() {
    baseline::PatchBaseline content;
    content.id = "pb-0123456789abcdef0";
    content.name = "nothing";
    content.operating_system = fleet::OperatingSystem::DEBIAN;
    const auto status = disk_->write([&](store::Sql& sql) -> Status {
      store::baselines::Version version;
      version.baseline_id = content.id;
      version.name = content.name;
      version.operating_system = "DEBIAN";
      version.content = json::encode_text(content);
      version.valid_from = version.created_at = clock_.now();
      BELAY_TRY(store::baselines::create(sql, version));
      BELAY_TRY(store::baselines::set_default(sql, "DEBIAN", content.id, clock_.now()));
      return tell_rejudge(sql, clock_.now());
    });
    ASSERT_TRUE(status.ok()) << status.error().chain();
  }

  Verdict newest(const std::string& node_id) {
    return **disk_->read([&](store::Sql& sql) { return store::verdicts::newest(sql, node_id); });
  }
  std::size_t verdicts_of(const std::string& node_id) {
    return disk_->read([&](store::Sql& sql) { return store::verdicts::history(sql, node_id, {}); })->items.size();
  }
  std::vector<store::audit::Entry> entries(std::string_view action) {
    store::audit::Filter filter;
    filter.action = action;
    filter.oldest_first = true;
    return disk_->read([&](store::Sql& sql) { return store::audit::list(sql, filter, {}); })->items;
  }
};

TEST_F(RejudgeTest, AChangedDefaultLeavesVerdictsEvidenceAndOneEntry) {
  for (const char* name : {"web-1", "web-2", "web-3"}) scan(with_openssl(add_node(name)));
  add_node("never-scanned");
  const std::string id = fleet_.begin()->first;
  settle();
  EXPECT_TRUE(entries(kFleetEntry).empty()) << "what was judged at its scan says the same";
  lenient_by_default();
  settle();
  std::vector<Verdict> kept;
  for (const auto& [node_id, node] : fleet_) {
    if (judged(node_id).compliance == Compliance::unknown) continue;  // never scanned: never judged
    const auto verdict = newest(node_id);
    EXPECT_EQ(verdict.compliance, Compliance::compliant);
    EXPECT_EQ(verdict.baseline_id, "pb-0123456789abcdef0");
    EXPECT_EQ(verdict.operation, "Scan");
    EXPECT_EQ(verdict.evidence_hash, io::sha256_hex(evidence_text(judged(node_id))));
    EXPECT_EQ(verdicts_of(node_id), 2U);
    kept.push_back(verdict);
  }
  ASSERT_EQ(kept.size(), 3U);
  const auto told = entries(kFleetEntry);
  ASSERT_EQ(told.size(), 1U);
  const auto detail = json::parse(told.front().detail);
  EXPECT_EQ(json::find(*detail, "compliant")->to_number<int>(), 3);
  const auto numbers = parse_ranges(json::text_or_empty(*detail, "verdicts"), kRejudgedAtOnce);
  ASSERT_TRUE(numbers.ok());
  std::ranges::sort(kept, {}, &Verdict::sequence);
  ASSERT_EQ(numbers->size(), 3U);
  EXPECT_EQ(numbers->front(), kept.front().sequence);
  EXPECT_EQ(json::text_or_empty(*detail, "digest"), io::sha256_hex(digest_text(kept)));
  clock_.advance(kRejudgeEvery);
  settle();
  EXPECT_EQ(entries(kFleetEntry).size(), 1U) << "nothing changed: nothing is appended";
}

TEST_F(RejudgeTest, AnItemHasTheHashOfEvidenceThatSaysTheSame) {
  const auto& node = with_openssl(add_node("web-1"));
  scan(fleet_.at(node.id));
  const auto hash_of_item = [&] {
    const auto items = disk_->read(
        [&](store::Sql& sql) { return ComplianceView(sql, *judge_, clock_.now()).items(node.id, "Patch"); });
    EXPECT_FALSE(items->empty());
    const auto at = items->front().details.find("EvidenceSha256");
    return at == items->front().details.end() ? std::string() : at->second;
  };
  const auto before = hash_of_item();
  EXPECT_EQ(before, newest(node.id).evidence_hash);
  clock_.advance(Duration(60'000));
  EXPECT_EQ(hash_of_item(), before) << "time alone changes nothing";
  lenient_by_default();
  EXPECT_EQ(hash_of_item(), "") << "no evidence that says this is kept yet";
  settle();
  const auto after = hash_of_item();
  EXPECT_NE(after, before);
  const auto text =
      disk_->read([&](store::Sql& sql) { return store::contents::get(sql, store::contents::Kind::evidence, after); });
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(json::text_or_empty(*json::parse(*text), "baseline_id"), "pb-0123456789abcdef0");
  EXPECT_EQ(json::text_or_empty(*json::parse(*text), "compliance"), "compliant");
}

TEST_F(RejudgeTest, WhatTimeAloneChangesIsKeptOnce) {
  auto& node = with_openssl(add_node("web-1"));
  scan(node);
  clock_.advance(Duration(25LL * 3600 * 1000));
  settle();
  EXPECT_EQ(newest(node.id).compliance, Compliance::unknown) << "the agent is dark";
  const auto count = verdicts_of(node.id);
  clock_.advance(Duration(3LL * 3600 * 1000));
  settle();
  EXPECT_EQ(verdicts_of(node.id), count) << "it is darker, and that is nothing new";
}

TEST_F(RejudgeTest, KilledAtEveryWriteItAppendsEachOnce) {
  std::vector<std::string> ids;
  for (const char* name : {"web-1", "web-2"}) ids.push_back(with_openssl(add_node(name)).id);
  for (const auto& id : ids) scan(fleet_.at(id));
  lenient_by_default();
  int kills = 0;
  for (int write = 1; write < 6; ++write)
    for (const bool after : {false, true}) {
      store_->kill_at(write, after);
      try {
        settle();
      } catch (const fakes::Killed&) {
        ++kills;
        begin();
        clock_.advance(Duration(60'000));  // the lease of the dead one runs out
      }
      store_->disarm();
    }
  settle();
  EXPECT_GT(kills, 1);
  for (const auto& id : ids) EXPECT_EQ(verdicts_of(id), 2U);
  EXPECT_EQ(entries(kFleetEntry).size(), 1U);
}

TEST_F(RejudgeTest, AChangeOnTheWayBeginsAnewAfterTheEnd) {
  scan(with_openssl(add_node("web-1")));
  const auto kind = make_rejudge_kind(*judge_);
  store::executions::Execution under_way;
  under_way.state = R"({"after":"mi-0","walking":true,"again":false})";
  const auto step = [&](const std::vector<store::executions::Event>& events) {
    const auto done =
        store_->write([&](store::Sql& sql) { return kind->advance(sql, under_way, events, clock_.now()); });
    EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().chain());
    return done.value();
  };
  EXPECT_EQ(step({}).wake_at, clock_.now() + kRejudgeEvery);
  const auto told = step({{1, "", "{}", clock_.now()}});
  EXPECT_EQ(told.wake_at, clock_.now());
  under_way.state = told.state;
  EXPECT_EQ(step({}).wake_at, clock_.now() + kRejudgeEvery) << "once more, and no more";
}

TEST(Ranges, ComeBackAsTheyWere) {
  const struct {
    std::vector<std::int64_t> numbers;
    const char* text;
  } rows[] = {{{7}, "7"}, {{7, 8, 9}, "7-9"}, {{1, 3, 4, 9}, "1,3-4,9"}};
  for (const auto& row : rows) {
    EXPECT_EQ(to_ranges(row.numbers), row.text);
    EXPECT_EQ(*parse_ranges(row.text, 10), row.numbers);
  }
  for (const char* text : {"", "x", "0", "3-1", "1-11", "1-9,20-21", "1-", "-1", "1,,2", "1-9223372036854775807"})
    EXPECT_FALSE(parse_ranges(text, 10).ok()) << text;
}

}  // namespace
}  // namespace belay::server
