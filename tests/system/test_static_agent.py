"""One agent file on every Linux: three Debian releases and a root with nothing but busybox."""

from __future__ import annotations

import json

from lab import system
from tests.system.case import LabCase

AGENT = system.BINARIES / "belay-agent"


class StaticAgent(LabCase):
    lab_name = "tstatic"
    binaries = ("belay-agent",)

    def shot(self, root: str, *command: str) -> system.Result:
        return self.lab.one_shot(root, command, files={"/usr/bin/belay-agent": AGENT})

    def test_version_runs_everywhere(self) -> None:
        for root in ("bookworm", "bullseye", "trixie", "busybox"):
            with self.subTest(root):
                result = self.shot(root, "/usr/bin/belay-agent", "version")
                self.assertEqual(result.status, 0, result.text)
                self.assertRegex(result.stdout, r"\d+\.\d+\.\d+")

    def scan(self, root: str) -> dict:
        result = self.shot(root, "/usr/bin/belay-agent", "scan", "-o", "json")
        self.assertEqual(result.status, 0, result.text)
        return json.loads(result.stdout)

    def test_it_sees_what_dpkg_and_apt_see(self) -> None:
        for root in ("bookworm", "bullseye", "trixie"):
            with self.subTest(root):
                report = self.scan(root)
                listed = self.shot(root, "/usr/bin/dpkg-query", "-W", "-f", "${Package}\n").stdout.split()
                counts = report["counts"]
                self.assertEqual(counts["installed"] + counts["installed_other"] + counts["missing"], len(listed))
                simulated = self.shot(root, "/usr/bin/apt-get", "-s", "dist-upgrade").stdout.splitlines()
                self.assertEqual({patch["name"]: patch["wanted_version"] for patch in report["missing"]}, _security_updates(simulated))

    def test_without_a_package_manager_it_says_so(self) -> None:
        result = self.shot("busybox", "/usr/bin/belay-agent", "scan", "-o", "json")
        self.assertNotEqual(result.status, 0)
        self.assertIn("no os-release file", result.text)
        script = "printf 'ID=busybox\\nVERSION_ID=1\\nPRETTY_NAME=Busybox\\n' > /etc/os-release; exec belay-agent scan -o json"
        result = self.shot("busybox", "/bin/sh", "-c", script)
        self.assertIn("package manager", result.text)


def _security_updates(simulated: list[str]) -> dict[str, str]:
    """Package to version, of the lines `Inst NAME [OLD] (NEW Debian-Security:... [ARCH])` that replace an installed one."""
    found = {}
    for line in simulated:
        words = line.split()
        if line.startswith("Inst ") and words[2].startswith("[") and "Debian-Security" in line:
            found[words[1]] = words[3].lstrip("(")
    return found
