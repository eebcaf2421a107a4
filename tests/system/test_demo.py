"""make demo, as a test: six hosts patched ring by ring, exit status 0, and nothing left of it."""

from __future__ import annotations

import subprocess
import sys
import unittest

from lab import cgroups, hosts, network, system
from lab.fleet import missing_binaries


class Demo(unittest.TestCase):
    def setUp(self) -> None:
        missing = missing_binaries("belayd", "belay-agent", "belay")
        problem = hosts.why_not() or (f"not built: {', '.join(missing)} (make build)" if missing else "")
        if problem:
            self.skipTest(problem)

    def test_six_hosts_are_patched_with_the_same_versions(self) -> None:
        done = subprocess.run([sys.executable, "-m", "lab.demo"], cwd=system.CHECKOUT, capture_output=True, text=True,
                              check=False, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
        self.assertEqual(done.stdout.count("frozen versions, whole; 0 security updates pending"), 6, done.stdout[-4000:])
        prefix = hosts.Lab("demo").prefix
        self.assertEqual((cgroups.named(prefix), network.namespaces(prefix)), ([], []))
