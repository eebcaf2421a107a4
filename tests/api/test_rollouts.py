"""Rollouts from file to end, on real agents whose packages are rows of a file: plan, approvals, rings that promote themselves, a change
that breaks its nodes, the way back, quarantine; and what is refused, with its field, before anything is stored."""
import json
import os
import pathlib
import subprocess
import tempfile
import time

from tests.api.support import ApiTestCase
from tests.support.binaries import wait_until
from tests.support.real_agent import RealAgent
from tests.support.scripted_node import now_text, offer, package

INSTALLED = [package("openssl", "3.0.1-1"), package("nginx", "1.22-1")]
OFFERS = [offer("openssl", "3.0.1-1"), offer("openssl", "3.0.2-1"), offer("nginx", "1.22-1")]
BAD_OFFERS = [*OFFERS, offer("nginx", "1.23-bad")]
OVER = ("Completed", "RolledBack", "Aborted")
GATE = {"for": "1s", "every": "500ms", "misses": 1}


def ring(name, *targets, **more):
    return {"name": name, "targets": list(targets) or [f"tag:Environment={name}"], "maxConcurrency": "100%", "maxErrors": "0", **more}


class RolloutCase(ApiTestCase):
    """One server, and people besides the administrator."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        status, reply = cls.post(cls(), "UpdateServiceSetting", {"SettingId": "/belay/rollout/approvals-least", "SettingValue": "0"})
        assert status == 200, reply
        cls.author = cls.add_person("author", ["belay:*", "ssm:*"])
        cls.viewer = cls.add_person("viewer", ["belay:Get*", "belay:List*", "ssm:Describe*"])

    @classmethod
    def add_person(cls, name, permissions):
        """His token."""
        status, reply = cls.post(cls(), "CreateUser", {"UserName": name, "Permissions": permissions})
        assert status == 200, reply
        return reply["Token"]

    def ask(self, operation, request=None, token=None):
        status, reply = self.post(operation, request or {}, token)
        self.assertEqual(status, 200, f"{operation}: {reply}")
        return reply

    def refused(self, kind, operation, request, *words, token=None):
        """The message, which has each of the words."""
        status, reply = self.post(operation, request, token)
        self.assertNotEqual(status, 200, f"{operation}: {reply}")
        self.assertEqual(reply["__type"], kind, reply)
        for word in words:
            self.assertIn(word, reply["message"])
        return reply["message"]

    def tag(self, node_id, **tags):
        self.ask("AddTagsToResource", {"ResourceType": "ManagedInstance", "ResourceId": node_id,
                                       "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})

    def baseline(self, name="rollouts"):
        """Approves whatever is offered, at once."""
        rule = {"PatchFilterGroup": {"PatchFilters": [{"Key": "PRIORITY", "Values": ["*"]}]}, "ApproveAfterDays": 0, "EnableNonSecurity": True}
        return self.ask("CreatePatchBaseline", {"Name": name, "OperatingSystem": "DEBIAN", "ApprovalRules": {"PatchRules": [rule]}})["BaselineId"]

    def create(self, file, **more):
        return self.ask("CreateRollout", {"Content": json.dumps(file), **more}, self.author)["Rollout"]["RolloutId"]

    def rollout(self, rollout_id):
        return self.ask("GetRollout", {"RolloutId": rollout_id})["Rollout"]

    def reaches(self, rollout_id, *states, seconds=120):
        """The rollout, once it is in one of the states."""
        self.assertTrue(wait_until(lambda: self.rollout(rollout_id)["State"] in states, seconds),
                        json.dumps([self.rollout(rollout_id), self.nodes(rollout_id)], indent=1))
        return self.rollout(rollout_id)

    def frozen(self, rollout_id):
        """Its change set's id, once it is frozen."""
        def status():
            change_set = self.rollout(rollout_id).get("ChangeSetId")
            return change_set and self.ask("GetChangeSet", {"ChangeSetId": change_set})["ChangeSet"]["Status"]
        self.assertTrue(wait_until(lambda: status() not in (None, "", "Planning")), self.rollout(rollout_id))
        self.assertEqual(status(), "Ready")
        return self.rollout(rollout_id)["ChangeSetId"]

    def nodes(self, rollout_id, **more):
        return self.ask("ListRolloutNodes", {"RolloutId": rollout_id, **more})["Nodes"]

    def node_states(self, rollout_id, **more):
        return {node["Name"]: node["State"] for node in self.nodes(rollout_id, **more)}


