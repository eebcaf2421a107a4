"""belayd on PostgreSQL while the database goes away and comes back: it says so, loses nothing, and goes on by itself."""
import json
import subprocess
import unittest

from tests.api.support import ApiTestCase
from tests.support.binaries import Server, binary, wait_until
from tests.support.postgres import NoPostgres, PrivatePostgres


class DatabaseAway(ApiTestCase):
    @classmethod
    def setUpClass(cls):
        try:
            binary("belayd")
            cls.cluster = PrivatePostgres()
            cls.cluster.start()
        except (FileNotFoundError, NoPostgres) as error:
            raise unittest.SkipTest(str(error)) from None
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.database = cls.cluster.new_database()
        cls.server = Server(arguments=["--database", cls.database])
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.start()

    def health(self):
        status, _, body = self.send("GET", "/healthz")
        return status, body["status"]

    def logged(self, event):
        rows = [json.loads(line) for line in self.server.log_text().splitlines() if line.startswith("{")]
        return [row for row in rows if row.get("event") == event]

    def test_it_goes_away_and_comes_back(self):
        node = self.new_node("patient").live()
        self.assertEqual(self.health(), (200, "ok"))
        kept = self.post("CreatePatchBaseline", {"Name": "before"})[1]["BaselineId"]
        self.cluster.stop()
        self.assertTrue(wait_until(lambda: self.health() == (503, "store unavailable"), 30))
        status, reply = self.post("CreatePatchBaseline", {"Name": "during"})
        self.assertEqual((status, reply["__type"]), (503, "ServiceUnavailableException"), self.server.log_text()[-2000:])
        self.assertIn("PostgreSQL cannot be reached", reply["message"])
        self.assertTrue(wait_until(lambda: self.logged("engine-cannot-work"), 30))
        self.assertIsNone(self.server.process.poll(), "it must outlive its database")

        self.cluster.start()
        self.assertTrue(wait_until(lambda: self.health() == (200, "ok"), 30))
        self.assertTrue(wait_until(lambda: self.logged("engine-works-again"), 30))
        self.assertLessEqual(len(self.logged("engine-cannot-work")), 3, "said once, then each minute")
        self.assertEqual(self.post("GetPatchBaseline", {"BaselineId": kept})[0], 200)
        names = {row["BaselineName"] for row in self.post("DescribePatchBaselines", {"MaxResults": 100})[1]["BaselineIdentities"]}
        self.assertNotIn("during", names, "refused, so nothing was stored")
        sent = self.post("SendCommand", {"DocumentName": "AWS-RunShellScript", "InstanceIds": [node.node_id],
                                         "Parameters": {"commands": ["true"]}})[1]["Command"]["CommandId"]
        self.assertTrue(wait_until(lambda: self.post("ListCommands", {"CommandId": sent})[1]["Commands"][0]["Status"] == "Success", 60))
        self.assertTrue(self.post("VerifyAudit", {})[1]["Intact"])
        node.stop()

    def test_a_start_without_it_says_so(self):
        other = Server(arguments=["--database", "host=/nonexistent dbname=belay"])
        self.addCleanup(other.__exit__)
        done = subprocess.run([binary("belayd"), "--data", str(other.data), "--listen", "127.0.0.1:0", *other.arguments],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("cannot open the store in PostgreSQL", done.stderr)
        self.assertIn("/nonexistent", done.stderr)
