"""Vaults of other kinds and the faults of a bad day, through the server, on booted hosts: SFTP against sshd, REST against rclone,
borg, a store that goes away half-way, a key that is withdrawn, a spoiled byte, an agent that is killed, WAL that vanished."""

from __future__ import annotations

import json
import time

from lab.fleet import Fleet
from lab.hosts import Host
from lab.system import wait_until
from tests.system.backup_case import PG_SETTINGS, BackupCase

PLAN = """
name: {name}
targets: ["tag:Role=all"]
source: {{engine: {engine}, paths: [/srv/app]{more}}}
vault: {vault}
keep: {{last: 9}}
limits: {{retries: 0}}
prove: {{level: P3, pick: [newest]}}
"""
POSTGRES = """
name: pg
targets: ["tag:Role=all"]
source: {engine: pgbackrest, stanza: main, heartbeat: public.belay_heartbeat}
vault: near
keep: {last: 6}
limits: {retries: 0}
"""
REST_PORT = 8000


class Vaults(BackupCase):
    lab_name = "tvault"
    nas: Host

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.fleet = Fleet(cls.lab, cls.lab.folder / "server").start()
        cls.addClassCleanup(cls.fleet.stop)
        cls.host, cls.nas = cls.lab.boot(["db", "nas"], "databases")
        cls.host.shell("mkdir -p /srv/app /srv/near && head -c 3000000 /dev/urandom > /srv/app/data && echo small > /srv/app/small")
        cls.fleet.enrol(cls.host, {"Role": "all"})
        cls.vault("near", "kind: local\npath: /srv/near\n")

    def plan_of(self, name: str, vault: str, engine: str = "restic", more: str = "") -> None:
        self.plan(PLAN.format(name=name, vault=vault, engine=engine, more=more))

    def secret_vault(self, name: str, text: str, secrets: str) -> None:
        self.fleet.belay("vault", "create", "-f", self.write(f"{name}.yaml", f"name: {name}\n{text}"),
                         "--secrets", self.write(f"{name}.secrets", secrets))

    def app(self) -> str:
        return self.host.shell("sha256sum /srv/app/* | sort").stdout

    def reason(self, job: dict) -> str:
        """By which name the first of its problems goes."""
        problems = job.get("Report", {}).get("Problems", [])
        return str(problems[0].get("Subject", problems[0]) if problems else job.get("Why"))

    def assert_nothing_says(self, secret: str) -> None:
        """Neither what the node keeps nor what the server writes nor any process holds it in the clear."""
        for host in (self.host, self.nas):
            host.put_text("/root/wanted", secret)
        found = self.host.shell("grep -rlF -f /root/wanted /var/lib/belay-agent /etc/belay /var/log 2>/dev/null; "
                                "journalctl --no-pager | grep -cF -f /root/wanted | grep -v '^0$'", check=False).stdout
        self.assertEqual(found, "")
        self.assertNotIn(secret, self.fleet.log.read_text(encoding="utf-8", errors="replace"))
        for file in self.fleet.data.glob("*"):
            if file.is_file() and file.name != "admin.env":
                self.assertNotIn(secret.encode(), file.read_bytes(), file)

    # ---- vaults of other kinds
    def test_sftp_is_reached_loses_its_key_and_gets_it_back(self) -> None:
        self.nas.shell("useradd -m keeper && install -d -m 700 -o keeper /home/keeper/.ssh && "
                       "ssh-keygen -q -t ed25519 -N '' -f /root/node_key && systemctl start ssh")
        allow = "install -m 600 -o keeper /root/node_key.pub /home/keeper/.ssh/authorized_keys"
        self.nas.shell(allow)
        key = self.nas.shell("cat /root/node_key").stdout
        host_key = " ".join(self.nas.shell("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[:2])
        self.secret_vault("far", "kind: sftp\noffsite: true\nsite: nas\nsftp:\n"
                                 f"  host: {self.nas.address}\n  user: keeper\n  path: /home/keeper/vault\n  hostKeys: [\"{host_key}\"]\n",
                          "sshKey=" + key.replace("\n", "\\n") + "\n")
        self.plan_of("by-sftp", "far")
        self.job("backup", "run", "by-sftp")
        self.job("backup", "prove", "by-sftp")
        self.assertEqual(self.points("by-sftp", "far")[0]["Proven"], "P3")
        self.assert_nothing_says(key.splitlines()[2])
        # The key is withdrawn: named, the points stay; then all is well again.
        self.nas.shell("rm /home/keeper/.ssh/authorized_keys")
        refused = self.job("backup", "run", "by-sftp", ok=False)
        self.assertEqual(self.reason(refused), "vault-refused", refused)
        self.nas.shell(allow)
        self.job("backup", "run", "by-sftp")
        # It goes away half-way: the cable is pulled while bytes go over it.
        self.host.shell("head -c 200000000 /dev/urandom > /srv/app/big")
        started = self.fleet.ask("backup", "run", "by-sftp")["JobIds"][0]
        wait_until("the first bytes to be there", lambda: int(self.nas.shell("du -sk /home/keeper/vault | cut -f1").stdout) > 12_000, 60)
        self.nas.cable(False)
        ended = wait_until("the job to end", lambda: self.ended(started), 400)
        self.nas.cable(True)
        self.assertEqual((ended["State"], self.reason(ended)), ("Failed", "vault-away"), json.dumps(ended, indent=1))
        before = self.app()
        self.job("backup", "run", "by-sftp")
        self.job("restore", self.points("by-sftp", "far")[0]["PointId"], "--to", "/srv/from-far")
        self.host.shell("rm /srv/app/big")
        back = self.host.shell("cd /srv/from-far && find . -path '*app/*' -type f -exec sha256sum {} + | sed 's#[^ ]*/app/#/srv/app/#' | sort").stdout
        self.assertEqual(back.replace("  .", "  "), before)

    def ended(self, job_id: str) -> dict:
        job = self.fleet.ask("backup", "job", job_id)
        return job if job["State"] in ("Succeeded", "Failed", "Partial", "Expired", "Cancelled") else {}

    def test_a_rest_server_and_what_it_wants(self) -> None:
        self.nas.shell("mkdir -p /srv/rest && openssl req -x509 -newkey rsa:2048 -nodes -keyout /root/rest.key -out /root/rest.pem -days 2 "
                       f"-subj /CN=nas -addext subjectAltName=IP:{self.nas.address} 2>/dev/null && "
                       f"systemd-run --unit rest rclone serve restic --addr 0.0.0.0:{REST_PORT} --cert /root/rest.pem --key /root/rest.key "
                       "--user node --pass open-sesame-91 /srv/rest")
        certificate = "".join(f"    {line}\n" for line in self.nas.shell("cat /root/rest.pem").stdout.splitlines())
        url = f"{self.nas.address}:{REST_PORT}"
        plain = self.fleet.belay("vault", "create", "-f", self.write("plain.yaml", f"name: plain\nkind: rest\nrest: {{url: \"http://{url}\"}}\n"),
                                 check=False)
        self.assertIn("reads along", plain.text)
        place = f"kind: rest\nsite: nas\nrest:\n  url: \"https://{url}\"\n  ca: |\n{certificate}"
        self.secret_vault("resty", place, "user=node\npassword=open-sesame-91\n")
        self.plan_of("by-rest", "resty")
        wait_until("the REST server", lambda: self.host.run(["bash", "-c", f"exec 3<>/dev/tcp/{self.nas.address}/{REST_PORT}"], check=False).ok, 60)
        self.job("backup", "run", "by-rest")
        self.job("backup", "prove", "by-rest")
        self.assertEqual(self.points("by-rest", "resty")[0]["Proven"], "P3")
        self.assert_nothing_says("open-sesame-91")
        self.nas.run(["systemctl", "stop", "rest"])
        away = self.job("backup", "run", "by-rest", ok=False)
        self.assertEqual(self.reason(away), "vault-away", away)

    def test_borg_from_the_first_point_to_one_file(self) -> None:
        self.plan_of("by-borg", "near", "borg")
        self.job("backup", "run", "by-borg")
        self.host.shell("echo changed > /srv/app/small")
        self.job("backup", "run", "by-borg")
        self.job("backup", "prove", "by-borg")
        newest, first = self.points("by-borg", "near")
        self.assertEqual(newest["Proven"], "P3")
        self.job("restore", first["PointId"], "--to", "/srv/by-borg", "--path", "/srv/app/small")
        self.assertEqual(self.host.shell("find /srv/by-borg -name small -exec cat {} +").stdout, "small\n")
        self.host.shell("echo small > /srv/app/small")

    # ---- faults
    def test_a_spoiled_byte_is_found_and_the_next_run_heals(self) -> None:
        self.plan_of("spoiled", "near")
        self.job("backup", "run", "spoiled")
        self.job("backup", "prove", "spoiled")
        bad = self.points("spoiled", "near")[0]["PointId"]
        self.host.shell("f=$(find /srv/near -path '*data/*' -type f -size +1000k -newer /etc/hostname | xargs ls -t | head -1); chmod u+w $f; "
                        "printf spoiled | dd of=$f bs=1 seek=70000 conv=notrunc status=none")
        self.job("backup", "prove", "spoiled", ok=False)
        self.assertEqual({point["PointId"]: point["State"] for point in self.points("spoiled", "near")}, {bad: "damaged"})
        self.job("backup", "run", "spoiled")
        self.job("backup", "prove", "spoiled")
        newest = self.points("spoiled", "near")[0]
        self.assertNotEqual(newest["PointId"], bad)
        self.assertEqual((newest["State"], newest["Proven"]), ("available", "P3"))

    def test_an_agent_that_is_killed_in_a_job_leaves_nothing_in_the_way(self) -> None:
        self.host.put_text("/usr/local/bin/slow", "#!/bin/sh\ntest -e /run/slow-began && exit 0\ntouch /run/slow-began\nexec sleep 600\n", 0o755)
        self.plan_of("killed", "near", more=", before: [/usr/local/bin/slow]")
        started = self.fleet.ask("backup", "run", "killed")["JobIds"][0]
        wait_until("the job to be at work", lambda: self.host.shell("test -e /run/slow-began", check=False).ok, 60)
        self.host.run(["systemctl", "kill", "--signal=KILL", "--kill-whom=all", "belay-agent"])
        wait_until("the agent to be back", lambda: self.fleet.is_online(self.host), 60)
        self.assertEqual(self.ended(started), {}, "the job has a scope of its own")
        self.host.run(["systemctl", "kill", "--signal=KILL", "belay-run-*.scope"])
        ended = wait_until("the job to be begun anew, and to end", lambda: self.ended(started), 120)
        self.assertEqual(ended["State"], "Succeeded", ended)
        self.assertEqual(len(self.points("killed", "near")), 1)
        self.job("backup", "prove", "killed")
        self.assertEqual(self.host.shell("find /var/lib/belay-agent -path '*scratch/*' | head").stdout, "")

    def test_the_watch_tells_of_wal_that_vanished_and_of_a_database_that_is_down(self) -> None:
        self.host.put_text("/etc/postgresql/15/main/conf.d/belay.conf", PG_SETTINGS)
        self.plan(POSTGRES)
        self.job("backup", "run", "pg", ok=False)  # makes the archive's settings
        self.host.run(["systemctl", "restart", "postgresql@15-main"])
        self.job("backup", "run", "pg", "--type", "full")
        for _ in range(4):
            self.psql("create table if not exists t (n int); insert into t values (1); select pg_switch_wal()", "postgres")
            time.sleep(1)
        wait_until("WAL to be archived", lambda: len(self.wal()) >= 4, 60)
        self.host.run(["rm", self.wal()[-2]])
        self.psql("insert into t values (1); select pg_switch_wal()", "postgres")
        wait_until("the gap to be told", lambda: "log-gap" in self.findings("pg"), 200)
        self.host.run(["systemctl", "stop", "postgresql"])
        down = self.job("backup", "run", "pg", ok=False)
        self.assertEqual(self.reason(down), "source-down", down)
        wait_until("the database to be told as down", lambda: "source-down" in self.findings("pg"), 200)
        self.host.run(["systemctl", "start", "postgresql"])
        # A new full stands on nothing that is lost.
        self.job("backup", "run", "pg", "--type", "full")
        wait_until("all to be well", lambda: not {"log-gap", "source-down"} & self.findings("pg"), 200)

    def wal(self) -> list[str]:
        return sorted(self.host.shell("find /srv/near -path '*archive*' -name '0000000100000000*' -type f ! -name '*.backup*'", check=False).stdout.split())

    def findings(self, plan: str) -> set[str]:
        text = json.dumps(self.fleet.ask("backup", "posture", "--plan", plan))
        return {kind for kind in ("log-gap", "source-down") if kind in text}