class OnAgents(RolloutCase):
    """Three environments of one agent each."""

    ENVIRONMENTS = ("dev", "staging", "prod")
    OFFERS = OFFERS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agents = {name: cls.enterClassContext(RealAgent(cls.server, f"{name}-1", INSTALLED, cls.OFFERS)) for name in cls.ENVIRONMENTS}

    def setUp(self):
        for name, agent in self.agents.items():
            self.tag(agent.node_id, Environment=name, Role="web")

    def file(self, name, **more):
        return {"name": name, "baseline": self.baseline(name), "approvals": 0, "gate": GATE, "reboot": "never",
                "rings": [ring(environment) for environment in self.ENVIRONMENTS], **more}

    def installed(self, environment):
        return self.agents[environment].installed()


class GoodChange(OnAgents):
    def test_from_plan_through_approvals_and_rings_to_its_end(self):
        rings = [ring("dev", soak="1s"), ring("staging", approval=1), ring("prod")]
        rollout_id = self.create(self.file("october-security", approvals=1, rings=rings))
        self.assertEqual(self.rollout(rollout_id)["State"], "Planned")
        change_set = self.frozen(rollout_id)
        changes = self.ask("GetChangeSet", {"ChangeSetId": change_set})["Parts"][0]["Changes"]
        self.assertEqual([(c["Name"], c["FromVersion"], c["ToVersion"]) for c in changes], [("openssl", "3.0.1-1", "3.0.2-1")])
        self.assertEqual(set(self.node_states(rollout_id).values()), {"Pending"})

        self.ask("StartRollout", {"RolloutId": rollout_id}, self.author)
        self.reaches(rollout_id, "AwaitingApproval")
        self.refused("AccessDeniedException", "ApproveChangeSet", {"ChangeSetId": change_set}, token=self.author)
        self.assertEqual(self.ask("ApproveChangeSet", {"ChangeSetId": change_set})["ApprovalCount"], 1)
        self.assertEqual(self.ask("ApproveChangeSet", {"ChangeSetId": change_set})["ApprovalCount"], 1, "the same person counts once")
        (approval,) = self.ask("GetChangeSet", {"ChangeSetId": change_set})["Approvals"]
        self.assertEqual(approval["Approver"], "admin")

        def waits_for_staging():
            rings = {ring["Name"]: ring for ring in self.rollout(rollout_id)["Rings"]}
            return rings["staging"]["State"] == "AwaitingApproval" and rings["dev"]["State"] == "Green"
        self.assertTrue(wait_until(waits_for_staging, 120), self.rollout(rollout_id))
        self.assertEqual(self.node_states(rollout_id), {"dev-1": "Committed", "staging-1": "Pending", "prod-1": "Pending"})
        self.assertEqual(self.installed("dev")["openssl"], "3.0.2-1")
        self.assertEqual(self.installed("staging")["openssl"], "3.0.1-1")
        self.refused("ValidationException", "ApproveRing", {"RolloutId": rollout_id, "RingName": "nowhere"})
        self.refused("AccessDeniedException", "ApproveRing", {"RolloutId": rollout_id, "RingName": "staging"}, token=self.author)
        self.ask("ApproveRing", {"RolloutId": rollout_id, "RingName": "staging"})
        done = self.reaches(rollout_id, *OVER)
        self.assertEqual(done["State"], "Completed")
        self.assertEqual([(r["Name"], r["State"], r["Counts"]["Committed"]) for r in done["Rings"]],
                         [(name, "Green", 1) for name in self.ENVIRONMENTS])
        self.assertEqual(done["Rings"][1]["ApprovedBy"], ["admin"])
        for environment in self.ENVIRONMENTS:
            self.assertEqual(self.installed(environment), {"openssl": "3.0.2-1", "nginx": "1.22-1"})
        self.looked_up(rollout_id, change_set)
        self.taken_back()

    def looked_up(self, rollout_id, change_set):
        node = self.agents["dev"].node_id
        for request in ({"Name": "october-security"}, {"State": ["Completed"], "InstanceId": node}, {"ChangeSetId": change_set}):
            self.assertIn(rollout_id, [r["RolloutId"] for r in self.ask("ListRollouts", request)["Rollouts"]], request)
        self.assertEqual(self.ask("ListRollouts", {"Name": "september"})["Rollouts"], [])
        self.assertEqual(self.node_states(rollout_id, RingName="prod", State=["Committed"]), {"prod-1": "Committed"})
        self.refused("ValidationException", "ListRolloutNodes", {"RolloutId": rollout_id, "RingName": "nowhere"}, "dev, staging, prod")
        self.refused("InvalidStateException", "StartRollout", {"RolloutId": rollout_id}, "Completed")
        self.refused("InvalidStateException", "PauseRollout", {"RolloutId": rollout_id, "Reason": "late"}, "Completed")
        report = self.ask("GetRolloutReport", {"RolloutId": rollout_id})["Report"]
        self.assertTrue(report)
        page = self.server.belay("rollout", "report", rollout_id, "--html").stdout
        self.assertTrue(page.startswith("<!doctype html>"), page[:200])
        self.assertIn("october-security", page)
        rows = self.ask("WherePackage", {"Package": "openssl", "Version": "3.0.2-1"})["Nodes"]
        self.assertEqual(len(rows), 3)
        self.assertEqual({(row["FromVersion"], row["Quarantined"]) for row in rows}, {("3.0.1-1", False)})
        found = self.ask("GetReversibility", {"InstanceId": node, "ChangeSetId": change_set})
        self.assertIn(found["Class"], ("R0", "R1", "R2"))
        self.assertEqual(self.ask("GetReversibility", {"InstanceId": "dev-1"}), found, "by name, of its newest rollout")
        told = self.server.belay("rollout", "reversibility", "dev-1", "--change-set", change_set)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn(f"{node}, {change_set}: {found['Class']}", told.stdout)
        self.refused("InvalidStateException", "SettleRolloutNode", {"InstanceId": "dev-1", "Reason": "well"}, "failed in no rollout")
        self.refused("AccessDeniedException", "SettleRolloutNode", {"InstanceId": "dev-1", "Reason": "well"}, token=self.viewer)
        actions = {entry["Action"] for entry in self.ask("ListAudit", {"Resource": rollout_id})["Entries"]}
        self.assertLessEqual({"belay:CreateRollout", "belay:StartRollout", "belay:ApproveRing"}, actions)

    def taken_back(self):
        """By hand, through the command line: one node, then the others by their tag."""
        done = self.server.belay("rollback", "dev-1", "--reason", "it was too early", "--wait")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.installed("dev")["openssl"], "3.0.1-1")
        self.assertEqual(self.installed("staging")["openssl"], "3.0.2-1")
        done = self.server.belay("rollback", self.agents["staging"].node_id, self.agents["prod"].node_id, "--package", "openssl", "--wait")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual({self.installed(environment)["openssl"] for environment in self.ENVIRONMENTS}, {"3.0.1-1"})


