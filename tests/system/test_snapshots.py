"""A snapshot of / through the agent's own providers, restored by a real reboot of a host whose root is btrfs."""

from __future__ import annotations

import unittest

from lab import debs, disks, system
from lab.hosts import Host
from lab.repos import AptRepository, apt_get
from tests.system import test_runs
from tests.system.case import ArchiveCase, LabCase

AGENT = "/usr/local/bin/belay-agent"
STATE = "/var/lib/belay-agent"
# Every file of the system with its mode, owner, link and content, but for what each boot writes.
FINGERPRINT = """
cd / && find usr etc opt root srv bin sbin lib -xdev -newermt 1970-01-01 ! -type d -printf '%p %m %U %G %l\\n' | sort
find usr etc opt root srv -xdev -type f -print0 | sort -z | xargs -0 sha256sum
"""


class Snapshots(LabCase):
    lab_name = "tsnap"
    binaries = ("belay-agent",)

    @classmethod
    def setUpClass(cls) -> None:
        problem = disks.why_not()
        if problem:
            raise unittest.SkipTest(problem)
        super().setUpClass()

    def booted(self, name: str, layout: str) -> Host:
        host = self.lab.host(name, "btrfs", boot=False, disk=layout)
        self.addCleanup(host.power_cut)
        host.put(system.BINARIES / "belay-agent", AGENT, 0o755)
        host.start()
        host.wait_running()
        host.shell(f"mkdir -p -m 0700 {STATE}; echo protecting > {STATE}/journal")
        return host

    def agent(self, host: Host, *words: str) -> str:
        return host.run([AGENT, "snapshots", *words]).stdout

    def roll_back_by_a_reboot(self, host: Host, name: str) -> str:
        """What the first restore says."""
        self.assertIn("btrfs: covers /", self.agent(host, "check"))
        before = host.shell(FINGERPRINT).stdout
        self.assertIn("btrfs", self.agent(host, "take", name))
        # An update that goes wrong in every way: files changed, gone, added, and the package manager's own records.
        host.shell("rm /usr/bin/who /etc/issue; echo broken > /etc/os-release.new; mv /etc/os-release.new /etc/os-release; "
                   "echo new > /usr/lib/libnew.so; chmod 0777 /etc/passwd; echo worse >> /var/lib/dpkg/status; "
                   f"echo 'rolling back' > {STATE}/journal")
        self.assertNotEqual(before, host.shell(FINGERPRINT).stdout)
        told: list[str] = []
        for _ in range(2):  # a run that is cut off here does it again
            told.append(self.agent(host, "restore", name, "--yes"))
            self.assertIn("once this machine has restarted", told[-1])
        self.assertEqual(host.run(["cat", "/etc/os-release"]).stdout, "broken\n", "it counts before the restart")
        refused = host.run([AGENT, "snapshots", "check"]).stdout
        self.assertIn("restart", refused)
        boot = host.boot_id()
        host.reboot()
        self.assertNotEqual(boot, host.boot_id())
        self.assertEqual(before, host.shell(FINGERPRINT).stdout)
        self.assertNotIn("worse", host.run(["tail", "-n", "1", "/var/lib/dpkg/status"]).stdout)
        self.assertEqual(host.run(["cat", f"{STATE}/journal"]).stdout, "rolling back\n", "the agent forgot its run")
        left = self.agent(host, "list")
        self.assertIn(f"{name}  btrfs", left)
        self.assertIn("LEFTOVER: of no run that goes on", left)
        self.agent(host, "remove", name, "--yes")
        self.assertNotIn(name, self.agent(host, "list"))
        return told[0]

    def test_a_default_subvolume_is_rolled_back_by_a_reboot(self) -> None:
        host = self.booted("bydefault", "btrfs-default")
        self.assertIn("boot loader", self.agent(host, "check", "/boot"))
        self.assertIn("subvolume /@ of", self.roll_back_by_a_reboot(host, "belay-first"))
        # The root is a copy now; it is protected like the one before.
        self.roll_back_by_a_reboot(host, "belay-second")

    def test_a_named_subvolume_is_rolled_back_by_a_reboot(self) -> None:
        host = self.booted("named", "btrfs-named")
        host.put_text("/etc/fstab", f"{host.disk.device if host.disk else ''} / btrfs noatime,subvol=@ 0 0\n")
        host.reboot()
        self.assertIn("btrfs: covers / /boot", self.agent(host, "check", "/", "/boot"))
        self.roll_back_by_a_reboot(host, "belay-first")
        self.roll_back_by_a_reboot(host, "belay-second")

    def test_a_snapshot_that_somebody_deleted_is_not_restored(self) -> None:
        host = self.booted("deleted", "btrfs-default")
        self.agent(host, "take", "belay-gone")
        top = self.lab.folder / "hosts" / "deleted" / "top"
        system.run(["btrfs", "subvolume", "delete", top / ".belay" / "belay-gone" / "%2F"])
        told = host.run([AGENT, "snapshots", "restore", "belay-gone", "--yes"], check=False)
        self.assertFalse(told.ok)
        self.assertIn("there is no snapshot belay-gone", told.text)


class RunsOverSnapshots(ArchiveCase):
    """A whole patch run on such a host, as tests/system/test_runs.py has them on others."""

    lab_name = "tsnapr"
    tools = (*ArchiveCase.tools, "openssl")
    binaries = ("belay-agent",)
    order = test_runs.Runs.order
    patch = test_runs.Runs.patch
    wait_for_result = test_runs.Runs.wait_for_result
    wait_for_boot = test_runs.Runs.wait_for_boot
    assert_all = test_runs.Runs.assert_all

    @classmethod
    def setUpClass(cls) -> None:
        problem = disks.why_not()
        if problem:
            raise unittest.SkipTest(problem)
        super().setUpClass()

    def test_packages_that_cannot_be_put_back_come_back_with_the_root(self) -> None:
        old, new = debs.Deb("tstuck", "1.0"), debs.Deb("tstuck", "1.1", scripts={"postinst": "exit 3", "prerm": "exit 3"})
        host = self.lab.host("stuck", "btrfs", disk="btrfs-default")
        self.addCleanup(host.power_cut)
        archive = AptRepository(self.server.folder / "stuck", self.key)
        archive.add(old, new)
        archive.publish()
        archive.offer_to(host, self.server.url)
        apt_get(host, "update")
        apt_get(host, "install", "tstuck=1.0")
        host.put(system.BINARIES / "belay-agent", AGENT, 0o755)
        host.put_text("/etc/systemd/system/belay-agent.service", test_runs.UNIT)
        host.shell(f"mkdir -p -m 0700 {STATE}/identity {STATE}/orders")
        host.put_text(f"{STATE}/identity/identity.json", test_runs.make_identity(), 0o600)
        host.run(["systemctl", "enable", "--quiet", "belay-agent"])
        self.changes = [{"name": "tstuck", "arch": "all", "from_version": "1.0", "to_version": "1.1"}]
        order_id = self.patch(host, reboot="if_needed")
        before = host.boot_id()
        host.run(["systemctl", "start", "belay-agent"])
        self.wait_for_boot(host, before, order_id)
        result = self.wait_for_result(host, order_id)
        # The journal is that of the moment of the restore: the run went on in the next boot, and did not begin anew.
        self.assertEqual(result["run"]["outcome"], "rolled_back", result)
        self.assertEqual([step["state"] for step in result["run"]["steps"]].count("installing"), 1, result)
        self.assert_all(host, "from_version")
        self.assertEqual(host.run([AGENT, "snapshots", "list"]).stdout, "", "the run left its snapshot behind")
