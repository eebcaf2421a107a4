// Changelogs: what they say as a table, hostile ones, the reader over scripted tools, and one real package.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>

#include "agent/packages/apt/changelog_reader.hpp"
#include "agent/packages/apt/layout.hpp"
#include "agent/packages/apt/tar_picker.hpp"
#include "base/text.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::apt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const char* const kJq = R"(jq (1.6-2.1+deb12u3) bookworm-security; urgency=medium

  * CVE-2026-32316: DLA-4500-1 did not mend all of it (CVE-2026-32316).
  * GHSA-gf4g-95wj-4q4r: no CVE-2026-1 and no XCVE-2026-11111, CVE-2026-12345x.

 -- A Person <person@example.org>  Fri, 16 Oct 2026 13:54:26 -0500

jq (1.6-2.1+deb12u2) bookworm-security; urgency=HIGH (security)

  * CVE-2026-33947, CVE-2026-33948
  * DSA-6000-2

 -- A Person <person@example.org>  Sat,  3 Oct 2026 09:05:07 +0200

jq (1.6-2.1+deb12u1) bookworm; urgency=critical

  * CVE-2023-50246

 -- A Person <person@example.org>  Sun, 10 Dec 2023 15:00:00 +0000

Local variables:
 CVE-1999-0001 belongs to no entry
)";

Instant at(std::string_view text) { return *parse_iso8601(text); }
const Instant kNow = at("2026-11-23T12:00:00Z");

TEST(Changelog, EntriesAsWritten) {
  const auto entries = parse_changelog(kJq);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].version, "1.6-2.1+deb12u3");
  EXPECT_EQ(entries[0].urgency, "medium");
  EXPECT_EQ(entries[0].date, at("2026-10-16T18:54:26Z"));
  EXPECT_THAT(entries[0].cve_ids, ElementsAre("CVE-2026-32316"));
  EXPECT_THAT(entries[0].advisory_ids, ElementsAre("DLA-4500-1"));
  EXPECT_EQ(entries[1].urgency, "high");
  EXPECT_EQ(entries[1].date, at("2026-10-03T07:05:07Z"));
  EXPECT_THAT(entries[1].cve_ids, ElementsAre("CVE-2026-33947", "CVE-2026-33948"));
  EXPECT_THAT(entries[2].cve_ids, ElementsAre("CVE-2023-50246"));
}

TEST(Changelog, NotesFromTheOfferedDownToTheInstalled) {
  const auto entries = parse_changelog(kJq);
  struct Row {
    std::string offered_binary, offered_source, installed_binary, installed_source;
    std::string severity;
    std::size_t cves;
  };
  const Row rows[] = {
      {"1.6-2.1+deb12u3", "1.6-2.1+deb12u3", "1.6-2.1+deb12u2", "1.6-2.1+deb12u2", "Medium", 1},
      {"1.6-2.1+deb12u3", "1.6-2.1+deb12u3", "1.6-2.1+deb12u1", "1.6-2.1+deb12u1", "High", 3},
      {"1.6-2.1+deb12u3", "1.6-2.1+deb12u3", "1.6-2.1+b4", "1.6-2.1", "Critical", 4},  // older than all of them
      {"2:1.6", "1.6-2.1+deb12u3", "2:1.5", "1.6-2.1+deb12u2", "Medium", 1},  // the binary has a version of its own
      {"1.6-2.1+deb12u4", "1.6-2.1+deb12u4", "1.6-2.1", "1.6-2.1", "", 0},    // not the offered version's
      {"1.6-2.1+deb12u3+b1", "1.6-2.1+deb12u3", "1.6-2.1+deb12u3", "1.6-2.1+deb12u3", "",
       0},  // a rebuild that says nothing
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.offered_binary + " over " + row.installed_binary);
    const auto notes = notes_of(entries, {row.offered_binary, row.offered_source},
                                BuiltVersion{row.installed_binary, row.installed_source}, kNow);
    ASSERT_EQ(notes.has_value(), row.cves > 0);
    if (!notes) continue;
    EXPECT_EQ(notes->severity, row.severity);
    EXPECT_EQ(notes->cve_ids.size(), row.cves);
    EXPECT_EQ(notes->released_at, at("2026-10-16T18:54:26Z"));
  }
  const BuiltVersion offered{"1.6-2.1+deb12u3", "1.6-2.1+deb12u3"};
  EXPECT_EQ(notes_of(entries, offered, std::nullopt, kNow)->cve_ids.size(), 1u);
  EXPECT_EQ(notes_of(entries, offered, std::nullopt, at("2026-10-01"))->released_at, std::nullopt)
      << "a date in the future is none";
  EXPECT_FALSE(notes_of({}, offered, std::nullopt, kNow));
}