class Caught(RolloutCase):
    """What follows when the first ring fails: a halt, a report, quarantine."""

    def caught(self, rollout_id, failed_node, after, *report_words):
        """`after`: a ring that the change must never reach."""
        halted = self.reaches(rollout_id, "Halted", *OVER)
        self.assertEqual(halted["State"], "Halted", halted)
        states = {node["InstanceId"]: node["State"] for node in self.nodes(rollout_id)}
        self.assertEqual(states.pop(failed_node), "RolledBack", self.nodes(rollout_id))
        self.assertEqual(set(states.values()), {"Pending"})
        rings = {ring["Name"]: ring for ring in halted["Rings"]}
        self.assertEqual((rings[after]["State"], rings[after]["Counts"]["Pending"]), ("Waiting", rings[after]["Counts"]["Nodes"]))
        self.reported(rollout_id, failed_node, *report_words)
        self.quarantined(rollout_id, halted["ChangeSetId"], after)
        watched = self.server.belay("rollout", "watch", rollout_id)
        self.assertEqual(watched.returncode, 9, watched.stderr)
        self.assertIn(f"belay rollout resume {rollout_id}", watched.stderr)
        self.ask("AbortRollout", {"RolloutId": rollout_id, "Reason": "it is broken"})
        self.assertEqual(self.reaches(rollout_id, *OVER)["State"], "Aborted")
        self.assertEqual({node["State"] for node in self.nodes(rollout_id, RingName=after)}, {"Skipped"})

    def reported(self, rollout_id, *words):
        report = self.ask("GetRolloutReport", {"RolloutId": rollout_id})["Report"]
        self.assertEqual((report["RolloutId"], report["State"], len(report["Failures"])), (rollout_id, "Halted", 1))
        self.assertEqual(report["Suspects"][0]["Package"], "nginx")
        page = self.server.belay("rollout", "report", rollout_id, "--html").stdout
        for word in words:
            self.assertIn(word, json.dumps(report))
            self.assertIn(word, page)
        self.assertNotIn("<script", page)

    def quarantined(self, rollout_id, change_set, ring_name):
        entries = [e for e in self.ask("ListQuarantine")["Quarantine"] if e.get("RolloutId") == rollout_id]
        self.assertEqual({e.get("ChangeSetId") or e["Package"] for e in entries}, {change_set, "nginx", "openssl"})
        self.assertTrue(all(entry["Reason"] for entry in entries), entries)
        self.refused("ValidationException", "CreateRollout", {"Content": json.dumps(
            {"name": "again", "changeSet": change_set, "approvals": 0, "rings": [ring(ring_name)]})}, "quarantine")
        for entry in entries:
            self.refused("ValidationException", "DeleteQuarantine", {"QuarantineId": entry["QuarantineId"]}, "reason")
            done = self.server.belay("quarantine", "lift", entry["QuarantineId"], "--reason", "a fixed version is there")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.refused("InvalidStateException", "DeleteQuarantine", {"QuarantineId": entry["QuarantineId"], "Reason": "twice"})
        self.assertEqual([e for e in self.ask("ListQuarantine")["Quarantine"] if e.get("RolloutId") == rollout_id], [])
        lifted = [e for e in self.ask("ListQuarantine", {"IncludeLifted": True})["Quarantine"] if e.get("RolloutId") == rollout_id]
        self.assertEqual({e["LiftReason"] for e in lifted}, {"a fixed version is there"})


