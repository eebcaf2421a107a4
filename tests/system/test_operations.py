"""What operators schedule and automate, on booted hosts, asked for with the aws command over SigV4 as a user of SSM does it."""

from __future__ import annotations

import json
import shutil
import unittest
from datetime import datetime, timedelta, timezone

from lab import debs
from lab.fleet import Fleet
from lab.hosts import Host
from lab.system import LabError, wait_until
from tests.system.case import ArchiveCase
from tests.system.stage import Stage

OPEN = ("Pending", "InProgress", "Delayed", "PENDING", "IN_PROGRESS")


def _script(*lines: str) -> str:
    """A document of one script."""
    return json.dumps({"schemaVersion": "2.2", "description": "a hook of a test", "mainSteps": [
        {"action": "aws:runShellScript", "name": "say", "inputs": {"runCommand": list(lines)}}]})


def _moment(told: str | float) -> datetime:
    """A time as the aws command spells it: version 2 as text, version 1 in seconds."""
    return datetime.fromisoformat(told) if isinstance(told, str) else datetime.fromtimestamp(told, timezone.utc)


class Operations(ArchiveCase):
    """One fleet; `real` has its own Debian archives with what is really pending there, `ours` an archive of the test's."""

    lab_name = "tops"
    binaries = ("belayd", "belay-agent", "belay")

    @classmethod
    def setUpClass(cls) -> None:
        if shutil.which("aws") is None:
            raise unittest.SkipTest("the aws command is not installed (Debian: awscli)")
        super().setUpClass()
        cls.fleet = Fleet(cls.lab, cls.lab.folder / "server").start()
        cls.addClassCleanup(cls.fleet.stop)
        cls.real, cls.ours = cls.lab.boot(["real", "ours"])
        cls.fleet.enrol(cls.real, {"Role": "real"})
        cls.stage = Stage(cls.fleet, cls.server, cls.key, cls.ours)

    def aws(self, *words: str) -> dict:
        return self.fleet.aws(*words)

    def pending(self, host: Host) -> set[str]:
        """What apt itself would upgrade from Debian's security archive."""
        lines = host.run(["apt-get", "-s", "dist-upgrade"]).stdout.splitlines()
        return {line.split()[1] for line in lines if line.startswith("Inst ") and "Debian-Security" in line and "[" in line.split("(")[0]}

    def until_ended(self, what: str, row: object, timeout_s: float = 300) -> dict:
        """The first answer of row() whose Status says that it is over."""
        def ended() -> dict:
            found = row()  # type: ignore[operator]
            return found if found and found["Status"] not in OPEN else {}

        return wait_until(what, ended, timeout_s, every_s=1)

    def send(self, host: Host, document: str, **parameters: list[str]) -> dict:
        """Runs a document on one host; its invocation, ended, with what it said."""
        node = self.fleet.node_id(host)
        command = self.aws("send-command", "--document-name", document, "--instance-ids", node, "--parameters",
                           json.dumps(parameters))["Command"]["CommandId"]

        def row() -> dict:
            return self.aws("get-command-invocation", "--command-id", command, "--instance-id", node)

        return self.until_ended(f"{document} on {host.name}", row)

    def associated(self, association: str, runs: int) -> dict:
        """The newest execution of an association, once so many have ended."""
        def row() -> dict:
            rows = self.aws("describe-association-executions", "--association-id", association)["AssociationExecutions"]
            return rows[0] if len(rows) >= runs and all(each["Status"] not in OPEN for each in rows) else {}

        return self.until_ended(f"run {runs} of association {association}", row)

    def open_window(self, window: str) -> dict:
        """Opens it in a few seconds, so that nothing before depended on how fast it was; its execution, ended."""
        def set_soon() -> bool:
            soon = datetime.now(timezone.utc) + timedelta(seconds=5)
            try:
                self.aws("update-maintenance-window", "--window-id", window, "--schedule", soon.strftime("at(%Y-%m-%dT%H:%M:%S)"))
            except LabError as error:  # the second had passed before it was read
                if "Schedule" in str(error):
                    return False
                raise
            return True

        def row() -> dict:
            rows = self.aws("describe-maintenance-window-executions", "--window-id", window)["WindowExecutions"]
            return rows[0] if rows else {}

        wait_until("the window's schedule to be taken", set_soon, 60)
        return self.until_ended("the window's execution", row, 600)

    def test_a_window_patches_a_host_with_what_is_really_pending(self) -> None:
        wanted = self.pending(self.real)
        node = self.fleet.node_id(self.real)
        window = self.aws("create-maintenance-window", "--name", "patching", "--schedule", "cron(0 2 ? * SUN *)", "--duration", "2",
                          "--cutoff", "1", "--no-allow-unassociated-targets")["WindowId"]
        target = self.aws("register-target-with-maintenance-window", "--window-id", window, "--resource-type", "INSTANCE",
                          "--targets", "Key=tag:Role,Values=real")["WindowTargetId"]
        task = {"RunCommand": {"Parameters": {"Operation": ["Install"], "SnapshotId": ["{{WINDOW_EXECUTION_ID}}"]}}}
        self.aws("register-task-with-maintenance-window", "--window-id", window, "--task-arn", "AWS-RunPatchBaseline", "--task-type",
                 "RUN_COMMAND", "--targets", f"Key=WindowTargetIds,Values={target}", "--max-concurrency", "1", "--max-errors", "0",
                 "--cutoff-behavior", "CANCEL_TASK", "--task-invocation-parameters", json.dumps(task))
        execution = self.open_window(window)
        self.assertEqual(execution["Status"], "SUCCESS", execution)
        began, ended = (_moment(execution[name]) for name in ("StartTime", "EndTime"))
        self.assertLess(ended, began + timedelta(hours=1), "it ended after its cut-off")
        self.assertEqual((self.pending(self.real), self.real.run(["dpkg", "--audit"]).text), (set(), ""))
        [state] = self.aws("describe-instance-patch-states", "--instance-ids", node)["InstancePatchStates"]
        self.assertEqual((state["Operation"], state["MissingCount"], state["FailedCount"], state["SnapshotId"]),
                         ("Install", 0, 0, execution["WindowExecutionId"]))
        installed = self.aws("describe-instance-patches", "--instance-id", node)["Patches"]
        names = {patch["KBId"].rpartition(".")[0] for patch in installed if patch["State"].startswith("Installed")}
        self.assertLessEqual(wanted, names)
        if not wanted:
            self.skipTest("nothing is pending in Debian's security archive: the window opened and found nothing to do")

    def test_a_new_host_from_its_association_to_its_inventory(self) -> None:
        made = self.aws("create-association", "--name", "AWS-RunShellScript", "--association-name", "marks", "--compliance-severity",
                        "HIGH", "--targets", "Key=tag:Drill,Values=ours", "--parameters",
                        json.dumps({"commands": ["echo applied >> /var/tmp/association", "test ! -e /var/tmp/broken"]}))
        association = made["AssociationDescription"]["AssociationId"]
        self.associated(association, 1)  # at once, on nobody
        self.stage.begin(debs.library("1.0"))
        run = self.associated(association, 2)
        self.assertEqual((run["Status"], self.ours.run(["cat", "/var/tmp/association"]).text), ("Success", "applied\n"))
        self.assertEqual(self.compliance(association), ("COMPLIANT", "HIGH"))

        self.ours.shell("touch /var/tmp/broken")
        self.aws("start-associations-once", "--association-ids", association)
        self.assertEqual(self.associated(association, 3)["Status"], "Failed")
        self.assertEqual(self.compliance(association), ("NON_COMPLIANT", "HIGH"))
        summaries = self.aws("list-resource-compliance-summaries", "--filters", "Key=ComplianceType,Values=Association,Type=EQUAL")
        mine = [row for row in summaries["ResourceComplianceSummaryItems"] if row["ResourceId"] == self.fleet.node_id(self.ours)]
        self.assertEqual([(row["Status"], row["OverallSeverity"]) for row in mine], [("NON_COMPLIANT", "HIGH")])
        self.aws("delete-association", "--association-id", association)

        self.hooks_around_an_install()
        self.a_script_goes_on_after_its_reboot()
        self.inventory_is_read_back()

    def compliance(self, association: str) -> tuple[str, str]:
        items = self.aws("list-compliance-items", "--resource-ids", self.fleet.node_id(self.ours), "--resource-types", "ManagedInstance",
                         "--filters", "Key=ComplianceType,Values=Association,Type=EQUAL")["ComplianceItems"]
        [item] = [item for item in items if item["Id"] == association]
        return item["Status"], item["Severity"]

    def hooks_around_an_install(self) -> None:
        """Each hook writes what it finds of the package: old before, new after, and the last one after both."""
        for name in ("Before", "After", "Last"):
            self.aws("create-document", "--name", f"Hook-{name}", "--document-type", "Command", "--document-format", "JSON", "--content",
                     _script(f"echo {name} $(dpkg-query -W -f '${{Version}}' tlib) >> /var/tmp/hooks"))
        self.stage.offer(debs.library("1.1"))
        done = self.send(self.ours, "AWS-RunPatchBaselineWithHooks", Operation=["Install"], RebootOption=["NoReboot"],
                         PreInstallHookDocName=["Hook-Before"], PostInstallHookDocName=["Hook-After"], OnExitHookDocName=["Hook-Last"])
        self.assertEqual(done["Status"], "Success", done)
        self.assertEqual(self.ours.run(["cat", "/var/tmp/hooks"]).text, "Before 1.0\nAfter 1.1\nLast 1.1\n")
        self.assertEqual(self.stage.version("tlib"), "1.1 ii")

    def a_script_goes_on_after_its_reboot(self) -> None:
        before = self.ours.boot_id()
        boot = "echo boot $(cat /proc/sys/kernel/random/boot_id)"
        done = self.send(self.ours, "AWS-RunShellScript", commands=[boot, "[ ! -e /var/tmp/turned ] || exit 0", "touch /var/tmp/turned", "exit 194"])
        self.ours.wait_running()
        self.assertEqual((done["Status"], done["ResponseCode"]), ("Success", 0), done)
        self.assertNotEqual(self.ours.boot_id(), before)
        self.assertEqual(done["StandardOutputContent"], f"boot {before}\nboot {self.ours.boot_id()}\n")

    def inventory_is_read_back(self) -> None:
        node = self.fleet.node_id(self.ours)
        packages = self.aws("list-inventory-entries", "--instance-id", node, "--type-name", "AWS:Application", "--filters",
                            "Key=AWS:Application.Name,Values=tlib,Type=Equal")["Entries"]
        self.assertEqual([(row["Name"], row["Version"]) for row in packages], [("tlib", "1.1")])
        self.aws("put-inventory", "--instance-id", node, "--items",
                 json.dumps([{"TypeName": "Custom:Rack", "SchemaVersion": "1.0", "CaptureTime": "2026-11-27T10:00:00Z",
                              "Content": [{"Row": "7"}]}]))
        [found] = self.aws("get-inventory", "--filters", "Key=Custom:Rack.Row,Values=7,Type=Equal", "--result-attributes",
                           "TypeName=Custom:Rack")["Entities"]
        self.assertEqual(found["Id"], node)
        said = self.aws("get-inventory", "--filters", f"Key=AWS:InstanceInformation.InstanceId,Values={node},Type=Equal")["Entities"]
        [information] = said[0]["Data"]["AWS:InstanceInformation"]["Content"]
        self.assertEqual((information["ComputerName"], information["PlatformType"]), ("ours", "Linux"))
