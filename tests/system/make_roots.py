"""python3 tests/system/make_roots.py ROOT...: makes the root file systems, or finds them in the cache. ctest runs it before what boots them."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from lab import hosts, roots  # noqa: E402

SKIP = 77

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(roots.RECIPES)
    problem = hosts.why_not()
    if problem:
        print(f"SKIP root {', '.join(wanted)}: {problem}")
        sys.exit(SKIP)
    for path in roots.ensure(wanted).values():
        print(f"ok   {path.name}")
