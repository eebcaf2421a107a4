"""The golden images of virtual machines: made once, kept in the lab's cache, never written to again.

    image = vm_image.golden()      # minutes the first time, at once afterwards
    image.plain                    # a disk with GRUB, an ext4 root in its first partition, and the older kernel
    image.logical                  # a disk that is one volume group, with the same root on a classic logical volume
    image.new_kernel               # the newer kernel's files, as a package of the tests may ship them

Whatever is slow under emulation (packages, both kernels' initial ram disks) is done natively, in the tree, before it
becomes an image; only what needs a partition table or device-mapper is done in a machine. The images are made anew when
the root's recipe or what is done to it here changes.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lab import roots, vm
from lab.system import CLEAN_ENVIRONMENT, LAB_DIRECTORY, LabError, locked, missing_tools, run, say, unmount_under

TOOLS = (*roots.TOOLS, *vm.TOOLS, "sfdisk", "mkfs.ext4", "unshare", "chroot")
CACHE = LAB_DIRECTORY / "cache"
BUILD = LAB_DIRECTORY / "run" / "vm-build"
DISK_MIB = 3072
PARTITION_BYTES = 1 << 20  # where the first partition begins
VOLUME_GROUP, VOLUME, VOLUME_MIB = "vg0", "root", 1536

# Only what these machines have: a small initial ram disk loads in seconds under emulation.
_MODULES = "virtio_pci virtio_blk virtio_net virtio_console ext4 crc32c_generic dm_mod dm_snapshot dm_mirror md_mod raid1"
# Where others have the processors every line on the console and every service prolongs the boot, and watchdogs end it.
KERNEL_ARGUMENTS = ("console=ttyS0 net.ifnames=0 mitigations=off quiet loglevel=4 no_timer_check audit=0 apparmor=0 rcupdate.rcu_expedited=1 "
                    "systemd.show_status=false systemd.service_watchdogs=false")

# In the tree's top folder. The login of a machine is its guest agent; there is no password and no ssh.
_CONFIGURE = f"""
set -e
printf 'MODULES=list\\n' > etc/initramfs-tools/conf.d/belay-lab
printf '%s\\n' {_MODULES} >> etc/initramfs-tools/modules
printf 'GRUB_DEFAULT=0\\nGRUB_TIMEOUT=1\\nGRUB_DISTRIBUTOR=Debian\\nGRUB_CMDLINE_LINUX_DEFAULT=""\\nGRUB_CMDLINE_LINUX="{KERNEL_ARGUMENTS}"\\nGRUB_DISABLE_OS_PROBER=true\\nGRUB_TERMINAL=console\\n' > etc/default/grub
printf 'LABEL=root / ext4 defaults,noatime 0 1\\n' > etc/fstab
printf '[Unit]\\nBefore=network-online.target\\nWants=network-online.target\\n[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/sh -c "ip link set lo up; ip link set eth0 up; ip address replace 10.0.2.15/24 dev eth0; ip route replace default via 10.0.2.2"\\n' > etc/systemd/system/lab-network.service
ln -sf /etc/systemd/system/lab-network.service etc/systemd/system/multi-user.target.wants/lab-network.service
printf '127.0.0.1 localhost\\n' > etc/hosts
mkdir -p etc/systemd/system.conf.d
printf '[Manager]\\nDefaultTimeoutStartSec=1h\\nDefaultTimeoutStopSec=10min\\n' > etc/systemd/system.conf.d/lab.conf
printf 'blacklist %s\\n' kvm kvm_amd kvm_intel powernow_k8 acpi_cpufreq pcspkr drm efi_pstore fuse > etc/modprobe.d/lab.conf
printf '[Journal]\\nStorage=volatile\\n' > etc/systemd/journald.conf
for unit in systemd-networkd.service systemd-networkd.socket e2scrub_reap.service e2scrub_all.timer fstrim.timer dpkg-db-backup.timer \\
    mdcheck_start.timer mdcheck_continue.timer mdmonitor-oneshot.timer getty@tty1.service serial-getty@ttyS0.service systemd-logind.service \\
    systemd-random-seed.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service systemd-pstore.service \\
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-user-sessions.service dev-hugepages.mount dev-mqueue.mount \\
    sys-kernel-debug.mount sys-kernel-tracing.mount systemd-ask-password-console.path systemd-ask-password-wall.path; do
  ln -sf /dev/null etc/systemd/system/$unit
