"""Documents and their versions through boto3, and a document of several steps over a node."""
import json

from tests.api.support import BotoTestCase
from tests.support.binaries import wait_until
from tests.support.scripted_node import offer, package

SCRIPT = {"schemaVersion": "2.2", "description": "says a word",
          "parameters": {"Word": {"type": "String", "default": "hello", "allowedPattern": "[a-z]+"}},
          "mainSteps": [{"action": "aws:runShellScript", "name": "say", "inputs": {"runCommand": ["echo {{ Word }}"]}}]}
HOOKED = """
schemaVersion: '2.2'
mainSteps:
  - {action: 'aws:runShellScript', name: before, inputs: {runCommand: [stop the app], onFailure: exit}}
  - {action: 'belay:patch', name: patch, inputs: {operation: Install, rebootOption: NoReboot}}
  - {action: 'aws:runShellScript', name: after, inputs: {runCommand: [start the app]}}
"""
INSTALLED = [package("openssl", "3.0.1-1")]
OFFERS = [offer("openssl", "3.0.1-1"), offer("openssl", "3.0.2-1", priority="required")]


def changed(**fields):
    return json.dumps({**SCRIPT, **fields})


class Documents(BotoTestCase):
    def refused(self, kind, operation, **request):
        with self.assertRaises(self.ssm.exceptions.ClientError) as caught:
            getattr(self.ssm, operation)(**request)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], kind, error)
        return error["Message"]

    def run_to_end(self, node, document, **more):
        command = self.ssm.send_command(DocumentName=document, InstanceIds=[node.node_id], **more)["Command"]["CommandId"]
        ended = lambda: self.ssm.list_commands(CommandId=command)["Commands"][0]["Status"] not in ("Pending", "InProgress")
        self.assertTrue(wait_until(ended, 60), self.ssm.list_command_invocations(CommandId=command, Details=True))
        return self.ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"][0]

    def test_versions(self):
        made = self.ssm.create_document(Name="say-word", Content=changed(), DocumentType="Command", Tags=[{"Key": "Team", "Value": "web"}])
        self.assertEqual(made["DocumentDescription"]["DocumentVersion"], "1")
        self.assertEqual([p["Name"] for p in made["DocumentDescription"]["Parameters"]], ["Word"])
        self.assertIn("line", self.refused("InvalidDocumentContent", "update_document", Name="say-word", DocumentVersion="$LATEST",
                                           Content=json.dumps({**SCRIPT, "mainSteps": [{"action": "aws:nothing", "name": "a",
                                                                                        "inputs": {}}]}, indent=1)))
        second = self.ssm.update_document(Name="say-word", Content=changed(description="louder"), DocumentVersion="$LATEST",
                                          VersionName="loud")["DocumentDescription"]
        self.assertEqual((second["DocumentVersion"], second["DefaultVersion"], second["LatestVersion"]), ("2", "1", "2"))
        self.refused("DuplicateDocumentContent", "update_document", Name="say-word", Content=changed(), DocumentVersion="$LATEST")
        self.assertEqual(json.loads(self.ssm.get_document(Name="say-word")["Content"])["description"], "says a word")
        self.assertIn("description: louder", self.ssm.get_document(Name="say-word", VersionName="loud", DocumentFormat="YAML")["Content"])
        self.ssm.update_document_default_version(Name="say-word", DocumentVersion="2")
        self.assertEqual(self.ssm.describe_document(Name="say-word")["Document"]["Description"], "louder")
        versions = self.ssm.list_document_versions(Name="say-word")["DocumentVersions"]
        self.assertEqual([(v["DocumentVersion"], v["IsDefaultVersion"]) for v in versions], [("2", True), ("1", False)])
        self.refused("InvalidDocumentOperation", "delete_document", Name="say-word", DocumentVersion="2")
        self.ssm.delete_document(Name="say-word", DocumentVersion="1")
        self.refused("InvalidDocumentVersion", "get_document", Name="say-word", DocumentVersion="1")
        self.ssm.modify_document_permission(Name="say-word", PermissionType="Share", AccountIdsToAdd=["111122223333"])
        shared = self.ssm.describe_document_permission(Name="say-word", PermissionType="Share")
        self.assertEqual(shared["AccountIds"], ["111122223333"])
        tags = self.ssm.list_tags_for_resource(ResourceType="Document", ResourceId="say-word")["TagList"]
        self.assertEqual(tags, [{"Key": "Team", "Value": "web"}])
        listed = self.ssm.list_documents(Filters=[{"Key": "Owner", "Values": ["Self"]}])["DocumentIdentifiers"]
        self.assertIn("say-word", [document["Name"] for document in listed])
        self.assertNotIn("AWS-RunShellScript", [document["Name"] for document in listed])
        association = self.ssm.create_association(Name="say-word", Targets=[{"Key": "tag:No", "Values": ["x"]}])
        self.refused("AssociatedInstances", "delete_document", Name="say-word")
        self.ssm.delete_association(AssociationId=association["AssociationDescription"]["AssociationId"])
        self.ssm.delete_document(Name="say-word")
        self.refused("InvalidDocument", "describe_document", Name="say-word")

    def test_permissions(self):
        self.ssm.create_document(Name="shared", Content=changed())
        share = lambda **more: self.ssm.modify_document_permission(Name="shared", PermissionType="Share", **more)
        accounts = [f"{number:012}" for number in range(1, 46)]
        for at in range(0, 45, 20):
            share(AccountIdsToAdd=accounts[at:at + 20])
        read = lambda **more: self.ssm.describe_document_permission(Name="shared", PermissionType="Share", **more)
        self.assertEqual(read()["AccountIds"], accounts)
        first = read(MaxResults=30)
        second = read(MaxResults=30, NextToken=first["NextToken"])
        self.assertEqual(first["AccountIds"] + second["AccountIds"], accounts)
        self.assertEqual(second["AccountSharingInfoList"][-1], {"AccountId": accounts[-1], "SharedDocumentVersion": "$DEFAULT"})
        self.assertNotIn("NextToken", second)
        share(AccountIdsToRemove=accounts[:20], AccountIdsToAdd=[accounts[30]])
        self.assertEqual(read()["AccountIds"], accounts[20:])
        share(AccountIdsToAdd=[accounts[0]], SharedDocumentVersion="$DEFAULT")
        self.refused("ValidationException", "modify_document_permission", Name="shared", PermissionType="Share",
                     AccountIdsToAdd=[accounts[0]], SharedDocumentVersion="$ALL")
        self.refused("ValidationException", "modify_document_permission", Name="shared", PermissionType="Share", AccountIdsToAdd=["x"])
        self.refused("InvalidDocument", "modify_document_permission", Name="AWS-RunShellScript", PermissionType="Share",
                     AccountIdsToAdd=accounts[:1])
        self.refused("InvalidDocument", "describe_document_permission", Name="nothing", PermissionType="Share")
        self.assertEqual(read()["AccountIds"], [accounts[0], *accounts[20:]])

    def test_what_is_wrong_is_refused_and_nothing_is_kept(self):
        create = lambda kind, name="wrong", content=None, **more: self.refused(
            kind, "create_document", Name=name, Content=content or changed(), **more)
        create("InvalidDocumentContent", content="{not json")
        create("InvalidDocumentContent", content=changed(extra=1))
        create("InvalidDocumentContent", content=changed(parameters={}))  # {{ Word }} is declared nowhere
        create("InvalidDocumentSchemaVersion", content=changed(schemaVersion="9.9"))
        create("MaxDocumentSizeExceeded", content=changed(description="x" * 70_000))
        create("ValidationException", name="AWS-Mine")
        create("ValidationException", DocumentType="Session")
        circle = changed(parameters={}, mainSteps=[{"action": "aws:runDocument", "name": "again",
                                                    "inputs": {"documentType": "SSMDocument", "documentPath": "wrong"}}])
        create("InvalidDocumentContent", content=circle)
        self.refused("InvalidDocument", "describe_document", Name="wrong")
        self.refused("InvalidDocument", "delete_document", Name="AWS-RunShellScript")
        self.ssm.create_document(Name="taken", Content=changed())
        create("DocumentAlreadyExists", name="taken")
        self.refused("InvalidParameters", "send_command", DocumentName="taken", Targets=[{"Key": "tag:No", "Values": ["x"]}],
                     Parameters={"Word": ["a; rm -rf /"]})

    def test_scripts_around_a_patch(self):
        self.ssm.create_document(Name="hooked", Content=HOOKED, DocumentFormat="YAML")
        node = self.new_node("hooked-1", INSTALLED, OFFERS)
        node.live()
        invocation = self.run_to_end(node, "hooked")
        plugins = {plugin["Name"]: plugin for plugin in invocation["CommandPlugins"]}
        self.assertEqual(invocation["Status"], "Success", invocation)
        self.assertEqual(list(plugins), ["before", "patch", "after"])
        self.assertEqual(plugins["after"]["Output"], "ran: start the app\n")
        self.assertIn("outcome: committed", plugins["patch"]["Output"], invocation)
        self.assertIn(package("openssl", "3.0.2-1"), node.installed)
        one = self.ssm.get_command_invocation(CommandId=invocation["CommandId"], InstanceId=node.node_id, PluginName="before")
        self.assertEqual(one["StandardOutputContent"], "ran: stop the app\n")
        self.refused("InvalidPluginName", "get_command_invocation", CommandId=invocation["CommandId"], InstanceId=node.node_id,
                     PluginName="nothing")

    def test_output_is_marked_where_it_is_cut_and_kept_beyond_that(self):
        node = self.new_node("talker-1", INSTALLED, OFFERS)
        node.live()
        invocation = self.run_to_end(node, "AWS-RunShellScript", Parameters={"commands": ["x" * 60_000]})
        shown = self.ssm.get_command_invocation(CommandId=invocation["CommandId"], InstanceId=node.node_id)["StandardOutputContent"]
        self.assertEqual(len(shown), 24_000)
        self.assertTrue(shown.endswith("---Output truncated---"), shown[-100:])
        status, whole = self.post("GetCommandOutput", {"CommandId": invocation["CommandId"], "InstanceId": node.node_id})
        self.assertEqual((status, whole["Text"], whole["TotalBytes"]), (200, "ran: " + "x" * 60_000 + "\n", 60_006))
        status, refused = self.post("GetCommandOutput", {"CommandId": invocation["CommandId"], "InstanceId": node.node_id, "Ofset": 1})
        self.assertEqual(status, 400)
        self.assertIn("did you mean 'Offset'", refused["message"])

    def test_the_built_in_ones(self):
        names = [d["Name"] for d in self.ssm.list_documents()["DocumentIdentifiers"]]
        for name in ("AWS-RunPatchBaseline", "Belay-RunPatchBaseline", "AWS-RunPatchBaselineWithHooks", "AWS-RunShellScript"):
            self.assertIn(name, names)
            described = self.ssm.describe_document(Name=name)["Document"]
            self.assertEqual((described["Status"], described["DefaultVersion"]), ("Active", "1"))
        node = self.new_node("built-in-1", INSTALLED, OFFERS)
        node.live()
        invocation = self.run_to_end(node, "AWS-RunShellScript", Parameters={"commands": ["id"]})
        self.assertEqual([plugin["Name"] for plugin in invocation["CommandPlugins"]], ["aws:runShellScript"])
