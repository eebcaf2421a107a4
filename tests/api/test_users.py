"""People: made, limited and removed through the command line; their tokens and access keys let them in as far as they may, and a rollout
is approved by somebody who did not make it."""
import json
import tempfile
from pathlib import Path

from tests.api.support import ApiTestCase, AwsTestCase, BotoTestCase
from tests.support.binaries import wait_until
from tests.support.scripted_node import offer, package


def environment_of(text):
    return dict(line.split("=", 1) for line in text.splitlines())


class PeopleCase(ApiTestCase):
    def belay(self, *words, status=0, token=None):
        done = self.server.belay("user", *words, token=token)
        self.assertEqual(done.returncode, status, f"{words}: {done.stdout}{done.stderr}")
        return done

    def listed(self):
        return {user["UserName"]: user for user in json.loads(self.belay("list", "-o", "json").stdout)["Users"]}


class OnTheCommandLine(PeopleCase):
    def test_life_of_a_user(self):
        made = self.belay("add", "alice", "--permission", "ssm:Describe*", "--permission", "belay:List*", "--access-key", "--description", "nights")
        secrets = environment_of(made.stdout)
        self.assertEqual(set(secrets), {"BELAY_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"})
        self.assertIn("shown once", made.stderr)
        mine = secrets["BELAY_TOKEN"]
        self.assertEqual(self.server.belay("nodes", token=mine).returncode, 0)
        refused = self.belay("add", "bob", "--permission", "ssm:Describe*", token=mine, status=5)
        self.assertIn("belay:CreateUser", refused.stderr)

        alice = self.listed()["alice"]
        self.assertEqual((alice["Permissions"], alice["Enabled"]), (["ssm:Describe*", "belay:List*"], True))
        self.assertEqual([key["AccessKeyId"] for key in alice["AccessKeys"]], [secrets["AWS_ACCESS_KEY_ID"]])
        self.belay("update", "alice", "--disable")
        self.assertNotEqual(self.server.belay("nodes", token=mine).returncode, 0)
        self.assertIn("ssm:*", self.belay("update", "alice", "--enable", "--permission", "ssm:*").stdout)
        self.assertEqual(self.server.belay("nodes", token=mine).returncode, 0)
        self.belay("update", "alice", "--enable", "--disable", status=2)
        self.belay("update", "alice", status=2)

        self.nowhere(secrets)
        self.belay("remove", "alice")
        self.assertNotIn("alice", self.listed())
        self.assertNotEqual(self.server.belay("nodes", token=mine).returncode, 0)
        self.belay("remove", "alice", status=3)

    def nowhere(self, secrets):
        """Neither in what the server says later nor in what it has written."""
        status, audit = self.post("ListAudit", {"MaxResults": 1000})
        self.assertEqual(status, 200, audit)
        actions = [entry["Action"] for entry in audit["Entries"] if entry["Resource"] == "alice"]
        self.assertEqual(actions, ["belay:UpdateUser", "belay:UpdateUser", "belay:CreateUser"])
        written = [path.read_bytes() for path in self.server.data.rglob("*") if path.is_file()]
        self.assertTrue(written)
        for secret in (secrets["BELAY_TOKEN"], secrets["AWS_SECRET_ACCESS_KEY"]):
            self.assertNotIn(secret, json.dumps(audit) + json.dumps(self.listed()) + self.server.log_text())
            self.assertFalse([1 for text in written if secret.encode() in text])

    def test_tokens(self):
        self.belay("add", "ci", "--permission", "ssm:Describe*")
        made = self.belay("token", "ci", "--name", "pipeline", "--expires-in-days", "30", "-o", "table")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "token"
            file.write_text(made.stdout)
            token = file.read_text().rstrip("\n")
        self.assertRegex(token, r"^belay-[0-9a-f]{48}$", "the token alone")
        self.assertIn("shown once", made.stderr)
        self.assertNotIn(token, made.stderr)
        self.assertEqual(self.server.belay("nodes", token=token).returncode, 0)
        again = json.loads(self.belay("token", "ci", "-o", "json").stdout)
        self.assertEqual({t["TokenName"]: "ExpiresDate" in t for t in self.listed()["ci"]["Tokens"]},
                         {"first": False, "pipeline": True, again["TokenName"]: False})
        self.assertIn("pipeline", self.belay("token", "ci", "--name", "pipeline", status=4).stderr)
        self.belay("revoke", "ci", "pipeline")
        self.assertNotEqual(self.server.belay("nodes", token=token).returncode, 0)
        self.belay("revoke", "ci", "pipeline", status=3)
        self.belay("token", "ci", "--expires-in-days", "soon", status=2)
        self.belay("token", "ci", "--expires-in-days", "0", status=2)

    def test_what_is_refused_names_its_field(self):
        for words, field in ((("add", "carl", "--permission", "ec2:*"), "ermissions"), (("add", "a b", "--permission", "ssm:*"), "serName"),
                             (("add", "Admin", "--permission", "ssm:*"), "UserName")):
            self.assertIn(field, self.belay(*words, status=2).stderr)
        self.belay("add", "carl", status=2)
        for words in (("remove", "admin"), ("update", "admin", "--disable"), ("update", "admin", "--permission", "ssm:*")):
            self.assertIn("nobody could mend that", self.belay(*words, status=4).stderr)
        self.assertEqual(set(self.listed()) & {"carl", "Admin"}, set())

    def test_nobody_raises_himself(self):
        clerk = environment_of(self.belay("add", "clerk", "--permission", "belay:*", "--permission", "ssm:Describe*").stdout)["BELAY_TOKEN"]
        for words in (("add", "puppet", "--permission", "ssm:*"), ("add", "puppet", "--permission", "*"), ("update", "clerk", "--permission", "*"),
                      ("token", "admin"), ("remove", "admin")):
            self.assertIn("nobody gives or changes what he lacks", self.belay(*words, token=clerk, status=5).stderr)
        self.belay("add", "helper", "--permission", "belay:Get*", token=clerk)
        self.assertEqual(set(self.listed()) & {"puppet"}, set())
        self.assertEqual(self.listed()["clerk"]["Permissions"], ["belay:*", "ssm:Describe*"])


