"""Documents, commands of a document, and what changes a window or an association that is there."""
import json
import tempfile
import unittest

from tests.cli.node_case import NodeCase

HELLO = ("schemaVersion: '2.2'\ndescription: hello\nparameters: {Whom: {type: String, default: world}}\nmainSteps:\n"
         "- {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['echo hello {{ Whom }}']}}\n")
NOWHERE = "0" * 17


class Operations(NodeCase):
    def belay(self, *words, status=0):
        answer = self.server.belay(*words)
        self.assertEqual(answer.returncode, status, f"{words}: {answer.stdout}\n{answer.stderr}")
        return answer

    def told(self, *words):
        return json.loads(self.belay(*words, "-o", "json").stdout)

    def file(self, text):
        kept = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        self.addCleanup(kept.close)
        kept.write(text)
        kept.flush()
        return kept.name

    def test_life_of_a_document(self):
        self.belay("document", "create", "Hello", "-f", self.file(HELLO))
        self.assertEqual(self.belay("document", "show", "Hello").stdout, HELLO)
        again = self.belay("document", "update", "Hello", "-f", self.file(HELLO.replace("hello {{", "good day {{")))
        self.assertIn("version 1 stays the default", again.stderr)
        self.assertEqual(self.belay("document", "show", "Hello").stdout, HELLO)
        self.assertIn("good day", self.belay("document", "show", "Hello", "--version", "2").stdout)
        self.belay("document", "default", "Hello", "2")
        self.assertIn("good day", self.belay("document", "show", "Hello").stdout)
        self.belay("document", "update", "Hello", "-f", self.file(HELLO.replace("hello {{", "good night {{")), "--default")
        self.assertEqual({v["DocumentVersion"]: v["IsDefaultVersion"] for v in self.told("document", "versions", "Hello")["DocumentVersions"]},
                         {"1": False, "2": False, "3": True})
        own = [d["Name"] for d in self.told("document", "list", "--own")["DocumentIdentifiers"]]
        self.assertEqual(own, ["Hello"])
        self.assertIn("AWS-RunShellScript", self.belay("document", "list").stdout)
        self.belay("document", "delete", "Hello")
        self.belay("document", "show", "Hello", status=2)

    def test_a_wrong_document_names_its_file_and_line(self):
        path = self.file(HELLO.replace("aws:runShellScript", "aws:flyToTheMoon"))
        answer = self.belay("document", "create", "Moon", "-f", path, status=2)
        for text in (path, "aws:flyToTheMoon", "line 5"):
            self.assertIn(text, answer.stderr)
        self.belay("document", "create", "Moon", "-f", "/no/such/file", status=3)
        self.belay("document", "default", "AWS-RunShellScript", "1", status=2)

    def test_a_command_of_a_document(self):
        self.belay("document", "create", "Say", "-f", self.file(HELLO))
        self.addCleanup(self.belay, "document", "delete", "Say")
        answer = self.belay("command", "run", "web", "--document", "Say", "--parameter", "Whom=you", "--timeout", "10m",
                            "--comment", "why not", "-o", "json")
        said = json.loads(answer.stdout)
        sent = said.get("CommandId") or said["Command"]["CommandId"]
        command = next(c for c in self.told("command", "list")["Commands"] if c["CommandId"] == sent)
        self.assertEqual((command["DocumentName"], command["Parameters"], command["TimeoutSeconds"], command["Comment"]),
                         ("Say", {"Whom": ["you"]}, 600, "why not"))
        for words, text in [((), "--line"), (("--line", "true", "--document", "Say"), "--line"),
                            (("--line", "true", "--parameter", "a=b"), "--parameter"),
                            (("--document", "Say", "--parameter", "Who=you"), "Who"), (("--document", "Say", "--timeout", "soon"), "--timeout")]:
            self.assertIn(text, self.belay("command", "run", "web", *words, status=2).stderr, words)
        self.belay("command", "run", "web", "--document", "NoSuchDocument", status=2)

    def test_changes_of_a_window(self):
        made = self.told("window", "create", "night", "web", "--schedule", "cron(0 2 ? * SUN *)", "--hours", "3", "--line", "true")
        window = made["WindowId"]
        self.belay("window", "update", window, "--hours", "4", "--cutoff", "1", "--zone", "Europe/Berlin")
        now = self.told("window", "show", window)["Window"]
        self.assertEqual((now["Duration"], now["Cutoff"], now["ScheduleTimezone"], now["Schedule"], now["Name"]),
                         (4, 1, "Europe/Berlin", "cron(0 2 ? * SUN *)", "night"))
        self.belay("window", "disable", window)
        self.assertFalse(self.told("window", "show", window)["Window"]["Enabled"])
        self.belay("window", "enable", window)
        self.assertTrue(self.told("window", "show", window)["Window"]["Enabled"])
        self.assertIn("nothing to change", self.belay("window", "update", window, status=2).stderr)
        self.assertIn("Cutoff", self.belay("window", "update", window, "--cutoff", "9", status=2).stderr)
        self.assertIn("runs nothing", self.belay("window", "cancel", window, status=3).stderr)
        self.belay("window", "cancel", "01234567-89ab-4cde-8f01-23456789abcd", status=3)
        for words in (("history",), ("cancel",), ("disable",), ("update", "--hours", "2")):
            self.assertIn("mw-" + NOWHERE, self.belay("window", words[0], "mw-" + NOWHERE, *words[1:], status=3).stderr, words)
        self.belay("window", "delete", window)

    def test_an_association_changes_what_is_named_alone(self):
        made = self.told("association", "create", "keep", "web", "--document", "AWS-RunShellScript", "--parameter", "commands=true",
                         "--schedule", "cron(0 2 ? * * *)", "--severity", "HIGH", "--only-at-schedule")
        association = made["AssociationDescription"]["AssociationId"]
        self.assertIn("nothing to change", self.belay("association", "update", association, status=2).stderr)
        self.belay("association", "update", association, "--schedule", "cron(0 3 ? * * *)", "--max-errors", "3")
        now = self.told("association", "show", association)["Association"]
        self.assertEqual((now["ScheduleExpression"], now["MaxErrors"], now["AssociationVersion"]), ("cron(0 3 ? * * *)", "3", "2"))
        self.assertEqual((now["Parameters"], now["ComplianceSeverity"], now["ApplyOnlyAtCronInterval"], now["AssociationName"]),
                         ({"commands": ["true"]}, "HIGH", True, "keep"))
        self.assertEqual(now["Targets"], made["AssociationDescription"]["Targets"])
        self.belay("association", "update", association, "--no-schedule", "--at-once-too")
        self.assertNotIn("ScheduleExpression", self.told("association", "show", association)["Association"])
        self.belay("association", "update", "01234567-89ab-4cde-8f01-23456789abcd", "--max-errors", "1", status=3)
        self.belay("association", "delete", association)


if __name__ == "__main__":
    unittest.main()
