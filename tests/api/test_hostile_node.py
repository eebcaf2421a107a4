"""What an enrolled node may try: it is refused by name, nothing of it is stored, and the others go on."""
import hashlib
import json
import uuid

from tests.api.support import ApiTestCase
from tests.support.binaries import wait_until
from tests.support.scripted_node import now_text, offer, package

ROWS_TOO_MANY = 60_000  # a set holds 50,000 at most
HASH = "ab" * 32


class HostileNode(ApiTestCase):
    def setUp(self):
        self.node = self.new_node("hostile", [package("bash", "5.2-1")], [offer("bash", "5.2-1")])

    def say(self, kind, body):
        """The first message in answer, or the HTTP error."""
        status, reply = self.node.post("/agent/v1/exchange", {"messages": [self.node.message(kind, body)]})
        return reply["messages"][0] if status == 200 else {"type": "http", "body": {"status": status, **reply}}

    def assert_refused(self, kind, body, word):
        answer = self.say(kind, body)
        self.assertIn(answer["type"], ("refused", "http"), answer)
        self.assertIn(word, json.dumps(answer))

    def scan_report(self, **changes):
        return {"scan_id": str(uuid.uuid4()), "order_id": "", "observed_at": now_text(), "package_set_hash": HASH, "offer_set_hash": HASH,
                "packages": 1, "offers": 1, "held": [], "repositories": [], "problems": [], "facts": self.node.facts, **changes}

    def newest_scan(self):
        return self.post("GetNode", {"InstanceId": self.node.node_id})[1]["Node"]["NewestScan"]["ScanId"]

    def test_what_it_plans_is_held_against_the_offers(self):
        """Else a file of its own would come to every node with the same packages, as root, from the pool."""
        node = self.new_node("planner", [package("zsh", "1-1")], [offer("zsh", "1-1"), offer("zsh", "1-2")]).live()
        self.addCleanup(node.stop)
        rows = {"a version that nobody offers": ({"name": "zsh", "from_version": "1-1", "to_version": "6-6"}, "Failed"),
                "a package that nobody knows": ({"name": "evil", "from_version": "", "to_version": "1"}, "Ready")}
        for what, (line, status) in rows.items():
            with self.subTest(what):
                node.pulls_in = [{"arch": "amd64", "sha256": "ef" * 32, "size_bytes": 7, **line}]
                made = self.post("CreateChangeSet", {"Name": "planned", "InstanceIds": [node.node_id]})[1]["ChangeSet"]["ChangeSetId"]
                planned = lambda: self.post("GetChangeSet", {"ChangeSetId": made})[1]  # noqa: B023
                self.assertTrue(wait_until(lambda: planned()["ChangeSet"]["Status"] != "Planning"), planned())  # noqa: B023
                self.assertEqual(planned()["ChangeSet"]["Status"], status, planned())
                if status == "Failed":
                    self.assertIn("do not offer", planned()["ChangeSet"]["StatusDetails"])
                    continue
                sums = {change["Name"]: change["Sha256"] for part in planned()["Parts"] for change in part["Changes"]}
                self.assertEqual(sums["evil"], "", "nothing vouches for that file")

    def test_what_it_may_not_say(self):
        before = self.newest_scan()
        controls = {**self.node.facts, "computer_name": "a\u001b[31mb"}
        rows = [
            ("facts_report", {"facts": controls}, "control characters"),
            ("facts_report", {"facts": {**self.node.facts, "computer_name": "x" * 300}}, "longer"),
            ("facts_report", {"facts": {**self.node.facts, "addresses": ["192.0.2.1"] * 5000}}, "more than"),
            ("scan_report", self.scan_report(package_set_hash="../../etc/passwd"), "hash"),
            ("scan_report", self.scan_report(packages=2**31), "packages"),
            ("scan_report", self.scan_report(held=["a\u0000b"]), ""),
            ("package_set_upload", {"hash": HASH, "set": {"format": "deb", "packages": [package("bash", "5")]}}, "hash"),
            ("package_set_upload", {"hash": HASH, "set": {"format": "deb", "packages": [package(f"p{i}", "1") for i in range(ROWS_TOO_MANY)]}}, ""),
            ("offer_set_upload", {"hash": HASH, "set": {"format": "exe", "offers": []}}, ""),
            ("order_result", {"order_id": str(uuid.uuid4()), "outcome": "success", "exit_code": 0, "started_at": now_text(), "finished_at": now_text(),
                              "standard_output": "", "standard_error": "", "problems": []}, "not this node's"),
            ("make_me_admin", {}, "not known here"),
        ]
        for kind, body, word in rows:
            with self.subTest(kind=kind, word=word):
                self.assert_refused(kind, body, word)
        self.assertEqual(self.newest_scan(), before, "a refused report was kept")
        names = {row["InstanceId"]: row["ComputerName"] for row in self.post("DescribeInstanceInformation", {})[1]["InstanceInformationList"]}
        self.assertEqual(names[self.node.node_id], "hostile")
        self.node.scan()  # and it may go on

    def test_envelopes(self):
        facts = {"facts": self.node.facts}
        for identity in ("a\x01b", "a b", "ä"):
            _, reply = self.node.post("/agent/v1/exchange", {"messages": [self.node.message("facts_report", facts, identity)]})
            self.assertIn("no id has", json.dumps(reply))
        status, reply = self.node.post("/agent/v1/exchange", {"messages": [self.node.message("ack", {"ids": ["x"]})] * 5000})
        self.assertEqual(status, 400, reply)
        self.assertIn("messages has more than", reply["message"])

    def upload_of_a_million(self, row):
        """The bytes of an upload whose hash is right, and that hash."""
        rows = b'{"format":"deb","packages":[' + b",".join([row] * 1_000_000) + b"]}"
        name = hashlib.sha256(rows).hexdigest()
        head = json.dumps(self.node.message("package_set_upload", {"hash": name, "set": 0})).encode()
        return b'{"messages":[' + head.replace(b'"set": 0', b'"set": ' + rows) + b"]}", name

    def test_a_list_of_a_million_rows(self):
        before = self.newest_scan()
        too_long, _ = self.upload_of_a_million(b'{"name":"a","arch":"b","version":"1"}')
        try:  # over the message's bound: it may be cut off while it is still sending
            status, reply = self.node.post("/agent/v1/exchange", too_long)
            self.assertEqual(status, 413, str(reply)[:300])
        except OSError:
            pass
        within, name = self.upload_of_a_million(b'{"name":"a"}')
        status, reply = self.node.post("/agent/v1/exchange", within)
        self.assertIn("more than 50000 entries", json.dumps(reply), f"{status} {str(reply)[:300]}")
        self.assertEqual(self.newest_scan(), before)
        answers = self.node.exchange(self.node.message("scan_report", self.scan_report(package_set_hash=name)))
        needed = [each for answer in answers if answer["type"] == "need_sets" for each in answer["body"]["package_set_hashes"]]
        self.assertEqual(needed, [name], "the set was kept")
        self.node.scan()

    def test_what_enrols_is_checked_by_name(self):
        for field, text in (("activation_id", "\0"), ("activation_id", "x" * 5000), ("activation_code", "a\x1b[31m"), ("activation_code", "ä")):
            body = {"activation_id": str(uuid.uuid4()), "activation_code": "wrong", "csr_pem": "zz", "agent_version": "1", "facts": self.node.facts}
            status, reply = self.node.post("/agent/v1/enroll", {**body, field: text}, False)
            self.assertEqual(status, 400, reply)
            self.assertIn(field, reply["message"])
            self.assertNotIn(text, reply["message"])

    def test_invalid_text_and_depth(self):
        message = json.dumps({"messages": [self.node.message("facts_report", {"facts": self.node.facts})]}).encode()
        for body in (message.replace(b"hostile", b"\xff\xfe"), b"{", b"[]", b'{"messages":' + b"[" * 3000, b""):
            with self.subTest(body=body[:30]):
                status, reply = self.node.post("/agent/v1/exchange", body)
                self.assertIn(status, (400, 401), reply)

    def test_another_nodes_order_and_name(self):
        other = self.new_node("victim", [package("bash", "5.2-1")], [offer("bash", "5.2-1")])
        sent = self.post("SendCommand", {"DocumentName": "AWS-RunShellScript", "InstanceIds": [other.node_id],
                                         "Parameters": {"commands": ["true"]}})[1]["Command"]["CommandId"]
        order = None
        while order is None:
            other.hello()
            order = next((m for m in other.exchange() if m["type"] == "signed_order"), None)
        identity = json.loads(order["body"]["payload"])["order_id"]
        self.assert_refused("order_result", {"order_id": identity, "outcome": "success", "exit_code": 0, "started_at": now_text(),
                                             "finished_at": now_text(), "standard_output": "forged", "standard_error": "", "problems": []},
                            "not this node's")
        invocation = self.post("GetCommandInvocation", {"CommandId": sent, "InstanceId": other.node_id})[1]
        self.assertNotIn(invocation["Status"], ("Success", "Failed"))
        self.assertNotIn("forged", json.dumps(invocation))

    def test_a_certificate_is_needed(self):
        for path in ("/agent/v1/exchange", "/agent/v1/renew"):
            status, reply = self.node.post(path, {"messages": []}, with_certificate=False)
            self.assertEqual(status, 401, reply)
