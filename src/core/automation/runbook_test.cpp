#include "core/automation/runbook.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/automation/requests.hpp"

namespace belay::automation {
namespace {

using document::Format;

TEST(Runbook, EveryAction) {
  const auto runbook = parse_runbook(R"(
schemaVersion: '0.3'
description: drain, patch, ask, return
assumeRole: '{{ AutomationAssumeRole }}'
parameters:
  AutomationAssumeRole: {type: String, default: ''}
  InstanceId: {type: 'AWS::EC2::Instance::Id'}
  Nodes: {type: 'List<AWS::EC2::Instance::Id>', default: []}
outputs: [patch.CommandId, hook.Ticket]
mainSteps:
- name: patch
  action: aws:runCommand
  inputs:
    DocumentName: AWS-RunPatchBaseline
    InstanceIds: ['{{ InstanceId }}']
    Parameters: {Operation: [Scan]}
  maxAttempts: 3
  timeoutSeconds: 600
  onFailure: step:tag
- name: decide
  action: aws:branch
  inputs:
    Choices:
    - Variable: '{{ patch.ResponseCode }}'
      NumericEquals: 0
      NextStep: tag
    - Or: [{Variable: '{{ patch.Output }}', Contains: x}, {Not: {Variable: '{{ InstanceId }}', StartsWith: mi-}}]
      NextStep: wait
    Default: ask
- name: wait
  action: aws:sleep
  inputs: {Duration: PT10M}
- {name: hold, action: aws:pause, inputs: {}}
- name: ask
  action: aws:approve
  inputs: {Approvers: [alice, 'arn:aws:iam::1:user/bob'], MinRequiredApprovals: 2, Message: 'look at {{ patch.CommandId }}'}
  onCancel: step:tag
- name: again
  action: aws:executeAutomation
  inputs: {DocumentName: Other, RuntimeParameters: {Nodes: '{{ Nodes }}', Id: '{{ automation:EXECUTION_ID }}'}}
  isCritical: false
  onFailure: Continue
- name: hook
  action: aws:invokeWebhook
  inputs: {Url: 'https://tickets.example/new', Body: '{"at": "{{ global:DATE_TIME }}"}'}
  outputs: [{Name: Ticket, Selector: '$.Response.ticket.id', Type: Integer}]
  nextStep: tag
- {name: other, action: 'belay:invokeWebhook', inputs: {Url: 'https://x/y'}}
- name: tag
  action: aws:createTags
  inputs: {ResourceType: ManagedInstance, ResourceIds: ['{{ InstanceId }}'], Tags: [{Key: Ticket, Value: '{{ hook.Ticket }}'}]}
  isEnd: true
)",
                                     Format::YAML);
  ASSERT_TRUE(runbook.ok()) << runbook.error().chain();
  EXPECT_EQ(runbook->steps.size(), 9u);
  EXPECT_EQ(runbook->steps[0].timeout, Duration(600'000));
  EXPECT_EQ(runbook->steps[0].failure_step, "tag");
  EXPECT_EQ(runbook->parameters[2].type, document::ParameterType::StringList);
}

struct Row {
  const char *name, *text, *says;
  const char* reason = "InvalidDocumentContent";
};
// `%`: steps of a whole runbook, beginning in line 4 after a step `one` with outputs.
const Row kRows[] = {
    {"command's schema", "schemaVersion: '2.2'\n", "Automation document has", "InvalidDocumentSchemaVersion"},
    {"not there yet", "%- {name: a, action: 'aws:executeScript', inputs: {}}\n",
     "mainSteps[1].action (line 4): aws:executeScript is not there yet"},
    {"never heard of", "%- {name: a, action: 'aws:runComand', inputs: {}}\n", "there is no action 'aws:runComand'"},
    {"a name", "%- {name: a-b, action: 'aws:pause'}\n", "mainSteps[1].name (line 4): is no name"},
    {"two of a name", "%- {name: one, action: 'aws:pause'}\n", "is the name of another step"},
    {"a field", "%- {name: a, action: 'aws:pause', next: b}\n", "mainSteps[1].next (line 4): is not known here"},
    {"an input", "%- {name: a, action: 'aws:sleep', inputs: {Length: PT1S}}\n",
     "mainSteps[1].inputs.Length (line 4): aws:sleep has no such input; it has Duration, Timestamp"},
    {"an input missing", "%- {name: a, action: 'aws:runCommand', inputs: {InstanceIds: [x]}}\n",
     "inputs.DocumentName (line 4): is missing"},
    {"a duration", "%- {name: a, action: 'aws:sleep', inputs: {Duration: 10m}}\n", "'10m' is no ISO 8601 duration"},
    {"too long a sleep", "%- {name: a, action: 'aws:sleep', inputs: {Duration: P8D}}\n", "over 7 days"},
    {"no targets", "%- {name: a, action: 'aws:runCommand', inputs: {DocumentName: D}}\n",
     "InstanceIds or Targets is needed"},
    {"too many approvals", "%- {name: a, action: 'aws:approve', inputs: {Approvers: [x], MinRequiredApprovals: 2}}\n",
     "1 to the number of approvers"},
    {"a topic",
     "%- {name: a, action: 'aws:approve', inputs: {Approvers: [x], NotificationArn: 'arn:aws:sns:eu-west-1:1:t'}}\n",
     "no SNS topics"},
    {"an integration", "%- {name: a, action: 'aws:invokeWebhook', inputs: {IntegrationName: x}}\n",
     "mainSteps[1].inputs.IntegrationName (line 4): integrations are not there yet"},
    {"plain http", "%- {name: a, action: 'belay:invokeWebhook', inputs: {Url: 'http://x'}}\n", "https://"},
    {"tags of other things",
     "%- {name: a, action: 'aws:createTags', inputs: {ResourceType: Document, ResourceIds: [x], Tags: [{Key: a, Value: "
     "b}]}}\n",
     "only nodes"},
    {"a reserved tag",
     "%- {name: a, action: 'aws:createTags', inputs: {ResourceIds: [x], Tags: [{Key: 'aws:a', Value: b}]}}\n",
     "aws: is reserved"},
    {"onFailure", "%- {name: a, action: 'aws:pause', onFailure: exit}\n", "expected Abort, Continue or step:NAME"},
    {"a jump to nowhere", "%- {name: a, action: 'aws:pause', onFailure: 'step:z'}\n",
     "mainSteps[1].onFailure (line 4): there is no step 'z'"},
    {"a jump back", "%- {name: a, action: 'aws:pause', nextStep: one}\n",
     "mainSteps[1].nextStep (line 4): goes back to 'one'"},
    {"a jump to itself", "%- {name: a, action: 'aws:pause', onCancel: 'step:a'}\n", "goes back"},
    {"end and next", "%- {name: a, action: 'aws:pause', isEnd: true, nextStep: b}\n- {name: b, action: 'aws:pause'}\n",
     "stands beside isEnd"},
    {"attempts", "%- {name: a, action: 'aws:pause', maxAttempts: 11}\n", "expected a whole number from 1 to 10"},
    {"a time", "%- {name: a, action: 'aws:approve', inputs: {Approvers: [x]}, timeoutSeconds: 2592001}\n", "2592000"},
    {"an unknown reference", "%- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ Time }}'}}\n",
     "mainSteps[1].inputs.Duration (line 4): {{ Time }} names no parameter"},
    {"a later step",
     "%- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ b.Output }}'}}\n- {name: b, action: 'aws:pause'}\n",
     "{{ b.Output }} names no parameter and no output of a step before it"},
    {"an output that is not", "%- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ one.Result }}'}}\n",
     "names an output that the step does not have"},
    {"Parameter Store", "%- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ ssm:x }}'}}\n", "Parameter Store"},
    {"outputs of what has none", "%- {name: a, action: 'aws:pause', outputs: [{Name: x, Selector: $.x}]}\n",
     "aws:pause has no outputs"},
    {"a selector",
     "%- {name: a, action: 'aws:invokeWebhook', inputs: {Url: 'https://x.example/'}, outputs: [{Name: x, Selector: "
     "'$..x'}]}\n",
     "is no path here"},
    {"a branch of nothing", "%- {name: a, action: 'aws:branch', inputs: {Choices: []}}\n",
     "inputs.Choices (line 4): expected a list"},
    {"a comparison",
     "%- {name: a, action: 'aws:branch', inputs: {Choices: [{Variable: '{{ one.Status }}', Equals: x, NextStep: "
     "b}]}}\n- {name: b, action: 'aws:pause'}\n",
     "Choices[0].Equals (line 4): is no comparison"},
    {"two comparisons",
     "%- {name: a, action: 'aws:branch', inputs: {Choices: [{Variable: '{{ one.Status }}', StringEquals: x, Contains: "
     "y, NextStep: b}]}}\n- {name: b, action: 'aws:pause'}\n",
     "join them with And or Or"},
    {"a constant variable",
     "%- {name: a, action: 'aws:branch', inputs: {Choices: [{Variable: x, StringEquals: x, NextStep: b}]}}\n- {name: "
     "b, action: 'aws:pause'}\n",
     "refers to nothing"},
    {"a choice to nowhere",
     "%- {name: a, action: 'aws:branch', inputs: {Choices: [{Variable: '{{ one.Status }}', StringEquals: x, NextStep: "
     "z}]}}\n",
     "there is no step 'z'"},
    {"an output of the whole", "%outputs: [one.Nothing]\n", "outputs[0] (line 4): {{ one.Nothing }}"},
    {"unused", "%parameters: {P: {type: String}}\n", "parameters.P (line 4): is used nowhere"},
};

TEST(Runbook, RefusalsNameFieldAndLine) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    std::string text = row.text;
    if (text[0] == '%')
      text =
          "schemaVersion: '0.3'\nmainSteps:\n- {name: one, action: 'aws:runCommand', inputs: {DocumentName: D, "
          "InstanceIds: [i]}}\n" +
          text.substr(1);
    const auto runbook = parse_runbook(text, Format::YAML);
    ASSERT_FALSE(runbook.ok());
    EXPECT_NE(runbook.error().message().find(row.says), std::string::npos) << runbook.error().message();
    EXPECT_EQ(runbook.error().reason(), row.reason);
  }
}

struct DurationRow {
  const char* text;
  std::int64_t ms;  // -1: refused
};
constexpr DurationRow kDurations[] = {
    {"PT10M", 600'000},
    {"PT1H30M", 5'400'000},
    {"P1D", 86'400'000},
    {"P1DT2H", 93'600'000},
    {"PT0.5S", 500},
    {"P1W", 604'800'000},
    {"PT0S", 0},
    {"P", -1},
    {"PT", -1},
    {"10", -1},
    {"PT10", -1},
    {"P1H", -1},
    {"PT1M1H", -1},
    {"PT-1S", -1},
    {"P1M", -1},
    {"PT1S ", -1},
    {"", -1},
    {"PT99999999999999S", -1},
};

TEST(Runbook, Durations) {
  for (const auto& row : kDurations) {
    const auto read = parse_iso_duration(row.text);
    EXPECT_EQ(read.ok() ? read->count() : -1, row.ms) << row.text;
  }
}

TEST(Runbook, OneThatRunsItselfIsRefusedWhateverTheWay) {
  const auto calling = [](const std::string& name) {
    return *parse_runbook(
        "schemaVersion: '0.3'\nmainSteps:\n- name: call\n  action: aws:executeAutomation\n  inputs: {DocumentName: " +
            name + "}\n",
        document::Format::YAML);
  };
  const std::map<std::string, Runbook> kept{{"B", calling("C")}, {"C", calling("A")}, {"D", calling("D")}};
  const RunbookResolver resolver = [&](const std::string& name, const std::string&) -> Result<Runbook> {
    const auto at = kept.find(name);
    return at == kept.end() ? Result<Runbook>(Error(Code::not_found, "no " + name)) : Result<Runbook>(at->second);
  };
  EXPECT_FALSE(check_inner_runbooks("A", calling("A"), resolver).ok());
  const auto round = check_inner_runbooks("A", calling("B"), resolver);
  ASSERT_FALSE(round.ok());
  EXPECT_NE(round.error().message().find("A -> B -> C -> A"), std::string::npos) << round.error().message();
  EXPECT_TRUE(check_inner_runbooks("E", calling("B"), resolver).ok()) << "A is not there";
  EXPECT_TRUE(check_inner_runbooks("E", calling("D"), resolver).ok()) << "it is not E's circle, and this one ends";
  EXPECT_TRUE(check_inner_runbooks("E", calling("Nowhere"), resolver).ok());
  const RunbookResolver endless = [&](const std::string& name, const std::string&) -> Result<Runbook> {
    return calling(name + "x");
  };
  EXPECT_EQ(check_inner_runbooks("E", calling("x"), endless).error().code(), Code::resource_exhausted);
}

}  // namespace
}  // namespace belay::automation
