"""An rpm host: dnf itself against the lab's repository, then the agent and the server on it."""

from __future__ import annotations

import json

from lab import system
from lab.fleet import Fleet, missing_binaries
from lab.rpm_repos import Advisory, Rpm, RpmRepository, base
from tests.system.case import ArchiveCase
from tests.system.stage import reasons_in

AGENT = system.BINARIES / "belay-agent"


class RpmHost(ArchiveCase):
    lab_name = "trpm"
    tools = ("rpmbuild", "rpmsign", "createrepo_c", "modifyrepo_c", "gpg")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        repository = RpmRepository(cls.lab.folder / "www" / "lab", cls.key)
        fixed = Rpm("foo", "1.1")
        newer = Rpm("bar", "2.1")
        repository.add(base(), Rpm("foo", "1.0"), fixed, Rpm("bar", "2.0"), newer, Rpm("tfail", "1.0"),
                       Rpm("tfail", "1.1", scripts={"pre": "echo tfail: cannot go on; exit 3"}))
        repository.advise(Advisory("TSA-2026:0001", "security", "Important", (fixed,), ("CVE-2026-1111",)),
                          Advisory("TBA-2026:0002", "bugfix", "", (newer,)))
        repository.publish()
        cls.repository = repository

    def setUp(self) -> None:
        self.addCleanup(self.server.mend)
        self.host = self.lab.host(f"rpm{len(self.lab.hosts) + 1}", "rpm")
        self.addCleanup(self.host.power_cut)
        self.repository.offer_to(self.host, self.server.url)
        self.host.run(["dnf", "-q", "-y", "install", "base-fake", "foo-1.0", "bar-2.0"])

    def need(self, *binaries: str) -> None:
        missing = missing_binaries(*binaries)
        if missing:
            self.skipTest(f"not built: {', '.join(missing)} (make build)")

    def versions(self) -> list[str]:
        return self.host.run(["rpm", "-q", "foo", "bar", "--qf", "%{name}-%{version} "]).stdout.split()

    def test_dnf_sees_the_advisories_and_refuses_a_tampered_index(self) -> None:
        self.assertEqual(self.host.run(["dnf", "-q", "check-update"], check=False).status, 100)
        self.assertIn("TSA-2026:0001 Important/Sec. foo-1.1-1.el9.noarch",
                      self.host.run(["dnf", "-q", "updateinfo", "list", "--available"]).stdout)
        self.server.fail("repomd.xml$", "tamper")
        self.assertEqual(self.host.run(["dnf", "-q", "--refresh", "check-update"], check=False).status, 1)

    def test_the_agent_scans_with_advisory_and_severity(self) -> None:
        self.need("belay-agent")
        self.host.put(AGENT, "/usr/local/bin/belay-agent", 0o755)
        report = json.loads(self.host.run(["belay-agent", "scan", "-o", "json"]).stdout)
        missing = {patch["name"]: patch for patch in report["missing"]}
        self.assertIn("foo", missing, report)
        self.assertEqual((missing["foo"]["severity"], missing["foo"]["advisory_ids"], missing["foo"]["cve_ids"]),
                         ("Important", ["TSA-2026:0001"], ["CVE-2026-1111"]))

    def test_the_server_patches_it_to_the_exact_version(self) -> None:
        self.need("belayd", "belay-agent", "belay")
        fleet = Fleet(self.lab, self.lab.folder / "server").start()
        self.addCleanup(fleet.stop)
        fleet.enrol(self.host, {"System": "rpm"})
        fleet.belay("scan", self.host.name, "--wait")
        change_set = fleet.ask("plan", self.host.name)["ChangeSet"]["ChangeSetId"]
        result = fleet.belay("patch", "--change-set", change_set, self.host.name, "--wait", "-o", "json")
        self.assertEqual(result.status, 0, result.text)
        self.assertIn("foo-1.1", self.versions())
        self.server.fail("repomd.xml$", "tamper")
        fleet.belay("scan", self.host.name, "--wait")
        self.assertIn("signature_bad", reasons_in(fleet.report(self.host)))