done
: > etc/machine-id
rm -f etc/resolv.conf
"""

_NEW_KERNEL = """
set -e
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt-get -qq update
new=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\\(linux-image-[0-9].*\\)/\\1/p' | sed -n 1p)
old=$(ls /boot/vmlinuz-*)
case "/boot/vmlinuz-${new#linux-image-}" in "$old") echo "the archives offer no newer kernel than ${old#/boot/vmlinuz-}" >&2; exit 9;; esac
apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "$new" >/dev/null
update-initramfs -u -k all >/dev/null
echo "old=${old#/boot/vmlinuz-} new=${new#linux-image-}"
"""

_LOGICAL = f"""
set -e
pvcreate -qq /dev/vdb
vgcreate -qq {VOLUME_GROUP} /dev/vdb
lvcreate -qq -y -Wn -Zn -L {VOLUME_MIB}M -n {VOLUME} {VOLUME_GROUP}
dd if=/dev/vdc of=/dev/{VOLUME_GROUP}/{VOLUME} bs=4M conv=sparse,fsync status=none
mount /dev/{VOLUME_GROUP}/{VOLUME} /mnt
echo '/dev/{VOLUME_GROUP}/{VOLUME} / ext4 defaults,noatime 0 1' > /mnt/etc/fstab
cp /etc/machine-id /mnt/etc/machine-id
umount /mnt
vgchange -qq -an {VOLUME_GROUP}
"""


@dataclass(frozen=True)
class Image:
    """Files of one golden image. `plain` and `logical` are backing files: lay an overlay over them."""

    folder: Path
    old: str  # the kernel's release, as uname -r says it
    new: str

    @property
    def plain(self) -> Path:
        return self.folder / "plain.qcow2"

    @property
    def logical(self) -> Path:
        return self.folder / "logical.qcow2"

    @property
    def new_kernel(self) -> Path:
        """A tree with /boot/vmlinuz-NEW, its initial ram disk, and the modules that these machines need."""
        return self.folder / "new"

    def kernel(self, release: str = "") -> tuple[Path, Path]:
        """A kernel and its initial ram disk, to boot without a boot loader."""
        release = release or self.old
        return self.folder / f"vmlinuz-{release}", self.folder / f"initrd.img-{release}"


def why_not() -> str:
    """Why this machine cannot make or run virtual machines; empty where it can."""
    missing = missing_tools(TOOLS)
    return f"missing: {', '.join(missing)} (scripts/packages-vm.txt)" if missing else vm.why_not()


def golden() -> Image:
    """The image; made now where it is not in the cache."""
    problem = why_not()
    if problem:
        raise LabError(f"virtual machines: {problem}")
    made_of = (roots.RECIPES["vm"].key(), _CONFIGURE, _NEW_KERNEL, _LOGICAL, str((DISK_MIB, VOLUME_MIB, 2)))
    key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:12]
    final = CACHE / f"vm-{key}"
    with locked(CACHE / "vm-images.lock"):
        if not (final / "releases").exists():
            _make(final)
    old, new = (final / "releases").read_text(encoding="utf-8").split()
    return Image(final, old, new)


def overlay(backing: Path, path: Path) -> Path:
    """A disk that begins as another one and keeps its own changes."""
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing.resolve(), path])
    return path


def blank(path: Path, mib: int) -> Path:
    run(["qemu-img", "create", "-q", "-f", "qcow2", path, f"{mib}M"])
    return path


def _make(final: Path) -> None:
    began = time.monotonic()
    roots.tarball("vm")
    say("virtual machines: making the golden images (once; some minutes, most of them under emulation)")
    unmount_under(BUILD)
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        run(["mount", "-t", "tmpfs", "-o", "size=4g,mode=0755", "belay-lab-build", BUILD])
        old, new = _make_tree(BUILD / "tree", partial)
        _make_disks(BUILD / "tree", partial, Image(partial, old, new))
        (partial / "releases").write_text(f"{old} {new}\n", encoding="utf-8")
    finally:
        unmount_under(BUILD)
        shutil.rmtree(BUILD, ignore_errors=True)
    for stale in CACHE.glob("vm-*"):
        if stale != partial and re.fullmatch(r"vm-[0-9a-f]{12}", stale.name):
            shutil.rmtree(stale)
    partial.rename(final)
    say(f"virtual machines: kernel {old}, then {new}; made in {time.monotonic() - began:.0f} s")


def _in_tree(tree: Path, script: str) -> str:
    """Runs shell in the tree, on this machine's network, as a build does: no service is started."""
    outer = ('r=$1; mount -t proc proc "$r/proc" && mount -t sysfs sys "$r/sys" && mount -t tmpfs run "$r/run" && '
             'mount --rbind /dev "$r/dev" && cp /etc/resolv.conf "$r/etc/resolv.conf" && '
             'printf "#!/bin/sh\\nexit 101\\n" > "$r/usr/sbin/policy-rc.d" && chmod +x "$r/usr/sbin/policy-rc.d" || exit 1; '
             'chroot "$r" sh -c "$2"; status=$?; rm -f "$r/usr/sbin/policy-rc.d" "$r/etc/resolv.conf"; exit $status')
    return run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", outer, "sh", tree, script],
               timeout_s=1200, environment=CLEAN_ENVIRONMENT).stdout


