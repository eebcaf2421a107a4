#!/usr/bin/env python3
"""The agent must run on any x86-64 Linux: fully static, under 9 MB, alive with nothing around it, and without what is for tests."""
import os
import struct
import subprocess
import sys

BYTES_MAX = 9_000_000
PT_DYNAMIC, PT_INTERP = 2, 3
# By the names of their types: what costs much and comes along unseen.
COSTLY = {
    b"money_get": "the C++ library's streams and locales (half a megabyte): somewhere std::cout, a stringstream, an fstream or"
                  " std::locale is used; see src/main/print.hpp",
    b"N4YAML": "the YAML parser (160 KB): somewhere core/document reads a document's text, which the server does",
}


def program_header_types(path):
    with open(path, "rb") as file:
        header = file.read(64)
        assert header[:4] == b"\x7fELF" and header[4] == 2, f"{path} is no 64-bit ELF file"
        offset, = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        return [struct.unpack_from("<I", file.read(size))[0] for _ in range(count)]


def main():
    agent = os.path.abspath(sys.argv[1])
    types = program_header_types(agent)
    size = os.path.getsize(agent)
    version = subprocess.run([agent, "version"], env={}, cwd="/", capture_output=True, text=True, timeout=30)
    complaints = []
    if PT_INTERP in types or PT_DYNAMIC in types:
        complaints.append("it wants a dynamic loader")
    if size >= BYTES_MAX:
        complaints.append(f"it has {size:,} bytes, at most {BYTES_MAX:,} are allowed")
    if version.returncode != 0 or not version.stdout.startswith("belay-agent "):
        complaints.append(f"`version` in an empty environment: status {version.returncode}, {version.stdout!r} {version.stderr!r}")
    with open(agent, "rb") as file:
        content = file.read()
    if b"fake" in content.lower():
        complaints.append("it holds the package manager that only pretends, which is for tests")
    complaints += [f"it holds {what}" for name, what in COSTLY.items() if name in content]
    for complaint in complaints:
        print(f"{agent}: {complaint}")
    print(f"{agent}: static, {size:,} bytes, {version.stdout.strip()}" if not complaints else "the agent is not what it must be")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
