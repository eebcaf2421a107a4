"""An array that loses a disk: the kernel says so, its data stays, and the node tells it."""

from __future__ import annotations

from lab import debs, vm, vm_image
from tests.vm.case import VmCase

MEMBER_MIB = 128


class Array(VmCase):
    name = "array"
    guest: vm.Vm

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        disks = [vm.Disk(vm_image.blank(cls.outside.folder / f"member{index}.qcow2", MEMBER_MIB)) for index in range(2)]
        cls.guest = guest = cls.outside.guest("array", cls.outside.image.plain, debs.library("1.0"), disks=disks)
        guest.shell("mdadm --create /dev/md0 --run --level=1 --metadata=1.2 --raid-devices=2 /dev/vdc /dev/vdd && mdadm --wait /dev/md0; "
                    "mkfs.ext4 -q /dev/md0 && mkdir -p /srv/data && mount /dev/md0 /srv/data && echo kept > /srv/data/file && sync")
        cls.seen_whole, cls.told_whole = cls.look()
        guest.run(["mdadm", "/dev/md0", "--fail", "/dev/vdd"])
        cls.seen_degraded, cls.told_degraded = cls.look()

    @classmethod
    def look(cls) -> tuple[str, list[dict] | None]:
        """What the kernel says of its arrays, and what the node's newest scan told of them; None of an agent that does not look."""
        cls.scan(cls.guest)
        storage = cls.outside.fleet.ask("nodes", "show", cls.guest.name)["Node"]["Facts"].get("storage")
        told = None if storage is None else [row for row in storage if row["what"] == "md"]
        return cls.guest.run(["cat", "/proc/mdstat"]).stdout, told

    def test_the_kernel_sees_it_and_the_data_stays(self) -> None:
        self.assertIn("[2/2] [UU]", self.seen_whole)
        self.assertIn("[2/1] [U_]", self.seen_degraded)
        self.assertIn("vdd[1](F)", self.seen_degraded)
        self.assertEqual(self.guest.run(["cat", "/srv/data/file"]).stdout, "kept\n")

    def test_the_nodes_facts_tell_it(self) -> None:
        if self.told_whole is None or self.told_degraded is None:
            self.skipTest("this agent reports no arrays")
        self.assertEqual([(row["subject"], row["state"]) for row in self.told_whole], [("md0", "ok")])
        self.assertEqual([(row["subject"], row["state"], row["mounts"]) for row in self.told_degraded], [("md0", "degraded", ["/srv/data"])])
