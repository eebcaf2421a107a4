"""The main job from end to end as SSM's users do it, with the aws command: every patch, node, tag and command operation that is
promised, against a node that scans and installs (in memory)."""
import json

from tests.api.support import AwsTestCase
from tests.support.binaries import wait_until
from tests.support.scripted_node import offer, package

# What the main job promises. The test fails where one of them was not called.
PROMISED = """
create-patch-baseline update-patch-baseline delete-patch-baseline get-patch-baseline describe-patch-baselines
register-default-patch-baseline get-default-patch-baseline register-patch-baseline-for-patch-group
deregister-patch-baseline-for-patch-group get-patch-baseline-for-patch-group describe-patch-groups describe-patch-group-state
describe-instance-patches describe-instance-patch-states describe-instance-patch-states-for-patch-group
describe-available-patches describe-effective-patches-for-patch-baseline describe-patch-properties
get-deployable-patch-snapshot-for-instance
create-activation describe-activations delete-activation describe-instance-information deregister-managed-instance
update-managed-instance-role
add-tags-to-resource remove-tags-from-resource list-tags-for-resource
send-command cancel-command list-commands list-command-invocations get-command-invocation
""".split()

RULES = "PatchRules=[{PatchFilterGroup={PatchFilters=[{Key=PRIORITY,Values=[*]}]},ComplianceLevel=CRITICAL,ApproveAfterDays=0}]"
INSTALLED = [package("openssl", "3.0.1-1"), package("bash", "5.2-1")]
OFFERS = [offer("openssl", "3.0.1-1"), offer("openssl", "3.0.2-1"), offer("bash", "5.2-1", security=False)]


