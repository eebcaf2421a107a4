#!/usr/bin/env python3
"""The command line against a server of its own: outputs, exit statuses, wrong input."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.support.runner import run  # noqa: E402

if __name__ == "__main__":
    sys.exit(run(pathlib.Path(__file__).parent, sys.argv[1:]))
