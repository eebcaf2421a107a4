"""The real agent under a real server: what its own policy forbids, and what documents do on it."""
import json
import pathlib
import subprocess
import time

from tests.api.support import BotoTestCase
from tests.support.binaries import binary, wait_until
from tests.support.real_agent import RealAgent
from tests.support.scripted_node import offer, package

INSTALLED = [package("openssl", "3.0.1-1")]
OFFERS = [offer("openssl", "3.0.2-1", priority="required")]
ENDED = ("Success", "Failed", "Cancelled", "TimedOut")

HANDED_OVER = """
schemaVersion: '2.2'
description: What a step leaves behind is there after the server had the document in between.
mainSteps:
  - {action: aws:downloadContent, name: fetch, inputs: {sourceType: SSMDocument, sourceInfo: '{"name": "greeting"}'}}
  - {action: aws:runShellScript, name: before, inputs: {runCommand: [echo left > note]}}
  - {action: 'belay:patch', name: look, inputs: {operation: Scan}}
  - {action: aws:runShellScript, name: after, inputs: {runCommand: [cat note, grep -c schemaVersion greeting.yaml, 'pwd > %s']}}
"""
GREETING = "schemaVersion: '2.2'\nmainSteps:\n  - {action: aws:runShellScript, name: s, inputs: {runCommand: [echo hello]}}\n"


