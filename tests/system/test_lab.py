"""The lab itself: what other tests stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from lab import cgroups, hosts, mirrors, network, system
from tests.system.case import LabCase


class Hosts(LabCase):
    lab_name = "tlab"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.one, cls.two = cls.lab.boot(["one", "two"])

    def test_two_hosts_are_different_machines_on_one_network(self) -> None:
        self.assertEqual(self.one.run(["hostname"]).stdout.strip(), "one")
        self.assertNotEqual(self.one.run(["cat", "/etc/machine-id"]).stdout, self.two.run(["cat", "/etc/machine-id"]).stdout)
        self.assertNotEqual(self.one.boot_id(), self.two.boot_id())
        web = f"exec 3<>/dev/tcp/{self.two.address}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3"
        self.assertIn("200 OK", self.one.run(["bash", "-c", web]).stdout)

    def test_a_reboot_is_another_boot_of_the_same_disk(self) -> None:
        before = self.one.boot_id()
        self.one.shell("echo kept > /var/lib/kept; echo gone > /run/gone")
        self.one.reboot()
        self.assertNotEqual(self.one.boot_id(), before)
        self.assertEqual(self.one.run(["cat", "/var/lib/kept"]).stdout, "kept\n")
        self.assertFalse(self.one.run(["test", "-e", "/run/gone"], check=False).ok)

    def test_a_power_cut_ends_everything_and_it_boots_again(self) -> None:
        before = self.two.boot_id()
        self.two.run(["systemd-run", "--quiet", "--unit=long", "sleep", "1000"])
        self.two.power_cut()
        self.assertEqual(self.two.leader(), 0)
        self.two.start()
        self.two.wait_running()
        self.assertNotEqual(self.two.boot_id(), before)
        self.assertFalse(self.two.run(["systemctl", "is-active", "--quiet", "long"], check=False).ok)

    def test_a_command_that_was_stopped_goes_on(self) -> None:
        """As on a host that goes down: it stops all processes first, and whoever waits for one must not wait for ever."""
        self.assertEqual(self.one.run(["sh", "-c", "kill -STOP $$; echo went on"], timeout_s=60).stdout, "went on\n")

    def test_real_security_updates_are_pending(self) -> None:
        lines = [line for line in self.one.run(["apt-get", "-s", "dist-upgrade"]).stdout.splitlines() if line.startswith("Inst ")]
        pending = [line for line in lines if "Debian-Security" in line and "[" in line.split("(")[0]]
        self.assertGreater(len(pending), 3, "the security archive offers next to nothing for the bookworm root")

    def test_archives_are_reached_and_nothing_else(self) -> None:
        answer = self.one.run(["apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update"])
        self.assertIn("InRelease", answer.stdout)
        self.assertEqual(self.one.run(["ip", "route", "show", "default"]).stdout, "")

    def test_a_pulled_cable_cuts_a_host_off(self) -> None:
        ask = ["bash", "-c", f"timeout 1 bash -c 'exec 3<>/dev/tcp/{network.archives()[0].address}/{network.archives()[0].ports[0]}'"]
        self.assertTrue(self.one.run(ask, check=False).ok)
        self.one.cable(False)
        self.assertFalse(self.one.run(ask, check=False).ok)
        self.one.cable(True)
        system.wait_until("the cable to carry again", lambda: self.one.run(ask, check=False).ok, 20)


class Cleaning(unittest.TestCase):
    def setUp(self) -> None:
        problem = hosts.why_not()
        if problem:
            self.skipTest(problem)

    def assert_nothing_left(self, lab: hosts.Lab) -> None:
        self.assertEqual(cgroups.named(lab.prefix), [])
        self.assertEqual(network.namespaces(lab.prefix), [])
        self.assertEqual(system.mounts_under(lab.folder), [])
        self.assertFalse(lab.folder.exists())
        self.assertNotIn(lab.name, hosts.names())
        mine = [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if lab.prefix.encode() in _read(path)]
        self.assertEqual(mine, [])

    def test_closing_leaves_nothing(self) -> None:
        with hosts.Lab("tclean") as lab:
            lab.host("only")
            self.assertNotEqual(cgroups.named(lab.prefix), [])
        self.assert_nothing_left(lab)

    def test_what_a_killed_program_left_is_swept_by_the_next(self) -> None:
        script = ("import os, signal; from lab.hosts import Lab; lab = Lab('tcrash').open(); lab.host('only'); "
                  "os.kill(os.getpid(), signal.SIGKILL)")
        died = subprocess.run([sys.executable, "-c", script], cwd=system.CHECKOUT, check=False, timeout=300)
        self.assertEqual(died.returncode, -signal.SIGKILL)
        lab = hosts.Lab("tcrash")
        self.assertIn("tcrash", hosts.names())
        self.assertTrue(hosts.Lab.attach("tcrash").hosts["only"].leader(), "the host should have outlived its program")
        lab.close()
        self.assert_nothing_left(lab)

    def test_a_lab_in_use_is_left_alone(self) -> None:
        with hosts.Lab("tbusy") as lab:
            with self.assertRaisesRegex(system.LabError, "in use by another process"):
                hosts.Lab("tbusy").open()
            with self.assertRaisesRegex(system.LabError, "in use by another process"):
                hosts.Lab("tbusy").close()
            self.assertTrue(lab.folder.exists())


class Sources(unittest.TestCase):
    """apt's two ways to write a source. Needs neither root nor tools."""

    def test_one_line(self) -> None:
        text = "# deb http://no.example/debian stable main\ndeb [arch=amd64 signed-by=/k.gpg] http://a.example/debian/ stable main contrib # why\n" \
               "deb-src http://a.example/debian stable main\n"
        self.assertEqual(mirrors.parse_one_line(text), [mirrors.Source("http://a.example/debian", ("stable",), ("main", "contrib"))])

    def test_deb822(self) -> None:
        text = ("# a comment\nTypes: deb deb-src\nURIs: http://a.example/debian\n# inside\nSuites: stable\n  stable-updates\n"
                "Components: main\n\nTypes: deb\nURIs: http://b.example/x\nSuites: s\nComponents: main\nEnabled: no\n\n"
                "Types: deb-src\nURIs: http://c.example/x\nSuites: s\nComponents: main\n")
        self.assertEqual(mirrors.parse_deb822(text),
                         [mirrors.Source("http://a.example/debian", ("stable", "stable-updates"), ("main",))])

    def test_no_archive_says_what_to_do(self) -> None:
        with self.assertRaisesRegex(system.LabError, "apt configuration names no http source"):
            mirrors.debian_archive([])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    os.chdir(system.CHECKOUT)
    unittest.main()
