"""make demo, as a test: a rollout through all rings, one caught in the first, exit status 0, and nothing left of it."""

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

    def test_the_good_rollout_promotes_itself_and_the_bad_one_is_put_back(self) -> None:
        done = subprocess.run([sys.executable, "-m", "lab.demo"], cwd=system.CHECKOUT, capture_output=True, text=True,
                              check=False, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
        self.assertEqual(done.stdout.count("frozen versions, whole; 0 security updates pending"), 6, done.stdout[-4000:])
        self.assertIn("the bad one was caught in the first ring", done.stdout)
        self.assertEqual(done.stdout.count("shop 1.0, answers 200 OK"), 6, done.stdout[-4000:])
        prefix = hosts.Lab("demo").prefix
        self.assertEqual((cgroups.named(prefix), network.namespaces(prefix)), ([], []))
