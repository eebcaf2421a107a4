"""The lab's own network: one switch namespace with a bridge, one namespace a host, no route to anywhere.

The switch answers at 10.77.0.1 (where Belay's server listens); package archives appear at 10.77.0.11 and up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lab import mirrors
from lab.system import CHECKOUT, LabError, run

SWITCH_ADDRESS = "10.77.0.1"


@dataclass(frozen=True)
class Archive:
    """A package archive as the hosts see it."""

    host: str
    address: str
    ports: tuple[int, ...]


def archives() -> list[Archive]:
    """The machine's own Debian archives, each with the address it has inside the lab."""
    ports: dict[str, set[int]] = {}
    for uri in (mirrors.debian_archive(), mirrors.security_archive()):
        where = mirrors.endpoint(uri)
        ports.setdefault(where.host, set()).add(where.port)
    return [Archive(host, f"10.77.0.{11 + index}", tuple(sorted(ports[host]))) for index, host in enumerate(sorted(ports))]


def make_switch(namespace: str) -> None:
    run(["ip", "netns", "add", namespace])
    run(["ip", "-n", namespace, "link", "set", "lo", "up"])
    run(["ip", "-n", namespace, "link", "add", "br0", "type", "bridge"])
    for address in [SWITCH_ADDRESS, *(archive.address for archive in archives())]:
        run(["ip", "-n", namespace, "address", "add", f"{address}/16", "dev", "br0"])
    run(["ip", "-n", namespace, "link", "set", "br0", "up"])


def make_port(switch: str, namespace: str, port: str, address: str) -> None:
    """A host's namespace, joined to the switch by a cable whose ends are `port` there and eth0 here."""
    run(["ip", "netns", "add", namespace])
    run(["ip", "-n", switch, "link", "add", "name", port, "type", "veth", "peer", "name", "eth0", "netns", namespace])
    run(["ip", "-n", switch, "link", "set", "dev", port, "master", "br0", "up"])
    run(["ip", "-n", namespace, "link", "set", "lo", "up"])
    run(["ip", "-n", namespace, "address", "add", f"{address}/16", "dev", "eth0"])
    run(["ip", "-n", namespace, "link", "set", "eth0", "up"])


def cable(switch: str, port: str, connected: bool) -> None:
    """Pulls a host's cable out, or puts it in again."""
    run(["ip", "-n", switch, "link", "set", "dev", port, "up" if connected else "down"])


def forward_archives(switch: str, log: Path) -> subprocess.Popen[str]:
    """Starts the process that carries connections to the archives; it serves until it is ended."""
    words = [f"{archive.address}:{port}={archive.host}:{port}" for archive in archives() for port in archive.ports]
    with open(log, "a", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.forward", switch, *words], cwd=CHECKOUT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        process.kill()
        process.wait()
        raise LabError(f"the way to the package archives did not open; see {log}")
    return process


def namespaces(prefix: str) -> list[str]:
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.glob(f"{prefix}*")) if folder.is_dir() else []


def remove(prefix: str) -> None:
    """Deletes the lab's namespaces; what still runs inside one is ours and ends with it."""
    for name in namespaces(prefix):
        for word in run(["ip", "netns", "pids", name], check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(word), signal.SIGKILL)
        for _ in range(20):
            if run(["ip", "netns", "delete", name], check=False).ok or not (Path("/run/netns") / name).exists():
                break
            time.sleep(0.05)


def hosts_lines() -> str:
    """What a host's /etc/hosts says of the archives and of the server."""
    lines = [f"{archive.address} {archive.host}" for archive in archives()]
    return "\n".join([*lines, f"{SWITCH_ADDRESS} belay.lab repo.lab"]) + "\n"
