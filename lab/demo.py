"""make demo: six real Debian hosts, two rollouts. The first is good and promotes itself; the second breaks a service.

One dev, two staging, three prod hosts boot in namespaces, each with a small web service of its own; Belay's server and agents
run as they would anywhere. The first rollout carries Debian's own pending security updates through the rings. The second carries
a new version of the service's package, whose installation succeeds and whose service then answers with errors: it is caught by a
probe on dev, put back there, quarantined, and never reaches staging. Nothing ships that only its author approved: a second
person, who may do that and nothing else, approves each. At the end the lab itself, which is not Belay, asks every
host whether all that is so. Exit status 0: it is.
"""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import debs, hosts, roots
from lab.fleet import Clock, Fleet, missing_binaries
from lab.hosts import Host, Lab
from lab.keys import make_key
from lab.repos import AptRepository, RepositoryServer, apt_get
from lab.system import LAB_DIRECTORY, LabError, say, wait_until

RINGS = {"dev": ["dev1"], "staging": ["staging1", "staging2"], "prod": ["prod1", "prod2", "prod3"]}
DATA = LAB_DIRECTORY / "demo"
SIDE_BY_SIDE = 3
GOOD, BAD = "1.0", "2.0"

# What `belay rollout start -f` is given. The gate is short, so that the demo is; a real one watches for minutes.
ROLLOUT = """\
name: {name}
approvals: 1
protect: {{class: R1}}
rings:
  - {{name: dev, targets: ["tag:Environment=dev"], maxConcurrency: "100%", soak: 5s}}
  - {{name: staging, targets: ["tag:Environment=staging"], maxConcurrency: "100%", soak: 5s}}
  - {{name: prod, targets: ["tag:Environment=prod"], maxConcurrency: "2"}}
probes:
  - {{name: shop, http: {{url: "http://127.0.0.1:8080/", status: 200, within: 2s}}}}
  - {{name: units, systemd: newly-failed}}
gate: {{for: 10s, every: 2s, misses: 2}}
reboot: never
onFailure: rollback
"""


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
    DATA.mkdir(parents=True)
    with Lab("demo") as lab:
        served = lab.folder / "archives"
        served.mkdir()
        server = RepositoryServer(served, lab.switch)
        try:
            archive = AptRepository(served / "shop", make_key(lab.folder / "key", "Shop archive"), suite="bookworm-security",
                                    origin="Debian", label="Debian-Security")
            archive.add(debs.web_service(GOOD))
            archive.publish()
            machines = _boot(lab, archive, server.url, clock)
            with Fleet(lab, DATA / "server") as fleet:
                clock.lap("the server is ready")
                rings = {name: ring for ring, members in RINGS.items() for name in members}
                with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
                    list(pool.map(lambda name: fleet.enrol(machines[name], {"Environment": rings[name]}), rings))
                clock.lap("six hosts are enrolled")
                return _roll_out(fleet, machines, archive, clock)
        finally:
            server.close()


def _boot(lab: Lab, archive: AptRepository, url: str, clock: Clock) -> dict[str, Host]:
    heading("Six hosts: one dev, two staging, three prod, each with a small web service")
    booted = lab.boot([name for members in RINGS.values() for name in members])
    clock.lap("six hosts are running, each with its own systemd")

    def serve(host: Host) -> list[str]:
        archive.offer_to(host, url, only=False)
        apt_get(host, "update")
        apt_get(host, "install", "shop")
        return _pending(host)

    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        for host, pending in zip(booted, pool.map(serve, booted)):
            print(f"  {host.name:<9} {host.address:<11} {len(pending):>3} security updates pending, shop answers {_answer(host)}", flush=True)
    clock.lap("the service is installed, and apt on each host was asked what is pending")
    return {host.name: host for host in booted}


def _pending(host: Host) -> list[str]:
    """The packages for which apt itself sees a security update."""
    lines = host.run(["apt-get", "-s", "dist-upgrade"]).stdout.splitlines()
    return [line.split()[1] for line in lines if line.startswith("Inst ") and "Debian-Security" in line]


