"""GET /metrics: what an operator watches, in Prometheus' text format, on the machine itself only."""
import re

from tests.api.support import ApiTestCase
from tests.support.binaries import wait_until
from tests.support.scripted_node import offer, package

LINE = re.compile(r'^[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? [0-9.]+$')


class Metrics(ApiTestCase):
    def read(self):
        status, headers, text = self.send("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn("version=0.0.4", headers["Content-Type"])
        return text

    def samples(self):
        return dict(line.rsplit(" ", 1) for line in self.read().splitlines() if not line.startswith("#"))

    def test_the_format(self):
        text = self.read()
        kinds = re.findall(r"^# TYPE ([a-z_]+) (counter|gauge|histogram)$", text, re.MULTILINE)
        self.assertEqual(len(kinds), len({name for name, _ in kinds}), "a name is described once")
        names = tuple(name for name, _ in kinds)
        for line in text.splitlines():
            if not line.startswith(("# TYPE ", "# HELP ")):
                self.assertRegex(line, LINE)
                self.assertTrue(line.startswith(names), line)

    def test_requests(self):
        self.post("ListCommands", {})
        before = self.samples()
        self.post("ListCommands", {})
        self.post("ListCommands", {"MaxResults": 51})
        for nonsense in ("NoSuchOperation", "a" * 300, 'x"y\n'.encode().hex()):
            self.post(nonsense, {})
        after = self.samples()

        def grown(name):
            return float(after[name]) - float(before.get(name, 0))
        self.assertEqual(grown('belay_requests_total{operation="ListCommands",status="200"}'), 1)
        self.assertEqual(grown('belay_requests_total{operation="ListCommands",status="400"}'), 1)
        self.assertEqual(grown('belay_requests_total{operation="unknown",status="400"}'), 3)
        self.assertEqual(grown("belay_request_duration_seconds_count"), 5)
        self.assertEqual(after['belay_request_duration_seconds_bucket{le="+Inf"}'], after["belay_request_duration_seconds_count"])
        self.assertFalse([name for name in after if "NoSuchOperation" in name or "aaa" in name], "labels are bounded")
        self.assertGreater(grown('belay_store_transactions_total{kind="read"}'), 0)

    def test_orders_executions_sessions_and_the_store(self):
        node = self.new_node("watched", [package("bash", "5.2-1")], [offer("bash", "5.2-1")])
        before = self.samples()
        self.post("SendCommand", {"DocumentName": "AWS-RunShellScript", "InstanceIds": [node.node_id], "Parameters": {"commands": ["true"]}})
        self.assertTrue(wait_until(lambda: float(self.samples()["belay_orders_queued"]) > float(before["belay_orders_queued"]), 60))
        between = self.samples()
        self.assertEqual(between['belay_executions_open{kind="command"}'], "1")
        advanced = 'belay_executions_advanced_total{kind="command"}'
        self.assertGreater(float(between[advanced]), float(before.get(advanced, 0)))
        self.assertIn('belay_executions_failed_total{kind="command"}', between)
        self.assertTrue(node.exchange())
        sent = "belay_orders_sent_total"
        self.assertTrue(wait_until(lambda: float(self.samples()[sent]) > float(before[sent]), 60))
        self.assertGreater(float(between["belay_store_bytes"]), 4096)
        for name in ("belay_links", "belay_polls", "belay_links_ungreeted", "belay_store_retries_total", "belay_orders_unacknowledged",
                     "belay_store_transactions_failed_total", "belay_nodes"):
            self.assertIn(name, between)
