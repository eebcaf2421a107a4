"""`make run`, as a newcomer sees it: this very machine enrolled, scanned and judged, and a second time as it was."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from lab import system

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class FirstRun(unittest.TestCase):
    def run_once(self, state: str, ports: tuple[str, str]) -> str:
        environment = {**os.environ, "ONCE": "1", "BELAY_STATE": state, "BELAY_PORT": ports[0], "BELAY_HTTP_PORT": ports[1]}
        done = subprocess.run(["sh", ROOT / "scripts/run.sh"], env=environment, capture_output=True, text=True, timeout=200, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        return done.stdout

    def test_twice(self) -> None:
        if not shutil.which("apt-get") or not (system.BINARIES / "belayd").exists():
            self.skipTest("needs a machine with apt and the built binaries")
        if system.BINARIES.resolve() != (ROOT / "build/bin").resolve():
            self.skipTest("scripts/run.sh runs what is in build/bin")
        ports = (free_port(), free_port())
        with tempfile.TemporaryDirectory() as state:
            first = self.run_once(state, ports)
            self.assertIn("enrolling this machine", first)
            self.assertRegex(first, r"verdict +(NON_)?COMPLIANT", "this machine's lists were fetched, so it can be judged")
            self.assertIn("What could not be judged", first)
            second = self.run_once(state, ports)
            self.assertNotIn("enrolling", second)
            node = next(line for line in first.splitlines() if line.startswith("enrolled as")).split()[2]
            self.assertIn(node, second)
