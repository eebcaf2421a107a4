"""What the tests on virtual machines share: when to skip, a fleet for each class, and how a run's end is read."""

from __future__ import annotations

import json
import os
import unittest

from lab import system, vm, vm_image
from lab.fleet import STATE
from lab.vm_fleet import Outside

BINARIES = ("belayd", "belay-agent", "belay")
TOOLS = ("dpkg-deb", "apt-ftparchive", "gpg")
FINAL = ("Success", "Failed", "TimedOut", "Cancelled")
LONG_S = 3_600  # of what takes minutes here, and several times that on a busy machine


class VmCase(unittest.TestCase):
    """Skipped by name where this machine cannot run virtual machines, a tool is missing, or Belay is not built."""

    name = ""
    outside: Outside

    @classmethod
    def setUpClass(cls) -> None:
        missing = system.missing_tools(TOOLS)
        unbuilt = [name for name in BINARIES if not (system.BINARIES / name).exists()]
        problem = vm_image.why_not() or ("making a golden image needs root" if os.geteuid() != 0 else "")
        if problem or missing:
            raise unittest.SkipTest(problem or f"missing: {', '.join(missing)} (scripts/packages-lab.txt)")
        if unbuilt:
            raise unittest.SkipTest(f"not built: {', '.join(unbuilt)} (make build)")
        cls.outside = Outside(cls.name)
        cls.enterClassContext(cls.outside)

    @property
    def image(self) -> vm_image.Image:
        return self.outside.image

    # ---- orders
    @classmethod
    def scan(cls, guest: vm.Vm) -> None:
        cls.outside.fleet.belay("scan", guest.name, "--wait", timeout_s=LONG_S)

    def order_patch(self, guest: vm.Vm) -> str:
        """Orders what is approved, without waiting; the command's id."""
        return str(self.outside.fleet.ask("patch", guest.name)["Command"]["CommandId"])

    def ended(self, command: str) -> str:
        """How a command ended; waits for that."""
        def status() -> str:
            rows = self.outside.fleet.ask("command", "list")["Commands"]
            found = next((row["Status"] for row in rows if row["CommandId"] == command), "")
            return found if found in FINAL else ""

        return str(system.wait_until(f"the command {command} to end", status, LONG_S, every_s=2))

    # ---- what the guest itself says
    def newest_run(self, guest: vm.Vm) -> dict:
        """The report of the newest patch run, as the agent keeps it; waits until none is under way."""
        system.wait_until("the run to end", lambda: guest.shell(f"ls -A {STATE}/orders", check=False).stdout == "", LONG_S, every_s=2)
        results = guest.shell(f"cd {STATE}/archive && for file in $(ls -t *.json); do cat $file; echo; done").stdout
        return next(result["run"] for result in map(json.loads, filter(str.strip, results.splitlines())) if result.get("run"))

    def states_of(self, run: dict) -> list[str]:
        return [step["state"] for step in run["steps"]]

    def version(self, guest: vm.Vm, package: str) -> str:
        """`1.1 ii`, or "" where it is not installed."""
        return guest.run(["dpkg-query", "-W", "-f", "${Version} ${db:Status-Abbrev}", package], check=False).stdout.strip()

    def assert_whole(self, guest: vm.Vm) -> None:
        self.assertEqual(guest.run(["dpkg", "--audit"], check=False).text.strip(), "")