class BadChangeOnAgents(OnAgents, Caught):
    """nginx 1.23-bad makes its nodes ill: a probe looks for it in the agent's own file of packages."""

    ENVIRONMENTS = ("dev", "staging")
    OFFERS = BAD_OFFERS

    def test_it_is_caught_in_the_first_ring_and_goes_nowhere_else(self):
        files = " ".join(str(agent.packages) for agent in self.agents.values())
        look = ("import json,sys; sys.exit(any(package['version'] == '1.23-bad' for file in sys.argv[1:] "
                "for package in json.load(open(file))['installed']['packages']))")
        probes = [{"name": "nginx-serves", "command": f'python3 -c "{look}" {files}', "timeout": "20s"}]
        rollout_id = self.create(self.file("nginx-1.23", probes=probes), Start=True)
        self.caught(rollout_id, self.agents["dev"].node_id, "staging", "nginx-serves", "1.23-bad")
        for environment in self.ENVIRONMENTS:
            self.assertEqual(self.installed(environment), {"openssl": "3.0.1-1", "nginx": "1.22-1"})


class BadChangeAsNodesTellIt(Caught):
    """Nodes that say how their runs went, in words that a page must not run."""

    def test_it_is_caught_in_the_first_ring_and_goes_nowhere_else(self):
        nodes = {name: self.new_node(name, INSTALLED, BAD_OFFERS) for name in ("first", "second")}
        for name, node in nodes.items():
            self.tag(node.node_id, Environment=name)
            node._work_on = self.breaking(node._work_on, node)
            node.live()
        file = {"name": "told", "baseline": self.baseline("told"), "approvals": 0, "rings": [ring("first"), ring("second")]}
        rollout_id = self.create(file, Start=True)
        self.caught(rollout_id, nodes["first"].node_id, "second", "nginx-serves", "1.23-bad")
        self.assertEqual([order["kind"] for order in nodes["second"].orders if order["kind"] == "patch"], [])

    @staticmethod
    def breaking(work_on, node):
        """What the node does, but for installs: it is as it was, and says why."""
        def work(order):
            before = list(node.installed)
            result = work_on(order)
            if "run" in result:
                node.installed = before
                result.update(outcome="failed", exit_code=1)
                result["run"].update(outcome="rolled_back", changed=[], failure_log="nginx: <script>alert(1)</script>", probe_turns=[
                    {"at": now_text(), "probe": "nginx-serves", "healthy": False, "detail": "nginx 1.23-bad does not start"}])
            return result
        return work


