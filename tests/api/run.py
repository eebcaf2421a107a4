#!/usr/bin/env python3
"""The API as its users reach it: the `aws` command and boto3 over TLS, and raw requests with bad input, against belayd on its
embedded store; with BELAY_TEST_STORE=postgresql in the environment, on PostgreSQL."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.support.runner import run  # noqa: E402

if __name__ == "__main__":
    sys.exit(run(pathlib.Path(__file__).parent, sys.argv[1:]))