TEST(Changelog, HeadersAndTrailersOfOtherForms) {
  const auto one = [](std::string_view header, std::string_view trailer) {
    return parse_changelog(std::string(header) + "\n\n  * CVE-2026-1234\n\n" + std::string(trailer) + "\n");
  };
  const std::string header = "a (1) s; urgency=low", trailer = " -- N <m>  Sat, 10 Oct 2026 09:05:07 +0000";
  EXPECT_EQ(one("a (1) s; binary-only=yes, Urgency=Emergency", trailer)[0].urgency, "emergency");
  EXPECT_EQ(one("a (1:1.0~rc1-2+b3) s t; urgency=frightful", trailer)[0].urgency, "");
  for (const auto& bad : {"a (1) s", "a 1 s; urgency=low", "a () s; urgency=low", "a (1 2) s; x=y", "a (1/2) s; x=y",
                          " (1) s; x=y", "a (1 s; x=y"})
    EXPECT_THAT(one(bad, trailer), IsEmpty()) << bad;
  EXPECT_TRUE(one(header, " -- N <m>  10 Oct 2026 09:05:07 +0000")[0].date.has_value()) << "no day of the week";
  for (const auto& bad : {" -- N <m>", " -- N <m>  yesterday", " -- N <m>  Sat, 10 Oct 2026 09:05:07",
                          " -- N <m>  Sat, 40 Oct 2026 09:05:07 +0000", " -- N <m>  Sat, 10 Oct 2026 09:05:07 +00x0"})
    EXPECT_EQ(one(header, bad)[0].date, std::nullopt) << bad;
}

TEST(Changelog, HostileTextIsBounded) {
  std::string text = "a (9) s; urgency=high\n\n";
  for (int i = 0; i < 5'000; ++i) text += "  * CVE-2026-" + std::to_string(10'000 + i) + "\n";
  EXPECT_EQ(parse_changelog(text)[0].cve_ids.size(), kChangelogIdsMax);
  std::string many;
  for (int i = 0; i < 5'000; ++i) many += "a (" + std::to_string(9'000 - i) + ") s; urgency=low\n";
  EXPECT_EQ(parse_changelog(many).size(), kChangelogEntriesMax);
  EXPECT_EQ(parse_changelog("a (1) s; urgency=low\n\n  * \xFF\xFE CVE-2026-1234\xC3 \xE2\x80\n")[0].cve_ids.size(), 1u);
  EXPECT_EQ(parse_changelog(std::string(kChangelogBytesMax, '\n') + kJq).size(), 0u);
  const std::string whole = kJq;
  for (std::size_t size = 0; size <= whole.size(); ++size) EXPECT_LE(parse_changelog(whole.substr(0, size)).size(), 3u);
}

