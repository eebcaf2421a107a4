#!/usr/bin/env python3
"""Agents held by one server: COUNT links over mutual TLS, all opened at once; memory a link, time, and that the server
still answers while they come. Then one command to them all with MaxConcurrency 100 %: when the last of them had begun,
when all was over, and what API reads took meanwhile, beside the same reads before it. Fails where the last one begins after
more than 60 s, or the server ever held more than 1.5 GiB. Default 10,000 nodes, for which
enrolling takes minutes (a server takes 50 a second): AGENTS=1000 for fewer, KEEP=FOLDER to find them again next time.
"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from bench.api_reads import Client  # noqa: E402
from tests.support.binaries import Server, binary  # noqa: E402

PER_ACTIVATION = 1000
ALL = [{"Key": "tag:Load", "Values": ["yes"]}]
QUIET_READS_SECONDS = 5
OVER_SECONDS_MAX = 600
BEGUN_SECONDS_MAX = 60
SERVER_MIB_MAX = 1536


def status_kib(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
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


class Load:
    """One process of simulated agents; what it says of its phases is read on a thread of its own."""

    def __init__(self, server, count, kept):
        made = {"ActivationId": "-", "ActivationCode": ""}
        if not (kept and kept.exists()):
            made = json.loads(server.belay("activation", "create", "-o", "json", "--limit", str(count), "--tag", "Load=yes").stdout)
        self.process = subprocess.Popen([binary("bench_agents_load"), server.env["BELAY_URL"], server.env["BELAY_CA"], made["ActivationId"],
                                         str(count), *([str(kept)] if kept else [])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(made["ActivationCode"] + "\n")
        self.process.stdin.flush()
        self.said = {}
        self.heard = threading.Condition()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def connect(self):
        self.process.stdin.write("connect\n")
        self.process.stdin.flush()

    def _listen(self):
        for line in self.process.stdout:
            phase = json.loads(line)
            with self.heard:
                self.said.setdefault(phase["phase"], []).append(phase)
                self.heard.notify_all()
        with self.heard:
            self.said.setdefault("gone", []).append({})
            self.heard.notify_all()

    def wait(self, phase, seconds=OVER_SECONDS_MAX, nth=1):
        """What it said when it came to this phase the nth time."""
        with self.heard:
            if not self.heard.wait_for(lambda: len(self.said.get(phase, ())) >= nth or "gone" in self.said, seconds):
                raise SystemExit(f"agents did not come to '{phase}' in {seconds} s")
            if len(self.said.get(phase, ())) < nth:
                raise SystemExit(f"agents ended before '{phase}'")
            return self.said[phase][nth - 1]

    def has(self, phase):
        with self.heard:
            return phase in self.said

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)


class Reads:
    """Reads the API, one request after the other, until it is stopped; times in milliseconds."""

    def __init__(self, server, requests):
        self.client, self.requests = Client(server), requests
        self.times, self.stopping = [], threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.stopping.is_set():
            for operation, request in self.requests:
                begun = time.monotonic()
                self.client.ask(operation, request)
                self.times.append((time.monotonic() - begun) * 1000)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def p(self, hundredths):
        times = sorted(self.times)
        return times[min(len(times) - 1, len(times) * hundredths // 100)]


def send(client):
    return client.ask("SendCommand", {"DocumentName": "AWS-RunShellScript", "Targets": ALL, "MaxConcurrency": "100%", "MaxErrors": "0",
                                      "Parameters": {"commands": ["true"]}})["Command"]["CommandId"]


def command(client, command_id):
    return client.ask("ListCommands", {"CommandId": command_id})["Commands"][0]


def enrolled(server, count, kept):
    loads = []
    for first in range(0, count, PER_ACTIVATION):
        load = Load(server, min(PER_ACTIVATION, count - first), kept and kept / f"agents-{first}")
        seconds = load.wait("enrolled")["seconds"]
        print(f"enrolled {min(PER_ACTIVATION, count - first)} in {seconds:.1f} s", flush=True)
        loads.append(load)
    return loads


def show_links(server, loads, count, idle_kib):
    worst, cpu_before = 0.0, cpu_seconds(server.process.pid)
    for load in loads:
        load.connect()
    while not all(load.has("connected") for load in loads):
        worst = max(worst, healthz_ms(f"http://{server.http}"))
        time.sleep(0.05)
    pid = server.process.pid
    links_kib, cpu = status_kib(pid, "VmRSS"), cpu_seconds(pid) - cpu_before
    connected = [load.wait("connected") for load in loads]
    retries = sum(c["failed_attempts"] + c["closed"] for c in connected)
    print(f"{count} agents connected at once: all welcomed in {max(c['seconds'] for c in connected):.1f} s, {retries} had to try again, "
          f"{cpu / count * 1000:.2f} ms server CPU each")
    print(f"server memory: {idle_kib / 1024:.0f} MiB idle, {links_kib / 1024:.0f} MiB with them: "
          f"{(links_kib - idle_kib) / count:.1f} KiB each")
    print(f"slowest /healthz meanwhile: {worst:.0f} ms", flush=True)


def show_command(server, loads, count, nth):
    client, pid = Client(server), server.process.pid
    some = client.ask("DescribeInstanceInformation", {"MaxResults": 50})
    reads = [("GetNode", {"InstanceId": some["InstanceInformationList"][7]["InstanceId"]}),
             ("DescribeInstanceInformation", {"MaxResults": 50, "NextToken": some["NextToken"]}), ("ListCommands", {})]
    with Reads(server, reads) as quiet:
        time.sleep(QUIET_READS_SECONDS)
    cpu_before, sent_at, begun = cpu_seconds(pid), time.time(), time.monotonic()
    command_id = send(client)
    answered = time.monotonic() - begun
    with Reads(server, [*reads, ("ListCommandInvocations", {"CommandId": command_id, "MaxResults": 50})]) as busy:
        while (at := command(client, command_id))["Status"] in ("Pending", "InProgress"):
            if time.monotonic() - begun > OVER_SECONDS_MAX:
                raise SystemExit(f"the command did not end in {OVER_SECONDS_MAX} s: {at}")
            time.sleep(0.2)
        over = time.monotonic() - begun
    taken = [load.wait("command_taken", nth=nth)["at"] - sent_at for load in loads]
    if at["Status"] != "Success" or at["CompletedCount"] != count:
        raise SystemExit(f"the command did not go well: {at}")
    print(f"a command to {count}: answered after {answered:.2f} s, begun by the last node after {max(taken):.1f} s, over after {over:.1f} s, "
          f"{(cpu_seconds(pid) - cpu_before) / count * 1000:.2f} ms server CPU a node")
    print(f"server memory: {status_kib(pid, 'VmRSS') / 1024:.0f} MiB after it, {status_kib(pid, 'VmHWM') / 1024:.0f} MiB at most")
    print(f"API reads meanwhile: p50 {busy.p(50):.1f} ms, p99 {busy.p(99):.1f} ms, {busy.p(99) / quiet.p(99):.1f}x of what it is "
          f"without the command (p50 {quiet.p(50):.1f} ms, p99 {quiet.p(99):.1f} ms); slowest {max(busy.times):.0f} ms")
    refused = sum(load.wait("command_answered", nth=nth)["refused"] for load in loads)
    if refused:
        raise SystemExit(f"{refused} messages were refused")
    return beyond(max(taken), status_kib(pid, "VmHWM") / 1024)


def beyond(begun_seconds, server_mib):
    """What is over its limit, in words."""
    over = []
    if begun_seconds > BEGUN_SECONDS_MAX:
        over.append(f"the last node began after {begun_seconds:.1f} s, {BEGUN_SECONDS_MAX} are allowed")
    if server_mib > SERVER_MIB_MAX:
        over.append(f"the server held {server_mib:.0f} MiB, {SERVER_MIB_MAX} are allowed")
    return over


def main():
    count = int(os.environ.get("AGENTS", "10000"))
    kept = pathlib.Path(os.environ["KEEP"]).absolute() if "KEEP" in os.environ else None
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Server(data=kept and kept / "data", http="127.0.0.1:18480") as server:
        idle_kib = status_kib(server.process.pid, "VmRSS")
        loads = enrolled(server, count, kept)
        show_links(server, loads, count, idle_kib)
        print(f"load on this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {len(loads)} processes of agents and this reader on them too")
        over = [each for nth in range(1, 1 + int(os.environ.get("COMMANDS", "1"))) for each in show_command(server, loads, count, nth)]
        for load in loads:
            load.end()
    for each in over:
        print(f"NOT within the limits: {each}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
