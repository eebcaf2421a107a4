"""Backups on a booted host with real PostgreSQL, MariaDB and files: points, corruption that is found, proofs, restores to a
moment, an offsite copy, and a rollout that is held until there is a proof."""

from __future__ import annotations

import json
import time

from lab import debs
from lab.fleet import Fleet
from lab.repos import AptRepository, apt_get
from lab.system import LabError, wait_until
from tests.system.backup_case import PG_SETTINGS, BackupCase
from tests.system.stage import SUITE

FILES = """
name: files
targets: ["tag:Role=all"]
source: {engine: restic, paths: [/etc, /srv/app]}
vault: disk
copies: [{vault: safe, keep: {last: 5}}]
keep: {last: 3}
objectives: {rto: 10m}
prove: {level: P3, pick: [newest]}
"""
POSTGRES = """
name: pg
targets: ["tag:Role=all"]
source: {engine: pgbackrest, stanza: main, heartbeat: public.belay_heartbeat}
vault: disk
keep: {last: 6}
objectives: {rto: 30m}
prove: {level: P5, pick: [newest], checks: [{sql: "select count(*) from orders", database: shop, atLeast: 1000}]}
"""
MARIADB = """
name: my
targets: ["tag:Role=all"]
source: {engine: mariadb-backup, heartbeat: shop.belay_heartbeat}
vault: disk
keep: {last: 6}
objectives: {rto: 30m}
prove: {level: P5, pick: [newest], checks: [{sql: "select count(*) from orders", database: shop, atLeast: 1000}]}
"""
ROLLOUT = """
name: gated
approvals: 0
protect: {class: R1, proof: {level: P3, provenWithin: 7d, pointWithin: 24h}}
rings: [{name: all, targets: ["tag:Role=all"], maxConcurrency: "100%"}]
gate: {for: 5s, every: 1s}
"""
ORDERS = "create table orders (id int primary key, what text); {rows}"


class Backups(BackupCase):
    lab_name = "tback"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.fleet = Fleet(cls.lab, cls.lab.folder / "server").start()
        cls.addClassCleanup(cls.fleet.stop)
        cls.host = cls.lab.host("db", "databases")
        cls.host.shell("mkdir -p /srv/app /srv/vault /mnt/safe && echo precious > /srv/app/data && "
                       "mount -t tmpfs -o size=512m none /mnt/safe")
        cls.fleet.enrol(cls.host, {"Role": "all"})
        cls.vault("disk", "kind: local\npath: /srv/vault\n")
        cls.vault("safe", "kind: mount\npath: /mnt/safe\nsite: elsewhere\noffsite: true\n")

    # ---- files
    def test_files_are_copied_proven_and_come_back(self) -> None:
        self.plan(FILES)
        self.assertIn("no recovery point", self.sentence("files").replace("there is no copy", "no recovery point"))
        self.job("backup", "run", "files")
        copied = wait_until("the copy in the other vault", lambda: self.points("files", "safe"), 120)
        self.assertEqual(copied[0]["CopyOf"], self.points("files")[0]["PointId"])
        proof = self.job("backup", "prove", "files")
        self.assertTrue(all(item["Passed"] for item in proof["Report"]["Evidence"]), proof)
        self.assertIn("proved", self.sentence("files"))
        point = self.points("files")[0]
        self.assertEqual(point["Proven"], "P3")
        # One file out of it, beside what is there; then refused where something is.
        self.host.shell("rm /srv/app/data")
        self.job("restore", point["PointId"], "--to", "/srv/back", "--path", "/srv/app/data")
        self.assertEqual(self.host.shell("find /srv/back -name data -exec cat {} +").stdout, "precious\n")
        self.job("restore", point["PointId"], "--to", "/srv/back", ok=False)
        # From the offsite copy, with a checked escrow file and nothing that the node remembers.
        escrow = self.fleet.belay("vault", "escrow", "safe").stdout
        path = self.write("escrow", escrow)
        self.job("backup", "prove", "files", "--offsite", "--escrow", path)
        self.assertEqual(self.points("files", "safe")[0]["Proven"], "P3x")
        # A byte of the copy is wrong.
        self.host.shell("f=$(find /srv/vault -path '*data/*' -type f -size +100c | head -1); chmod u+w $f; "
                        "printf x | dd of=$f bs=1 seek=50 conv=notrunc status=none")
        self.job("backup", "prove", "files", ok=False)
        self.assertEqual(self.points("files")[0]["State"], "damaged")
        self.host.shell("echo precious > /srv/app/data")

    # ---- PostgreSQL
    def test_postgresql_goes_back_to_a_moment(self) -> None:
        rows = "insert into orders select n, 'order ' || n from generate_series(1, 5000) n;"
        wait_until("PostgreSQL", lambda: self.host.run(["runuser", "-u", "postgres", "--", "psql", "-c", "select 1"], check=False).ok, 60)
        self.psql("create database shop", "postgres")
        self.psql(ORDERS.format(rows=rows))
        self.plan(POSTGRES)
        told = self.job("backup", "run", "pg", ok=False)  # WAL is not archived yet: it says how
        self.assertIn("archive", told["Why"])
        self.host.put_text("/etc/postgresql/15/main/conf.d/belay.conf", PG_SETTINGS)
        self.host.run(["systemctl", "restart", "postgresql@15-main"])
        self.job("backup", "run", "pg", "--type", "full")
        self.psql("insert into orders select n, 'later' from generate_series(5001, 6000) n")
        self.job("backup", "run", "pg", "--type", "differential")
        self.psql("insert into orders select n, 'later still' from generate_series(6001, 6500) n")
        self.job("backup", "run", "pg", "--type", "incremental")
        self.assertEqual([point["Type"] for point in self.points("pg")[:3]], ["incremental", "differential", "full"])
        proof = self.job("backup", "prove", "pg")
        levels = {item["Level"] for item in proof["Report"]["Evidence"]}
        self.assertEqual(levels, {"P0", "P1", "P2", "P3", "P4", "P5"})
        self.assertIn("(P5)", self.sentence("pg"))
        # A mistake after the backup; back to the moment before it, from the WAL.
        self.psql("insert into orders values (7000, 'the last good one')")
        time.sleep(2)
        moment = self.psql("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')").strip()
        time.sleep(2)
        self.psql("delete from orders")
        self.psql("select pg_switch_wal()")
        point = self.points("pg")[0]["PointId"]
        self.job("restore", point, "--in-place", "--time", moment, "--yes")
        wait_until("PostgreSQL", lambda: self.host.run(["runuser", "-u", "postgres", "--", "psql", "-c", "select 1"], check=False).ok, 60)
        self.assertEqual(self.psql("select count(*), max(id) from orders").strip(), "6501|7000")

    # ---- MariaDB
    def test_mariadb_goes_back_to_a_moment(self) -> None:
        wait_until("MariaDB", lambda: self.host.run(["mariadb", "-e", "select 1"], check=False).ok, 60)
        self.host.put_text("/etc/mysql/mariadb.conf.d/99-belay.cnf", "[mysqld]\nlog_bin=/var/lib/mysql/binlog\nserver_id=1\nbinlog_format=ROW\n")
        self.host.run(["systemctl", "restart", "mariadb"])
        self.mysql("create database shop", "mysql")
        self.mysql(ORDERS.format(rows="insert into orders select seq, concat('order ', seq) from seq_1_to_5000;"))
        self.plan(MARIADB)
        self.job("backup", "run", "my", "--type", "full")
        self.mysql("insert into orders select seq, 'later' from seq_5001_to_6000")
        self.job("backup", "run", "my", "--type", "incremental")
        self.mysql("insert into orders select seq, 'later still' from seq_6001_to_6500")
        self.job("backup", "run", "my", "--type", "differential")
        proof = self.job("backup", "prove", "my")
        self.assertEqual({item["Level"] for item in proof["Report"]["Evidence"]}, {"P0", "P1", "P2", "P3", "P4", "P5"})
        self.mysql("insert into orders values (7000, 'the last good one')")
        time.sleep(2)
        moment = self.mysql("select date_format(utc_timestamp(), '%Y-%m-%dT%H:%i:%sZ')").strip()
        time.sleep(2)
        self.mysql("delete from orders")
        self.job("backup", "run", "my", "--type", "incremental")  # takes the binary logs up
        point = next(one for one in self.points("my") if one["Type"] == "differential")["PointId"]
        self.job("restore", point, "--in-place", "--time", moment, "--yes")
        wait_until("MariaDB", lambda: self.host.run(["mariadb", "-e", "select 1"], check=False).ok, 60)
        self.assertEqual(self.mysql("select count(*), max(id) from orders").split(), ["6501", "7000"])


