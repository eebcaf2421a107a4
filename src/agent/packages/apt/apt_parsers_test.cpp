// The parsers of apt's files and words: a row a fact, and what is hostile is refused or bounded.
#include <gtest/gtest.h>
#include <lz4frame.h>
#include <zlib.h>

#include <algorithm>

#include "agent/packages/apt/dpkg_status.hpp"
#include "agent/packages/apt/index_file.hpp"
#include "agent/packages/apt/output.hpp"
#include "agent/packages/apt/preferences.hpp"
#include "agent/packages/apt/release_file.hpp"
#include "agent/packages/apt/sources.hpp"
#include "base/text.hpp"

namespace belay::agent::apt {
namespace {

using fleet::Reason;

std::string stanza(std::string_view name, std::string_view status, std::string_view version,
                   std::string_view more = "") {
  return "Package: " + std::string(name) + "\nStatus: " + std::string(status) +
         "\nArchitecture: amd64\nVersion: " + std::string(version) + "\n" + std::string(more) + "\n";
}

TEST(DpkgStatus, StatesAndMarks) {
  const auto packages = parse_dpkg_status(
      stanza("b", "hold ok installed", "1") + stanza("a", "install ok half-configured", "2") +
      stanza("gone", "deinstall ok config-files", "3") + stanza("c", "install reinstreq half-installed", "4") +
      stanza("d", "install ok triggers-pending", "5", "Conffiles:\n /etc/d 0123\n /etc/e 4567 obsolete\n"));
  ASSERT_TRUE(packages.ok()) << packages.error().chain();
  ASSERT_EQ(packages->size(), 4u);
  EXPECT_EQ((*packages)[0].name, "a");
  EXPECT_TRUE(find_package(*packages, "b", "amd64")->held);
  EXPECT_EQ(find_package(*packages, "gone", ""), nullptr);
  EXPECT_EQ(find_package(*packages, "d", "")->conffiles, (std::vector<std::string>{"/etc/d", "/etc/e"}));
  const auto problems = health_of(*packages, false);
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(problems[0].reason, Reason::dpkg_interrupted);
  EXPECT_EQ(problems[1].reason, Reason::package_broken);
}

TEST(DpkgStatus, TheJournalReplaces) {
  const auto packages =
      parse_dpkg_status(stanza("a", "install ok installed", "1"),
                        {stanza("a", "install ok unpacked", "2"), stanza("a", "deinstall ok config-files", "2")});
  ASSERT_TRUE(packages.ok());
  EXPECT_TRUE(packages->empty());
}

TEST(DpkgStatus, HostileInputIsRefused) {
  for (const auto& text :
       {std::string("Package: a\x01\nStatus: install ok installed\nVersion: 1\n"), stanza("a", "nonsense", "1"),
        stanza("a", "install ok on-fire", "1"), stanza("a", "install ok installed", ""),
        stanza("a", "install ok installed", "1 2"), stanza("\xff\xfe", "install ok installed", "1"),
        std::string("no colon here\n"), std::string(300, 'x') + "\n"}) {
    const auto packages = parse_dpkg_status(text);
    ASSERT_FALSE(packages.ok()) << text;
    EXPECT_EQ(packages.error().reason(), "database-unreadable");
  }
}

TEST(DpkgStatus, AMillionRowsAreRefusedQuickly) {
  std::string text;
  for (int i = 0; i < 60'000; ++i) text += stanza("p" + std::to_string(i), "install ok installed", "1");
  const auto packages = parse_dpkg_status(text);
  ASSERT_FALSE(packages.ok());
  EXPECT_EQ(packages.error().code(), Code::resource_exhausted);
}

TEST(DpkgStatus, DifferencesAreSeen) {
  const auto before =
      *parse_dpkg_status(stanza("a", "install ok installed", "1") + stanza("b", "install ok installed", "1"));
  const auto after =
      *parse_dpkg_status(stanza("a", "install ok installed", "2") + stanza("c", "install ok installed", "1"));
  const auto changes = changes_between(before, after);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].from_version + ">" + changes[0].to_version, "1>2");
  EXPECT_EQ(changes[1].to_version, "");
  EXPECT_EQ(changes[2].from_version, "");
}

TEST(ExtendedStates, OnlyAutomaticOnes) {
  const auto automatic = parse_extended_states(
      "Package: a\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: b\nArchitecture: amd64\nAuto-Installed: 0\n");
  EXPECT_EQ(automatic.size(), 1u);
  EXPECT_TRUE(automatic.contains({"a", "amd64"}));
}

TEST(ReleaseFile, SignedOneWithDates) {
  const auto release = parse_release(
      "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nLabel: Debian-Security\nSuite: "
      "oldstable-security\nCodename: bookworm-security\n"
      "Date: Sat, 21 Nov 2026 00:53:02 UTC\nValid-Until: Sat, 28 Nov 2026 00:53:02 UTC\nSHA256:\n 0123 45 "
      "main/binary-amd64/Packages\n 0123 0 contrib/binary-amd64/Packages\n"
      "-----BEGIN PGP SIGNATURE-----\n\nSuite: evil\n-----END PGP SIGNATURE-----\n");
  ASSERT_TRUE(release.ok()) << release.error().chain();
  EXPECT_TRUE(release->signed_inline);
  EXPECT_EQ(release->suite, "oldstable-security");
  EXPECT_EQ(to_iso8601(*release->valid_until), "2026-11-28T00:53:02Z");
  EXPECT_EQ(release->packages_sizes.at("main/binary-amd64/Packages"), 45u);
  EXPECT_EQ(release->packages_sizes.at("contrib/binary-amd64/Packages"), 0u);
}

TEST(ReleaseFile, ADateThatSaysNothingIsRefused) {
  EXPECT_FALSE(parse_release("Suite: x\nValid-Until: next year\n").ok());
  EXPECT_TRUE(parse_release("Suite: x\n").ok());
}

TEST(Sources, BothForms) {
  const auto lines = parse_one_line_sources(
      "# no\ndeb [arch=amd64 trusted=yes] http://u:secret@host:8080/debian book main contrib # why\ndeb-src http://x y "
      "z\ndeb file:/srv/r ./\n",
      "a.list");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].trusted);
  EXPECT_EQ(site_of(lines[0]), "host");
  EXPECT_EQ(describe(lines[0]), "http://host:8080/debian/ book");
  EXPECT_EQ(list_prefix(lines[0]), "host:8080_debian_dists_book_");
  EXPECT_EQ(list_prefix(lines[1]), "_srv_r_._");
  const auto stanzas = parse_deb822_sources(
      "Types: deb deb-src\nURIs: http://h/d\n# a comment\nSuites: a a-updates\nComponents: main\n\nTypes: "
      "deb\nEnabled: no\nURIs: http://h/d\nSuites: b\n",
      "x");
  ASSERT_EQ(stanzas.size(), 2u);
  EXPECT_EQ(stanzas[1].suite, "a-updates");
  EXPECT_EQ(list_prefix({"http://h/a_b~c/", "s/updates", {"main"}, {}, false, ""}), "h_a%5fb%7ec_dists_s_updates_");
}