def _make_tree(tree: Path, kept: Path) -> tuple[str, str]:
    """The older kernel stays in the tree; the newer one's files go aside. Their releases."""
    roots.unpack("vm", tree)
    run(["sh", "-c", _CONFIGURE], directory=tree)
    told = _in_tree(tree, _NEW_KERNEL)
    found = re.search(r"old=(\S+) new=(\S+)", told)
    if not found:
        raise LabError(f"the tree does not tell its kernels: {told[-500:]}")
    old, new = found.groups()
    for release in (old, new):
        for name in (f"vmlinuz-{release}", f"initrd.img-{release}"):
            shutil.copy(tree / "boot" / name, kept / name)
    _set_aside(tree, kept / "new", new)
    _in_tree(tree, f"DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 purge linux-image-{new} >/dev/null; "
                   "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /etc/apt/sources.list.d/*; "
                   f"rm -rf /lib/modules/{new} /boot/*{new}*; ls /boot/vmlinuz-{old} >/dev/null")
    return old, new


def _set_aside(tree: Path, kept: Path, release: str) -> None:
    (kept / "boot").mkdir(parents=True)
    for name in (f"vmlinuz-{release}", f"initrd.img-{release}", f"System.map-{release}", f"config-{release}"):
        if (tree / "boot" / name).exists():
            shutil.copy(tree / "boot" / name, kept / "boot" / name)
    modules, target = tree / "lib" / "modules" / release, kept / "lib" / "modules" / release
    for folder in ("kernel/drivers/md", "kernel/drivers/virtio", "kernel/drivers/block", "kernel/fs/ext4", "kernel/lib"):
        if (modules / folder).exists():
            shutil.copytree(modules / folder, target / folder)
    target.mkdir(parents=True, exist_ok=True)
    for path in modules.glob("modules.*"):
        shutil.copy(path, target / path.name)


def _make_disks(tree: Path, folder: Path, image: Image) -> None:
    plain, root, logical = BUILD / "plain.raw", BUILD / "root.raw", folder / "logical.qcow2"
    for path, size, offset in ((plain, DISK_MIB, PARTITION_BYTES), (root, VOLUME_MIB, 0)):
        run(["truncate", "-s", f"{size}M", path])
        if offset:
            run(["sfdisk", "--quiet", path], input_text="label: dos\nstart=2048, type=83, bootable\n")
        run(["mkfs.ext4", "-q", "-F", "-L", "root", "-E", f"offset={offset},nodiscard" if offset else "nodiscard", "-d", tree, path,
             f"{size * 1024 - offset // 1024}k"])
    blank(logical, 2560)
    machine = vm.Vm(BUILD / "machine", [vm.Disk(plain, "raw"), vm.Disk(logical), vm.Disk(root, "raw")],
                    boot=vm.Boot(*image.kernel(), f"root=/dev/vda1 rw {KERNEL_ARGUMENTS}"))
    with machine:
        machine.wait_running()
        # The second machine's root is laid down first: it must not look like a mounted one with the same label.
        machine.shell(_LOGICAL, timeout_s=900)
        machine.shell("grub-install /dev/vda && update-grub", timeout_s=900)
        machine.power_off()
    run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", plain, folder / "plain.qcow2"], timeout_s=600)
