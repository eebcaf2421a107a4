#!/usr/bin/env python3
"""The scripts around the tests do not pass off what did not run or did not do: tidy.sh with a clang-tidy that fails or skips,
the list of skipped tests with its reasons, a benchmark that is beyond its limits."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

LOG = """[ RUN      ] Apt.Refresh
/src/apt_test.cpp:12: Skipped
the mirror does not answer
[  SKIPPED ] Apt.Refresh (0 ms)
[ RUN      ] Apt.Other
[       OK ] Apt.Other (0 ms)
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] Apt.Refresh
SKIP tests.api.test_boto3: boto3 is not installed
"""


class Scripts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        (self.folder / "bin").mkdir()

    def program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)

    def run_in(self, *words):
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        return subprocess.run(words, cwd=self.folder, env={**os.environ, "PATH": path}, text=True, capture_output=True, check=False)

    def test_tidy_believes_only_what_ran_over_every_file(self):
        a, b = f"{self.folder}/src/a.cpp", f"{self.folder}/src/b.cpp"
        (self.folder / "compile_commands.json").write_text(f'[{{\n  "file": "{a}"\n}}, {{\n  "file": "{b}"\n}}]\n')
        looked = [f"echo '[1/2][0.1s] clang-tidy-19 -p=. -quiet {file}'\n" for file in (a, b)]
        for text, status, told in [("".join(looked), 0, ""), (looked[0], 1, "1 of 2"), ("echo no such program >&2; exit 127", 1, "0 of 2"),
                                   ("".join(looked) + "exit 1", 1, "status 1"), ("".join(looked) + "echo 'a.cpp:1: error: x'", 1, "error: x")]:
            self.program("run-clang-tidy-19", text)
            done = self.run_in(str(ROOT / "scripts/tidy.sh"), ".", f"{self.folder}/src")
            self.assertEqual((done.returncode, told in done.stdout + done.stderr), (status, True), (text, done.stdout, done.stderr))

    def test_a_skipped_test_is_named_with_its_reason(self):
        (self.folder / "scripts").mkdir()
        (self.folder / "scripts/test.sh").write_text((ROOT / "scripts/test.sh").read_text())
        results = self.folder / "build/Testing/Temporary"
        results.mkdir(parents=True)
        (results / "LastTest.log").write_text(LOG)
        self.program("ctest", "exit 0")
        done = self.run_in("sh", "scripts/test.sh")
        self.assertEqual(done.stdout.splitlines()[-2:], ["  SKIP Apt.Refresh: the mirror does not answer",
                                                         "  SKIP tests.api.test_boto3: boto3 is not installed"], done.stdout)

    def test_a_command_to_all_agents_has_limits(self):
        sys.path.insert(0, str(ROOT))
        from bench import agents
        self.assertEqual(agents.beyond(agents.BEGUN_SECONDS_MAX, agents.SERVER_MIB_MAX), [])
        slow, large = agents.beyond(agents.BEGUN_SECONDS_MAX + 1, agents.SERVER_MIB_MAX + 1)
        self.assertIn("began after", slow)
        self.assertIn("MiB", large)


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
