#!/usr/bin/env python3
"""What operators and scripts read most, over the API with NODES nodes in SQLite (default 20,000; design: p99 under 20 ms).

One node enrols and scans; its rows are then copied in the store's file, a twentieth of them with another package set, so
that the server finds a fleet. Beside each figure: the same request where there is one node, so that what the fleet costs shows.
"""
import base64
import http.client
import json
import os
import pathlib
import sqlite3
import ssl
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tests.support.binaries import Server  # noqa: E402
from tests.support.scripted_node import ScriptedNode, offer, package  # noqa: E402

NODES = int(os.environ.get("NODES", "20000"))
ROUNDS = 300
COPIED = ("nodes", "node_facts", "node_presence", "scans", "scan_heads", "verdicts", "verdict_heads")


def one_node(server):
    made = json.loads(server.belay("activation", "create", "-o", "json").stdout)
    node = ScriptedNode(server, "web").enroll(made["ActivationId"], made["ActivationCode"])
    node.installed = [package(f"package-{i:04}", "1.0-1") for i in range(600)]
    node.offers = [offer(f"package-{i:04}", "1.0-1") for i in range(600)] + [offer(f"package-{i:04}", "1.0-2") for i in range(20)]
    node.hello()
    node.scan()
    server.belay("tag", "add", "web", "PatchGroup=web")
    return node.node_id


def copy_node(path, node_id, count):
    """Rows of one node as those of many: ids and sequences counted on."""
    with sqlite3.connect(path) as store:
        for table in COPIED:
            columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            chosen = []
            for column in columns:
                if column == "node_id":
                    chosen.append("printf('mi-%017x', n)")
                elif column == "scan_id":
                    chosen.append("printf('scan-%d', n)")
                elif column == "sequence":
                    chosen.append("1000 + n")
                elif column in ("name", "computer_name"):
                    chosen.append("printf('web-%d', n)")
                else:
                    chosen.append(column)
            store.execute(f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) "
                          f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(chosen)} FROM c, "
                          f"(SELECT * FROM {table} WHERE node_id = ?)", (count - 1, node_id))
        store.execute("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) INSERT INTO tags "
                      "SELECT 'ManagedInstance', printf('mi-%017x', n), 'PatchGroup', 'web' FROM c", (count - 1,))


class Client:
    def __init__(self, server):
        url = urllib.parse.urlsplit(server.env["BELAY_URL"])
        self.token = server.env["BELAY_TOKEN"]
        self.connection = http.client.HTTPSConnection(url.hostname, url.port, context=ssl.create_default_context(cafile=server.env["BELAY_CA"]),
                                                      timeout=120)

    def ask(self, operation, request):
        self.connection.request("POST", f"/api/{operation}", body=json.dumps(request), headers={"Authorization": f"Bearer {self.token}"})
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise SystemExit(f"{operation}: {response.status} {body[:300]}")
        return json.loads(body)

    def times_ms(self, operation, requests):
        times = []
        for request in requests:
            begun = time.monotonic()
            self.ask(operation, request)
            times.append((time.monotonic() - begun) * 1000)
        return sorted(times)


def status_page(server):
    client = Client(server)
    given = base64.b64encode(f"x:{client.token}".encode()).decode()
    client.connection.request("GET", "/", headers={"Authorization": f"Basic {given}"})
    response = client.connection.getresponse()
    page = response.read()
    if response.status != 200 or b"more:" not in page:
        raise SystemExit(f"status page: {response.status} {page[:300]}")


def figures(server, ids):
    """(what, p50, p99) in milliseconds."""
    client = Client(server)
    some = [ids[(i * 7919) % len(ids)] for i in range(ROUNDS)]
    token = client.ask("DescribeInstanceInformation", {"MaxResults": 50}).get("NextToken")
    page = {"MaxResults": 50, **({"NextToken": token} if token else {})}
    rows = [("GetNode", [{"InstanceId": each} for each in some]),
            ("DescribeInstanceInformation", [page] * ROUNDS),
            ("DescribeInstancePatchStates", [{"InstanceIds": [some[(i + j) % ROUNDS] for j in range(50)]} for i in range(ROUNDS)]),
            ("DescribeNodeCompliance", [{"MaxResults": 50}] * ROUNDS),
            ("DescribeInstancePatches", [{"InstanceId": each, "MaxResults": 50} for each in some]),
            ("ListCommands", [{}] * ROUNDS),
            ("GetFleetReport", [{}] * 5)]
    for operation, requests in rows:
        client.ask(operation, requests[0])  # the first one judges
        times = client.times_ms(operation, requests)
        yield operation, times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]


def main():
    with Server() as server:
        node_id = one_node(server)
        alone = {what: p50 for what, p50, _ in figures(server, [node_id])}
        server.stop()
        copy_node(server.data / "belay.db", node_id, NODES)
        server.start()
        ids = [f"mi-{n:017x}" for n in range(1, NODES)]
        print(f"{NODES} nodes, 600 packages each; milliseconds a request over TLS, one client")
        print(f"{'':32} {'p50':>8} {'p99':>8} {'one node':>9} {'ratio':>7}")
        for what, p50, p99 in figures(server, ids):
            print(f"{what:32} {p50:8.2f} {p99:8.2f} {alone[what]:9.2f} {p50 / alone[what]:6.1f}x")
        begun = time.monotonic()
        status_page(server)
        print(f"{'the status page':32} {(time.monotonic() - begun) * 1000:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
