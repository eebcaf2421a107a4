"""What differs on Ubuntu, against apt itself: archives by suite, phased updates by machine, updates that need a subscription.

Not Ubuntu: its root file systems are out of reach here. A Debian host with Ubuntu's os-release takes its packages from
archives of the lab's own that carry Ubuntu's origins, suites, codenames and pins; apt is Debian's 2.6, whose phasing code
is the one of Ubuntu 22.04 to 24.04.
"""

from __future__ import annotations

import json

from lab import debs, system
from lab.hosts import Host
from lab.repos import AptRepository, apt_get
from tests.system.case import ArchiveCase

AGENT = system.BINARIES / "belay-agent"
OS_RELEASE = """PRETTY_NAME="Ubuntu 24.04.1 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.1 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
"""
# As Ubuntu Pro's client writes them for a machine that is not attached.
ESM_PINS = """Package: *
Pin: release o=UbuntuESM, n=noble
Pin-Priority: never

Package: *
Pin: release o=UbuntuESMApps, n=noble
Pin-Priority: never
"""
PHASED = {f"phase{index:02}": percentage for index, percentage in enumerate(range(0, 100, 4))}


def _deb(name: str, version: str, phased: int | None = None) -> debs.Deb:
    # The archive writes the percentage into its list; here the list takes it from the package.
    fields = {"Priority": "important", **({} if phased is None else {"Phased-Update-Percentage": str(phased)})}
    return debs.Deb(name, version, fields=fields)


class Ubuntu(ArchiveCase):
    lab_name = "tubuntu"
    binaries = ("belay-agent",)

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()

        def archive(suite: str, origin: str, *packages: debs.Deb) -> AptRepository:
            made = AptRepository(cls.server.folder / suite, cls.key, suite=suite, origin=origin, label=origin, codename="noble")
            made.add(*packages)
            made.publish()
            return made

        singles = ("psec", "pboth", "pesm", "papps", "pplain")
        archives = [
            archive("noble", "Ubuntu", *(_deb(name, "1.0") for name in (*PHASED, *singles))),
            archive("noble-updates", "Ubuntu", *(_deb(name, "1.1", phased) for name, phased in PHASED.items()),
                    _deb("pplain", "1.1"), _deb("psec", "1.2", 0), _deb("pboth", "1.2", 0)),
            archive("noble-security", "Ubuntu", _deb("psec", "1.2", 0), _deb("pboth", "1.1")),
            archive("noble-infra-security", "UbuntuESM", _deb("pesm", "1.1")),
            archive("noble-infra-updates", "UbuntuESM", _deb("pplain", "1.2")),
            archive("noble-apps-security", "UbuntuESMApps", _deb("papps", "1.1")),
        ]
        cls.host = cls.lab.host("noble", boot=False)
        cls.host.put_text("/usr/lib/os-release", OS_RELEASE)
        cls.host.put(AGENT, "/usr/local/bin/belay-agent", 0o755)
        cls.host.start()
        cls.host.wait_running()
        for index, one in enumerate(archives):
            one.offer_to(cls.host, cls.server.url, only=index == 0)
        cls.host.put_text("/etc/apt/preferences.d/ubuntu-pro-esm", ESM_PINS)
        apt_get(cls.host, "update")
        apt_get(cls.host, "install", *(f"{name}=1.0" for name in (*PHASED, *singles)))

    def upgrades(self, *options: str) -> dict[str, str]:
        """Package to version, of what apt itself would upgrade."""
        lines = self.host.run(["apt-get", "-s", *options, "dist-upgrade"]).stdout.splitlines()
        return {line.split()[1]: line.split("(")[1].split()[0] for line in lines if line.startswith("Inst ")}

    def scan(self) -> dict:
        return json.loads(self.host.run(["belay-agent", "scan", "-o", "json"]).stdout)

    def waiting(self, report: dict) -> set[str]:
        return {problem["subject"] for problem in report["problems"] if problem["reason"] == "phased_update"}

    def machine_id(self, text: str) -> None:
        self.host.shell(f"echo {text} > /etc/machine-id")

    def test_the_system_and_its_archives(self) -> None:
        report = self.scan()
        self.assertEqual((report["machine"]["os_id"], report["machine"]["os_version"]), ("ubuntu", "24.04"))
        self.assertIn("Ubuntu", report["baseline_name"])
        self.assertEqual({row["name"] for row in report["repositories"]},
                         {f"{suite} main" for suite in ("noble", "noble-updates", "noble-security", "noble-infra-security",
                                                        "noble-infra-updates", "noble-apps-security")})
        self.assertNotEqual(report["verdict"], "UNKNOWN", report["problems"])

    def test_security_is_what_the_security_archives_offer(self) -> None:
        missing = {patch["name"]: patch["wanted_version"] for patch in self.scan()["missing"]}
        self.assertEqual(missing, {"psec": "1.2", "pboth": "1.1"})

    def test_phased_updates_wait_where_apt_lets_them_wait(self) -> None:
        for number in range(6):
            self.machine_id(f"{number:032x}")
            with self.subTest(number):
                taken = self.upgrades()
                kept = set(PHASED) - set(taken)
                self.assertTrue(kept and set(PHASED) & set(taken), "the drill has lost its point: apt treats all alike")
                self.assertEqual(self.waiting(self.scan()), kept)
                # A version above a security update waits for nobody. That one in the security archive itself does not
                # either came with apt 2.7.11; this apt lets psec wait, Belay does not.
                self.assertEqual(taken["pboth"], "1.2")

    def test_always_and_never(self) -> None:
        for word, waiting in (("Always", set()), ("Never", set(PHASED))):
            with self.subTest(word):
                self.host.put_text("/etc/apt/apt.conf.d/99phased", f'APT::Get {{ {word}-Include-Phased-Updates "true"; }};\n')
                self.assertEqual(set(PHASED) - set(self.upgrades()), waiting)
                self.assertEqual(self.waiting(self.scan()), waiting)
        self.host.shell("rm /etc/apt/apt.conf.d/99phased")

    def test_what_needs_a_subscription_is_held_back_and_said(self) -> None:
        self.assertFalse({"pesm", "papps"} & set(self.upgrades()))
        report = self.scan()
        held = {problem["subject"]: problem["next"] for problem in report["problems"] if problem["reason"] == "package_held"}
        self.assertEqual(set(held), {"pesm", "papps"})
        self.assertIn("Ubuntu Pro", held["pesm"])
        self.assertFalse({"pesm", "papps"} & {patch["name"] for patch in report["missing"]})

    def test_with_a_subscription_it_is_offered(self) -> None:
        self.host.shell("mv /etc/apt/preferences.d/ubuntu-pro-esm /root/")
        self.addCleanup(lambda: self.host.shell("mv /root/ubuntu-pro-esm /etc/apt/preferences.d/"))
        taken = self.upgrades()
        missing = {patch["name"]: patch["wanted_version"] for patch in self.scan()["missing"]}
        self.assertEqual((taken["pesm"], taken["papps"], taken["pplain"]), ("1.1", "1.1", "1.2"))
        self.assertEqual((missing.get("pesm"), missing.get("papps")), ("1.1", "1.1"))


__all__ = ["Host", "Ubuntu"]
