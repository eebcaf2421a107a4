#!/usr/bin/env python3
"""Agents held by one server: COUNT links over mutual TLS, all opened at once; memory a link, time, and that the server
still answers while they come. Default 1,000; AGENTS=10000 for more (needs open files: ulimit -n)."""
import json
import os
import pathlib
import resource
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tests.support.binaries import Server, binary  # noqa: E402

PER_ACTIVATION = 1000


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def healthz_ms(url):
    start = time.monotonic()
    with urllib.request.urlopen(url + "/healthz", timeout=60) as answer:
        answer.read()
    return (time.monotonic() - start) * 1000


def main():
    count = int(os.environ.get("AGENTS", "1000"))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Server(http="127.0.0.1:18480") as server:
        loads = []
        before_kib, before_cpu = resident_kib(server.process.pid), 0.0
        for first in range(0, count, PER_ACTIVATION):
            some = min(PER_ACTIVATION, count - first)
            made = json.loads(server.belay("activation", "create", "-o", "json", "--limit", str(some)).stdout)
            load = subprocess.Popen([binary("bench_agents_load"), server.env["BELAY_URL"], server.env["BELAY_CA"], made["ActivationId"],
                                     str(some)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            load.stdin.write(made["ActivationCode"] + "\n")
            load.stdin.flush()
            enrolled = json.loads(load.stdout.readline())
            print(f"enrolled {some} in {enrolled['seconds']:.1f} s")
            loads.append(load)
        before_cpu = cpu_seconds(server.process.pid)
        worst = 0.0
        connected = []
        for load in loads:
            os.set_blocking(load.stdout.fileno(), False)
        while len(connected) < len(loads):
            worst = max(worst, healthz_ms("http://127.0.0.1:18480"))
            connected += [json.loads(line) for load in loads for line in iter(load.stdout.readline, "") if line]
            time.sleep(0.05)
        after_kib = resident_kib(server.process.pid)
        cpu = cpu_seconds(server.process.pid) - before_cpu
        seconds = max(c["seconds"] for c in connected)
        retries = sum(c["failed_attempts"] + c["closed"] for c in connected)
        print(f"{count} agents connected at once: all welcomed in {seconds:.1f} s, {retries} had to try again, "
              f"{cpu / count * 1000:.2f} ms server CPU each")
        print(f"server memory: {before_kib / 1024:.0f} MiB idle, {after_kib / 1024:.0f} MiB with them: "
              f"{(after_kib - before_kib) / count:.1f} KiB each")
        print(f"slowest /healthz meanwhile: {worst:.0f} ms")
        for load in loads:
            load.stdin.close()
            load.wait(60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
