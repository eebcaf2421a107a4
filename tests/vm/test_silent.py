"""A machine that goes down for its reboot and does not come back cannot say so; the server says it, from outside."""

from __future__ import annotations

from lab import debs
from lab.system import wait_until
from tests.vm.case import LONG_S, VmCase

ROLLOUT = """name: silent
approvals: 0
protect: {class: R1}
rings:
  - {name: first, targets: ["tag:Environment=vm"], maxConcurrency: "100%"}
reboot: if-needed
rebootTimeout: 4m
onFailure: rollback
"""


def wants_reboot(version: str) -> debs.Deb:
    return debs.Deb("tboot", version, scripts={"postinst": "touch /run/reboot-required; echo tboot >> /run/reboot-required.pkgs"})


class Silent(VmCase):
    name = "silent"

    def node_of(self, rollout: str) -> dict:
        return self.outside.fleet.ask("rollout", "nodes", rollout)["Nodes"][0]

    def test_one_that_does_not_come_back_is_told_from_outside(self) -> None:
        fleet = self.outside.fleet
        fleet.set("rollout.approvals-least", "0")
        guest = self.outside.guest("silent", self.image.plain, wants_reboot("1.0"))
        self.addCleanup(guest.close)
        guest.shell("rm -f /run/reboot-required*")
        self.outside.offer(wants_reboot("1.1"))
        self.scan(guest)
        file = self.outside.folder / "rollout.yaml"
        file.write_text(ROLLOUT, encoding="utf-8")
        guest.comes_back = False
        fleet.belay("rollout", "start", "-f", str(file), timeout_s=LONG_S)
        rollout = str(fleet.ask("rollout", "list")["Rollouts"][0]["RolloutId"])
        wait_until("the machine to go down", lambda: not guest.is_on(), LONG_S, every_s=1)
        wait_until("the server to say that it is gone", lambda: self.node_of(rollout)["State"] == "Inconsistent", LONG_S, every_s=2)
        self.assertIn("has not come back within", str(self.node_of(rollout)))
        self.assertEqual(fleet.ask("rollout", "show", rollout)["Rollout"]["State"], "Halted")
        self.assertIn("has not come back", str(fleet.ask("rollout", "report", rollout)))
        # Somebody switches it on: its own word of the run arrives after all.
        guest.comes_back = True
        guest.start()
        guest.wait_running()
        wait_until("the node to be heard again", lambda: self.outside.is_online(guest), LONG_S, every_s=2)
        self.assertEqual(self.newest_run(guest)["outcome"], "committed")
        self.assertEqual(self.version(guest, "tboot"), "1.1 ii")
