// Our order beside the tools' own, over the versions of this machine's real package lists and over made pairs.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "core/version/version.hpp"

namespace belay::version {
namespace {

namespace fs = std::filesystem;
using Pairs = std::vector<std::pair<std::string, std::string>>;
constexpr std::uint64_t kSeed = 20261123;

int sign(std::strong_ordering order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

bool runs(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

// Pairs as lines "a b" on the command's standard input; a line "-1", "0" or "1" for each comes back.
std::vector<int> ask(const Pairs& pairs, const std::string& command) {
  const fs::path file = fs::temp_directory_path() / ("belay-version-test-" + std::to_string(getpid()));
  std::ofstream out(file);
  for (const auto& [a, b] : pairs) out << a << ' ' << b << '\n';
  out.close();
  std::vector<int> answers;
  if (FILE* pipe = popen((command + " < " + file.string()).c_str(), "r")) {
    for (int answer = 0; std::fscanf(pipe, "%d", &answer) == 1;) answers.push_back(answer);
    pclose(pipe);
  }
  fs::remove(file);
  return answers;
}

void expect_same(const Pairs& pairs, const std::vector<int>& answers,
                 std::strong_ordering (*compare)(std::string_view, std::string_view)) {
  ASSERT_EQ(pairs.size(), answers.size()) << "the tool did not answer for every pair";
  std::size_t different = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& [a, b] = pairs[i];
    if (sign(compare(a, b)) == answers[i] || ++different > 10) continue;
    ADD_FAILURE() << a << " against " << b << ": the tool says " << answers[i] << ", seed " << kSeed;
  }
  EXPECT_EQ(different, 0u) << "of " << pairs.size() << " pairs";
  std::printf("%zu pairs compared\n", pairs.size());
}

// Of the dpkg database and of every package list, which apt may keep compressed (its helper reads any form).
std::vector<std::string> real_versions() {
  std::set<std::string> versions;
  std::string files = "/var/lib/dpkg/status";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/var/lib/apt/lists", ignored))
    if (entry.path().string().find("_Packages") != std::string::npos) files += " " + entry.path().string();
  FILE* pipe =
      popen(("/usr/lib/apt/apt-helper cat-file " + files + " 2>/dev/null | sed -n 's/^Version: //p'").c_str(), "r");
  std::array<char, 1024> line{};
  while (pipe && std::fgets(line.data(), line.size(), pipe)) {
    const std::string version(line.data(), std::strcspn(line.data(), "\n"));
    if (!version.empty() && version.find(' ') == std::string::npos) versions.insert(version);
  }
  if (pipe) pclose(pipe);
  return {versions.begin(), versions.end()};
}

// Every real version beside one like it (its neighbour by text, or itself changed in one place) and beside any other.
Pairs real_pairs(const std::vector<std::string>& versions) {
  std::mt19937_64 random(kSeed);
  static constexpr std::string_view characters = "0123456789abz~+.";
  Pairs pairs;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    std::string changed = versions[i];
    if (changed.back() != '-') changed += characters[random() % characters.size()];
    pairs.emplace_back(versions[i], versions[(i + 1) % versions.size()]);
    pairs.emplace_back(versions[i], versions[random() % versions.size()]);
    pairs.emplace_back(versions[i], changed);
  }
  return pairs;
}

TEST(DebVersionBesideTools, LibaptAgreesOnEveryRealVersion) {
  if (!runs("/usr/bin/python3 -c 'import apt_pkg'")) GTEST_SKIP() << "python3-apt is not installed";
  const auto versions = real_versions();
  if (versions.empty()) GTEST_SKIP() << "this machine has no Debian package lists";
  const auto pairs = real_pairs(versions);
  expect_same(pairs,
              ask(pairs,
                  "/usr/bin/python3 -c '"
                  "import sys, apt_pkg\n"
                  "apt_pkg.init_system()\n"
                  "for line in sys.stdin:\n"
                  "    a, b = line.split()\n"
                  "    r = apt_pkg.version_compare(a, b)\n"
                  "    print((r > 0) - (r < 0))'"),
              compare_deb);
}

TEST(DebVersionBesideTools, DpkgAgreesOnASample) {
  if (!runs("dpkg --version")) GTEST_SKIP() << "dpkg is not installed";
  auto versions = real_versions();
  if (versions.empty()) GTEST_SKIP() << "this machine has no Debian package lists";
  auto pairs = real_pairs(versions);
  std::shuffle(pairs.begin(), pairs.end(), std::mt19937_64(kSeed));
  pairs.resize(std::min<std::size_t>(pairs.size(), 400));
  for (const auto& [a, b] : {std::pair{"1.0~rc1", "1.0"}, {"1:0", "9"}, {"1.0", "1.0-0"}}) pairs.emplace_back(a, b);
  expect_same(pairs,
              ask(pairs,
                  "sh -c 'while read -r a b; do if dpkg --compare-versions \"$a\" lt \"$b\"; then echo -1; "
                  "elif dpkg --compare-versions \"$a\" eq \"$b\"; then echo 0; else echo 1; fi; done'"),
              compare_deb);
}

Pairs made_rpm_pairs(std::size_t count, std::string_view alphabet) {
  std::mt19937_64 random(kSeed);
  Pairs pairs;
  const auto text = [&] {
    std::string made;
    do made += alphabet[random() % alphabet.size()];
    while (random() % 8 != 0);
    return made;
  };
  for (std::size_t i = 0; i < count; ++i) {
    std::string a = text(), b = a;
    if (random() % 2) b = text();
    else b[random() % b.size()] = alphabet[random() % alphabet.size()];
    pairs.emplace_back(std::move(a), std::move(b));
  }
  return pairs;
}

// One rpm process for all pairs: a Lua list in a file, since rpm's own standard input is not for scripts.
std::vector<int> ask_rpm(const Pairs& pairs) {
  const fs::path file = fs::temp_directory_path() / ("belay-rpm-test-" + std::to_string(getpid()));
  std::ofstream out(file);
  for (const auto& [a, b] : pairs) out << a << ' ' << b << '\n';
  out.close();
  std::vector<int> answers;
  const std::string lua =
      "rpm --eval '%{lua: for l in io.lines(\"" + file.string() +
      "\") do local a,b = l:match(\"(%S+) (%S+)\"); print(tostring(rpm.vercmp(a,b)) .. \" \") end}'";
  if (FILE* pipe = popen(lua.c_str(), "r")) {
    for (int answer = 0; std::fscanf(pipe, "%d", &answer) == 1;) answers.push_back(answer);
    pclose(pipe);
  }
  fs::remove(file);
  return answers;
}

TEST(RpmVersionBesideTools, RpmAgreesOnMadePairs) {
  if (!runs("rpm --eval '%{lua:print(rpm.vercmp(\"1\",\"2\"))}'")) GTEST_SKIP() << "rpm with Lua is not installed";
  const auto pairs = made_rpm_pairs(30'000, "0012599abZ~^._+");
  expect_same(pairs, ask_rpm(pairs), compare_rpm_segment);
}

TEST(RpmVersionBesideTools, RpmAgreesOnWholeVersions) {
  if (!runs("rpm --eval '%{lua:print(rpm.vercmp(\"1\",\"2\"))}'")) GTEST_SKIP() << "rpm with Lua is not installed";
  if (ask_rpm({{"1:1-1", "2-1"}}) != std::vector<int>{1})
    GTEST_SKIP() << "this rpm's Lua compares no epochs (before 4.16)";
  auto pairs = made_rpm_pairs(20'000, "0129ab~^.");
  std::mt19937_64 random(kSeed);
  for (auto& [a, b] : pairs)
    for (auto* text : {&a, &b})
      *text = std::to_string(random() % 2) + ":" + *text + "-" + std::to_string(random() % 3) + ".el9";
  expect_same(pairs, ask_rpm(pairs), compare_rpm);
}

}  // namespace
}  // namespace belay::version
