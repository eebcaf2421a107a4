#!/usr/bin/env python3
"""WINDOWS maintenance windows (default 1,000) that open in the same second, each with a script on one of NODES simulated
nodes (default 100): when the last of them had begun, when its command was there, when all was over, and what API reads
took meanwhile, beside the same reads before it. All of them are to begin within the minute.
"""
import datetime
import math
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from bench.agents import Load, Reads, cpu_seconds, status_kib  # noqa: E402
from bench.api_reads import Client  # noqa: E402
from tests.support.binaries import Server  # noqa: E402

WINDOWS = int(os.environ.get("WINDOWS", "1000"))
NODES = int(os.environ.get("NODES", "100"))
MINUTE = 60
OVER_SECONDS_MAX = 600
QUIET_READS_SECONDS = 3


def make_window(client, number, node_id):
    window = client.ask("CreateMaintenanceWindow", {"Name": f"window-{number}", "Schedule": "cron(0 2 ? * SUN *)", "Duration": 2, "Cutoff": 1,
                                                    "AllowUnassociatedTargets": False})["WindowId"]
    target = client.ask("RegisterTargetWithMaintenanceWindow", {"WindowId": window, "ResourceType": "INSTANCE",
                                                                "Targets": [{"Key": "InstanceIds", "Values": [node_id]}]})["WindowTargetId"]
    client.ask("RegisterTaskWithMaintenanceWindow", {
        "WindowId": window, "TaskArn": "AWS-RunShellScript", "TaskType": "RUN_COMMAND", "MaxConcurrency": "1", "MaxErrors": "0",
        "Targets": [{"Key": "WindowTargetIds", "Values": [target]}],
        "TaskInvocationParameters": {"RunCommand": {"Parameters": {"commands": ["true"]}}}})
    return window


def everything(client, operation, member, **request):
    found, token = [], {}
    while True:
        page = client.ask(operation, {**request, "MaxResults": 50, **token})
        found += page[member]
        if not page.get("NextToken"):
            return found
        token = {"NextToken": page["NextToken"]}


def execution(client, window):
    rows = client.ask("DescribeMaintenanceWindowExecutions", {"WindowId": window})["WindowExecutions"]
    return rows[0] if rows else {"Status": "PENDING"}


def open_together(client, windows, seconds_each):
    """They all open at one full minute, far enough ahead that all of them know it before; when that is."""
    at = math.ceil((time.time() + 10 + 2 * seconds_each * len(windows)) / MINUTE) * MINUTE
    text = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("at(%Y-%m-%dT%H:%M:%S)")
    for window in windows:
        client.ask("UpdateMaintenanceWindow", {"WindowId": window, "Schedule": text})
    if time.time() > at:
        raise SystemExit("the machine was too slow to set all windows before they opened; try again")
    return at


def main():
    with Server() as server:
        client = Client(server)
        load = Load(server, NODES, None)
        load.connect()
        load.wait("connected")
        nodes = [node["InstanceId"] for node in everything(client, "DescribeInstanceInformation", "InstanceInformationList")]
        begun = time.monotonic()
        windows = [make_window(client, number, nodes[number % len(nodes)]) for number in range(WINDOWS)]
        each = (time.monotonic() - begun) / WINDOWS
        print(f"{WINDOWS} windows with target and task made in {each * WINDOWS:.1f} s", flush=True)
        at = open_together(client, windows, each)
        reads = [("GetNode", {"InstanceId": nodes[0]}), ("DescribeMaintenanceWindows", {"MaxResults": 50}), ("ListCommands", {})]
        with Reads(server, reads) as quiet:
            time.sleep(QUIET_READS_SECONDS)
        pid = server.process.pid
        cpu = cpu_seconds(pid)
        time.sleep(max(0.0, at - time.time() - 0.5))
        client = Client(server)  # the server has closed the one that said nothing for so long
        with Reads(server, reads) as busy:
            while any(execution(client, window)["Status"] in ("PENDING", "IN_PROGRESS") for window in reversed(windows)):
                if time.time() - at > OVER_SECONDS_MAX:
                    raise SystemExit(f"not all windows had ended after {OVER_SECONDS_MAX} s")
                time.sleep(0.5)
            over = time.time() - at
        rows = [execution(client, window) for window in windows]
        failed = [row for row in rows if row["Status"] != "SUCCESS"]
        if failed:
            raise SystemExit(f"{len(failed)} windows did not go well: {failed[0]}")
        started = max(row["StartTime"] for row in rows) - at
        sent = max(row["RequestedDateTime"] for row in everything(client, "ListCommands", "Commands")) - at
        print(f"the last of {WINDOWS} after {started:.1f} s, its command was there after {sent:.1f} s; all over after "
              f"{over:.1f} s; {(cpu_seconds(pid) - cpu) / WINDOWS * 1000:.1f} ms server CPU each, "
              f"{status_kib(pid, 'VmHWM') / 1024:.0f} MiB at most")
        print(f"API reads meanwhile: p50 {busy.p(50):.1f} ms, p99 {busy.p(99):.1f} ms, {busy.p(99) / quiet.p(99):.1f}x of what it is "
              f"without (p50 {quiet.p(50):.1f} ms, p99 {quiet.p(99):.1f} ms); load on this machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        load.end()
        if started > MINUTE or sent > MINUTE:
            print(f"NOT within the minute: {max(started, sent):.1f} s")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