std::string tar_member(std::string name, const std::string& content, char type = '0') {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  char size[13];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  header.replace(124, 11, size);
  header[156] = type;
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(text.size() + 1'000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

TEST(TarPicker, PicksInPiecesOfAnySize) {
  const std::string long_name = "usr/" + std::string(150, 'x');
  const std::string tar = tar_member("./", "", '5') + tar_member("./a", "first") +
                          tar_member("./skip", std::string(2'000, 's')) +
                          tar_member("././@LongLink", "./" + long_name + '\0', 'L') + tar_member("./cut", "long") +
                          tar_member("./big", std::string(5'000, 'b')) + tar_member("./link", "", '2') +
                          tar_member("./empty", "") + std::string(1'024, '\0') + tar_member("./after", "the end");
  for (const std::size_t piece : {1u, 7u, 511u, 512u, 513u, 100'000u}) {
    TarPicker picker([](std::string_view name) { return name != "skip"; }, 4'000);
    for (std::size_t from = 0; from < tar.size(); from += piece) picker.take(std::string_view(tar).substr(from, piece));
    EXPECT_EQ(picker.files(), (std::map<std::string, std::string>{{"a", "first"}, {long_name, "long"}, {"empty", ""}}))
        << piece;
  }
}

// A machine with apt: what it downloads is a file of the size asked for.
class ReaderTest : public testing::Test {
 protected:
  ReaderTest() {
    processes.on("dpkg-deb --fsys-tarfile *",
                 [this](const io::ProcessSpec& spec, const io::OutputSink&) -> Result<io::ProcessOutcome> {
                   const auto name = spec.argv[2].substr(spec.argv[2].rfind('/') + 1);
                   for (const auto& [package, tar] : tars)
                     if (name.starts_with(package + "_")) return fakes::exits(0, tar);
                   return fakes::exits(2, "", "not an archive");
                 });
    processes.on("apt-get * download *",
                 [this](const io::ProcessSpec& spec, const io::OutputSink&) -> Result<io::ProcessOutcome> {
                   for (const auto& word : spec.argv) {
                     const auto equals = word.find('=');
                     if (equals == std::string::npos || word.find("::") != std::string::npos) continue;
                     const auto name = word.substr(0, word.find(':'));
                     if (sizes.contains(name))
                       files.put(spec.working_directory + "/" + name + "_" + word.substr(equals + 1) + "_amd64.deb",
                                 std::string(sizes[name], 'd'));
                   }
                   return sizes.empty() ? fakes::exits(100, "", "E: Temporary failure resolving") : fakes::exits(0);
                 });
  }
  ChangelogReader reader() { return {{files, processes, clock}, {"", "/cache"}, {"apt-get", "-q"}}; }
  static std::string tar_with(const std::string& text, const std::string& file = "changelog.Debian.gz") {
    return tar_member("./usr/bin/jq", "program") + tar_member("./usr/share/doc/jq/" + file, gzip(text)) +
           std::string(1'024, '\0');
  }
  fakes::ManualClock clock{kNow};
  fakes::MemoryFiles files{&clock};
  fakes::ScriptedProcesses processes;
  std::map<std::string, std::string> tars;
  std::map<std::string, std::size_t> sizes;
  const SourceVersion jq{"jq", "1.6-2.1+deb12u3"};
};

TEST_F(ReaderTest, ReadsOnceKeepsForEverAndLeavesNoPackageFile) {
  tars["jq"] = tar_with(kJq);
  sizes["jq"] = 100;
  const auto failures =
      reader().read({{jq, {{"libjq1", "amd64", jq.version, 500}, {"jq", "amd64", jq.version, 100}}}}, Duration(60'000));
  ASSERT_TRUE(failures.ok()) << failures.error().chain();
  EXPECT_THAT(*failures, IsEmpty());
  EXPECT_EQ(processes.count("apt-get -q * download jq:amd64=1.6-2.1+deb12u3"), 1) << "the smallest alone";
  clock.advance(std::chrono::hours(24 * 400));
  const auto known = reader().known(jq);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->entries.size(), 3u);
  EXPECT_EQ(known->entries[0].date, at("2026-10-16T18:54:26Z"));
  for (const auto& [path, content] : files.content()) EXPECT_EQ(path, "/cache/jq_1.6-2.1+deb12u3.json");
}

TEST_F(ReaderTest, TriesABiggerPackageAndRemembersAFailureForADay) {
  tars["jq"] = tar_member("./usr/bin/jq", "program");
  tars["libjq1"] = tar_with("upstream's own words\n", "changelog.gz");
  sizes = {{"jq", 100}, {"libjq1", 500}};
  const auto failures =
      reader().read({{jq, {{"libjq1", "amd64", jq.version, 500}, {"jq", "amd64", jq.version, 100}}}}, Duration(60'000));
  ASSERT_TRUE(failures.ok());
  EXPECT_EQ(failures->at(jq), "its changelog is no Debian changelog");
  ASSERT_TRUE(reader().known(jq));
  EXPECT_THAT(reader().known(jq)->entries, IsEmpty());
  clock.advance(std::chrono::hours(25));
  EXPECT_FALSE(reader().known(jq));
  tars["libjq1"] = tar_with(kJq, "changelog.gz");  // a native package's
  ASSERT_TRUE(reader().read({{jq, {{"libjq1", "amd64", jq.version, 500}}}}, Duration(60'000)).ok());
  EXPECT_EQ(reader().known(jq)->entries.size(), 3u);
}

TEST_F(ReaderTest, StaysWithinItsBounds) {
  std::map<SourceVersion, std::vector<ChangelogFile>> wanted{
      {{"huge", "1"}, {{"huge", "amd64", "1", kChangelogFileBytesMax + 1}}},
      {{"--bad", "1"}, {{"--bad", "amd64", "1", 10}}},
      {{"cut", "1"}, {{"cut", "amd64", "1", 10}}}};
  for (int i = 0; i < 5; ++i)
    wanted[{"big" + std::to_string(i), "1"}] = {{"big" + std::to_string(i), "amd64", "1", kChangelogFileBytesMax}};
  sizes["cut"] = 9;
  const auto failures = reader().read(wanted, Duration(60'000));
  ASSERT_TRUE(failures.ok());
  EXPECT_THAT(failures->at({"huge", "1"}), HasSubstr("larger than 16 MiB"));
  EXPECT_THAT(failures->at({"cut", "1"}), HasSubstr("not whole"));
  EXPECT_THAT(failures->at({"big4", "1"}), HasSubstr("64 MiB"));
  EXPECT_FALSE(reader().known({"big4", "1"})) << "it is read later";
  EXPECT_THAT(processes.command_lines()[0], testing::Not(HasSubstr("bad")));
}

TEST_F(ReaderTest, WithoutNetworkNothingIsRemembered) {
  const auto failures = reader().read({{jq, {{"jq", "amd64", jq.version, 100}}}}, Duration(60'000));
  ASSERT_FALSE(failures.ok());
  EXPECT_THAT(failures.error().chain(), HasSubstr("Temporary failure resolving"));
  EXPECT_THAT(files.content(), IsEmpty());
  EXPECT_THAT(*files.list("/cache"), IsEmpty());
}

TEST_F(ReaderTest, ADamagedCacheIsReadAgain) {
  files.put("/cache/jq_1.6-2.1+deb12u3.json", "{\"format\":1,");
  EXPECT_FALSE(reader().known(jq));
  files.put("/cache/jq_1.6-2.1+deb12u3.json", R"({"format":1,"source":"other","version":"1"})");
  EXPECT_FALSE(reader().known(jq));
}

// Of the machine's own mirror, where it answers.
TEST(ChangelogOfARealPackage, IsRead) {
  io::ProcessSpec spec;
  spec.environment = io::plain_environment();
  spec.argv = {"apt-get", "-q", "--print-uris", "download", "tzdata"};
  const auto printed = io::real_processes().run(spec);
  if (!printed.ok() || !printed->success()) GTEST_SKIP() << "no apt-get with package lists here";
  // 'http://…' tzdata_2026a-0+deb12u1_all.deb 298856 SHA256:…
  const auto words = split(trim(printed->standard_output), ' ');
  ASSERT_GE(words.size(), 3u) << printed->standard_output;
  const auto parts = split(words[1], '_');
  ASSERT_EQ(parts.size(), 3u);
  std::string version(parts[1]);
  if (const auto epoch = version.find("%3a"); epoch != std::string::npos) version.replace(epoch, 3, ":");
  std::string directory = std::filesystem::temp_directory_path() / "belay-changelog-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const SourceVersion key{"tzdata", version};
  ChangelogReader reader({io::real_files(), io::real_processes(), io::system_clock()}, {"", directory},
                         {"apt-get", "-q"});
  const auto failures =
      reader.read({{key, {{"tzdata", "all", version, std::strtoull(std::string(words[2]).c_str(), nullptr, 10)}}}},
                  Duration(60'000));
  const auto known = reader.known(key);
  std::filesystem::remove_all(directory);
  if (!failures.ok()) GTEST_SKIP() << "the mirror does not answer: " << failures.error().chain();
  ASSERT_TRUE(known) << (failures->empty() ? "" : failures->begin()->second);
  EXPECT_EQ(known->failure, "");
  ASSERT_FALSE(known->entries.empty());
  EXPECT_EQ(known->entries[0].version, version);
  EXPECT_TRUE(known->entries[0].date.has_value());
}

}  // namespace
}  // namespace belay::agent::apt
