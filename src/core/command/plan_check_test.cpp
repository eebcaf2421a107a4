#include "core/command/plan_check.hpp"

#include <gtest/gtest.h>

namespace belay::command {
namespace {
using fleet::PackageChange;
using fleet::Reason;

PackageChange change(const char* name, const char* from, const char* to, const char* sha = "") {
  return {name, "amd64", from, to, sha, 0};
}

struct Row {
  const char* name;
  std::vector<PackageChange> wanted, planned;
  std::vector<PackageChange> frozen;
  bool is_change_set;
  std::vector<std::string> blocked;
  std::vector<Reason> problems;
};

const Row kRows[] = {
    {"as asked", {change("a", "1", "2")}, {change("a", "1", "2")}, {}, false, {}, {}},
    {"a new dependency comes in",
     {change("kernel", "1", "2")},
     {change("kernel", "1", "2"), change("kernel-2", "", "2")},
     {},
     false,
     {},
     {}},
    {"not brought to the version",
     {change("a", "1", "2")},
     {change("a", "1", "3")},
     {},
     false,
     {},
     {Reason::version_not_offered}},
    {"left out", {change("a", "1", "2")}, {}, {}, false, {}, {Reason::version_not_offered}},
    {"removal",
     {change("a", "1", "2")},
     {change("a", "1", "2"), change("b", "1", "")},
     {},
     false,
     {},
     {Reason::would_remove_packages}},
    {"another file",
     {change("a", "1", "2", "aa")},
     {change("a", "1", "2", "bb")},
     {},
     false,
     {},
     {Reason::signature_bad}},
    {"a file whose hash is not known", {change("a", "1", "2", "aa")}, {change("a", "1", "2")}, {}, false, {}, {}},
    {"blocked dependency",
     {change("a", "1", "2")},
     {change("a", "1", "2"), change("libbad1", "", "2")},
     {},
     false,
     {"libbad*"},
     {Reason::dependency_broken}},
    {"change set",
     {change("a", "1", "2")},
     {change("a", "1", "2"), change("d", "", "1")},
     {change("a", "1", "2"), change("d", "", "1")},
     true,
     {},
     {}},
    {"beyond the change set",
     {change("a", "1", "2")},
     {change("a", "1", "2"), change("d", "", "1")},
     {change("a", "1", "2")},
     true,
     {},
     {Reason::dependency_broken}},
    {"from another version",
     {change("a", "1", "2")},
     {change("a", "1", "2"), change("d", "0", "1")},
     {change("a", "1", "2"), change("d", "", "1")},
     true,
     {},
     {Reason::dependency_broken}},
    {"another file than frozen",
     {},
     {change("d", "", "1", "bb")},
     {change("d", "", "1", "aa")},
     true,
     {},
     {Reason::signature_bad}},
};

TEST(PlanCheck, Table) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    std::vector<Reason> found;
    for (const auto& problem :
         check_plan({row.wanted, row.planned, row.is_change_set ? &row.frozen : nullptr, row.blocked}))
      found.push_back(problem.reason);
    EXPECT_EQ(found, row.problems);
  }
}

}  // namespace
}  // namespace belay::command
