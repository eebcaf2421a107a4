"""What was tested is what ships: a change set's files, given by one real agent and fetched by another whose archive has moved on."""
import hashlib
import json
import os
import sqlite3
import unittest

from tests.api.support import BotoTestCase
from tests.support.binaries import wait_until
from tests.support.real_agent import RealAgent
from tests.support.scripted_node import offer, package

ENDED = ("Success", "Failed", "Cancelled", "TimedOut")


def content(name, version):
    """What a file of the rehearsal's archive holds."""
    return f"{name} {version}\n".encode()


def on_offer(name, version):
    return offer(name, version, priority="required", sha256=hashlib.sha256(content(name, version)).hexdigest(),
                 size_bytes=len(content(name, version)))


class PackagePool(BotoTestCase):
    def agent(self, name, *offers):
        library = offers[0]["name"]
        return self.enterContext(RealAgent(self.server, name, [package(library, "1")], [on_offer(library, "1"), *offers]))

    def archive_moves_on(self, agent, library):
        """The next version is there, and the one before is gone."""
        state = json.loads(agent.packages.read_text())
        state["offers"]["offers"] = [on_offer(library, "3")]
        agent.packages.write_text(json.dumps(state))

    def change_set(self, *agents):
        wanted = {"Name": "library", "InstanceIds": [agent.node_id for agent in agents]}
        answers = []

        def made_it():  # a node's first scan is judged when its sets have come
            answers[:] = self.post("CreateChangeSet", wanted)
            return answers[0] == 200
        self.assertTrue(wait_until(made_it), answers)
        made = answers[1]
        self.change_set = made["ChangeSet"]["ChangeSetId"]
        self.assertTrue(wait_until(lambda: self.seen()["ChangeSet"]["Status"] != "Planning"), self.seen())
        self.assertEqual(self.seen()["ChangeSet"]["Status"], "Ready", self.seen())

    def seen(self):
        return self.post("GetChangeSet", {"ChangeSetId": self.change_set})[1]

    def wait_for_pool(self, *agents):
        self.assertTrue(wait_until(lambda: self.seen()["Pool"]["Status"] == "Complete"),
                        json.dumps(self.seen()["Pool"]) + "".join(agent.log_text() for agent in agents))

    def apply(self, agent, seconds=120):
        sent = self.ssm.send_command(DocumentName="Belay-ApplyChangeSet", InstanceIds=[agent.node_id], Parameters={"ChangeSetId": [self.change_set]})
        command = sent["Command"]["CommandId"]

        def invocation():
            return self.ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"][0]
        self.assertTrue(wait_until(lambda: invocation()["Status"] in ENDED, seconds), agent.log_text())
        return invocation()["Status"], self.ssm.get_command_invocation(CommandId=command, InstanceId=agent.node_id)["StandardErrorContent"]

    def audited(self, action, file):
        return self.post("ListAudit", {"Action": action, "Resource": file["sha256"]})[1]["Entries"]

    def test_the_second_ring_installs_what_the_first_tested(self):
        tested = on_offer("libtested", "2")
        first, second = self.agent("first", tested), self.agent("second", tested)
        self.change_set(first, second)
        self.wait_for_pool(first, second)
        size = tested["size_bytes"]
        self.assertEqual(self.seen()["Pool"], {"Status": "Complete", "PackageCount": 1, "InPoolCount": 1, "SizeBytes": size})
        self.assertEqual(len(self.audited("node:fill-pool", tested)), 1, "once for the fleet")
        pool = self.post("DescribePool", {})[1]
        self.assertEqual(pool["LimitBytes"], 20 << 30)
        self.assertGreaterEqual(pool["StoredBytes"], size)
        self.assertEqual(self.apply(first), ("Success", ""))
        self.archive_moves_on(second, "libtested")
        self.assertEqual(self.apply(second), ("Success", ""))
        self.assertEqual(second.installed(), {"libtested": "2"}, "not the newer one that the archive has by now")
        self.assertIn("package pool: 1 of 1 file\n", self.server.belay("plan", "show", self.change_set).stdout)
        self.assertIn("package files that change sets name", self.server.belay("pool").stdout)

    @unittest.skipIf(os.environ.get("BELAY_TEST_STORE") == "postgresql", "the embedded store is what is tampered with")
    def test_what_neither_the_archive_nor_the_pool_has_is_refused_by_name(self):
        lost = on_offer("liblost", "2")
        agents = self.agent("early", lost), self.agent("late", lost)
        self.change_set(*agents)
        self.wait_for_pool(*agents)
        with sqlite3.connect(self.server.data / "belay.db", timeout=30) as store:
            store.execute("DELETE FROM pool_chunks")
            store.execute("UPDATE pool_packages SET stored_bytes = 0, completed_at = NULL, uploader = '', touched_at = NULL")
        planner = self.seen()["Parts"][0]["PlannedBy"]  # it has the file in a cache of its own
        agent = next(one for one in agents if one.node_id != planner)
        self.archive_moves_on(agent, "liblost")
        status, errors = self.apply(agent)
        self.assertEqual(status, "Failed")
        self.assertIn("version_not_offered", errors)
        self.assertEqual(agent.installed(), {"liblost": "1"})

    @unittest.skipIf(os.environ.get("BELAY_TEST_STORE") == "postgresql", "the embedded store is what is tampered with")
    def test_a_file_that_was_swapped_in_the_store_is_not_installed(self):
        swapped = on_offer("libswapped", "2")
        agents = self.agent("careful", swapped), self.agent("careful-too", swapped)
        self.change_set(*agents)
        self.wait_for_pool(*agents)
        planner = self.seen()["Parts"][0]["PlannedBy"]  # it has the file in a cache of its own
        agent = next(one for one in agents if one.node_id != planner)
        with sqlite3.connect(self.server.data / "belay.db", timeout=30) as store:
            store.execute("UPDATE pool_chunks SET body = ? WHERE sha256 = ?", (b"libswapped 6\n", swapped["sha256"]))
        self.archive_moves_on(agent, "libswapped")
        status, errors = self.apply(agent)
        self.assertEqual(status, "Failed", errors)
        self.assertIn("signature_bad", errors)
        self.assertEqual(agent.installed(), {"libswapped": "1"})
