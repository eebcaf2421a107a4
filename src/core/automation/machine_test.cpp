#include "core/automation/machine.hpp"

#include <gtest/gtest.h>

#include <random>

#include "core/automation/signals.hpp"

namespace belay::automation {
namespace {

constexpr Instant kStart{Duration(1'800'000'000'000)};
constexpr Duration kSecond{1'000};

const std::string kHead = "schemaVersion: '0.3'\nmainSteps:\n";

Runbook runbook_of(const std::string& text) {
  auto runbook = parse_runbook(text.starts_with("schema") ? text : kHead + text, document::Format::YAML);
  EXPECT_TRUE(runbook.ok()) << runbook.error().chain() << "\n" << text;
  return runbook.ok() ? *runbook : Runbook{};
}
// A command step with more fields.
std::string cmd(const std::string& name, const std::string& more = "") {
  return "- {name: " + name + ", action: 'aws:runCommand', inputs: {DocumentName: D, InstanceIds: [i]}" +
         (more.empty() ? "" : ", " + more) + "}\n";
}

// Plays words until the execution is over or the words are: ok, fail, late (timed out), gone (cancelled), +N (N seconds
// pass), yes:WHO, no:WHO, resume, start, stop, cancel, complete. Says what was sent (name#attempt), withdrawn (-name),
// and how it ended.
std::string play(const Runbook& runbook, const std::string& words, Mode mode = Mode::Auto) {
  auto execution = *new_execution(runbook, "e-1", {}, mode);
  auto now = kStart;
  std::string trace;
  const auto tell = [&](Event event) {
    const auto done = step(runbook, execution, std::span(&event, 1), now);
    for (const auto& action : done.actions)
      trace +=
          (action.kind == ActionKind::send ? action.step + "#" + std::to_string(action.attempt) : "-" + action.step) +
          " ";
    // Nothing but what is kept carries it on.
    const auto again =
        json::decode_text<Execution>(json::encode_text(execution), {.bytes_max = 8 << 20, .depth_max = 64});
    EXPECT_TRUE(again.ok()) << again.error().chain();
    execution = *again;
  };
  const auto of = [](EventKind kind, std::string who = "") {
    Event event;
    event.kind = kind;
    event.who = std::move(who);
    return event;
  };
  tell({});
  std::size_t at = 0;
  while (at < words.size()) {
    const auto end = std::min(words.find(' ', at), words.size());
    const auto word = words.substr(at, end - at);
    at = end + 1;
    auto event = of(EventKind::begin);
    if (word == "ok")
      event.kind = EventKind::succeeded,
      event.outputs = {{"Status", "Success"}, {"ResponseCode", 0}, {"Output", "{\"n\": [5, 6]}"}};
    else if (word == "fail") event.kind = EventKind::failed, event.why = "broke", event.outputs = {{"ResponseCode", 3}};
    else if (word == "late") event.kind = EventKind::timed_out;
    else if (word == "gone") event.kind = EventKind::cancelled;
    else if (word[0] == '+') now += kSecond * std::stoi(word.substr(1));
    else if (word.starts_with("yes:")) event = of(EventKind::approve, word.substr(4));
    else if (word.starts_with("no:")) event = of(EventKind::reject, word.substr(3));
    else if (word == "resume") event.kind = EventKind::resume;
    else if (word == "start") event.kind = EventKind::start_step;
    else if (word == "stop") event.kind = EventKind::stop_step;
    else if (word == "cancel") event.kind = EventKind::cancel;
    else if (word == "complete") event.kind = EventKind::complete;
    else ADD_FAILURE() << word;
    tell(event);
  }
  trace += boost::describe::enum_to_string(execution.status, "?");
  for (const auto& [name, texts] : execution.outputs) trace += " " + name + "=" + (texts.empty() ? "" : texts.back());
  return trace;
}

struct Story {
  const char* name;
  std::string runbook;
  const char *words, *expect;
  Mode mode = Mode::Auto;
};
const std::string kBranch = cmd("a", "onFailure: Continue, isCritical: false") +
                            "- name: b\n  action: aws:branch\n  inputs:\n    Choices: [{Variable: '{{ a.ResponseCode "
                            "}}', NumericEquals: 0, NextStep: good}]\n    Default: bad\n" +
                            cmd("good", "isEnd: true") + cmd("bad");
const std::string kAsk =
    "- {name: ask, action: 'aws:approve', inputs: {Approvers: [ann, 'arn:aws:iam::1:user/bob', cy], "
    "MinRequiredApprovals: 2}}\n" +
    cmd("a");
const std::string kSleep = "- {name: s, action: 'aws:sleep', inputs: {Duration: PT10M}}\n" + cmd("a");
std::string nap(const std::string& more) {
  return "- {name: s, action: 'aws:sleep', inputs: {Duration: PT10M}, " + more + "}\n" + cmd("a");
}
const std::string kPause = "- {name: p, action: 'aws:pause', timeoutSeconds: 60}\n" + cmd("a");

const Story kStories[] = {
    {"in order", cmd("a") + cmd("b"), "ok ok", "a#1 b#1 Success"},
    {"abort", cmd("a") + cmd("b"), "fail", "a#1 Failed"},
    {"abort by time", cmd("a") + cmd("b"), "late", "a#1 TimedOut"},
    {"continue, critical", cmd("a", "onFailure: Continue") + cmd("b"), "fail ok", "a#1 b#1 Failed"},
    {"continue, not critical", cmd("a", "onFailure: Continue, isCritical: false") + cmd("b"), "fail ok",
     "a#1 b#1 Success"},
    {"abort is never success", cmd("a", "isCritical: false") + cmd("b"), "fail", "a#1 Failed"},
    {"jump on failure", cmd("a", "onFailure: 'step:c'") + cmd("b") + cmd("c"), "fail ok", "a#1 c#1 Failed"},
    {"no jump on success", cmd("a", "onFailure: 'step:c'") + cmd("b") + cmd("c"), "ok ok ok", "a#1 b#1 c#1 Success"},
    {"next step", cmd("a", "nextStep: c") + cmd("b") + cmd("c"), "ok ok", "a#1 c#1 Success"},
    {"end", cmd("a", "isEnd: true") + cmd("b"), "ok", "a#1 Success"},
    {"end of a failure that goes on", cmd("a", "isEnd: true, onFailure: Continue") + cmd("b"), "fail", "a#1 Failed"},
    {"tried again, later", cmd("a", "maxAttempts: 3"), "fail +4 +1 fail +9 +1 ok", "a#1 a#2 a#3 Success"},
    {"tried in vain", cmd("a", "maxAttempts: 2"), "fail +5 fail", "a#1 a#2 Failed"},
    {"time outs are tried again", cmd("a", "maxAttempts: 2, timeoutSeconds: 60"), "+59 +1 +5 ok", "a#1 -a a#2 Success"},
    {"our own clock", cmd("a", "timeoutSeconds: 60") + cmd("b"), "+60", "a#1 -a TimedOut"},
    {"a late answer of an old attempt", cmd("a", "maxAttempts: 2, timeoutSeconds: 60"), "+60 ok +5 ok",
     "a#1 -a a#2 Success"},
    {"cancelled from outside", cmd("a", "maxAttempts: 3"), "gone", "a#1 Failed"},
    {"branch", kBranch, "ok ok", "a#1 good#1 Success"},
    {"branch, other way", kBranch, "fail ok", "a#1 bad#1 Success"},
    {"branch, no value", kBranch, "late", "a#1 Failed"},
    {"sleep", kSleep, "+599 +1 ok", "a#1 Success"},
    {"sleep, cancelled", kSleep, "+10 cancel", "Cancelled"},
    {"sleep beyond its time", nap("timeoutSeconds: 60"), "+59 +1", "TimedOut"},
    {"sleep beyond its time, seen late", nap("timeoutSeconds: 60"), "+7200", "TimedOut"},
    {"sleep within its time", nap("timeoutSeconds: 601"), "+599 +1 ok", "a#1 Success"},
    {"sleep beyond its time, and what then", nap("timeoutSeconds: 60, onFailure: Continue, isCritical: false"),
     "+60 ok", "a#1 Success"},
    {"sleep beyond its time, twice", nap("timeoutSeconds: 60, maxAttempts: 2"), "+60 +5 +59 +1", "TimedOut"},
    {"sleep till then", "- {name: s, action: 'aws:sleep', inputs: {Timestamp: '2027-01-15T08:01:00Z'}}\n", "+59 +1",
     "Success"},
    {"pause", kPause, "resume ok", "a#1 Success"},
    {"pause too long", kPause, "+60", "TimedOut"},
    {"approvers cannot be told", kAsk, "fail", "ask#1 Failed"},
    {"approved", kAsk, "yes:ann yes:ann yes:dan yes:arn:x:user/bob ok", "ask#1 a#1 Success"},
    {"one changes her mind", kAsk, "yes:ann no:ann", "ask#1 Failed"},
    {"nobody answers", kAsk, "+604800", "ask#1 TimedOut"},
    {"cancel", cmd("a") + cmd("b"), "cancel gone", "a#1 -a Cancelled"},
    {"cancel, but it ended well", cmd("a") + cmd("b"), "cancel ok", "a#1 -a Cancelled"},
    {"cancel, and no answer", cmd("a") + cmd("b"), "cancel +599 +1", "a#1 -a Cancelled"},
    {"cancel leads to cleaning", cmd("a", "onCancel: 'step:c'") + cmd("b") + cmd("c"), "cancel gone cancel ok",
     "a#1 -a c#1 Cancelled"},
    {"cancel between attempts", cmd("a", "maxAttempts: 2"), "fail cancel", "a#1 Cancelled"},
    {"complete", cmd("a") + cmd("b"), "complete ok", "a#1 CompletedWithSuccess"},
    {"complete, and it fails", cmd("a", "maxAttempts: 3, onFailure: Continue") + cmd("b"), "complete fail",
     "a#1 CompletedWithFailure"},
    {"complete between attempts", cmd("a", "maxAttempts: 3") + cmd("b"), "fail complete", "a#1 Failed"},
    {"stop a step", cmd("a", "onFailure: Continue, isCritical: false") + cmd("b"), "stop ok", "a#1 -a b#1 Success"},
    {"interactive", cmd("a") + cmd("b"), "ok start ok +9 start ok", "a#1 b#1 Success", Mode::Interactive},
    {"interactive, cancelled", cmd("a") + cmd("b"), "start ok cancel", "a#1 Cancelled", Mode::Interactive},
    {"interactive, completed", cmd("a") + cmd("b"), "start ok complete", "a#1 CompletedWithSuccess", Mode::Interactive},
    {"events that do not fit", cmd("a"), "resume yes:ann start ok ok fail", "a#1 Success"},
    {"outputs",
     "schemaVersion: '0.3'\noutputs: [a.Pick, a.Status, b.Output]\nmainSteps:\n" +
         cmd("a", "isEnd: true, outputs: [{Name: Pick, Selector: '$.Output.n[1]', Type: Integer}]") + cmd("b"),
     "ok", "a#1 Success a.Pick=6 a.Status=Success"},
    {"an output that is not there", cmd("a", "maxAttempts: 2, outputs: [{Name: Pick, Selector: '$.Output.m'}]"), "ok",
     "a#1 Failed"},
};

TEST(Automation, Stories) {
  for (const auto& story : kStories)
    EXPECT_EQ(play(runbook_of(story.runbook), story.words, story.mode), story.expect) << story.name;
}

TEST(Automation, InputsAreFilledByType) {
  const auto runbook = runbook_of(R"(schemaVersion: '0.3'
parameters:
  Nodes: {type: StringList}
  Maps: {type: StringMap, default: {a: 1}}
mainSteps:
- name: a
  action: aws:runCommand
  inputs:
    DocumentName: D
    InstanceIds: '{{ Nodes }}'
    Parameters: {One: 'id {{ automation:EXECUTION_ID }} of {{ global:DATE_TIME }}', Many: '{{ Nodes }}', Second: '{{ Nodes[1] }}', In: '{{ Maps.a }}'}
- name: b
  action: aws:executeAutomation
  inputs: {DocumentName: E, RuntimeParameters: {Code: '{{ a.ResponseCode }}'}}
)");
  EXPECT_EQ(new_execution(runbook, "x", {}).error().reason(), "InvalidAutomationExecutionParametersException");
  auto execution = *new_execution(runbook, "e-7", {{"Nodes", {"n1", "{{ Maps }}"}}});
  Event event;
  const auto first = step(runbook, execution, std::span(&event, 1), kStart);
  ASSERT_EQ(first.actions.size(), 1u);
  const auto& command = std::get<RunCommand>(first.actions[0].request);
  EXPECT_EQ(command.instance_ids, (Texts{"n1", "{{ Maps }}"}));
  EXPECT_EQ(command.parameters.at("One"), (Texts{"id e-7 of 2027-01-15_08.00.00"}));
  EXPECT_EQ(command.parameters.at("Many"), (Texts{"n1", "{{ Maps }}"}));
  EXPECT_EQ(command.parameters.at("Second"), (Texts{"{{ Maps }}"})) << "values are not read for references again";
  EXPECT_EQ(command.parameters.at("In"), (Texts{"1"}));
  EXPECT_EQ(first.wake_at, kStart + runbook.steps[0].timeout);
  event.kind = EventKind::succeeded;
  event.outputs = {{"ResponseCode", 0}};
  execution.depth = kExecutionDepthMax - 2;
  auto deep = execution;
  const auto second = step(runbook, execution, std::span(&event, 1), kStart);
  EXPECT_EQ(std::get<ExecuteAutomation>(second.actions.at(0).request).parameters.at("Code"), (Texts{"0"}));
  EXPECT_EQ(second.changed, (std::vector<std::size_t>{0, 1}));
  deep.depth = kExecutionDepthMax - 1;
  EXPECT_TRUE(step(runbook, deep, std::span(&event, 1), kStart).finished);
  EXPECT_NE(deep.why.find("more than 8 deep"), std::string::npos);
}

TEST(Automation, SignalsAreCheckedBeforeTheyAreSent) {
  const auto runbook = runbook_of(kAsk);
  auto execution = *new_execution(runbook, "x", {});
  const auto reason = [&](EventKind kind, std::string step_name = "", std::string who = "") {
    Event event;
    event.kind = kind;
    event.step = std::move(step_name);
    event.who = std::move(who);
    const auto checked = check_signal(runbook, execution, event);
    return checked.ok() ? std::string() : checked.error().reason();
  };
  const std::string no = "InvalidAutomationSignalException";
  EXPECT_EQ(reason(EventKind::approve, "", "ann"), no);
  Event event;
  step(runbook, execution, std::span(&event, 1), kStart);
  EXPECT_EQ(reason(EventKind::approve, "", "ann"), "");
  EXPECT_EQ(reason(EventKind::reject, "ask", "arn:aws:iam::9:user/bob"), "");
  EXPECT_EQ(reason(EventKind::approve, "", "dan"), no);
  EXPECT_EQ(reason(EventKind::approve, "a", "ann"), no);
  EXPECT_EQ(reason(EventKind::approve, "z", "ann"), "AutomationStepNotFoundException");
  EXPECT_EQ(reason(EventKind::resume), no);
  EXPECT_EQ(reason(EventKind::start_step), no);
  EXPECT_EQ(reason(EventKind::stop_step), "");
  EXPECT_EQ(reason(EventKind::cancel), "");
  event.kind = EventKind::cancel;
  step(runbook, execution, std::span(&event, 1), kStart);
  EXPECT_EQ(reason(EventKind::stop_step), no);
  EXPECT_EQ(reason(EventKind::cancel), "InvalidAutomationStatusUpdateException");
}

struct PayloadRow {
  const char* type;
  std::map<std::string, Texts> payload;
  const char* expect;  // kind, step, comment; or a part of the refusal
  bool good = true;
};
const PayloadRow kPayloads[] = {
    {"Approve", {{"Comment", {"fine"}}}, "approve//fine"},
    {"Reject", {}, "reject//"},
    {"Resume", {{"StepName", {"p"}}}, "resume/p/"},
    {"StartStep", {{"StepName", {"p"}}}, "start_step/p/"},
    {"StopStep", {{"StepExecutionId", {"p"}}}, "stop_step/p/"},
    {"StopStep", {}, "needs StepExecutionId", false},
    {"StartStep", {{"StepName", {}}}, "needs StepName", false},
    {"Revoke", {}, "which is not offered here", false},
    {"Stop", {}, "is none of Approve", false},
};

TEST(Automation, SignalsAreReadFromTheirPayload) {
  for (const auto& row : kPayloads) {
    const auto event = event_of_signal(row.type, row.payload, "ann");
    ASSERT_EQ(event.ok(), row.good) << row.type;
    const auto said =
        event.ok() ? boost::describe::enum_to_string(event->kind, "?") + ("/" + event->step + "/" + event->comment)
                   : event.error().message();
    EXPECT_NE(said.find(row.expect), std::string::npos) << said;
  }
}

TEST(Automation, AnAnswerOfAnotherAttemptIsPassedOver) {
  const auto runbook = runbook_of(cmd("a", "maxAttempts: 2, timeoutSeconds: 60"));
  auto execution = *new_execution(runbook, "x", {});
  Event event;
  step(runbook, execution, std::span(&event, 1), kStart);
  step(runbook, execution, {}, kStart + kSecond * 60);
  step(runbook, execution, {}, kStart + kSecond * 65);
  ASSERT_EQ(execution.steps[0].attempt, 2u);
  event = {EventKind::failed, "a", 1, {}, "late", "", ""};
  EXPECT_FALSE(step(runbook, execution, std::span(&event, 1), kStart + kSecond * 66).finished);
  event = {EventKind::succeeded, "b", 2, {}, "", "", ""};
  EXPECT_FALSE(step(runbook, execution, std::span(&event, 1), kStart + kSecond * 66).finished);
  event = {EventKind::succeeded, "a", 2, {}, "", "", ""};
  EXPECT_TRUE(step(runbook, execution, std::span(&event, 1), kStart + kSecond * 66).finished);
  EXPECT_EQ(execution.status, Status::Success);
}

TEST(Automation, BackOffGrowsToItsLimit) {
  EXPECT_EQ(back_off(1), Duration(5'000));
  EXPECT_EQ(back_off(3), Duration(20'000));
  EXPECT_EQ(back_off(50), Duration(300'000));
}

// Whatever comes in whatever order, it ends; what has ended stays; success means that no critical step failed.
TEST(Automation, AnyEventsLeadToAnEnd) {
  const auto runbook =
      runbook_of(kBranch.substr(0, kBranch.size()) + kSleep.substr(0, kSleep.find('\n') + 1) +
                 kPause.substr(0, kPause.find('\n') + 1) + kAsk.substr(0, kAsk.find('\n') + 1) +
                 cmd("x", "maxAttempts: 3, onFailure: 'step:z'") + cmd("y", "onCancel: 'step:z'") + cmd("z"));
  for (unsigned seed = 0; seed < 2'000; ++seed) {
    std::mt19937 random(seed);
    auto execution = *new_execution(runbook, "x", {}, seed % 3 ? Mode::Auto : Mode::Interactive);
    auto now = kStart;
    int turns = 0;
    for (bool finished = false; !finished;) {
      ASSERT_LT(++turns, 3'000) << json::encode_text(execution);
      std::vector<Event> events(random() % 3);
      if (turns == 1) events.emplace_back();
      else
        for (auto& event : events) {
          event.kind = static_cast<EventKind>(1 + random() % (random() % 8 ? 10 : 12));
          event.who = random() % 2 ? "ann" : "cy";
          event.outputs = {{"ResponseCode", static_cast<int>(random() % 2)}};
        }
      now += kSecond * (random() % 100'000);
      auto twice = execution;
      finished = step(runbook, execution, events, now).finished;
      step(runbook, twice, events, now);
      ASSERT_EQ(json::encode_text(twice), json::encode_text(execution));
    }
    const auto over = json::encode_text(execution);
    Event late;
    late.kind = EventKind::succeeded;
    step(runbook, execution, std::span(&late, 1), now + kSecond);
    ASSERT_EQ(json::encode_text(execution), over);
    if (execution.status == Status::Success)
      for (std::size_t i = 0; i < execution.steps.size(); ++i)
        ASSERT_FALSE(execution.steps[i].status == Status::Failed && runbook.steps[i].is_critical);
  }
}

}  // namespace
}  // namespace belay::automation
