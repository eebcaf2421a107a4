"""What was tested is what ships, on booted hosts with real apt: a version that the archive has thrown away comes from the pool."""

from __future__ import annotations

from lab import debs
from lab.fleet import Fleet
from lab.hosts import Host
from lab.repos import AptRepository, apt_get
from lab.system import wait_until
from tests.system.case import ArchiveCase
from tests.system.stage import SUITE


class Pool(ArchiveCase):
    lab_name = "tpool"
    binaries = ("belayd", "belay-agent", "belay")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.fleet = Fleet(cls.lab, cls.lab.folder / "server").start()
        cls.addClassCleanup(cls.fleet.stop)
        cls.archive = AptRepository(cls.server.folder / "ring", cls.key, suite=SUITE, origin="Debian", label="Debian-Security")

    def versions(self, host: Host) -> set[str]:
        return set(host.run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n", "tlib", "tapp"]).stdout.split("\n")) - {""}

    def test_a_later_ring_installs_what_was_frozen(self) -> None:
        hosts = self.lab.boot(["ring1", "ring2"])
        self.archive.add(debs.library("1.0"), debs.application("1.0"))
        self.archive.publish()
        for host in hosts:
            self.archive.offer_to(host, self.server.url)
            apt_get(host, "update")
            apt_get(host, "install", "tapp", "tlib")
            self.fleet.enrol(host, {"Ring": "both"})
        self.archive.add(debs.library("1.1"), debs.application("1.1"))
        self.archive.publish()
        self.assertEqual(self.fleet.belay("scan", "tag:Ring=both", "--wait").status, 0)
        change_set = self.fleet.ask("plan", "tag:Ring=both")["ChangeSet"]["ChangeSetId"]
        pool = wait_until("the pool to have both files", lambda: self.pool_of(change_set, "Complete"), 120)
        self.assertEqual((pool["InPoolCount"], pool["PackageCount"]), (2, 2))
        given = [entry for entry in self.fleet.ask("audit", "list")["Entries"] if entry["Action"] == "node:fill-pool"]
        files = [entry["Resource"] for entry in given]
        self.assertGreaterEqual(len(files), 2, given)  # the old ones besides, for the way back
        self.assertEqual(len(files), len(set(files)), "each file once for the fleet")
        for name in ("tlib", "tapp"):
            self.archive.withdraw(name, "1.1")
        self.archive.add(debs.library("1.2"), debs.application("1.2"))
        self.archive.publish()
        for host in reversed(hosts):  # first the one that has nothing of it
            result = self.fleet.belay("patch", "--change-set", change_set, host.name, "--wait")
            self.assertEqual(result.status, 0, result.text)
            self.assertEqual(self.versions(host), {"tapp 1.1 ii ", "tlib 1.1 ii "})
        self.assertEqual(self.fleet.belay("audit", "verify").status, 0)

    def pool_of(self, change_set: str, status: str) -> dict:
        """Once it is so."""
        pool = self.fleet.ask("plan", "show", change_set)["Pool"]
        return pool if pool["Status"] == status else {}
