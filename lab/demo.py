"""make demo: six real Debian hosts with real pending security updates, patched ring by ring with the same frozen versions.

One dev, two staging, three prod hosts boot in namespaces; Belay's server and agents run as they would anywhere. The
versions that dev was patched to are what staging and prod get, and nothing else. At the end the lab itself, which is not
Belay, asks every host whether that is so. Exit status 0: it is.
"""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import hosts, roots
from lab.fleet import Clock, Fleet, missing_binaries
from lab.hosts import Host, Lab
from lab.system import LAB_DIRECTORY, LabError, say

RINGS = {"dev": ["dev1"], "staging": ["staging1", "staging2"], "prod": ["prod1", "prod2", "prod3"]}
DATA = LAB_DIRECTORY / "demo"
SIDE_BY_SIDE = 3


def heading(text: str) -> None:
    print(f"\n== {text}", flush=True)


def main() -> int:
    problem = hosts.why_not()
    missing = missing_binaries("belayd", "belay-agent", "belay")
    if problem or missing:
        say(f"the demo cannot run: {problem or 'not built: ' + ', '.join(missing) + ' (make build)'}")
        return 1
    try:
        return _run()
    except LabError as error:
        say(f"the demo stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("the demo was interrupted; taking everything down")
        return 130
    finally:
        shutil.rmtree(DATA, ignore_errors=True)


def _run() -> int:
    clock = Clock()
    roots.ensure(["bookworm"])
    shutil.rmtree(DATA, ignore_errors=True)
    with Lab("demo") as lab:
        machines = _boot(lab, clock)
        with Fleet(lab, DATA / "server") as fleet:
            clock.lap("the server is ready")
            rings = {name: ring for ring, members in RINGS.items() for name in members}
            with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
                list(pool.map(lambda name: fleet.enrol(machines[name], {"Environment": rings[name]}), rings))
            clock.lap("six hosts are enrolled")
            return _patch(fleet, machines, clock)


def _boot(lab: Lab, clock: Clock) -> dict[str, Host]:
    heading("Six hosts: one dev, two staging, three prod")
    booted = lab.boot([name for members in RINGS.values() for name in members])
    clock.lap("six hosts are running, each with its own systemd")
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        for host, pending in zip(booted, pool.map(_pending, booted)):
            print(f"  {host.name:<9} {host.address:<11} {len(pending):>3} security updates pending", flush=True)
    clock.lap("apt on each host was asked what is pending")
    return {host.name: host for host in booted}


def _pending(host: Host) -> list[str]:
    """The packages for which apt itself sees a security update."""
    lines = host.run(["apt-get", "-s", "dist-upgrade"]).stdout.splitlines()
    return [line.split()[1] for line in lines if line.startswith("Inst ") and "Debian-Security" in line]


def _patch(fleet: Fleet, machines: dict[str, Host], clock: Clock) -> int:
    heading("Scan, and the states before")
    _must(fleet.belay_aloud("scan", "all", "--wait"), "scan")
    fleet.belay_aloud("compliance", "-o", "table")
    clock.lap("scanned and judged")

    heading("Freeze what dev would get")
    plan = fleet.ask("plan", "tag:Environment=dev", "--name", "demo")
    change_set = _change_set_id(plan)
    print(f"\n$ belay plan tag:Environment=dev --name demo\n{change_set}", flush=True)
    fleet.belay_aloud("plan", "show", change_set)
    clock.lap("frozen")

    for ring in RINGS:
        heading(f"Patch {ring} with {change_set}")
        _must(fleet.belay_aloud("patch", "--change-set", change_set, f"tag:Environment={ring}", "--wait"), f"patch {ring}")
        clock.lap(f"{ring} is patched")

    heading("The states after")
    _must(fleet.belay_aloud("scan", "all", "--wait"), "scan")
    fleet.belay_aloud("compliance", "-o", "table")
    fleet.belay_aloud("audit", "verify")
    return _check(machines, _frozen(plan))


def _change_set_id(plan: dict) -> str:
    found = plan.get("ChangeSet", {}).get("ChangeSetId", "")
    if not found:
        raise LabError(f"`belay plan` named no change set: {str(plan)[:500]}")
    return str(found)


def _frozen(plan: dict) -> dict[str, str]:
    """Package to version, of all parts of the change set."""
    return {change["Name"]: change["ToVersion"] for part in plan.get("Parts", []) for change in part.get("Changes", [])
            if change.get("ToVersion")}


def _must(status: int, what: str) -> None:
    if status != 0:
        raise LabError(f"`belay {what}` ended with {status}")


def _check(machines: dict[str, Host], frozen: dict[str, str]) -> int:
    """What the hosts themselves say, Belay not asked."""
    heading("What dpkg on each host says")
    wrong = 0 if frozen else 1
    for host in machines.values():
        lines = host.run(["dpkg-query", "-W", "-f", "${Package}=${Version}=${db:Status-Abbrev}\n"]).stdout.splitlines()
        installed = {name: (version, state.strip()) for name, version, state in (line.split("=", 2) for line in lines)}
        off = [name for name, version in frozen.items() if installed.get(name) != (version, "ii")]
        broken = host.run(["dpkg", "--audit"], check=False).stdout.strip()
        wrong += bool(off) or bool(broken)
        verdict = f"differs: {', '.join(off)} {broken}" if off or broken else f"all {len(frozen)} frozen versions, whole"
        print(f"  {host.name:<9} {verdict}; {len(_pending(host))} security updates pending", flush=True)
    if wrong:
        say("not every host is as frozen")
        return 1
    print("\nSix hosts run the same versions, and every step is in the audit log.", flush=True)
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
