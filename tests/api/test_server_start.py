"""belayd's own doors: the names it is reached by, the administrator's credentials, and what its command line refuses."""
import contextlib
import json
import sqlite3
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

from tests.support.binaries import Server, binary


def health(url, ca):
    context = ssl.create_default_context(cafile=ca)
    with urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)).open(
            url + "/healthz", timeout=30) as reply:
        return reply.status


class ServerStart(unittest.TestCase):
    def setUp(self):
        try:
            binary("belayd")
        except FileNotFoundError as error:
            raise unittest.SkipTest(str(error)) from None
        self.server = Server(listen="0.0.0.0:0")
        self.addCleanup(self.server.__exit__)

    def restart(self, *arguments):
        if self.server.process:
            self.assertEqual(self.server.stop(), 0)
        self.server.arguments = list(arguments)
        return self.server.start().env

    def ask(self, environment, operation="DescribePatchBaselines"):
        request = urllib.request.Request(environment["BELAY_URL"] + "/api/" + operation, b"{}",
                                         {"Authorization": "Bearer " + environment["BELAY_TOKEN"]})
        context = ssl.create_default_context(cafile=environment["BELAY_CA"])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        try:
            with opener.open(request, timeout=30) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def test_who_looks_into_the_store_takes_nothing_away(self):
        """A backup program or a person opens the embedded store beside the running server, and closes it again."""
        environment = self.restart()
        for number in range(3):
            (self.server.data / "kept.json").write_text(json.dumps({"Name": f"kept-{number}", "OperatingSystem": "DEBIAN"}))
            self.assertEqual(self.server.belay("baseline", "create", "-f", str(self.server.data / "kept.json")).returncode, 0)
            with contextlib.closing(sqlite3.connect(self.server.data / "belay.db", timeout=30)) as store:
                self.assertEqual(store.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            self.assertTrue((self.server.data / "belay.db-wal").exists(), "the log that the server writes to")
        self.assertEqual(self.ask(environment)[0], 200)
        self.server.kill()
        names = [row["BaselineName"] for row in self.ask(self.restart())[1]["BaselineIdentities"]]
        self.assertLessEqual({"kept-0", "kept-1", "kept-2"}, set(names))

    def test_another_name(self):
        plain = self.restart()
        port = urllib.parse.urlsplit(plain["BELAY_URL"]).port
        with self.assertRaises(urllib.error.URLError):
            health(f"https://127.0.0.2:{port}", plain["BELAY_CA"])
        activation = json.loads(self.server.belay("activation", "create", "--name", "n", "-o", "json").stdout)
        named = self.restart("--name", "127.0.0.2", "--name", "belay.example")
        self.assertTrue(named["BELAY_URL"].startswith("https://127.0.0.2:"), named)
        self.assertEqual(health(named["BELAY_URL"], named["BELAY_CA"]), 200)
        self.assertEqual(self.ask(named)[0], 200)
        with tempfile.TemporaryDirectory(prefix="belay-agent-") as state:
            enrolled = subprocess.run(
                [binary("belay-agent"), "enroll", "--server", named["BELAY_URL"], "--activation-id", activation["ActivationId"],
                 "--activation-code", activation["ActivationCode"], "--ca", named["BELAY_CA"], "--state", state],
                capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(enrolled.returncode, 0, enrolled.stderr)
        plain = self.restart()  # the names changed back: so did the certificate
        port = urllib.parse.urlsplit(plain["BELAY_URL"]).port
        refused = subprocess.run(
            [binary("belay-agent"), "enroll", "--server", f"https://127.0.0.2:{port}", "--activation-id", activation["ActivationId"],
             "--activation-code", "x", "--ca", plain["BELAY_CA"], "--state", str(self.server.data / "none")],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("belayd --name", refused.stderr)

    def test_a_new_store_learns_the_credentials_of_the_file(self):
        first = self.restart()
        self.assertEqual(self.server.stop(), 0)
        for path in self.server.data.glob("belay.db*"):
            path.unlink()
        again = self.restart()
        self.assertEqual(again["BELAY_TOKEN"], first["BELAY_TOKEN"])
        self.assertEqual(self.ask(again)[0], 200)

    def test_a_deleted_file_revokes_what_it_held(self):
        first = self.restart()
        self.assertEqual(self.server.stop(), 0)
        (self.server.data / "admin.env").unlink()
        second = self.restart()
        self.assertNotEqual(second["BELAY_TOKEN"], first["BELAY_TOKEN"])
        self.assertEqual(self.ask(second)[0], 200)
        stolen = {**second, "BELAY_TOKEN": first["BELAY_TOKEN"]}
        status, refusal = self.ask(stolen)
        self.assertEqual(status, 400)
        self.assertIn(b"UnrecognizedClientException", refusal)
        actions = [entry["Action"] for entry in self.ask(second, "ListAudit")[1]["Entries"]]
        self.assertEqual(actions.count("belay:RevokeAdministrator"), 2, actions)

    def test_a_wrong_command_line(self):
        for words in ([], ["--data"], ["--bogus"], ["--data", "x", "--name", "https://belay.example"]):
            with self.subTest(words):
                done = subprocess.run([binary("belayd"), *words], capture_output=True, text=True, timeout=30, check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertNotEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main()
