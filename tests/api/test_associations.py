"""Associations as a user of SSM's State Manager drives them: boto3 and the aws command, with a node that works."""
import datetime
import json
import time
import uuid

from tests.api.support import AwsTestCase, BotoTestCase

REQUEST = {"Name": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}, "ComplianceSeverity": "HIGH"}
WEB = [{"Key": "tag:role", "Values": ["web"]}]


class Boto(BotoTestCase):
    def wait_for(self, what, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = what()
            if found:
                return found
            time.sleep(0.2)
        self.fail("it never came")

    def ended(self, association, count):
        executions = self.ssm.describe_association_executions(AssociationId=association)["AssociationExecutions"]
        done = [e for e in executions if e["Status"] not in ("Pending", "InProgress")]
        return done if len(done) >= count else None

    def test_new_nodes_and_compliance(self):
        made = self.ssm.create_association(AssociationName="new-nodes", Targets=WEB, **REQUEST)["AssociationDescription"]
        self.assertEqual(made["AssociationVersion"], "1")
        association = made["AssociationId"]
        self.wait_for(lambda: self.ended(association, 1))
        node = self.new_node("late", Tags=[{"Key": "role", "Value": "web"}]).live()
        runs = self.wait_for(lambda: self.ended(association, 2))
        self.assertEqual(runs[0]["Status"], "Success")
        targets = self.ssm.describe_association_execution_targets(AssociationId=association, ExecutionId=runs[0]["ExecutionId"])
        [target] = targets["AssociationExecutionTargets"]
        self.assertEqual((target["ResourceId"], target["Status"]), (node.node_id, "Success"))
        self.assertEqual(self.ssm.list_command_invocations(CommandId=target["OutputSource"]["OutputSourceId"])["CommandInvocations"][0]["Status"],
                         "Success")
        [item] = self.ssm.list_compliance_items(ResourceIds=[node.node_id], ResourceTypes=["ManagedInstance"], Filters=[
            {"Key": "ComplianceType", "Values": ["Association"], "Type": "EQUAL"}])["ComplianceItems"]
        self.assertEqual((item["Status"], item["Severity"], item["Id"]), ("COMPLIANT", "HIGH", association))
        [info] = self.ssm.describe_instance_associations_status(InstanceId=node.node_id)["InstanceAssociationStatusInfos"]
        self.assertEqual(info["Status"], "Success")
        self.ssm.start_associations_once(AssociationIds=[association])
        self.wait_for(lambda: self.ended(association, 3))
        changed = self.ssm.update_association(AssociationId=association, Name="AWS-RunShellScript", Parameters={"commands": ["date"]})
        self.assertEqual(changed["AssociationDescription"]["AssociationVersion"], "2")
        self.wait_for(lambda: self.ended(association, 4))
        self.assertEqual(len(self.ssm.list_association_versions(AssociationId=association)["AssociationVersions"]), 2)
        self.ssm.delete_association(AssociationId=association)
        self.assert_fails("AssociationDoesNotExist", self.ssm.describe_association, AssociationId=association)

    def test_what_a_node_ran_by_itself(self):
        node = self.new_node("alone", Tags=[{"Key": "role", "Value": "alone"}]).live()
        made = self.ssm.create_association(**REQUEST, Targets=[{"Key": "tag:role", "Values": ["alone"]}],
                                           ScheduleExpression="rate(30 minutes)")["AssociationDescription"]
        association = made["AssociationId"]
        self.wait_for(lambda: self.ended(association, 1))
        self.wait_for(lambda: node.kept["associations"])
        self.assertEqual([each["association_id"] for each in node.kept["associations"]], [association])
        # Of a time when nobody was there: the server's own next run is half an hour away.
        due = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(hours=1)
        result = node.own_run(association, due)
        node.exchange(node.message("order_result", result))
        node.exchange(node.message("order_result", result))
        runs = self.wait_for(lambda: self.ended(association, 2))
        self.assertEqual([run["Status"] for run in runs], ["Success", "Success"])
        [target] = self.ssm.describe_association_execution_targets(
            AssociationId=association, ExecutionId=runs[0]["ExecutionId"])["AssociationExecutionTargets"]
        self.assertEqual((target["ResourceId"], target["Status"]), (node.node_id, "Success"))
        strange = {**result, "order_id": str(uuid.uuid4())}
        self.wait_for(lambda: "refused" in [answer["type"] for answer in node.exchange(node.message("order_result", strange))])
        for key, values, found in (("AssociationStatus", ["Success"], True), ("AssociationStatus", ["Failed", "Pending"], False),
                                   ("AssociationDetailedStatus", ["Success"], True), ("AssociationDetailedStatus", ["Failed"], False)):
            listed = self.ssm.describe_instance_information(Filters=[{"Key": key, "Values": values}])["InstanceInformationList"]
            self.assertEqual(node.node_id in [each["InstanceId"] for each in listed], found, (key, values))
        [info] = [each for each in self.ssm.describe_instance_information()["InstanceInformationList"] if each["InstanceId"] == node.node_id]
        self.assertEqual((info["AssociationStatus"], info["AssociationOverview"]["InstanceAssociationStatusAggregatedCount"]),
                         ("Success", {"Success": 1}))
        node.exchange(node.message("associations_wanted", {"association_ids": [association]}))
        self.wait_for(lambda: self.ended(association, 3))
        self.ssm.delete_association(AssociationId=association)
        self.wait_for(lambda: not node.kept["associations"])

    def test_wrong_input(self):
        def fails(code, **more):
            return self.assert_fails(code, self.ssm.create_association, **{**REQUEST, "Targets": WEB, **more})
        fails("InvalidDocument", Name="AWS-Nothing")
        fails("InvalidParameters", Parameters={"unknown": ["x"]})
        fails("InvalidSchedule", ScheduleExpression="rate(1 minute)")
        self.assertIn("ScheduleOffset", fails("InvalidSchedule", ScheduleOffset=2))
        self.assertIn("OutputLocation", fails("InvalidOutputLocation", OutputLocation={"S3Location": {"OutputS3BucketName": "bucket"}}))
        self.assertIn("TargetLocations", fails("ValidationException", TargetLocations=[{"Accounts": ["123456789012"]}]))
        fails("InvalidTarget", Targets=[{"Key": "resource-groups:Name", "Values": ["x"]}])
        nowhere = "01234567-89ab-4def-8123-456789abcdef"
        self.assert_fails("AssociationDoesNotExist", self.ssm.start_associations_once, AssociationIds=[nowhere])
        self.assert_fails("AssociationDoesNotExist", self.ssm.update_association, AssociationId=nowhere)
        batch = self.ssm.create_association_batch(Entries=[{"Name": "AWS-RunShellScript", "Targets": WEB, "ScheduleExpression": "never"}])
        self.assertEqual((batch["Successful"], batch["Failed"][0]["Fault"]), ([], "Client"))


class Aws(AwsTestCase):
    def test_life(self):
        made = self.aws("create-association", "--name", "AWS-RunShellScript", "--association-name", "by-aws", "--targets",
                        "Key=InstanceIds,Values=*", "--parameters", json.dumps({"commands": ["true"]}), "--schedule-expression",
                        "cron(0 2 ? * SUN *)", "--apply-only-at-cron-interval")["AssociationDescription"]
        association = made["AssociationId"]
        listed = self.aws("list-associations", "--association-filter-list", "key=AssociationName,value=by-aws")["Associations"]
        self.assertEqual([row["AssociationId"] for row in listed], [association])
        self.assertEqual(self.aws("describe-association-executions", "--association-id", association)["AssociationExecutions"], [])
        self.assert_aws_fails("InvalidSchedule", "update-association", "--association-id", association, "--schedule-expression",
                              "rate(1 day)", "--apply-only-at-cron-interval")
        self.aws("delete-association", "--association-id", association)
        self.assert_aws_fails("AssociationDoesNotExist", "delete-association", "--association-id", association)
