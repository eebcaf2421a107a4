"""A patch run on a booted host whose server is away: in its own scope, through restarts, reboots and power cuts."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

from lab import debs, system
from lab.hosts import Host
from lab.system import LabError
from lab.repos import AptRepository, apt_get
from tests.system.case import ArchiveCase

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

HOLD = """use Fcntl;
open(my $file, '>', '/var/lib/dpkg/lock-frontend') or die;
my $lock = pack('s s x4 q q i x4', F_WRLCK, 0, 0, 0, 0);
fcntl($file, F_SETLKW, $lock) or die;
open(my $flag, '>', '/run/held') or die;
sleep 600;
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



def _is_file(host: Host, path: str) -> bool:
    """Also while the host is between two boots: then it is not."""
    try:
        return host.run(["test", "-f", path], check=False).ok
    except LabError:
        return False


class Runs(ArchiveCase):
    lab_name = "truns"
    tools = (*ArchiveCase.tools, "openssl")
    binaries = ("belay-agent",)

    def host(self, name: str, *pairs: tuple[debs.Deb, debs.Deb]) -> Host:
        """A host with the first of each pair installed and the second on offer, and an agent that is not running yet."""
        host = self.lab.host(name)
        self.addCleanup(host.power_cut)
        self.archive = archive = AptRepository(self.server.folder / name, self.key)
        archive.add(*(deb for pair in pairs for deb in pair))
        archive.publish()
        archive.offer_to(host, self.server.url)
        apt_get(host, "update")
        apt_get(host, "install", *(f"{old.name}={old.version}" for old, _ in pairs))
        host.put(AGENT, "/usr/local/bin/belay-agent", 0o755)
        host.put_text("/etc/systemd/system/belay-agent.service", UNIT)
        host.shell(f"mkdir -p -m 0700 {STATE}/identity {STATE}/orders")
        host.put_text(f"{STATE}/identity/identity.json", make_identity(), 0o600)
        self.changes = [{"name": old.name, "arch": old.architecture, "from_version": old.version, "to_version": new.version}
                        for old, new in pairs]
        return host

    def patch(self, host: Host, **more: object) -> str:
        """Orders all the host's changes; the order's id."""
        return self.order(host, "patch", {"changes": self.changes, **more})

    def order(self, host: Host, kind: str, body: dict) -> str:
        """Lays an order where the agent keeps those it has accepted."""
        order_id = str(uuid.uuid4())
        now = datetime.now(timezone.utc)
        order = {"order_id": order_id, "node_id": "mi-0123456789abcdef0", "counter": 1, "issued_at": iso(now),
                 "expires_at": iso(now + timedelta(hours=1)), "kind": kind, kind: body}
        host.shell(f"mkdir -m 0700 {STATE}/orders/{order_id}")
        host.put_text(f"{STATE}/orders/{order_id}/order.json", json.dumps({"order": order, "accepted_at": iso(now)}), 0o600)
        return order_id

    def wait_for_result(self, host: Host, order_id: str, timeout_s: float = 240) -> dict:
        path = f"{STATE}/archive/{order_id}.json"
        system.wait_until(f"a result of {order_id}", lambda: _is_file(host, path), timeout_s, every_s=0.5)
        return json.loads(host.run(["cat", path]).stdout)

    def wait_for_state(self, host: Host, order_id: str, state: str) -> None:
        script = f"grep -q '\"state\":\"{state}\"' {STATE}/orders/{order_id}/run.json"
        system.wait_until(f"the run to be {state}", lambda: host.run(["sh", "-c", script], check=False).ok, 120)

    def wait_for_boot(self, host: Host, before: str, order_id: str) -> None:
        """The reboot that the run asks for. A run that ends without one, or stands still, is shown as it is."""
        def story() -> str:
            return host.shell(f"cat {STATE}/archive/{order_id}.json {STATE}/orders/{order_id}/run.json {STATE}/orders/{order_id}/log || true; "
                              "journalctl --no-pager -n 60 -o cat", check=False).text[-6000:]

        def ended() -> bool:
            return host.run(["test", "-e", f"{STATE}/archive/{order_id}.json"], check=False).ok

        def moved() -> str:
            """Why there is nothing more to wait for: it is on its way down, or up again, or the run has ended."""
            try:
                if host.boot_id() != before:
                    return "booted"
                return "ended" if ended() and host.boot_id() == before else ""
            except system.LabError:  # nobody can enter a host that is going down
                return "leaving"

        try:
            how = system.wait_until("the run to come to its reboot", moved, 300, every_s=0.2)
        except system.LabError as error:
            self.fail(f"{error}\n{story()}")
        self.assertNotEqual(how, "ended", f"without its reboot: {story()}" if how == "ended" else "")
        host.wait_reboot(before, 240)

    def assert_all(self, host: Host, which: str) -> None:
        """Every package stands at its "from_version" or its "to_version", whole."""
        found = [host.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", change["name"]]).stdout for change in self.changes]
        self.assertEqual(found, ["ii " + change[which] for change in self.changes])
        self.assertEqual(host.run(["dpkg", "--audit"]).stdout, "")

    def test_a_run_outlives_the_agent_and_reboots_and_keeps_its_result(self) -> None:
        host = self.host("outlives", (_slow("1.0"), _slow("1.1")), (debs.library("1.0"), debs.library("1.1")))
        host.shell("touch /run/slow")
        order_id = self.patch(host, reboot="always")
        before = host.boot_id()
        host.run(["systemctl", "enable", "--quiet", "--now", "belay-agent"])
        system.wait_until("the install", lambda: host.shell("pgrep -f '[t]slow.postinst configure'", check=False).ok, 120, every_s=0.2)
        scope = f"belay-run-{order_id}.scope"
        host.run(["systemctl", "is-active", "--quiet", scope])
        host.run(["systemctl", "kill", "-s", "KILL", "belay-agent"])
        host.run(["systemctl", "restart", "belay-agent"])
        host.run(["systemctl", "is-active", "--quiet", scope])
        host.shell("rm /run/slow")
        self.wait_for_boot(host, before, order_id)
        result = self.wait_for_result(host, order_id)
        self.assertEqual((result["outcome"], result["run"]["outcome"], result["run"]["rebooted"]), ("success", "committed", True), result)
        self.assert_all(host, "to_version")
        waiting = host.run(["ls", f"{STATE}/outbox"]).stdout
        self.assertIn("order_result", waiting)
        self.assertIn("scan_report", waiting)

    def test_a_power_cut_in_the_install_rolls_back(self) -> None:
        host = self.host("powercut", (debs.many_files("1.0"), debs.many_files("1.1")), (debs.library("1.0"), debs.library("1.1")))
        order_id = self.patch(host, reboot="never")
        host.run(["systemctl", "enable", "--quiet", "--now", "belay-agent"])
        system.wait_until("the unpacking", lambda: any((host.root / "opt/tbig").glob("*/*.dpkg-new")), 120, every_s=0.01)
        host.power_cut()
        host.start()
        host.wait_running()
        result = self.wait_for_result(host, order_id)
        self.assertEqual(result["run"]["outcome"], "rolled_back", result)
        self.assert_all(host, "from_version")

    def test_a_lock_held_past_the_deadline_is_named_with_its_holder(self) -> None:
        host = self.host("locked", (debs.library("1.0"), debs.library("1.1")))
        order_id = self.patch(host, reboot="never", lock_timeout=3_000)
        host.put_text("/root/hold", HOLD)
        host.run(["systemd-run", "--quiet", "--unit=holder", "perl", "/root/hold"])
        system.wait_until("the lock to be held", lambda: host.run(["test", "-e", "/run/held"], check=False).ok, 60)
        holder = host.run(["systemctl", "show", "holder", "--property=MainPID", "--value"]).stdout.strip()
        host.run(["systemctl", "start", "belay-agent"])
        result = self.wait_for_result(host, order_id)
        self.assertNotEqual(result["outcome"], "success", result)
        told = [problem for problem in result["problems"] if problem["reason"] == "lock_held"]
        self.assertTrue(told, result)
        self.assertIn(holder, told[0]["subject"] + told[0]["detail"])
        self.assert_all(host, "from_version")


    def test_a_script_that_ends_with_194_goes_on_in_the_next_boot(self) -> None:
        host = self.host("script", (debs.library("1.0"), debs.library("1.1")))
        before = host.boot_id()
        script = {"commands": ["echo boot $(cat /proc/sys/kernel/random/boot_id)", "[ ! -e turned ] || exit 0", "touch turned", "exit 194"],
                  "working_directory": "", "timeout": 60_000, "environment": {}}
        step = {"name": "turn", "action": "aws:runShellScript", "work": {"aws:runShellScript": script}, "skip": "", "on_failure": "proceed",
                "exit_on_success": False, "finally": False}
        pending = {"status": "Pending", "exit_code": -1, "reboots": 0, "why": ""}
        order_id = self.order(host, "steps", {"steps": [step], "run": {"format": 1, "cancel_wanted": False, "steps": [pending]}})
        host.run(["systemctl", "enable", "--quiet", "--now", "belay-agent"])
        self.wait_for_boot(host, before, order_id)
        result = self.wait_for_result(host, order_id)
        self.assertEqual((result["outcome"], result["exit_code"]), ("success", 0), result)
        told = "".join(output["standard_output"] for output in result["steps"]["outputs"])
        self.assertEqual(told, f"boot {before}\nboot {host.boot_id()}\n")
        self.assertEqual(result["steps"]["run"]["steps"][0]["reboots"], 1)

    def test_a_rollback_by_hand_where_server_and_archive_are_gone(self) -> None:
        host = self.host("byhand", (debs.library("1.0"), debs.library("1.1")), (debs.configured("1.0"), debs.configured("1.1")))
        order_id = self.patch(host, reboot="never")
        host.run(["systemctl", "start", "belay-agent"])
        self.assertEqual(self.wait_for_result(host, order_id)["run"]["outcome"], "committed")
        host.run(["systemctl", "stop", "belay-agent"])
        for deb in ("tlib", "tconf"):
            self.archive.withdraw(deb, "1.0")
        self.archive.publish()
        apt_get(host, "update")
        apt_get(host, "clean")
        plan = host.run(["belay-agent", "rollback"])
        self.assertIn("put back   tlib 1.1 -> 1.0", plan.stdout)
        self.assertIn("Nothing was changed", plan.stdout)
        self.assert_all(host, "to_version")
        done = host.run(["belay-agent", "rollback", "--yes"])
        self.assertIn("The run is undone", done.stdout)
        self.assert_all(host, "from_version")
        again = host.run(["belay-agent", "rollback", "--yes"], check=False)
        self.assertEqual(again.status, 3, again.text)
        self.assertIn("nothing to roll back", again.stderr)
        host.run(["systemctl", "start", "belay-agent"])
        system.wait_until("the agent to take note of it", lambda: host.shell(f"ls -A {STATE}/orders", check=False).stdout == "", 60, every_s=0.2)


def _slow(version: str) -> debs.Deb:
    """Stays in its configuration while the host says so."""
    return debs.Deb("tslow", version, scripts={"postinst": "while [ -e /run/slow ]; do sleep 0.1; done"})
