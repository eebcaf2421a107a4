"""The last rung of the ladder on a booted host with a real PostgreSQL: a package whose script deletes rows. Taking it back does not
bring them back; the backup that was proven before the change does, to the moment before it."""

from __future__ import annotations

import json
import time

from lab.debs import Deb
from lab.fleet import Fleet
from lab.repos import AptRepository, apt_get
from lab.system import LabError, wait_until
from tests.system.backup_case import PG_SETTINGS, BackupCase
from tests.system.stage import SUITE

PLAN = """
name: pg
targets: ["tag:Role=all"]
source: {engine: pgbackrest, stanza: main, heartbeat: public.belay_heartbeat}
vault: disk
keep: {last: 6}
objectives: {rto: 30m}
prove: {level: P4, pick: [newest]}
"""
COUNT = r"""test \"$(runuser -u postgres -- psql -qAtX -d shop -c 'select count(*) from orders')\" -gt 0"""
ROLLOUT = f"""
name: spoils-data
approvals: 0
protect: {{class: R1, proof: {{level: P4, provenWithin: 7d, pointWithin: 24h}}, restoreData: true}}
rings: [{{name: all, targets: ["tag:Role=all"], maxConcurrency: "100%"}}]
probes: [{{name: orders, command: "{COUNT}", timeout: 20s}}]
gate: {{for: 4s, every: 1s, misses: 2}}
"""
SPOILS = "runuser -u postgres -- psql -qX -d shop -c 'delete from orders'"


class DataRung(BackupCase):
    lab_name = "trung"

    def psql(self, sql: str, database: str = "shop") -> str:
        return super().psql(sql, database).strip()

    def answers(self) -> bool:
        return bool(self.host.run(["runuser", "-u", "postgres", "--", "psql", "-c", "select 1"], check=False).ok)

    def given_a_database_with_a_proven_backup(self) -> None:
        wait_until("PostgreSQL", self.answers, 60)
        self.psql("create database shop", "postgres")
        self.psql("create table orders (id int primary key, what text); insert into orders select n, 'order' from generate_series(1, 5000) n")
        self.fleet.belay("vault", "create", "-f", self.write("vault.yaml", "name: disk\nkind: local\npath: /srv/vault\n"))
        self.fleet.belay("backup", "plan", "apply", "-f", self.write("plan.yaml", PLAN))
        self.fleet.ask("backup", "run", "pg", "--wait")  # writes the configuration that archives WAL
        self.host.put_text("/etc/postgresql/15/main/conf.d/belay.conf", PG_SETTINGS)
        self.host.run(["systemctl", "restart", "postgresql@15-main"])
        wait_until("PostgreSQL", self.answers, 60)
        self.job("backup", "run", "pg", "--type", "full")
        self.job("backup", "prove", "pg")

    def test_data_that_a_package_spoiled_comes_back_to_the_moment_before(self) -> None:
        type(self).fleet = fleet = Fleet(self.lab, self.lab.folder / "server").start()
        self.addCleanup(fleet.stop)
        type(self).host = host = self.lab.host("shop", "databases")
        host.shell("mkdir -p /srv/vault && systemctl disable --now mariadb")
        archive = AptRepository(self.server.folder / "rung", self.key, suite=SUITE, origin="Debian", label="Debian-Security")
        archive.add(Deb("tshop", "1.0"))
        archive.publish()
        archive.offer_to(host, self.server.url)
        apt_get(host, "update")
        apt_get(host, "install", "tshop")
        fleet.enrol(host, {"Role": "all"})
        self.given_a_database_with_a_proven_backup()
        archive.add(Deb("tshop", "1.1", scripts={"postinst": SPOILS}))
        archive.publish()
        fleet.belay("scan", "shop", "--wait")
        fleet.set("rollout.approvals-least", "0")
        self.psql("insert into orders values (7000, 'the last good one')")  # after the backup: only the WAL has it
        time.sleep(2)

        planned = fleet.belay("rollout", "plan", "-f", self.write("rollout.yaml", ROLLOUT))
        self.assertIn("what was written since is lost to it", planned.stderr)
        rollout = fleet.ask("rollout", "start", "-f", self.write("rollout.yaml", ROLLOUT))["Rollout"]["RolloutId"]

        def ended() -> dict:
            nodes = fleet.ask("rollout", "nodes", rollout)["Nodes"]
            return nodes[0] if nodes and nodes[0]["State"] in ("RolledBack", "RollbackFailed", "Inconsistent", "Held", "Committed") else {}

        try:
            node = wait_until("the node's end", ended, 300)
        except LabError as error:
            raise LabError(f"{error}; {fleet.ask('rollout', 'report', rollout)} {fleet.ask('backup', 'jobs')}") from error
        self.assertEqual(node["State"], "RolledBack", json.dumps(fleet.ask("rollout", "report", rollout), indent=1)[-8000:])
        self.assertEqual(host.run(["dpkg-query", "-W", "-f", "${Version}", "tshop"]).stdout, "1.0")
        self.assertEqual(self.psql("select count(*), max(id) from orders"), "5001|7000", "all rows, those after the backup too")
        data = node["Data"]
        self.assertEqual(data["PlanName"], "pg")
        self.assertGreater(data["TookMs"], 0)
        self.assertEqual(len(data["PutAside"]), 1)
        aside = data["PutAside"][0]
        self.assertTrue(host.run(["test", "-f", f"{aside}/PG_VERSION"], check=False).ok, aside)
        self.assertIn(aside, node["Why"])
        shown = fleet.belay("rollout", "show", rollout).stdout
        for words in ("was put back to", data["PointId"], aside):
            self.assertIn(words, shown)
        failure = fleet.ask("rollout", "report", rollout)["Failures"][0]
        self.assertEqual(failure["Outcome"], "rollback_failed", "packages alone did not help")
        self.assertEqual(failure["Data"]["PutAside"], [aside])
        audit = json.dumps(fleet.ask("audit", "list"))
        for action in ("node:restore-data", "node:data-restored"):
            self.assertIn(action, audit)
        self.assertEqual(fleet.belay("audit", "verify").status, 0)
