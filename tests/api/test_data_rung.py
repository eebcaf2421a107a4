"""A rollout that puts data back as its last step, over a node that does as it is told: what its plan says, what is refused, and what
every way of asking tells of it afterwards."""
import time

from tests.api.backup_case import BackupCase
from tests.support.backup_node import BackupNode
from tests.support.binaries import wait_until
from tests.support.scripted_node import now_text, offer, package

ROLLOUT = """\
name: spoils
approvals: 0
protect: {{proof: {{level: P4, provenWithin: 7d}}, restoreData: true}}
rings: [{{name: all, targets: ["tag:Role={role}"]}}]
probes: [{{name: orders, command: count-orders}}]
gate: {{for: 1s, every: 1s, misses: 1}}
"""
ENDS = ("RolledBack", "RollbackFailed", "Inconsistent", "Held", "Committed")


class SpoiledNode(BackupNode):
    """Whatever is installed spoils its data, and taking that back heals nothing."""

    heals = True

    def _restore(self, job):
        return {"restored_to": job["restore"]["time"], "time_to_restore": 42_000, "put_aside": [f"/srv/pg.before-{job['job_id']}"]}

    def _work_on(self, order):
        result = super()._work_on({**order, "kind": "nothing"} if order["kind"] == "patch" else order)
        if order["kind"] != "patch":
            return result
        measures = not order["patch"]["changes"]
        well = measures and self.heals and any(job["task"] == "restore" for job in self.jobs)
        ill = {"reason": "other", "subject": "orders", "detail": "0 orders", "next": "look", "warning": False}
        result["outcome"] = "success" if well else "failed"
        result["run"] = {"run_id": order["order_id"], "outcome": ("nothing_to_do" if well else "refused") if measures else "rollback_failed",
                         "changed": [], "problems": [] if well else [ill], "steps": [{"state": "accepted", "entered_at": now_text(), "took": 0, "detail": ""}],
                         "probe_turns": [{"at": now_text(), "probe": "orders", "healthy": well, "detail": "count"}],
                         "undoes": order["patch"]["undoes"], "still_ill": "" if measures else "orders"}
        return result


class DataRung(BackupCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        status, reply = cls.post(cls(), "UpdateServiceSetting", {"SettingId": "/belay/rollout/approvals-least", "SettingValue": "0"})
        assert status == 200, reply

    def given_spoiled(self, name):
        """With a proven backup, and an update on offer."""
        status, made = self.post("CreateActivation", {"IamRole": "r", "DefaultInstanceName": name, "Tags": [{"Key": "Role", "Value": name}]})
        self.assertEqual(status, 200, made)
        node = SpoiledNode(self.server, name)
        self.addCleanup(node.__exit__)
        node.enroll(made["ActivationId"], made["ActivationCode"])
        node.installed, node.offers = [package(f"shop-{name}", "1.0")], [offer(f"shop-{name}", "1.0"), offer(f"shop-{name}", "1.1")]
        node.hello()
        node.scan()
        node.live()
        self.vault(f"{name}-nas")
        self.plan(name, name, f"{name}-nas")
        self.run_plan(name)
        self.ended(self.ask("StartRestoreTest", {"Plan": name})["JobIds"][0])
        time.sleep(3)  # a point is dated to the second
        return node

    def carried_out(self, name):
        """The rollout's id, and its one node at its end."""
        made = self.ask("CreateRollout", {"Content": ROLLOUT.format(role=name), "Start": True})
        self.assertTrue(any("what was written since is lost to it" in warning for warning in made["Warnings"]), made["Warnings"])
        rollout = made["Rollout"]["RolloutId"]
        self.assertTrue(wait_until(lambda: self.node(rollout)["State"] in ENDS, 90), self.node(rollout))
        return rollout, self.node(rollout)

    def node(self, rollout):
        return self.ask("ListRolloutNodes", {"RolloutId": rollout})["Nodes"][0]

    def test_data_goes_back_and_every_answer_says_where_the_old_is(self):
        self.given_spoiled("healed")
        rollout, node = self.carried_out("healed")
        self.assertEqual(node["State"], "RolledBack", node)
        data, point = node["Data"], self.points("healed")[0]["PointId"]
        self.assertEqual((data["PlanName"], data["PointId"], data["Step"], data["TookMs"]), ("healed", point, "ended", 42_000))
        self.assertEqual(data["PutAside"], [f"/srv/pg.before-{data['JobId']}"])
        job = self.job(data["JobId"])
        self.assertEqual((job["State"], job["Task"]), ("Succeeded", "restore"))
        self.assertEqual(job["Reason"], f"last rung of {self.ask('GetRollout', {'RolloutId': rollout})['Rollout']['ChangeSetId']} in {rollout}")
        self.assertEqual(self.ask("GetRollout", {"RolloutId": rollout})["DataRestored"][0]["Data"], data)
        failure = self.ask("GetRolloutReport", {"RolloutId": rollout})["Report"]["Failures"][0]
        self.assertEqual(failure["Data"]["PutAside"], data["PutAside"])
        for words in (("rollout", "show", rollout), ("rollout", "report", rollout), ("rollout", "report", rollout, "--html")):
            said = self.server.belay(*words)
            for word in (point, data["PutAside"][0]):
                self.assertIn(word, said.stdout, words)
        self.assertEqual([action for action in self.audit(node["InstanceId"]) if "data" in action], ["node:restore-data", "node:data-restored"])

    def test_a_node_that_is_still_ill_is_not_said_to_be_well(self):
        self.given_spoiled("ill").heals = False
        _, node = self.carried_out("ill")
        self.assertEqual(node["State"], "RollbackFailed", node)
        for words in ("was put back to", "/srv/pg.before-", "0 orders"):
            self.assertIn(words, node["Why"])

    def test_an_unproven_way_back_is_refused_with_its_line(self):
        for wrong, says in (("protect: {restoreData: true}", "protect.restoreData (line 3): puts data back from a backup, and no proof"),
                            ("protect: {proof: {level: P2}, restoreData: true}", "protect.restoreData (line 3): wants a backup that was restored")):
            lines = ROLLOUT.format(role="x").split("\n")
            lines[2] = wrong
            self.refused("ValidationException", "CreateRollout", {"Content": "\n".join(lines)}, says)
