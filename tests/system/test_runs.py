"""A patch run on a booted host whose server is away: in its own scope, through restarts, reboots and power cuts."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

from lab import system
from lab.hosts import Host
from tests.system.case import LabCase

AGENT = system.BINARIES / "belay-agent"
STATE = "/var/lib/belay-agent"
UNIT = """[Service]
Type=exec
ExecStart=/usr/local/bin/belay-agent run --state /var/lib/belay-agent
Restart=always
KillMode=process
[Install]
WantedBy=multi-user.target
"""


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def make_identity() -> str:
    """A node that was enrolled at a server which is not there."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder) / "key", Path(folder) / "certificate"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=mi-0123456789abcdef0", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        return json.dumps({"format": 1, "server": "https://192.0.2.99:8443", "node_id": "mi-0123456789abcdef0",
                           "key_pem": key.read_text(), "certificate_pem": certificate.read_text(),
                           "ca_pem": certificate.read_text(), "order_public_key": base64.b64encode(bytes(32)).decode(),
                           "enrolled_at": iso(datetime.now(timezone.utc))})


class Runs(LabCase):
    lab_name = "truns"
    tools = ("openssl",)
    binaries = ("belay-agent",)

    def host(self, name: str) -> Host:
        host = self.lab.host(name)
        host.put(AGENT, "/usr/local/bin/belay-agent", 0o755)
        host.put_text("/etc/systemd/system/belay-agent.service", UNIT)
        host.shell(f"mkdir -p -m 0700 {STATE}/identity {STATE}/orders")
        host.put_text(f"{STATE}/identity/identity.json", make_identity(), 0o600)
        host.shell("apt-get -q update")
        return host

    def pending(self, host: Host, most: int) -> list[dict]:
        """The first few security updates that stand alone: the resolver needs nothing else for them."""
        report = json.loads(host.run(["belay-agent", "scan", "-o", "json"]).stdout)
        found: list[dict] = []
        for patch in report["missing"]:
            wish = f"{patch['name']}={patch['wanted_version']}"
            plan = host.run(["apt-get", "-s", "-q", "install", "--only-upgrade", wish]).stdout
            if sum(line.startswith("Inst ") for line in plan.splitlines()) == 1:
                found.append({"name": patch["name"], "arch": patch["arch"], "from_version": patch["installed_version"],
                              "to_version": patch["wanted_version"]})
            if len(found) == most:
                break
        return found

    def order(self, host: Host, changes: list[dict], **patch: object) -> str:
        order_id = str(uuid.uuid4())
        now = datetime.now(timezone.utc)
        order = {"order_id": order_id, "node_id": "mi-0123456789abcdef0", "counter": 1, "issued_at": iso(now),
                 "expires_at": iso(now + timedelta(hours=1)), "kind": "patch", "patch": {"changes": changes, **patch}}
        host.shell(f"mkdir -m 0700 {STATE}/orders/{order_id}")
        host.put_text(f"{STATE}/orders/{order_id}/order.json", json.dumps({"order": order, "accepted_at": iso(now)}), 0o600)
        return order_id

    def wait_for_result(self, host: Host, order_id: str, timeout_s: float = 240) -> dict:
        path = f"{STATE}/archive/{order_id}.json"
        system.wait_until(f"a result of {order_id}", lambda: host.run(["test", "-f", path], check=False).ok, timeout_s, every_s=0.5)
        return json.loads(host.run(["cat", path]).stdout)

    def wait_for_state(self, host: Host, order_id: str, state: str) -> None:
        script = f"grep -q '\"state\":\"{state}\"' {STATE}/orders/{order_id}/run.json"
        system.wait_until(f"the run to be {state}", lambda: host.run(["sh", "-c", script], check=False).ok, 120)

    def versions(self, host: Host, changes: list[dict]) -> list[str]:
        return [host.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", f"{c['name']}:{c['arch']}"
                          if c["arch"] != "all" else c["name"]]).stdout for c in changes]

    def test_a_run_outlives_the_agent_and_reboots_and_keeps_its_result(self) -> None:
        host = self.host("outlives")
        changes = self.pending(host, 2)
        order_id = self.order(host, changes, reboot="always")
        before = host.boot_id()
        host.run(["systemctl", "start", "belay-agent"])
        host.run(["systemctl", "enable", "--quiet", "belay-agent"])
        scope = f"belay-run-{order_id}.scope"
        system.wait_until("the scope", lambda: host.run(["systemctl", "is-active", "--quiet", scope], check=False).ok, 60)
        host.run(["systemctl", "kill", "-s", "KILL", "belay-agent"])
        host.run(["systemctl", "restart", "belay-agent"])
        host.wait_reboot(before, 240)
        result = self.wait_for_result(host, order_id)
        self.assertEqual((result["outcome"], result["run"]["outcome"], result["run"]["rebooted"]), ("success", "committed", True), result)
        self.assertEqual(self.versions(host, changes), ["ii " + change["to_version"] for change in changes])
        waiting = host.run(["ls", f"{STATE}/outbox"]).stdout
        self.assertIn("order_result", waiting)
        self.assertIn("scan_report", waiting)

    def test_a_power_cut_in_the_install_rolls_back(self) -> None:
        host = self.host("powercut")
        changes = self.pending(host, 3)
        order_id = self.order(host, changes, reboot="never")
        host.run(["systemctl", "enable", "--quiet", "--now", "belay-agent"])
        self.wait_for_state(host, order_id, "installing")
        system.wait_until("the unpacking", lambda: host.run(["pgrep", "-x", "dpkg"], check=False).ok, 60)
        host.power_cut()
        host.start()
        host.wait_running()
        result = self.wait_for_result(host, order_id)
        self.assertEqual(result["run"]["outcome"], "rolled_back", result)
        self.assertEqual(self.versions(host, changes), ["ii " + change["from_version"] for change in changes])
        self.assertEqual(host.run(["dpkg", "--audit"]).stdout, "")