TEST(Preferences, PrioritiesAsAptHasThem) {
  Preferences preferences;
  parse_preferences(
      "Explanation: x\nPackage: nginx* apache2\nPin: release n=bookworm-backports\nPin-Priority: 700\n\nPackage: "
      "*\nPin: origin \"mirror.invalid\"\nPin-Priority: -10\n\n"
      "Package: vim\nPin: version 2:9*\nPin-Priority: 1001\n\nPackage: /re/\nPin: release a=x\nPin-Priority: 1\n",
      "p", preferences);
  EXPECT_EQ(preferences.pins.size(), 3u);
  EXPECT_EQ(preferences.not_understood.size(), 1u);
  Release backports;
  backports.codename = "bookworm-backports", backports.not_automatic = true, backports.but_automatic_upgrades = true;
  const PinContext context{backports, "deb.invalid", "main"};
  EXPECT_EQ(source_priority(preferences, context), 100);
  EXPECT_EQ(version_priority(preferences, "nginx-core", "1", context, 100), 700);
  EXPECT_EQ(version_priority(preferences, "vim", "2:9.1", context, 100), 1001);
  EXPECT_EQ(source_priority(preferences, {Release{}, "mirror.invalid", "main"}), -10);
  parse_apt_conf("// c\nAPT { Default-Release \"bookworm*\"; };\n#x\nAcquire::Foo \"y\";", preferences);
  Release stable;
  stable.codename = "bookworm";
  EXPECT_EQ(source_priority(preferences, {stable, "h", "main"}), 990);
}

TEST(Preferences, NeverIsTheLowestPriority) {
  Preferences preferences;
  parse_preferences("Package: *\nPin: release o=UbuntuESM, n=noble\nPin-Priority: never\n", "x", preferences);
  ASSERT_EQ(preferences.pins.size(), 1u);
  EXPECT_EQ(preferences.pins[0].priority, -32768);
  EXPECT_TRUE(preferences.not_understood.empty());
}

TEST(Phasing, WhatTheAdministratorSays) {
  Preferences preferences;
  parse_apt_conf(
      "APT::Get::Never-Include-Phased-Updates \"1\";\nUpdate-Manager { Always-Include-Phased-Updates "
      "\"false\"; };\n",
      preferences);
  EXPECT_TRUE(preferences.phasing.never);
  EXPECT_FALSE(preferences.phasing.always);
}