class AskedForByHand(RolloutCase):
    """What needs no agent at work: nodes that only have said what they have."""

    def node(self, name, **tags):
        node = self.new_node(name, INSTALLED, OFFERS)
        self.tag(node.node_id, **tags)
        return node

    def file(self, *rings, **more):
        return {"name": "by-hand", "baseline": self.baseline("b" + str(time.time_ns())), "approvals": 0, "rings": list(rings), **more}

    def bad_file(self, file, *words):
        before = len(self.ask("ListRollouts")["Rollouts"])
        content = file if isinstance(file, str) else json.dumps(file, indent=1)
        message = self.refused("ValidationException", "CreateRollout", {"Content": content}, *words)
        self.assertEqual(len(self.ask("ListRollouts")["Rollouts"]), before, "nothing is stored")
        return message

    def test_bad_files_are_refused_by_field_and_line(self):
        self.node("a", Environment="bad")
        good = self.file(ring("bad"))
        self.bad_file({**good, "rings": [ring("nobody", "tag:Environment=nobody")]}, "nobody")
        self.bad_file({**good, "rings": [ring("bad"), ring("again", "tag:Environment=bad")]}, "rings[1]", "overlap")
        self.bad_file({**good, "gate": {"for": "1s", "every": "10s", "misses": 3}}, "gate")
        self.bad_file({**good, "rings": [{**ring("bad"), "soak": "soon"}]}, "rings[0].soak")
        self.bad_file({**good, "rings": [{**ring("bad"), "maxErors": "1"}]}, "maxErors")
        self.bad_file({**good, "rings": []}, "rings")
        self.bad_file({**good, "protect": {"class": "R9"}}, "protect.class")
        self.bad_file({**good, "probes": [{"name": "x"}]}, "probes[0]", "measures nothing")
        self.bad_file("name: x\nrings:\n  - {name: dev, targets: [a]}\n  - {name: dev, targets: [b]}\nonFailure: pray\n",
                      "line 4", "onFailure", "line 5")
        self.bad_file("name: [", "line")
        self.refused("ValidationException", "CreateRollout", {"Content": ""}, "content")
        message = self.bad_file({**good, "rings": [{**ring("bad"), "window": "mw-00000000000000000"}]}, "mw-00000000000000000")
        self.assertIn("window", message)

    def test_the_command_line_names_file_field_and_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "rollout.yaml"
            path.write_text("name: x\nrings:\n  - name: dev\n    targets: ['tag:Environment']\n")
            done = self.server.belay("rollout", "plan", "-f", str(path))
            self.assertEqual(done.returncode, 2, done.stderr)
            for word in (str(path), "targets", "line 4"):
                self.assertIn(word, done.stderr)
            self.assertEqual(self.server.belay("rollout", "start", "-f", folder + "/nothing").returncode, 3)
            self.assertEqual(self.server.belay("rollout", "start").returncode, 2)
            self.assertEqual(self.server.belay("rollout", "show", "mw-1").returncode, 2)
            self.assertEqual(self.server.belay("rollback", "all").returncode, 2)

    def test_a_plan_that_is_not_started_changes_nothing_and_can_be_aborted(self):
        self.node("planned", Environment="plan")
        rollout_id = self.create(self.file(ring("plan")))
        self.refused("InvalidStateException", "ResumeRollout", {"RolloutId": rollout_id}, "Planned")
        self.ask("AbortRollout", {"RolloutId": rollout_id, "Reason": "another time"})
        ended = self.reaches(rollout_id, "Aborted")
        self.assertIn("another time", ended["Why"])
        self.refused("InvalidStateException", "StartRollout", {"RolloutId": rollout_id}, "Aborted")

    def test_the_same_token_makes_one_rollout(self):
        self.node("token", Environment="token")
        request = {"Content": json.dumps(self.file(ring("token"))), "ClientToken": "once-0123456789"}
        first, second = (self.ask("CreateRollout", request)["Rollout"]["RolloutId"] for _ in range(2))
        self.assertEqual(first, second)
        self.refused("IdempotentParameterMismatch", "CreateRollout", {**request, "Start": True})

    def test_who_may(self):
        self.node("may", Environment="may")
        rollout_id = self.create(self.file(ring("may")))
        self.assertEqual(self.ask("GetRollout", {"RolloutId": rollout_id}, self.viewer)["Rollout"]["CreatedBy"], "author")
        for operation, request in (("CreateRollout", {"Content": "name: x"}), ("StartRollout", {"RolloutId": rollout_id}),
                                   ("ApproveRing", {"RolloutId": rollout_id, "RingName": "may"}),
                                   ("AbortRollout", {"RolloutId": rollout_id, "Reason": "no"}),
                                   ("RollbackNodes", {"RolloutId": rollout_id, "Reason": "no"}),
                                   ("PutQuarantine", {"Package": "bash", "Version": "1", "Reason": "no"}),
                                   ("ApproveChangeSet", {"ChangeSetId": "cs-00000000000000000"})):
            self.refused("AccessDeniedException", operation, request, f"belay:{operation}", token=self.viewer)

    def test_what_is_not_there(self):
        nothing = "ro-00000000000000000"
        for operation, more in (("GetRollout", {}), ("StartRollout", {}), ("PauseRollout", {"Reason": "x"}), ("ResumeRollout", {}),
                                ("AbortRollout", {"Reason": "x"}), ("ApproveRing", {"RingName": "x"}), ("ListRolloutNodes", {}),
                                ("GetRolloutReport", {}), ("RollbackNodes", {"Reason": "x"})):
            with self.subTest(operation=operation):
                self.refused("DoesNotExistException", operation, {"RolloutId": nothing, **more})
        self.refused("DoesNotExistException", "DeleteQuarantine", {"QuarantineId": "qu-00000000000000000", "Reason": "x"})
        self.refused("DoesNotExistException", "ApproveChangeSet", {"ChangeSetId": "cs-00000000000000000"})

    def test_rollbacks_say_what_they_mean(self):
        for request, word in (({}, "InstanceIds"), ({"InstanceIds": ["a"], "RolloutId": "ro-00000000000000000"}, "RolloutId"),
                              ({"InstanceIds": ["a"], "RingName": "dev"}, "RingName"),
                              ({"RolloutId": "ro-00000000000000000", "RunId": "x"}, "RunId")):
            self.refused("ValidationException", "RollbackNodes", {"Reason": "x", **request}, word)
        self.refused("InvalidInstanceId", "RollbackNodes", {"Reason": "x", "InstanceIds": ["nobody-is-called-so"]})

    def test_quarantine_by_hand(self):
        for request, word in (({}, "change set"), ({"Package": "bash"}, "version"), ({"Version": "1", "ChangeSetId": "cs-00000000000000000"}, "Version")):
            self.refused("ValidationException", "PutQuarantine", {"Reason": "x", **request}, word)
        added = self.server.belay("quarantine", "add", "bash", "5.2-2", "--os", "DEBIAN", "--reason", "prompts hang", "-o", "json")
        self.assertEqual(added.returncode, 0, added.stderr)
        quarantine_id = json.loads(added.stdout)["QuarantineId"]
        (entry,) = [e for e in self.ask("ListQuarantine")["Quarantine"] if e["QuarantineId"] == quarantine_id]
        self.assertEqual((entry["Package"], entry["Version"], entry["OperatingSystem"], entry["Reason"], entry["AddedBy"]),
                         ("bash", "5.2-2", "DEBIAN", "prompts hang", "admin"))
        self.ask("DeleteQuarantine", {"QuarantineId": quarantine_id, "Reason": "a mistake"})

    def test_quarantine_and_exceptions_count_for_whom_they_are(self):
        whose = {name: self.node(name, Environment="roles", Role=name).live() for name in ("db", "edge", "plain")}
        entry = self.ask("PutQuarantine", {"Package": "openssl", "Version": "3.0.2-1", "Role": "db", "Reason": "replication breaks"})
        self.refused("ValidationException", "PutQuarantine", {"ChangeSetId": "cs-00000000000000000", "Role": "db", "Reason": "x"}, "Role")
        kept = self.ask("PutException", {"Package": "open*", "Target": "tag:Role=edge", "Owner": "team-web", "Reason": "later",
                                         "ExpiresDate": time.time() + 3600})["Exception"]
        rollout_id = self.create(self.file(ring("roles")), Start=True)
        self.reaches(rollout_id, *OVER)
        nodes = {node["Name"]: node for node in self.nodes(rollout_id)}
        self.assertEqual({name: node["State"] for name, node in nodes.items()}, {"db": "Held", "edge": "Skipped", "plain": "Committed"})
        self.assertIn(entry["QuarantineId"], nodes["db"]["Why"])
        self.assertIn("team-web", nodes["edge"]["Why"])
        self.assertEqual([p["version"] for p in whose["plain"].installed if p["name"] == "openssl"], ["3.0.2-1"])
        self.ask("DeleteQuarantine", {"QuarantineId": entry["QuarantineId"], "Reason": "seen"})
        self.ask("DeleteException", {"ExceptionId": kept["ExceptionId"]})

    def test_exceptions_have_an_owner_and_an_end(self):
        node = self.node("legacy")
        soon, late = time.time() + 3600, time.time() + 400 * 86_400
        base = {"Owner": "team-db", "Reason": "vendor wants it", "ExpiresDate": soon}
        for request, word in ((base, "Package"), ({**base, "Package": "mysql*", "ExpiresDate": 1}, "past"),
                              ({**base, "Package": "mysql*", "ExpiresDate": late}, "year"), ({"Package": "mysql*"}, "owner"),
                              ({**base, "Package": "x", "Target": "web"}, "target")):
            self.refused("ValidationException", "PutException", request, word)
        self.refused("InvalidInstanceId", "PutException", {**base, "Target": "mi-00000000000000000"})
        made = self.ask("PutException", {**base, "Package": "mysql*", "Target": node.node_id})["Exception"]
        done = self.server.belay("exception", "add", "--package", "nginx", "--target", "tag:Role=edge", "--owner", "team-web", "--until", "30d", "--reason", "later")
        self.assertEqual(done.returncode, 0, done.stderr)
        packages = [e["Package"] for e in self.ask("ListExceptions")["Exceptions"]]
        self.assertEqual(packages, ["mysql*", "nginx"], "by their end")
        self.ask("DeleteException", {"ExceptionId": made["ExceptionId"]})
        self.refused("DoesNotExistException", "DeleteException", {"ExceptionId": made["ExceptionId"]})
        actions = [entry["Action"] for entry in self.ask("ListAudit", {"Resource": made["ExceptionId"]})["Entries"]]
        self.assertEqual(actions, ["belay:DeleteException", "belay:PutException"])

    def test_change_sets_are_compared(self):
        baseline = self.baseline("compared")

        def freeze(name, offers):
            node = self.new_node(name, INSTALLED, offers).live()
            made = self.ask("CreateChangeSet", {"Name": name, "InstanceIds": [node.node_id], "BaselineId": baseline})["ChangeSet"]
            self.assertTrue(wait_until(lambda: self.ask("GetChangeSet", {"ChangeSetId": made["ChangeSetId"]})["ChangeSet"]["Status"] == "Ready"))
            return made["ChangeSetId"]
        first = freeze("first", OFFERS)
        second = freeze("second", [*OFFERS, offer("openssl", "3.0.3-1"), offer("nginx", "1.24-1")])
        reply = self.ask("CompareChangeSets", {"First": first, "Second": second})
        rows = {row["Name"]: row for row in reply["Differences"]}
        self.assertEqual({name: row["Change"] for name, row in rows.items()}, {"openssl": "Changed", "nginx": "Added"})
        self.assertIn("3.0.1-1 -> 3.0.2-1", rows["openssl"]["First"][0])
        self.assertIn("3.0.1-1 -> 3.0.3-1", rows["openssl"]["Second"][0])
        self.assertEqual(self.ask("CompareChangeSets", {"First": first, "Second": first})["Differences"], [])
        self.refused("DoesNotExistException", "CompareChangeSets", {"First": first, "Second": "cs-00000000000000000"})
        self.assertIn("nginx", self.server.belay("diff", first, second).stdout)


