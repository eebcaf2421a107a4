"""A host's disk that is a real btrfs in a file: what an overlay cannot do, a snapshot of / and a boot from another subvolume.

It is mounted anew before every boot as a boot loader would: the default subvolume, or the one that is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.system import missing_tools, run

_SIZE = "2G"  # sparse
LAYOUTS = {"btrfs-default": "noatime", "btrfs-named": "noatime,subvol=@"}


def why_not() -> str:
    """Why this machine has no such disks; empty where it does."""
    if "\tbtrfs\n" not in Path("/proc/filesystems").read_text(encoding="utf-8"):
        return "this kernel has no btrfs"
    missing = missing_tools(("mkfs.btrfs", "btrfs", "losetup"))
    return f"missing: {', '.join(missing)} (scripts/packages-lab.txt)" if missing else ""


@dataclass(frozen=True)
class Disk:
    device: str  # a loop device; it goes when the last mount of it does
    options: str

    def mount(self, target: Path) -> None:
        run(["mount", "-t", "btrfs", "-o", self.options, self.device, target])


def make(layout: str, folder: Path, base: Path) -> Disk:
    """A disk with the base's files in its subvolume @; `folder`/top shows all of it."""
    image, top = folder / "disk", folder / "top"
    top.mkdir(parents=True)
    run(["truncate", "--size", _SIZE, image])
    run(["mkfs.btrfs", "--quiet", image])
    run(["mount", "-o", "loop,subvolid=5", image, top])
    run(["btrfs", "subvolume", "create", top / "@"])
    run(["cp", "--archive", "--", f"{base}/.", top / "@"])
    if layout == "btrfs-default":
        run(["btrfs", "subvolume", "set-default", top / "@"])
    device = run(["losetup", "--noheadings", "--output", "NAME", "--associated", image]).stdout.strip()
    return Disk(device, LAYOUTS[layout])
