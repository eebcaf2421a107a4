"""A drill's stage: one booted host, enrolled, whose only package archive is the drill's own; and how its reasons are read."""

from __future__ import annotations

import json
import re
from pathlib import Path

from lab import debs
from lab.fleet import STATE, Fleet
from lab.hosts import Host
from lab.keys import SigningKey
from lab.repos import AptRepository, RepositoryServer, apt_get
from lab.system import Result, wait_until

SUITE = "bookworm-security"
REASON = re.compile(r"^\s*([a-z]+(?:_[a-z]+)+)(?: \([^)\n]*\))?: ", re.MULTILINE)


class Stage:
    """Made from the outside in: an archive that looks like Debian's security archive, a host that trusts it, the agent."""

    def __init__(self, fleet: Fleet, server: RepositoryServer, key: SigningKey, host: Host):
        self.fleet = fleet
        self.server = server
        self.key = key
        self.host = host
        self.archive = AptRepository(server.folder / host.name, key, suite=SUITE, origin="Debian", label="Debian-Security")

    @property
    def folder(self) -> Path:
        return self.archive.folder

    def begin(self, *installed: debs.Deb) -> None:
        """Puts the packages on offer and on the host, and enrols it."""
        self.archive.add(*installed)
        self.archive.publish()
        self.archive.offer_to(self.host, self.server.url)
        apt_get(self.host, "update")
        apt_get(self.host, "install", *(deb.name for deb in installed))
        self.fleet.enrol(self.host, {"Drill": self.host.name})
        # A new node scans itself at once. It is to have done so before anything is made to fail.
        wait_until("the node's own first scan", lambda: self.host.run(["test", "-e", f"{STATE}/last-scan.json"], check=False).ok, 120,
                   every_s=0.2)

    def offer(self, *newer: debs.Deb) -> None:
        self.archive.add(*newer)
        self.archive.publish()

    def fail(self, pattern: str, fault: str) -> None:
        self.server.fail(rf"^/{self.host.name}/.*{pattern}", fault)  # type: ignore[arg-type]

    # ---- orders
    def scan(self) -> set[str]:
        """Scans with fresh lists; the reasons that the node's report and its verdict name."""
        self.scan_result = self.fleet.belay("scan", self.host.name, "--wait", "-o", "json")
        self.report = self.fleet.report(self.host)
        return reasons_in(self.report)

    def patch(self) -> set[str]:
        """Installs what is approved; the reasons that the run names."""
        return self._patched(self.fleet.belay("patch", self.host.name, "--wait", "-o", "json"))

    def plan(self) -> str:
        """Freezes what would be installed; the change set's id."""
        return str(self.fleet.ask("plan", self.host.name)["ChangeSet"]["ChangeSetId"])

    def apply(self, change_set: str) -> set[str]:
        return self._patched(self.fleet.belay("patch", "--change-set", change_set, self.host.name, "--wait", "-o", "json"))

    def _patched(self, result: Result) -> set[str]:
        self.patch_result = result
        return reasons_in(json.loads(result.stdout)) | reasons_in(result.stderr)

    # ---- what the host itself says
    def version(self, package: str) -> str:
        """`1.1 ii`, or "" where it is not installed."""
        return self.host.run(["dpkg-query", "-W", "-f", "${Version} ${db:Status-Abbrev}", package], check=False).stdout.strip()

    def whole(self) -> str:
        """Empty where dpkg finds nothing broken."""
        return self.host.run(["dpkg", "--audit"], check=False).text.strip()

    def kill_apt_when(self, package: str, moment: str) -> None:
        """Starts an upgrade behind Belay's back and kills it, all of it, when the shell condition holds."""
        self.host.shell("systemd-run --quiet --unit=doomed --setenv=DEBIAN_FRONTEND=noninteractive "
                        f"apt-get -y -q -o Dpkg::Use-Pty=0 install {package}")
        wait_until(f"the moment to kill apt ({moment})", lambda: self.host.shell(moment, check=False).ok, 60, every_s=0.01)
        self.host.shell("systemctl kill --signal=KILL doomed.service; sleep 0.3")


def reasons_in(answer: object) -> set[str]:
    """Every named reason in an answer: members called Reason, and lines that begin with a reason's word."""
    found: set[str] = set()
    if isinstance(answer, dict):
        for name, value in answer.items():
            if name in ("Reason", "reason") and isinstance(value, str):
                found.add(value)
            found |= reasons_in(value)
    elif isinstance(answer, list):
        for value in answer:
            found |= reasons_in(value)
    elif isinstance(answer, str):
        found |= set(REASON.findall(answer))
    return found
