"""Backups through the API and the command line: vaults and their escrow, plans, runs, points, restore tests, restores, holds, reports; and
what is refused, by its field."""
import csv
import io
import json
import os
import re
import subprocess

from tests.api.backup_case import PLAN, BackupCase
from tests.support.backup_node import in_days
from tests.support.binaries import binary, wait_until

S3 = "name: {name}\nkind: s3\noffsite: true\nsite: dc2\ns3: {{bucket: our-backups, region: eu-central-1, prefix: {name}}}\n"
S3_SECRETS = "# of the bucket\naccessKey=AKIA-FOR-{name}\nsecretKey = secret-of-{name}\n"


def rows(text):
    """Of CSV: a dictionary a row."""
    return list(csv.DictReader(io.StringIO(text)))


class Vaults(BackupCase):
    def create(self, name, text=None, secrets=None, status=0):
        words = ["vault", "create", "-f", self.file(f"{name}.yaml", text or f"name: {name}\nkind: mount\npath: /srv/{name}\n")]
        return self.belay(*words, *(["--secrets", self.file(f"{name}.secrets", secrets)] if secrets else []), status=status)

    def test_a_vault_from_its_making_to_its_end(self):
        made = self.create("s3-a", S3.format(name="s3-a"), S3_SECRETS.format(name="s3-a"))
        self.assertEqual(made.stdout, "made the vault s3-a\n")
        self.assertIn("belay vault escrow s3-a", made.stderr)
        self.assertIn("exists already", self.create("s3-a", S3.format(name="s3-a"), S3_SECRETS.format(name="s3-a"), status=4).stderr)
        listed = {row["VAULT"]: row for row in rows(self.belay("vault", "list", "-o", "csv").stdout)}
        self.assertEqual({key: listed["s3-a"][key] for key in ("KIND", "SITE", "OFFSITE", "POINTS", "LOCK", "ESCROWED (UTC)")},
                         {"KIND": "s3", "SITE": "dc2", "OFFSITE": "true", "POINTS": "0", "LOCK": "-", "ESCROWED (UTC)": "-"})
        self.assertIn("s3-a", [vault["Name"] for vault in self.printed("vault", "list")["Vaults"]])
        self.assertIn("VAULT", self.belay("vault", "list").stdout.splitlines()[0])
        shown = self.printed("vault", "show", "s3-a")
        self.assertRegex(shown["KeyFingerprint"], "^[0-9a-f]{64}$")
        self.assertEqual(shown["Content"], S3.format(name="s3-a"))
        self.belay("vault", "update", "-f", self.file("changed.yaml", S3.format(name="s3-a") + "lock: {mode: governance, days: 30}\n"))
        self.assertEqual((self.printed("vault", "show", "s3-a")["LockDays"], shown["KeyFingerprint"]),
                         (30, self.printed("vault", "show", "s3-a")["KeyFingerprint"]))
        self.assertIn("30 days, governance", self.belay("vault", "list").stdout)
        self.belay("vault", "delete", "s3-a")
        self.belay("vault", "show", "s3-a", status=3)
        self.belay("vault", "delete", "s3-a", status=3)
        self.assertEqual(self.audit("s3-a"), ["belay:CreateVault", "belay:UpdateVault", "belay:DeleteVault"])

    def test_the_escrow_file_is_printed_once(self):
        self.create("safe")
        self.create("Other-1")
        file = self.belay("vault", "escrow", "safe").stdout
        self.assertTrue(file.startswith("BELAY VAULT ESCROW 1\nvault: safe\nkey: "), file)
        self.assertIn("--reason", self.belay("vault", "escrow", "safe", status=4).stderr)
        self.assertEqual(self.belay("vault", "escrow", "safe", "--reason", "the safe burnt").stdout, file)
        self.assertEqual(self.audit("safe"), ["belay:CreateVault", "belay:EscrowVault", "belay:EscrowVault"])
        good, key = self.file("good.txt", file), re.search("^key: ([0-9a-f]{64})$", file, re.MULTILINE)[1]
        self.assertEqual(self.belay("vault", "escrow", "safe", "--check", good).stdout, "it opens the vault safe\n")
        self.assertEqual(self.belay("vault", "escrow", "safe", "--check", "-", input="On paper:\n" + file).returncode, 0)
        self.assertIn("EscrowCheckedDate", self.printed("vault", "show", "safe"))
        wrong = {"spoilt.txt": (file.replace(key, key[::-1]), "do not agree"), "cut.txt": (file.replace(key, key[:-1]), "not 64 hex digits"),
                 "hello.txt": ("hello\n", "no escrow file"), "nothing.txt": (" \n", "no escrow file")}
        for name, (text, why) in wrong.items():
            refused = self.belay("vault", "escrow", "safe", "--check", self.file(name, text), status=2)
            self.assertIn(why, refused.stderr)
            self.assertNotIn(key, refused.stderr)
        self.assertIn("does not open Other-1", self.belay("vault", "escrow", "Other-1", "--check", good, status=2).stderr)
        self.refused("DoesNotExistException", "CheckEscrow", {"Name": "nobody", "Escrow": file})
        self.assertNotIn(key, self.refused("ValidationException", "CheckEscrow", {"Name": "safe", "Escrow": file * 400}, "escrow"))
        self.belay("vault", "escrow", "nobody", status=3)
        by_the_rule = subprocess.run(["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"], check=True,
                                     input=b"belay repository\nbp-1\nmi-1\n", capture_output=True).stdout
        self.assertEqual(len(by_the_rule), 32)

    def test_what_is_wrong_with_the_file_is_told_at_once_with_its_lines(self):
        text = "name: Bad Name\nkind: sftp\nsftp:\n  host: backup.example.org\n  path: relative\npassword: hunter2-in-the-file\noffiste: true\n"
        said = self.create("bad", text, status=2).stderr
        for line, word in ((1, "name"), (4, "sftp.user"), (5, "path"), (6, "password"), (7, "offiste")):
            self.assertRegex(said, rf"{word}[^;]*line {line}\b", said)
        self.assertNotIn("hunter2", said)
        self.assertIn("bad.yaml", said)
        self.create("bad", "name: [\n", status=2)
        self.assertIn("no-such-file", self.belay("vault", "create", "-f", "/no-such-file", status=3).stderr)

    def test_secrets_are_checked_and_never_echoed(self):
        cases = (("accessKey=A\n", "needs the secret 'secretKey'"), ("accessKey=A\nsecretKey=hidden-1\nuser=hidden-2\n", "takes no secret 'user'"),
                 ("accessKey=A\nsecretKey=\n", "secretKey"), ("hidden-3 is no pair\n", "NAME=VALUE"),
                 ("accessKey=A\nsecretKey=" + "hidden-4" * 3_000 + "\n", "secretKey"), ("accessKey=A\nsecretKey=hidden-5\0\n", "secretKey"))
        for secrets, why in cases:
            said = self.create("s3-b", S3.format(name="s3-b"), secrets, status=2).stderr
            self.assertIn(why, said)
            self.assertNotIn("hidden", said.replace("not shown", ""))
        self.assertIn("needs the secret 'accessKey'", self.create("s3-b", S3.format(name="s3-b"), status=2).stderr)
        self.assertNotIn("s3-b", self.belay("vault", "list").stdout)
        self.refused("SerializationException", "CreateVault", {"Content": S3.format(name="s3-b"), "Secrets": {"accessKey": 7}})

    def test_a_vault_stays_while_something_needs_it(self):
        self.given("kept")
        self.assertIn("used by the plans kept", self.belay("vault", "delete", "kept-nas", status=4).stderr)
        self.run_plan("kept")
        moved = self.file("moved.yaml", "name: kept-nas\nkind: mount\npath: /srv/elsewhere\n")
        self.assertIn("1 recovery points where it is", self.belay("vault", "update", "-f", moved, status=4).stderr)
        checked = self.belay("vault", "check", "kept-nas")
        self.assertIn("check of kept on mi-", checked.stdout)
        self.assertIn("opened", checked.stdout)
        self.assertEqual(self.audit("kept-nas"), ["belay:CreateVault", "belay:CheckVault"])
        self.vault("unused")
        self.assertIn("nobody could try it", self.belay("vault", "check", "unused", status=4).stderr)
        self.refused("InvalidInstanceId", "CheckVault", {"Name": "kept-nas", "InstanceId": "nobody"})


