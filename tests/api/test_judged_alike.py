"""What is said of a node is the same wherever it is asked, and its evidence stands in the audit log: the status page, `belay
compliance`, SSM's summaries and items, after a default, a rule or a tag was changed and no node scanned again."""
import base64
import http.client
import json
import re
import time

from tests.api.support import ApiTestCase
from tests.support.binaries import wait_until
from tests.support.scripted_node import offer, package

INSTALLED = [package("openssl", "3.0.1-1"), package("bash", "5.2-1")]
PATCHED = [package("openssl", "3.0.2-1"), package("bash", "5.2-1")]
OFFERS = [offer("openssl", "3.0.2-1"), offer("bash", "5.2-1", security=False)]
ALL = {"PatchRules": [{"PatchFilterGroup": {"PatchFilters": [{"Key": "PRIORITY", "Values": ["*"]}]}, "ApproveAfterDays": 0}]}
WORDS = {"Compliant": "COMPLIANT", "Non-compliant": "NON_COMPLIANT", "Unknown": "UNKNOWN"}


class JudgedAlike(ApiTestCase):
    def ask(self, operation, **request):
        status, reply = self.post(operation, request)
        self.assertEqual(status, 200, reply)
        return reply

    def page(self):
        """{node id: verdict} as the status page shows them, and its three tiles."""
        token = base64.b64encode(f"any:{self.server.env['BELAY_TOKEN']}".encode()).decode()
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.tls(), timeout=60)
        connection.request("GET", "/", headers={"Authorization": f"Basic {token}"})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        self.assertEqual(response.status, 200, text)
        rows = {}
        for row in re.findall(r"<tr>.*?</tr>", text, re.S):
            node, verdict = re.search(r"mi-[0-9a-f]{17}", row), re.search(r'class="badge (?:good|bad|unknown)">([^<]+)<', row)
            if node and verdict:
                rows[node.group()] = WORDS[verdict.group(1)]
        return rows

    def agreed(self, expected):
        """Page, command line and summaries say what is expected: {node id: status}."""
        done = self.server.belay("compliance", "-o", "json")
        told = {row["InstanceId"]: row["Status"] for row in json.loads(done.stdout)["NodeCompliance"]}
        self.assertEqual(told, expected)
        self.assertEqual(self.page(), expected)
        summary = [s for s in self.ask("ListComplianceSummaries")["ComplianceSummaryItems"] if s["ComplianceType"] == "Patch"][0]
        self.assertEqual(summary["CompliantSummary"]["CompliantCount"], list(expected.values()).count("COMPLIANT"))

    def test_page_command_line_and_summaries(self):
        behind, well = self.new_node("behind", INSTALLED, OFFERS), self.new_node("well", PATCHED, OFFERS)
        mine = self.ask("CreatePatchBaseline", Name="mine", OperatingSystem="DEBIAN", ApprovalRules=ALL)["BaselineId"]
        strict = self.ask("CreatePatchBaseline", Name="strict", OperatingSystem="DEBIAN", RejectedPatches=["bash"],
                          RejectedPatchesAction="BLOCK", ApprovalRules=ALL)["BaselineId"]
        self.ask("RegisterDefaultPatchBaseline", BaselineId=mine)
        self.agreed({behind.node_id: "NON_COMPLIANT", well.node_id: "COMPLIANT"})
        self.ask("RegisterDefaultPatchBaseline", BaselineId=strict)
        self.agreed({behind.node_id: "NON_COMPLIANT", well.node_id: "NON_COMPLIANT"})
        self.ask("UpdatePatchBaseline", BaselineId=strict, RejectedPatches=[], ApprovalRules={"PatchRules": []})
        self.agreed({behind.node_id: "COMPLIANT", well.node_id: "COMPLIANT"})
        self.ask("RegisterPatchBaselineForPatchGroup", BaselineId=mine, PatchGroup="web")
        self.ask("AddTagsToResource", ResourceType="ManagedInstance", ResourceId=behind.node_id, Tags=[{"Key": "PatchGroup", "Value": "web"}])
        self.agreed({behind.node_id: "NON_COMPLIANT", well.node_id: "COMPLIANT"})
        self.evidence_of(behind, mine, "non_compliant")
        self.as_of_then(behind, well)

    def evidence_of(self, node, baseline, compliance):
        """The hash of items and evidence is one, stays, and an entry of the audit log tells it."""
        def source():
            return self.ask("GetNodeEvidence", InstanceId=node.node_id)["Evidence"]
        self.assertTrue(wait_until(lambda: "EvidenceSha256" in source()), source())
        kept = source()["EvidenceSha256"]
        time.sleep(1.1)  # the ages that are shown beside it are in seconds
        self.assertEqual(source()["EvidenceSha256"], kept)
        items = self.ask("ListComplianceItems", ResourceIds=[node.node_id])["ComplianceItems"]
        self.assertEqual({item["Details"]["EvidenceSha256"] for item in items}, {kept})
        self.assertEqual({item["Details"]["PatchBaselineId"] for item in items}, {baseline})
        told = [json.loads(entry["Detail"]) for entry in self.ask("ListAudit", Action="fleet:judge", MaxResults=1000)["Entries"]]
        self.assertTrue(told)
        self.assertIn(1, [entry[compliance] for entry in told])
        verified = self.ask("VerifyAudit", Evidence=True)
        self.assertTrue(verified["Intact"], verified)
        self.assertGreaterEqual(verified["VerdictsChecked"], 2)

    def as_of_then(self, behind, well):
        """What was is not better because a node was taken out of the fleet."""
        then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
        time.sleep(2)
        self.assertEqual(self.server.belay("nodes", "remove", behind.node_id).returncode, 0)
        for words in ((), ("all",), ("behind", "well"), (behind.node_id, "well")):
            done = self.server.belay("compliance", *words, "--as-of", then, "-o", "json")
            told = {row["InstanceId"]: row["Status"] for row in json.loads(done.stdout)["NodeCompliance"]}
            self.assertEqual((told, done.returncode), ({behind.node_id: "NON_COMPLIANT", well.node_id: "COMPLIANT"}, 9), words)
        self.assertIn("NON_COMPLIANT", self.server.belay("compliance", "behind", "--as-of", then).stdout)
        self.assertEqual(list(self.page()), [well.node_id])
        for words, status, text in ((("tag:PatchGroup=web", "--as-of", then), 2, "tags"),
                                    (("--type", "Patch", "--as-of", then), 2, "--as-of"),
                                    (("--type", "Bogus"), 2, "Custom:"),
                                    (("--type", "Custom:Nothing"), 3, "Custom:Nothing"),
                                    (("--as-of", "2020-01-01T00:00:00Z"), 3, "2020-01-01"),
                                    (("nobody", "--as-of", then), 3, "nobody")):
            done = self.server.belay("compliance", *words)
            self.assertEqual((done.returncode, done.stdout), (status, ""), (words, done.stderr))
            self.assertIn(text, done.stderr, words)
