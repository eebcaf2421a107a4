"""What an operator types, right and wrong."""
import csv
import io
import json
import os
import ssl
import stat
import subprocess
import tempfile
import unittest
import urllib.request

from tests.cli.node_case import NodeCase
from tests.support.binaries import Server, binary, wait_until
from tests.support.scripted_node import ScriptedNode, offer, package


def run(*words, env=None):
    return subprocess.run([binary("belay"), *words], env=env or {"PATH": os.environ["PATH"]}, text=True,
                          capture_output=True, timeout=60, check=False)


class WithoutServer(unittest.TestCase):
    def test_version_compare(self):
        for kind, a, b, expected in [("deb", "1.0-1", "1.0-2", "<"), ("deb", "1:0", "9", ">"), ("deb", "1.0~rc1", "1.0", "<"),
                                     ("deb", "2.36-9+deb12u1", "2.36-9+deb12u1", "="), ("rpm", "1.0^git1", "1.0", ">"),
                                     ("rpm", "0:1.2-3.el9", "1.2-3.el9", "=")]:
            answer = run("version-compare", kind, a, b)
            self.assertEqual((answer.stdout, answer.returncode), (expected + "\n", 0), (kind, a, b))

    def test_schedule_next(self):
        after = ("--after", "2026-03-27T00:00:00Z")
        answer = run("schedule", "next", "cron(30 2 * * ? *)", "--timezone", "Europe/Berlin", "--count", "3", "-o", "json", *after)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        told = json.loads(answer.stdout)
        self.assertEqual([one["Local"] for one in told["Occurrences"]],
                         ["2026-03-27T02:30:00+01:00", "2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00"])
        self.assertEqual(told["Skipped"], [{"Local": "2026-03-29T02:30:00", "ClocksChangeAt": "2026-03-29T01:00:00Z"}])
        answer = run("schedule", "next", "cron(0 2 ? * TUE#2 *)", "--offset", "2", "--count", "50", "-o", "csv", *after)
        rows = list(csv.reader(io.StringIO(answer.stdout)))
        self.assertEqual((rows[0], rows[1][1], len(rows)), (["LOCAL", "UTC"], "2026-04-16T02:00:00Z", 51))

    def test_a_window_of_a_day_ends_where_the_next_one_opens(self):
        answer = run("schedule", "next", "cron(0 0 * * ? *)", "--timezone", "Europe/Berlin", "--duration", "24", "--count", "2", "-o", "json",
                     "--after", "2027-03-27T12:00:00Z")
        rows = json.loads(answer.stdout)["Occurrences"]
        self.assertEqual(rows[0]["Closes"], rows[1]["Utc"], answer.stdout)
        self.assertEqual(rows[0]["Closes"], "2027-03-28T22:00:00Z")

    def test_schedule_next_says_what_a_calendar_holds_back(self):
        with tempfile.NamedTemporaryFile("w", suffix=".ics") as calendar:
            calendar.write("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Freeze\nDTSTART;VALUE=DATE:20261215\n"
                           "DTEND;VALUE=DATE:20270107\nEND:VEVENT\nEND:VCALENDAR\n")
            calendar.flush()
            answer = run("schedule", "next", "cron(0 22 ? * SAT *)", "--count", "2", "--duration", "6", "--cutoff", "2",
                         "--calendar", calendar.name, "--after", "2026-12-07", "-o", "json")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        free, held = json.loads(answer.stdout)["Occurrences"]
        self.assertEqual((free["HeldBy"], free["Cutoff"], free["Closes"]), ([], "2026-12-13T02:00:00Z", "2026-12-13T04:00:00Z"))
        self.assertEqual(held["HeldBy"], [{"Calendar": calendar.name, "Event": "Freeze", "Until": "2027-01-07T00:00:00Z"}])

    def test_schedules_that_cannot_be_are_refused_by_field(self):
        for words, status, text in [(("cron(0 0 30 2 ? *)",), 2, "never fires"), (("cron(0 61 * * ? *)",), 2, "hours"),
                                    (("rate(1 hours)",), 2, "rate(1 hour)"), (("rate(1 day)", "--offset", "2"), 2, "ScheduleOffset"),
                                    (("rate(1 day)", "--timezone", "Europe/Atlantis"), 3, "Europe/Atlantis"),
                                    (("rate(1 day)", "--timezone", "../../etc/passwd"), 2, "no time zone"),
                                    (("rate(1 day)", "--end-date", "2020-01-01"), 2, "EndDate"),
                                    (("rate(1 day)", "--count", "0"), 2, "--count"), (("rate(2 hours)", "--duration", "3"), 2, "Duration"),
                                    (("rate(1 day)", "--duration", "3", "--cutoff", "3"), 2, "Cutoff"),
                                    (("cron(0 2 1 JAN ? *)", "--association"), 2, "ScheduleExpression"),
                                    (("rate(1 day)", "--calendar", "/etc/hostname"), 2, "line 1")]:
            answer = run("schedule", "next", *words)
            self.assertEqual((answer.returncode, text in answer.stderr), (status, True), (words, answer.stderr))

    def test_wrong_words_are_usage_errors(self):
        for words in [(), ("nonsense",), ("version-compare", "deb", "1"), ("version-compare", "msi", "1", "2"), ("nodes", "--nope"),
                      ("version-compare", "deb", "", "1"), ("-o", "xml", "nodes")]:
            answer = run(*words)
            self.assertEqual(answer.returncode, 2, words)
            self.assertTrue(answer.stderr, words)

    def test_the_other_programs_know_the_same_statuses(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        state = folder.name
        for name, words, status, text in [("belayd", (), 2, "--data"), ("belayd", ("--data", "x", "--nope"), 2, "--nope"), ("belayd", ("--help",), 0, ""),
                                          ("belayd", ("--data", "/nonexistent/x", "--listen", "nonsense"), 2, "what to do"),
                                          ("belayd", ("--data", "/nonexistent/x", "--database", "mysql://x/y"), 2, "postgresql://"),
                                          ("belay-agent", ("enroll",), 2, "--activation-id"), ("belay-agent", ("nonsense",), 2, ""),
                                          ("belay-agent", ("enroll", "--server", "https://127.0.0.1:1", "--activation-id", "x",
                                                           "--activation-code", "y", "--state", state), 2, "--ca-sha256")]:
            try:
                program = binary(name)
            except FileNotFoundError as error:
                self.skipTest(str(error))
            done = subprocess.run([program, *words], text=True, capture_output=True, timeout=60, check=False)
            self.assertEqual((done.returncode, text in done.stderr), (status, True), (name, words, done.stderr))

    def test_a_mistyped_command_is_answered_with_the_near_one(self):
        for words, text in [(("complience",), "did you mean 'compliance'"), (("-o", "json", "baseline", "shwo"), "did you mean 'show'"),
                            (("bogus",), "no command of belay"), (("command", "bogus"), "run, list, show")]:
            answer = run(*words)
            self.assertEqual((answer.returncode, text in answer.stderr), (2, True), answer.stderr)

    def test_the_token_never_crosses_a_network_in_the_clear(self):
        for url, text in [("http://example.com", "https://"), ("http://127.0.0.1.example.com:80", "https://"), ("http://10.0.0.1", "https://"),
                          ("ftp://127.0.0.1", "ftp"), ("http://[2001:db8::1]:8480", "https://")]:
            answer = run("nodes", env={"PATH": os.environ["PATH"], "BELAY_URL": url, "BELAY_TOKEN": "x"})
            self.assertEqual((answer.returncode, text in answer.stderr), (2, True), (url, answer.stderr))
        for url in ("http://127.0.0.3:1", "http://[::1]:1", "http://localhost:1"):
            self.assertEqual(run("nodes", env={"PATH": os.environ["PATH"], "BELAY_URL": url, "BELAY_TOKEN": "x"}).returncode, 7, url)

    def test_version_compare_in_every_format(self):
        self.assertEqual(json.loads(run("version-compare", "deb", "1", "2", "-o", "json").stdout), {"A": "1", "Order": "<", "B": "2"})
        self.assertEqual(run("version-compare", "deb", "1", "2", "-o", "csv").stdout.split(), ["A,Order,B", "1,<,2"])

    def test_help_has_the_exit_statuses(self):
        answer = run("--help")
        self.assertEqual(answer.returncode, 0)
        for text in ("Exit status", "not-found", "BELAY_URL", "version-compare", "audit"):
            self.assertIn(text, answer.stdout)

    def test_no_server_named(self):
        answer = run("nodes")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("BELAY_URL", answer.stderr)

    def test_no_server_there(self):
        env = {"PATH": os.environ["PATH"], "BELAY_URL": "http://127.0.0.1:1", "BELAY_TOKEN": "x"}
        answer = run("nodes", env=env)
        self.assertEqual(answer.returncode, 7, answer.stderr)
        self.assertIn("http://127.0.0.1:1", answer.stderr)


class WithServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.__exit__)

    def belay(self, *words, status=0):
        answer = self.server.belay(*words)
        self.assertEqual(answer.returncode, status, f"{words}: {answer.stdout}\n{answer.stderr}")
        return answer

    def test_admin_env_is_private(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.server.data / "admin.env").st_mode), 0o600)

    def test_outputs(self):
        self.assertIn("NODE", self.belay("nodes").stdout)
        self.assertEqual(json.loads(self.belay("nodes", "-o", "json").stdout), {"InstanceInformationList": []})
        rows = list(csv.reader(io.StringIO(self.belay("baseline", "list", "-o", "csv").stdout)))
        self.assertEqual(rows[0][:2], ["BASELINE", "NAME"])
        self.assertIn("AWS-DebianDefaultPatchBaseline", [row[1] for row in rows])

    def test_activation_life(self):
        made = json.loads(self.belay("activation", "create", "-o", "json", "--name", "web", "--limit", "5", "--tag", "A=b").stdout)
        self.assertIn(made["ActivationId"], self.belay("activation", "list").stdout)
        self.assertNotIn(made["ActivationCode"], self.belay("activation", "list", "-o", "json").stdout)
        self.belay("activation", "delete", made["ActivationId"])
        self.assertNotIn(made["ActivationId"], self.belay("activation", "list").stdout)

    def test_wrong_input_names_what_is_wrong(self):
        for words, status, text in [(("activation", "create", "--expires", "60d"), 2, "xpir"),
                                    (("activation", "create", "--limit", "0"), 2, "imit"),
                                    (("activation", "create", "--tag", "noequals"), 2, "Key=Value"),
                                    (("scan", "no-such-node"), 3, "no-such-node"),
                                    (("scan", "mi-0123456789abcdef0"), 3, "mi-0123456789abcdef0"),
                                    (("scan", "tag:"), 2, "tag:Key=Value"),
                                    (("scan", "tag:A=b", "mi-0123456789abcdef0"), 2, "not both"),
                                    (("patch", "all", "--reboot", "maybe"), 2, "if-needed"),
                                    (("plan", "show", "cs-0123456789abcdef0"), 3, "cs-0123456789abcdef0"),
                                    (("baseline", "show", "pb-0123456789abcdef0"), 3, "pb-"),
                                    (("baseline", "create", "-f", "/no/such/file"), 3, "/no/such/file"),
                                    (("compliance", "--as-of", "yesterday"), 2, "--as-of"),
                                    (("command", "show", "not-a-uuid"), 2, "belay command list"),
                                    (("command", "cancel", "0b1c"), 2, "belay command list"),
                                    (("plan", "show", "cs-1"), 2, "belay plan list"),
                                    (("patch", "all", "--change-set", "pb-0123456789abcdef0"), 2, "belay plan list"),
                                    (("baseline", "show", "web"), 2, "belay baseline list"),
                                    (("activation", "delete", "x"), 2, "belay activation list")]:
            answer = self.belay(*words, status=status)
            self.assertIn(text, answer.stderr, words)

    def test_no_node_is_never_a_success(self):
        for words in [("scan",), ("scan", "--wait"), ("patch", "--wait"), ("patch",), ("command", "run", "-c", "true", "--wait"), ("compliance",),
                      ("plan",), ("tag", "list"), ("nodes", "show"), ("nodes", "remove")]:
            answer = self.belay(*words, "tag:No=Such", status=3)
            self.assertIn("tag:No=Such", answer.stderr, words)
            self.assertEqual(answer.stdout, "", words)
        for words in [("tag", "remove", "tag:No=Such", "Key"), ("tag", "add", "tag:No=Such", "A=b"), ("compliance",), ("scan", "all")]:
            self.belay(*words, status=3)

    def test_following_a_command_that_found_nobody(self):
        sent = self.post("SendCommand", {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]},
                                         "Targets": [{"Key": "tag:No", "Values": ["Such"]}]})["Command"]["CommandId"]
        self.assertIn("nothing was done", self.belay("command", "show", sent, "--wait", status=3).stderr)
        answer = self.belay("command", "cancel", sent)
        self.assertIn("has ended already: Success", answer.stdout)

    def post(self, operation, request):
        url = self.server.env["BELAY_URL"] + "/api/" + operation
        asked = urllib.request.Request(url, json.dumps(request).encode(), {"Authorization": "Bearer " + self.server.env["BELAY_TOKEN"]})
        with urllib.request.urlopen(asked, context=ssl.create_default_context(cafile=self.server.env["BELAY_CA"]), timeout=60) as reply:
            return json.load(reply)

    def test_an_automation_from_start_to_end(self):
        steps = ("schemaVersion: '0.3'\nparameters: {Seconds: {type: String}}\nmainSteps:\n"
                 "- {name: ask, action: 'aws:approve', inputs: {Approvers: [admin]}}\n"
                 "- {name: wait, action: 'aws:sleep', inputs: {Duration: 'PT{{ Seconds }}S'}}\n")
        self.post("CreateDocument", {"Name": "Cli", "DocumentType": "Automation", "DocumentFormat": "YAML", "Content": steps})
        start = ("automation", "start", "Cli", "--parameter", "Seconds=0")
        made = json.loads(self.belay(*start, "-o", "json").stdout)["AutomationExecutionId"]
        self.assertTrue(wait_until(lambda: made in self.belay("automation", "list", "--status", "Waiting").stdout))
        rows = list(csv.reader(io.StringIO(self.belay("automation", "show", made, "-o", "csv").stdout)))
        self.assertEqual([row[:3] for row in rows], [["STEP", "ACTION", "STATUS"], ["ask", "aws:approve", "Waiting"], ["wait", "aws:sleep", "Pending"]])
        self.assertIn("which is no pause", self.belay("automation", "signal", made, "Resume", "--step", "ask", status=2).stderr)
        self.assertEqual(self.belay("automation", "approve", made, "--comment", "go").stdout, f"Approve was sent to {made}\n")
        followed = self.belay("automation", "show", made, "--wait", "-o", "json")
        self.assertEqual(json.loads(followed.stdout)["AutomationExecution"]["AutomationExecutionStatus"], "Success")

        rejected = json.loads(self.belay(*start, "-o", "json").stdout)["AutomationExecutionId"]
        self.assertTrue(wait_until(lambda: rejected in self.belay("automation", "list", "--status", "Waiting").stdout))
        self.belay("automation", "reject", rejected, "--comment", "no")
        ended = self.belay("automation", "show", rejected, "--wait", status=9)
        self.assertIn("rejected by admin: no", ended.stdout)

        stopped = json.loads(self.belay(*start, "-o", "json").stdout)["AutomationExecutionId"]
        self.assertTrue(wait_until(lambda: stopped in self.belay("automation", "list", "--status", "Waiting").stdout))
        self.assertEqual(json.loads(self.belay("automation", "stop", stopped, "-o", "json").stdout),
                         {"AutomationExecutionId": stopped, "Type": "Cancel"})
        self.assertIn("Cancelled", self.belay("automation", "show", stopped, "--wait", status=9).stderr)

    def test_automations_over_targets_and_wrong_words(self):
        steps = ("schemaVersion: '0.3'\nparameters: {Seconds: {type: String}}\nmainSteps:\n"
                 "- {name: wait, action: 'aws:sleep', inputs: {Duration: 'PT{{ Seconds }}S'}}\n")
        self.post("CreateDocument", {"Name": "Many", "DocumentType": "Automation", "DocumentFormat": "YAML", "Content": steps})
        over = ("automation", "start", "Many", "--target-parameter", "Seconds", "--max-errors", "1", "--wait", "-o", "csv", "--target")
        rows = list(csv.reader(io.StringIO(self.belay(*over, "ParameterValues=0,1").stdout)))
        self.assertEqual((rows[0][:3], sorted(row[1:3] for row in rows[1:])), (["AUTOMATION", "TARGET", "STATUS"], [["0", "Success"], ["1", "Success"]]))
        self.belay(*over, "ParameterValues=x,1", status=9)
        for words, status, told in [(("show", "7"), 2, "automation id"), (("start", "Nobody"), 3, "Nobody"),
                                    (("start", "Many", "--parameter", "Seconds"), 2, "NAME=VALUE"), (("start", "Many"), 2, "Seconds"),
                                    (("stop", "01234567-89ab-4def-8123-456789abcdef"), 3, "no automation execution")]:
            self.assertIn(told, self.belay("automation", *words, status=status).stderr, words)

    def test_a_baseline_file_with_a_mistake_makes_nothing(self):
        for text, told in [('{"Name": "one",\n "Name": "two", "OperatingSystem": "DEBIAN"}', "line 2"), ('{"Name": "x"', "line 1"),
                           ('["x"]', "expected an object")]:
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write(text)
                file.flush()
                answer = self.belay("baseline", "create", "-f", file.name, status=2)
                self.assertIn(told, answer.stderr)
                self.assertIn(file.name, answer.stderr)
        self.assertNotIn("two", self.belay("baseline", "list").stdout)

    def test_every_format_is_honoured(self):
        made = json.loads(self.belay("baseline", "list", "-o", "json").stdout)["BaselineIdentities"][0]["BaselineId"]
        rows = {row[0]: row[1] for row in csv.reader(io.StringIO(self.belay("baseline", "show", made, "-o", "csv").stdout))}
        self.assertEqual((rows["MEMBER"], rows["BaselineId"]), ("VALUE", made))
        self.assertRegex(rows["CreatedDate"], r"^\d{4}-\d\d-\d\d \d\d:\d\d$")
        self.assertIn("BaselineId", self.belay("baseline", "show", made).stdout.splitlines()[1])
        self.assertEqual(json.loads(self.belay("baseline", "show", made, "-o", "json").stdout)["BaselineId"], made)
        rows = {row[0]: row[1] for row in csv.reader(io.StringIO(self.belay("audit", "verify", "-o", "csv").stdout))}
        self.assertEqual(rows["Intact"], "true")
        told = json.loads(self.belay("baseline", "default", made, "-o", "json").stdout)
        self.assertEqual(told, {"BaselineId": made})

    def test_wrong_token(self):
        env = {**self.server.environment(), "BELAY_TOKEN": "wrong-token-wrong-token"}
        answer = run("nodes", env=env)
        self.assertEqual(answer.returncode, 5, answer.stderr)

    def test_audit_is_intact_and_knows_the_actor(self):
        self.belay("activation", "create")
        self.assertIn("CreateActivation", self.belay("audit", "list").stdout)
        self.assertIn("intact", self.belay("audit", "verify").stdout)


