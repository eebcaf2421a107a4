"""The aws command, as an operator types it."""
from tests.api.support import AwsTestCase


class Aws(AwsTestCase):
    def test_baselines(self):
        listed = self.aws("describe-patch-baselines", "--filters", "Key=OWNER,Values=AWS")
        names = [row["BaselineName"] for row in listed["BaselineIdentities"]]
        self.assertIn("AWS-DebianDefaultPatchBaseline", names)
        made = self.aws("create-patch-baseline", "--name", "by-hand", "--operating-system", "UBUNTU",
                        "--approval-rules", "PatchRules=[{PatchFilterGroup={PatchFilters=[{Key=PRODUCT,Values=[*]}]},ApproveAfterDays=7}]",
                        "--description", "made by hand")
        got = self.aws("get-patch-baseline", "--baseline-id", made["BaselineId"])
        self.assertEqual(got["OperatingSystem"], "UBUNTU")
        self.aws("update-patch-baseline", "--baseline-id", made["BaselineId"], "--approved-patches", "openssl", "curl")
        self.assertEqual(self.aws("get-patch-baseline", "--baseline-id", made["BaselineId"])["ApprovedPatches"], ["openssl", "curl"])
        self.aws("delete-patch-baseline", "--baseline-id", made["BaselineId"])
        self.assert_aws_fails("DoesNotExistException", "get-patch-baseline", "--baseline-id", made["BaselineId"])

    def test_nodes_and_activations(self):
        self.assertEqual(self.aws("describe-instance-information"), {"InstanceInformationList": []})
        made = self.aws("create-activation", "--iam-role", "service-role/x", "--registration-limit", "2")
        self.assertEqual(set(made), {"ActivationId", "ActivationCode"})
        self.assertEqual(len(self.aws("describe-activations")["ActivationList"]), 1)
        self.aws("delete-activation", "--activation-id", made["ActivationId"])

    def test_patches_for_linux(self):
        self.assertEqual(self.aws("describe-available-patches"), {"Patches": []})
        default = self.aws("get-default-patch-baseline", "--operating-system", "DEBIAN")["BaselineId"]
        self.assertEqual(self.aws("describe-effective-patches-for-patch-baseline", "--baseline-id", default), {"EffectivePatches": []})
        products = self.aws("describe-patch-properties", "--operating-system", "DEBIAN", "--property", "PRIORITY")["Properties"]
        self.assertTrue(products)

    def test_commands(self):
        sent = self.aws("send-command", "--document-name", "AWS-RunShellScript", "--targets", "Key=tag:env,Values=nowhere",
                        "--parameters", 'commands=["uname -a"]')["Command"]
        self.assertEqual(sent["DocumentName"], "AWS-RunShellScript")
        self.assertEqual(self.aws("list-commands", "--command-id", sent["CommandId"])["Commands"][0]["CommandId"], sent["CommandId"])
        self.assert_aws_fails("InvalidCommandId", "cancel-command", "--command-id", "01234567-89ab-4def-8123-456789abcdef")

    def test_the_environment_that_belayd_wrote_is_enough(self):
        done = self.run_aws("describe-patch-baselines", "--max-items", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        wrong = self.run_aws("describe-patch-baselines", env={"AWS_SECRET_ACCESS_KEY": "wrong"})
        self.assertIn("InvalidSignatureException", wrong.stderr)