class SavedStates(RolloutCase):
    def test_saved_compared_and_given_back_as_a_document(self):
        node = self.new_node("golden", INSTALLED, OFFERS)
        other = self.new_node("drifted", [package("openssl", "3.0.2-1"), package("vim", "9.0")], OFFERS)
        done = self.server.belay("state", "save", "golden", "web-golden", "--description", "before the move")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.refused("AlreadyExistsException", "SavePackageState", {"Name": "web-golden", "InstanceId": node.node_id}, "web-golden")
        self.refused("InvalidInstanceId", "SavePackageState", {"Name": "other", "InstanceId": "mi-00000000000000000"})
        (state,) = self.ask("ListPackageStates")["PackageStates"]
        self.assertEqual((state["Name"], state["InstanceId"], state["Description"]), ("web-golden", node.node_id, "before the move"))
        same = self.ask("ComparePackageState", {"Name": "web-golden", "InstanceId": node.node_id})
        self.assertEqual((same["Differences"], same["UnchangedCount"]), ([], 2))
        rows = self.ask("ComparePackageState", {"Name": "web-golden", "InstanceId": other.node_id})["Differences"]
        self.assertEqual({row["Name"]: row["Change"] for row in rows}, {"openssl": "OtherVersion", "nginx": "Missing", "vim": "Extra"})
        document = self.ask("GetPackageState", {"Name": "web-golden"})["Document"]
        made = self.ask("CreateDocument", {"Name": "restore-golden", "Content": document, "DocumentFormat": "YAML", "DocumentType": "Command"})
        self.assertEqual(made["DocumentDescription"]["SchemaVersion"], "2.2")
        self.assertEqual(self.server.belay("state", "document", "web-golden").stdout, document)
        self.put_back(document)
        self.ask("DeletePackageState", {"Name": "web-golden"})
        for operation in ("GetPackageState", "DeletePackageState"):
            self.refused("DoesNotExistException", operation, {"Name": "web-golden"})

    def put_back(self, document):
        """The document's script with programs beside it that only say what they were told."""
        lines = [line.strip()[3:-1].replace("''", "'") for line in document.split("runCommand:\n")[1].splitlines()]
        with tempfile.TemporaryDirectory() as folder:
            def program(name, text):
                path = pathlib.Path(folder) / name
                path.write_text("#!/bin/sh\n" + text)
                path.chmod(0o755)
            program("apt-get", f'echo "$*" > {folder}/asked\n')

            def run(installed):
                program("dpkg-query", f"cat <<'END'\n{installed}\nEND\n")
                (pathlib.Path(folder) / "asked").unlink(missing_ok=True)
                done = subprocess.run(["sh", "-c", "\n".join(lines)], env={"PATH": f"{folder}:{os.environ['PATH']}"}, capture_output=True, text=True,
                                      timeout=60, check=False)
                asked = pathlib.Path(folder) / "asked"
                return done, asked.read_text() if asked.exists() else ""
            done, asked = run("installed openssl amd64 3.0.2-1\nconfig-files nginx amd64 1.22-1\ninstalled vim amd64 9.0")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(asked.rstrip().endswith("install nginx:amd64=1.22-1 openssl:amd64=3.0.1-1"), asked)
            self.assertIn("--allow-downgrades --no-remove", asked)
            done, asked = run("installed openssl amd64 3.0.1-1\ninstalled nginx amd64 1.22-1\ninstalled vim amd64 9.0")
            self.assertEqual((done.returncode, asked), (0, ""), done.stderr)
            self.assertIn("as it was saved", done.stdout)
            done, asked = run("")
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(asked, "")

    def test_a_node_cannot_bring_words_into_the_script(self):
        for number, version in enumerate(("1.0'; reboot; '", "$(reboot)", "1.0\nEND-OF-PACKAGES\nreboot", "{{ x }}")):
            name = f"evil-{number}"
            node = self.new_node(name, [package("openssl", version)], [])
            status, reply = self.post("SavePackageState", {"Name": name, "InstanceId": node.node_id})
            if status == 200:
                self.refused("InvalidStateException", "GetPackageState", {"Name": name}, "openssl")
                self.ask("DeletePackageState", {"Name": name})
            else:  # what is no version at all is not even kept
                self.assertEqual(reply["__type"], "InvalidStateException", reply)
                self.assertIn("are not here", reply["message"])