def _answer(host: Host) -> str:
    """The status line of the host's service."""
    asked = host.run(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3"], check=False)
    return " ".join(asked.stdout.split()[1:]) or "nothing"


def _roll_out(fleet: Fleet, machines: dict[str, Host], archive: AptRepository, clock: Clock) -> int:
    heading("Scan, and the states before")
    _must(fleet.belay_aloud("scan", "all", "--wait"), "scan")
    fleet.belay_aloud("compliance", "-o", "table")
    clock.lap("scanned and judged")

    heading("A second person, who may approve and look")
    permissions = ("--permission", "belay:Approve*", "--permission", "belay:Get*")
    print(f"  belay user add approver {' '.join(permissions)}", flush=True)
    approver = str(fleet.ask("user", "add", "approver", *permissions)["Token"])

    heading("The first rollout: Debian's own updates, from dev through staging to prod")
    status, first = _start(fleet, "october-security", approver)
    _must(status, "rollout watch")
    frozen = _frozen(fleet, first)
    clock.lap("rolled out")
    wrong = _check(machines, frozen)

    heading(f"The second rollout: shop {BAD}, which installs well and answers with errors")
    archive.add(debs.web_service(BAD, works=False))
    archive.publish()
    _must(fleet.belay_aloud("scan", "all", "--wait"), "scan")
    status, second = _start(fleet, "shop-2", approver)
    clock.lap(f"`belay rollout watch` ended with {status}")
    fleet.belay_aloud("rollout", "show", second)
    fleet.belay_aloud("quarantine", "list")
    fleet.belay_aloud("where", "shop", BAD)
    fleet.belay_aloud("rollout", "report", second)
    fleet.belay_aloud("audit", "verify")
    return _check_second(fleet, machines, second, status, wrong)


def _start(fleet: Fleet, name: str, approver: str) -> tuple[int, str]:
    """Starts a rollout, has it approved with the approver's token and follows it to its rest: the exit status of `watch`, and its id."""
    file = DATA / f"{name}.yaml"
    file.write_text(ROLLOUT.format(name=name), encoding="utf-8")
    print(file.read_text(encoding="utf-8"), flush=True)
    _must(fleet.belay_aloud("rollout", "start", "-f", str(file)), "rollout start")
    rows = [row for row in fleet.ask("rollout", "list")["Rollouts"] if row["Name"] == name]
    if len(rows) != 1:
        raise LabError(f"`belay rollout list` shows {len(rows)} rollouts called {name}")
    rollout = str(rows[0]["RolloutId"])
    wait_until(f"{name} to be planned", lambda: _state(fleet, rollout) != "Planned", 120, every_s=0.3)
    if _state(fleet, rollout) != "AwaitingApproval":
        raise LabError(f"{name} is {_state(fleet, rollout)} and nobody but its author has approved it")
    _must(fleet.belay_aloud("rollout", "approve", rollout, token=approver), "rollout approve")
    return fleet.belay_aloud("rollout", "watch", rollout), rollout


def _state(fleet: Fleet, rollout: str) -> str:
    return str(fleet.ask("rollout", "show", rollout)["Rollout"]["State"])


def _frozen(fleet: Fleet, rollout: str) -> dict[str, str]:
    """Package to version, of all parts of the rollout's change set."""
    change_set = fleet.ask("rollout", "show", rollout)["Rollout"]["ChangeSetId"]
    plan = fleet.ask("plan", "show", change_set)
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
    return wrong


def _check_second(fleet: Fleet, machines: dict[str, Host], rollout: str, status: int, wrong: int) -> int:
    heading("What each host says of shop")
    for host in machines.values():
        version = host.run(["dpkg-query", "-W", "-f", "${Version}", "shop"]).stdout.strip()
        answer = _answer(host)
        wrong += version != GOOD or not answer.startswith("200")
        print(f"  {host.name:<9} shop {version}, answers {answer}", flush=True)
    nodes = {row["Name"]: row["State"] for row in fleet.ask("rollout", "nodes", rollout)["Nodes"]}
    expected = {name: "RolledBack" if ring == "dev" else "Pending" for ring, members in RINGS.items() for name in members}
    held = [entry for entry in fleet.ask("quarantine", "list")["Quarantine"] if entry.get("Package") == "shop"]
    if nodes != expected or status == 0 or not held:
        say(f"the second rollout should have been caught on dev: its nodes are {json.dumps(nodes)}, the command ended with "
            f"{status}, and shop stands {len(held)} times in quarantine")
        return 1
    if wrong:
        return 1
    print("\nSix hosts run the same versions; the bad one was caught in the first ring and put back. Every step is in the audit log.",
          flush=True)
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
