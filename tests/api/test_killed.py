"""belayd is killed under load, again and again: whatever it acknowledged is there, and what was under way goes on."""
import hashlib
import http.client
import random
import threading
import time

from tests.api.support import ApiTestCase
from tests.support.binaries import wait_until
from tests.support.scripted_node import ScriptedNode, canonical, package

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


class Newcomer(threading.Thread):
    """Enrols machines, and lets each report scans, as fast as it is answered."""

    def __init__(self, test, number):
        super().__init__(daemon=True)
        self.test, self.number = test, number
        self.stop = threading.Event()
        self.enrolled, self.tried, self.scanned, self.odd = {}, {}, {}, []

    def run(self):
        turn = 0
        while not self.stop.is_set():
            turn += 1
            name = f"newcomer-{self.number}-{turn}"
            try:
                status, made = self.test.post("CreateActivation", {"IamRole": "r", "DefaultInstanceName": name})
                if status != 200:
                    raise ConnectionError(made)
                node = ScriptedNode(self.test.server, name)
                self.test.addCleanup(node.__exit__)
                node.enroll(made["ActivationId"], made["ActivationCode"])
                self.enrolled[node.node_id] = name
                node.hello()
                for version in range(3):  # a package set that nobody else has
                    node.installed = [package("bash", f"5.{self.number}.{turn}.{version}")]
                    self.tried[node.node_id] = hashlib.sha256(canonical(node.package_set()).encode()).hexdigest()
                    node.scan()
                    self.scanned[node.node_id] = self.tried[node.node_id]
            except (OSError, http.client.HTTPException, RuntimeError):
                self.stop.wait(0.02)  # it is not known what became of it
            except ValueError as error:
                self.odd.append(repr(error))


class Killed(ApiTestCase):
    def test_no_machine_and_no_scan_is_lost(self):
        chance = random.Random(SEED + 1)
        newcomers = [Newcomer(self, i) for i in range(3)]
        for each in newcomers:
            each.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.3, 1.2))
            self.server.kill()
            self.server.start()
        wait_until(lambda: all(each.scanned for each in newcomers))
        self.server.kill()
        for each in newcomers:
            each.stop.set()
        for each in newcomers:
            each.join(90)
        self.server.start()
        self.assertEqual([each.odd for each in newcomers], [[]] * len(newcomers), "refused, though nothing was wrong with it")
        enrolled = {node: name for each in newcomers for node, name in each.enrolled.items()}
        scanned = {node: {told, each.tried[node]} for each in newcomers for node, told in each.scanned.items()}
        print(f"seed {SEED + 1}: {len(enrolled)} machines enrolled, {len(scanned)} of them scanned, over {KILLS + 1} kills", flush=True)
        self.assertGreaterEqual(len(scanned), len(newcomers))
        kept = {row["InstanceId"]: row["ComputerName"] for row in
                self.everything("DescribeInstanceInformation", "InstanceInformationList", {"MaxResults": 50})}
        self.assertEqual(set(enrolled) - set(kept), set(), "enrolled, and lost")
        for node, newest in scanned.items():
            found = self.post("GetNode", {"InstanceId": node})[1]["Node"].get("NewestScan", {})
            self.assertIn(found.get("PackageSetHash"), newest, "older than the scan that was acknowledged")

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