// That the figures are apt's own is tried against apt (tests/system/test_ubuntu.py).
TEST(Phasing, AMachinesTurnComesOnceAndStays) {
  const std::string id(32, '7');
  int first_turns = 0;
  for (const std::string name : {"bash", "glibc", "linux", "openssl", "vim", "zlib"}) {
    int turn = 101;
    for (int percentage = 100; percentage >= 0; --percentage)
      if (has_its_turn({id, false, false}, name, "1.1", "", percentage)) turn = percentage;
    for (int percentage = 0; percentage <= 100; ++percentage) {
      EXPECT_EQ(has_its_turn({id, false, false}, name, "1.1", "", percentage), percentage >= turn) << name;
      EXPECT_TRUE(has_its_turn({id, true, true}, name, "1.1", "", percentage));
      EXPECT_EQ(has_its_turn({id, false, true}, name, "1.1", "", percentage), percentage == 100);
      EXPECT_TRUE(has_its_turn({"", false, false}, name, "1.1", "", percentage)) << "without an id nobody waits";
      EXPECT_EQ(has_its_turn({id, false, false}, name + "-bin", "7", name + " (1.1)", percentage), percentage >= turn)
          << "all packages of a source come at once";
    }
    first_turns += turn;
  }
  EXPECT_GT(first_turns, 0);
  EXPECT_LT(first_turns, 600);
}