class MainJob(AwsTestCase):
    def setUp(self):
        self.called = set()

    def ask(self, operation, *words):
        self.called.add(operation)
        return self.aws(operation, *words)

    def send_to(self, node, document, *parameters):
        words = ["--parameters", *parameters] if parameters else []
        return self.ask("send-command", "--document-name", document, "--instance-ids", node.node_id, *words)["Command"]["CommandId"]

    def finished(self, command, node):
        """The invocation, once it has ended."""
        def ended():
            _, reply = self.post("ListCommands", {"CommandId": command})
            return reply["Commands"][0]["Status"] not in ("Pending", "InProgress", "Cancelling")
        self.assertTrue(wait_until(ended, 60), self.post("ListCommandInvocations", {"CommandId": command, "Details": True}))
        return self.ask("get-command-invocation", "--command-id", command, "--instance-id", node.node_id)

    def states(self, node):
        rows = self.ask("describe-instance-patches", "--instance-id", node.node_id)["Patches"]
        return {row["KBId"]: (row["State"], row["Title"]) for row in rows}

    def test_every_promised_operation(self):
        node = self.enrolled()
        baseline = self.baseline_in_force(node)
        self.scanned(node, baseline)
        self.offered(baseline, node)
        self.installed(node)
        self.commands(node)
        self.farewell(node, baseline)
        self.assertEqual(set(PROMISED) - self.called, set(), "promised and never called")

    def enrolled(self):
        made = self.ask("create-activation", "--iam-role", "service-role/x", "--default-instance-name", "web-1")
        activation = self.ask("describe-activations")["ActivationList"][0]
        self.assertEqual((activation["ActivationId"], activation["RegistrationsCount"]), (made["ActivationId"], 0))
        self.ask("delete-activation", "--activation-id", made["ActivationId"])
        node = self.new_node("web-1", INSTALLED, OFFERS)
        node.live()
        information = self.ask("describe-instance-information", "--filters", f"Key=InstanceIds,Values={node.node_id}")["InstanceInformationList"]
        self.assertEqual([(i["InstanceId"], i["PingStatus"], i["PlatformName"], i["PlatformVersion"]) for i in information],
                         [(node.node_id, "Online", "Debian GNU/Linux", "12")])
        self.ask("update-managed-instance-role", "--instance-id", node.node_id, "--iam-role", "service-role/y")
        resource = ["--resource-type", "ManagedInstance", "--resource-id", node.node_id]
        self.ask("add-tags-to-resource", *resource, "--tags", "Key=PatchGroup,Value=web", "Key=gone,Value=soon")
        self.ask("remove-tags-from-resource", *resource, "--tag-keys", "gone")
        self.assertEqual(self.ask("list-tags-for-resource", *resource)["TagList"], [{"Key": "PatchGroup", "Value": "web"}])
        return node

    def baseline_in_force(self, node):
        made = self.ask("create-patch-baseline", "--name", "main-job", "--operating-system", "DEBIAN", "--approval-rules", RULES)["BaselineId"]
        self.ask("update-patch-baseline", "--baseline-id", made, "--description", "größer")
        self.assertEqual(self.ask("get-patch-baseline", "--baseline-id", made)["Description"], "größer")
        listed = self.ask("describe-patch-baselines", "--filters", "Key=NAME_PREFIX,Values=main-job")["BaselineIdentities"]
        self.assertEqual([row["BaselineId"] for row in listed], [made])
        predefined = self.ask("get-default-patch-baseline", "--operating-system", "DEBIAN")["BaselineId"]
        self.ask("register-default-patch-baseline", "--baseline-id", made)
        self.assertEqual(self.ask("get-default-patch-baseline", "--operating-system", "DEBIAN")["BaselineId"], made)
        self.ask("register-default-patch-baseline", "--baseline-id", predefined)
        self.ask("register-patch-baseline-for-patch-group", "--baseline-id", made, "--patch-group", "web")
        got = self.ask("get-patch-baseline-for-patch-group", "--patch-group", "web", "--operating-system", "DEBIAN")
        self.assertEqual(got["BaselineId"], made)
        groups = self.ask("describe-patch-groups")["Mappings"]
        self.assertEqual([(row["PatchGroup"], row["BaselineIdentity"]["BaselineId"]) for row in groups], [("web", made)])
        return made

    def scanned(self, node, baseline):
        command = self.send_to(node, "AWS-RunPatchBaseline", "Operation=Scan")
        self.assertEqual(self.finished(command, node)["Status"], "Success")
        self.assertEqual(self.states(node), {"openssl.amd64": ("Missing", "openssl.amd64:3.0.2-1"), "bash.amd64": ("InstalledOther", "bash.amd64:5.2-1")})
        state = self.ask("describe-instance-patch-states", "--instance-ids", node.node_id)["InstancePatchStates"][0]
        self.assertEqual({key: state[key] for key in ("BaselineId", "PatchGroup", "Operation", "MissingCount", "InstalledOtherCount", "CriticalNonCompliantCount",
                                                      "SecurityNonCompliantCount")},
                         {"BaselineId": baseline, "PatchGroup": "web", "Operation": "Scan", "MissingCount": 1, "InstalledOtherCount": 1,
                          "CriticalNonCompliantCount": 1, "SecurityNonCompliantCount": 1})
        of_group = self.ask("describe-instance-patch-states-for-patch-group", "--patch-group", "web", "--filters",
                            "Key=MissingCount,Values=0,Type=GreaterThan")["InstancePatchStates"]
        self.assertEqual([row["InstanceId"] for row in of_group], [node.node_id])
        counts = self.ask("describe-patch-group-state", "--patch-group", "web")
        self.assertEqual((counts["Instances"], counts["InstancesWithMissingPatches"]), (1, 1))

    def offered(self, baseline, node):
        """For every system, which SSM itself answers for Windows and Amazon Linux only."""
        available = self.ask("describe-available-patches", "--filters", "Key=PRODUCT,Values=Debian12")["Patches"]
        self.assertIn("openssl", {patch.get("Name") for patch in available})
        effective = self.ask("describe-effective-patches-for-patch-baseline", "--baseline-id", baseline)["EffectivePatches"]
        self.assertIn("APPROVED", {row["PatchStatus"]["DeploymentStatus"] for row in effective if row["Patch"].get("Name") == "openssl"})
        properties = self.ask("describe-patch-properties", "--operating-system", "DEBIAN", "--property", "PRIORITY")["Properties"]
        self.assertTrue(properties)
        snapshot = self.ask("get-deployable-patch-snapshot-for-instance", "--instance-id", node.node_id, "--snapshot-id",
                            "01234567-89ab-4def-8123-456789abcdef")
        self.assertEqual(snapshot["InstanceId"], node.node_id)
        status, _, frozen = self.send("GET", snapshot["SnapshotDownloadUrl"].removeprefix(self.server.env["BELAY_URL"]))
        self.assertEqual(status, 200, frozen)
        self.assertIn("main-job", json.dumps(frozen))

    def installed(self, node):
        command = self.send_to(node, "AWS-RunPatchBaseline", "Operation=Install,RebootOption=NoReboot")
        invocation = self.finished(command, node)
        self.assertEqual(invocation["Status"], "Success", invocation)
        self.assertIn(package("openssl", "3.0.2-1"), node.installed)
        self.assertEqual(self.states(node)["openssl.amd64"], ("Installed", "openssl.amd64:3.0.2-1"))
        rows = self.ask("describe-instance-patches", "--instance-id", node.node_id)["Patches"]
        known = {row["KBId"]: str(row["InstalledTime"])[:4] not in ("0", "0.0", "1970") for row in rows}
        self.assertEqual(known, {"openssl.amd64": True, "bash.amd64": False}, rows)  # of what Belay did not install nothing is known
        state = self.ask("describe-instance-patch-states", "--instance-ids", node.node_id)["InstancePatchStates"][0]
        self.assertEqual((state["Operation"], state["RebootOption"], state["MissingCount"]), ("Install", "NoReboot", 0))

    def commands(self, node):
        command = self.send_to(node, "AWS-RunShellScript", 'commands=["uname -a","id"]')
        invocation = self.finished(command, node)
        self.assertEqual((invocation["Status"], invocation["StandardOutputContent"]), ("Success", "ran: uname -a; id\n"))
        listed = self.ask("list-commands", "--command-id", command)["Commands"][0]
        self.assertEqual((listed["Status"], listed["TargetCount"], listed["CompletedCount"]), ("Success", 1, 1))
        details = self.ask("list-command-invocations", "--command-id", command, "--details")["CommandInvocations"][0]
        self.assertEqual((details["InstanceId"], details["CommandPlugins"][0]["Output"][:4]), (node.node_id, "ran:"))
        silent = self.new_node("silent", INSTALLED, OFFERS)
        waiting = self.send_to(silent, "AWS-RunShellScript", 'commands=["true"]')
        self.ask("cancel-command", "--command-id", waiting)
        self.assertEqual(self.finished(waiting, silent)["Status"], "Cancelled")

    def farewell(self, node, baseline):
        self.assert_aws_fails("ResourceInUseException", "delete-patch-baseline", "--baseline-id", baseline)
        self.ask("deregister-patch-baseline-for-patch-group", "--baseline-id", baseline, "--patch-group", "web")
        self.ask("delete-patch-baseline", "--baseline-id", baseline)
        self.assert_aws_fails("DoesNotExistException", "get-patch-baseline", "--baseline-id", baseline)
        node.stop()
        self.ask("deregister-managed-instance", "--instance-id", node.node_id)
        self.assert_aws_fails("InvalidInstanceId", "describe-instance-patches", "--instance-id", node.node_id)
        with self.assertRaises(OSError):  # its certificate counts no longer
            node.hello()
