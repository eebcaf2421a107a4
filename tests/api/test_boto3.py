"""boto3 over TLS, signed with SigV4: what a script of an SSM user does."""
import json
import time

from tests.api.support import BotoTestCase

RULE = {"PatchFilterGroup": {"PatchFilters": [{"Key": "PRIORITY", "Values": ["Required", "Important"]}]},
        "ComplianceLevel": "HIGH", "ApproveAfterDays": 3}


class Baselines(BotoTestCase):
    def create(self, name, **more):
        return self.ssm.create_patch_baseline(Name=name, OperatingSystem="DEBIAN", ApprovalRules={"PatchRules": [RULE]}, **more)["BaselineId"]

    def test_life_of_a_baseline(self):
        baseline = self.create("life", Description="größer", Tags=[{"Key": "team", "Value": "web"}])
        got = self.ssm.get_patch_baseline(BaselineId=baseline)
        self.assertEqual(got["Description"], "größer")
        self.assertEqual(got["ApprovalRules"]["PatchRules"][0]["ApproveAfterDays"], 3)
        self.assertEqual(got["CreatedDate"].year >= 2024, True)
        self.assertEqual(self.ssm.list_tags_for_resource(ResourceType="PatchBaseline", ResourceId=baseline)["TagList"],
                         [{"Key": "team", "Value": "web"}])
        self.ssm.update_patch_baseline(BaselineId=baseline, ApprovedPatches=["openssl"])
        self.assertEqual(self.ssm.get_patch_baseline(BaselineId=baseline)["ApprovedPatches"], ["openssl"])
        self.ssm.delete_patch_baseline(BaselineId=baseline)
        self.assert_fails("DoesNotExistException", self.ssm.get_patch_baseline, BaselineId=baseline)

    def test_groups_and_defaults(self):
        baseline, other = self.create("groups"), self.create("groups-other")
        self.ssm.register_patch_baseline_for_patch_group(BaselineId=baseline, PatchGroup="web")
        self.assert_fails("AlreadyExistsException", self.ssm.register_patch_baseline_for_patch_group, BaselineId=other, PatchGroup="web")
        self.assert_fails("ResourceInUseException", self.ssm.delete_patch_baseline, BaselineId=baseline)
        self.assertEqual(self.ssm.get_patch_baseline_for_patch_group(PatchGroup="web", OperatingSystem="DEBIAN")["BaselineId"], baseline)
        self.ssm.deregister_patch_baseline_for_patch_group(BaselineId=baseline, PatchGroup="web")
        self.ssm.register_default_patch_baseline(BaselineId=other)
        self.assertEqual(self.ssm.get_default_patch_baseline(OperatingSystem="DEBIAN")["BaselineId"], other)
        predefined = self.ssm.describe_patch_baselines(Filters=[{"Key": "NAME_PREFIX", "Values": ["AWS-DebianDefaultPatchBaseline"]}])
        self.ssm.register_default_patch_baseline(BaselineId=predefined["BaselineIdentities"][0]["BaselineId"])

    def test_paginators_see_every_row_once(self):
        made = {self.create(f"page-{i}") for i in range(7)}
        pages = list(self.ssm.get_paginator("describe_patch_baselines").paginate(
            Filters=[{"Key": "NAME_PREFIX", "Values": ["page-"]}], PaginationConfig={"PageSize": 3}))
        seen = [row["BaselineId"] for page in pages for row in page["BaselineIdentities"]]
        self.assertEqual(sorted(seen), sorted(made))
        self.assertEqual(len(pages), 3)

    def test_a_client_token(self):
        first = self.create("token", ClientToken="01234567-token")
        self.assertEqual(self.create("token", ClientToken="01234567-token"), first)
        self.assert_fails("IdempotentParameterMismatch", self.create, name="token-2", ClientToken="01234567-token")


