"""The calls that Terraform's AWS provider makes for each resource of Systems Manager, in its order: create, read, a plan without
changes, update, import, delete, and what it must hear about something that is gone. The provider itself is not needed here: a
resource below sends what the provider sends and holds what the provider would write into its state."""
import datetime
import json

from tests.api.support import BotoTestCase

SCRIPT = {"schemaVersion": "2.2", "description": "says a word",
          "parameters": {"Word": {"type": "String", "default": "hello", "allowedPattern": "[a-z]+", "description": "a word"}},
          "mainSteps": [{"action": "aws:runShellScript", "name": "say", "inputs": {"runCommand": ["echo {{ Word }}"]}}]}
CALENDAR = "BEGIN:VCALENDAR\nVERSION:2.0\nX-CALENDAR-TYPE:DEFAULT_CLOSED\nEND:VCALENDAR\n"
EMPTY = (None, "", [], {}, False, 0)


def content(**changes):
    return json.dumps({**SCRIPT, **changes})


class Terraform(BotoTestCase):
    maxDiff = None

    def assert_no_changes(self, configured, state, computed=()):
        """A plan: what is configured is what was read, and what is not configured was read as nothing, unless the provider takes the
        server's word for it (computed)."""
        for name, value in configured.items():
            self.assertEqual(state.get(name), value, f"a plan would change {name}")
        for name, value in state.items():
            if name not in configured and name not in computed:
                self.assertIn(value, EMPTY, f"a plan would remove {name}")

    def assert_gone(self, code, call, **arguments):
        return self.assert_fails(code, call, **arguments)

    def tags(self, kind, identifier):
        listed = self.ssm.list_tags_for_resource(ResourceType=kind, ResourceId=identifier)["TagList"]
        return {tag["Key"]: tag["Value"] for tag in listed}

    def change_tags(self, kind, identifier, old, new):
        removed = [key for key in old if key not in new]
        changed = [{"Key": key, "Value": value} for key, value in new.items() if old.get(key) != value]
        if removed:
            self.ssm.remove_tags_from_resource(ResourceType=kind, ResourceId=identifier, TagKeys=removed)
        if changed:
            self.ssm.add_tags_to_resource(ResourceType=kind, ResourceId=identifier, Tags=changed)
        self.assertEqual(self.tags(kind, identifier), new)

    # ---- aws_ssm_patch_baseline, aws_ssm_default_patch_baseline, aws_ssm_patch_group

    def read_baseline(self, identifier):
        got = self.ssm.get_patch_baseline(BaselineId=identifier)
        got.pop("ResponseMetadata")
        # The provider reads the lists inside these without asking whether they are there.
        self.assertIsInstance(got["GlobalFilters"]["PatchFilters"], list)
        self.assertIsInstance(got["ApprovalRules"]["PatchRules"], list)
        return {**got, "GlobalFilters": got["GlobalFilters"]["PatchFilters"], "ApprovalRules": got["ApprovalRules"]["PatchRules"]}

    COMPUTED = ("BaselineId", "CreatedDate", "ModifiedDate", "PatchGroups", "RejectedPatchesAction")

    def test_patch_baseline(self):
        least = {"Name": "tf-least", "OperatingSystem": "DEBIAN", "ApprovedPatchesComplianceLevel": "UNSPECIFIED"}
        identifier = self.ssm.create_patch_baseline(**least, Tags=[{"Key": "Name", "Value": "least"}])["BaselineId"]
        self.assert_no_changes(least, self.read_baseline(identifier), self.COMPUTED)
        self.assertEqual(self.tags("PatchBaseline", identifier), {"Name": "least"})
        rules = [{"PatchFilterGroup": {"PatchFilters": [{"Key": "PRIORITY", "Values": ["Required", "Important"]}]},
                  "ComplianceLevel": "HIGH", "EnableNonSecurity": True, "ApproveAfterDays": 7}]
        more = {**least, "Description": "more", "ApprovalRules": rules, "ApprovedPatches": ["openssl"], "RejectedPatches": ["nginx"],
                "RejectedPatchesAction": "BLOCK", "ApprovedPatchesComplianceLevel": "CRITICAL", "ApprovedPatchesEnableNonSecurity": True,
                "GlobalFilters": [{"Key": "PRODUCT", "Values": ["Debian12"]}]}
        # The provider sends what changed, without Replace.
        sent = {name: value for name, value in more.items() if least.get(name) != value}
        sent["ApprovalRules"] = {"PatchRules": rules}
        sent["GlobalFilters"] = {"PatchFilters": more["GlobalFilters"]}
        self.ssm.update_patch_baseline(BaselineId=identifier, **sent)
        self.assert_no_changes(more, self.read_baseline(identifier), self.COMPUTED)
        # What is taken out of the configuration is sent empty.
        self.ssm.update_patch_baseline(BaselineId=identifier, ApprovalRules={"PatchRules": []}, ApprovedPatches=[], RejectedPatches=[],
                                       GlobalFilters={"PatchFilters": []}, ApprovedPatchesEnableNonSecurity=False,
                                       ApprovedPatchesComplianceLevel="UNSPECIFIED")
        self.assert_no_changes({**least, "Description": "more"}, self.read_baseline(identifier), self.COMPUTED)
        self.change_tags("PatchBaseline", identifier, {"Name": "least"}, {"Team": "ops"})
        self.ssm.delete_patch_baseline(BaselineId=identifier)
        self.assert_gone("DoesNotExistException", self.ssm.get_patch_baseline, BaselineId=identifier)

    def test_default_patch_baseline(self):
        identifier = self.ssm.create_patch_baseline(Name="tf-default", OperatingSystem="UBUNTU",
                                                    ApprovedPatchesComplianceLevel="UNSPECIFIED")["BaselineId"]
        self.assertEqual(self.ssm.get_patch_baseline(BaselineId=identifier)["OperatingSystem"], "UBUNTU")
        self.ssm.register_default_patch_baseline(BaselineId=identifier)
        self.assertEqual(self.ssm.get_default_patch_baseline(OperatingSystem="UBUNTU")["BaselineId"], identifier)
        # Deleting the baseline while it is the default: the provider makes the predefined one the default again and retries.
        self.assert_fails("ResourceInUseException", self.ssm.delete_patch_baseline, BaselineId=identifier)
        pages = self.ssm.get_paginator("describe_patch_baselines").paginate(
            Filters=[{"Key": "OPERATING_SYSTEM", "Values": ["UBUNTU"]}, {"Key": "OWNER", "Values": ["AWS"]}])
        predefined = [identity for page in pages for identity in page["BaselineIdentities"]]
        self.assertEqual([identity["BaselineName"] for identity in predefined], ["AWS-UbuntuDefaultPatchBaseline"])
        self.ssm.register_default_patch_baseline(BaselineId=predefined[0]["BaselineId"])
        self.ssm.delete_patch_baseline(BaselineId=identifier)
        self.assertEqual(self.ssm.get_default_patch_baseline(OperatingSystem="UBUNTU")["BaselineId"], predefined[0]["BaselineId"])
        # Of every system there is one that the provider finds by the shape of its name.
        for system in ("AMAZON_LINUX_2023", "DEBIAN", "REDHAT_ENTERPRISE_LINUX", "ROCKY_LINUX", "SUSE", "ALMA_LINUX", "ORACLE_LINUX", "CENTOS"):
            found = self.ssm.describe_patch_baselines(Filters=[{"Key": "OPERATING_SYSTEM", "Values": [system]},
                                                               {"Key": "OWNER", "Values": ["AWS"]}])["BaselineIdentities"]
            self.assertEqual(len(found), 1, system)
            self.assertRegex(found[0]["BaselineName"], r"^AWS-[0-9A-Za-z]+PatchBaseline$")

    def test_patch_group(self):
        identifier = self.ssm.create_patch_baseline(Name="tf-group", OperatingSystem="DEBIAN",
                                                    ApprovedPatchesComplianceLevel="UNSPECIFIED")["BaselineId"]
        self.ssm.register_patch_baseline_for_patch_group(BaselineId=identifier, PatchGroup="tf")
        read = lambda: [(m["PatchGroup"], m["BaselineIdentity"]["BaselineId"])
                        for page in self.ssm.get_paginator("describe_patch_groups").paginate() for m in page["Mappings"]
                        if m["PatchGroup"] == "tf"]
        self.assertEqual(read(), [("tf", identifier)])
        self.assert_fails("ResourceInUseException", self.ssm.delete_patch_baseline, BaselineId=identifier)
        self.ssm.deregister_patch_baseline_for_patch_group(BaselineId=identifier, PatchGroup="tf")
        self.assertEqual(read(), [])
        self.ssm.deregister_patch_baseline_for_patch_group(BaselineId=identifier, PatchGroup="tf")  # twice is no error
        self.ssm.delete_patch_baseline(BaselineId=identifier)

    # ---- aws_ssm_maintenance_window, …_target, …_task

    def read_window(self, identifier):
        got = self.ssm.get_maintenance_window(WindowId=identifier)
        return {name: got.get(name) for name in ("AllowUnassociatedTargets", "Cutoff", "Description", "Duration", "Enabled", "EndDate", "Name",
                                                 "Schedule", "ScheduleOffset", "ScheduleTimezone", "StartDate")}

    def test_maintenance_window(self):
        least = {"AllowUnassociatedTargets": False, "Cutoff": 1, "Duration": 3, "Name": "tf-window", "Schedule": "cron(0 16 ? * TUE *)"}
        identifier = self.ssm.create_maintenance_window(**least, Tags=[{"Key": "Name", "Value": "w"}])["WindowId"]
        self.assert_no_changes({**least, "Enabled": True}, self.read_window(identifier))
        self.assertEqual(self.tags("MaintenanceWindow", identifier), {"Name": "w"})
        more = {**least, "Cutoff": 2, "Duration": 5, "Description": "more", "Enabled": False, "ScheduleTimezone": "Europe/Berlin",
                "ScheduleOffset": 2, "Schedule": "cron(0 16 ? * TUE#2 *)", "StartDate": "2090-01-01T00:00:00Z",
                "EndDate": "2091-01-01T00:00:00+01:00", "AllowUnassociatedTargets": True}
        self.ssm.update_maintenance_window(WindowId=identifier, Replace=True, **more)
        self.assert_no_changes(more, self.read_window(identifier))
        self.ssm.update_maintenance_window(WindowId=identifier, Replace=True, Enabled=True, **least)
        self.assert_no_changes({**least, "Enabled": True}, self.read_window(identifier))
        self.change_tags("MaintenanceWindow", identifier, {"Name": "w"}, {"Name": "window", "Team": "ops"})
        # One that is made switched off: create, then a change of that alone.
        off = self.ssm.create_maintenance_window(**{**least, "Name": "tf-off"})["WindowId"]
        self.ssm.update_maintenance_window(WindowId=off, Enabled=False)
        self.assert_no_changes({**least, "Name": "tf-off", "Enabled": False}, self.read_window(off))
        for window in (identifier, off):
            self.ssm.delete_maintenance_window(WindowId=window)
            self.assert_gone("DoesNotExistException", self.ssm.get_maintenance_window, WindowId=window)

    def new_window(self, name):
        return self.ssm.create_maintenance_window(AllowUnassociatedTargets=False, Cutoff=1, Duration=3, Name=name,
                                                  Schedule="cron(0 16 ? * TUE *)")["WindowId"]

    def read_target(self, window, identifier):
        found = self.ssm.describe_maintenance_window_targets(WindowId=window, Filters=[{"Key": "WindowTargetId", "Values": [identifier]}])["Targets"]
        return next((target for target in found if target["WindowTargetId"] == identifier), None)

    def test_maintenance_window_target(self):
        window = self.new_window("tf-targets")
        least = {"ResourceType": "INSTANCE", "Targets": [{"Key": "tag:Name", "Values": ["tf"]}]}
        computed = ("WindowId", "WindowTargetId")
        identifier = self.ssm.register_target_with_maintenance_window(WindowId=window, **least)["WindowTargetId"]
        self.assert_no_changes(least, self.read_target(window, identifier), computed)
        more = {**least, "Name": "web", "Description": "webservers", "OwnerInformation": "team web",
                "Targets": [{"Key": "tag:Name", "Values": ["tf"]}, {"Key": "tag:Role", "Values": ["web", "db"]}]}
        self.ssm.update_maintenance_window_target(WindowId=window, WindowTargetId=identifier,
                                                  **{name: value for name, value in more.items() if name != "ResourceType"})
        self.assert_no_changes(more, self.read_target(window, identifier), computed)  # an import reads the same by WINDOW/TARGET
        self.ssm.deregister_target_from_maintenance_window(WindowId=window, WindowTargetId=identifier)
        self.assertIsNone(self.read_target(window, identifier))
        self.assert_gone("DoesNotExistException", self.ssm.deregister_target_from_maintenance_window, WindowId=window, WindowTargetId=identifier)
        self.ssm.delete_maintenance_window(WindowId=window)
        self.assert_gone("DoesNotExistException", self.ssm.describe_maintenance_window_targets, WindowId=window)

    def read_task(self, window, identifier):
        got = self.ssm.get_maintenance_window_task(WindowId=window, WindowTaskId=identifier)
        return {name: got.get(name) for name in ("MaxConcurrency", "MaxErrors", "TaskType", "ServiceRoleArn", "TaskArn", "Priority", "Name",
                                                 "Description", "CutoffBehavior", "TaskInvocationParameters", "Targets")}

    def test_maintenance_window_task(self):
        window = self.new_window("tf-tasks")
        target = self.ssm.register_target_with_maintenance_window(WindowId=window, ResourceType="INSTANCE",
                                                                  Targets=[{"Key": "tag:Name", "Values": ["tf"]}])["WindowTargetId"]
        computed = ("MaxConcurrency", "MaxErrors", "ServiceRoleArn")
        least = {"TaskType": "RUN_COMMAND", "TaskArn": "AWS-RunShellScript", "Targets": [{"Key": "WindowTargetIds", "Values": [target]}],
                 "MaxConcurrency": "2", "MaxErrors": "1",
                 "TaskInvocationParameters": {"RunCommand": {"Parameters": {"commands": ["pwd"]}}}}
        identifier = self.ssm.register_task_with_maintenance_window(WindowId=window, **least)["WindowTaskId"]
        self.assert_no_changes(least, self.read_task(window, identifier), computed)
        more = {**least, "Priority": 3, "Name": "task", "Description": "a task", "CutoffBehavior": "CANCEL_TASK", "MaxErrors": "10%",
                "ServiceRoleArn": "arn:aws:iam::123456789012:role/tf",
                "TaskInvocationParameters": {"RunCommand": {"Comment": "again", "DocumentVersion": "$DEFAULT", "TimeoutSeconds": 600,
                                                            "Parameters": {"commands": ["date", "pwd"]}}}}
        update = lambda wanted: self.ssm.update_maintenance_window_task(
            WindowId=window, WindowTaskId=identifier, Replace=True, **{"Priority": 0, **{n: v for n, v in wanted.items() if n != "TaskType"}})
        update(more)
        self.assert_no_changes(more, self.read_task(window, identifier), computed)
        update(least)
        self.assert_no_changes(least, self.read_task(window, identifier), computed)
        bare = {"TaskType": "RUN_COMMAND", "TaskArn": "AWS-Noop", "Targets": least["Targets"], "MaxConcurrency": "1", "MaxErrors": "0"}
        other = self.ssm.register_task_with_maintenance_window(WindowId=window, **bare)["WindowTaskId"]
        self.assert_no_changes(bare, self.read_task(window, other), computed)
        self.ssm.deregister_task_from_maintenance_window(WindowId=window, WindowTaskId=identifier)
        self.assert_gone("DoesNotExistException", self.ssm.get_maintenance_window_task, WindowId=window, WindowTaskId=identifier)
        self.assert_gone("DoesNotExistException", self.ssm.deregister_task_from_maintenance_window, WindowId=window, WindowTaskId=identifier)
        self.ssm.delete_maintenance_window(WindowId=window)

    # ---- aws_ssm_document

    def read_document(self, name, form="JSON"):
        described = self.ssm.describe_document(Name=name)["Document"]
        self.assertEqual(described["Status"], "Active", "the provider waits for it")
        body = self.ssm.get_document(Name=name, DocumentFormat=form, DocumentVersion="$LATEST")["Content"]
        shared = self.ssm.describe_document_permission(Name=name, PermissionType="Share")["AccountIds"]
        return {**{n: described.get(n) for n in ("DocumentFormat", "DocumentType", "Name", "TargetType", "VersionName")},
                "Content": body, "Accounts": shared, "Tags": {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}}, described

    def share(self, name, add=(), remove=()):
        for member, accounts in (("AccountIdsToAdd", add), ("AccountIdsToRemove", remove)):
            if accounts:
                self.ssm.modify_document_permission(Name=name, PermissionType="Share", **{member: list(accounts)})

    def test_document(self):
        least = {"Name": "tf-document", "Content": content(), "DocumentFormat": "JSON", "DocumentType": "Command"}
        made = self.ssm.create_document(**least, Tags=[{"Key": "Name", "Value": "d"}])["DocumentDescription"]
        self.assertEqual(made["Name"], "tf-document")
        self.share("tf-document", add=["111122223333", "444455556666"])
        state, described = self.read_document("tf-document")
        self.assert_no_changes({**least, "Accounts": ["111122223333", "444455556666"], "Tags": {"Name": "d"}}, state)
        self.assertEqual((described["SchemaVersion"], described["HashType"], described["PlatformTypes"]), ("2.2", "Sha256", ["Linux"]))
        self.assertEqual(described["Parameters"], [{"Name": "Word", "Type": "String", "Description": "a word", "DefaultValue": "hello"}])
        # A change: from the default version, and what it makes becomes the default.
        changed = {**least, "Content": content(description="louder"), "VersionName": "v2", "TargetType": "/AWS::EC2::Instance"}
        made = self.ssm.update_document(Name="tf-document", Content=changed["Content"], DocumentFormat="JSON", VersionName="v2",
                                        TargetType="/AWS::EC2::Instance",
                                        DocumentVersion=described["DefaultVersion"])["DocumentDescription"]["DocumentVersion"]
        self.ssm.update_document_default_version(Name="tf-document", DocumentVersion=made)
        self.share("tf-document", add=["777788889999"], remove=["111122223333"])
        state, described = self.read_document("tf-document")
        self.assert_no_changes({**changed, "Accounts": ["444455556666", "777788889999"], "Tags": {"Name": "d"}}, state)
        self.assertEqual((described["DefaultVersion"], described["LatestVersion"], described["DocumentVersion"]), ("2", "2", "2"))
        # Nothing but the format of the old content: the provider takes DuplicateDocumentContent as "the newest is it".
        self.assert_fails("DuplicateDocumentContent", self.ssm.update_document, Name="tf-document", Content=changed["Content"],
                          DocumentFormat="JSON", DocumentVersion="2")
        self.change_tags("Document", "tf-document", {"Name": "d"}, {"Team": "ops"})
        self.share("tf-document", remove=["444455556666", "777788889999"])
        self.ssm.delete_document(Name="tf-document")
        for call in (self.ssm.describe_document, self.ssm.delete_document):
            self.assertIn("does not exist", self.assert_gone("InvalidDocument", call, Name="tf-document"))

    def test_documents_in_yaml_and_of_other_types(self):
        yaml = "schemaVersion: '2.2'\nmainSteps:\n- action: aws:runShellScript\n  name: a\n  inputs:\n    runCommand: ['true']\n"
        runbook = "schemaVersion: '0.3'\nmainSteps:\n- name: a\n  action: aws:sleep\n  inputs: {Duration: PT1M}\n"
        for name, kind, form, body in (("tf-yaml", "Command", "YAML", yaml), ("tf-book", "Automation", "YAML", runbook),
                                       ("tf-calendar", "ChangeCalendar", "TEXT", CALENDAR)):
            wanted = {"Name": name, "Content": body, "DocumentFormat": form, "DocumentType": kind}
            self.ssm.create_document(**wanted)
            self.assert_no_changes(wanted, self.read_document(name, form)[0])
            self.ssm.delete_document(Name=name)

    # ---- aws_ssm_association

    def read_association(self, identifier):
        got = self.ssm.describe_association(AssociationId=identifier)["AssociationDescription"]
        self.assertIn("Status", got["Overview"])  # without it the provider takes the association for gone
        return {name: got.get(name) for name in ("ApplyOnlyAtCronInterval", "AssociationName", "AutomationTargetParameterName",
                                                 "ComplianceSeverity", "DocumentVersion", "InstanceId", "MaxConcurrency", "MaxErrors", "Name",
                                                 "OutputLocation", "Parameters", "ScheduleExpression", "SyncCompliance", "Targets")}

    def test_association(self):
        computed = ("DocumentVersion", "Parameters", "Targets")
        least = {"Name": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}, "Targets": [{"Key": "tag:Name", "Values": ["tf"]}]}
        made = self.ssm.create_association(**least, Tags=[{"Key": "Name", "Value": "a"}])["AssociationDescription"]
        identifier = made["AssociationId"]
        self.assert_no_changes(least, self.read_association(identifier), computed)
        self.assertEqual(self.tags("Association", identifier), {"Name": "a"})
        more = {**least, "AssociationName": "tf-a", "ApplyOnlyAtCronInterval": True, "ScheduleExpression": "cron(0 16 ? * TUE *)",
                "ComplianceSeverity": "HIGH", "SyncCompliance": "MANUAL", "MaxConcurrency": "10%", "MaxErrors": "2",
                "DocumentVersion": "$DEFAULT", "Targets": [{"Key": "tag:Name", "Values": ["tf", "more"]}]}
        update = lambda wanted: self.ssm.update_association(
            AssociationId=identifier, **{name: value for name, value in wanted.items() if name != "Name"})
        update(more)
        self.assert_no_changes(more, self.read_association(identifier), computed)
        # The provider sends everything with each change, but SyncCompliance only where that changes.
        update({name: value for name, value in {**more, "MaxErrors": "3"}.items() if name != "SyncCompliance"})
        self.assert_no_changes({**more, "MaxErrors": "3"}, self.read_association(identifier), computed)
        self.change_tags("Association", identifier, {"Name": "a"}, {"Team": "ops"})
        self.ssm.delete_association(AssociationId=identifier)
        self.assert_gone("AssociationDoesNotExist", self.ssm.describe_association, AssociationId=identifier)
        self.assert_gone("AssociationDoesNotExist", self.ssm.delete_association, AssociationId=identifier)

    # ---- aws_ssm_activation

    def test_activation(self):
        expires = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=2)
        wanted = {"DefaultInstanceName": "tf", "IamRole": "tf-role", "Description": "Test", "RegistrationLimit": 5}
        made = self.ssm.create_activation(**wanted, ExpirationDate=expires, Tags=[{"Key": "Name", "Value": "x"}])
        self.assertTrue(made["ActivationCode"])
        read = lambda identifier: [a for page in self.ssm.get_paginator("describe_activations").paginate(
            Filters=[{"FilterKey": "ActivationIds", "FilterValues": [identifier]}]) for a in page["ActivationList"]]
        (state,) = read(made["ActivationId"])
        self.assert_no_changes({**wanted, "ExpirationDate": expires, "Tags": [{"Key": "Name", "Value": "x"}]},
                               {**state, "ExpirationDate": state["ExpirationDate"].astimezone(datetime.timezone.utc)},
                               ("ActivationId", "CreatedDate", "RegistrationsCount", "Expired"))
        self.assertEqual((state["Expired"], state["RegistrationsCount"]), (False, 0))
        unnamed = self.ssm.create_activation(DefaultInstanceName="", IamRole="tf-role", Tags=[])  # no name, no tags: sent empty
        for one in (made, unnamed):
            self.ssm.delete_activation(ActivationId=one["ActivationId"])
            self.assertEqual(read(one["ActivationId"]), [])
        self.assert_gone("InvalidActivation", self.ssm.delete_activation, ActivationId=made["ActivationId"])

    # ---- aws_ssm_service_setting

    def test_service_setting(self):
        setting = "/ssm/managed-instance/activation-tier"
        # The provider's own id is the ARN it makes up from the region and the account, which is empty where it is not asked for.
        arn = f"arn:aws:ssm:eu-central-1::servicesetting{setting}"
        self.ssm.update_service_setting(SettingId=setting, SettingValue="standard")
        got = self.ssm.get_service_setting(SettingId=arn)["ServiceSetting"]
        self.assertEqual((got["SettingId"], got["SettingValue"], got["Status"]), (setting, "standard", "Customized"))
        # Where the configuration names an ARN, what is read is the server's; naming that one makes a plan without changes.
        again = self.ssm.get_service_setting(SettingId=got["ARN"])["ServiceSetting"]
        self.assertEqual(again["ARN"], got["ARN"])
        self.ssm.reset_service_setting(SettingId=arn)
        self.assertEqual(self.ssm.get_service_setting(SettingId=arn)["ServiceSetting"]["Status"], "Default")
        self.assert_gone("ServiceSettingNotFound", self.ssm.get_service_setting, SettingId="/ssm/nothing")

    # ---- what is not offered ends an apply with words

    def test_resource_data_sync_and_parameter(self):
        message = self.assert_fails("UnsupportedOperationException", self.ssm.create_resource_data_sync, SyncName="tf",
                                    S3Destination={"BucketName": "b", "SyncFormat": "JsonSerDe", "Region": "eu-central-1"})
        self.assertIn("CreateResourceDataSync", message)
        self.assertIn("GetInventory", message)
        message = self.assert_fails("UnsupportedOperationException", self.ssm.put_parameter, Name="tf", Value="x", Type="String")
        self.assertIn("PutParameter", message)