class RealAgentCase(BotoTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = cls.enterClassContext(RealAgent(cls.server, "real-1", INSTALLED, OFFERS))
        cls.mark = cls.agent.folder / "mark"

    def run_to_end(self, document, seconds=120, **parameters):
        """The invocation, details included."""
        sent = self.ssm.send_command(DocumentName=document, InstanceIds=[self.agent.node_id], Parameters=parameters)["Command"]
        self.command = sent["CommandId"]

        def invocation():
            return self.ssm.list_command_invocations(CommandId=self.command, Details=True)["CommandInvocations"][0]
        self.assertTrue(wait_until(lambda: invocation()["Status"] in ENDED, seconds), self.agent.log_text())
        return invocation()

    def errors(self):
        return self.ssm.get_command_invocation(CommandId=self.command, InstanceId=self.agent.node_id)["StandardErrorContent"]

    def touch(self):
        self.mark.unlink(missing_ok=True)
        return self.run_to_end("AWS-RunShellScript", commands=[f"touch {self.mark}"])

    def denied(self, invocation, why):
        self.assertEqual((invocation["Status"], invocation["StatusDetails"]), ("Failed", "AccessDenied"), invocation)
        self.assertIn(why, self.errors())
        command = self.ssm.list_commands(CommandId=self.command)["Commands"][0]
        self.assertEqual((command["ErrorCount"], command["StatusDetails"]), (0, "Incomplete"), command)


class PolicyTest(RealAgentCase):
    def test_a_user_who_is_not_allowed_is_refused_before_anything_is_done(self):
        self.agent.allow("users = ['somebody else']\n")
        self.denied(self.touch(), "policy_forbids: this node's policy forbids it: '")
        self.assertFalse(self.mark.exists())
        self.denied(self.run_to_end("AWS-RunPatchBaseline", Operation=["Install"]), "is not among its users")
        self.assertEqual(self.agent.installed(), {"openssl": "3.0.1-1"})
        self.agent.allow("documents = ['AWS-RunShellScript']\n")
        self.assertEqual(self.touch()["Status"], "Success")
        self.assertTrue(self.mark.exists())

    def test_a_change_set_is_refused_by_the_node(self):
        self.agent.allow("")
        self.assertTrue(wait_until(lambda: self.ssm.describe_instance_patch_states(InstanceIds=[self.agent.node_id])["InstancePatchStates"]))
        status, made = self.post("CreateChangeSet", {"Name": "openssl", "InstanceIds": [self.agent.node_id]})
        self.assertEqual(status, 200, made)
        change_set = made["ChangeSet"]["ChangeSetId"]

        def state():
            return self.post("GetChangeSet", {"ChangeSetId": change_set})[1]["ChangeSet"]
        self.assertTrue(wait_until(lambda: state()["Status"] in ("Ready", "Failed")), state())
        self.assertEqual(state()["Status"], "Ready", state())
        self.agent.allow("users = ['maintenance window *']\n")
        self.denied(self.run_to_end("Belay-ApplyChangeSet", ChangeSetId=[change_set]), "is not among its users")
        self.agent.allow("patching = false\n")
        self.denied(self.run_to_end("Belay-ApplyChangeSet", ChangeSetId=[change_set]), "forbids it: patching")
        self.assertEqual(self.agent.installed(), {"openssl": "3.0.1-1"})

    def test_hours_paths_and_scripts(self):
        day = time.strftime("%a", time.gmtime(time.time() + 3 * 86_400))  # neither today nor tomorrow, should midnight pass meanwhile
        self.agent.allow(f"timezone = 'UTC'\n[[hours]]\ndays = ['{day}']\n")
        self.denied(self.touch(), "outside its hours")
        self.agent.allow("paths = ['/srv']\n")
        self.denied(self.run_to_end("AWS-RunShellScript", commands=["true"], workingDirectory=["/srv/../etc"]), "'..'")
        self.denied(self.run_to_end("AWS-RunShellScript", commands=["true"], workingDirectory=["/etc"]), "/etc is not among its paths")
        self.agent.allow("scripts = false\n")
        self.denied(self.touch(), "scripts")
        self.assertEqual(self.run_to_end("AWS-RunPatchBaseline", Operation=["Scan"])["Status"], "Success")

    def test_a_policy_that_cannot_be_relied_on_refuses_everything(self):
        self.agent.allow("users = ['admin'\n")
        self.denied(self.touch(), "policy_unusable")
        self.denied(self.run_to_end("AWS-RunPatchBaseline", Operation=["Scan"]), "line ")
        checked = self.agent.check_policy()
        self.assertNotEqual(checked.returncode, 0)
        self.assertIn("line ", checked.stderr)
        self.agent.allow("scripts = true\n")
        self.agent.policy.chmod(0o666)
        self.denied(self.touch(), "written by others")
        self.agent.policy.chmod(0o644)
        self.assertEqual(self.touch()["Status"], "Success")
        self.agent.allow("users = ['admin', 'association *']\nscripts = false\n")
        checked = self.agent.check_policy()
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        self.assertIn("users: admin, association *\n", checked.stdout)
        self.assertIn("scripts: forbidden\n", checked.stdout)


class DocumentsTest(RealAgentCase):
    def test_inventory_is_gathered_on_the_node(self):
        self.agent.allow("")
        etc, custom = self.agent.folder / "etc", self.agent.state / "custom-inventory"
        etc.mkdir()
        custom.mkdir()
        (etc / "app.conf").write_text("12345")
        (custom / "rack.json").write_text(json.dumps({"SchemaVersion": "1.0", "TypeName": "Custom:RealRack", "Content": {"Bay": "A", "Row": 7}}))
        gathered = self.run_to_end("AWS-GatherSoftwareInventory", files=[json.dumps([{"Path": str(etc), "Pattern": ["*.conf"]}])])
        self.assertEqual(gathered["Status"], "Success", self.errors())

        def entries(type_name):
            return self.ssm.list_inventory_entries(InstanceId=self.agent.node_id, TypeName=type_name)["Entries"]
        (found,) = entries("AWS:File")
        self.assertEqual((found["Name"], found["Size"], found["InstalledDir"]), ("app.conf", "5", str(etc)))
        self.assertEqual(entries("Custom:RealRack"), [{"Bay": "A", "Row": "7"}])
        self.assertEqual([entry["Name"] for entry in entries("AWS:Application")], ["openssl"])
        (custom / "rack.json").write_text("{")
        self.assertEqual(self.run_to_end("AWS-GatherSoftwareInventory")["Status"], "Failed")
        self.assertIn("rack.json", self.errors())
        self.assertEqual(entries("Custom:RealRack"), [{"Bay": "A", "Row": "7"}], "what was known stays")

    def test_files_outlive_a_patch_step_and_go_with_the_document(self):
        self.agent.allow("")
        place = self.agent.folder / "place"
        self.ssm.create_document(Name="greeting", Content=GREETING, DocumentFormat="YAML")
        self.ssm.create_document(Name="handed-over", Content=HANDED_OVER % place, DocumentFormat="YAML")
        invocation = self.run_to_end("handed-over")
        self.assertEqual(invocation["Status"], "Success", self.errors())
        plugins = {plugin["Name"]: plugin["Output"] for plugin in invocation["CommandPlugins"]}
        self.assertEqual(plugins["after"], "left\n1\n")
        self.assertFalse(pathlib.Path(place.read_text().strip()).exists(), "the directory went with the document")

    def test_the_server_is_the_store_of_long_output(self):
        self.agent.allow("")
        self.assertEqual(self.run_to_end("AWS-RunShellScript", commands=["seq 1 100000"])["Status"], "Success")
        whole = "".join(f"{number}\n" for number in range(1, 100_001))
        status, kept = self.post("GetCommandOutput", {"CommandId": self.command, "InstanceId": self.agent.node_id})
        self.assertEqual((status, kept["TotalBytes"]), (200, len(whole)))
        with self.assertRaises(self.ssm.exceptions.ClientError) as refused:
            self.ssm.send_command(DocumentName="AWS-RunShellScript", InstanceIds=[self.agent.node_id], Parameters={"commands": ["true"]},
                                  OutputS3BucketName="bucket")
        self.assertIn("OutputS3BucketName is not supported", refused.exception.response["Error"]["Message"])


class UpdateTest(RealAgentCase):
    def give_out(self, content):
        """Another file that belayd hands to its nodes from now on."""
        program = self.server.data.parent / "given-agent"
        program.write_bytes(content)
        program.chmod(0o755)
        self.server.stop()
        if "--agent" not in self.server.arguments:
            self.server.arguments += ["--agent", str(program)]
        self.server.listen = f"127.0.0.1:{self.url.port}"
        self.server.start()
        type(self).ssm = self.client()
        return content

    def begun(self):
        return json.loads((self.agent.state / "welcomed.json").read_text())["nonce"]

    def test_the_agent_updates_itself_and_is_taken_back_where_it_does_not_return(self):
        self.agent.allow("")
        with self.assertRaises(self.ssm.exceptions.ClientError) as refused:
            self.run_to_end("AWS-UpdateSSMAgent")
        self.assertIn("start belayd with --agent FILE", str(refused.exception))

        old, first = self.agent.program.read_bytes(), self.begun()
        new = self.give_out(old + b"another build")
        self.assertEqual(self.run_to_end("AWS-UpdateSSMAgent")["Status"], "Success", self.errors())
        self.assertEqual(self.agent.program.read_bytes(), new)
        self.assertEqual(self.agent.program.with_suffix(".old").read_bytes(), old)
        self.assertNotEqual(self.begun(), first, "it is another process now")
        second = self.begun()
        self.assertEqual(self.run_to_end("AWS-UpdateSSMAgent")["Status"], "Success", self.errors())
        self.assertEqual(self.begun(), second, "it was there already")

        version = subprocess.run([binary("belay-agent"), "version"], capture_output=True, text=True, check=True).stdout
        self.give_out(f"#!/bin/sh\n[ \"$1\" = version ] && echo {version.strip()} && exit 0\nexit 1\n".encode())
        broken = self.run_to_end("AWS-UpdateSSMAgent", seconds=600)
        self.assertEqual(broken["Status"], "Failed")
        self.assertIn("the old one was put back", self.errors())
        self.assertEqual(self.agent.program.read_bytes(), new)
        self.assertEqual(self.run_to_end("AWS-RunShellScript", commands=["true"])["Status"], "Success")
