"""belayd is killed under load, again and again: whatever it acknowledged is there, and what was under way goes on."""
import http.client
import random
import threading
import time

from tests.api.support import ApiTestCase
from tests.support.binaries import wait_until

KILLS = 6
CLIENTS = 4
SEED = 20261124


class Client(threading.Thread):
    """Writes as fast as it is answered and remembers what was acknowledged. While the server is away it comes again."""

    def __init__(self, test, number, node):
        super().__init__(daemon=True)
        self.test, self.number, self.node = test, number, node
        self.stop = threading.Event()
        self.baselines, self.commands = set(), set()
        self.tag_acknowledged = self.tag_tried = 0
        self.refused = []

    def ask(self, operation, request):
        """The answer, or None where it is not known what became of the request."""
        try:
            status, reply = self.test.post(operation, request)
        except (OSError, http.client.HTTPException):
            self.stop.wait(0.02)
            return None
        if status == 200:
            return reply
        if status < 500:
            self.refused.append((operation, status, reply))
        return None

    def run(self):
        turn = 0
        while not self.stop.is_set():
            turn += 1
            made = self.ask("CreatePatchBaseline", {"Name": f"kill-{self.number}-{turn}", "OperatingSystem": "DEBIAN"})
            if made:
                self.baselines.add(made["BaselineId"])
            self.tag_tried = turn
            if self.ask("AddTagsToResource", {"ResourceType": "ManagedInstance", "ResourceId": self.node.node_id,
                                              "Tags": [{"Key": f"turn-{self.number}", "Value": str(turn)}]}) is not None:
                self.tag_acknowledged = turn
            sent = self.ask("SendCommand", {"DocumentName": "AWS-RunShellScript", "InstanceIds": [self.node.node_id],
                                            "Parameters": {"commands": [f"echo {self.number} {turn}"]}}) if turn % 5 == 1 else None
            if sent:
                self.commands.add(sent["Command"]["CommandId"])


class Killed(ApiTestCase):
    def test_nothing_acknowledged_is_lost(self):
        chance = random.Random(SEED)
        nodes = [self.new_node(f"worker-{i}") for i in range(2)]
        clients = [Client(self, i, nodes[i % len(nodes)]) for i in range(CLIENTS)]
        for each in nodes:
            each.live()
        for each in clients:
            each.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.2))
            self.server.kill()
            self.server.start()
        time.sleep(0.5)
        for each in clients:
            each.stop.set()
        for each in clients:
            each.join(60)
        self.assertEqual([each.refused for each in clients], [[]] * CLIENTS)
        self.check(clients)
        for each in nodes:
            each.stop()

    def everything(self, operation, member, request):
        rows, token = [], None
        while True:
            status, reply = self.post(operation, {**request, **({"NextToken": token} if token else {})})
            self.assertEqual(status, 200, reply)
            rows += reply[member]
            token = reply.get("NextToken")
            if not token:
                return rows

    def check(self, clients):
        written = sum(len(each.baselines) + len(each.commands) + each.tag_acknowledged for each in clients)
        print(f"seed {SEED}: {written} acknowledged writes over {KILLS} kills", flush=True)
        self.assertGreater(written, 50)
        kept = {row["BaselineId"] for row in self.everything("DescribePatchBaselines", "BaselineIdentities", {"MaxResults": 100})}
        commands = {each for client in clients for each in client.commands}
        for each in clients:
            self.assertEqual(each.baselines - kept, set(), "acknowledged, and lost")
            tags = self.post("ListTagsForResource", {"ResourceType": "ManagedInstance", "ResourceId": each.node.node_id})[1]["TagList"]
            value = int({tag["Key"]: tag["Value"] for tag in tags}.get(f"turn-{each.number}", "0"))
            self.assertIn(value, range(each.tag_acknowledged, each.tag_tried + 1), "older than what was acknowledged")

        def statuses():
            return {row["CommandId"]: row["Status"] for row in self.everything("ListCommands", "Commands", {"MaxResults": 50})}
        self.assertTrue(commands)
        self.assertEqual(commands - set(statuses()), set(), "acknowledged, and lost")
        self.assertTrue(wait_until(lambda: set(statuses().values()) == {"Success"}, 60), statuses())
        intact = self.post("VerifyAudit", {})[1]
        self.assertTrue(intact["Intact"], intact)
