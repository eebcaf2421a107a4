#include "core/fleet/problem_text.hpp"

#include <gtest/gtest.h>

namespace belay::fleet {
namespace {

TEST(ProblemText, SaysWhatWhichAndWhatToDo) {
  const Problem whole{Reason::disk_full, "/var", "3 MB are left", "free space", false};
  EXPECT_EQ(what_is_wrong(whole), "disk_full (/var): 3 MB are left");
  EXPECT_EQ(what_is_wrong_and_next(whole), "disk_full (/var): 3 MB are left; free space");
}

TEST(ProblemText, LeavesOutWhatItDoesNotKnow) {
  EXPECT_EQ(what_is_wrong({Reason::never_scanned, "", "", "scan it", false}), "never_scanned");
  EXPECT_EQ(what_is_wrong_and_next({Reason::never_scanned, "", "", "scan it", false}), "never_scanned; scan it");
  EXPECT_EQ(what_is_wrong_and_next({Reason::lock_held, "", "by apt (7)", "", false}), "lock_held: by apt (7)");
}

}  // namespace
}  // namespace belay::fleet
