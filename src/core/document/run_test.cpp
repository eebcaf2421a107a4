#include "core/document/run.hpp"

#include <gtest/gtest.h>

#include <random>

namespace belay::document {
namespace {

constexpr Instant kNow{Duration(1'000)};

// "a b! c/2 d e$": names; `!` exit on failure, `?` successAndExit, `+` exit on success, `$` finally, `~` to be passed
// over, `/N` a document of the N steps after it, `i` in front: one that may run again (inventory), `r` a reboot step.
std::vector<Step> steps_of(const std::string& text) {
  std::vector<Step> steps;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto end = std::min(text.find(' ', at), text.size());
    auto word = text.substr(at, end - at);
    at = end + 1;
    Step step;
    step.work = RunShellScript{};
    for (const char mark : word) {
      if (mark == '!') step.on_failure = OnFailure::exit;
      if (mark == '?') step.on_failure = OnFailure::success_and_exit;
      if (mark == '+') step.exit_on_success = true;
      if (mark == '$') step.finally = true;
      if (mark == '~') step.skip = "not here";
    }
    if (const auto slash = word.find('/'); slash != std::string::npos) {
      RunDocument document;
      document.inner_steps = static_cast<std::uint32_t>(word[slash + 1] - '0');
      step.work = document;
    }
    if (word[0] == 'i') step.work = SoftwareInventory{};
    if (word[0] == 'r') step.work = Reboot{};
    step.name = word.substr(0, word.find_first_of("!?+$~/"));
    steps.push_back(std::move(step));
  }
  return steps;
}

// Plays what steps answer until the run is over or the answers are: "0" an exit code, "t" timed out, "f" failed,
// "c" somebody cancels (the step then ends cancelled), "R" the machine reboots as asked, "p" power fails, "k" the
// driver is killed.
std::string play(const std::string& text, const std::string& answers) {
  const auto steps = steps_of(text);
  auto run = new_run(steps);
  auto action = step(steps, run, {}, kNow);
  std::string trace;
  const auto tell = [&](Event event) { action = step(steps, run, event, kNow); };
  for (std::size_t at = 0; at < answers.size();) {
    const auto end = std::min(answers.find(' ', at), answers.size());
    const auto answer = answers.substr(at, end - at);
    at = end + 1;
    if (action.kind == ActionKind::execute) trace += steps[action.index].name + " ";
    if (answer == "t") tell({EventKind::timed_out, 0, ""});
    else if (answer == "f") tell({EventKind::failed, 0, "broke"});
    else if (answer == "R" || answer == "p") tell({EventKind::rebooted, 0, ""});
    else if (answer == "k") tell({EventKind::restarted, 0, ""});
    else if (answer == "c") {
      tell({EventKind::cancel, 0, ""});
      if (action.kind == ActionKind::stop) tell({EventKind::cancelled, 0, ""});
    } else {
      tell({EventKind::exited, std::stoi(answer), ""});
    }
    // The state is what is on disk: nothing but it carries the run on.
    run = *json::decode_text<Run>(json::encode_text(run));
  }
  if (action.kind == ActionKind::execute) trace += steps[action.index].name + " ";
  const auto summary = summarize(steps, run);
  trace += boost::describe::enum_to_string(action.kind, "?");
  return trace + " " + boost::describe::enum_to_string(summary.status, "?") + " " + std::to_string(summary.exit_code);
}

struct Story {
  const char *name, *steps, *answers, *expect;
};
constexpr Story kStories[] = {
    {"all well", "a b", "0 0", "a b finish Success 0"},
    {"not begun", "a b", "", "a execute InProgress 0"},
    {"a failure does not stop the next", "a b", "3 0", "a b finish Failed 3"},
    {"the first failure decides", "a b", "3 4", "a b finish Failed 3"},
    {"exit on failure", "a! b c", "3", "a finish Failed 3"},
    {"success and exit", "a? b", "3", "a finish Success 0"},
    {"an earlier failure is not forgiven", "a b? c", "2 3", "a b finish Failed 2"},
    {"exit on success", "a+ b", "0", "a finish Success 0"},
    {"exit on success of one that failed", "a+ b", "1 0", "a b finish Failed 1"},
    {"finally after a failure", "a! b c$", "3 0", "a c finish Failed 3"},
    {"finally that fails", "a b$", "0 5", "a b finish Failed 5"},
    {"finally after success and exit", "a? b c$", "3 0", "a c finish Success 0"},
    {"time out", "a b", "t 0", "a b finish TimedOut -1"},
    {"failure over time out", "a b", "t 7", "a b finish Failed 7"},
    {"time out exits", "a! b", "t", "a finish TimedOut -1"},
    {"could not run", "a", "f", "a finish Failed -1"},
    {"passed over", "a~ b", "0", "b finish Success 0"},
    {"all passed over", "a~ b~", "", "finish Success 0"},
    {"a step passed over does not exit", "a~! b", "0", "b finish Success 0"},
    {"cancel", "a b", "c", "a finish Cancelled -1"},
    {"cancel runs the finally step", "a b c$", "c 0", "a c finish Cancelled -1"},
    {"cancel and it ended after all", "a b", "c", "a finish Cancelled -1"},
    {"reboot", "a b", "194 R 0 0", "a a b finish Success 0"},
    {"reboot is asked for", "a b", "194", "a reboot InProgress 0"},
    {"reboot, killed before it", "a b", "194 k", "a reboot InProgress 0"},
    {"reboot, then failure", "a", "194 R 4", "a a finish Failed 4"},
    {"reboots without end", "a", "194 R 194 R 194 R 194 R 194 R 194 R 194 R 194 R 194",
     "a a a a a a a a a finish Failed 194"},
    {"cancel while rebooting", "a b", "194 c", "a finish Cancelled 194"},
    {"power fails", "a b", "p 0", "a b finish Failed -1"},
    {"killed", "a! b", "k", "a finish Failed -1"},
    {"killed, but it may run again", "i b", "k 0 0", "i i b finish Success 0"},
    {"power fails, but it may run again", "i b", "p 0 0", "i i b finish Success 0"},
    {"the reboot step", "r b", "194 R 0 0", "r r b finish Success 0"},
    {"the reboot step that kills itself", "r b", "R 0", "r b finish Success 0"},
    {"leave with success", "a b c$", "168 0", "a c finish Success 0"},
    {"leave with failure", "a b c$", "169 0", "a c finish Failed 169"},
    {"leave after a failure", "a b c", "3 168", "a b finish Failed 3"},
    {"leave an inner document", "d/2 x y b", "168 0", "x b finish Success 0"},
    {"leave an inner document with failure", "d/2 x y b", "169 0", "x b finish Failed 169"},
    {"an inner document", "a d/2 x y b", "0 0 0 0", "a x y b finish Success 0"},
    {"an inner failure", "d/2 x y b", "0 4 0", "x y b finish Failed 4"},
    {"an inner exit leaves the inner document only", "d/2 x! y b", "4 0", "x b finish Failed 4"},
    {"an inner failure exits outside", "d/2! x y b", "4 0", "x y finish Failed 4"},
    {"an inner success and exit", "d/2! x? y b", "4 0", "x b finish Success 0"},
    {"an inner document in an inner one", "d/3 e/1 x y b", "0 0 0", "x y b finish Success 0"},
    {"an inner document passed over", "a! d/2 x y", "1", "a finish Failed 1"},
    {"an inner finally", "d/2 x! y$ b", "4 0 0", "x y b finish Failed 4"},
    {"an inner reboot", "d/2 x y b", "194 R 0 0 0", "x x y b finish Success 0"},
    {"cancel inside", "d/2 x y$ b", "c 0", "x y finish Cancelled -1"},
};

TEST(Run, Stories) {
  for (const auto& story : kStories) EXPECT_EQ(play(story.steps, story.answers), story.expect) << story.name;
}

TEST(Run, EventsThatDoNotFitChangeNothing) {
  const auto steps = steps_of("a b");
  auto run = new_run(steps);
  step(steps, run, {}, kNow);
  step(steps, run, {EventKind::exited, 0, ""}, kNow);
  const auto before = json::encode_text(run);
  EXPECT_EQ(step(steps, run, {}, kNow), (Action{ActionKind::wait, 1}));
  EXPECT_EQ(json::encode_text(run), before);
  step(steps, run, {EventKind::exited, 0, ""}, kNow);
  const auto over = json::encode_text(run);
  for (const auto kind : {EventKind::exited, EventKind::failed, EventKind::rebooted, EventKind::restarted})
    EXPECT_EQ(step(steps, run, {kind, 9, "late"}, kNow).kind, ActionKind::finish);
  EXPECT_EQ(json::encode_text(run), over);
}

TEST(Run, ReportsFoldInnerDocuments) {
  const auto steps = steps_of("a d/2 x y b~");
  auto run = new_run(steps);
  step(steps, run, {}, kNow);
  for (const auto code : {0, 4, 0}) step(steps, run, {EventKind::exited, code, ""}, kNow);
  const auto told = report(steps, run);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[1].run.status, StepStatus::Failed);
  EXPECT_EQ(told[1].run.exit_code, 4);
  EXPECT_EQ(told[1].outputs, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(told[2].run.status, StepStatus::Skipped);
  EXPECT_TRUE(told[2].outputs.empty());
}

TEST(Run, ALocalDocumentTakesItsPlace) {
  auto steps = steps_of("d/2 x l/0 b");
  auto run = new_run(steps);
  step(steps, run, {}, kNow);
  auto action = step(steps, run, {EventKind::exited, 0, ""}, kNow);
  ASSERT_EQ(action, (Action{ActionKind::execute, 2}));
  ASSERT_TRUE(splice(steps, run, 2, steps_of("p q!")).ok());
  EXPECT_EQ(inner_steps_of(steps[0]), 4u);
  EXPECT_EQ(steps[3].name, "l/p");
  EXPECT_EQ(step(steps, run, {}, kNow), (Action{ActionKind::execute, 3}));
  EXPECT_EQ(step(steps, run, {EventKind::exited, 0, ""}, kNow), (Action{ActionKind::execute, 4}));
  EXPECT_EQ(step(steps, run, {EventKind::exited, 5, ""}, kNow), (Action{ActionKind::execute, 5}));
  EXPECT_EQ(step(steps, run, {EventKind::exited, 0, ""}, kNow).kind, ActionKind::finish);
  EXPECT_EQ(summarize(steps, run).exit_code, 5);
}

// Whatever comes, a run ends, and a success means that no step failed unforgiven and each ran or was passed over.
TEST(Run, AnyOrderOfEventsIsTakenAndEnds) {
  const auto steps = steps_of("a d/3 x? e/1 y b! r c$");
  for (unsigned seed = 0; seed < 3'000; ++seed) {
    std::mt19937 random(seed);
    auto run = new_run(steps);
    auto action = step(steps, run, {}, kNow);
    int turns = 0;
    while (action.kind != ActionKind::finish) {
      ASSERT_LT(++turns, 500);
      const auto kind = static_cast<EventKind>(random() % 8);
      const std::int32_t codes[] = {0, 0, 1, 194};
      action = step(steps, run, {kind, codes[random() % 4], "x"}, kNow);
    }
    const auto summary = summarize(steps, run);
    ASSERT_NE(summary.status, StepStatus::InProgress);
    for (const auto& one : run.steps) {
      ASSERT_TRUE(one.status != StepStatus::Pending && one.status != StepStatus::InProgress);
      ASSERT_TRUE(one.finished_at.has_value());
    }
    const auto failed = [&](std::size_t i) { return run.steps[i].status == StepStatus::Failed; };
    if (failed(0) || failed(5) || failed(7)) ASSERT_EQ(summary.status, StepStatus::Failed);
    ASSERT_NE(run.steps.back().status, StepStatus::Skipped) << "the finally step always runs";
  }
}

}  // namespace
}  // namespace belay::document