class WithNode(NodeCase):
    def rows(self, *words, status=0):
        answer = self.server.belay(*words, "-o", "csv")
        self.assertEqual(answer.returncode, status, answer.stderr)
        return list(csv.reader(io.StringIO(answer.stdout)))

    def test_missing_patches_as_csv(self):
        rows = self.rows("compliance", "web", status=9)
        self.assertEqual(rows[0][:4], ["PACKAGE", "INSTALLED", "WANTED", "STATE"])
        self.assertEqual(rows[1][:4], ["openssl", "3.0.1", "3.0.2", "MISSING"])
        self.assertEqual(self.rows("compliance", status=9)[1][1], "web")

    def test_a_node_that_is_gone_says_so(self):
        made = json.loads(self.server.belay("activation", "create", "-o", "json", "--name", "gone").stdout)
        with ScriptedNode(self.server, "gone") as node:
            node.enroll(made["ActivationId"], made["ActivationCode"])
            node.installed, node.offers = [package("openssl", "3.0.2")], [offer("openssl", "3.0.2")]
            node.hello()
            node.scan()
            self.assertNotIn("deregistered", self.server.belay("compliance", node.node_id).stdout)
            self.assertEqual(self.server.belay("nodes", "remove", node.node_id).returncode, 0)
            self.assertIn("deregistered on 2", self.server.belay("compliance", node.node_id).stdout)

    def test_a_node_as_rows(self):
        rows = dict(self.rows("nodes", "show", "web"))
        self.assertEqual(rows["Node.Name"], "web")
        for member, value in rows.items():
            if member.endswith(("Date", "Time")):
                self.assertRegex(value, r"^(\d{4}-\d\d-\d\d \d\d:\d\d|-)$", member)

    def test_what_was_done_in_every_format(self):
        told = json.loads(self.server.belay("tag", "add", "web", "A=b", "-o", "json").stdout)
        self.assertEqual(told, {"InstanceIds": [self.node.node_id]})
        self.assertEqual(self.rows("tag", "remove", "tag:Environment=dev", "A"), [["NODE"], [self.node.node_id]])
        self.assertEqual(self.server.belay("tag", "add", "web", "A=b").stdout, f"tagged {self.node.node_id}\n")