class Plans(BackupCase):
    def test_rules_that_keep_less_want_a_word_and_the_right_to_delete(self):
        self.database("narrow-db", "narrow")
        self.vault("narrow-nas")
        plan_id = self.plan("narrow", "narrow", "narrow-nas")
        for _ in range(3):
            self.run_plan("narrow", Type="full")
        newest, *older = [point["PointId"] for point in self.points("narrow")]
        text = PLAN.format(name="narrow", role="narrow", vault="narrow-nas").replace("last: 3, daily: 7", "last: 1")
        planner = self.ask("CreateUser", {"UserName": "planner", "Permissions": ["belay:Get*", "belay:*BackupPlan"]})["Token"]
        file = self.file("narrow.yaml", text)
        self.refused("AccessDeniedException", "UpdateBackupPlan", {"Content": text, "Confirm": "narrow"}, "belay:DeleteRecoveryPoint", token=planner)
        said = self.belay("backup", "plan", "apply", "-f", file, status=2).stderr
        for point in older:
            self.assertIn(point, said)
        self.assertNotIn(newest, said)
        self.assertIn("--confirm narrow", said)
        self.assertEqual(self.ask("GetBackupPlan", {"Plan": "narrow"})["Plan"]["Version"], 1)
        self.assertIn("changed the plan narrow", self.belay("backup", "plan", "apply", "-f", file, "--confirm", "narrow").stdout)
        self.assertIn("belay:DeleteRecoveryPoint", self.audit(plan_id))

    def test_apply_twice(self):
        self.vault("nas")
        file = self.file("pg.yaml", PLAN.format(name="pg", role="nobody-yet", vault="nas"))
        made = self.belay("backup", "plan", "apply", "-f", file)
        self.assertRegex(made.stdout, r"^made the plan pg \(bp-[0-9a-f]{17}\); it covers 0 nodes now\n$")
        self.assertIn("nodes that come later are covered by themselves", made.stderr)
        changed = self.belay("backup", "plan", "apply", "-f", file)
        self.assertIn("changed the plan pg", changed.stdout)
        plan_id = re.search("bp-[0-9a-f]{17}", made.stdout)[0]
        self.assertIn(plan_id, changed.stdout)
        self.assertEqual([(row["PLAN"], row["ID"], row["ENGINE"], row["VAULT"], row["VERSION"], row["STATE"])
                          for row in rows(self.belay("backup", "plan", "list", "-o", "csv").stdout)],
                         [("pg", plan_id, "pgbackrest", "nas", "2", "Active")])
        self.assertEqual(self.belay("backup", "plan", "show", "pg", "--file").stdout, PLAN.format(name="pg", role="nobody-yet", vault="nas"))
        self.assertEqual(self.printed("backup", "plan", "show", plan_id)["Name"], "pg")
        self.assertIn("source.engine", self.belay("backup", "plan", "apply", "-f", self.file(
            "dump.yaml", PLAN.format(name="pg", role="x", vault="nas").replace("pgbackrest, stanza: main", "pg_dump").replace("rpo: 2h, ", "")),
            status=2).stderr)
        self.refused("AlreadyExistsException", "CreateBackupPlan", {"Content": PLAN.format(name="pg", role="x", vault="nas")})
        self.refused("DoesNotExistException", "UpdateBackupPlan", {"Content": PLAN.format(name="qg", role="x", vault="nas")})

        for word, state in (("pause", "Paused"), ("resume", "Active"), ("retire", "Retired")):
            self.belay("backup", "plan", word, "pg", "--reason", "a test")
            self.assertEqual(self.printed("backup", "plan", "show", plan_id)["State"], state)
        self.belay("backup", "plan", "resume", plan_id, status=4)
        self.belay("backup", "plan", "pause", "pg", status=3)
        self.assertEqual(self.printed("backup", "plan", "list")["Plans"], [])
        self.assertEqual(len(self.printed("backup", "plan", "list", "--retired")["Plans"]), 1)
        self.assertEqual(self.audit(plan_id), ["belay:CreateBackupPlan", "belay:UpdateBackupPlan", "belay:PauseBackupPlan",
                                               "belay:ResumeBackupPlan", "belay:DeleteBackupPlan"])
        self.assertIn("made the plan pg", self.belay("backup", "plan", "apply", "-f", file).stdout)

    def test_every_mistake_is_told_with_its_line(self):
        self.vault("there")
        text = """\
name: wrong
targets: ["tag:"]
source: {engine: restik, paths: [relative]}
schedule:
  full: "cron(0 1 * * *)"
  timezon: Europe/Berlin
vault: there
keep: {daily: -1}
prove: {level: P9, checks: [{sql: select 1}]}
secretKey: hunter2
"""
        said = self.belay("backup", "plan", "apply", "-f", self.file("wrong.yaml", text), status=2).stderr
        for line, word in ((2, "targets"), (3, "source.engine"), (5, "full"), (6, "timezon"), (8, "daily"), (9, "level"), (9, "checks"), (10, "secretKey")):
            self.assertRegex(said, rf"{word}[^;]*line {line}\b|line {line}\b[^;]*{word}", said)
        self.assertNotIn("hunter2", said)
        for change, words in ((("vault: there", "vault: nowhere"), ("vault", "nowhere", "belay vault list")),
                              (("level: P4", "level: P5"), ("prove.level", "checks")),
                              (("stanza: main", "stanza: main, paths: [/srv]"), ("source.paths",)),
                              (("keep: {last: 3, daily: 7}", "copies: [{vault: elsewhere}]"), ("copies[0].vault", "elsewhere"))):
            bad = PLAN.format(name="bad", role="x", vault="there").replace(*change)
            self.assertIn(words[-1], self.refused("ValidationException", "CreateBackupPlan", {"Content": bad}, *words))
        self.assertNotIn("bad", self.belay("backup", "plan", "list").stdout)

    def test_what_is_kept_and_why(self):
        node = self.given("ret")
        for _ in range(2):
            self.run_plan("ret", Type="full")
        shown = rows(self.belay("backup", "plan", "retention", "ret", "-o", "csv").stdout)
        self.assertEqual([(row["NODE"], row["VAULT"], row["TYPE"], row["KEPT"]) for row in shown], [(node.node_id, "ret-nas", "full", "true")] * 2)
        self.assertIn("last 1", shown[0]["BECAUSE"])
        self.assertEqual({row["PointId"] for row in self.printed("backup", "plan", "retention", "ret")["Points"]},
                         {point["PointId"] for point in self.points("ret")})
        self.belay("backup", "plan", "retention", "nobody", status=3)


