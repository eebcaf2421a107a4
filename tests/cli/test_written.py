"""What was printed but could not be written is no success; what could not be looked at is not called well."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from tests.support.binaries import Server, binary

NOBODY = 65534


def into_a_full_disk(*words, env=None):
    """(exit status, standard error)"""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, env=env, timeout=300, check=False)
    return done.returncode, done.stderr


class Written(unittest.TestCase):
    def test_belay(self):
        with Server() as server:
            for words in (["nodes"], ["nodes", "-o", "json"], ["activation", "create", "--name", "lost"], ["--help"], ["--version"]):
                status, said = into_a_full_disk(binary("belay"), *words, env=server.environment())
                self.assertEqual(status, 1, (words, said))
                self.assertIn("standard output", said, words)
            status, said = into_a_full_disk(binary("belay"), "scan", "nobody", env=server.environment())
            self.assertEqual(status, 3, said)  # what went wrong first is what counts

    def test_the_agent(self):
        for words in (["version"], ["--help"], ["scan"]):
            status, said = into_a_full_disk(binary("belay-agent"), *words)
            self.assertEqual(status, 1, (words, said))
            self.assertIn("standard output", said, words)


class WithoutRoot(unittest.TestCase):
    def test_a_scan_says_what_it_could_not_look_at(self):
        """Process 1 is root's, and nobody may not read what it has mapped."""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            agent = shutil.copy(binary("belay-agent"), pathlib.Path(folder) / "belay-agent")
            user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

            def scan(*words):
                return subprocess.run([str(agent), "scan", *words], capture_output=True, text=True, timeout=300, check=False, cwd="/", **user).stdout
            self.assertNotIn("none seen", scan())
            self.assertRegex(scan(), re.compile(r"^Restarts: .*[0-9]+ processes could not be looked at without root$", re.M))
            self.assertGreater(json.loads(scan("-o", "json"))["processes_unseen"], 0)


if __name__ == "__main__":
    unittest.main()
