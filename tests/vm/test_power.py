"""The plug pulled in the middle of a run: the next boot takes its journal up, and the run ends in a state that is true."""

from __future__ import annotations

from lab import debs
from lab.system import wait_until
from tests.vm.case import LONG_S, VmCase

INSTALLING = "pgrep -f '[t]slow.postinst configure'"


def slow(version: str) -> debs.Deb:
    """Stays in its configuration while the guest says so; a power cut forgets that."""
    return debs.Deb("tslow", version, scripts={"postinst": "while [ -e /run/slow ]; do sleep 0.2; done"})


class Power(VmCase):
    name = "power"

    def test_the_plug_is_pulled_while_packages_are_installed(self) -> None:
        guest = self.outside.guest("pulled", self.image.plain, slow("1.0"), debs.library("1.0"))
        self.addCleanup(guest.close)
        self.outside.offer(slow("1.1"), debs.library("1.1"))
        self.scan(guest)
        guest.shell("touch /run/slow")
        before = guest.boot_id()
        command = self.order_patch(guest)
        wait_until("the run to be in the middle", lambda: guest.shell(INSTALLING, check=False).ok, LONG_S, every_s=1)
        guest.power_cut()
        self.assertFalse(guest.is_on())
        guest.start()
        guest.wait_running()
        self.assertNotEqual(guest.boot_id(), before)
        outcome = self.ended(command)
        run = self.newest_run(guest)
        self.assertIn("interrupted: the machine restarted", str(run["steps"]))
        self.assertEqual(self.states_of(run).count("installing"), 1, "an interrupted install was begun again")
        self.assertEqual((outcome, run["outcome"]), ("Failed", "rolled_back"), run)
        self.assertIn("the machine restarted while packages were being installed", str(run["problems"]))
        self.assertEqual((self.version(guest, "tslow"), self.version(guest, "tlib")), ("1.0 ii", "1.0 ii"))
        self.assert_whole(guest)
        # It is a node like any other again.
        self.scan(guest)
        result = self.outside.fleet.belay("patch", guest.name, "--wait", "-o", "json", timeout_s=LONG_S)
        self.assertEqual(result.status, 0, result.text)
        self.assertEqual((self.version(guest, "tslow"), self.version(guest, "tlib")), ("1.1 ii", "1.1 ii"))
        self.assertEqual(self.outside.fleet.belay("audit", "verify").status, 0)
