#!/usr/bin/env python3
"""What a scan costs beside the system's own tools, in CPU seconds of interleaved runs, and whether the two agree.

apt: `apt-get -s dist-upgrade` on this machine. rpm: `rpm -qa` and `dnf updateinfo` in a root of the lab (root only).
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCAN = ROOT / "build/bin/bench_scan"
ROUNDS = 5
sys.path.insert(0, str(ROOT))


def cost(command, chroot=None):
    """(CPU seconds of the command and all its children, what it printed)"""
    with tempfile.TemporaryFile() as output:
        prefix = ["chroot", str(chroot)] if chroot else []
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        process = subprocess.Popen(prefix + command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {process.returncode}\n{text[-1000:]}")
    return usage.ru_utime + usage.ru_stime, text


def compare(ours, theirs, chroot=None):
    best_ours, best_theirs = float("inf"), float("inf")
    for _ in range(ROUNDS):
        best_ours = min(best_ours, cost(ours, chroot)[0])
        best_theirs = min(best_theirs, sum(cost(command, chroot)[0] for command in theirs))
    return best_ours, best_theirs


def scan_apt():
    ours, theirs = compare([str(SCAN)], [["apt-get", "-s", "dist-upgrade"]])
    print(f"apt: scan {ours:.3f} s CPU, apt-get -s dist-upgrade {theirs:.3f} s: {ours / theirs:.2f} of it (target: 0.25)")
    wanted = {}
    for line in cost(["apt-get", "-s", "dist-upgrade"])[1].splitlines():
        if match := re.match(r"Inst (\S+) \[\S+\] \((\S+) ([^)]*)\)", line):
            wanted[match[1].split(":")[0], match[2]] = "ecurity" in match[3]
    offered = {}
    for line in cost([str(SCAN), "list"])[1].splitlines()[1:]:
        words = line.split()
        if len(words) == 3 and not line.startswith("!"):
            offered[words[0], words[1]] = words[2] == "security"
    missing = [" ".join(key) for key in wanted if key not in offered]
    differing = [" ".join(key) for key, security in wanted.items() if key in offered and offered[key] != security]
    print(f"apt: {len(wanted)} upgrades that apt would make, {len(wanted) - len(missing)} of them offered, {len(differing)} told otherwise as security")
    for name in missing + differing:
        print(f"  {name}")
    return not missing and not differing


def scan_rpm():
    from lab import roots
    if os.geteuid() != 0 or not shutil.which("createrepo_c"):
        print("rpm: not measured: it needs root and the packages of scripts/packages-lab.txt")
        return True
    folder = pathlib.Path(tempfile.mkdtemp(prefix="belay-bench-"))
    try:
        prepared = subprocess.run([sys.executable, ROOT / "tests/contract/prepare_root.py", "rpm", folder], capture_output=True, text=True, check=False)
        if prepared.returncode != 0:
            print(f"rpm: not measured: {prepared.stdout.strip()}{prepared.stderr.strip()}")
            return prepared.returncode == 77
        root = folder / "root"
        shutil.copy(SCAN, root / "tmp/bench_scan")
        theirs = [["rpm", "-qa"], ["dnf", "-q", "-C", "updateinfo", "list", "--available"], ["dnf", "-q", "-C", "updateinfo", "info", "--available"]]
        ours, native = compare(["/tmp/bench_scan"], theirs, root)
        print(f"rpm: scan {ours:.3f} s CPU, rpm -qa and dnf updateinfo list and info {native:.3f} s: {ours / native:.2f} of it (target: 1)")
        return True
    except (RuntimeError, roots.LabError) as error:
        print(f"rpm: not measured: {error}")
        return True
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    if not SCAN.exists():
        sys.exit("build/bin/bench_scan is not built")
    good = scan_apt() if shutil.which("apt-get") else True
    return 0 if scan_rpm() and good else 1


if __name__ == "__main__":
    sys.exit(main())
