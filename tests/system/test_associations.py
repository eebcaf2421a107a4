"""An association on a booted host whose server goes away: it runs on time by itself, and is told once when the server is back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from lab.fleet import STATE, Fleet
from lab.system import wait_until
from tests.system.case import LabCase

RAN = "/var/tmp/ran"
SOON = timedelta(seconds=45)  # long enough to make the association, short enough to wait for


class Associations(LabCase):
    lab_name = "tassoc"
    binaries = ("belayd", "belay-agent", "belay")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.fleet = Fleet(cls.lab, cls.lab.folder / "server").start()
        cls.addClassCleanup(cls.fleet.stop)

    def test_runs_while_the_server_is_away(self) -> None:
        host = self.lab.host("assoc1")
        self.addCleanup(host.power_cut)
        self.fleet.enrol(host, {"role": "alone"})

        def times_run() -> int:
            return len(host.run(["cat", RAN], check=False).stdout.splitlines())

        due = datetime.now(timezone.utc) + SOON
        made = self.fleet.ask("association", "create", "alone", "tag:role=alone", "--document", "AWS-RunShellScript", "--parameter",
                              f"commands=date -u +%FT%TZ >> {RAN}", "--only-at-schedule", "--schedule", due.strftime("at(%Y-%m-%dT%H:%M:%S)"))
        association = made["AssociationDescription"]["AssociationId"]
        wait_until("the node to keep it", lambda: association in host.run(["cat", f"{STATE}/associations/set.json"], check=False).stdout, 60)
        self.assertTrue(self.fleet.belay("association", "show", association).stdout.find('"RunsOffline": true') > 0)
        self.fleet.kill()
        self.assertLess(datetime.now(timezone.utc), due, "this machine is too slow for this test")
        self.assertEqual(times_run(), 0)
        wait_until("the node to run it by itself", lambda: times_run() > 0, 300, every_s=1)
        self.assertGreaterEqual(host.run(["cat", RAN]).stdout.strip(), due.strftime("%Y-%m-%dT%H:%M:%SZ"))

        host.run(["systemctl", "restart", "belay-agent.service"])
        self.fleet.start()

        def ended() -> list[dict]:
            rows = self.fleet.ask("association", "history", association)["AssociationExecutions"]
            return rows if rows and all(row["Status"] not in ("Pending", "InProgress") for row in rows) else []

        [run] = wait_until("the server to hear of it", ended, 120, every_s=1)
        self.assertEqual((run["Status"], run["ResourceCountByStatus"]), ("Success", "{Success=1}"))
        node = self.fleet.node(host)
        self.assertEqual(node["AssociationStatus"], "Success")
        self.fleet.belay("association", "run", association)
        rows = wait_until("a run that is asked for", lambda: ended() if len(ended()) > 1 else [], 120, every_s=1)
        self.assertEqual([row["Status"] for row in rows], ["Success", "Success"])
        self.assertEqual(times_run(), 2, "once by itself, once when it was asked for")
