"""What the programs say where something was mistyped or not set: what, which, why, and a step that helps."""
import json
import pathlib
import subprocess
import tempfile

from tests.api.support import ApiTestCase
from tests.support.binaries import Server, binary
from tests.support.scripted_node import offer, package

GROUP = "web-servers"


class Words(ApiTestCase):
    def ran(self, *words, env=None):
        environment = self.server.environment()
        for name, value in (env or {}).items():
            environment.pop(name, None)
            if value:
                environment[name] = value
        return subprocess.run([binary("belay"), *words], env=environment, text=True, capture_output=True, timeout=60, check=False)

    def new_baseline(self):
        return self.post("CreatePatchBaseline", {"Name": "words", "OperatingSystem": "DEBIAN", "Description": "as it was"})[1]["BaselineId"]

    def given_back(self, shown, *words):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "baseline.json"
            path.write_text(json.dumps(shown))
            return self.ran("baseline", *words, "-f", str(path))

    def test_a_baseline_that_was_shown_can_be_given_back(self):
        made = self.new_baseline()
        self.ran("baseline", "assign", made, "given-back")
        shown = json.loads(self.ran("baseline", "show", made, "-o", "json").stdout)
        updated = self.given_back({**shown, "Description": "as it is"}, "update", made)
        self.assertEqual(updated.returncode, 0, updated.stderr)
        self.assertEqual(self.post("GetPatchBaseline", {"BaselineId": made})[1]["Description"], "as it is")
        copied = self.given_back(shown, "create", "-o", "json")
        self.assertEqual(copied.returncode, 0, copied.stderr)
        copy = json.loads(copied.stdout)["BaselineId"]
        self.assertNotEqual(copy, made)
        self.assertEqual(self.post("GetPatchBaseline", {"BaselineId": copy})[1]["Description"], "as it was")
        mistyped = self.given_back({"Name": "mistyped", "OperatingSystm": "DEBIAN"}, "create")
        self.assertEqual(mistyped.returncode, 2)
        self.assertIn("the request has no member 'OperatingSystm'; did you mean 'OperatingSystem'?", mistyped.stderr)

    def test_a_baseline_is_taken_off_a_group(self):
        one, other = self.new_baseline(), self.new_baseline()
        self.assertEqual(self.ran("baseline", "assign", one, GROUP).returncode, 0)
        for refused in (self.ran("baseline", "assign", other, GROUP), self.ran("baseline", "delete", one)):
            self.assertEqual(refused.returncode, 4, refused.stderr)
            self.assertIn("belay baseline unassign", refused.stderr)
        stranger = self.ran("baseline", "unassign", one, "web-servres")
        self.assertEqual(stranger.returncode, 3, stranger.stderr)
        self.assertEqual(self.ran("baseline", "unassign", one, GROUP).returncode, 0)
        self.assertEqual(self.ran("baseline", "assign", other, GROUP).returncode, 0)
        self.assertEqual(self.ran("baseline", "delete", one).returncode, 0)

    def test_filters_that_can_find_nothing(self):
        node = self.new_node("filtered", [package("bash", "1")], [offer("bash", "2")]).node_id
        in_group = "DescribeInstancePatchStatesForPatchGroup"
        rows = [
            (in_group, {"PatchGroup": "g", "Filters": [{"Key": "MissingCount", "Values": ["abc"], "Type": "Equal"}]}, "'abc' is no whole number"),
            (in_group, {"PatchGroup": "g", "Filters": [{"Key": "MissingCount", "Values": ["1x"], "Type": "Equal"}]}, "'1x' is no whole number"),
            (in_group, {"PatchGroup": "g", "Filters": [{"Key": "Missing", "Values": ["1"], "Type": "Equal"}]}, "no counter"),
            ("DescribeInstancePatches", {"InstanceId": node, "Filters": [{"Key": "State", "Values": ["INSTALLED_REJECTED"]}]}, "InstalledRejected"),
        ]
        for operation, request, words in rows:
            with self.subTest(words=words):
                status, reply = self.post(operation, request)
                self.assertEqual(status, 400, reply)
                self.assertIn("InvalidFilter", json.dumps(reply))
                self.assertIn(words, json.dumps(reply))
        kept = self.post("DescribeInstancePatches", {"InstanceId": node, "Filters": [{"Key": "State", "Values": ["Missing"]}]})[1]["Patches"]
        self.assertEqual([row["Title"] for row in kept], ["bash.amd64:2"])
        self.assertEqual(self.post(in_group, {"PatchGroup": "g", "Filters": [{"Key": "MissingCount", "Values": ["0"], "Type": "Equal"}]})[0], 200)

    def test_the_next_step_helps(self):
        self.new_node("twin")
        self.new_node("twin")
        stranger = Server()
        self.addCleanup(stranger.__exit__)
        stranger.start()
        rows = [
            (("nodes",), {"BELAY_TOKEN": ""}, 5, "DIR/admin.env"),
            (("nodes",), {"BELAY_CA": stranger.env["BELAY_CA"]}, 5, "BELAY_CA"),
            (("nodes", "show", "twin"), {}, 2, "name one by its id"),
        ]
        for words, environment, status, step in rows:
            with self.subTest(words=words, environment=environment):
                said = self.ran(*words, env=environment)
                self.assertEqual(said.returncode, status, said.stderr)
                self.assertIn(step, said.stderr)
                self.assertNotIn("sign in again", said.stderr)
                self.assertNotIn("present state", said.stderr)

    def test_the_servers_next_step_helps(self):
        with tempfile.TemporaryDirectory() as folder:
            for data, listen, step in ((folder, f"127.0.0.1:{self.url.port}", "choose another port"),
                                       (str(self.server.data), "127.0.0.1:0", "stop the other belayd")):
                said = subprocess.run([binary("belayd"), "--data", data, "--listen", listen], text=True, capture_output=True, timeout=60, check=False)
                self.assertNotEqual(said.returncode, 0)
                self.assertIn(step, said.stderr.splitlines()[-1])

    def test_an_address_that_no_other_host_reaches_is_told(self):
        said = self.ran("activation", "create")
        self.assertIn("reaches the server from this machine alone", said.stderr)
        self.assertIn("--name", said.stderr)
        with Server(listen="0.0.0.0:0") as everywhere:
            self.assertIn('"no_name"', everywhere.log_text())
        with Server(listen="0.0.0.0:0", arguments=["--name", "belay.example"]) as named:
            self.assertNotIn('"no_name"', named.log_text())

    def test_options_are_named_as_they_were_typed(self):
        rows = [
            (("activation", "create", "--limit", "0"), "--limit: '0' is no number from 1 to 1000"),
            (("activation", "create", "--limit", "5x"), "--limit: '5x'"),
            (("patch", "all", "--max-errors", "200%"), "--max-errors: '200%' is neither a number from 0 nor a percentage up to 100%"),
            (("patch", "all", "--max-concurrency", "0"), "--max-concurrency: '0'"),
            (("audit", "list", "--from", "x"), "--from"),
        ]
        for words, said in rows:
            with self.subTest(words=words):
                refused = self.ran(*words)
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertIn(said, refused.stderr)
                self.assertNotIn("1970", refused.stderr)
        self.assertEqual(self.ran("audit", "list", "--from", "2026-11-23T18:00:00Z").returncode, 0)
