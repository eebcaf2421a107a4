#include "main/agent_command_line.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace belay {
namespace {

// A small agent: what was filled in stands here.
struct Given {
  std::string state = "/var/x", output = "table", id, one, other;
  bool yes = false;
  std::vector<std::string> mounts;
  std::vector<AgentCommand> commands() {
    const auto nothing = [] { return 0; };
    return {
        {"scan",
         "judge it",
         {{"--state", "where", &state},
          {.name = "-o,--output", .help = "how", .into = &output, .choices = {"table", "json"}},
          {.name = "--one", .help = "", .into = &one, .excludes = "--other"},
          {.name = "--other", .help = "", .into = &other, .excludes = "--one"}},
         nothing},
        {"order", "its own doing", {}, nothing, true},
        {"snapshots", "all of them"},
        {"snapshots take",
         "take one",
         {{.name = "id", .help = "its name", .into = &id, .required = true},
          {"mounts", "of what", &mounts},
          {"--yes", "do it", &yes}},
         nothing},
    };
  }
  // The name of the command, its help, or what is wrong.
  std::string choose(std::string_view line) {
    std::vector<std::string> words;
    for (const auto word : split(line, ' '))
      if (!word.empty()) words.emplace_back(word);
    const auto known = commands();
    const auto chosen = choose_command(known, words);
    if (!chosen.ok()) return chosen.error().message();
    return chosen->help.empty() ? std::string(chosen->command->name) : chosen->help;
  }
};

TEST(AgentCommandLine, FillsInWhatIsGivenAndKeepsTheRest) {
  Given plain;
  EXPECT_EQ(plain.choose("scan"), "scan");
  EXPECT_EQ(plain.state, "/var/x");
  EXPECT_EQ(plain.output, "table");
  for (const auto* line : {"scan -o json --state /y", "scan -ojson --state=/y", "scan --state /y --output=json"}) {
    Given given;
    EXPECT_EQ(given.choose(line), "scan") << line;
    EXPECT_EQ(given.state, "/y") << line;
    EXPECT_EQ(given.output, "json") << line;
  }
  Given dash;
  EXPECT_EQ(dash.choose("scan --one -"), "scan");
  EXPECT_EQ(dash.one, "-");
}

TEST(AgentCommandLine, WordsWithoutADashGoToTheirPlaces) {
  Given given;
  EXPECT_EQ(given.choose("snapshots take a --yes / /home"), "snapshots take");
  EXPECT_EQ(given.id, "a");
  EXPECT_TRUE(given.yes);
  EXPECT_EQ(given.mounts, (std::vector<std::string>{"/", "/home"}));
  Given dashed;
  EXPECT_EQ(dashed.choose("snapshots take -- --yes"), "snapshots take");
  EXPECT_EQ(dashed.id, "--yes");
  EXPECT_FALSE(dashed.yes);
}

TEST(AgentCommandLine, WhatMakesNoSenseIsSaid) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "A subcommand is required"},
      {"snapshots", "A subcommand is required"},
      {"bogus", "There is no command bogus"},
      {"snapshots bogus", "There is no command snapshots bogus"},
      {"take", "There is no command take"},
      {"scan --bogus", "The following argument was not expected: --bogus"},
      {"scan --stat /y", "The following argument was not expected: --stat"},
      {"scan extra", "The following argument was not expected: extra"},
      {"scan --state", "--state needs a value"},
      {"scan --state -o json", "--state needs a value"},
      {"scan --state /y --state /z", "--state is given twice"},
      {"scan -o xml", "--output: xml not in {table,json}"},
      {"scan --one 1 --other 2", "--one excludes --other"},
      {"snapshots take", "id is required"},
      {"snapshots take a --yes=no", "--yes takes no value"},
  };
  for (const auto& [line, why] : cases) EXPECT_EQ(Given().choose(line), why) << line;
}

TEST(AgentCommandLine, HelpIsGivenAtEveryStep) {
  EXPECT_EQ(Given().choose("--help"),
            "belay-agent: this machine's end of Belay\n"
            "Usage: belay-agent [OPTIONS] SUBCOMMAND\n\n"
            "Options:\n"
            "  -h,--help                   Print this help message and exit\n\n"
            "Subcommands:\n"
            "  scan                        judge it\n"
            "  snapshots                   all of them\n\n");
  EXPECT_NE(Given().choose("snapshots -h").find("  take                        take one\n"), std::string::npos);
  EXPECT_EQ(Given().choose("snapshots take --help"),
            "take one\n"
            "Usage: belay-agent snapshots take [OPTIONS] id [mounts...]\n\n"
            "Positionals:\n"
            "  id TEXT REQUIRED            its name\n"
            "  mounts TEXT ...             of what\n\n"
            "Options:\n"
            "  -h,--help                   Print this help message and exit\n"
            "  --yes                       do it\n\n");
  EXPECT_NE(Given().choose("scan --bogus -h").find("  -o,--output TEXT:{table,json}=table\n"), std::string::npos);
}

}  // namespace
}  // namespace belay
