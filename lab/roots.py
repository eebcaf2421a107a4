"""Root file systems: recipes, and the cache of tarballs made from them.

A root is made once with mmdebstrap from the archives this machine itself uses, kept as .lab/cache/NAME-KEY-DATE.tar.zst
and unpacked in under a second. KEY is the recipe's hash, so a changed recipe makes a new tarball; after a week the
tarball is made anew, because the archives have moved on. May be repeated and run at once: one builds, the others wait.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from lab import mirrors
from lab.system import LAB_DIRECTORY, LabError, locked, missing_tools, run, say, unmount_under

CACHE = LAB_DIRECTORY / "cache"
BUILD = LAB_DIRECTORY / "run" / "build"
AGE_DAYS_MAX = int(os.environ.get("BELAY_LAB_CACHE_DAYS", "7"))
TOOLS = ("mmdebstrap", "zstd", "tar", "mount")

_BOOTABLE = ("systemd-sysv", "dbus", "iproute2", "procps")

# apt's timers would take the lock in the middle of a test; a real host has them, and Belay waits for their lock.
_QUIET = "for unit in apt-daily.timer apt-daily-upgrade.timer; do ln -sf /dev/null etc/systemd/system/$unit; done"

# What makes a Debian root with dnf a full rpm host: Debian's own defaults put the database into the home folder and
# take a dead repository for success.
_DNF = """
mkdir -p etc/rpm etc/dnf/plugins etc/dnf/vars etc/yum.repos.d var/lib/rpm
echo '%_dbpath /var/lib/rpm' > etc/rpm/macros
echo 9 > etc/dnf/vars/releasever
printf '[main]\\ngpgcheck=1\\nbest=True\\nskip_if_unavailable=False\\ninstallonly_limit=3\\ninstallonlypkgs=kernel kernel-core\\n' > etc/dnf/dnf.conf
printf '[main]\\nenabled = false\\n' > etc/dnf/plugins/local.conf
printf 'NAME="Lab Linux"\\nID="rocky"\\nID_LIKE="rhel centos fedora"\\nVERSION_ID="9.4"\\nVERSION="9.4"\\nPRETTY_NAME="Lab Linux 9.4 (dnf)"\\n' > usr/lib/os-release
"""

_BUSYBOX = "mkdir -p proc sys dev tmp root var/lib etc; chroot . /bin/busybox --install -s /bin"


@dataclass(frozen=True)
class Recipe:
    """What a root is made of. `lists`: the package lists are fetched into it, security updates' too."""

    suite: str
    include: tuple[str, ...] = ()
    variant: str = "minbase"
    lists: bool = True
    bootable: bool = False
    finish: str = ""  # shell, run in the root's top folder at the end

    def key(self) -> str:
        words = asdict(self) | {"archives": [mirrors.debian_archive(), mirrors.security_archive()], "format": 3}
        return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:12]


# bookworm is made from main alone and then told of the security archive, so that its real updates are pending.
RECIPES: dict[str, Recipe] = {
    "bookworm": Recipe("bookworm", (*_BOOTABLE, "nginx-light", "cron", "needrestart", "ca-certificates"),
                       bootable=True, finish=_QUIET),
    "managed": Recipe("bookworm", (*_BOOTABLE, "openssh-server", "python3", "python3-apt", "ca-certificates"),
                      bootable=True, finish=_QUIET),  # as configuration tools want a host (bench/patch_run.py)
    "bullseye": Recipe("bullseye"),
    "trixie": Recipe("trixie"),
    "busybox": Recipe("bookworm", ("busybox-static",), variant="extract", lists=False, finish=_BUSYBOX),
    "btrfs": Recipe("bookworm", (*_BOOTABLE, "btrfs-progs"), lists=False, bootable=True, finish=_QUIET),
    "vm": Recipe("bookworm", (*_BOOTABLE, "udev", "kmod", "linux-image-cloud-amd64", "initramfs-tools", "grub-pc", "lvm2", "mdadm",
                              "e2fsprogs", "qemu-guest-agent", "ca-certificates"), finish=_QUIET),  # of virtual machines (lab/vm_image.py)
    "databases": Recipe("bookworm", (*_BOOTABLE, "postgresql", "pgbackrest", "mariadb-server", "mariadb-backup", "restic", "borgbackup",
                                     "sqlite3", "openssh-server", "rclone", "nginx-light", "ca-certificates"), bootable=True, finish=_QUIET),
    "rpm": Recipe("bookworm", (*_BOOTABLE, "dnf", "rpm", "gpg", "ca-certificates"), lists=False, bootable=True,
                  finish=_QUIET + _DNF),
}


