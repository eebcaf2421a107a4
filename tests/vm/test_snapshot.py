"""A root on LVM: packages that cannot be put back come back with the root, merged by a real reboot."""

from __future__ import annotations

from lab import debs, vm, vm_image
from tests.vm.case import LONG_S, VmCase

ROOT = f"/dev/mapper/{vm_image.VOLUME_GROUP}-{vm_image.VOLUME}"


class Snapshot(VmCase):
    name = "snapshot"

    def test_a_root_on_lvm_is_merged_back(self) -> None:
        boot = vm.Boot(*self.image.kernel(), f"root={ROOT} rw {vm_image.KERNEL_ARGUMENTS}")
        guest = self.outside.guest("logical", self.image.logical, debs.Deb("tstuck", "1.0"), boot=boot)
        self.addCleanup(guest.close)
        self.assertEqual(guest.run(["findmnt", "-n", "-o", "SOURCE", "/"]).stdout.strip(), ROOT)
        self.assertIn("lvm: covers /", guest.run(["belay-agent", "snapshots", "check"]).stdout)
        # It can neither be configured nor removed: no package manager leads back from it.
        self.outside.offer(debs.Deb("tstuck", "1.1", files={"/usr/share/tstuck/worse": "yes\n"},
                                    scripts={"postinst": "exit 3", "prerm": "exit 3"}))
        self.scan(guest)
        before, boots = guest.boot_id(), guest.boots
        result = self.outside.fleet.belay("patch", guest.name, "--wait", "-o", "json", timeout_s=LONG_S)
        self.assertNotEqual(result.status, 0, result.text)
        guest.wait_running()
        self.assertNotEqual(guest.boot_id(), before)
        self.assertEqual(guest.boots, boots + 1, "one restart was to be enough")
        run = self.newest_run(guest)
        self.assertEqual(run["outcome"], "rolled_back", run)
        self.assertEqual(run["rungs"], ["packages", "snapshot"])
        self.assertEqual(self.states_of(run).count("installing"), 1, run)
        self.assertEqual(self.version(guest, "tstuck"), "1.0 ii")
        self.assertEqual(guest.run(["ls", "/usr/share/tstuck"]).stdout, "version\n")
        self.assert_whole(guest)
        # The merge goes on behind the running system; then nothing of the snapshot is left.
        guest.shell("for i in $(seq 600); do lvs --noheadings -o lv_name | grep -q belay || exit 0; sleep 1; done; lvs -a; exit 1", timeout_s=LONG_S)
        self.assertIn("lvm: covers /", guest.run(["belay-agent", "snapshots", "check"]).stdout, "the next run could not be protected")