class Gate(BackupCase):
    lab_name = "tgate"

    def test_a_rollout_without_a_proof_is_held_makes_one_and_goes_on(self) -> None:
        type(self).fleet = fleet = Fleet(self.lab, self.lab.folder / "server").start()
        self.addCleanup(fleet.stop)
        host = self.lab.host("web", "databases")
        host.shell("mkdir -p /srv/app /srv/vault && echo precious > /srv/app/data && systemctl disable --now postgresql mariadb")
        archive = AptRepository(self.server.folder / "gate", self.key, suite=SUITE, origin="Debian", label="Debian-Security")
        archive.add(debs.library("1.0"))
        archive.publish()
        archive.offer_to(host, self.server.url)
        apt_get(host, "update")
        apt_get(host, "install", "tlib")
        fleet.enrol(host, {"Role": "all"})
        archive.add(debs.library("1.1"))
        archive.publish()
        fleet.belay("scan", "web", "--wait")
        fleet.set("rollout.approvals-least", "0")
        path = self.write("rollout.yaml", ROLLOUT)
        held = fleet.ask("rollout", "start", "-f", path)["Rollout"]["RolloutId"]
        node = wait_until("the node to be held", lambda: self.node_of(fleet, held, "Held"), 120)
        self.assertIn("no backup plan covers", node["Why"])
        self.vault("disk", "kind: local\npath: /srv/vault\n")
        plan = FILES.replace("copies: [{vault: safe, keep: {last: 5}}]\n", "")
        fleet.belay("backup", "plan", "apply", "-f", self.write("plan.yaml", plan))
        fleet.belay("rollout", "resume", held, "--retry-held")
        try:
            wait_until("the node to take the change", lambda: self.node_of(fleet, held, "Committed"), 200)
        except LabError as error:
            raise LabError(f"{error}; {fleet.ask('rollout', 'show', held)} {fleet.ask('backup', 'jobs')}") from error
        proofs = fleet.ask("backup", "proofs", "--plan", "files")["Proofs"]
        self.assertEqual([proof["Passed"] for proof in proofs], [True])
        audit = json.dumps(fleet.ask("audit", "list"))
        self.assertIn(proofs[0]["ProofId"], audit, "the proof stands in the evidence")
        self.assertEqual(fleet.belay("audit", "verify").status, 0)

    def node_of(self, fleet: Fleet, rollout: str, state: str) -> dict:
        nodes = fleet.ask("rollout", "nodes", rollout)["Nodes"]
        return nodes[0] if nodes and nodes[0]["State"] == state else {}
