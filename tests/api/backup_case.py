"""What the tests of backups share: a server, people, files of vaults and plans, the command line, and everything that was answered."""
import json
import pathlib
import tempfile

from tests.api.support import ApiTestCase
from tests.support.backup_node import BackupNode
from tests.support.binaries import wait_until

OVER = ("Succeeded", "Partial", "Failed", "Cancelled", "Expired")

PLAN = """\
name: {name}
targets: ["tag:Role={role}"]
source: {{engine: pgbackrest, stanza: main}}
vault: {vault}
keep: {{last: 3, daily: 7}}
objectives: {{rpo: 2h, rto: 1h}}
prove: {{level: P4}}
"""


class BackupCase(ApiTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="belay-backups-")))
        cls.answers = []  # all that the API and the command line said
        for name, permissions in (("reader", ["belay:Get*", "belay:List*", "belay:Describe*", "ssm:Describe*"]), ("keeper", ["belay:*", "ssm:Describe*"])):
            status, reply = cls.post(cls(), "CreateUser", {"UserName": name, "Permissions": permissions})
            assert status == 200, reply
            setattr(cls, name, reply["Token"])

    def send(self, method, path, body=b"", headers=None):
        answer = super().send(method, path, body, headers)
        if "EscrowVault" not in path and "CreateUser" not in path:
            type(self).answers.append(json.dumps(answer[2]))
        return answer

    # ---- the API
    def ask(self, operation, request=None, token=None):
        status, reply = self.post(operation, request or {}, token)
        self.assertEqual(status, 200, f"{operation}: {reply}")
        return reply

    def refused(self, kind, operation, request, *words, token=None):
        """The message, which has each of the words."""
        status, reply = self.post(operation, request, token)
        self.assertNotEqual(status, 200, f"{operation} {request}: {reply}")
        self.assertEqual(reply["__type"], kind, f"{operation} {request}: {reply}")
        for word in words:
            self.assertIn(word, reply["message"])
        return reply["message"]

    # ---- the command line
    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def belay(self, *words, status=0, token=None, input=None):
        done = self.server.belay(*words, token=token, input=input)
        self.assertEqual(done.returncode, status, f"{words}: {done.returncode} {done.stdout}{done.stderr}")
        if words[:2] != ("vault", "escrow"):
            type(self).answers.append(done.stdout + done.stderr)
        return done

    def printed(self, *words, token=None):
        return json.loads(self.belay(*words, "-o", "json", token=token).stdout)

    # ---- what there is
    def database(self, name, role):
        """A node that is at work."""
        status, made = self.post("CreateActivation", {"IamRole": "r", "DefaultInstanceName": name, "Tags": [{"Key": "Role", "Value": role}]})
        self.assertEqual(status, 200, made)
        node = BackupNode(self.server, name)
        self.addCleanup(node.__exit__)
        node.enroll(made["ActivationId"], made["ActivationCode"])
        node.facts["services"] = [{"name": "postgresql@15-main.service", "active": "active"}]
        self.addCleanup(node.go.set)
        return node.live()

    def vault(self, name, more=""):
        self.ask("CreateVault", {"Content": f"name: {name}\nkind: mount\npath: /srv/{name}\n{more}"})
        return name

    def plan(self, name, role, vault, more=""):
        """Its id, once its nodes are known."""
        text = PLAN.format(name=name, role=role, vault=vault) + more
        self.ask("CreateBackupPlan", {"Content": text})
        self.assertTrue(wait_until(lambda: self.ask("GetBackupPlan", {"Plan": name})["Plan"].get("InstanceIds")))
        return self.ask("GetBackupPlan", {"Plan": name})["Plan"]["PlanId"]

    def given(self, name, more="", vault_more=""):
        """A vault, a node and a plan of one name; the node."""
        node = self.database(f"{name}-db", name)
        self.vault(f"{name}-nas", vault_more)
        self.plan(name, name, f"{name}-nas", more)
        return node

    def job(self, job_id):
        return self.ask("GetBackupJob", {"JobId": job_id})["Job"]

    def ended(self, job_id):
        self.assertTrue(wait_until(lambda: self.job(job_id)["State"] in OVER), self.job(job_id))
        return self.job(job_id)

    def run_plan(self, plan, **more):
        return [self.ended(job_id) for job_id in self.ask("StartBackupRun", {"Plan": plan, **more})["JobIds"]]

    def points(self, plan, **more):
        """The newest first."""
        return self.ask("ListRecoveryPoints", {"Plan": plan, **more})["RecoveryPoints"]

    def audit(self, resource):
        entries = self.ask("ListAudit", {"MaxResults": 1000})["Entries"]
        return [entry["Action"] for entry in reversed(entries) if entry["Resource"] == resource]
