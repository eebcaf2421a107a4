"""What the tests of backups on real hosts share: the words in which vaults, plans, jobs and points are asked for."""

from __future__ import annotations

import json
from pathlib import Path

from lab.fleet import Fleet
from lab.hosts import Host
from tests.system.case import ArchiveCase

# What the PostgreSQL of a plan named "pg" needs, so that its WAL is archived.
PG_SETTINGS = """
archive_mode = on
wal_level = replica
archive_command = 'pgbackrest --config=/etc/belay/backup/pgbackrest-pg.conf --stanza=main archive-push "%p"'
"""


class BackupCase(ArchiveCase):
    binaries = ("belayd", "belay-agent", "belay")
    host: Host
    fleet: Fleet

    @classmethod
    def write(cls, name: str, text: str) -> str:
        path = Path(cls.lab.folder) / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    @classmethod
    def vault(cls, name: str, text: str) -> None:
        cls.fleet.belay("vault", "create", "-f", cls.write(f"{name}.yaml", f"name: {name}\n{text}"))

    def plan(self, text: str) -> str:
        name = text.split("name: ")[1].split("\n")[0]
        return str(self.fleet.ask("backup", "plan", "apply", "-f", self.write(f"{name}-plan.yaml", text))["PlanId"])

    def job(self, *words: str, ok: bool = True) -> dict:
        """The one job that these words begin, at its end."""
        answer = self.fleet.ask(*words, "--wait")
        job = answer["Jobs"][0]
        self.assertEqual(job["State"], "Succeeded" if ok else "Failed", json.dumps(job, indent=1)[-6000:])
        return job

    def points(self, plan: str, vault: str = "disk") -> list[dict]:
        return self.fleet.ask("backup", "points", "--plan", plan, "--vault", vault)["RecoveryPoints"]

    def psql(self, sql: str, database: str = "shop") -> str:
        return self.host.run(["runuser", "-u", "postgres", "--", "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]).stdout

    def mysql(self, sql: str, database: str = "shop") -> str:
        return self.host.run(["mariadb", "-N", "-B", database, "-e", sql]).stdout

    def sentence(self, plan: str) -> str:
        return str(self.fleet.ask("backup", "posture", "--plan", plan)["Postures"][0]["Sentence"])
