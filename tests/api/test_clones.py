"""Two machines with one identity: seen, shown over API and command line, and settled by an operator."""
from tests.api.support import ApiTestCase
from tests.support.binaries import wait_until


class Clones(ApiTestCase):
    def clones(self):
        status, reply = self.post("DescribeClonedNodes", {})
        self.assertEqual(status, 200, reply)
        return {clone["InstanceId"]: clone for clone in reply["ClonedNodes"]}

    def make_doubt(self, original, copy):
        for machine in (original, copy, original):  # the first nonce comes back: both are alive
            machine.hello()
        self.assertTrue(wait_until(lambda: original.node_id in self.clones(), 20))

    def test_seen_shown_and_settled(self):
        node = self.new_node("twin")
        self.assertNotIn(node.node_id, self.clones())
        copy = node.copy("twin")
        self.make_doubt(node, copy)
        self.assertIn("IPAddress", self.clones()[node.node_id])
        listed = self.server.belay("nodes")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertIn("cloned?", listed.stdout)
        self.assertIn(f"belay nodes settle {node.node_id}", listed.stderr)
        self.assertIn("enrol it anew", listed.stderr)
        status, node_details = self.post("GetNode", {"InstanceId": node.node_id})
        self.assertEqual(status, 200)
        self.assertIn("CloneSuspectedDate", node_details["Node"])

        # It gets no orders while it is in doubt, and gets them once that is settled.
        sent = self.post("SendCommand", {"DocumentName": "AWS-RunShellScript", "InstanceIds": [node.node_id],
                                         "Parameters": {"commands": ["true"]}})[1]["Command"]
        node.live()
        held = "belay_orders_held_back_total 0"
        self.assertTrue(wait_until(lambda: held not in self.send("GET", "/metrics")[2], 20))
        self.assertEqual(node.orders, [])
        settled = self.server.belay("nodes", "settle", "twin")
        self.assertEqual((settled.returncode, settled.stderr), (0, ""))
        self.assertIn(f"settled {node.node_id}", settled.stdout)
        self.assertTrue(wait_until(lambda: self.post("ListCommands", {"CommandId": sent["CommandId"]})[1]["Commands"][0]["Status"] == "Success", 30))
        self.assertNotIn(node.node_id, self.clones())
        self.assertNotIn("cloned?", self.server.belay("nodes").stdout)
        self.assertIn("was not in doubt", self.server.belay("nodes", "settle", "twin").stdout)
        actions = [entry["Action"] for entry in self.post("ListAudit", {"Resource": node.node_id})[1]["Entries"]]
        self.assertEqual(actions.count("belay:SettleClonedNode"), 1)
        self.assertEqual(actions.count("node:clone-suspected"), 1)

    def test_the_copy_that_comes_back_is_seen_at_its_first_word(self):
        node = self.new_node("again")
        copy = node.copy("again")
        self.make_doubt(node, copy)
        self.assertEqual(self.post("SettleClonedNode", {"InstanceId": node.node_id})[0], 200)
        copy.hello()
        self.assertIn(node.node_id, self.clones())

    def test_what_the_server_saw_survives_its_restart(self):
        node = self.new_node("restart")
        copy = node.copy("restart")
        node.hello()
        copy.hello()
        self.server.kill()
        self.server.start()
        node.hello()
        self.assertIn(node.node_id, self.clones())

    def test_who_is_not_a_node(self):
        status, reply = self.post("SettleClonedNode", {"InstanceId": "mi-0123456789abcdef0"})
        self.assertEqual((status, reply["__type"]), (400, "InvalidInstanceId"))
