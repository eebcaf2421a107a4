"""What nobody may see: keys and access secrets of vaults are nowhere in clear but in EscrowVault's answer and with the node whose open
order needs them; what people may do with backups; each operation asked for what is not there."""
import base64
import hmac
import json
import re

from tests.api.backup_case import PLAN, BackupCase
from tests.api.support import cluster
from tests.api.test_every_operation import fitting
from tests.api.test_limits import API, BUILT, OPERATIONS
from tests.support.binaries import wait_until
from tests.support.scripted_node import now_text

OURS = [name for name in BUILT if re.search("Backup|Vault|Escrow|RecoveryPoint|LegalHold|Retention|Proof|StartRestore", name)]
TABLE = (API / "shapes/belay.shapes").read_text(encoding="utf-8")
ERRORS = {name: errors.split(",") for name, errors in re.findall(r"^op (\w+) \S+ \S+ (\S+)$", TABLE, re.MULTILINE)}
S3 = "name: {name}\nkind: s3\ns3: {{bucket: our-backups, region: eu-central-1}}\n"


class Permissions(BackupCase):
    def test_who_looks_on_gives_nothing_away_and_starts_nothing(self):
        self.given("eyes")
        self.run_plan("eyes")
        point = self.points("eyes")[0]["PointId"]
        for operation, request in (("DescribeVaults", {}), ("GetBackupPlan", {"Plan": "eyes"}), ("ListBackupPlans", {}), ("ListBackupJobs", {}),
                                   ("ListRecoveryPoints", {}), ("GetRecoveryPoint", {"PointId": point}), ("ListProofs", {}), ("GetBackupPosture", {})):
            self.ask(operation, request, self.reader)
        before = self.ask("ListBackupJobs", {})["Jobs"]
        for operation, request in (
                ("EscrowVault", {"Name": "eyes-nas"}), ("CheckEscrow", {"Name": "eyes-nas", "Escrow": "x"}), ("StartRestore", {"PointId": point, "Path": "/x"}),
                ("StartRestoreTest", {"Plan": "eyes"}), ("StartBackupRun", {"Plan": "eyes"}), ("CreateVault", {"Content": "x"}), ("DeleteVault", {"Name": "eyes-nas"}),
                ("PutLegalHold", {"PointId": point, "Reason": "x"}), ("AcceptRecoveryPoint", {"PointId": point, "Reason": "x"}),
                ("DeleteBackupPlan", {"Plan": "eyes"}), ("UpdateBackupPlan", {"Content": "x"}), ("StopBackupJob", {"JobId": before[0]["JobId"]})):
            self.refused("AccessDeniedException", operation, request, f"belay:{operation}", token=self.reader)
        self.assertEqual(self.ask("ListBackupJobs", {})["Jobs"], before)
        self.assertIn("belay:EscrowVault", self.belay("vault", "escrow", "eyes-nas", status=5, token=self.reader).stderr)
        self.assertIn("belay:StartRestore", self.belay("restore", point, "--to", "/x", status=5, token=self.reader).stderr)
        self.assertNotIn("EscrowedDate", self.printed("vault", "show", "eyes-nas"))
        self.ask("EscrowVault", {"Name": "eyes-nas"}, self.keeper)
        status, _ = self.post("DescribeVaults", {}, "belay-" + "0" * 48)
        self.assertEqual(status, 400)

    def test_who_may_not_send_commands_has_no_hook_run_them(self):
        self.database("hooked-db", "hooked")
        self.vault("hooked-nas")
        planner = self.ask("CreateUser", {"UserName": "hooks", "Permissions": ["belay:*BackupPlan", "belay:StartRestoreTest"]})["Token"]
        plain = PLAN.format(name="hooked", role="hooked", vault="hooked-nas")
        self.ask("CreateBackupPlan", {"Content": plain}, planner)
        for hook in ("before", "after"):
            text = re.sub("source: {", f"source: {{{hook}: {{command: [/bin/id]}}, ", plain)
            self.refused("AccessDeniedException", "UpdateBackupPlan", {"Content": text}, "ssm:SendCommand", f"source.{hook}", token=planner)
            self.ask("UpdateBackupPlan", {"Content": text})
        self.refused("AccessDeniedException", "StartRestoreTest", {"Plan": "hooked", "Escrow": "x"}, "belay:CheckEscrow", token=planner)


