#!/usr/bin/env python3
"""Fails on any #include that tests/tidy/edges.txt does not allow, and on files that outgrew their room."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINES_MAX = 500
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TEST_ONLY = ("gtest/", "gmock/", "tests/", "benchmark/")


def read_edges():
    edges = {}
    for line in (ROOT / "tests/tidy/edges.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        folder, allowed = line.split("->")
        rooms, _, libraries = allowed.partition(";")
        edges[folder.strip()] = (rooms.split(), libraries.split())
    return edges


def room_of(path, edges):
    parts = path.parent.parts
    for length in range(len(parts), 0, -1):
        if "/".join(parts[:length]) in edges:
            return "/".join(parts[:length])
    return None


def allowed(header, room, rooms):
    if "*" in rooms or header.startswith(room + "/"):
        return True
    return any(header == r or header.startswith(r + "/") for r in rooms)


def check(path, edges):
    relative = path.relative_to(ROOT / "src")
    room = room_of(relative, edges)
    if room is None:
        return [f"{relative}: its folder stands not in tests/tidy/edges.txt"]
    rooms, libraries = edges[room]
    is_test = path.stem.endswith(("_test", "_fuzz"))
    complaints = []
    lines = path.read_text().splitlines()
    if len(lines) > LINES_MAX:
        complaints.append(f"{relative}: {len(lines)} lines, at most {LINES_MAX}: is it still one room?")
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, header = match.groups()
        where = f"{relative}:{number}: #include {header}"
        # A fake is real code that stands beside what it imitates; a test may use any.
        if is_test and (header.startswith(TEST_ONLY) or header.rpartition("/")[2].startswith("fake_")):
            continue
        if kind == '"':
            if not allowed(header, room, rooms):
                complaints.append(f"{where}: {room} may not include it")
        elif ("/" in header or header.endswith(".h")) and is_third_party(header):
            if not any(header.startswith(lib) for lib in libraries):
                complaints.append(f"{where}: {room} may not use that library")
    return complaints


def is_third_party(header):
    system = ("sys/", "netinet/", "arpa/", "net/", "linux/", "bits/")
    posix = {"unistd.h", "fcntl.h", "poll.h", "signal.h", "netdb.h", "dirent.h", "pwd.h", "grp.h", "spawn.h",
             "sched.h", "nss.h", "resolv.h", "fnmatch.h", "glob.h", "termios.h", "time.h", "errno.h", "stdlib.h",
             "malloc.h"}
    return not header.startswith(system) and header not in posix


def main():
    edges = read_edges()
    complaints = []
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix in (".hpp", ".cpp", ".h"):
            complaints += check(path, edges)
    for complaint in complaints:
        print(complaint)
    print(f"{len(complaints)} forbidden includes or oversized files")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
