"""Maintenance windows as SSM's users drive them: all 23 operations through the aws command and through boto3, windows that really open
against a server that runs, and what must be refused."""
import datetime
import json

from tests.api.support import AwsTestCase, BotoTestCase
from tests.support.binaries import wait_until

UUID = "01234567-89ab-4def-8123-456789abcdef"
WINDOW = "mw-0123456789abcdef0"

# What is promised. The tests fail where one of them was not called.
PROMISED = """
create-maintenance-window get-maintenance-window update-maintenance-window delete-maintenance-window describe-maintenance-windows
describe-maintenance-window-schedule describe-maintenance-windows-for-target register-target-with-maintenance-window
update-maintenance-window-target deregister-target-from-maintenance-window describe-maintenance-window-targets
register-task-with-maintenance-window get-maintenance-window-task update-maintenance-window-task
deregister-task-from-maintenance-window describe-maintenance-window-tasks describe-maintenance-window-executions
describe-maintenance-window-execution-tasks describe-maintenance-window-execution-task-invocations get-maintenance-window-execution
get-maintenance-window-execution-task get-maintenance-window-execution-task-invocation cancel-maintenance-window-execution
""".split()


def in_seconds(seconds):
    """An at(…) expression so far from now."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("at(%Y-%m-%dT%H:%M:%S)")


class WithAws(AwsTestCase):
    def setUp(self):
        self.called = set()

    def ask(self, operation, *words):
        self.called.add(operation)
        return self.aws(operation, *words)

    def make(self, schedule, *more):
        return self.ask("create-maintenance-window", "--name", "patching", "--schedule", schedule, "--duration", "2", "--cutoff", "1",
                        "--no-allow-unassociated-targets", *more)["WindowId"]

    def test_the_whole_life_of_a_window_that_opens(self):
        node = self.new_node("web-1", Tags=[{"Key": "role", "Value": "web"}])
        node.live()
        window = self.make("cron(0 2 ? * SUN *)", "--description", "it opens soon", "--tags", "Key=team,Value=web")
        self.assertEqual(self.aws("list-tags-for-resource", "--resource-type", "MaintenanceWindow", "--resource-id", window)["TagList"],
                         [{"Key": "team", "Value": "web"}])
        target = self.ask("register-target-with-maintenance-window", "--window-id", window, "--resource-type", "INSTANCE",
                          "--targets", "Key=tag:role,Values=web", "--owner-information", "team web")["WindowTargetId"]
        parameters = {"RunCommand": {"Parameters": {"commands": ["echo {{WINDOW_EXECUTION_ID}} on {{TARGET_TYPE}}"]}}}
        task = self.ask("register-task-with-maintenance-window", "--window-id", window, "--task-arn", "AWS-RunShellScript",
                        "--task-type", "RUN_COMMAND", "--targets", f"Key=WindowTargetIds,Values={target}", "--max-concurrency", "100%",
                        "--max-errors", "0", "--priority", "1", "--task-invocation-parameters", json.dumps(parameters))["WindowTaskId"]
        self.ask("update-maintenance-window-target", "--window-id", window, "--window-target-id", target, "--name", "webservers")
        listed = self.ask("describe-maintenance-window-targets", "--window-id", window)["Targets"]
        self.assertEqual([(row["Name"], row["OwnerInformation"]) for row in listed], [("webservers", "team web")])
        self.ask("update-maintenance-window-task", "--window-id", window, "--window-task-id", task, "--cutoff-behavior", "CANCEL_TASK")
        self.assertEqual(self.ask("get-maintenance-window-task", "--window-id", window, "--window-task-id", task)["CutoffBehavior"],
                         "CANCEL_TASK")
        self.assertEqual(self.ask("describe-maintenance-window-tasks", "--window-id", window)["Tasks"][0]["WindowTaskId"], task)
        got = self.ask("get-maintenance-window", "--window-id", window)
        self.assertTrue(got["NextExecutionTime"].endswith("Z"))
        self.assertIn(window, [row["WindowId"] for row in self.ask("describe-maintenance-windows")["WindowIdentities"]])
        self.assertEqual(self.ask("describe-maintenance-windows-for-target", "--resource-type", "INSTANCE", "--targets",
                                  f"Key=InstanceIds,Values={node.node_id}")["WindowIdentities"], [{"WindowId": window, "Name": "patching"}])
        self.assertEqual(self.ask("describe-maintenance-window-schedule", "--window-id", window)["ScheduledWindowExecutions"][0]["WindowId"],
                         window)
        self.assertEqual(self.server.belay("window", "preview", window).returncode, 0)

        # Now, so that no step above depends on how fast it was; over again where the second had passed before it was read.
        wait_until(lambda: self.post("UpdateMaintenanceWindow", {"WindowId": window, "Schedule": in_seconds(3)})[0] == 200, every=0)
        execution = self.opened(window)
        wait_until(lambda: self.ask("get-maintenance-window-execution", "--window-execution-id", execution)["Status"] == "SUCCESS")
        tasks = self.ask("describe-maintenance-window-execution-tasks", "--window-execution-id", execution)["WindowExecutionTaskIdentities"]
        ids = ["--window-execution-id", execution, "--task-id", tasks[0]["TaskExecutionId"]]
        self.assertEqual(self.ask("get-maintenance-window-execution-task", *ids)["Status"], "SUCCESS")
        invocations = self.ask("describe-maintenance-window-execution-task-invocations", *ids)["WindowExecutionTaskInvocationIdentities"]
        one = self.ask("get-maintenance-window-execution-task-invocation", *ids, "--invocation-id", invocations[0]["InvocationId"])
        self.assertEqual((one["Status"], one["WindowTargetId"]), ("SUCCESS", target))
        ran = self.aws("get-command-invocation", "--command-id", one["ExecutionId"], "--instance-id", node.node_id)
        self.assertEqual(ran["StandardOutputContent"], f"ran: echo {execution} on INSTANCE\n")
        self.assertEqual(self.ask("cancel-maintenance-window-execution", "--window-execution-id", execution)["WindowExecutionId"], execution)

        self.ask("deregister-task-from-maintenance-window", "--window-id", window, "--window-task-id", task)
        self.ask("deregister-target-from-maintenance-window", "--window-id", window, "--window-target-id", target)
        self.ask("update-maintenance-window", "--window-id", window, "--no-enabled", "--schedule", "rate(7 days)")
        self.ask("delete-maintenance-window", "--window-id", window)
        self.assert_aws_fails("DoesNotExistException", "get-maintenance-window", "--window-id", window)
        self.assertEqual(set(PROMISED) - self.called, set())

    def opened(self, window):
        def first():
            rows = self.ask("describe-maintenance-window-executions", "--window-id", window)["WindowExecutions"]
            return rows and rows[0]["WindowExecutionId"]
        wait_until(first)
        return first()

    def test_the_preview_says_what_will_not_run(self):
        node = self.new_node("fit-1", Tags=[{"Key": "role", "Value": "fit"}])
        create = ("--schedule", "cron(0 2 * * ? *)", "--hours", "4", "--line", "true")
        made = self.server.belay("-o", "json", "window", "create", "fit", "tag:role=fit", *create)
        window = json.loads(made.stdout)["WindowId"]
        self.assertEqual(made.stderr, "")

        def preview():
            shown = self.server.belay("window", "preview", window)
            return shown.returncode, shown.stdout.splitlines()[-1], shown.stdout
        self.assertEqual(preview()[0], 0)
        self.post("UpdateMaintenanceWindow", {"WindowId": window, "Enabled": False})
        status, verdict, shown = preview()
        self.assertNotEqual(status, 0, shown)
        self.assertIn("the window is disabled", verdict, shown)
        self.post("UpdateMaintenanceWindow", {"WindowId": window, "Enabled": True})
        self.post("RemoveTagsFromResource", {"ResourceType": "ManagedInstance", "ResourceId": node.node_id, "TagKeys": ["role"]})
        status, verdict, shown = preview()
        self.assertNotEqual(status, 0, shown)
        self.assertIn("no node matches", verdict, shown)
        self.assertIn("no node matches", self.server.belay("window", "show", window).stdout)
        typo = self.server.belay("window", "create", "typo", "tag:role=nobody", *create)
        self.assertEqual(typo.returncode, 0, typo.stderr)
        self.assertIn("no node matches tag:role=nobody now", typo.stderr)

    def test_the_operators_own_command(self):
        self.new_node("cli-1", Tags=[{"Key": "role", "Value": "cli"}])
        made = self.server.belay("-o", "json", "window", "create", "nightly", "tag:role=cli", "--schedule", "cron(0 2 * * ? *)",
                                 "--hours", "4", "--cutoff", "1", "--zone", "Europe/Berlin", "--patch", "Install")
        self.assertEqual(made.returncode, 0, made.stderr)
        window = json.loads(made.stdout)["WindowId"]
        preview = self.server.belay("window", "preview", window)
        self.assertIn("unknown: some of it was never run", preview.stdout, preview.stderr)
        self.assertEqual(len([line for line in preview.stdout.splitlines() if line.startswith("20")]), 5, preview.stdout)
        self.assertIn("nightly", self.server.belay("window", "list").stdout)
        self.assertIn("AWS-RunPatchBaseline", self.server.belay("window", "show", window).stdout)
        self.assertEqual(self.server.belay("window", "history", window).returncode, 0)
        self.assertEqual(self.server.belay("window", "delete", window).returncode, 0)
        refused = self.server.belay("window", "create", "bad", "tag:role=cli", "--schedule", "rate(2 hours)", "--hours", "3", "--line", "id")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("Duration", refused.stderr)


class WithBoto3(BotoTestCase):
    def make(self, **more):
        settings = {"Name": "boto", "Schedule": "cron(0 2 ? * THU#3 *)", "Duration": 4, "Cutoff": 1, "AllowUnassociatedTargets": False}
        return self.ssm.create_maintenance_window(**{**settings, **more})["WindowId"]

    def register(self, window, target, **more):
        settings = {"WindowId": window, "TaskArn": "AWS-RunShellScript", "TaskType": "RUN_COMMAND", "MaxConcurrency": "1", "MaxErrors": "0",
                    "Targets": [{"Key": "WindowTargetIds", "Values": [target]}],
                    "TaskInvocationParameters": {"RunCommand": {"Parameters": {"commands": ["id"]}}}}
        return self.ssm.register_task_with_maintenance_window(**{**settings, **more})["WindowTaskId"]

    def target(self, window, key="tag:role", value="boto"):
        return self.ssm.register_target_with_maintenance_window(
            WindowId=window, ResourceType="INSTANCE", Targets=[{"Key": key, "Values": [value]}])["WindowTargetId"]

    def test_every_operation_is_there(self):
        window = self.make(ClientToken=UUID)
        self.assertEqual(self.make(ClientToken=UUID), window)
        self.assert_fails("IdempotentParameterMismatch", self.make, ClientToken=UUID, Duration=5)
        target = self.target(window)
        task = self.register(window, target)
        ssm, by_id = self.ssm, {"WindowId": window}
        self.assertEqual(ssm.get_maintenance_window(**by_id)["Cutoff"], 1)
        self.assertEqual(ssm.update_maintenance_window(Cutoff=2, **by_id)["Cutoff"], 2)
        self.assertEqual(ssm.get_maintenance_window_task(WindowTaskId=task, **by_id)["TaskInvocationParameters"]["RunCommand"]["Parameters"],
                         {"commands": ["id"]})
        self.assertEqual(ssm.update_maintenance_window_task(WindowTaskId=task, Priority=7, **by_id)["Priority"], 7)
        self.assertEqual(ssm.update_maintenance_window_target(WindowTargetId=target, Name="web", **by_id)["Name"], "web")
        self.assertEqual(len(ssm.describe_maintenance_window_targets(**by_id)["Targets"]), 1)
        self.assertEqual(len(ssm.describe_maintenance_window_tasks(Filters=[{"Key": "Priority", "Values": ["7"]}], **by_id)["Tasks"]), 1)
        pages = list(ssm.get_paginator("describe_maintenance_window_schedule").paginate(
            WindowId=window, PaginationConfig={"PageSize": 4, "MaxItems": 10}))
        times = [row["ExecutionTime"] for page in pages for row in page["ScheduledWindowExecutions"]]
        self.assertEqual((len(times), len(set(times)), times), (10, 10, sorted(times)))
        self.assertIn(window, [row["WindowId"] for row in ssm.describe_maintenance_windows(
            Filters=[{"Key": "Name", "Values": ["boto"]}, {"Key": "Enabled", "Values": ["True"]}])["WindowIdentities"]])
        self.assertEqual(ssm.describe_maintenance_window_executions(**by_id)["WindowExecutions"], [])
        self.assertEqual(ssm.describe_maintenance_windows_for_target(
            ResourceType="INSTANCE", Targets=[{"Key": "tag:role", "Values": ["nobody"]}])["WindowIdentities"], [])
        for call, ids in ((ssm.get_maintenance_window_execution, {}), (ssm.cancel_maintenance_window_execution, {}),
                          (ssm.describe_maintenance_window_execution_tasks, {}), (ssm.get_maintenance_window_execution_task, {"TaskId": UUID}),
                          (ssm.describe_maintenance_window_execution_task_invocations, {"TaskId": UUID}),
                          (ssm.get_maintenance_window_execution_task_invocation, {"TaskId": UUID, "InvocationId": UUID})):
            self.assert_fails("DoesNotExistException", call, WindowExecutionId=UUID, **ids)
        self.assert_fails("TargetInUseException", ssm.deregister_target_from_maintenance_window, WindowTargetId=target, Safe=True, **by_id)
        self.assertEqual(ssm.deregister_task_from_maintenance_window(WindowTaskId=task, **by_id)["WindowTaskId"], task)
        self.assertEqual(ssm.deregister_target_from_maintenance_window(WindowTargetId=target, **by_id)["WindowTargetId"], target)
        self.assertEqual(ssm.delete_maintenance_window(**by_id)["WindowId"], window)

    def test_a_node_that_is_away_is_missed_and_can_be_seen(self):
        node = self.new_node("boto-1", Tags=[{"Key": "role", "Value": "away"}])
        window = self.make(Name="away")
        self.register(window, self.target(window, value="away"),
                      TaskInvocationParameters={"RunCommand": {"TimeoutSeconds": 30, "Parameters": {"commands": ["id"]}}})
        wait_until(lambda: self.post("UpdateMaintenanceWindow", {"WindowId": window, "Schedule": in_seconds(3)})[0] == 200, every=0)

        def status():
            rows = self.ssm.describe_maintenance_window_executions(WindowId=window)["WindowExecutions"]
            return rows and rows[0]["Status"]
        wait_until(lambda: status() == "IN_PROGRESS")
        wait_until(lambda: status() == "TIMED_OUT", 90)
        row = self.ssm.describe_maintenance_window_executions(WindowId=window)["WindowExecutions"][0]
        self.assertIn(node.node_id, row["StatusDetails"])
        code, missed = self.post("DescribeMissedNodes", {"WindowId": window})
        self.assertEqual((code, [(m["InstanceId"], m["Reason"]) for m in missed["MissedNodes"]]), (200, [(node.node_id, "OFFLINE")]))

    def test_a_rate_counts_from_its_start_date(self):
        start = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3)).strftime("%Y-%m-%dT%H:00:00+02:00")
        window = self.make(Schedule="rate(7 days)", StartDate=start)
        expected = datetime.datetime.fromisoformat(start).astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:00:00Z")
        self.assertEqual(self.ssm.get_maintenance_window(WindowId=window)["NextExecutionTime"], expected)

    def test_wrong_input_names_the_field_and_keeps_nothing(self):
        before = len(self.ssm.describe_maintenance_windows()["WindowIdentities"])
        rows = [("Cutoff", {"Cutoff": 4}), ("Duration", {"Schedule": "rate(2 hours)", "Duration": 3}), ("Schedule", {"Schedule": "cron(x)"}),
                ("Schedule", {"Schedule": "cron(0 2 31 2 ? *)"}), ("ScheduleOffset", {"Schedule": "rate(7 days)", "ScheduleOffset": 2}),
                ("StartDate", {"StartDate": "soon"}), ("EndDate", {"EndDate": "2020-01-01T00:00:00Z"}), ("Mars", {"ScheduleTimezone": "Mars/X"})]
        for field, change in rows:
            with self.subTest(change=change):
                self.assertIn(field, self.assert_fails("ValidationException", self.make, **change))
        self.assertEqual(len(self.ssm.describe_maintenance_windows()["WindowIdentities"]), before)
        window = self.make(Name="wrong")
        target = self.target(window)
        for code, change in (("FeatureNotAvailableException", {"TaskType": "LAMBDA", "TaskInvocationParameters": {}}),
                             ("FeatureNotAvailableException", {"TaskType": "STEP_FUNCTIONS", "TaskInvocationParameters": {}}),
                             ("ValidationException", {"TaskArn": "No-Such"}),
                             ("ValidationException", {"Targets": [{"Key": "tag:a", "Values": ["b"]}]}),
                             ("DoesNotExistException", {"Targets": [{"Key": "WindowTargetIds", "Values": [UUID]}]}),
                             ("DoesNotExistException", {"WindowId": WINDOW})):
            with self.subTest(change=change):
                self.assert_fails(code, lambda change=change: self.register(window, target, **change))
        self.assert_fails("ValidationException", self.target, window=window, key="InstanceIds", value="mi-0123456789abcdef0")
        self.assert_fails("DoesNotExistException", self.target, window=WINDOW)
        self.assertEqual(self.ssm.describe_maintenance_window_tasks(WindowId=window)["Tasks"], [])
