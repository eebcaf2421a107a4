"""Inventory, compliance, node lists, service settings and remedies, as a script of an SSM user and an operator drive them."""
import datetime
import shutil
import time
import unittest

from tests.api.nodes import enrol
from tests.api.support import AwsTestCase, BotoTestCase

WAIT_SECONDS = 30


def rack(bay, **more):
    return {"TypeName": "Custom:RackInfo", "SchemaVersion": "1.0", "CaptureTime": "2026-01-01T10:00:00Z", "Content": [{"Bay": bay}], **more}


@unittest.skipIf(shutil.which("openssl") is None, "openssl is not installed")
class Inventory(BotoTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.web, cls.db = enrol(cls(), "web-1"), enrol(cls(), "db-1", os_version="11")

    def entries(self, node, kind, **more):
        return self.ssm.list_inventory_entries(InstanceId=node, TypeName=kind, **more)["Entries"]

    def test_what_the_server_knows(self):
        self.assertEqual(self.entries(self.web, "AWS:Network"), [{"IPV4": "192.0.2.7"}, {"IPV6": "2001:db8::7"}])
        self.assertEqual(self.entries(self.web, "AWS:Service")[0]["Name"], "ssh.service")
        self.assertEqual(self.entries(self.web, "AWS:InstanceDetailedInformation")[0]["CPUs"], "2")
        self.ssm.add_tags_to_resource(ResourceType="ManagedInstance", ResourceId=self.web, Tags=[{"Key": "env", "Value": "prod"}])
        self.assertEqual(self.entries(self.web, "AWS:Tag"), [{"Key": "env", "Value": "prod"}])
        found = self.ssm.get_inventory(Filters=[{"Key": "AWS:Tag.Value", "Values": ["prod"]}])["Entities"]
        self.assertEqual([row["Id"] for row in found], [self.web])
        information = found[0]["Data"]["AWS:InstanceInformation"]["Content"][0]
        self.assertEqual((information["PlatformName"], information["PlatformVersion"]), ("Debian GNU/Linux", "12"))
        counted = self.ssm.get_inventory(Aggregators=[{"Expression": "AWS:InstanceInformation.PlatformVersion"}])["Entities"]
        rows = counted[0]["Data"]["AWS:InstanceInformation"]["Content"]
        self.assertEqual({row["PlatformVersion"]: row["Count"] for row in rows}, {"11": "1", "12": "1"})

    def test_custom_types_from_first_to_last(self):
        self.ssm.put_inventory(InstanceId=self.web, Items=[rack("A", ContentHash="h1")])
        self.ssm.put_inventory(InstanceId=self.db, Items=[rack("B")])
        later = rack("A", ContentHash="h1", CaptureTime="2026-02-01T10:00:00Z")
        del later["Content"]
        self.ssm.put_inventory(InstanceId=self.web, Items=[later])
        listed = self.ssm.list_inventory_entries(InstanceId=self.web, TypeName="Custom:RackInfo")
        self.assertEqual((listed["Entries"], listed["CaptureTime"]), ([{"Bay": "A"}], "2026-02-01T10:00:00Z"))
        later["ContentHash"] = "another"
        self.assert_fails("ItemContentMismatchException", self.ssm.put_inventory, InstanceId=self.web, Items=[later])
        group = {"Name": "racked", "Filters": [{"Key": "Custom:RackInfo", "Values": ["true"], "Type": "Exists"}]}
        counted = self.ssm.get_inventory(Aggregators=[{"Groups": [group]}])["Entities"][0]["Data"]["racked"]["Content"]
        self.assertEqual(counted, [{"matchingCount": "2", "notMatchingCount": "0"}])
        dry = self.ssm.delete_inventory(TypeName="Custom:RackInfo", DryRun=True)
        self.assertEqual(dry["DeletionSummary"]["TotalCount"], 2)
        done = self.ssm.delete_inventory(TypeName="Custom:RackInfo", SchemaDeleteOption="DeleteSchema")["DeletionId"]
        end = time.monotonic() + WAIT_SECONDS
        while self.ssm.describe_inventory_deletions(DeletionId=done)["InventoryDeletions"][0]["LastStatus"] != "Complete":
            self.assertLess(time.monotonic(), end)
            time.sleep(0.2)
        self.assert_fails("InvalidTypeNameException", self.ssm.get_inventory_schema, TypeName="Custom:RackInfo")

    def test_what_is_refused(self):
        put = self.ssm.put_inventory
        self.assert_fails("InvalidInstanceId", put, InstanceId="mi-0123456789abcdef0", Items=[rack("A")])
        self.assert_fails("InvalidTypeNameException", put, InstanceId=self.web, Items=[rack("A", TypeName="AWS:Application")])
        self.assert_fails("ItemSizeLimitExceededException", put, InstanceId=self.web, Items=[rack("A", Content=[{"Bay": "x" * 4096}] * 60)])
        self.assert_fails("UnsupportedInventoryItemContextException", put, InstanceId=self.web, Items=[rack("A", Context={"a": "b"})])
        self.assert_fails("ValidationException", put, InstanceId=self.web, Items=[rack("A", CaptureTime="yesterday")])
        self.assert_fails("InvalidFilter", self.ssm.get_inventory, Filters=[{"Key": "Name", "Values": ["x"]}])
        self.assert_fails("InvalidAggregatorException", self.ssm.get_inventory, Aggregators=[{"Expression": "AWS:Application.Mood"}])
        self.assert_fails("InvalidTypeNameException", self.ssm.delete_inventory, TypeName="AWS:Application")

    def test_compliance(self):
        summary = {"ExecutionTime": datetime.datetime.now(datetime.timezone.utc), "ExecutionId": "run-1", "ExecutionType": "Command"}
        items = [{"Id": "a", "Title": "engine", "Severity": "HIGH", "Status": "NON_COMPLIANT", "Details": {"Version": "1"}},
                 {"Id": "b", "Title": "signatures", "Severity": "LOW", "Status": "COMPLIANT"}]
        about = {"ResourceId": self.db, "ResourceType": "ManagedInstance", "ComplianceType": "Custom:Antivirus", "ExecutionSummary": summary}
        self.ssm.put_compliance_items(Items=items, **about)
        got = self.ssm.list_compliance_items(ResourceIds=[self.db], ResourceTypes=["ManagedInstance"],
                                             Filters=[{"Key": "ComplianceType", "Values": ["Custom:Antivirus"], "Type": "EQUAL"}])
        self.assertEqual([(row["Id"], row["Status"]) for row in got["ComplianceItems"]], [("a", "NON_COMPLIANT"), ("b", "COMPLIANT")])
        patch = self.ssm.list_compliance_items(ResourceIds=[self.web])["ComplianceItems"]
        self.assertEqual((patch[0]["Id"], patch[0]["Status"], patch[0]["Details"]["BelayStatus"]),
                         ("belay:never_scanned", "NON_COMPLIANT", "UNKNOWN"))
        types = {row["ComplianceType"]: row for row in self.ssm.list_compliance_summaries()["ComplianceSummaryItems"]}
        self.assertEqual(types["Custom:Antivirus"]["NonCompliantSummary"]["SeveritySummary"]["HighCount"], 1)
        self.assertEqual(types["Patch"]["NonCompliantSummary"]["NonCompliantCount"], 2)
        rows = [row for page in self.ssm.get_paginator("list_resource_compliance_summaries").paginate(PaginationConfig={"PageSize": 1})
                for row in page["ResourceComplianceSummaryItems"]]
        self.assertEqual(len(rows), 3)
        self.assert_fails("InvalidItemContentException", self.ssm.put_compliance_items, Items=items, **{**about, "ComplianceType": "Patch"})
        self.assert_fails("InvalidResourceType", self.ssm.put_compliance_items, Items=items, **{**about, "ResourceType": "Bucket"})
        self.assert_fails("InvalidFilter", self.ssm.list_compliance_summaries, Filters=[{"Key": "Colour", "Values": ["red"]}])

    def test_node_lists_and_settings(self):
        self.assertEqual([row["Id"] for row in self.ssm.list_nodes()["Nodes"]], sorted([self.web, self.db]))
        counted = self.ssm.list_nodes_summary(Aggregators=[{"AggregatorType": "Count", "TypeName": "Instance", "AttributeName": "PlatformName"}])
        self.assertEqual(counted["Summary"], [{"PlatformName": "Debian GNU/Linux", "Count": "2"}])
        properties = self.ssm.describe_instance_properties(FiltersWithOperator=[{"Key": "InstanceIds", "Values": [self.db], "Operator": "Equal"}])
        self.assertEqual(properties["InstanceProperties"][0]["Architecture"], "x86_64")
        self.assertEqual(self.ssm.get_connection_status(Target="mi-0123456789abcdef0")["Status"], "notconnected")
        setting = {"SettingId": "/belay/judge/stale-after"}
        self.ssm.update_service_setting(SettingValue="3d", **setting)
        self.assertEqual(self.ssm.get_service_setting(**setting)["ServiceSetting"]["Status"], "Customized")
        self.assertEqual(self.ssm.reset_service_setting(**setting)["ServiceSetting"]["SettingValue"], "7d")
        self.assert_fails("ValidationException", self.ssm.update_service_setting, SettingValue="soon", **setting)
        self.assert_fails("ServiceSettingNotFound", self.ssm.get_service_setting, SettingId="/ssm/opsinsights/opscenter")
        self.assertIn("OpsItem", self.assert_fails("InvalidResourceType", self.ssm.list_tags_for_resource, ResourceType="OpsItem", ResourceId="oi-1"))

    def test_a_remedy_notices_who_does_not_comply(self):
        done = self.server.belay("remedy", "put", "never-scanned", "--action", "notice", "--after", "0s")
        self.assertEqual(done.returncode, 0, done.stderr)
        end = time.monotonic() + WAIT_SECONDS
        while True:
            status, reply = self.post("ListRemedies", {"PolicyName": "never-scanned", "Acted": True})
            self.assertEqual(status, 200, reply)
            if len(reply["Remedies"]) == 2:
                break
            self.assertLess(time.monotonic(), end, reply)
            time.sleep(0.2)
        self.assertEqual({row["Outcome"] for row in reply["Remedies"]}, {"Noticed"})
        self.assertEqual({row["Status"] for row in reply["Remedies"]}, {"UNKNOWN"})
        told = self.post("ListAudit", {"Action": "belay:Remedy"})[1]["Entries"]
        self.assertEqual({row["Resource"] for row in told}, {self.web, self.db})
        log = self.server.belay("remedy", "log", "--policy", "never-scanned")
        self.assertIn("Noticed", log.stdout)
        self.assertIn("never scanned", log.stdout)
        self.assertIn("never-scanned", self.server.belay("remedy", "list").stdout)
        wrong = self.server.belay("remedy", "put", "x-y", "--action", "command", "--after", "1d")
        self.assertIn("DocumentName", wrong.stderr)
        self.assertEqual(self.server.belay("remedy", "delete", "never-scanned").returncode, 0)
        self.assertEqual(self.post("DeleteRemedyPolicy", {"Name": "never-scanned"})[1]["__type"], "DoesNotExistException")


@unittest.skipIf(shutil.which("openssl") is None, "openssl is not installed")
class InventoryByHand(AwsTestCase):
    def test_inventory_and_compliance(self):
        node = enrol(self)
        self.aws("put-inventory", "--instance-id", node, "--items",
                 "TypeName=Custom:RackInfo,SchemaVersion=1.0,CaptureTime=2026-01-01T10:00:00Z,Content=[{Bay=A,Row=7}]")
        self.assertEqual(self.aws("list-inventory-entries", "--instance-id", node, "--type-name", "Custom:RackInfo")["Entries"],
                         [{"Bay": "A", "Row": "7"}])
        self.assertEqual(len(self.aws("get-inventory", "--filters", "Key=Custom:RackInfo.Bay,Values=A,Type=Equal")["Entities"]), 1)
        self.assert_aws_fails("InvalidTypeNameException", "get-inventory-schema", "--type-name", "Custom:None")
        self.aws("put-compliance-items", "--resource-id", node, "--resource-type", "ManagedInstance", "--compliance-type", "Custom:Check",
                 "--execution-summary", "ExecutionTime=2026-01-01T10:00:00Z", "--items", "Id=1,Title=one,Severity=LOW,Status=COMPLIANT")
        items = self.aws("list-compliance-items", "--resource-ids", node, "--resource-types", "ManagedInstance",
                         "--filters", "Key=ComplianceType,Values=Custom:Check,Type=EQUAL")["ComplianceItems"]
        self.assertEqual((items[0]["Id"], items[0]["Status"]), ("1", "NON_COMPLIANT"), "that report is older than the policy allows")
        for words in (["inventory", node], ["inventory", node, "--type", "Custom:RackInfo"], ["compliance", node, "--type", "Custom:Check"]):
            done = self.server.belay(*words)
            self.assertIn(done.returncode, (0, 9), done.stderr)
        self.assertIn("Custom:RackInfo", self.server.belay("inventory", node).stdout)
        self.assertIn("Bay", self.server.belay("inventory", node, "--type", "Custom:RackInfo").stdout)
