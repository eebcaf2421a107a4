"""A control group for each host, in the old hierarchies (v1, hybrid) or the unified one (v2).

Without a group of its own in each hierarchy all containers of a machine share one, and ending one ends them all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_V1_HIERARCHIES = ("systemd", "unified", "memory", "pids", "cpu", "cpuacct")


def unified() -> bool:
    """True where the machine has the unified hierarchy alone."""
    return (ROOT / "cgroup.controllers").exists()


def systemd_is_init() -> bool:
    """True where systemd owns the tree, so groups are asked of it and not made behind its back."""
    return Path("/run/systemd/system").is_dir() and Path("/proc/1/comm").read_text().strip() == "systemd"


def _hierarchies() -> list[Path]:
    if unified():
        return [ROOT]
    return [ROOT / name for name in _V1_HIERARCHIES if (ROOT / name / "cgroup.procs").exists()]


def make(name: str) -> list[Path]:
    """The group's folder in every hierarchy. May be repeated."""
    folders = [hierarchy / name for hierarchy in _hierarchies()]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    return folders


def named(prefix: str) -> list[Path]:
    """Every group of that prefix, in every hierarchy; under systemd's, their scopes."""
    found = []
    for hierarchy in _hierarchies():
        found += [path for path in hierarchy.glob(f"{prefix}*") if path.is_dir()]
        found += [path for path in hierarchy.glob(f"*.slice/{prefix}*") if path.is_dir()]
    return sorted(found)


def members(folder: Path) -> set[int]:
    """Processes in the group and below it."""
    pids: set[int] = set()
    for top, _, names in os.walk(folder):
        if "cgroup.procs" in names:
            with contextlib.suppress(OSError):
                pids |= {int(word) for word in (Path(top) / "cgroup.procs").read_text().split()}
    return pids


def kill(folders: list[Path], patience_s: float = 10) -> None:
    """Ends every process of the groups at once, and waits until they are gone."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        pids = set().union(*(members(folder) for folder in folders)) if folders else set()
        pids.discard(os.getpid())
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def remove(folders: list[Path]) -> None:
    """Removes groups that nobody is in any more, from the leaves up."""
    for folder in folders:
        for top, names, _ in os.walk(folder, topdown=False):
            for name in names:
                with contextlib.suppress(OSError):
                    (Path(top) / name).rmdir()
        for _ in range(50):
            try:
                folder.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:  # the kernel is still letting go of the last process
                time.sleep(0.02)