class EveryOperation(BackupCase):
    def test_the_errors_are_those_of_the_operation(self):
        """Asked for things that are not there, each says so with an exception that its row names."""
        self.assertEqual(len(OURS), 31, OURS)
        reached = 0
        for operation in OURS:
            request = fitting(OPERATIONS[operation])
            request.update({key: value for key, value in (("Plan", "nobody"), ("PointId", "rp-" + "0" * 17), ("JobId", "bj-" + "0" * 17),
                                                          ("ProofId", "pr-" + "0" * 17)) if key in request})
            status, reply = self.post(operation, request)
            kind = reply.get("__type", "")
            with self.subTest(operation=operation):
                self.assertTrue(status == 200 or kind == "ValidationException" or kind in ERRORS[operation], f"{operation} {request}: {status} {reply}")
                self.assertNotIn(kind, ("InternalServerError", "AccessDeniedException"))
            reached += status == 200 or kind != "ValidationException"
        self.assertGreater(reached, 20)

    def test_filters_that_name_nobody(self):
        for operation in ("ListBackupJobs", "ListRecoveryPoints", "ListProofs"):
            self.refused("DoesNotExistException", operation, {"Plan": "nobody"}, "nobody")
            self.refused("InvalidInstanceId", operation, {"InstanceId": "nobody"}, "nobody")
        self.refused("InvalidInstanceId", "GetBackupPosture", {"InstanceIds": ["nobody"]})
        self.refused("ValidationException", "ListBackupJobs", {"State": ["Sleeping"]}, "Succeeded")
        self.refused("ValidationException", "ListBackupJobs", {"Task": ["guess"]}, "restore")
        self.refused("ValidationException", "ListRecoveryPoints", {"State": ["lost"]}, "quarantined")
        self.refused("SerializationException", "StartRestoreTest", {"Plan": "x", "TargetTime": "yesterday"}, "targetTime")


