"""A kernel that changes: booted once on trial, kept once the run has verified it, and left by itself where it does not come up."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import debs, vm
from lab.vm_image import Image
from tests.vm.case import LONG_S, VmCase

META = "linux-image-lab"


def kernel_package(image: Image, folder: Path, version: str, *, boots: bool) -> debs.Deb:
    """Debian's newer kernel with its initial ram disk made beforehand, and with the script that guards a kernel's removal."""
    tree = folder / f"tree-{version}"
    shutil.copytree(image.new_kernel, tree)
    if not boots:
        (tree / "boot" / f"initrd.img-{image.new}").write_bytes(b"no ram disk" * 100)
    return debs.Deb(f"linux-image-{image.new}", version, tree=tree, architecture="amd64", compression="none",
                    scripts={"postinst": "update-grub", "postrm": "update-grub",
                             "prerm": f'[ "$1" != remove ] || linux-check-removal {image.new}'})


def meta_package(version: str, kernel: debs.Deb | None = None) -> debs.Deb:
    fields = {"Depends": f"{kernel.name} (>= {kernel.version})"} if kernel else {}
    return debs.Deb(META, version, fields=fields, architecture="amd64")


class Kernel(VmCase):
    name = "kernel"

    def offer(self, kernel: debs.Deb, version: str) -> None:
        self.outside.offer(kernel, meta_package(version, kernel))

    def kernel(self, guest: vm.Vm) -> str:
        return guest.run(["uname", "-r"]).stdout.strip()

    def assert_menu_as_found(self, guest: vm.Vm) -> None:
        self.assertNotIn("belay", guest.run(["ls", "/etc/default/grub.d"], check=False).stdout)
        kept = guest.run(["grub-editenv", "/boot/grub/grubenv", "list"]).stdout
        self.assertEqual([line for line in kept.splitlines() if "=" in line and not line.endswith("=")], [])
        self.assertIn('set default="0"', guest.run(["cat", "/boot/grub/grub.cfg"]).stdout)

    def test_a_kernel_that_does_not_come_up_is_left_and_one_that_does_is_kept(self) -> None:
        guest = self.outside.guest("kernel", self.image.plain, meta_package("1.0"))
        self.addCleanup(guest.close)
        self.assertEqual(self.kernel(guest), self.image.old)
        bad = kernel_package(self.image, self.outside.folder, "6.1.900-1", boots=False)
        self.offer(bad, "1.1")
        self.scan(guest)
        self.falls_back(guest)
        self.outside.archive.withdraw(bad.name, bad.version)
        self.outside.archive.withdraw(META, "1.1")
        self.offer(kernel_package(self.image, self.outside.folder, "6.1.901-1", boots=True), "1.2")
        self.scan(guest)
        self.is_kept(guest)

    def falls_back(self, guest: vm.Vm) -> None:
        result = self.outside.fleet.belay("patch", guest.name, "--wait", "-o", "json", timeout_s=LONG_S)
        self.assertNotEqual(result.status, 0, result.text)
        guest.wait_running()
        run = self.newest_run(guest)
        self.assertEqual(run["outcome"], "rolled_back", run)
        self.assertIn(f"kernel {self.image.new} did not come up: the machine fell back to {self.image.old}", str(run["problems"]))
        console = guest.console.read_text(encoding="utf-8", errors="replace")
        self.assertEqual((console.count("not syncing: VFS"), console.count("Rebooting in 30 seconds")), (1, 1), "the broken kernel was to be tried exactly once")
        self.assertEqual((self.kernel(guest), self.version(guest, META)), (self.image.old, "1.0 ii"))
        self.assertIn(self.version(guest, f"linux-image-{self.image.new}"), ("", "6.1.900-1 rc"))
        self.assertEqual(guest.shell("ls /boot/vmlinuz-*").stdout, f"/boot/vmlinuz-{self.image.old}\n")
        self.assert_whole(guest)
        self.assert_menu_as_found(guest)

    def is_kept(self, guest: vm.Vm) -> None:
        result = self.outside.fleet.belay("patch", guest.name, "--wait", "-o", "json", timeout_s=LONG_S)
        self.assertEqual(result.status, 0, result.text + guest.console_tail())
        guest.wait_running()
        run = self.newest_run(guest)
        self.assertEqual(run["outcome"], "committed", run)
        self.assertTrue(run["rebooted"])
        self.assertIn(f"kernel {self.image.new} is booted once, {self.image.old} until it is verified", str(run["steps"]))
        self.assertEqual(self.kernel(guest), self.image.new)
        self.assert_menu_as_found(guest)
        guest.reboot()
        self.assertEqual(self.kernel(guest), self.image.new, "the new kernel was booted only once")
