#include <gtest/gtest.h>

#include "agent/packages/choose.hpp"
#include "agent/packages/dnf/output.hpp"
#include "agent/packages/problems.hpp"
#include "agent/packages/tool.hpp"

namespace belay::agent {
namespace {

using fleet::Reason;

TEST(Choose, OneTable) {
  const std::pair<std::string_view, Backend> rows[] = {
      {"ID=debian\n", Backend::apt},
      {"ID=ubuntu\nID_LIKE=debian\n", Backend::apt},
      {"ID=\"rhel\"\n", Backend::dnf},
      {"ID=pop\nID_LIKE=\"ubuntu debian\"\n", Backend::apt},
      {"NAME=x\nID='rocky'\nID_LIKE=\"rhel centos fedora\"\n", Backend::dnf}};
  for (const auto& [text, backend] : rows) {
    const auto chosen = choose_backend(text);
    ASSERT_TRUE(chosen.ok()) << text;
    EXPECT_EQ(*chosen, backend) << text;
  }
  const auto unknown = choose_backend("ID=gentoo\n");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().reason(), "unsupported-system");
}

TEST(Problems, AreSanitizedBoundedAndOnce) {
  std::vector<fleet::Problem> problems;
  for (int i = 0; i < 1'000; ++i)
    add_problem(problems, make_problem(Reason::other, "s" + std::to_string(i), std::string(10'000, '\x01'), "next"));
  add_problem(problems, make_problem(Reason::other, "s1", "again", "next"));
  EXPECT_EQ(problems.size(), kProblemsMax);
  for (const auto& problem : problems) EXPECT_LE(problem.detail.size(), kProblemDetailBytesMax);
  EXPECT_EQ(reason_word(Reason::lock_held), "lock-held");
  EXPECT_EQ(error_of(make_problem(Reason::disk_full, "/", "full", "free space")).code(), Code::resource_exhausted);
}

TEST(Dnf, Offers) {
  const auto offers = dnf::parse_offers(
      "bar|0|2.0|1.el9|noarch|test|6267|16|(2, "
      "b\"\\xb3\\x99\\x86\\xc27\\xe2\\xd8\\x92\\x8aXe\\x00-\\xae\\x14\\x10\\x13\\xd2Be\\x05'\\xfe\\x91Q\\x11'"
      "\\xc3\\xedc\\xaer\")|Belay | lab\nnonsense\n",
      [](auto, auto) { return true; });
  ASSERT_EQ(offers.size(), 1u);
  EXPECT_EQ(offers[0].version, "0:2.0-1.el9");
  EXPECT_EQ(offers[0].origin, "Belay | lab");
  EXPECT_EQ(offers[0].sha256,
            "b39986c237e2d8928a5865002dae141013d2426505"
            "27fe91511127c3ed63ae72");
}

TEST(Dnf, AdvisoriesReachTheirPackages) {
  const auto advisories = dnf::parse_advisories(
      "===\n  foo security\n===\n  Update ID: TSA-2026:0001\n       Type: security\n    Updated: 2026-10-02 11:00:00\n "
      "      Bugs: 12345 - a bug\n       CVEs: CVE-2026-1111\n"
      "           : CVE-2026-2222\nDescription: bad\n           : more: words\n   Severity: Moderate\n      Files: "
      "foo-1.1-1.el9.noarch.rpm\n           : libfoo-1.1-1.el9.noarch.rpm\n  Installed: false\n");
  ASSERT_EQ(advisories.size(), 2u);
  std::vector<fleet::Offer> offers(1);
  offers[0].name = "libfoo", offers[0].arch = "noarch", offers[0].version = "0:1.1-1.el9";
  dnf::apply_advisories(offers, advisories);
  EXPECT_TRUE(offers[0].security);
  EXPECT_EQ(offers[0].severity, "Medium");
  EXPECT_EQ(offers[0].cve_ids, (std::vector<std::string>{"CVE-2026-1111", "CVE-2026-2222"}));
  EXPECT_EQ(to_iso8601(*offers[0].released_at), "2026-10-02T11:00:00Z");
}

TEST(Dnf, TransactionTableWithABrokenRow) {
  const auto changes = dnf::parse_transaction(
      "Dependencies resolved.\n====\n Package  Architecture Version Repository Size\n====\nUpgrading:\n foo noarch "
      "1.1-1.el9 test 6.1 k\n a-package-with-a-very-long-name-that-dnf-breaks\n"
      "        noarch 2:1.0-1 test 6 k\nRemoving dependent packages:\n bar noarch 1-1 @test 16\n\nTransaction "
      "Summary\n====\nUpgrade  2 Packages\n baz noarch 1-1 test 5 k\n");
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].to_version, "0:1.1-1.el9");
  EXPECT_EQ(changes[1].to_version, "2:1.0-1");
  EXPECT_EQ(changes[2].from_version, "0:1-1");
  EXPECT_EQ(changes[2].to_version, "");
}

TEST(Dnf, WordsHaveNames) {
  const std::pair<std::string_view, Reason> rows[] = {
      {"Error: Failed to download metadata for repo 'test': Cannot download repomd.xml\n",
       Reason::repository_unreachable},
      {"Error: Failed to download metadata for repo 'test': repomd.xml GPG signature verification error: Bad GPG "
       "signature\n",
       Reason::signature_bad},
      {"RPMDB already locked by 36\n", Reason::lock_held},
      {"Error: Unable to find a match: foo-7\n", Reason::version_not_offered},
      {"  - installing package big-1.1 needs 16MB more space on the /opt filesystem\n", Reason::disk_full},
      {"Error in PREIN scriptlet in rpm package bad\n", Reason::script_failed},
      {"Package foo is not signed\nError: GPG check FAILED\n", Reason::signature_bad},
      {"Error: Cache-only enabled but no cache for 'test'\n", Reason::metadata_missing},
  };
  for (const auto& [text, reason] : rows) {
    const auto problems = dnf::problems_of_dnf(text);
    ASSERT_FALSE(problems.empty()) << text;
    EXPECT_EQ(problems[0].reason, reason) << text;
  }
  const auto check = dnf::problems_of_check(
      "slow-1.0-1.el9.noarch is a duplicate with slow-1.1-1.el9.noarch\nError: Check discovered 1 problem(s)\n");
  ASSERT_EQ(check.size(), 1u);
  EXPECT_EQ(check[0].subject, "slow");
}

TEST(Dnf, InstalledKernelsAreSeveral) {
  const auto before = *dnf::parse_installed("kernel|0|1|1|x86_64\nfoo|0|1.0|1|noarch\ngpg-pubkey|0|1|1|(none)\n");
  const auto after = *dnf::parse_installed("kernel|0|1|1|x86_64\nkernel|0|2|1|x86_64\nfoo|0|1.1|1|noarch\n");
  const auto changes = dnf::changes_between(before, after);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].from_version, "0:1.0-1");
  EXPECT_EQ(changes[1].from_version, "") << "the old kernel stays";
  EXPECT_FALSE(dnf::parse_installed("not a row\n").ok());
}

TEST(HeadAndTail, KeepsBothEndsOfWhatIsTooLong) {
  const auto kept = [](std::size_t lines, std::size_t part) {
    std::string all;
    for (std::size_t i = 0; i < lines; ++i) all += "line " + std::to_string(1000 + i) + "\n";  // 10 bytes each
    HeadAndTail text(100);
    for (std::size_t at = 0; at < all.size(); at += part) text.add(std::string_view(all).substr(at, part));
    return text.text();
  };
  for (const std::size_t part : {1u, 7u, 10u, 64u, 1000u, 100'000u}) {
    EXPECT_EQ(kept(10, part).size(), 100u) << "all of it";
    const auto cut = kept(500, part);
    EXPECT_TRUE(cut.starts_with("line 1000\n")) << cut;
    EXPECT_TRUE(cut.ends_with("line 1498\nline 1499\n")) << cut << " of parts of " << part;
    EXPECT_NE(cut.find("\n[4910 bytes left out]\n"), std::string::npos) << cut;
  }
  EXPECT_EQ(HeadAndTail(100).text(), "");
}

}  // namespace
}  // namespace belay::agent
