"""How backups stand, for machines, auditors and people: the figures at /metrics, the report of a plan, pages of postures, mails."""
import email
import email.policy
import html.parser
import pathlib
import tempfile

from tests.api.backup_case import BackupCase
from tests.support.binaries import wait_until


class Page(html.parser.HTMLParser):
    """Fails where a tag is closed that was not open, and knows what was loaded from where."""
    VOID = {"meta", "br", "link", "img"}

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.loads, self.titles = [], [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] == "h2":
            self.titles.append(data)


class Figures(BackupCase):
    def samples(self):
        status, _, text = self.send("GET", "/metrics")
        self.assertEqual(status, 200)
        return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def seen(self, name, value):
        last = {}

        def there():
            last.update(self.samples())
            return last.get(name) == value
        self.assertTrue(wait_until(there, 60), {key: one for key, one in last.items() if key.startswith(name.split("{")[0])})

    def test_of_a_plan_and_its_nodes(self):
        node = self.given("figures")
        bare = self.database("bare-db", "bare")
        here = f'plan="figures",node="{node.node_id}"'
        self.seen(f"belay_backup_points{{{here}}}", "0")
        self.assertNotIn(f"belay_backup_point_age_seconds{{{here}}}", self.samples())
        self.run_plan("figures")
        self.ended(self.ask("StartRestoreTest", {"Plan": "figures"})["JobIds"][0])
        self.seen(f"belay_backup_proof_level{{{here}}}", "4")
        said = self.samples()
        self.assertLess(int(said[f"belay_backup_point_age_seconds{{{here}}}"]), 600)
        self.assertLess(int(said[f"belay_backup_proof_age_seconds{{{here}}}"]), 600)
        for objective in ("rpo", "rto"):
            self.assertEqual(said[f'belay_backup_objective_met{{{here},objective="{objective}"}}'], "1")
        self.assertEqual(said[f"belay_backup_compliant{{{here}}}"], "1")
        self.assertEqual(said[f'belay_backup_last_run_bytes{{{here},task="backup"}}'], "1000000")
        self.assertEqual(said['belay_backup_nodes{plan="figures"}'], "1")
        node.failure = "the vault is full"
        self.run_plan("figures")
        self.seen(f'belay_backup_runs_failed_total{{{here},task="backup"}}', "1")
        self.assertEqual(self.samples()[f'belay_backup_last_run_succeeded{{{here},task="backup"}}'], "0")
        node.failure, node.bytes = "", 0
        self.run_plan("figures")
        self.seen(f"belay_backup_suspicious_points{{{here}}}", "1")
        self.assertEqual(self.samples()[f"belay_backup_compliant{{{here}}}"], "0")
        self.assertFalse([name for name in self.samples() if bare.node_id in name], "no plan covers it")
        self.assertIn("belay_backup_uncovered_nodes", self.samples())


class Reports(BackupCase):
    def test_a_plan_for_an_auditor(self):
        node = self.given("audit", vault_more="site: dc1\nlock: {mode: compliance, days: 3}\n")
        self.run_plan("audit")
        node.failure = "<script>alert(1)</script> & the vault is full"
        failed = self.run_plan("audit")[0]
        self.assertEqual(failed["State"], "Failed")
        node.failure = ""
        self.run_plan("audit")
        self.belay("backup", "prove", "audit", "--wait")
        node.bytes = 0
        self.run_plan("audit")

        report = self.printed("backup", "report", "audit", token=self.reader)
        self.assertEqual((report["Plan"], report["NodeCount"], report["CompliantCount"]), ("audit", 1, 0))
        self.assertEqual([(one["Vault"], one["Lock"]) for one in report["Vaults"]], [("audit-nas", "3 days, compliance")])
        told = report["Nodes"][0]
        self.assertEqual((told["Name"], told["PointsKept"], told["ProofsPassed"]), ("audit-db", 3, 1))
        self.assertEqual([one["JobId"] for one in told["Failures"]], [failed["JobId"]])
        self.assertRegex(told["Failures"][0]["MendedBy"], r"^bj-[0-9a-f]{17} \(")
        self.assertEqual([one["State"] for one in told["SuspiciousPoints"]], ["suspect"])
        self.assertEqual([one["Alarm"] for one in told["Alarms"]], ["points"])
        self.assertEqual((told["Objectives"]["RtoObjectiveSeconds"], told["Objectives"]["RtoMet"], told["Copies"]["ThreeTwoOne"]), (3600, True, False))
        self.assertTrue(all(one["LockedUntil"] for one in told["Points"]), told["Points"])
        self.assertEqual(self.ask("GetProof", {"ProofId": told["Proofs"][0]["ProofId"]})["Proof"]["Passed"], True)

        text = self.belay("backup", "report", "audit").stdout
        for word in ("Backup plan audit (bp-", "0 of 1 nodes comply", "Recovery points\n", "Restore tests\n", "Jobs that failed\n", "Suspicious points\n", failed["JobId"]):
            self.assertIn(word, text)
        self.assertIn("NODE,AT (UTC),PROOF,POINT", self.belay("backup", "report", "audit", "-o", "csv").stdout)
        page = Page(self.belay("backup", "report", "audit", "--html").stdout)
        self.assertEqual(page.titles[0], "Nodes")
        self.assertIn("<script>alert(1)</script> & the vault is full", "".join(page.text))
        self.assertEqual(page.loads, [], "it needs nothing beside itself")

    def test_its_period(self):
        self.given("period")
        self.run_plan("period")
        whole = self.printed("backup", "report", "period")["Nodes"][0]
        self.assertEqual((whole["PointsMade"], whole["Jobs"]), (1, [{"Task": "backup", "Runs": 1, "Failed": 0}]))
        before = self.printed("backup", "report", "period", "--from", "2020-01-01", "--to", "2020-02-01")
        self.assertEqual((before["From"][:10], before["To"][:10], before["Nodes"][0]["PointsMade"], before["Nodes"][0]["Jobs"]), ("2020-01-01", "2020-02-01", 0, []))
        self.assertEqual(before["Nodes"][0]["PointsKept"], 1, "what there is, is as it is now")
        self.refused("ValidationException", "GetBackupPlanReport", {"Plan": "period", "From": "2021-01-01T00:00:00Z", "To": "2020-01-01T00:00:00Z"}, "lies behind To")
        self.refused("DoesNotExistException", "GetBackupPlanReport", {"Plan": "nobody"})
        self.refused("InvalidInstanceId", "GetBackupPlanReport", {"Plan": "period", "InstanceIds": ["nobody"]})
        self.refused("ValidationException", "GetBackupPlanReport", {})

    def test_pages_of_postures(self):
        self.vault("many-nas")
        nodes = [self.database(f"many-{number}", "many") for number in range(3)]
        self.plan("many", "many", "many-nas")
        self.assertTrue(wait_until(lambda: len(self.ask("GetBackupPlan", {"Plan": "many"})["Plan"]["InstanceIds"]) == 3))
        lonely = self.database("lonely-db", "lonely")

        def uncovered():
            return [one["InstanceId"] for one in self.ask("GetBackupPosture", {})["Postures"] if "PlanId" not in one]
        self.assertTrue(wait_until(lambda: lonely.node_id in uncovered(), 60), "its facts come with its first words")
        whole = self.ask("GetBackupPosture", {})["Postures"]
        paged, token, count = [], {}, 0
        while token is not None:
            page = self.ask("GetBackupPosture", {"MaxResults": 2, **token})
            self.assertLessEqual(len(page["Postures"]), 2)
            paged += page["Postures"]
            token = {"NextToken": page["NextToken"]} if "NextToken" in page else None
            count += 1
        self.assertGreater(count, 1)

        def named(rows):
            return [(one.get("PlanName", ""), one["InstanceId"]) for one in rows]
        self.assertEqual(named(paged), named(whole))
        one = self.ask("GetBackupPosture", {"InstanceIds": [lonely.node_id]})["Postures"]
        self.assertEqual(named(one), [("", lonely.node_id)])
        self.assertEqual(named(self.ask("GetBackupPosture", {"Plan": "many", "InstanceIds": [nodes[0].node_id]})["Postures"]), [("many", nodes[0].node_id)])
        self.refused("ValidationException", "GetBackupPosture", {"MaxResults": 0})


