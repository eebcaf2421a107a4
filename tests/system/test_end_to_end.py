"""Patch runs from end to end: server, agent and a booted host, and what happens when one of them dies in the middle."""

from __future__ import annotations

from lab import debs
from lab.fleet import Fleet
from lab.keys import make_key
from lab.repos import RepositoryServer
from lab.system import wait_until
from tests.system.case import LabCase
from tests.system.stage import Stage

INSTALLING = "pgrep -f '[t]slow.postinst configure'"
FINAL = ("Success", "Failed", "TimedOut", "Cancelled")


def _slow(version: str) -> debs.Deb:
    """Stays in its configuration while the host says so; a power cut forgets that."""
    return debs.Deb("tslow", version, scripts={"postinst": "while [ -e /run/slow ]; do sleep 0.1; done"})


def _wants_reboot(version: str) -> debs.Deb:
    return debs.Deb("tboot", version, scripts={"postinst": "touch /run/reboot-required; echo tboot >> /run/reboot-required.pkgs"})


class EndToEnd(LabCase):
    lab_name = "tend"
    tools = ("dpkg-deb",)
    binaries = ("belayd", "belay-agent", "belay")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.key = make_key(cls.lab.folder / "key", "Lab archive <archive@example.invalid>")
        cls.addClassCleanup(cls.key.close)
        (cls.lab.folder / "www").mkdir()
        cls.server = RepositoryServer(cls.lab.folder / "www", cls.lab.switch)
        cls.addClassCleanup(cls.server.close)
        cls.fleet = Fleet(cls.lab, cls.lab.folder / "server").start()
        cls.addClassCleanup(cls.fleet.stop)

    def setUp(self) -> None:
        self.host = self.lab.host(f"end{len(self.lab.hosts) + 1}")
        self.addCleanup(self.host.power_cut)
        self.stage = Stage(self.fleet, self.server, self.key, self.host)

    def begin_slow_patch(self) -> str:
        """A patch that now stands in the middle of a package's configuration; its command's id."""
        self.stage.begin(_slow("1.0"), debs.library("1.0"))
        self.stage.offer(_slow("1.1"), debs.library("1.1"))
        self.stage.scan()
        self.host.shell("touch /run/slow")
        command = self.fleet.ask("patch", self.host.name)["Command"]["CommandId"]
        wait_until("the patch to be in the middle", lambda: self.host.shell(INSTALLING, check=False).ok, 60)
        return str(command)

    def ended(self, command: str) -> str:
        """How a command ended; waits for that."""
        def status() -> str:
            commands = self.fleet.ask("command", "list")["Commands"]
            found = next((row["Status"] for row in commands if row["CommandId"] == command), "")
            return found if found in FINAL else ""

        return str(wait_until(f"the command {command} to end", status, 180, every_s=0.5))

    def upgrades(self, package: str) -> int:
        """How often dpkg set out to upgrade the package."""
        return int(self.host.shell(f"grep -c ' upgrade {package}:' /var/log/dpkg.log || true").stdout.strip())

    def assert_patched(self) -> None:
        self.assertEqual((self.stage.version("tslow"), self.stage.version("tlib"), self.stage.whole()), ("1.1 ii", "1.1 ii", ""))

    def test_real_security_updates(self) -> None:
        """The host's own Debian archives: what apt sees is what is missing, then installed, and services are left alone."""
        def pending() -> set[str]:
            lines = self.host.run(["apt-get", "-s", "dist-upgrade"]).stdout.splitlines()
            return {line.split()[1] for line in lines if line.startswith("Inst ") and "Debian-Security" in line and "[" in line.split("(")[0]}

        def untouched() -> str:  # a package may restart its own service; nobody else's may be restarted
            return self.host.run(["systemctl", "show", "cron", "dbus", "--property=MainPID"]).stdout

        wanted, before = pending(), untouched()
        self.fleet.enrol(self.host, {"Environment": "test"})
        self.fleet.belay("scan", self.host.name, "--wait")
        report = self.fleet.report(self.host)
        self.assertEqual({patch["Name"] for patch in report["Patches"] if patch["State"] == "MISSING"}, wanted)
        self.assertEqual(report["Verdict"]["Status"], "NON_COMPLIANT")
        result = self.fleet.belay("patch", self.host.name, "--wait", "-o", "json")
        self.assertEqual(result.status, 0, result.text)
        self.assertEqual((pending(), self.stage.whole(), untouched()), (set(), "", before))
        self.fleet.belay("scan", self.host.name, "--wait")
        self.assertEqual(self.fleet.report(self.host)["Verdict"]["Status"], "COMPLIANT")
        self.assertEqual(self.fleet.belay("audit", "verify").status, 0)

    def test_a_power_cut_in_the_middle(self) -> None:
        command = self.begin_slow_patch()
        self.host.power_cut()
        self.host.start()
        self.host.wait_running()
        outcome = self.ended(command)
        self.assertEqual(self.stage.whole(), "")
        versions = (self.stage.version("tslow"), self.stage.version("tlib"))
        self.assertIn((outcome, versions), [("Success", ("1.1 ii", "1.1 ii")), ("Failed", ("1.0 ii", "1.0 ii"))],
                      "neither wholly new and told so, nor wholly old and told so")

    def test_the_agent_is_killed_in_the_middle(self) -> None:
        command = self.begin_slow_patch()
        self.host.shell("systemctl kill --signal=KILL --kill-who=main belay-agent; sleep 1; rm /run/slow")
        self.assertEqual(self.ended(command), "Success")
        self.assert_patched()
        self.assertEqual(self.upgrades("tslow"), 1)

    def test_the_server_dies_in_the_middle_and_comes_back(self) -> None:
        command = self.begin_slow_patch()
        self.fleet.kill()
        self.host.shell("rm /run/slow")
        wait_until("the host to finish alone", lambda: self.stage.version("tslow") == "1.1 ii", 60)
        self.fleet.start()
        self.assertEqual(self.ended(command), "Success")
        self.assert_patched()
        self.assertEqual(self.upgrades("tslow"), 1)

    def test_a_needed_reboot_is_made_and_told(self) -> None:
        self.stage.begin(_wants_reboot("1.0"))
        self.host.shell("rm -f /run/reboot-required*")
        self.stage.offer(_wants_reboot("1.1"))
        self.stage.scan()
        before = self.host.boot_id()
        self.stage.patch()
        self.assertEqual(self.stage.patch_result.status, 0, self.stage.patch_result.text)
        self.host.wait_running()
        self.assertNotEqual(self.host.boot_id(), before)
        self.assertEqual(self.stage.version("tboot"), "1.1 ii")

    def test_a_pulled_cable_is_only_a_delay(self) -> None:
        command = self.begin_slow_patch()
        self.host.cable(False)
        self.host.shell("rm /run/slow")
        wait_until("the host to finish alone", lambda: self.stage.version("tslow") == "1.1 ii", 60)
        self.host.cable(True)
        self.assertEqual(self.ended(command), "Success")
        self.assert_patched()

    def test_a_removed_node_is_out_at_once(self) -> None:
        self.stage.begin(debs.library("1.0"))
        self.fleet.belay("nodes", "remove", self.host.name)
        self.host.run(["systemctl", "restart", "belay-agent"], check=False)
        self.assertEqual(self.fleet.node(self.host), {})
        self.assertFalse(self.fleet.is_online(self.host))
