#include "core/patchrun/approved_changes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

namespace belay::patchrun {
namespace {

// No real hash: it only has to differ where its input does.
std::string toy_hash(std::string_view text) {
  std::string out;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    std::uint64_t hash = 14'695'981'039'346'656'037u + seed;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211u;
    for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(hash >> (8 * i)));
  }
  return out;
}

fleet::PackageChange change(int number) { return {"p" + std::to_string(number), "amd64", "1", "2", "aa", 10}; }

std::vector<fleet::PackageChange> changes(int from, int to, int step = 1) {
  std::vector<fleet::PackageChange> out;
  for (int i = from; i < to; i += step) out.push_back(change(i));
  return out;
}

TEST(ApprovedChanges, EachPartOfATreeIsProvenAndNothingElse) {
  for (const int lines : {1, 2, 3, 7, 8, 9, 100}) {
    const ChangeTree tree(changes(0, lines), toy_hash);
    EXPECT_EQ(tree.lines(), static_cast<std::uint32_t>(lines));
    for (const int step : {1, 2, 5, 50})
      for (const int from : {0, lines / 2}) {
        const auto mine = changes(from, lines, step);
        ApprovedChanges proof;
        ASSERT_TRUE(tree.prove(mine, proof));
        EXPECT_TRUE(proves(proof, mine, toy_hash)) << lines << " " << from << " " << step;
        auto other = mine;
        other.back().to_version = "3";
        EXPECT_FALSE(proves(proof, other, toy_hash)) << "another version";
        other = mine;
        other.push_back(change(1'000));
        EXPECT_FALSE(proves(proof, other, toy_hash)) << "one change more";
        auto forged = proof;
        forged.places.push_back(0);
        EXPECT_FALSE(proves(forged, other, toy_hash));
        forged = proof;
        forged.proof.push_back(std::string(64, 'a'));
        EXPECT_FALSE(proves(forged, mine, toy_hash));
        if (proof.proof.empty()) continue;
        forged = proof;
        forged.proof.pop_back();
        EXPECT_FALSE(proves(forged, mine, toy_hash));
        forged = proof;
        forged.proof[0][0] = forged.proof[0][0] == 'a' ? 'b' : 'a';
        EXPECT_FALSE(proves(forged, mine, toy_hash));
        forged.proof[0] = "no hash";
        EXPECT_FALSE(proves(forged, mine, toy_hash));
      }
    ApprovedChanges none;
    EXPECT_FALSE(tree.prove({change(1'000)}, none));
    EXPECT_FALSE(tree.prove({}, none)) << "nothing is no part of it";
  }
}

TEST(ApprovedChanges, OrderAndRepeatsDoNotMatter) {
  auto all = changes(0, 20);
  const ChangeTree tree(all, toy_hash);
  std::reverse(all.begin(), all.end());
  all.push_back(change(3));
  EXPECT_EQ(ChangeTree(all, toy_hash).root(), tree.root());
  EXPECT_NE(ChangeTree(changes(0, 19), toy_hash).root(), tree.root());
  const std::vector<fleet::PackageChange> twice{change(3), change(1), change(3)};
  ApprovedChanges proof;
  ASSERT_TRUE(tree.prove(twice, proof));
  EXPECT_TRUE(proves(proof, twice, toy_hash));
}

TEST(ApprovedChanges, AProofIsSmallAndAnyNonsenseIsRefused) {
  const ChangeTree tree(changes(0, 10'000), toy_hash);
  ApprovedChanges proof;
  ASSERT_TRUE(tree.prove({change(77)}, proof));
  EXPECT_LE(proof.proof.size(), 14u);
  EXPECT_TRUE(proves(proof, {change(77)}, toy_hash));
  for (const std::uint32_t lines : {0u, 1u, 77u, 0xffff'ffffu}) {
    auto forged = proof;
    forged.lines = lines;
    EXPECT_FALSE(proves(forged, {change(77)}, toy_hash)) << lines;
  }
}

TEST(ApprovedChanges, AStatementDiffersWithEachOfItsFields) {
  const ApprovedChanges base{"ab", "alice", "cd", 3};
  const auto first = approval_statement("cs-1", base, "bob", Instant{});
  auto other = base;
  other.sha256 = "ac";
  EXPECT_NE(approval_statement("cs-1", other, "bob", Instant{}), first);
  other = base;
  other.root = "ce";
  EXPECT_NE(approval_statement("cs-1", other, "bob", Instant{}), first);
  other = base;
  other.author = "carol";
  EXPECT_NE(approval_statement("cs-1", other, "bob", Instant{}), first);
  EXPECT_NE(approval_statement("cs-2", base, "bob", Instant{}), first);
  EXPECT_NE(approval_statement("cs-1", base, "bert", Instant{}), first);
  EXPECT_NE(approval_statement("cs-1", base, "bob", Instant(Duration(1'000))), first);
}

}  // namespace
}  // namespace belay::patchrun
