"""The lab's archives against apt and dnf themselves: what is on offer arrives, and each fault looks as real ones do."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from lab import debs
from lab.keys import make_key
from lab.repos import AptRepository, apt_get
from tests.system.case import ArchiveCase

STRICT = ("-o", "APT::Update::Error-Mode=any", "-o", "Acquire::http::Timeout=2", "-o", "Acquire::Retries=0", "update")


class Apt(ArchiveCase):
    lab_name = "tapt"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.old_key = make_key(cls.lab.folder / "old", "Old archive <old@example.invalid>", expires="30d", clock="20240101T000000")
        cls.addClassCleanup(cls.old_key.close)
        cls.host = cls.lab.host("apt1")

    def setUp(self) -> None:
        self.addCleanup(self.server.mend)
        self.archive = AptRepository(self.lab.folder / "www" / self._testMethodName, self.key)
        self.archive.add(debs.library("1.0"), debs.application("1.0"))
        self.archive.publish()
        self.archive.offer_to(self.host, self.server.url)
        apt_get(self.host, "update")

    def test_several_versions_are_on_offer_at_once(self) -> None:
        apt_get(self.host, "install", "tapp=1.0")
        self.archive.add(debs.library("1.1"), debs.application("1.1"))
        self.archive.publish()
        apt_get(self.host, "update")
        self.assertIn("Inst tlib [1.0] (1.1 Lab:stable [all])", apt_get(self.host, "-s", "dist-upgrade"))
        self.assertIn("1.0", self.host.run(["apt-cache", "madison", "tlib"]).stdout)
        apt_get(self.host, "purge", "tapp", "tlib")

    def refuses(self, pattern: str) -> None:
        result = self.host.run(["apt-get", "-q", *STRICT], check=False)
        self.assertEqual(result.status, 100, result.text)
        self.assertRegex(result.text, pattern)

    def test_faults_of_the_index(self) -> None:
        self.archive.publish(valid_for=timedelta(days=-1), made=datetime.now(timezone.utc) - timedelta(days=8))
        self.refuses(r"is expired \(invalid since")
        self.archive.publish(made=datetime.now(timezone.utc) + timedelta(days=2))
        self.refuses("is not valid yet")
        self.archive.publish(key=self.old_key)
        self.refuses("NO_PUBKEY")
        self.archive.offer_to(self.host, self.server.url, key=self.old_key)
        self.refuses("EXPKEYSIG")

    def test_faults_of_the_mirror(self) -> None:
        for fault, pattern in (("tamper", "BADSIG|Clearsigned"), ("hang", "timed out|Connection failed"), ("missing", "404|no longer has a Release"),
                               ("error", "500|no longer has a Release"), ("truncate", "Clearsigned|unexpected|closed|Hash Sum|failed")):
            with self.subTest(fault):
                self.archive.add(debs.Deb("tnew", f"1.{len(fault)}"))
                self.archive.publish()
                self.server.fail("/dists/", fault)  # type: ignore[arg-type]
                self.refuses(pattern)
                self.server.mend()

    def test_packages_that_break(self) -> None:
        self.archive.add(debs.failing_postinst("1.0"), debs.configured("1.0"), debs.service("1.0"), debs.service("1.1", works=False))
        self.archive.publish()
        apt_get(self.host, "update")
        self.assertIn("returned error exit status 3", apt_get(self.host, "install", "tfail", check=False))
        apt_get(self.host, "remove", "tfail")
        apt_get(self.host, "install", "tconf", "tservice=1.0")
        self.assertEqual(self.host.run(["systemctl", "is-active", "tservice"]).stdout.strip(), "active")
        apt_get(self.host, "install", "tservice")
        self.assertNotEqual(self.host.run(["systemctl", "is-active", "tservice"], check=False).stdout.strip(), "active")
        apt_get(self.host, "purge", "tconf", "tservice")
