"""The audit log under somebody who may write to the store: what `belay audit verify` proves, and what only a head that was written
down outside the server shows."""
import os
import sqlite3
import unittest

from tests.api.support import ApiTestCase
from tests.support.binaries import wait_until
from tests.support.scripted_node import offer, package

INSTALLED = [package("openssl", "3.0.1-1")]
OFFERS = [offer("openssl", "3.0.2-1")]


class Edited(ApiTestCase):
    @classmethod
    def setUpClass(cls):
        if os.environ.get("BELAY_TEST_STORE") == "postgresql":
            raise unittest.SkipTest("the edits are made in the file of the embedded store")
        super().setUpClass()

    def edit(self, *statements):
        """Behind the server's back."""
        self.server.stop()
        with sqlite3.connect(self.server.data / "belay.db") as store:
            for statement in statements:
                store.execute(statement)
        store.close()
        self.server.start()

    def verify(self, *words, status=0):
        done = self.server.belay("audit", "verify", *words)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def head(self):
        return [line for line in self.verify().splitlines() if line.startswith("the head is ")][0].removeprefix("the head is ")

    def test_heads_and_edits(self):
        self.new_node("web-1", INSTALLED, OFFERS)
        early, written_down = self.head(), None
        self.server.belay("activation", "create", "--name", "later")
        written_down = self.head()
        self.assertNotEqual(early, written_down)
        for head in (early, written_down):
            self.assertIn("the head that you gave is among them", self.verify("--head", head, "--evidence"))
        sequence, digest = written_down.split(":")
        self.assertTrue(self.logged_head(written_down))
        self.verify("--head", f"{int(sequence) + 1}:{digest}", status=10)
        self.verify("--head", f"{int(sequence) - 1}:{digest}", status=10)
        for words in ("7", "7:xyz", "x:" + digest, "0:" + digest, digest):
            self.assertIn("--head", self.server.belay("audit", "verify", "--head", words).stderr)

        # Scans moved in time: the evidence tells.
        self.edit("UPDATE scans SET observed_at = observed_at - 7")
        self.verify()
        self.assertIn("BROKEN", self.verify("--evidence", status=10))
        self.edit("UPDATE scans SET observed_at = observed_at + 7")
        self.verify("--evidence")

        # A tail that was cut off with the log's own note of it: the chain fits, and only the head of before tells.
        cut = int(early.split(":")[0])
        self.edit(f"DELETE FROM audit WHERE sequence > {cut}",
                  f"UPDATE audit_head SET sequence = {cut}, hash = (SELECT hash FROM audit WHERE sequence = {cut})")
        self.verify("--head", early)
        self.assertIn("BROKEN at entry " + sequence, self.verify("--head", written_down, status=10))

        # A verdict that was made better.
        self.edit("UPDATE verdicts SET compliance = 'compliant'")
        self.assertIn("verdict 1", self.verify(status=10))

    def logged_head(self, head):
        """The server's own log names the head when it starts."""
        self.server.stop()
        self.server.start()
        return wait_until(lambda: any("audit-head" in line and head in line for line in self.server.log_text().splitlines()))
