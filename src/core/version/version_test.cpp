#include "core/version/version.hpp"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <vector>

namespace belay::version {
namespace {

using Compare = std::strong_ordering (*)(std::string_view, std::string_view);

int sign(std::strong_ordering order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

struct Row {
  std::string_view a;
  char order;
  std::string_view b;
  std::string_view fact;
};

void check_rows(std::span<const Row> rows, Compare compare) {
  for (const auto& row : rows) {
    const int expected = row.order == '<' ? -1 : row.order == '>' ? 1 : 0;
    EXPECT_EQ(sign(compare(row.a, row.b)), expected) << row.a << " " << row.order << " " << row.b << ": " << row.fact;
    EXPECT_EQ(sign(compare(row.b, row.a)), -expected) << row.b << " against " << row.a << ": " << row.fact;
  }
}

// Source of the facts: deb-version(7) and dpkg's t/Dpkg_Version.t.
constexpr Row kDebRows[] = {
    {"1.0", '=', "1.0", "same text"},
    {"1.0", '<', "1.1", "numbers"},
    {"1.9", '<', "1.10", "numbers by value, not by text"},
    {"1.0", '=', "1.00", "leading zeros do not count"},
    {"0:1.0", '=', "1.0", "an absent epoch is 0"},
    {"1:1.0", '>', "2.0", "the epoch comes first"},
    {"1:0", '<', "2:0", "epochs are numbers"},
    {"10:0", '>', "9:0", "epochs are numbers"},
    {"1.0~rc1", '<', "1.0", "~ sorts before the end"},
    {"1.0~~", '<', "1.0~~a", "deb-version(7)"},
    {"1.0~~a", '<', "1.0~", "deb-version(7)"},
    {"1.0~", '<', "1.0", "deb-version(7)"},
    {"1.0", '<', "1.0a", "deb-version(7)"},
    {"1.0-1", '<', "1.0-2", "revision"},
    {"1.0", '=', "1.0-0", "an absent revision equals 0"},
    {"1.0", '<', "1.0-1", "an absent revision is older than any other"},
    {"1.0+b1", '>', "1.0", "binary rebuilds"},
    {"1.0a", '<', "1.0+", "letters before everything else"},
    {"1.0-1+deb12u1", '<', "1.0-1+deb12u2", "stable updates"},
    {"1.0-1~bpo12+1", '<', "1.0-1", "backports"},
    {"3.0.15-1~deb12u1", '<', "3.0.16-1~deb12u1", "openssl"},
    {"1-2-3", '>', "1-1-9", "the last dash starts the revision"},
    {"a:1", '=', "1", "an epoch that is none counts as 0"},
    {"18446744073709551616.1", '>', "18446744073709551615.9", "numbers wider than 64 bits"},
    {"", '=', "0", "the empty text is ordered too"},
};

TEST(DebVersion, OrdersAsDpkg) { check_rows(kDebRows, compare_deb); }

// Source: rpm's tests/rpmvercmp.at.
constexpr Row kRpmRows[] = {
    {"1.0", '=', "1.0", ""},
    {"1.0", '<', "2.0", ""},
    {"2.0.1a", '>', "2.0.1", ""},
    {"5.5p1", '<', "5.5p2", ""},
    {"5.5p10", '>', "5.5p1", ""},
    {"10xyz", '<', "10.1xyz", ""},
    {"xyz10", '<', "xyz10.1", ""},
    {"xyz.4", '<', "8", "letters are older than numbers"},
    {"xyz.4", '<', "2", ""},
    {"5.5p2", '<', "5.6p1", ""},
    {"5.6p1", '<', "6.5p1", ""},
    {"6.0.rc1", '>', "6.0", ""},
    {"10b2", '>', "10a1", ""},
    {"1.0aa", '>', "1.0a", ""},
    {"10.0001", '=', "10.1", ""},
    {"10.0001", '<', "10.0039", ""},
    {"4.999.9", '<', "5.0", ""},
    {"20101121", '<', "20101122", ""},
    {"2_0", '=', "2.0", "separators are all alike"},
    {"2.0", '=', "2_0", ""},
    {"a+", '=', "a_", ""},
    {"+a", '=', "_a", ""},
    {"+", '=', "_", ""},
    {"1.0~rc1", '<', "1.0", "tilde"},
    {"1.0~rc1", '<', "1.0~rc2", ""},
    {"1.0~rc1~git123", '<', "1.0~rc1", ""},
    {"1.0^", '>', "1.0", "caret"},
    {"1.0^git1", '>', "1.0", ""},
    {"1.0^git1", '<', "1.0^git2", ""},
    {"1.0^git1", '<', "1.01", ""},
    {"1.0^20160101", '<', "1.0.1", ""},
    {"1.0^20160101^git1", '>', "1.0^20160101", ""},
    {"1.0~rc1^git1", '>', "1.0~rc1", ""},
    {"1.0^git1~pre", '<', "1.0^git1", ""},
    {"1.900", '<', "1.9000", "numbers by value, not by text"},
};

TEST(RpmVersion, OrdersSegmentsAsRpm) { check_rows(kRpmRows, compare_rpm_segment); }

constexpr Row kEvrRows[] = {
    {"0:5.1.8-6.el9", '<', "0:5.1.8-9.el9", "release"},
    {"5.1.8-6.el9", '=', "0:5.1.8-6.el9", "an absent epoch is 0"},
    {"1:1.0-1", '>', "9.0-1", "the epoch comes first"},
    {"0:5.14.0-362.8.1.el9_3", '<', "0:5.14.0-427.el9", "kernels"},
    {"0:1.0", '<', "0:1.0-1", "no release before any release"},
    {"00:1-1", '=', "0:1-1", "epochs are numbers"},
};
TEST(RpmVersion, OrdersWholeVersions) { check_rows(kEvrRows, compare_rpm); }

TEST(RpmVersion, SplitsNames) {
  const auto plain = split_nevra("bash-completion-2.11-5.el9.noarch");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->name, "bash-completion");
  EXPECT_EQ(plain->evr.version, "2.11");
  EXPECT_EQ(plain->evr.release, "5.el9");
  EXPECT_EQ(plain->arch, "noarch");
  EXPECT_EQ(split_nevra("bash-0:5.1.8-6.el9.x86_64")->evr.epoch, "0");
  EXPECT_EQ(split_nevra("32:bind-9.16.23-11.el9.x86_64")->evr.epoch, "32");
  for (const auto* bad : {"", "bash", "bash.x86_64", "bash-5.1.x86_64", "-5-6.x", "bash-5-6."})
    EXPECT_FALSE(split_nevra(bad).ok()) << bad;
}

struct ValidRow {
  std::string_view text;
  bool valid;
  std::string_view word;  // the error names it
};
constexpr ValidRow kDebValidRows[] = {
    {"1.0", true, ""},
    {"1:1.0-1", true, ""},
    {"1.0~rc1+dfsg-1~bpo12+1", true, ""},
    {"1:2:3-1", true, ""},
    {"", false, "empty"},
    {"a1", false, "digit"},
    {"1.0-", false, "revision"},
    {":1.0", false, "epoch"},
    {"x:1", false, "epoch"},
    {"99999999999:1", false, "epoch"},
    {"1.0 1", false, "character"},
    {"1.0-1_2", false, "revision"},
    {"1:", false, "upstream"},
    {"-1:1", false, "epoch"},
};
TEST(DebVersion, SaysWhatDpkgWouldRefuse) {
  for (const auto& row : kDebValidRows) {
    const auto status = validate_deb(row.text);
    EXPECT_EQ(status.ok(), row.valid) << row.text;
    if (!status.ok()) EXPECT_NE(status.error().message().find(row.word), std::string::npos) << status.error().message();
  }
}
TEST(RpmVersion, SaysWhatRpmWouldRefuse) {
  for (const auto* good : {"1.0-1", "0:1.0-1.el9", "1.0", "1.0~rc1^git2-1.fc40"})
    EXPECT_TRUE(validate_rpm(good).ok()) << good;
  for (const auto* bad : {"", "1.0-", "99999999999:1-1", "1 0-1", "0:-1", "1:2:3-1"})
    EXPECT_FALSE(validate_rpm(bad).ok()) << bad;
}

// ---- properties, over texts made of what versions are made of
std::vector<std::string> made_versions(std::uint64_t seed, std::size_t count, std::string_view alphabet) {
  std::mt19937_64 random(seed);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) {
    std::string text;
    for (std::size_t length = random() % 9; text.size() < length;) text += alphabet[random() % alphabet.size()];
    texts.push_back(text);
  }
  return texts;
}

void check_order(Compare compare, std::string_view alphabet) {
  constexpr std::uint64_t seed = 20261123;
  const auto texts = made_versions(seed, 300, alphabet);
  std::size_t faults = 0;
  for (const auto& a : texts) {
    EXPECT_TRUE(compare(a, a) == 0) << a;
    for (const auto& b : texts) {
      faults += sign(compare(a, b)) != -sign(compare(b, a));
      if (compare(a, b) > 0) continue;
      for (const auto& c : texts)
        if (compare(b, c) <= 0 && compare(a, c) > 0) {
          ++faults;
          ADD_FAILURE() << "'" << a << "' <= '" << b << "' <= '" << c << "', seed " << seed;
          return;
        }
    }
  }
  EXPECT_EQ(faults, 0u) << "antisymmetry, seed " << seed;
}

TEST(DebVersion, IsATotalOrder) { check_order(compare_deb, "0011129aZ~~+.-:"); }
TEST(RpmVersion, IsATotalOrder) { check_order(compare_rpm, "0011129aZ~^.-:"); }

}  // namespace
}  // namespace belay::version
