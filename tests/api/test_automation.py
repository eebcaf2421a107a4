"""Automations as SSM's users drive them: all six operations through the aws command and through boto3, runbooks that really run against
a server and scripted nodes, and what must be refused."""
import json

from tests.api.support import AwsTestCase, BotoTestCase
from tests.api.test_windows import in_seconds
from tests.support.binaries import wait_until

UUID = "01234567-89ab-4def-8123-456789abcdef"
OVER = {"Success", "Failed", "TimedOut", "Cancelled", "CompletedWithSuccess", "CompletedWithFailure"}

SHELL = """
schemaVersion: '0.3'
parameters: {InstanceId: {type: String}, Line: {type: String, default: date}}
outputs: [run.Output]
mainSteps:
- name: run
  action: aws:runCommand
  inputs: {DocumentName: AWS-RunShellScript, InstanceIds: ['{{ InstanceId }}'], Parameters: {commands: ['{{ Line }}']}}
"""
WHOLE = """
schemaVersion: '0.3'
parameters: {InstanceId: {type: String}}
outputs: [run.Output, ask.ApprovalStatus]
mainSteps:
- {name: ask, action: 'aws:approve', inputs: {Approvers: [admin, bob], Message: 'Run on {{ InstanceId }}?'}}
- name: run
  action: aws:runCommand
  inputs: {DocumentName: AWS-RunShellScript, InstanceIds: ['{{ InstanceId }}'], Parameters: {commands: [uptime]}}
- name: choose
  action: aws:branch
  inputs: {Choices: [{Variable: '{{ run.Output }}', Contains: uptime, NextStep: tag}], Default: never}
- {name: never, action: 'aws:sleep', inputs: {Duration: PT1H}, isEnd: true}
- name: tag
  action: aws:createTags
  inputs: {ResourceIds: ['{{ InstanceId }}'], Tags: [{Key: Seen, Value: '{{ run.Status }}'}]}
- {name: hold, action: 'aws:pause', inputs: {}}
- name: inner
  action: aws:executeAutomation
  inputs: {DocumentName: '%s', RuntimeParameters: {InstanceId: ['{{ InstanceId }}']}}
"""
ASKING = """
schemaVersion: '0.3'
mainSteps:
- {name: ask, action: 'aws:approve', inputs: {Approvers: [admin]}}
"""