class Runs(BackupCase):
    def test_a_run_is_followed_to_its_end(self):
        node = self.given("runs")
        node.hold()
        with subprocess.Popen([binary("belay"), "backup", "run", "runs", "--wait"], env=self.server.environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            seen = ""
            while "copy: 4" not in seen:
                line = running.stderr.readline()
                self.assertTrue(line, f"it ended: {seen}")
                seen += line
            node.go.set()
            out, more = running.communicate(timeout=120)
        self.assertEqual(running.returncode, 0, seen + more)
        self.assertIn("Running: copy: 4", seen)
        self.assertIn("2 minutes left", seen)
        self.assertIn("Succeeded", seen + more)
        self.assertRegex(out, rf"^bj-[0-9a-f]{{17}}: backup of runs on {node.node_id}: Succeeded\n")
        self.assertIn("label-1", out)
        first = node.jobs[0]
        self.assertEqual((first["type"], first["vault"]["path"], first["source"]["stanza"]), ("full", "/srv/runs-nas", "main"))
        self.assertEqual(set(node.secrets[first["job_id"]]), {"repository.key"})

        self.belay("backup", "run", "runs", "--type", "incremental", "--wait")
        self.assertEqual([(point["Type"], point["State"], point.get("Needs", [])) for point in self.points("runs")],
                         [("incremental", "available", ["label-1"]), ("full", "available", [])])
        self.assertEqual([one["reference"] for one in node.jobs[1]["chain"]], ["label-1"])
        node.failure = "the vault is full: 12 KiB free on /srv/runs-nas; make room there"
        failed = self.belay("backup", "run", "runs", "--wait", status=9)
        self.assertIn("Failed: the vault is full", failed.stdout)
        jobs = rows(self.belay("backup", "jobs", "--plan", "runs", "--state", "Failed", "-o", "csv").stdout)
        self.assertEqual([(job["TASK"], job["NODE"], job["STATE"], job["BY"], job["BECAUSE"]) for job in jobs],
                         [("backup", node.node_id, "Failed", "admin", "by hand")])
        self.assertIn("make room there", jobs[0]["WHY"])
        shown = self.belay("backup", "job", jobs[0]["JOB"]).stdout
        self.assertIn("make room there", shown)
        self.assertEqual(self.printed("backup", "job", first["job_id"])["Report"]["Points"][0]["Reference"], "label-1")
        self.assertEqual(self.printed("backup", "jobs", "--task", "prove", "--plan", "runs")["Jobs"], [])
        for words in (("run", "nobody"), ("run", "runs", "--node", "tag:Role=nobody"), ("job", "bj-" + "0" * 17), ("points", "--plan", "nobody"), ("posture", "--plan", "nobody"), ("report", "nobody")):
            self.belay("backup", *words, status=3)
        for words in (("run", "runs", "--type", "sideways"), ("job", "bj-short"),
                      ("jobs", "--state", "Sleeping"), ("points", "--state", "lost"), ("prove", "runs", "--level", "P7")):
            self.belay("backup", *words, status=2)

    def test_jobs_are_stopped_before_and_while_a_node_has_them(self):
        node = self.given("stops")
        node.hold()
        running = self.ask("StartBackupRun", {"Plan": "stops"})["JobIds"][0]
        waiting = self.ask("StartBackupRun", {"Plan": "stops"})["JobIds"][0]
        self.assertTrue(wait_until(lambda: self.job(running)["State"] == "Running"), self.job(running))
        self.assertEqual(self.job(waiting)["State"], "Pending")
        self.assertIn("it is Cancelled", self.belay("backup", "stop", waiting).stdout)
        self.assertIn("stopped by admin", self.job(waiting)["Why"])
        self.assertIn("it is Running", self.belay("backup", "stop", running).stdout)
        self.assertEqual(self.ended(running)["State"], "Cancelled")
        self.belay("backup", "stop", running, status=4)
        node.go.set()
        self.assertEqual(self.run_plan("stops")[0]["State"], "Succeeded")
        self.assertEqual(self.audit(waiting), ["belay:StopBackupJob"])

    def test_pages(self):
        self.given("pages")
        for _ in range(3):
            self.run_plan("pages", Type="full")
        self.ended(self.ask("StartRestoreTest", {"Plan": "pages"})["JobIds"][0])
        self.ended(self.ask("StartRestoreTest", {"Plan": "pages"})["JobIds"][0])
        for operation, member, identity, request, least in (
                ("ListRecoveryPoints", "RecoveryPoints", "PointId", {"Plan": "pages"}, 3), ("ListBackupJobs", "Jobs", "JobId", {"Plan": "pages"}, 5),
                ("ListProofs", "Proofs", "ProofId", {"Plan": "pages"}, 2), ("ListBackupPlans", "Plans", "PlanId", {}, 1),
                ("DescribeVaults", "Vaults", "Name", {}, 1), ("GetBackupPosture", "Postures", "InstanceId", {}, 1),
                ("GetBackupPlanReport", "Nodes", "InstanceId", {"Plan": "pages", "To": "2099-01-01T00:00:00Z"}, 1)):
            whole = [one[identity] for one in self.ask(operation, request)[member]]
            self.assertGreaterEqual(len(whole), least, operation)
            pages, token = [], {}
            while token is not None:
                page = self.ask(operation, {**request, "MaxResults": 1, **token})
                self.assertLessEqual(len(page[member]), 1)
                pages += [one[identity] for one in page[member]]
                token = {"NextToken": page["NextToken"]} if "NextToken" in page else None
            self.assertEqual(pages, whole, operation)
            self.refused("InvalidNextToken", operation, {**request, "NextToken": "nonsense"})


class Proofs(BackupCase):
    def test_a_restore_test_is_signed_and_shown(self):
        node = self.given("tests")
        self.assertIn("no whole recovery point of tests", self.belay("backup", "prove", "tests", status=4).stderr)
        self.run_plan("tests")
        said = self.belay("backup", "posture", "--plan", "tests", status=9).stdout
        self.assertIn("nobody has ever restored it", said)
        self.assertIn("NON_COMPLIANT", said)
        proven = self.belay("backup", "prove", "tests", "--wait").stdout
        self.assertIn("prove of tests on", proven)
        self.assertRegex(proven, r"P4 +looked +true +as it should be\n")
        self.assertIn("time to restore: 11 min", proven)
        self.assertIn("restored to: ", proven)
        proofs = rows(self.belay("backup", "proofs", "--plan", "tests", "-o", "csv").stdout)
        self.assertEqual([(one["NODE"], one["LEVEL"], one["WANTED"], one["PASSED"], one["RESTORE (s)"]) for one in proofs],
                         [(node.node_id, "P4", "P4", "true", "660")])
        proof = self.printed("backup", "proofs", proofs[0]["PROOF"])
        self.assertEqual(json.loads(proof["SignedText"])["proof_id"], proofs[0]["PROOF"])
        self.assertEqual([phase["Seconds"] for phase in proof["Phases"]], [500, 160])
        self.assertRegex(self.belay("backup", "proofs", proofs[0]["PROOF"]).stdout, r"At +20\d\d-")
        point = self.points("tests")[0]
        self.assertEqual((point["Proven"], point["ProofId"]), ("P4", proofs[0]["PROOF"]))
        self.assertEqual(self.printed("backup", "proofs", "--point", point["PointId"])["Proofs"][0]["ProofId"], proofs[0]["PROOF"])

        said = self.belay("backup", "posture", "--plan", "tests").stdout
        self.assertRegex(said, r"you can get back to \d\d:\d\d within 11 minutes, proved less than a minute ago \(P4\)")
        posture = self.printed("backup", "posture", "--node", node.node_id)["Postures"][0]
        self.assertEqual((posture["Verdict"], posture["RestoreSeconds"], posture["Proven"]), ("COMPLIANT", 660, "P4"))
        self.assertIn("you can get back to", self.belay("nodes", "show", node.node_id).stdout)
        items = self.ask("ListComplianceItems", {"ResourceIds": [node.node_id], "ResourceTypes": ["ManagedInstance"]})["ComplianceItems"]
        self.assertEqual([item["Status"] for item in items if item["ComplianceType"] == "Custom:Backup"], ["COMPLIANT"])
        report = self.belay("backup", "report", "tests").stdout
        for word in ("Nodes\n", "Restore tests\n", "Jobs that failed\n", "you can get back to", proofs[0]["PROOF"]):
            self.assertIn(word, report)

        node.proves = "P2"
        failed = self.belay("backup", "prove", point["PointId"], "--wait")
        self.assertIn("Succeeded", failed.stdout)  # the job did what it could
        self.assertEqual(self.printed("backup", "proofs", "--plan", "tests")["Proofs"][0]["Passed"], False)

    def test_what_cannot_be_proven_is_refused(self):
        self.given("odd")
        self.run_plan("odd")
        point = self.points("odd")[0]["PointId"]
        for request, word in (({}, "name a Plan or a PointId"), ({"Plan": "odd", "PointId": point}, "not both"), ({"Plan": "odd", "Level": "P5"}, "prove.checks"),
                              ({"PointId": point, "Offsite": True}, "not offsite"), ({"PointId": point, "TargetTime": "2020-01-01T00:00:00Z"}, "before the recovery point"),
                              ({"PointId": point, "TargetTime": "2090-01-01T00:00:00Z"}, "lies ahead"), ({"PointId": point, "Escrow": "nonsense"}, "no escrow file")):
            self.refused("ValidationException", "StartRestoreTest", request, word)
        self.refused("InvalidInstanceId", "StartRestoreTest", {"PointId": point, "InstanceIds": ["nobody"]})
        self.refused("InvalidStateException", "StartRestoreTest", {"Plan": "odd", "Offsite": True}, "in an offsite vault")
        self.assertEqual(self.ask("ListBackupJobs", {"Plan": "odd", "Task": ["prove"]})["Jobs"], [])

    def test_a_copy_is_proven_with_the_escrow_file(self):
        self.vault("away", "offsite: true\nsite: dc2\n")
        self.given("copied", "copies: [{vault: away, keep: {last: 2}}]\n")
        self.run_plan("copied")
        self.assertTrue(wait_until(lambda: self.points("copied", Vault="away")), self.ask("ListBackupJobs", {"Plan": "copied"}))
        escrow = self.file("away.txt", self.belay("vault", "escrow", "away").stdout)
        self.belay("backup", "prove", "copied", "--offsite", "--escrow", escrow, "--wait")
        copy = self.points("copied", Vault="away")[0]
        self.assertEqual((copy["Proven"], copy["CopyOf"]), ("P4x", self.points("copied", Vault="copied-nas")[0]["PointId"]))
        self.assertIn("P4x", self.belay("backup", "proofs", "--plan", "copied").stdout)
        self.assertIn("EscrowCheckedDate", self.printed("vault", "show", "away"))

    def test_points_are_held_released_and_accepted(self):
        node = self.given("odder")
        self.run_plan("odder")
        point = self.points("odder")[0]["PointId"]
        self.belay("backup", "hold", point, status=2)
        self.belay("backup", "hold", point, "--reason", "case 4711")
        self.assertIn("available, on hold", self.belay("backup", "points", "--plan", "odder").stdout)
        self.assertIn("legal hold", self.belay("backup", "plan", "retention", "odder").stdout)
        self.belay("backup", "release", point, "--reason", "the case is closed")
        self.belay("backup", "accept", point, "--reason", "fine", status=4)
        node.bytes = 0
        self.run_plan("odder")
        suspect = rows(self.belay("backup", "points", "--plan", "odder", "--state", "suspect", "-o", "csv").stdout)
        self.assertEqual(len(suspect), 1)
        self.assertIn("empty", suspect[0]["WHY"])
        self.belay("backup", "accept", suspect[0]["POINT"], "--reason", "the table was dropped on purpose")
        self.assertEqual(self.points("odder")[0]["State"], "available")
        self.assertEqual(self.audit(point), ["belay:PutLegalHold", "belay:DeleteLegalHold"])
        node.bytes, node.taken_at = 1_000_000, in_days(30)
        self.run_plan("odder")
        future = self.points("odder", State=["quarantined"])[0]
        self.assertIn("dated in the future", self.belay("backup", "accept", future["PointId"], "--reason", "no", status=4).stderr)
        for word in ("hold", "release", "accept", "delete"):
            self.belay("backup", word, "rp-" + "0" * 17, "--reason", "x", *(["--yes"] if word == "delete" else []), status=3)
            self.belay("backup", word, "rp-0", "--reason", "x", status=2)

    def test_a_point_is_deleted_by_hand(self):
        self.given("culled")
        for _ in range(2):
            self.run_plan("culled", Type="full")
        newest, oldest = (point["PointId"] for point in self.points("culled"))
        self.belay("backup", "prove", newest, "--wait")
        self.assertIn("say --yes", self.belay("backup", "delete", oldest, "--reason", "a test", status=2).stderr)
        self.refused("ValidationException", "DeleteRecoveryPoint", {"PointId": oldest, "Reason": "a test"}, "confirm it")
        self.belay("backup", "hold", oldest, "--reason", "case 4712")
        self.assertIn("legal hold", self.belay("backup", "delete", oldest, "--reason", "a test", "--yes", status=4).stderr)
        self.belay("backup", "release", oldest, "--reason", "the case is closed")
        self.belay("backup", "delete", oldest, "--reason", "a test", "--yes", "--wait")
        self.assertEqual([point["PointId"] for point in self.points("culled")], [newest])
        self.assertIn("--last-proven", self.belay("backup", "delete", newest, "--reason", "a test", "--yes", status=4).stderr)
        self.belay("backup", "delete", newest, "--reason", "a test", "--yes", "--last-proven", "--wait")
        self.assertEqual(self.points("culled"), [])
        self.assertEqual(self.audit(newest)[-1], "belay:DeleteRecoveryPoint")


class Restores(BackupCase):
    def test_preview_beside_and_over(self):
        node = self.given("back")
        self.run_plan("back")
        point = self.points("back")[0]["PointId"]
        preview = self.belay("restore", point, "--to", "/srv/new", "--preview").stdout
        self.assertIn("would restore", preview)
        self.assertIn("TakenDate", preview)
        self.assertTrue(node.jobs[-1]["restore"]["preview"])
        beside = self.belay("restore", point, "--to", "/srv/new", "--wait").stdout
        self.assertIn("restore of back on", beside)
        self.assertEqual((node.jobs[-1]["restore"]["path"], node.jobs[-1]["points"][0]["reference"]), ("/srv/new", "label-1"))

        self.assertIn("--yes", self.belay("restore", point, "--to", "/srv/new", "--over", status=2, input="").stderr)
        self.refused("ValidationException", "StartRestore", {"PointId": point, "Path": "/srv/new", "Over": True}, "confirm", point)
        self.refused("ValidationException", "StartRestore", {"PointId": point, "InPlace": True, "Confirm": "rp-" + "0" * 17}, "confirm")
        over = self.printed("restore", point, "--in-place", "--yes", "--wait")["Jobs"][0]
        self.assertEqual((over["State"], over["Task"], node.jobs[-1]["restore"]["in_place"]), ("Succeeded", "restore", True))
        self.assertEqual(self.audit(point), ["belay:StartRestore"] * 3)
        self.assertIn("follow it with", self.belay("restore", point, "--to", f"{node.name}:/srv/third").stderr)

    def test_without_a_point_they_are_listed_and_a_node_alone_is_a_place(self):
        node = self.given("listed")
        self.run_plan("listed")
        point = self.points("listed")[0]["PointId"]
        self.assertIn(point, self.belay("restore").stdout)
        self.assertIn(point, [one["PointId"] for one in self.printed("restore")["RecoveryPoints"]])
        self.assertIn("say which POINT", self.belay("restore", "--to", "/x", status=2).stderr)
        self.belay("restore", point, "--to", node.name, "--wait")
        self.assertEqual(node.jobs[-1]["restore"]["path"], f"/var/lib/belay-restored/{point}")

    def test_at_a_terminal_a_replacement_is_asked_for_twice(self):
        node = self.given("asked")
        self.run_plan("asked")
        point = self.points("asked")[0]["PointId"]
        begun = len(node.jobs)
        for answers, status, word in ((["no"], 8, "nothing was done"), (["y", "rp-" + "0" * 17], 8, f"that is not {point}"),
                                      (["y", point], 0, "the restore begins")):
            self.assertEqual(len(node.jobs), begun)
            said, ended = self.at_a_terminal(answers, "restore", point, "--in-place")
            self.assertIn("This replaces the database's data", said)
            self.assertIn(word, said)
            self.assertEqual(ended, status, said)
        self.assertTrue(self.ended(self.printed("backup", "jobs", "--plan", "asked")["Jobs"][0]["JobId"]))

    def at_a_terminal(self, answers, *words):
        """What a person who types the answers sees, and the exit status."""
        mine, its = os.openpty()
        process = subprocess.Popen([str(binary("belay")), *words], stdin=its, stdout=its, stderr=its, env=self.server.environment())
        os.close(its)
        os.write(mine, "".join(answer + "\n" for answer in answers).encode())
        said = b""
        try:
            while chunk := os.read(mine, 4096):
                said += chunk
        except OSError:
            pass  # the other side is closed
        os.close(mine)
        return said.decode(), process.wait(60)

    def test_what_cannot_be_restored_is_refused(self):
        self.given("no")
        self.run_plan("no")
        point = self.points("no")[0]["PointId"]
        for request, word in (({}, "Path"), ({"Path": "relative"}, "absolute"), ({"Path": "/srv/../etc"}, "has . or .."),
                              ({"Path": "/x", "Paths": ["/../etc"]}, "without . and .."), ({"Path": "/x", "Paths": ["/etc/passwd"]}, "single files"),
                              ({"Path": "/x", "Time": "2020-01-01T00:00:00Z"}, "before the recovery point"), ({"Path": "/x", "Time": "2090-01-01T00:00:00Z"}, "lies ahead")):
            self.refused("ValidationException", "StartRestore", {"PointId": point, **request}, word)
        self.refused("InvalidInstanceId", "StartRestore", {"PointId": point, "Path": "/x", "InstanceId": "nobody"})
        self.refused("DoesNotExistException", "StartRestore", {"PointId": "rp-" + "0" * 17, "Path": "/x"})
        self.belay("restore", point, status=2)
        self.belay("restore", "rp-0", "--to", "/x", status=2)
        self.assertIn("such as 2026-", self.belay("restore", point, "--to", "/x", "--time", "14:02", status=2).stderr)

    def test_a_node_that_is_gone_is_brought_back_elsewhere(self):
        node = self.given("gone")
        self.run_plan("gone")
        point = self.points("gone")[0]["PointId"]
        other = self.database("spare", "spare")
        self.belay("nodes", "remove", node.node_id)
        self.assertEqual([one["POINT"] for one in rows(self.belay("backup", "points", "--node", node.node_id, "-o", "csv").stdout)], [point])
        self.assertIn("not in the fleet any more", self.belay("restore", point, "--to", "/srv/x", status=4).stderr)
        self.belay("restore", point, "--to", "spare:/srv/x", "--wait")
        job = other.jobs[-1]
        self.assertEqual((job["source_node_id"], job["node_id"]), (node.node_id, other.node_id))
        self.assertTrue(other.secrets[job["job_id"]]["repository.key"])