class Nodes(BotoTestCase):
    def test_activations(self):
        made = self.ssm.create_activation(IamRole="service-role/x", DefaultInstanceName="web", RegistrationLimit=3,
                                          Tags=[{"Key": "env", "Value": "dev"}])
        self.assertGreaterEqual(len(made["ActivationCode"]), 20)
        listed = self.ssm.describe_activations(Filters=[{"FilterKey": "ActivationIds", "FilterValues": [made["ActivationId"]]}])
        self.assertEqual(listed["ActivationList"][0]["RegistrationLimit"], 3)
        self.assertNotIn(made["ActivationCode"], json.dumps(listed, default=str))
        self.ssm.delete_activation(ActivationId=made["ActivationId"])
        self.assert_fails("InvalidActivation", self.ssm.delete_activation, ActivationId=made["ActivationId"])

    def test_nobody_is_enrolled(self):
        self.assertEqual(self.ssm.describe_instance_information()["InstanceInformationList"], [])
        self.assert_fails("InvalidInstanceId", self.ssm.describe_instance_patches, InstanceId="mi-0123456789abcdef0")
        self.assert_fails("InvalidInstanceId", self.ssm.deregister_managed_instance, InstanceId="mi-0123456789abcdef0")
        self.assert_fails("InvalidResourceId", self.ssm.add_tags_to_resource, ResourceType="ManagedInstance",
                          ResourceId="mi-0123456789abcdef0", Tags=[{"Key": "a", "Value": "b"}])
        self.assertEqual(self.ssm.describe_patch_group_state(PatchGroup="none")["Instances"], 0)


class Commands(BotoTestCase):
    def test_a_command_to_nobody(self):
        command = self.ssm.send_command(DocumentName="AWS-RunShellScript", Targets=[{"Key": "tag:env", "Values": ["nowhere"]}],
                                        Parameters={"commands": ["true"]})["Command"]
        listed = self.ssm.list_commands(CommandId=command["CommandId"])["Commands"]
        self.assertEqual((listed[0]["TargetCount"], listed[0]["Status"], listed[0]["StatusDetails"]), (0, "Success", "NoInstancesInTag"))
        self.assertEqual(self.ssm.list_command_invocations(CommandId=command["CommandId"])["CommandInvocations"], [])
        self.assert_fails("InvocationDoesNotExist", self.ssm.get_command_invocation, CommandId=command["CommandId"],
                          InstanceId="mi-0123456789abcdef0")

    def test_what_cannot_be_sent(self):
        self.assert_fails("InvalidDocument", self.ssm.send_command, DocumentName="No-Such", Targets=[{"Key": "tag:a", "Values": ["b"]}])
        self.assert_fails("InvalidInstanceId", self.ssm.send_command, DocumentName="AWS-RunShellScript",
                          InstanceIds=["mi-0123456789abcdef0"], Parameters={"commands": ["true"]})
        self.assert_fails("InvalidParameters", self.ssm.send_command, DocumentName="AWS-RunPatchBaseline",
                          Targets=[{"Key": "tag:a", "Values": ["b"]}], Parameters={"Operation": ["Dance"]})


class SignIn(BotoTestCase):
    def test_wrong_secret_and_wrong_key(self):
        self.assert_fails("InvalidSignatureException", self.client(aws_secret_access_key="wrong").list_commands)
        self.assert_fails("UnrecognizedClientException", self.client(aws_access_key_id="AKIDNOBODY0000000000").list_commands)

    def test_a_late_request(self):
        headers = self.signed("ListCommands", timestamp="20260101T000000Z")
        status, _, body = self.send("POST", "/", b"{}", headers)
        self.assertEqual((status, body["__type"]), (400, "InvalidSignatureException"))
        self.assertIn("Signature expired", body["message"])

    def test_a_replayed_change(self):
        body = '{"IamRole":"service-role/replay"}'
        headers = self.signed("CreateActivation", body)
        self.assertEqual(self.send("POST", "/", body.encode(), headers)[0], 200)
        status, _, reply = self.send("POST", "/", body.encode(), headers)
        self.assertEqual((status, reply["__type"]), (429, "ThrottlingException"))
        time.sleep(2.1)  # a twin of the same second is told to come again; later it is no honest client's
        status, _, reply = self.send("POST", "/", body.encode(), headers)
        self.assertEqual((status, reply["__type"]), (400, "RequestReplayedException"))
        status, _, reply = self.send("POST", "/", body.replace("replay", "changed").encode(), headers)
        self.assertEqual((status, reply["__type"]), (400, "InvalidSignatureException"))

    def test_what_every_answer_carries(self):
        status, headers, _ = self.send("POST", "/", b"{}", self.signed("ListCommands"))
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "application/x-amz-json-1.1")
        self.assertRegex(headers["x-amzn-RequestId"], r"^[0-9a-f]{8}-[0-9a-f-]{27}$")

    def test_a_known_operation_that_is_not_built(self):
        message = self.assert_fails("UnsupportedOperationException", self.ssm.describe_ops_items)
        self.assertIn("DescribeOpsItems", message)
