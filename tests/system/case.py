"""What the tests on real hosts share: when to skip, and a lab for each class of tests."""

from __future__ import annotations

import unittest

from lab import hosts, system
from lab.hosts import Host, Lab
from lab.keys import SigningKey, make_key
from lab.repos import RepositoryServer

LAB_TOOLS = ("dpkg-deb", "apt-ftparchive", "gpg")


class LabCase(unittest.TestCase):
    """One lab for all tests of the class. Skipped by name where this machine cannot boot hosts or a tool is missing."""

    lab_name = ""
    tools: tuple[str, ...] = ()
    binaries: tuple[str, ...] = ()
    lab: Lab

    @classmethod
    def setUpClass(cls) -> None:
        problem = hosts.why_not()
        missing = system.missing_tools((*cls.tools, *(LAB_TOOLS if cls.tools else ())))
        unbuilt = [name for name in cls.binaries if not (system.BINARIES / name).exists()]
        if problem:
            raise unittest.SkipTest(problem)
        if missing:
            raise unittest.SkipTest(f"missing: {', '.join(missing)} (scripts/packages-lab.txt)")
        if unbuilt:
            raise unittest.SkipTest(f"not built: {', '.join(unbuilt)} (make build)")
        cls.lab = Lab(cls.lab_name).open()
        cls.addClassCleanup(cls.lab.close)

    def assert_same_set(self, one: object, other: object) -> None:
        self.assertEqual(sorted(one), sorted(other))  # type: ignore[arg-type, type-var]


class ArchiveCase(LabCase):
    """Besides, a signing key and a web server for archives of the tests' own, under `www`."""

    tools = ("dpkg-deb",)
    key: SigningKey
    server: RepositoryServer

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.key = make_key(cls.lab.folder / "key", "Lab archive <archive@example.invalid>")
        cls.addClassCleanup(cls.key.close)
        www = cls.lab.folder / "www"
        www.mkdir()
        cls.server = RepositoryServer(www, cls.lab.switch)
        cls.addClassCleanup(cls.server.close)


__all__ = ["ArchiveCase", "Host", "Lab", "LabCase"]
