"""python3 tests/vm/run.py [PATTERN...]: the tests on virtual machines; each says ok, SKIP with its reason, or FAIL."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.support import runner  # noqa: E402

if __name__ == "__main__":
    sys.exit(runner.run(pathlib.Path(__file__).parent, sys.argv[1:]))