def tarball(name: str) -> Path:
    """The cached tarball of a recipe; made now where there is none that is fresh."""
    recipe = _recipe(name)
    stem = f"{name}-{recipe.key()}"
    with locked(CACHE / f"{name}.lock"):
        newest = _newest(stem)
        if newest and _age_days(newest) < AGE_DAYS_MAX:
            return newest
        try:
            return _build(name, recipe, stem)
        except LabError as error:
            if newest is None:
                raise
            say(f"root {name}: could not be renewed, the one of {newest.stem[-14:-4]} serves on ({error})")
            return newest


def ensure(names: list[str]) -> dict[str, Path]:
    """Tarballs of several recipes, made two at a time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(names, pool.map(tarball, names)))


def unpack(name: str, target: Path) -> None:
    """A root's files in a folder that must not exist yet."""
    archive = tarball(name)
    target.mkdir(parents=True)
    run(["tar", "--zstd", "-xpf", archive, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-C", target])


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise LabError(f"there is no root named {name}: the lab knows {', '.join(RECIPES)}")
    return RECIPES[name]


def _newest(stem: str) -> Path | None:
    found = sorted(CACHE.glob(f"{stem}-*.tar.zst"))
    return found[-1] if found else None


def _age_days(path: Path) -> float:
    return (time.time() - path.stat().st_mtime) / 86_400


def _build(name: str, recipe: Recipe, stem: str) -> Path:
    missing = missing_tools(TOOLS)
    if missing:
        raise LabError(f"root {name} needs {', '.join(missing)}: install the packages of scripts/packages-lab.txt")
    say(f"root {name}: making it from {mirrors.debian_archive()} (once; half a minute)")
    began = time.monotonic()
    folder = BUILD / name
    unmount_under(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "size=3g,mode=0755", "belay-lab-build", folder])  # on disk, fsync doubles the time
    try:
        output = folder / "root.tar.zst"
        run(_mmdebstrap(recipe, output), timeout_s=900, environment=_environment(folder))
        final = CACHE / f"{stem}-{date.today().isoformat()}.tar.zst"
        _move_in(output, final)
    finally:
        unmount_under(folder)
        folder.rmdir()
    for old in CACHE.glob(f"{name}-*.tar.zst"):
        if old != final and re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{12}}-[0-9-]+\.tar\.zst", old.name):
            old.unlink()
    say(f"root {name}: {final.stat().st_size >> 20} MiB in {time.monotonic() - began:.0f} s")
    return final


def _move_in(source: Path, final: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = final.with_suffix(".partial")
    run(["cp", source, partial])
    partial.rename(final)


def _environment(folder: Path) -> dict[str, str]:
    return {**{key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "http_proxy", "https_proxy")},
            "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}


def _mmdebstrap(recipe: Recipe, output: Path) -> list[str]:
    archive = mirrors.debian_archive()
    last = "extract" if recipe.variant == "extract" else "customize"  # the last hook that the variant comes to
    hooks = [f"--{last}-hook=cd \"$1\" && {{ {recipe.finish.strip()}\n}}"] if recipe.finish else []
    if recipe.variant != "extract":
        hooks.append("--customize-hook=" + _sources_hook(recipe))
    return [
        "mmdebstrap", "--quiet", "--mode=root", f"--variant={recipe.variant}",
        *([f"--include={','.join(recipe.include)}"] if recipe.include else []),
        '--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=Acquire::Languages "none"',
        "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        *(["--skip=cleanup/apt/lists"] if recipe.lists else []), *hooks,
        recipe.suite, str(output), f"deb {archive} {recipe.suite} main",
    ]


def _sources_hook(recipe: Recipe) -> str:
    """Gives the root its own sources, the security archive among them, and fetches the lists of both or of none.

    Security archives carry a date after which apt refuses them; a cached root outlives it, so it is not checked there.
    """
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    stanzas = "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\nCheck-Valid-Until: no\n"
        for uri, suite in ((mirrors.debian_archive(), recipe.suite),
                           (mirrors.security_archive(), f"{recipe.suite}-security")))
    steps = [
        'set -e; rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*; rm -rf "$1"/var/lib/apt/lists/*',
        f'printf %s {shlex.quote(stanzas)} > "$1"/etc/apt/sources.list.d/debian.sources' if recipe.lists else ":",
        'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -qq update' if recipe.lists else ":",
        """rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap; echo 'Acquire::Languages "none";' > "$1"/etc/apt/apt.conf.d/90lab""",
    ]
    return "\n".join(steps)