class WithAws(AwsTestCase):
    def keep(self, name, content):
        self.aws("create-document", "--name", name, "--document-type", "Automation", "--document-format", "YAML", "--content", content)
        return name

    def execution(self, identity):
        return self.aws("get-automation-execution", "--automation-execution-id", identity)["AutomationExecution"]

    def reaches(self, identity, *statuses):
        self.assertTrue(wait_until(lambda: self.execution(identity)["AutomationExecutionStatus"] in statuses), self.execution(identity))
        return self.execution(identity)

    def signal(self, identity, kind, **payload):
        words = ["--payload", json.dumps({name: [value] for name, value in payload.items()})] if payload else []
        self.aws("send-automation-signal", "--automation-execution-id", identity, "--signal-type", kind, *words)

    def test_a_runbook_from_its_first_step_to_its_last(self):
        node = self.new_node("web-1")
        node.live()
        self.keep("Inner", SHELL)
        self.keep("Whole", WHOLE % "Inner")
        identity = self.aws("start-automation-execution", "--document-name", "Whole", "--parameters", f"InstanceId={node.node_id}",
                            "--tags", "Key=team,Value=web")["AutomationExecutionId"]
        asked = self.reaches(identity, "Waiting")
        self.assertEqual((asked["CurrentStepName"], asked["CurrentAction"], asked["ExecutedBy"]), ("ask", "aws:approve", "admin"))
        self.assertEqual(node.orders, [])
        self.assert_aws_fails("InvalidAutomationSignalException", "send-automation-signal", "--automation-execution-id", identity,
                              "--signal-type", "Resume", "--payload", "StepName=hold")
        self.signal(identity, "Approve", Comment="go on")
        self.assertTrue(wait_until(lambda: self.execution(identity).get("CurrentStepName") == "hold"), self.execution(identity))
        self.signal(identity, "Resume", StepName="hold")
        done = self.reaches(identity, *OVER)
        self.assertEqual(done["AutomationExecutionStatus"], "Success", done)
        self.assertEqual(done["Outputs"], {"run.Output": ["ran: uptime\n"], "ask.ApprovalStatus": ["Approved"]})
        steps = {step["StepName"]: step for step in
                 self.aws("describe-automation-step-executions", "--automation-execution-id", identity)["StepExecutions"]}
        self.assertEqual({name: step["StepStatus"] for name, step in steps.items() if step["StepStatus"] != "Success"}, {"never": "Pending"})
        self.assertEqual(steps["run"]["ResponseCode"], "0")
        self.assertEqual(self.aws("list-tags-for-resource", "--resource-type", "ManagedInstance", "--resource-id", node.node_id)["TagList"],
                         [{"Key": "Seen", "Value": "Success"}])
        self.assertEqual(self.aws("list-tags-for-resource", "--resource-type", "Automation", "--resource-id", identity)["TagList"],
                         [{"Key": "team", "Value": "web"}])
        inner = self.aws("describe-automation-executions", "--filters", f"Key=ParentExecutionId,Values={identity}")
        self.assertEqual([(row["DocumentName"], row["AutomationExecutionStatus"]) for row in inner["AutomationExecutionMetadataList"]],
                         [("Inner", "Success")])
        self.assert_aws_fails("InvalidAutomationStatusUpdateException", "stop-automation-execution", "--automation-execution-id", identity)

    def test_stopping_stops_the_command_it_sent(self):
        node = self.new_node("idle-1")
        self.keep("Stopped", SHELL)
        identity = self.aws("start-automation-execution", "--document-name", "Stopped", "--parameters",
                            f"InstanceId={node.node_id}")["AutomationExecutionId"]
        self.reaches(identity, "InProgress")
        self.assertTrue(wait_until(lambda: self.aws("list-commands", "--instance-id", node.node_id)["Commands"]))
        self.aws("stop-automation-execution", "--automation-execution-id", identity, "--type", "Cancel")
        self.assertEqual(self.reaches(identity, *OVER)["AutomationExecutionStatus"], "Cancelled")
        self.assertEqual(self.aws("list-commands", "--instance-id", node.node_id)["Commands"][0]["Status"], "Cancelled")

    def test_a_window_runs_an_automation_on_each_of_its_nodes(self):
        node = self.new_node("win-1", Tags=[{"Key": "role", "Value": "auto"}])
        node.live()
        self.keep("Windowed", SHELL)
        window = self.aws("create-maintenance-window", "--name", "auto", "--schedule", "cron(0 2 ? * SUN *)", "--duration", "2",
                          "--cutoff", "1", "--no-allow-unassociated-targets")["WindowId"]
        target = self.aws("register-target-with-maintenance-window", "--window-id", window, "--resource-type", "INSTANCE",
                          "--targets", "Key=tag:role,Values=auto")["WindowTargetId"]
        task = ["register-task-with-maintenance-window", "--window-id", window, "--task-type", "AUTOMATION", "--targets",
                f"Key=WindowTargetIds,Values={target}", "--max-concurrency", "1", "--max-errors", "0"]
        for document, parameters, expected in [("Nobody", {"A": ["b"]}, "Nobody"), ("AWS-RunShellScript", {"A": ["b"]}, "Command"),
                                               ("Windowed", {"InstanceId": ["{{TARGET_ID}}"], "Other": ["x"]}, "Other"),
                                               ("Windowed", {"InstanceId": ["mi-0123456789abcdef0"]}, "RESOURCE_ID")]:
            done = self.run_aws(*task, "--task-arn", document, "--task-invocation-parameters",
                                json.dumps({"Automation": {"Parameters": parameters}}))
            self.assertIn("(ValidationException)", done.stderr)
            self.assertIn(expected, done.stderr)
        parameters = {"Automation": {"Parameters": {"InstanceId": ["{{RESOURCE_ID}}"], "Line": ["echo {{WINDOW_EXECUTION_ID}}"]}}}
        self.aws(*task, "--task-arn", "Windowed", "--task-invocation-parameters", json.dumps(parameters))
        wait_until(lambda: self.post("UpdateMaintenanceWindow", {"WindowId": window, "Schedule": in_seconds(3)})[0] == 200, every=0)

        def ended():
            rows = self.aws("describe-maintenance-window-executions", "--window-id", window)["WindowExecutions"]
            return rows and rows[0]["Status"] not in ("PENDING", "IN_PROGRESS") and rows[0]
        self.assertTrue(wait_until(ended))
        execution = ended()
        self.assertEqual(execution["Status"], "SUCCESS", execution)
        self.assertEqual(node.orders[0]["steps"]["steps"][0]["work"]["aws:runShellScript"]["commands"],
                         ["echo " + execution["WindowExecutionId"]])
        over = self.aws("describe-automation-executions", "--filters", "Key=DocumentNamePrefix,Values=Windowed")["AutomationExecutionMetadataList"]
        self.assertEqual({row["ExecutedBy"] for row in over}, {"maintenance window " + window})