class Secrets(BackupCase):
    def order_of(self, node, job_id):
        self.assertTrue(wait_until(lambda: self.job(job_id)["State"] == "Running"), self.job(job_id))
        self.assertTrue(node.working.wait(60))
        return node.secrets[job_id]

    def test_a_node_gets_those_of_its_own_open_order_alone(self):
        node, other = self.given("mine"), self.database("stranger", "nobody")
        node.hold()
        job_id = self.ask("StartBackupRun", {"Plan": "mine"})["JobIds"][0]
        secrets = self.order_of(node, job_id)
        order_id = node.open_orders[-1]
        key = bytes.fromhex(re.search("^key: ([0-9a-f]{64})$", self.ask("EscrowVault", {"Name": "mine-nas"})["Escrow"], re.MULTILINE)[1])
        plan_id = self.ask("GetBackupPlan", {"Plan": "mine"})["Plan"]["PlanId"]
        by_hand = hmac.digest(key, f"belay repository\n{plan_id}\n{node.node_id}\n".encode(), "sha256")
        self.assertEqual(secrets["repository.key"], base64.b64encode(by_hand).decode(), "the escrow file says how it is made")
        self.assertEqual(node.secrets_of(order_id)[0], 200)
        for who, asked in ((other, order_id), (node, "no-such-order"), (node, ""), (other, order_id.upper())):
            status, answer = who.secrets_of(asked)
            self.assertEqual(status, 403, answer)
            self.assertNotIn(secrets["repository.key"], json.dumps(answer))
        self.assertEqual(node.post("/agent/v1/secrets", {"order_id": order_id}, with_certificate=False)[0], 401)
        for body in (b"{", b"[]", b'{"order_id": 7}', b'{"order_id": "' + b"x" * 300_000 + b'"}'):
            self.assertIn(node.post("/agent/v1/secrets", body)[0], (400, 403, 413), body[:40])
        node.go.set()
        self.assertEqual(self.ended(job_id)["State"], "Succeeded")
        self.assertEqual(node.secrets_of(order_id)[0], 403, "it is over")

    def test_a_revoked_node_gets_none(self):
        node = self.given("thief")
        node.hold()
        job_id = self.ask("StartBackupRun", {"Plan": "thief"})["JobIds"][0]
        self.order_of(node, job_id)
        order_id = node.open_orders[-1]
        self.assertEqual(node.secrets_of(order_id)[0], 200)
        self.belay("nodes", "remove", node.node_id)
        self.assertIn(node.secrets_of(order_id)[0], (401, 403))
        self.assertEqual(self.ended(job_id)["State"], "Failed")

    def test_nowhere_in_clear(self):
        vaults = {"bucket": (S3.format(name="bucket"), {"accessKey": "AKIASTANDSNOWHERE", "secretKey": "secret-that-stands/nowhere+1"}),
                  "rest": ("name: rest\nkind: rest\noffsite: true\nrest: {url: \"https://backup.example.org/\"}\n", {"user": "user-nowhere", "password": "password-nowhere-2"})}
        for name, (text, secrets) in vaults.items():
            self.belay("vault", "create", "-f", self.file(f"{name}.yaml", text),
                       "--secrets", self.file(f"{name}.secrets", "".join(f"{key}={value}\n" for key, value in secrets.items())))
        node = self.database("files-1", "files")
        plan = ("name: files\ntargets: [\"tag:Role=files\"]\nsource: {engine: restic, paths: [/srv]}\nvault: bucket\ncopies: [{vault: rest}]\n"
                "prove: {level: P3}\n")
        self.belay("backup", "plan", "apply", "-f", self.file("files.yaml", plan))
        self.assertTrue(wait_until(lambda: self.ask("GetBackupPlan", {"Plan": "files"})["Plan"].get("InstanceIds")))
        job = self.run_plan("files")[0]
        self.assertEqual(job["State"], "Succeeded", job)
        self.assertTrue(wait_until(lambda: self.points("files", Vault="rest")))
        self.belay("backup", "prove", "files", "--wait")
        given = node.secrets[job["JobId"]]
        self.assertEqual({name: given[name] for name in ("accessKey", "secretKey")}, vaults["bucket"][1])
        copied = next(secrets for secrets in node.secrets.values() if "copy.password" in secrets)
        self.assertEqual((copied["copy.user"], copied["copy.password"]), ("user-nowhere", "password-nowhere-2"))
        self.assertNotEqual(copied["copy.repository.key"], copied["repository.key"])
        self.belay("vault", "update", "-f", self.file("rest.yaml", vaults["rest"][0]),
                   "--secrets", self.file("rest.secrets", "user=user-nowhere\npassword=password-nowhere-3\n"))
        self.belay("backup", "job", job["JobId"])
        self.belay("backup", "jobs")
        self.belay("backup", "report", "files", "-o", "json")
        self.ask("ListAudit", {"MaxResults": 1000})
        self.ask("DescribeVaults")

        hidden = ["AKIASTANDSNOWHERE", "secret-that-stands/nowhere+1", "password-nowhere-2", "password-nowhere-3", "user-nowhere",
                  given["repository.key"], copied["copy.repository.key"]]
        hidden = [text.encode() for text in hidden] + [base64.b64decode(given["repository.key"]), base64.b64decode(given["repository.key"]).hex().encode()]
        for name in vaults:
            key = re.search("^key: ([0-9a-f]{64})$", self.server.belay("vault", "escrow", name).stdout, re.MULTILINE)[1]
            hidden += [key.encode(), key.upper().encode(), bytes.fromhex(key), base64.b64encode(bytes.fromhex(key))]
        places = {str(path): path.read_bytes() for path in self.server.data.rglob("*") if path.is_file()}
        if self.own_database:
            places["the database"] = cluster().dump(self.own_database)
        self.assertGreater(sum(map(len, places.values())), 100_000)
        places["the server's log"] = self.server.log_text().encode()
        places["answers"] = "\n".join(self.answers).encode()
        places["orders"] = json.dumps([node.orders, node.finished]).encode()
        places["metrics"] = self.send("GET", "/metrics")[2].encode()
        for place, content in places.items():
            for secret in hidden:
                self.assertNotIn(secret, content, f"{secret!r} is in {place}")
        self.assertIn(b"eu-central-1", places["answers"], "what is no secret is shown, so the search finds what there is")

    def test_what_a_node_says_is_bounded_and_shown_as_text(self):
        node = self.given("liar")
        node.failure = "\x1b[31mred\x07 " + "x" * 10_000
        job = self.run_plan("liar")[0]
        self.assertEqual(job["State"], "Failed")
        self.assertLess(len(job["Why"]), 3_000)
        self.assertNotIn("\x1b", job["Why"])
        self.assertNotIn("\x1b", self.belay("backup", "job", job["JobId"]).stdout)
        stranger = self.new_node("liar-2")
        for report in ({"plan_id": "x" * 100, "at": now_text(), "findings": [], "log_gaps": []},
                       {"plan_id": "bp-1", "at": now_text(), "findings": [{"what": "a", "detail": "b"}] * 200, "log_gaps": []}):
            answers = stranger.exchange(stranger.message("backup_watched", {"report": report}))
            self.assertIn("too long", json.dumps(answers))
