#include "server/engine/automations.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "core/automation/signals.hpp"
#include "io/crypto.hpp"
#include "server/engine/automation_kind.hpp"
#include "server/engine/webhooks.hpp"
#include "server/engine/windows_fixture_test.hpp"
#include "store/audit.hpp"
#include "store/documents.hpp"
#include "store/principals.hpp"

namespace belay::server {
namespace {
namespace automations = store::automations;
using Parameters = std::map<std::string, Ids>;

class AutomationsTest : public WindowsTest {
 protected:
  AutomationsTest() {
    starter_ = make_automation_starter();
    user("alice", {"*"});
    user("bob", {"ssm:StartAutomationExecution"});
    boot_automations();
  }

  void boot_automations() {
    boot();
    const WindowParts parts{*windows_, Duration(300'000), starter_.get()};
    engine_->add(make_window_kind(parts));
    engine_->add(make_window_execution_kind(parts));
    engine_->add(make_automation_kind());
    engine_->add(make_automation_fan_out_kind());
    courier_ = std::make_unique<EffectCourier>(*store_, clock_, CourierSettings{"courier " + std::to_string(boots_)});
    courier_->add(std::string(kWebhookEffect), make_webhook_carrier([this](const std::string& url, const auto& body) {
                    posted_.push_back(url + " " + body);
                    return post_reply_;
                  }));
  }

  void user(const std::string& name, Ids permissions) {
    ASSERT_TRUE(disk_
                    ->write([&](store::Sql& sql) {
                      return store::principals::create(sql, {name, permissions, true, clock_.now()});
                    })
                    .ok());
  }
  void keep(const std::string& name, const std::string& content, const std::string& type = "Automation") {
    store::documents::Document document;
    document.name = name;
    document.document_type = type;
    document.created_at = clock_.now();
    store::documents::Version first;
    first.format = "YAML";
    first.content = content;
    first.sha256 = io::sha256_hex(content);
    first.created_at = clock_.now();
    ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return store::documents::create(sql, document, first); }).ok());
  }
  Result<automations::Execution> try_start(const StartAutomationRequest& request) {
    return disk_->write([&](store::Sql& sql) { return start_automation(sql, request, clock_.now()); });
  }
  static StartAutomationRequest request(const std::string& document, Parameters parameters = {},
                                        const std::string& by = "alice") {
    StartAutomationRequest wanted;
    wanted.document = document;
    wanted.parameters = std::move(parameters);
    wanted.requested_by = wanted.acts_for = by;
    return wanted;
  }
  std::string start(const StartAutomationRequest& wanted) {
    const auto started = try_start(wanted);
    EXPECT_TRUE(started.ok()) << (started.ok() ? "" : started.error().chain());
    return started.ok() ? started->execution_id : "";
  }
  Status signal(const std::string& id, const std::string& type, const std::string& who,
                std::map<std::string, Ids> payload = {}) {
    BELAY_TRY_ASSIGN(const auto event, automation::event_of_signal(type, payload, who));
    return disk_->write([&](store::Sql& sql) { return signal_automation(sql, id, event, clock_.now()); });
  }
  Status stop(const std::string& id, automation::EventKind kind = automation::EventKind::cancel) {
    automation::Event event;
    event.kind = kind;
    event.who = "alice";
    return disk_->write([&](store::Sql& sql) { return signal_automation(sql, id, event, clock_.now()); });
  }
  void settle_all() {
    for (bool more = true; more;) {
      settle();
      const auto carried = courier_->run_once();
      ASSERT_TRUE(carried.ok()) << carried.error().chain();
      more = *carried;
    }
  }
  automations::Execution execution(const std::string& id) {
    return disk_->read([&](store::Sql& sql) { return automations::get(sql, id); }).value();
  }
  automations::Step step(const std::string& id, std::size_t position) {
    return disk_->read([&](store::Sql& sql) { return automations::steps_of(sql, id); })->at(position);
  }
  json::Value output(const std::string& id, std::size_t position, std::string_view name) {
    const auto outputs = json::parse(step(id, position).outputs).value();
    const auto* value = json::find(outputs, name);
    return value ? *value : json::Value(nullptr);
  }
  std::vector<automations::Execution> children(const std::string& id) {
    return disk_->read([&](store::Sql& sql) { return automations::list(sql, {.parent_ids = {id}}, {1'000, ""}); })
        ->items;
  }

  std::unique_ptr<TaskStarter> starter_;
  std::unique_ptr<EffectCourier> courier_;
  Ids posted_;
  Result<io::HttpResponse> post_reply_ = io::HttpResponse{200, {}, R"({"ticket": {"id": 7}})"};
};

constexpr std::string_view kShell = R"(schemaVersion: '0.3'
parameters: {InstanceId: {type: String}}
outputs: [run.Output]
mainSteps:
- name: run
  action: aws:runCommand
  inputs: {DocumentName: AWS-RunShellScript, InstanceIds: ['{{ InstanceId }}'], Parameters: {commands: ['date']}}
)";

constexpr std::string_view kWhole = R"(schemaVersion: '0.3'
parameters: {InstanceId: {type: String}}
outputs: [run.Output, tell.Ticket]
mainSteps:
- name: ask
  action: aws:approve
  inputs: {Approvers: [bob, carol], Message: 'Run on {{ InstanceId }}?'}
- name: run
  action: aws:runCommand
  inputs: {DocumentName: AWS-RunShellScript, InstanceIds: ['{{ InstanceId }}'], Parameters: {commands: [date]}}
- name: choose
  action: aws:branch
  inputs: {Choices: [{Variable: '{{ run.ResponseCode }}', NumericEquals: 0, NextStep: wait}], Default: never}
- {name: never, action: 'aws:pause', isEnd: true}
- {name: wait, action: 'aws:sleep', inputs: {Duration: PT10M}}
- name: tell
  action: belay:invokeWebhook
  inputs: {Url: 'https://tickets.example/new', Body: '{"status": "{{ run.Status }}"}'}
  outputs: [{Name: Ticket, Selector: '$.Response.ticket.id', Type: Integer}]
- name: tag
  action: aws:createTags
  inputs: {ResourceIds: ['{{ InstanceId }}'], Tags: [{Key: Ticket, Value: '{{ tell.Ticket }}'}]}
- name: inner
  action: aws:executeAutomation
  inputs: {DocumentName: Shell, RuntimeParameters: {InstanceId: ['{{ InstanceId }}']}}
)";

constexpr std::string_view kTold = R"(schemaVersion: '0.3'
parameters: {Whom: {type: String, default: ''}}
mainSteps:
- {name: ask, action: 'aws:approve', inputs: {Approvers: [bob], Message: 'Now?', NotificationArn: '{{ Whom }}'}}
)";

TEST_F(AutomationsTest, WhoIsAskedIsToldWhereTheStepSaysSo) {
  keep("Told", std::string(kTold));
  const auto id = start(request("Told", {{"Whom", {"https://chat.example/x"}}}));
  settle_all();
  ASSERT_EQ(posted_.size(), 1U);
  EXPECT_TRUE(posted_[0].starts_with("https://chat.example/x {")) << posted_[0];
  EXPECT_NE(posted_[0].find(id), std::string::npos);
  EXPECT_NE(posted_[0].find("\"message\":\"Now?\""), std::string::npos) << posted_[0];
  settle_all();
  EXPECT_EQ(execution(id).status, "Waiting") << "that the notice arrived is no answer";
  ASSERT_TRUE(signal(id, "Approve", "bob").ok());
  settle_all();
  EXPECT_EQ(execution(id).status, "Success");
  EXPECT_EQ(posted_.size(), 1U);
  const auto mail = start(request("Told", {{"Whom", {"ops@example.org"}}}));
  const auto topic = start(request("Told", {{"Whom", {"arn:aws:sns:eu-central-1:1:ops"}}}));
  const auto nobody = start(request("Told"));
  auto by_bob = request("Told", {{"Whom", {"https://chat.example/x"}}});
  by_bob.requested_by = by_bob.acts_for = "bob";
  const auto may_not = start(by_bob);
  settle_all();
  EXPECT_NE(step(mail, 0).failure.find("this server sends none"), std::string::npos) << step(mail, 0).failure;
  EXPECT_NE(step(topic, 0).failure.find("no SNS topics"), std::string::npos) << step(topic, 0).failure;
  EXPECT_NE(step(may_not, 0).failure.find("belay:InvokeWebhook"), std::string::npos) << step(may_not, 0).failure;
  EXPECT_EQ(execution(nobody).status, "Waiting");
  EXPECT_EQ(posted_.size(), 1U);
}

TEST_F(AutomationsTest, EveryActionInTurn) {
  auto& node = web("web-1");
  keep("Shell", std::string(kShell));
  keep("Whole", std::string(kWhole));
  const auto id = start(request("Whole", {{"InstanceId", {node.id}}}));
  settle_all();
  EXPECT_EQ(execution(id).status, "Waiting");
  EXPECT_EQ(execution(id).current_action, "aws:approve");
  EXPECT_TRUE(node.done.empty());
  EXPECT_EQ(signal(id, "Approve", "alice").error().reason(), "InvalidAutomationSignalException");
  EXPECT_EQ(signal(id, "Resume", "alice", {{"StepName", {"x"}}}).error().reason(), "AutomationStepNotFoundException");
  ASSERT_TRUE(signal(id, "Approve", "bob", {{"Comment", {"go"}}}).ok());
  settle_all();
  EXPECT_EQ(node.done.size(), 1U);
  EXPECT_EQ(step(id, 1).status, "Success");
  EXPECT_EQ(output(id, 1, "Output"), json::Value("hello\n"));
  EXPECT_EQ(step(id, 3).status, "Pending") << "the branch passed it by";
  EXPECT_EQ(execution(id).current_step, "wait");
  EXPECT_TRUE(posted_.empty());
  clock_.advance(10min);
  settle_all();
  EXPECT_EQ(posted_, Ids{R"(https://tickets.example/new {"status": "Success"})"});
  const auto done = execution(id);
  EXPECT_EQ(done.status, "Success") << done.failure;
  EXPECT_TRUE(done.finished_at.has_value());
  EXPECT_EQ(json::parse(done.outputs).value(),
            (json::Value(json::Object{{"run.Output", json::Array{"hello\n"}}, {"tell.Ticket", json::Array{"7"}}})));
  const auto tags =
      disk_->read([&](store::Sql& sql) { return store::tags::list(sql, store::tags::kManagedInstance, node.id); });
  EXPECT_NE(std::ranges::find(*tags, store::tags::Tag{"Ticket", "7"}), tags->end());
  ASSERT_EQ(children(id).size(), 1U);
  EXPECT_EQ(children(id)[0].status, "Success");
  EXPECT_EQ(output(id, 7, "ExecutionId"), json::Value(children(id)[0].execution_id));
  EXPECT_EQ(output(id, 7, "Output"), json::Value(json::Array{"hello\n"}));
  EXPECT_EQ(node.done.size(), 2U);
  EXPECT_EQ(stop(id).error().reason(), "InvalidAutomationStatusUpdateException");
}

TEST_F(AutomationsTest, ItMayDoWhatItsUserMayDoAndNoMore) {
  auto& node = web("web-1");
  keep("Shell", std::string(kShell));
  keep("Outer", R"(schemaVersion: '0.3'
parameters: {Id: {type: String}}
mainSteps:
- {name: a, action: 'aws:executeAutomation', inputs: {DocumentName: Shell, RuntimeParameters: {InstanceId: ['{{ Id }}']}}}
)");
  keep("Rest", R"(schemaVersion: '0.3'
parameters: {Id: {type: String}}
mainSteps:
- name: tag
  action: aws:createTags
  onFailure: Continue
  inputs: {ResourceIds: ['{{ Id }}'], Tags: [{Key: a, Value: b}]}
- {name: hook, action: 'belay:invokeWebhook', inputs: {Url: 'https://x.example/'}}
)");
  const auto direct = start(request("Shell", {{"InstanceId", {node.id}}}, "bob"));
  const auto through = start(request("Outer", {{"Id", {node.id}}}, "bob"));
  const auto rest = start(request("Rest", {{"Id", {node.id}}}, "bob"));
  const auto gone = start(request("Shell", {{"InstanceId", {node.id}}}, "dave"));
  settle_all();
  for (const auto& [id, permission] :
       {std::pair(direct, "ssm:SendCommand"), {through, "ssm:SendCommand"}, {rest, "belay:InvokeWebhook"}}) {
    EXPECT_EQ(execution(id).status, "Failed");
    EXPECT_NE(execution(id).failure.find("User: bob, for whom this runs, is not authorized to perform: "),
              std::string::npos)
        << execution(id).failure;
    EXPECT_NE((step(id, id == rest ? 1 : 0).failure).find(permission), std::string::npos) << execution(id).failure;
  }
  EXPECT_NE(step(rest, 0).failure.find("ssm:AddTagsToResource"), std::string::npos);
  EXPECT_NE(execution(gone).failure.find("is not there any more"), std::string::npos);
  EXPECT_TRUE(node.done.empty());
  EXPECT_TRUE(posted_.empty());
}

TEST_F(AutomationsTest, OverTargetsWithConcurrencyAndABudget) {
  keep("Shell", std::string(kShell));
  Ids nodes;
  for (int i = 0; i < 5; ++i) nodes.push_back(web("web-" + std::to_string(i)).id);
  std::ranges::sort(nodes);
  fleet_[nodes[0]].failing_steps = {"runShellScript"};
  for (auto& [id, node] : fleet_) node.answers = false;
  auto wanted = request("Shell");
  wanted.target_parameter = "InstanceId";
  wanted.targets = {{"tag:role", {"web"}}};
  wanted.max_concurrency = "2";
  wanted.max_errors = "1";
  const auto id = start(wanted);
  settle_all();
  EXPECT_EQ(execution(id).status, "InProgress");
  EXPECT_EQ(children(id).size(), 2U) << "MaxConcurrency";
  for (auto& [each, node] : fleet_) node.answers = true;
  settle_all();
  EXPECT_EQ(children(id).size(), 5U);
  EXPECT_EQ(execution(id).status, "CompletedWithFailure") << "one failed, within MaxErrors";

  // Nobody may send: each target's execution fails, and the budget is used up after two.
  auto forbidden = wanted;
  forbidden.acts_for = "bob";
  const auto stopped = start(forbidden);
  settle_all();
  EXPECT_EQ(execution(stopped).status, "Failed");
  EXPECT_EQ(children(stopped).size(), 2U);
  EXPECT_NE(execution(stopped).failure.find("2 of 5 targets failed; " + nodes[0]), std::string::npos)
      << execution(stopped).failure;

  // Cancelled while two run: those are stopped, the others never begin.
  for (auto& [each, node] : fleet_) node.answers = false;
  const auto cancelled = start(wanted);
  settle_all();
  EXPECT_EQ(signal(cancelled, "Approve", "alice").error().reason(), "InvalidAutomationSignalException");
  ASSERT_TRUE(stop(cancelled).ok());
  settle_all();
  EXPECT_EQ(execution(cancelled).status, "Cancelled");
  EXPECT_EQ(children(cancelled).size(), 2U);
  for (const auto& child : children(cancelled)) EXPECT_EQ(child.status, "Cancelled");
}

TEST_F(AutomationsTest, WhatCannotBeStartedIsRefusedByName) {
  keep("Shell", std::string(kShell));
  keep("Command", "schemaVersion: '2.2'\nmainSteps: []\n", "Command");
  struct Row {
    const char *reason, *text;
    std::function<void(StartAutomationRequest&)> change;
  };
  const Row rows[] = {
      {"AutomationDefinitionNotFoundException", "nobody", [](auto& r) { r.document = "nobody"; }},
      {"AutomationDefinitionNotFoundException", "of the type Command", [](auto& r) { r.document = "Command"; }},
      {"AutomationDefinitionVersionNotFoundException", "'9'", [](auto& r) { r.document_version = "9"; }},
      {"InvalidAutomationExecutionParametersException", "InstanceId", [](auto& r) { r.parameters.clear(); }},
      {"InvalidAutomationExecutionParametersException", "Other", [](auto& r) { r.parameters["Other"] = {"x"}; }},
      {"InvalidAutomationExecutionParametersException", "go together", [](auto& r) { r.target_parameter = "x"; }},
      {"InvalidAutomationExecutionParametersException", "go with Targets", [](auto& r) { r.max_errors = "1"; }},
      {"InvalidAutomationExecutionParametersException", "the targets are its values",
       [](auto& r) {
         r.target_parameter = "InstanceId";
         r.targets = {{"ParameterValues", {"a"}}};
       }},
      {"InvalidAutomationExecutionParametersException", "match nothing",
       [](auto& r) {
         r.parameters.clear();
         r.target_parameter = "InstanceId";
         r.targets = {{"tag:none", {"a"}}};
       }},
      {"InvalidTarget", "ResourceGroup",
       [](auto& r) {
         r.parameters.clear();
         r.target_parameter = "InstanceId";
         r.targets = {{"ResourceGroup", {"a"}}};
       }},
  };
  for (const auto& row : rows) {
    auto wanted = request("Shell", {{"InstanceId", {"mi-1"}}});
    row.change(wanted);
    const auto started = try_start(wanted);
    ASSERT_FALSE(started.ok()) << row.text;
    EXPECT_EQ(started.error().reason(), row.reason) << started.error().chain();
    EXPECT_NE(started.error().chain().find(row.text), std::string::npos) << started.error().chain();
  }
  EXPECT_EQ(disk_->read([](store::Sql& sql) { return automations::count_running(sql); }).value(), 0);
  EXPECT_EQ(stop("nobody").error().reason(), "AutomationExecutionNotFoundException");
}

TEST_F(AutomationsTest, StoppingStopsWhatItStarted) {
  auto& node = web("web-1");
  keep("Shell", std::string(kShell));
  keep("Outer", R"(schemaVersion: '0.3'
parameters: {Id: {type: String}}
mainSteps:
- name: a
  action: aws:executeAutomation
  inputs: {DocumentName: Shell, RuntimeParameters: {InstanceId: ['{{ Id }}']}}
  onCancel: step:tidy
- {name: tidy, action: 'belay:invokeWebhook', inputs: {Url: 'https://x.example/'}}
)");
  node.answers = false;
  const auto id = start(request("Outer", {{"Id", {node.id}}}));
  settle_all();
  const auto inner = children(id).at(0).execution_id;
  EXPECT_EQ(execution(inner).status, "InProgress");
  ASSERT_TRUE(stop(id).ok());
  settle_all();
  EXPECT_EQ(execution(inner).status, "Cancelled");
  EXPECT_EQ(execution(id).status, "Cancelled");
  EXPECT_EQ(posted_.size(), 1U) << "onCancel's step";
  node.answers = true;
  settle_all();
  EXPECT_TRUE(node.done.empty());
}

TEST_F(AutomationsTest, AFailedWebhookAndACommandToNobodyAreFailures) {
  keep("Hook", R"(schemaVersion: '0.3'
mainSteps:
- {name: a, action: 'belay:invokeWebhook', inputs: {Url: 'https://x.example/'}, maxAttempts: 2, onFailure: Continue}
- {name: b, action: 'aws:runCommand', inputs: {DocumentName: AWS-RunShellScript, Targets: [{Key: 'tag:x', Values: [y]}], Parameters: {commands: [a]}}}
)");
  post_reply_ = io::HttpResponse{503, {}, "busy"};
  const auto id = start(request("Hook"));
  settle_all();
  EXPECT_EQ(step(id, 0).status, "Pending") << "the next attempt is to come";
  clock_.advance(5s);
  settle_all();
  EXPECT_EQ(posted_.size(), 2U);
  EXPECT_EQ(step(id, 0).failure, "the address answers with status 503");
  EXPECT_EQ(output(id, 0, "Response"), json::Value("busy"));
  EXPECT_EQ(execution(id).status, "Failed");
  EXPECT_NE(step(id, 1).failure.find("found no node"), std::string::npos) << step(id, 1).failure;
}

TEST_F(AutomationsTest, AWindowRunsAnAutomationForEachOfItsNodes) {
  auto& one = web("web-1");
  auto& two = web("web-2");
  std::string content(kShell);
  const std::string before = "Parameters: {commands";
  content.replace(content.find(before), before.size(), "TimeoutSeconds: 7200, " + before);  // beyond the cut-off
  keep("Rotate", content);
  const auto made = make_window("cron(0 2 ? * SUN *)", 4, 3);
  const auto target = add_target(made.window_id, "tag:role", {"web"});
  const auto over_nodes = [](WindowTask& task) {
    task.parameters = {{"InstanceId", {"{{RESOURCE_ID}}"}}};
    task.cutoff_behavior = window::CutoffBehavior::CANCEL_TASK;
    task.written_by = "alice";
  };
  add_task(made.window_id, {target}, 1, over_nodes, "AUTOMATION");
  open(made.window_id);
  const auto ran = invocations(executions(made.window_id).front().execution_id);
  EXPECT_EQ(executions(made.window_id).front().status, "SUCCESS") << ran.at(0).status_details;
  EXPECT_EQ(one.done.size() + two.done.size(), 2U);
  EXPECT_EQ(execution(ran.at(0).child_id).kind, kAutomationFanOutKind);
  EXPECT_EQ(execution(ran.at(0).child_id).executed_by, "maintenance window " + made.window_id);

  one.answers = two.answers = false;
  open(made.window_id);
  pass(kHour);  // the cut-off
  EXPECT_EQ(executions(made.window_id).front().status, "TIMED_OUT");
  const auto cut = invocations(executions(made.window_id).front().execution_id).at(0);
  EXPECT_EQ(execution(cut.child_id).status, "Cancelled");

  WindowTask bad;
  bad.parameters = {{"InstanceId", {"on {{RESOURCE_ID}}"}}};
  bad.targets = {{"WindowTargetIds", {target}}};
  const auto checked = disk_->read([&](store::Sql& sql) { return check_automation_task(sql, "Rotate", bad); });
  ASSERT_FALSE(checked.ok());
  EXPECT_NE(checked.error().chain().find("stands alone"), std::string::npos);
}

// Killed at every write, with every message and every webhook twice: each step's work is done, and its command sent
// once.
TEST_F(AutomationsTest, KilledAtEveryWriteItGoesOn) {
  auto& node = web("web-1");
  keep("Shell", std::string(kShell));
  keep("Crash", R"(schemaVersion: '0.3'
parameters: {Id: {type: String}}
mainSteps:
- {name: run, action: 'aws:runCommand', inputs: {DocumentName: AWS-RunShellScript, InstanceIds: ['{{ Id }}'], Parameters: {commands: [a]}}}
- {name: tell, action: 'belay:invokeWebhook', inputs: {Url: 'https://x.example/', Body: '{{ run.Status }}'}, timeoutSeconds: 3600}
- name: inner
  action: aws:executeAutomation
  inputs: {DocumentName: Shell, TargetParameterName: InstanceId, Targets: [{Key: ParameterValues, Values: ['{{ Id }}']}]}
)");
  say_twice_ = true;
  int kills = 0;
  for (int write = 1; write < 80; ++write) {
    for (const bool after : {false, true}) {
      SCOPED_TRACE("write " + std::to_string(write) + (after ? " after" : " before"));
      node.done.clear();
      posted_.clear();
      const auto id = start(request("Crash", {{"Id", {node.id}}}));
      store_->kill_at(write, after);
      for (bool done = false; !done;) {
        try {
          recover();
          settle_all();
          done = true;
        } catch (const fakes::Killed&) {
          ++kills;
          boot_automations();
          clock_.advance(Duration(60'000));  // the leases of the dead one run out
        }
      }
      const bool armed = store_->armed();
      store_->disarm();
      ASSERT_EQ(execution(id).status, "Success") << execution(id).failure;
      ASSERT_EQ(node.done.size(), 2U) << "each command once";
      ASSERT_GE(posted_.size(), 1U);
      ASSERT_LE(posted_.size(), 2U) << "at least once, and a second time only where the server died over it";
      ASSERT_EQ(children(id).size(), 1U);
      ASSERT_EQ(children(children(id)[0].execution_id).size(), 1U);
      if (!armed) continue;
      EXPECT_GT(kills, 15);
      const auto verified = disk_->read([](store::Sql& sql) { return store::audit::verify(sql); });
      ASSERT_TRUE(verified.ok());
      EXPECT_FALSE(verified->broken_at.has_value());
      return;
    }
  }
  FAIL() << "the scenario has more writes than were tried";
}

}  // namespace
}  // namespace belay::server