class WithBoto3(BotoTestCase):
    def keep(self, name, content, kind="Automation"):
        self.ssm.create_document(Name=name, DocumentType=kind, DocumentFormat="YAML", Content=content)
        return name

    def start(self, document, **more):
        return self.ssm.start_automation_execution(DocumentName=document, **more)["AutomationExecutionId"]

    def execution(self, identity):
        return self.ssm.get_automation_execution(AutomationExecutionId=identity)["AutomationExecution"]

    def reaches(self, identity, *statuses):
        self.assertTrue(wait_until(lambda: self.execution(identity)["AutomationExecutionStatus"] in statuses), self.execution(identity))
        return self.execution(identity)

    def test_over_targets_until_the_budget_is_used_up(self):
        self.keep("Budget", """
schemaVersion: '0.3'
parameters: {Hours: {type: String}}
mainSteps:
- {name: wait, action: 'aws:sleep', inputs: {Duration: 'PT{{ Hours }}S'}}
""")
        values = ["x", "y", "1", "2"]
        identity = self.start("Budget", TargetParameterName="Hours", Targets=[{"Key": "ParameterValues", "Values": values}],
                              MaxConcurrency="1", MaxErrors="1")
        done = self.reaches(identity, *OVER)
        self.assertEqual(done["AutomationExecutionStatus"], "Failed")
        self.assertEqual(done["ProgressCounters"],
                         {"TotalSteps": 4, "SuccessSteps": 0, "FailedSteps": 2, "CancelledSteps": 2, "TimedOutSteps": 0})
        self.assertIn("2 of 4 targets failed; x: ", done["FailureMessage"])
        children = self.ssm.describe_automation_executions(Filters=[{"Key": "ParentExecutionId", "Values": [identity]}])
        self.assertEqual(sorted(row["Target"] for row in children["AutomationExecutionMetadataList"]), ["x", "y"])
        within = self.start("Budget", TargetParameterName="Hours", Targets=[{"Key": "ParameterValues", "Values": ["x", "1"]}],
                            MaxConcurrency="100%", MaxErrors="100%")
        self.assertEqual(self.reaches(within, *OVER)["AutomationExecutionStatus"], "CompletedWithFailure")

    def test_over_maps_of_parameters(self):
        self.keep("Maps", """
schemaVersion: '0.3'
parameters: {Seconds: {type: String}, Unit: {type: String, default: S}}
mainSteps:
- {name: wait, action: 'aws:sleep', inputs: {Duration: 'PT{{ Seconds }}{{ Unit }}'}}
""")
        maps = [{"Seconds": ["1"]}, {"Seconds": ["0.01"], "Unit": ["M"]}]
        identity = self.start("Maps", TargetMaps=maps, MaxConcurrency="2", MaxErrors="0")
        done = self.reaches(identity, *OVER)
        self.assertEqual((done["AutomationExecutionStatus"], done["TargetMaps"]), ("Success", maps), done)
        children = self.ssm.describe_automation_executions(Filters=[{"Key": "ParentExecutionId", "Values": [identity]}])
        self.assertEqual(sorted(row["Target"] for row in children["AutomationExecutionMetadataList"]), ["Seconds=0.01, Unit=M", "Seconds=1"])

    def test_a_rejection_fails_the_step_and_a_webhook_nobody_answers_too(self):
        self.keep("Ask", ASKING)
        identity = self.start("Ask")
        self.reaches(identity, "Waiting")
        self.ssm.send_automation_signal(AutomationExecutionId=identity, SignalType="Reject", Payload={"Comment": ["not today"]})
        self.assertIn("rejected by admin: not today", self.reaches(identity, "Failed")["FailureMessage"])
        self.keep("Hook", "schemaVersion: '0.3'\nmainSteps:\n- {name: tell, action: 'belay:invokeWebhook', inputs: {Url: 'https://127.0.0.1:1/x'}}\n")
        failed = self.reaches(self.start("Hook"), *OVER)
        self.assertEqual(failed["AutomationExecutionStatus"], "Failed")
        self.assertIn("tell", failed["FailureMessage"])

    def test_interactive_steps_wait_to_be_started(self):
        self.keep("Steps", "schemaVersion: '0.3'\nmainSteps:\n- {name: a, action: 'aws:sleep', inputs: {Duration: PT0S}}\n"
                           "- {name: b, action: 'aws:sleep', inputs: {Duration: PT1H}}\n")
        identity = self.start("Steps", Mode="Interactive")
        self.reaches(identity, "Waiting")
        self.ssm.send_automation_signal(AutomationExecutionId=identity, SignalType="StartStep", Payload={"StepName": ["a"]})
        self.assertTrue(wait_until(lambda: self.execution(identity).get("CurrentStepName") == "b"))
        self.assert_fails("AutomationStepNotFoundException", self.ssm.send_automation_signal, AutomationExecutionId=identity,
                          SignalType="StartStep", Payload={"StepName": ["c"]})
        self.ssm.send_automation_signal(AutomationExecutionId=identity, SignalType="StartStep", Payload={"StepName": ["b"]})
        self.assertTrue(wait_until(lambda: self.execution(identity)["AutomationExecutionStatus"] == "InProgress"))
        steps = self.ssm.describe_automation_step_executions(AutomationExecutionId=identity, ReverseOrder=True)["StepExecutions"]
        self.assertEqual([step["StepName"] for step in steps], ["b", "a"])
        self.ssm.send_automation_signal(AutomationExecutionId=identity, SignalType="StopStep", Payload={"StepExecutionId": [steps[0]["StepExecutionId"]]})
        self.assertEqual(self.reaches(identity, *OVER)["AutomationExecutionStatus"], "Failed")
        waiting = self.ssm.describe_automation_step_executions(
            AutomationExecutionId=identity, Filters=[{"Key": "StepExecutionStatus", "Values": ["Cancelled"]}])["StepExecutions"]
        self.assertEqual([step["StepName"] for step in waiting], ["b"])

    def test_it_goes_on_after_a_kill(self):
        self.keep("Killed", ASKING)
        identity = self.start("Killed")
        self.reaches(identity, "Waiting")
        self.server.kill()
        self.server.start()
        type(self).ssm = self.client()
        self.ssm.send_automation_signal(AutomationExecutionId=identity, SignalType="Approve")
        self.assertEqual(self.reaches(identity, *OVER)["AutomationExecutionStatus"], "Success")

    def test_the_token_makes_one_and_the_lists_find_it(self):
        self.keep("Token", ASKING)
        identity = self.start("Token", ClientToken=UUID, Tags=[{"Key": "run", "Value": "1"}])
        self.assertEqual(self.start("Token", ClientToken=UUID, Tags=[{"Key": "run", "Value": "1"}]), identity)
        self.assert_fails("IdempotentParameterMismatch", self.start, document="Token", ClientToken=UUID)
        self.reaches(identity, "Waiting")
        for filters in ([("ExecutionId", identity)], [("DocumentNamePrefix", "Tok"), ("ExecutionStatus", "Waiting")], [("TagKey", "run")],
                        [("CurrentAction", "aws:approve"), ("DocumentNamePrefix", "Token"), ("AutomationType", "Local")],
                        [("StartTimeAfter", "2020-01-01T00:00:00Z"), ("DocumentNamePrefix", "Token")]):
            listed = self.ssm.describe_automation_executions(Filters=[{"Key": key, "Values": [value]} for key, value in filters])
            self.assertEqual([row["AutomationExecutionId"] for row in listed["AutomationExecutionMetadataList"]], [identity], filters)
        for key, value in (("AutomationType", "CrossAccount"), ("OpsItemId", "oi-1"), ("ExecutionStatus", "Cancelled"), ("TagKey", "none")):
            listed = self.ssm.describe_automation_executions(Filters=[{"Key": "DocumentNamePrefix", "Values": ["Token"]}, {"Key": key, "Values": [value]}])
            self.assertEqual(listed["AutomationExecutionMetadataList"], [], key)
        self.ssm.stop_automation_execution(AutomationExecutionId=identity, Type="Cancel")
        self.reaches(identity, "Cancelled")

    def test_wrong_input_is_refused_by_name_and_starts_nothing(self):
        self.keep("Right", SHELL)
        before = len(self.ssm.describe_automation_executions()["AutomationExecutionMetadataList"])
        node = {"InstanceId": ["mi-0123456789abcdef0"]}
        by_value = {"TargetParameterName": "InstanceId", "Targets": [{"Key": "ParameterValues", "Values": ["a"]}]}
        rows = [("AutomationDefinitionNotFoundException", "Nobody", {}), ("AutomationDefinitionNotFoundException", "AWS-RunShellScript", {}),
                ("AutomationDefinitionVersionNotFoundException", "Right", {"DocumentVersion": "7", "Parameters": node}),
                ("InvalidAutomationExecutionParametersException", "Right", {}),
                ("InvalidAutomationExecutionParametersException", "Right", {"Parameters": {**node, "Other": ["x"]}}),
                ("InvalidAutomationExecutionParametersException", "Right", {"Parameters": node, "TargetParameterName": "InstanceId"}),
                ("InvalidAutomationExecutionParametersException", "Right", {"Parameters": node, **by_value}),
                ("InvalidAutomationExecutionParametersException", "Right", {**by_value, "TargetParameterName": "Nothing"}),
                ("InvalidAutomationExecutionParametersException", "Right", {**by_value, "Mode": "Interactive"}),
                ("InvalidTarget", "Right", {**by_value, "Targets": [{"Key": "ResourceGroup", "Values": ["a"]}]}),
                ("InvalidAutomationExecutionParametersException", "Right", {"Parameters": node, "TargetMaps": [{"InstanceId": ["a"]}]}),
                ("InvalidAutomationExecutionParametersException", "Right", {"TargetMaps": [{"Nothing": ["a"]}]}),
                ("InvalidAutomationExecutionParametersException", "Right", {**by_value, "TargetMaps": [{"InstanceId": ["a"]}]}),
                ("ValidationException", "Right", {"Parameters": node, "TargetLocations": [{"Accounts": ["1"]}]})]
        for code, document, change in rows:
            with self.subTest(document=document, change=change):
                self.assert_fails(code, self.start, document=document, **change)
        self.assertEqual(len(self.ssm.describe_automation_executions()["AutomationExecutionMetadataList"]), before)
        for call, more in ((self.ssm.get_automation_execution, {}), (self.ssm.stop_automation_execution, {}),
                           (self.ssm.describe_automation_step_executions, {}), (self.ssm.send_automation_signal, {"SignalType": "Approve"})):
            self.assert_fails("AutomationExecutionNotFoundException", call, AutomationExecutionId=UUID, **more)
        self.assert_fails("InvalidFilterValue", self.ssm.describe_automation_executions,
                          Filters=[{"Key": "StartTimeBefore", "Values": ["soon"]}])
        self.assertIn("IntegrationName", self.assert_fails(
            "InvalidDocumentContent", self.keep, name="Integration",
            content="schemaVersion: '0.3'\nmainSteps:\n- {name: a, action: 'aws:invokeWebhook', inputs: {IntegrationName: x}}\n"))
