"""What an operator types, right and wrong."""
import csv
import io
import json
import os
import stat
import subprocess
import tempfile
import unittest

from tests.support.binaries import Server, binary


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
                                    (("command", "show", "not-a-uuid"), 2, "")]:
            answer = self.belay(*words, status=status)
            self.assertIn(text, answer.stderr, words)

    def test_wrong_token(self):
        env = {**self.server.environment(), "BELAY_TOKEN": "wrong-token-wrong-token"}
        answer = run("nodes", env=env)
        self.assertEqual(answer.returncode, 5, answer.stderr)

    def test_audit_is_intact_and_knows_the_actor(self):
        self.belay("activation", "create")
        self.assertIn("CreateActivation", self.belay("audit", "list").stdout)
        self.assertIn("intact", self.belay("audit", "verify").stdout)
