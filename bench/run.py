#!/usr/bin/env python3
"""Runs every benchmark of this folder in turn; each prints its own figures and ratios.

A benchmark is an executable build/bin/bench_* that stands alone, or a script bench/<name>.py that drives one. What
cannot run here says so by name. Exit status 1 where one failed.
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def benchmarks():
    scripts = sorted(p for p in (ROOT / "bench").glob("*.py") if p.name != "run.py" and not p.name.startswith("_"))
    driven = {f"bench_{p.stem}" for p in scripts}
    programs = sorted((ROOT / "build/bin").glob("bench_*"))
    for program in programs:
        if program.name not in driven and not program.name.endswith(("_server", "_client", "_load")):
            yield program.name, [str(program)]
    for script in scripts:
        yield script.stem, [sys.executable, str(script)]


def main():
    wanted = set(sys.argv[1:])
    failed = []
    for name, command in benchmarks():
        if wanted and name not in wanted:
            continue
        print(f"== {name}", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
        print(flush=True)
    for name in failed:
        print(f"FAILED {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
