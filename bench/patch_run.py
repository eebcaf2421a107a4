#!/usr/bin/env python3
"""A patch run over HOSTS lab hosts (default 10): apt by itself, `belay patch` with a frozen change set, and
`ansible-playbook` over ssh doing the same upgrade; the overhead of each of the two over apt, as a ratio.

The hosts boot for real and begin each round as they were: the packages that were upgraded are put back in between. Each of
the three upgrades all hosts FORKS at a time (default 5), from an archive of the bench's own with the same packages. What is
compared is wall time, best of ROUNDS (default 3), in turn, so that a noisy moment hits all of them alike.

Ansible is Debian's, installed by `scripts/bootstrap.sh scripts/packages-bench.txt`; without it the bench says so and is skipped.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from lab import debs, hosts, roots  # noqa: E402
from lab.fleet import Fleet, missing_binaries  # noqa: E402
from lab.hosts import Lab  # noqa: E402
from lab.keys import make_key  # noqa: E402
from lab.repos import AptRepository, RepositoryServer, apt_get  # noqa: E402
from lab.system import CLEAN_ENVIRONMENT, run  # noqa: E402

HOSTS = int(os.environ.get("HOSTS", "10"))
FORKS = int(os.environ.get("FORKS", "5"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
PACKAGES = [f"bench{number}" for number in range(8)]
OLD, NEW = "1.0", "1.1"

PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - apt:
        name: [{names}]
        state: present
        update_cache: true
"""


def why_not():
    missing = missing_binaries("belayd", "belay-agent", "belay")
    if missing:
        return "not built: " + ", ".join(missing)
    if not shutil.which("ansible-playbook") or not shutil.which("ssh"):
        return "ansible is not installed (scripts/packages-bench.txt)"
    return hosts.why_not()


def package(name, version):
    return debs.Deb(name, version, many_files=200, many_bytes=2_000)


def versions(host):
    said = host.run(["dpkg-query", "-W", "-f", "${Version} ", *PACKAGES]).stdout.split()
    return set(said)


def side_by_side(work, machines):
    with ThreadPoolExecutor(max_workers=FORKS) as pool:
        list(pool.map(work, machines))


def by_apt(machines):
    """Two commands a host, as an administrator would type them."""
    def upgrade(host):
        apt_get(host, "update")
        apt_get(host, "install", *(f"{name}={NEW}" for name in PACKAGES))
    side_by_side(upgrade, machines)


def by_ansible(lab, folder, machines):
    inventory = folder / "inventory"
    inventory.write_text("".join(f"{host.name} ansible_host={host.address}\n" for host in machines))
    playbook = folder / "upgrade.yml"
    playbook.write_text(PLAYBOOK.format(names=", ".join(f'"{name}={NEW}"' for name in PACKAGES)))
    environment = {**CLEAN_ENVIRONMENT, "PATH": os.environ["PATH"], "HOME": str(folder), "ANSIBLE_HOST_KEY_CHECKING": "False",
                   "ANSIBLE_FORKS": str(FORKS), "ANSIBLE_PIPELINING": "True"}
    run(lab.in_switch(["ansible-playbook", "-i", inventory, "-u", "root", "--private-key", folder / "id", playbook]),
        environment=environment, timeout_s=1800)


def by_belay(fleet):
    """Scan, freeze and install: everything between `apt has something new` and `done`."""
    plan = fleet.ask("plan", "all")
    change_set = plan["ChangeSet"]["ChangeSetId"]
    fleet.belay("patch", "--change-set", change_set, "all", "--wait", "--max-concurrency", str(FORKS), timeout_s=1800)


def put_back(machines):
    side_by_side(lambda host: apt_get(host, "install", "--allow-downgrades", *(f"{name}={OLD}" for name in PACKAGES)), machines)


def make_keys(folder, machines):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "id")], check=True)
    public = (folder / "id.pub").read_text()
    for host in machines:
        host.shell("mkdir -p -m 700 /root/.ssh /run/sshd")
        host.run(["tee", "/root/.ssh/authorized_keys"], input_text=public)
        host.shell("systemctl restart ssh")


def measure(lab, folder, machines, fleet):
    ways = {"apt": lambda: by_apt(machines), "belay": lambda: by_belay(fleet),
            "ansible": lambda: by_ansible(lab, folder, machines)}
    best = {}
    for number in range(ROUNDS):
        for name, way in ways.items():
            put_back(machines)
            if name == "belay":
                fleet.belay("scan", "all", "--wait", timeout_s=600)
            began = time.monotonic()
            way()
            took = time.monotonic() - began
            wrong = [host.name for host in machines if versions(host) != {NEW}]
            if wrong:
                raise SystemExit(f"{name} left {', '.join(wrong)} as they were")
            best[name] = min(took, best.get(name, took))
            print(f"round {number + 1}: {name:<8} {took:6.1f} s", flush=True)
    return best


def main():
    problem = why_not()
    if problem:
        print(f"SKIPPED: {problem}")
        return 0
    roots.ensure(["managed"])
    with Lab("benchrun") as lab:
        folder = lab.folder / "bench"
        (folder / "www").mkdir(parents=True)
        server = RepositoryServer(folder / "www", lab.switch)
        archive = AptRepository(folder / "www" / "bench", make_key(lab.folder / "key", "Bench archive"), suite="bookworm-security",
                                origin="Debian", label="Debian-Security")
        archive.add(*(package(name, version) for name in PACKAGES for version in (OLD, NEW)))
        archive.publish()
        machines = lab.boot([f"host{number}" for number in range(HOSTS)], "managed")
        for host in machines:
            archive.offer_to(host, server.url)
        side_by_side(lambda host: (apt_get(host, "update"), apt_get(host, "install", *(f"{name}={OLD}" for name in PACKAGES))), machines)
        make_keys(folder, machines)
        with Fleet(lab, folder / "server") as fleet:
            for host in machines:
                fleet.enrol(host, {"Bench": "yes"})
            best = measure(lab, folder, machines, fleet)
        server.close()
    overhead = {name: max(0.0, best[name] - best["apt"]) for name in ("belay", "ansible")}
    print(f"\n{HOSTS} hosts, {len(PACKAGES)} packages, {FORKS} at a time; best of {ROUNDS}")
    for name in ("apt", "belay", "ansible"):
        print(f"  {name:<8} {best[name]:6.1f} s" + (f"   overhead {overhead[name]:6.1f} s, {overhead[name] / best['apt']:.1%}" if name in overhead else ""))
    if overhead["ansible"] > 0:
        print(f"  Belay's overhead is {overhead['belay'] / overhead['ansible']:.2f} of Ansible's")
    return 0


if __name__ == "__main__":
    sys.exit(main())
