"""What AWS-RunPatchBaseline can be told, by boto3, against a node that installs in memory."""
import json

from tests.api.support import BotoTestCase
from tests.support.binaries import wait_until
from tests.support.scripted_node import offer, package

INSTALLED = [package("curl", "7.1"), package("openssl", "3.0.1")]
OFFERS = [offer("curl", "7.1"), offer("curl", "7.2"), offer("openssl", "3.0.1"), offer("openssl", "3.0.2")]
SNAPSHOT = "01234567-89ab-4def-8123-0123456789ab"
EVERYTHING = {"PatchRules": [{"PatchFilterGroup": {"PatchFilters": [{"Key": "PRIORITY", "Values": ["*"]}]}, "ApproveAfterDays": 0}]}


class PatchParameters(BotoTestCase):
    def setUp(self):
        self.node = self.new_node("web", INSTALLED, OFFERS).live()
        self.addCleanup(self.node.stop)

    def run_baseline(self, **parameters):
        sent = self.ssm.send_command(DocumentName="AWS-RunPatchBaseline", InstanceIds=[self.node.node_id],
                                     Parameters={name: [value] for name, value in parameters.items()})["Command"]["CommandId"]
        ended = ("Success", "Failed", "TimedOut", "Cancelled")
        self.assertTrue(wait_until(lambda: self.ssm.list_commands(CommandId=sent)["Commands"][0]["Status"] in ended, 60))
        return self.ssm.get_command_invocation(CommandId=sent, InstanceId=self.node.node_id)

    def state(self):
        return self.ssm.describe_instance_patch_states(InstanceIds=[self.node.node_id])["InstancePatchStates"][0]

    def versions(self):
        return {each["name"]: each["version"] for each in self.node.installed}

    def test_an_override_list_short_circuits_the_baseline(self):
        listed = "patches:\n  - id: 'curl.amd64'\n    title: '*'\n"
        invocation = self.run_baseline(Operation="Install", InstallOverrideList=listed, RebootOption="NoReboot")
        self.assertEqual(invocation["Status"], "Success", invocation)
        self.assertEqual(self.versions(), {"curl": "7.2", "openssl": "3.0.1"})
        self.assertEqual(self.state()["MissingCount"], 1, "what the baseline approves is still missing")

    def test_a_baseline_override_leaves_the_compliance_as_it_was(self):
        self.run_baseline(Operation="Scan")
        before = self.state()
        self.assertEqual(before["MissingCount"], 2)
        override = json.dumps([{"OperatingSystem": "DEBIAN", "ApprovalRules": EVERYTHING, "RejectedPatches": ["curl"],
                                "RejectedPatchesAction": "BLOCK"}])
        invocation = self.run_baseline(Operation="Install", BaselineOverride=override, RebootOption="NoReboot")
        self.assertEqual(invocation["Status"], "Success", invocation)
        self.assertEqual(self.versions(), {"curl": "7.1", "openssl": "3.0.2"})
        self.assertEqual(self.state()["BaselineId"], before["BaselineId"])

    def test_a_snapshot_freezes_the_baseline(self):
        baseline = self.ssm.create_patch_baseline(Name="frozen", OperatingSystem="DEBIAN", ApprovalRules=EVERYTHING)["BaselineId"]
        self.ssm.register_patch_baseline_for_patch_group(BaselineId=baseline, PatchGroup="frozen")
        self.ssm.add_tags_to_resource(ResourceType="ManagedInstance", ResourceId=self.node.node_id,
                                      Tags=[{"Key": "PatchGroup", "Value": "frozen"}])
        self.run_baseline(Operation="Scan", SnapshotId=SNAPSHOT)
        self.assertEqual(self.state()["SnapshotId"], SNAPSHOT)
        self.ssm.update_patch_baseline(BaselineId=baseline, RejectedPatches=["curl"], RejectedPatchesAction="BLOCK")
        self.assertEqual(self.run_baseline(Operation="Install", SnapshotId=SNAPSHOT, RebootOption="NoReboot")["Status"], "Success")
        self.assertEqual(self.versions(), {"curl": "7.2", "openssl": "3.0.2"}, "as it was when the snapshot was begun")

    def test_the_server_fetches_nothing_from_its_own_network(self):
        said = self.assert_fails("InvalidParameters", self.ssm.send_command, DocumentName="AWS-RunPatchBaseline", InstanceIds=[self.node.node_id],
                                 Parameters={"Operation": ["Install"], "InstallOverrideList": ["https://169.254.169.254/latest/meta-data"]})
        self.assertIn("private", said)
        self.assertIn("--fetch-from", said)

    def test_what_is_refused(self):
        rows = [{"Operation": "Dance"}, {"Operation": "Scan", "RebootOption": "Perhaps"}, {"Operation": "Scan", "SnapshotId": "not-a-uuid"},
                {"Operation": "Scan", "InstallOverrideList": "patches:\n  - id: curl\n    title: '*'\n"},
                {"Operation": "Install", "InstallOverrideList": "nonsense"},
                {"Operation": "Install", "InstallOverrideList": "s3://bucket/list.yaml"},
                *({"Operation": "Install", "InstallOverrideList": f"https://{host}/list.yaml"}
                  for host in ("127.0.0.1:1", "localhost", "[::1]", "[::ffff:169.254.169.254]", "169.254.169.254", "10.0.0.1")),
                {"Operation": "Install", "BaselineOverride": "{"}, {"Operation": "Scan", "BaselineOverride": "[]"},
                {"Operation": "Install", "InstallOverrideList": "patches:\n  - id: a\n    title: '*'\n", "BaselineOverride": "[]"},
                {"Operation": "Scan", "NoSuch": "x"}, {}]
        for parameters in rows:
            with self.subTest(parameters=parameters):
                self.assert_fails("InvalidParameters", self.ssm.send_command, DocumentName="AWS-RunPatchBaseline",
                                  InstanceIds=[self.node.node_id], Parameters={name: [value] for name, value in parameters.items()})
        self.assertEqual(self.ssm.list_commands(InstanceId=self.node.node_id)["Commands"], [], "refused, and kept")
