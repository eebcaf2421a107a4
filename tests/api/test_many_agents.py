"""1,000 agents that come at once, none of them waiting a random while first as real ones do; and one agent that idles."""
import pathlib
import resource
import ssl
import time
import unittest
import urllib.request

from bench.agents import Load
from tests.api.support import ApiTestCase
from tests.support.binaries import binary
from tests.support.real_agent import RealAgent
from tests.support.scripted_node import offer, package

AGENTS = 1_000
TRIES_MAX = 3           # of a link, on average: more is a storm
RESIDENT_KIB_MAX = 512 * 1024
IDLE_SECONDS = 40
IDLE_CPU_SECONDS_MAX = 0.2    # of the processor's time, whatever else the machine does; 0.02 was measured
IDLE_WAKEUPS_MAX = 60         # one a second would be a poll


def status_of(pid, name):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name + ":")).split()[1])


class ManyAgents(ApiTestCase):
    def test_a_thousand_come_at_once(self):
        try:
            binary("bench_agents_load")
        except FileNotFoundError as error:
            raise unittest.SkipTest(str(error)) from None
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        load = Load(self.server, AGENTS, None)
        self.addCleanup(load.end)
        load.wait("enrolled")
        load.connect()
        answers, trust = 0, ssl.create_default_context(cafile=self.server.env["BELAY_CA"])
        while not load.has("connected"):
            self.assertIsNone(self.server.process.poll(), "the server ended")
            with urllib.request.urlopen(self.server.env["BELAY_URL"] + "/healthz", timeout=60, context=trust) as answer:
                self.assertEqual(answer.status, 200)
            answers += 1
            time.sleep(0.05)
        said = load.wait("connected")
        tried = AGENTS + said["failed_attempts"] + said["closed"]
        resident = status_of(self.server.process.pid, "VmHWM")
        print(f"{AGENTS} agents at once: {tried} tries, {answers} health checks answered meanwhile, {resident // 1024} MiB at most", flush=True)
        self.assertGreater(answers, 0)
        self.assertLessEqual(tried, TRIES_MAX * AGENTS)
        self.assertLess(resident, RESIDENT_KIB_MAX)
        online = self.post("DescribeInstanceInformation", {"Filters": [{"Key": "PingStatus", "Values": ["Online"]}], "MaxResults": 50})[1]
        self.assertEqual(len(online["InstanceInformationList"]), 50)


class IdleAgent(ApiTestCase):
    def test_it_costs_nothing_measurable(self):
        with RealAgent(self.server, "idle", [package("openssl", "3.0.1-1")], [offer("openssl", "3.0.2-1")]) as agent:
            process = agent.process.pid
            time.sleep(5)  # its first scan and what follows it

            def looked():
                tasks = list(pathlib.Path(f"/proc/{process}/task").iterdir())
                nanoseconds = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
                return nanoseconds / 1e9, sum(status_of(f"{process}/task/{task.name}", "voluntary_ctxt_switches") for task in tasks)
            before = looked()
            time.sleep(IDLE_SECONDS)
            cpu, wakeups = (now - then for now, then in zip(looked(), before))
            print(f"an idle agent: {cpu * 1000:.1f} ms of processor and {wakeups} wake-ups in {IDLE_SECONDS} s", flush=True)
            self.assertGreater(before[0], 0, "this kernel does not count")
            self.assertLess(cpu, IDLE_CPU_SECONDS_MAX)
            self.assertLess(wakeups, IDLE_WAKEUPS_MAX)
            self.assertEqual(agent.process.pid, process, "it was started anew")
            scan = self.server.belay("scan", "idle", "--wait")
            self.assertEqual(scan.returncode, 0, f"it idles because it is gone: {scan.stderr}")
            self.assertGreater(looked()[0], before[0], "its work was not counted")