class AccessKeys(PeopleCase, BotoTestCase):
    def test_boto3_is_let_in_as_far_as_its_user_may(self):
        status, made = self.post("CreateUser", {"UserName": "sdk", "Permissions": ["ssm:Describe*"], "WithAccessKey": True})
        self.assertEqual(status, 200, made)
        theirs = self.client(aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
        self.assertTrue(theirs.describe_patch_baselines()["BaselineIdentities"])
        self.assert_fails("AccessDeniedException", theirs.create_activation, IamRole="r")
        self.belay("remove", "sdk")
        self.assert_fails("UnrecognizedClientException", theirs.describe_patch_baselines)


class AwsKeys(PeopleCase, AwsTestCase):
    def test_the_aws_command_reads_what_add_printed(self):
        env = environment_of(self.belay("add", "sdk", "--permission", "ssm:Describe*", "--access-key").stdout)
        done = self.run_aws("describe-activations", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("(AccessDeniedException)", self.run_aws("create-activation", "--iam-role", "r", env=env).stderr)


class FourEyes(PeopleCase):
    def test_a_rollout_is_approved_by_somebody_else(self):
        """The least number of approvals is what a fresh server has: one."""
        node = self.new_node("web", [package("openssl", "3.0.1-1")], [offer("openssl", "3.0.1-1"), offer("openssl", "3.0.2-1")]).live()
        approver = environment_of(self.belay("add", "approver", "--permission", "belay:Approve*", "--permission", "belay:Get*").stdout)["BELAY_TOKEN"]
        rule = {"PatchFilterGroup": {"PatchFilters": [{"Key": "PRIORITY", "Values": ["*"]}]}, "ApproveAfterDays": 0, "EnableNonSecurity": True}
        _, baseline = self.post("CreatePatchBaseline", {"Name": "all", "OperatingSystem": "DEBIAN", "ApprovalRules": {"PatchRules": [rule]}})
        file = {"name": "october", "approvals": 1, "baseline": baseline["BaselineId"], "rings": [{"name": "one", "targets": [node.node_id]}]}
        status, made = self.post("CreateRollout", {"Content": json.dumps(file), "Start": True})
        self.assertEqual(status, 200, made)
        rollout = made["Rollout"]["RolloutId"]

        def state():
            return self.post("GetRollout", {"RolloutId": rollout})[1]["Rollout"]["State"]
        self.assertTrue(wait_until(lambda: state() == "AwaitingApproval"), state())
        self.assertEqual(self.server.belay("rollout", "approve", rollout).returncode, 5, "its author")
        done = self.server.belay("rollout", "approve", rollout, token=approver)
        self.assertEqual(done.returncode, 0, done.stderr)
        watched = self.server.belay("rollout", "watch", rollout)
        self.assertEqual(watched.returncode, 0, watched.stderr)
        self.assertEqual([p["version"] for p in node.installed], ["3.0.2-1"])
        _, audit = self.post("ListAudit", {"Action": "belay:ApproveChangeSet"})
        self.assertEqual([entry["Actor"] for entry in audit["Entries"]], ["approver"])
