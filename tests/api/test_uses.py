"""What others need is not deleted under them, and what could never run is refused when it is made: boto3 against belayd."""
import json

from tests.api.support import BotoTestCase

NODE = "mi-0123456789abcdef0"
WEB = [{"Key": "tag:role", "Values": ["web"]}]
SCRIPT = {"schemaVersion": "2.2", "mainSteps": [{"action": "aws:runShellScript", "name": "say", "inputs": {"runCommand": ["true"]}}]}
CALENDAR = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y\r\nX-CALENDAR-TYPE:DEFAULT_OPEN\r\nEND:VCALENDAR\r\n"


def step(action, **inputs):
    return json.dumps({"schemaVersion": "2.2", "mainSteps": [{"action": action, "name": "one", "inputs": inputs}]})


class Uses(BotoTestCase):
    def document(self, name, content=None, kind="Command"):
        form = "TEXT" if kind == "ChangeCalendar" else "JSON"
        self.ssm.create_document(Name=name, Content=content or json.dumps(SCRIPT), DocumentType=kind, DocumentFormat=form)

    def window(self, **more):
        settings = {"Name": "used", "Schedule": "cron(0 2 ? * SUN *)", "Duration": 4, "Cutoff": 1, "AllowUnassociatedTargets": True}
        return self.ssm.create_maintenance_window(**{**settings, **more})["WindowId"]

    def task(self, window, document="AWS-RunShellScript", parameters=None, **run):
        target = self.ssm.register_target_with_maintenance_window(WindowId=window, ResourceType="INSTANCE", Targets=WEB)["WindowTargetId"]
        return self.ssm.register_task_with_maintenance_window(
            WindowId=window, TaskArn=document, TaskType="RUN_COMMAND", MaxConcurrency="1", MaxErrors="0",
            Targets=[{"Key": "WindowTargetIds", "Values": [target]}],
            TaskInvocationParameters={"RunCommand": {"Parameters": parameters or {}, **run}})["WindowTaskId"]

    def associate(self, document="AWS-RunShellScript", **more):
        if document == "AWS-RunShellScript":
            more.setdefault("Parameters", {"commands": ["true"]})
        return self.ssm.create_association(**{"Name": document, "Targets": WEB, **more})["AssociationDescription"]["AssociationId"]

    def in_window(self, association, window, **more):
        return self.post("SetAssociationWindow", {"AssociationId": association, "WindowId": window, **more})

    def assert_kept(self, code, name, user):
        message = self.assert_fails(code, self.ssm.delete_document, Name=name)
        self.assertIn(user, message)
        self.assertIn(name, message)

    def test_a_document_that_an_association_a_window_or_a_document_names(self):
        self.document("Used-Leaf")
        association = self.associate("Used-Leaf")
        self.assert_kept("AssociatedInstances", "Used-Leaf", association)
        self.ssm.delete_association(AssociationId=association)

        window = self.window()
        task = self.task(window, "Used-Leaf")
        self.assert_kept("InvalidDocumentOperation", "Used-Leaf", window)
        self.ssm.deregister_task_from_maintenance_window(WindowId=window, WindowTaskId=task)

        self.document("Used-Outer", step("aws:runDocument", documentType="SSMDocument", documentPath="Used-Leaf"))
        self.assert_kept("InvalidDocumentOperation", "Used-Leaf", "Used-Outer")
        self.ssm.delete_document(Name="Used-Outer")

        runbook = {"schemaVersion": "0.3", "mainSteps": [{"name": "run", "action": "aws:runCommand", "inputs": {
            "DocumentName": "Used-Leaf", "InstanceIds": [NODE]}}]}
        self.document("Used-Book", json.dumps(runbook), "Automation")
        self.assert_kept("InvalidDocumentOperation", "Used-Leaf", "Used-Book")
        self.ssm.delete_document(Name="Used-Book")
        # One whose text only mentions it does not need it.
        self.document("Used-Talk", json.dumps({**SCRIPT, "description": "like Used-Leaf"}))
        self.ssm.delete_document(Name="Used-Leaf")
        self.ssm.delete_document(Name="Used-Talk")

    def test_a_node_that_is_named_and_leaves(self):
        node = self.new_node("named-1")
        named = [{"Key": "InstanceIds", "Values": [node.node_id]}]
        association = self.ssm.create_association(Name="AWS-RunShellScript", Parameters={"commands": ["true"]}, Targets=named)
        association = association["AssociationDescription"]["AssociationId"]
        window = self.window()
        target = self.ssm.register_target_with_maintenance_window(WindowId=window, ResourceType="INSTANCE", Targets=named)["WindowTargetId"]
        task = self.ssm.register_task_with_maintenance_window(
            WindowId=window, TaskArn="AWS-RunShellScript", TaskType="RUN_COMMAND", MaxConcurrency="1", MaxErrors="0", Targets=named,
            TaskInvocationParameters={"RunCommand": {"Parameters": {"commands": ["true"]}}})["WindowTaskId"]
        status, reply = self.post("PutRemedyPolicy", {"Name": "named", "Action": "Notice", "AfterSeconds": 3600, "Targets": [
            {"Key": "InstanceIds", "Values": ["named-1"]}]})
        self.assertEqual(status, 200, reply)
        users = {f"association {association}", f"target {target} of maintenance window {window}",
                 f"task {task} of maintenance window {window}", "remedy policy named"}
        status, reply = self.post("GetNodeUses", {"InstanceId": node.node_id})
        self.assertEqual((status, set(reply["UsedBy"])), (200, users))
        other = self.new_node("named-2")
        self.assertEqual(self.post("GetNodeUses", {"InstanceId": other.node_id})[1]["UsedBy"], [])
        removed = self.server.belay("nodes", "remove", "named-1")
        self.assertEqual(removed.returncode, 0, removed.stderr)
        self.assertEqual({line for line in removed.stderr.splitlines()}, {f"note: {user} still names it" for user in users})
        self.assertEqual(self.post("GetNodeUses", {"InstanceId": "mi-00000000000000000"})[1]["__type"], "InvalidInstanceId")

    def test_a_calendar_and_a_version_that_is_pinned(self):
        self.document("Used-Freeze", CALENDAR, "ChangeCalendar")
        association = self.associate(CalendarNames=["Used-Freeze"])
        self.assert_kept("AssociatedInstances", "Used-Freeze", association)
        self.ssm.delete_association(AssociationId=association)
        window = self.window()
        self.assertEqual(self.post("PutMaintenanceWindowCalendars", {"WindowId": window, "CalendarNames": ["Used-Freeze"]})[0], 200)
        self.assert_kept("InvalidDocumentOperation", "Used-Freeze", window)
        self.ssm.delete_maintenance_window(WindowId=window)
        self.ssm.delete_document(Name="Used-Freeze")

        self.document("Used-Twice")
        self.ssm.update_document(Name="Used-Twice", Content=json.dumps({**SCRIPT, "description": "newer"}), DocumentVersion="$LATEST")
        self.ssm.update_document_default_version(Name="Used-Twice", DocumentVersion="2")
        association = self.associate("Used-Twice", DocumentVersion="1")
        message = self.assert_fails("AssociatedInstances", self.ssm.delete_document, Name="Used-Twice", DocumentVersion="1")
        self.assertIn("version 1", message)
        self.ssm.update_association(AssociationId=association, Name="Used-Twice", DocumentVersion="2")
        self.ssm.delete_document(Name="Used-Twice", DocumentVersion="1")

    def test_a_window_that_an_association_runs_in(self):
        window, association = self.window(), self.associate()
        self.assertEqual(self.in_window(association, window, CutoffHours=2)[0], 200)
        self.assertIn(association, self.assert_fails("ResourceInUseException", self.ssm.delete_maintenance_window, WindowId=window))
        message = self.assert_fails("ValidationException", self.ssm.update_maintenance_window, WindowId=window, Duration=2, Cutoff=0)
        self.assertIn("Duration", message)
        self.assertIn(association, message)
        self.assertEqual(self.ssm.get_maintenance_window(WindowId=window)["Duration"], 4)
        self.assertEqual(self.in_window(association, window)[0], 200)
        self.ssm.update_maintenance_window(WindowId=window, Duration=2, Cutoff=0)
        self.ssm.delete_association(AssociationId=association)
        self.ssm.delete_maintenance_window(WindowId=window)

    def test_an_association_and_its_window_must_meet(self):
        window, association = self.window(), self.associate()
        status, error = self.in_window(association, window, CutoffHours=4)
        self.assertEqual((status, error["__type"]), (400, "InvalidSchedule"), error)
        self.assertIn("CutoffHours", error["message"])
        once = self.window(Schedule="at(2031-01-01T02:00:00)")
        late = self.associate(ScheduleExpression="at(2032-01-01T00:00:00)", ApplyOnlyAtCronInterval=True)
        status, error = self.in_window(late, once)
        self.assertEqual((status, error["__type"]), (400, "InvalidSchedule"), error)
        self.assertIn("does not open again", error["message"])
        self.assertEqual(self.in_window(association, once)[0], 200, "it waits for the window")
        status, plan = self.post("GetAssociationPlan", {"AssociationId": self.associate(Duration=3)})
        self.assertEqual(status, 200)
        self.assertIn("Duration", plan["Notes"][0])

    def test_nodes_versions_and_braces_that_are_not_there(self):
        by_id = [{"Key": "InstanceIds", "Values": [NODE]}]
        self.assertIn(NODE, self.assert_fails("InvalidInstanceId", self.associate, Targets=by_id))
        run = {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
        self.assertIn(NODE, self.assert_fails("InvalidInstanceId", self.ssm.send_command, Targets=by_id, **run))
        self.assert_fails("InvalidDocumentVersion", self.associate, DocumentVersion="7")
        self.assert_fails("InvalidDocumentVersion", self.ssm.send_command, Targets=WEB, DocumentVersion="7", **run)
        window = self.window()
        command = {"commands": ["true"]}
        self.assertIn("DocumentVersion", self.assert_fails("ValidationException", self.task, window, parameters=command, DocumentVersion="7"))
        message = self.assert_fails("ValidationException", self.task, window, parameters={"commands": ["echo {{WINDOWID}}"]})
        self.assertIn("{{WINDOW_ID}}", message)
        self.task(window, parameters={"commands": ["docker ps --format '{{.Names}}'"]})
        message = self.assert_fails("InvalidDocumentContent", self.document, "Used-Wrong", step("belay:patch", operation="Scann"))
        self.assertIn("mainSteps[0].inputs", message)
        self.assert_fails("InvalidDocument", self.ssm.get_document, Name="Used-Wrong")
