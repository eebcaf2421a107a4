#include "core/window/pseudo.hpp"

#include <gtest/gtest.h>

namespace belay::window {
namespace {

struct Row {
  const char* text;
  const char* expected;
};

TEST(PseudoParameters, OnlyTheirNamesAreReplacedAndOnlyOnce) {
  const std::map<std::string, std::string, std::less<>> values{{"WINDOW_ID", "mw-1"}, {"TARGET_TYPE", "{{WINDOW_ID}}"}};
  const Row rows[] = {
      {"", ""},
      {"plain", "plain"},
      {"{{WINDOW_ID}}", "mw-1"},
      {"a {{ WINDOW_ID }}b{{WINDOW_ID}}", "a mw-1bmw-1"},
      {"{{window_id}} {{ parameter }} {{ssm:x}}", "{{window_id}} {{ parameter }} {{ssm:x}}"},
      {"{{TARGET_TYPE}}", "{{WINDOW_ID}}"},
      {"{{WINDOW_ID", "{{WINDOW_ID"},
      {"}}{{WINDOW_ID}}", "}}mw-1"},
      {"{{{WINDOW_ID}}}", "{{{WINDOW_ID}}}"},
  };
  for (const auto& row : rows) EXPECT_EQ(substitute(row.text, values), row.expected) << row.text;
}

TEST(PseudoParameters, WhatWasMeantToBeOneIsTold) {
  const Row rows[] = {
      {"echo {{WINDOW_ID}} {{ RESOURCE_ID }}", ""},
      {"echo {{WINDOWID}}", "WINDOW_ID"},
      {"{{ window_id }}", "WINDOW_ID"},
      {"{{WINDOW-EXECUTION-ID}}", "WINDOW_EXECUTION_ID"},
      {"{{WINDOW_EXECUTIONID}}", "WINDOW_EXECUTION_ID"},
      {"{{WINDOW_IDS}}", "WINDOW_ID"},
      // Somebody else's braces.
      {"docker ps --format '{{.Names}}' {{ host }} {{ssm:x}} {{TARGET_IP}}", ""},
  };
  for (const auto& row : rows) {
    const auto found = mistyped(row.text);
    EXPECT_EQ(found ? std::string(found->meant) : "", row.expected) << row.text;
  }
}

TEST(PseudoParameters, WhatRunCommandDoesNotHave) {
  EXPECT_EQ(not_in_run_command("echo {{WINDOW_ID}} {{ x }}"), "");
  EXPECT_EQ(not_in_run_command("echo {{ TARGET_ID }}"), "TARGET_ID");
  EXPECT_EQ(not_in_run_command("{{RESOURCE_ID}}"), "RESOURCE_ID");
}

}  // namespace
}  // namespace belay::window