TEST(IndexFile, CompressedListsComeInWholeParagraphs) {
  std::string text;
  for (int i = 0; i < 60'000; ++i)
    text += "Package: p" + std::to_string(i) + "\nDescription: something to fill the piece with\n\n";
  std::string packed(LZ4F_compressFrameBound(text.size(), nullptr), '\0');
  packed.resize(LZ4F_compressFrame(packed.data(), packed.size(), text.data(), text.size(), nullptr));
  std::string seen;
  int pieces = 0;
  const auto status = for_each_piece(packed, Compression::lz4, [&](std::string_view piece) {
    ++pieces;
    seen += piece;
    EXPECT_TRUE(piece.ends_with("\n\n"));
  });
  ASSERT_TRUE(status.ok()) << status.error().chain();
  EXPECT_EQ(seen, text);
  EXPECT_GT(pieces, 1);
  for (const auto compression : {Compression::lz4, Compression::xz, Compression::gzip, Compression::zstd}) {
    EXPECT_FALSE(for_each_piece(packed.substr(0, packed.size() / 2), compression, [](auto) {}).ok());
    EXPECT_FALSE(for_each_piece("this is no archive at all", compression, [](auto) {}).ok());
  }
  EXPECT_FALSE(compression_of("x_Packages.bz2").ok());
}

TEST(AptOutput, Simulation) {
  const auto changes = changes_of_simulation(
      "Reading package lists...\nInst perl [5.36.0-7+deb12u3] (5.36.0-7+deb12u4 Debian-Security:12/oldstable-security "
      "[amd64]) []\n"
      "Inst libpam-modules-bin:i386 [1.4] (1.5 X:1/y [i386]) [libpam-modules:amd64 on libpam-modules-bin:amd64] "
      "[libpam-modules:amd64 ]\n"
      "Inst apparmor (3.0.8-3 Debian:12.15/oldstable [amd64])\nConf apt (2.6.2 Debian-Security:12/oldstable-security "
      "[amd64])\nRemv old [1.0-1]\nInst broken\n",
      "amd64");
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_EQ(changes[0].from_version, "5.36.0-7+deb12u3");
  EXPECT_EQ(changes[1].arch, "i386");
  EXPECT_EQ(changes[2].from_version, "");
  EXPECT_EQ(changes[3].to_version, "");
  EXPECT_EQ(changes[3].arch, "amd64");
}

TEST(AptOutput, ServicesThatWantARestart) {
  const std::pair<std::string, std::vector<std::string>> rows[] = {
      {"", {}},
      {"NEEDRESTART-VER: 3.6\nNEEDRESTART-KCUR: 6.1.0-40-amd64\nNEEDRESTART-KSTA: 1\n", {}},
      {"NEEDRESTART-VER: 3.6\nNEEDRESTART-SVC: cron.service\nNEEDRESTART-SVC: user@1000.service\n",
       {"cron.service", "user@1000.service"}},
      {"NEEDRESTART-SVC:nginx.service\r\n", {"nginx.service"}},
      {"see NEEDRESTART-SVC: x.service\nNEEDRESTART-SESS: root @ session #1\n", {}},
      {"NEEDRESTART-SVC: a\x1b[31mb.service\n", {sanitize("a\x1b[31mb.service", 200)}},
  };
  for (const auto& [text, services] : rows) EXPECT_EQ(services_of_needrestart(text), services) << text;
  std::string many;
  for (int i = 0; i < 2'000; ++i) many += "NEEDRESTART-SVC: s" + std::to_string(i) + ".service\n";
  EXPECT_EQ(services_of_needrestart(many).size(), 1'000u) << "a list without end";
}

TEST(AptOutput, WhatUpdateSaysHasNames) {
  struct Row {
    std::string_view text;
    Reason reason;
    std::string_view subject;
  };
  const Row rows[] = {
      {"W: GPG error: http://h/debian bookworm InRelease: The following signatures were invalid: BADSIG 123 Debian\n",
       Reason::signature_bad, "http://h/debian bookworm"},
      {"W: GPG error: http://h/debian bookworm InRelease: Splitting up /var/lib/apt/lists/partial/x_InRelease into "
       "data "
       "and signature failed\nW: Failed to fetch http://h/debian/dists/bookworm/InRelease  Splitting up "
       "/var/lib/apt/lists/partial/x_InRelease into data and signature failed\n",
       Reason::signature_bad, "http://h/debian bookworm"},
      {"W: GPG error: http://h/debian bookworm InRelease: The following signatures couldn't be verified because the "
       "public key is not available: NO_PUBKEY 5399\n",
       Reason::key_missing, "http://h/debian bookworm"},
      {"E: The repository 'http://h/debian bookworm InRelease' is not signed.\n", Reason::signature_bad,
       "http://h/debian bookworm"},
      {"W: GPG error: http://h/d s InRelease: The following signatures were invalid: EXPKEYSIG 12 X\n",
       Reason::key_expired, "http://h/d s"},
      {"E: Release file for http://h/debian/dists/sid/InRelease is expired (invalid since 22d 3h). Updates for this "
       "repository will not be applied.\n",
       Reason::release_expired, "http://h/debian sid"},
      {"E: Release file for http://u:p@h/debian/dists/sid/InRelease is not valid yet (invalid for another 3h)\n",
       Reason::clock_wrong, "http://h/debian sid"},
      {"Err:2 http://h/debian sid InRelease\n  Connection failed [IP: 1.2.3.4 80]\n", Reason::repository_unreachable,
       "http://h/debian sid"},
      {"E: Could not get lock /var/lib/apt/lists/lock. It is held by process 416 (apt-get)\n", Reason::lock_held,
       "apt-get (process 416)"},
      {"E: Failed to fetch http://h/x  Hash Sum mismatch\n", Reason::signature_bad, "http://h/x "},
  };
  for (const auto& row : rows) {
    const auto problems = problems_of_update(row.text);
    ASSERT_EQ(problems.size(), 1u) << row.text;
    EXPECT_EQ(problems[0].reason, row.reason) << row.text;
    EXPECT_EQ(problems[0].subject, row.subject) << row.text;
    EXPECT_TRUE(problems[0].blocks_judgement) << row.text;
  }
  EXPECT_TRUE(problems_of_update("Hit:1 http://h/debian bookworm InRelease\nW: Target Packages (main) is configured "
                                 "multiple times in x\nW: Download is performed unsandboxed as root as file "
                                 "'/x/partial/InRelease' couldn't be accessed by user '_apt'. - pkgAcquire::Run (13: "
                                 "Permission denied)\n")
                  .empty());
}

TEST(AptOutput, WhatInstallSaysHasNames) {
  const std::pair<std::string_view, Reason> rows[] = {
      {"E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n",
       Reason::dpkg_interrupted},
      {"E: Version '9' for 'nginx' was not found\n", Reason::version_not_offered},
      {"The following packages have unmet dependencies:\n a : Depends: b (= 2) but 1 is to be installed\nE: Unable to "
       "correct problems, you have held broken packages.\n",
       Reason::dependency_broken},
      {"E: You don't have enough free space in /var/cache/apt/archives/.\n", Reason::disk_full},
      {"dpkg: error processing archive /x/big_1_all.deb (--unpack):\n cannot copy: failed to write (No space left on "
       "device)\n",
       Reason::disk_full},
      {"dpkg: error processing package bad (--configure):\n installed bad package post-installation script subprocess "
       "returned error exit status 1\n",
       Reason::script_failed},
      {"E: Packages need to be removed but remove is disabled.\n", Reason::would_remove_packages},
  };
  for (const auto& [text, reason] : rows) {
    const auto problems = problems_of_install(text);
    ASSERT_FALSE(problems.empty()) << text;
    EXPECT_EQ(problems[0].reason, reason) << text;
  }
  EXPECT_EQ(problems_of_install(rows[5].first)[0].subject, "bad");
  EXPECT_TRUE(problems_of_install("Setting up nginx (1.22) ...\n").empty());
}

}  // namespace
}  // namespace belay::agent::apt