class Mails(BackupCase):
    @classmethod
    def more_arguments(cls):
        cls.mails = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="belay-mails-")))
        program = cls.mails / "sendmail"
        program.write_text(f"#!/bin/sh\nexec /bin/cat > {cls.mails}/$$.eml\n")
        program.chmod(0o755)
        return ["--sendmail", str(program)]

    def told(self):
        """Subjects, and the texts."""
        mails = {}
        for path in self.mails.glob("*.eml"):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            text = mail.get_body(("plain",))
            if text:
                mails[mail["Subject"]] = text.get_content()
        return mails

    def test_a_failure_and_its_end_are_mailed_once(self):
        node = self.given("mailed", "notify: [{mail: ops@example.org}]\nlimits: {retries: 0}\n")
        node.failure = "the vault is full"
        self.run_plan("mailed")
        failed = "Belay: backup of mailed-db by mailed: backup failed"
        self.assertTrue(wait_until(lambda: failed in self.told(), 60), self.told())
        self.assertIn("the vault is full", self.told()[failed])
        self.run_plan("mailed")
        node.failure = ""
        self.run_plan("mailed")
        recovered = failed.replace("failed", "recovered")
        self.assertTrue(wait_until(lambda: recovered in self.told(), 60), self.told())
        self.assertEqual(len(list(self.mails.glob("*.eml"))), 2, "once each")
        self.assertEqual([one for one in self.audit(node.node_id) if one.startswith("backup:")], ["backup:alarm", "backup:recovered"])


class NoMails(BackupCase):
    def test_mail_that_nobody_sends_is_refused(self):
        self.vault("mute-nas")
        text = "name: mute\ntargets: ['*']\nsource: {engine: pg_dump}\nvault: mute-nas\nnotify: [{mail: ops@example.org}]\n"
        self.refused("ValidationException", "CreateBackupPlan", {"Content": text}, "belayd --sendmail")

    def test_secrets_of_a_vault_grow_old(self):
        content = "name: aged\nkind: s3\ns3: {bucket: our-backups, region: eu-central-1}\nrotateWithin: 90d\n"
        made = self.ask("CreateVault", {"Content": content, "Secrets": {"accessKey": "AK", "secretKey": "hunter-secret"}})["Vault"]
        self.assertIn("SecretsDate", made)
        kept = self.ask("UpdateVault", {"Content": content})["Vault"]
        self.assertEqual(kept["SecretsDate"], made["SecretsDate"], "they are the same")
        new = self.ask("UpdateVault", {"Content": content, "Secrets": {"accessKey": "AK2", "secretKey": "hunter-secret-2"}})["Vault"]
        self.assertGreater(new["SecretsDate"], made["SecretsDate"])
        self.refused("ValidationException", "CreateVault", {"Content": "name: b\nkind: mount\npath: /srv/b\nrotateWithin: 90d\n"}, "rotateWithin")
