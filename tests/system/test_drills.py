"""The drill list: every way apt and dpkg have been seen to fail, on a booted host, each with the reason Belay must name.

apt's own exit status is no witness here: with a reworded index, an expired key or a hung mirror it is 0, and the drills
make sure that it still is. Each drill has a host and an archive of its own; they run side by side when the class begins,
and each test then looks at one of them.
"""

from __future__ import annotations

import json
import traceback
import unittest
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from lab import debs
from lab.fleet import Fleet
from lab.hosts import Lab
from lab.keys import SigningKey, make_key
from lab.repos import RepositoryServer, apt_get
from lab.system import wait_until
from tests.system.case import ArchiveCase, LabCase
from tests.system.stage import Stage, reasons_in

SIDE_BY_SIDE = 5
LONGEST = ("mirror_hangs", "killed_in_unpack", "lock_held_for_a_while")  # begin first


UNDESCRIBED = {"metadata_missing"}  # these packages carry no changelog, and Belay says so


@dataclass
class Seen:
    """What a drill brought to light."""

    reasons: set[str]
    stage: Stage
    more: dict[str, str]


Drill = Callable[["Drills", Stage], Seen]
DRILLS: dict[str, Drill] = {}


def drill(act: Drill) -> Drill:
    DRILLS[act.__name__] = act
    return act


class Drills:
    """The keys that drills sign with."""

    def __init__(self, lab: Lab):
        folder = lab.folder / "keys"
        self.key = make_key(folder / "good", "Lab archive <archive@example.invalid>")
        self.other_key = make_key(folder / "other", "Stranger <stranger@example.invalid>")
        self.expired_key = make_key(folder / "expired", "Old archive <old@example.invalid>", expires="30d", clock="20240101T000000")

    def keys(self) -> list[SigningKey]:
        return [self.key, self.other_key, self.expired_key]


# ---- repositories that cannot be trusted or reached: a scan's business
def _scan(stage: Stage, **more: str) -> Seen:
    return Seen(stage.scan(), stage, more)


def _what_apt_says(stage: Stage) -> dict[str, str]:
    """apt's own answer to the fault, before Belay looks."""
    update = stage.host.run(["apt-get", "-q", "-o", "Acquire::http::Timeout=3", "-o", "Acquire::Retries=0", "update"], check=False)
    return {"apt_status": str(update.status), "apt_text": update.text}


@drill
def index_reworded(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.offer(debs.library("1.1"))
    stage.fail("InRelease$", "reword")
    return _scan(stage, **_what_apt_says(stage))


@drill
def index_unframed(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.offer(debs.library("1.1"))
    stage.fail("InRelease$", "unframe")
    return _scan(stage, **_what_apt_says(stage))


@drill
def index_unsplit(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.offer(debs.library("1.1"))
    stage.fail("InRelease$", "unsplit")
    return _scan(stage, **_what_apt_says(stage))


@drill
def packages_tampered(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.offer(debs.library("1.1"))
    stage.fail(r"Packages(\.gz)?$", "tamper")
    return _scan(stage)


@drill
def stranger_signed(drills: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.archive.add(debs.library("1.1"))
    stage.archive.publish(key=drills.other_key)
    return _scan(stage)


@drill
def key_expired(drills: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.archive.add(debs.library("1.1"))
    stage.archive.publish(key=drills.expired_key)
    stage.archive.offer_to(stage.host, stage.server.url, key=drills.expired_key, only=False)
    return _scan(stage, **_what_apt_says(stage))


@drill
def release_expired(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.archive.publish(valid_for=timedelta(days=-1), made=datetime.now(timezone.utc) - timedelta(days=8))
    return _scan(stage)


@drill
def release_of_tomorrow(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.archive.publish(made=datetime.now(timezone.utc) + timedelta(days=2))
    return _scan(stage)


@drill
def mirror_hangs(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.fail("InRelease$", "hang")
    return _scan(stage, **_what_apt_says(stage))


@drill
def mirror_gone(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.host.shell("sed -i 's/^URIs: .*/URIs: http:\\/\\/repo.lab:9\\/gone/' /etc/apt/sources.list.d/*.sources")
    return _scan(stage)


@drill
def mirror_misses_index(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.offer(debs.library("1.1"))
    stage.fail(r"Packages(\.gz)?$", "missing")
    return _scan(stage)


# ---- the host's own state
@drill
def package_on_hold(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.offer(debs.library("1.1"))
    stage.host.run(["apt-mark", "hold", "tlib"])
    seen = _scan(stage)
    stage.patch()
    seen.more["tlib"] = stage.version("tlib")
    return seen


def _slow(version: str) -> debs.Deb:
    """Waits in its configuration only while the host says so."""
    return debs.Deb("tslow", version, scripts={"postinst": "while [ -e /run/slow ]; do sleep 0.1; done"})


@drill
def killed_in_configure(_: Drills, stage: Stage) -> Seen:
    stage.begin(_slow("1.0"), debs.library("1.0"))
    stage.offer(_slow("1.1"), debs.library("1.1"))
    stage.host.shell("touch /run/slow")
    apt_get(stage.host, "update")
    stage.kill_apt_when("tslow", "pgrep -f '[t]slow.postinst configure'")
    stage.host.shell("rm /run/slow")
    broken = stage.whole()
    seen = _scan(stage, broken=broken)
    stage.patch()
    seen.more |= {"whole": stage.whole(), "tslow": stage.version("tslow"), "tlib": stage.version("tlib")}
    return seen


@drill
def killed_in_unpack(_: Drills, stage: Stage) -> Seen:
    """What neither `dpkg --configure -a` nor `apt-get -f install` mends."""
    stage.begin(debs.many_files("1.0"), debs.library("1.0"))
    stage.offer(debs.many_files("1.1"), debs.library("1.1"))
    apt_get(stage.host, "update")
    stage.kill_apt_when("tbig", "ls /opt/tbig/*/*.dpkg-new")
    broken = stage.whole()
    mended = stage.host.run(["dpkg", "--configure", "-a"], check=False)
    seen = _scan(stage, broken=broken, configure_status=str(mended.status), still_broken=stage.whole())
    stage.patch()
    seen.more |= {"whole": stage.whole(), "tbig": stage.version("tbig"), "tlib": stage.version("tlib")}
    return seen


@drill
def conffile_prompt(_: Drills, stage: Stage) -> Seen:
    """An administrator's upgrade that could not ask its question, and left the package unconfigured."""
    stage.begin(debs.configured("1.0"), debs.library("1.0"))
    stage.host.shell("echo 'setting = mine' > /etc/tconf.conf")
    stage.offer(debs.configured("1.1"), debs.library("1.1"))
    apt_get(stage.host, "update")
    said = apt_get(stage.host, "install", "tconf", check=False)
    seen = _scan(stage, said=said, broken=stage.version("tconf"))
    stage.patch()
    seen.more |= {"whole": stage.whole(), "tconf": stage.version("tconf"), "tlib": stage.version("tlib"),
                  "text": stage.host.run(["cat", "/etc/tconf.conf"]).stdout}
    return seen


@drill
def lock_held_for_a_while(_: Drills, stage: Stage) -> Seen:
    stage.begin(_slow("1.0"), debs.library("1.0"))
    stage.offer(_slow("1.1"), debs.library("1.1"))
    stage.host.shell("touch /run/slow")
    apt_get(stage.host, "update")
    stage.host.shell("systemd-run --quiet --unit=other apt-get -y -q -o Dpkg::Use-Pty=0 install tslow; "
                     "systemd-run --quiet --on-active=8 --timer-property=AccuracySec=100ms rm /run/slow")
    wait_until("the other one to be in the middle", lambda: stage.host.shell("pgrep -f '[t]slow.postinst configure'", check=False).ok, 60)
    local = reasons_in(json.loads(stage.host.run(["belay-agent", "scan", "-o", "json"]).stdout))
    scanned = stage.scan()
    seen = Seen(stage.patch(), stage, {"local": " ".join(sorted(local - UNDESCRIBED)),
                                             "scanned": " ".join(sorted(scanned - UNDESCRIBED))})
    stage.scan()
    seen.more["tlib"] = stage.version("tlib")
    return seen


# ---- installing
@drill
def postinst_fails(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.Deb("tfail", "1.0"), debs.library("1.0"))
    stage.offer(debs.failing_postinst("1.1"))
    stage.scan()
    return Seen(stage.patch(), stage, {"tfail": stage.version("tfail"), "whole": stage.whole()})


@drill
def conffile_changed(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.configured("1.0"))
    stage.host.shell("echo 'setting = mine' > /etc/tconf.conf")
    stage.offer(debs.configured("1.1"))
    stage.scan()
    reasons = stage.patch()
    return Seen(reasons, stage, {"tconf": stage.version("tconf"), "status": str(stage.patch_result.status),
                                 "text": stage.host.run(["cat", "/etc/tconf.conf"]).stdout,
                                 "beside": stage.host.shell("ls /etc/tconf.conf.dpkg-*", check=False).stdout,
                                 "said": stage.patch_result.text})


@drill
def service_on_old_files(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.daemon("1.0"))
    stage.host.put_text("/etc/systemd/system/tdaemon.service", "[Service]\nExecStart=/usr/lib/tdaemon/run infinity\n")
    stage.host.shell("systemctl daemon-reload; systemctl start tdaemon")

    def process() -> str:
        return stage.host.run(["systemctl", "show", "tdaemon", "--property=MainPID", "--value"]).stdout.strip()

    before = process()
    stage.offer(debs.daemon("1.1"))
    stage.scan()
    reasons = stage.patch()
    return Seen(reasons, stage, {"tdaemon": stage.version("tdaemon"), "before": before, "after": process(),
                                 "file": stage.host.run(["readlink", f"/proc/{before}/exe"], check=False).stdout.strip(),
                                 "said": stage.patch_result.stdout})


@drill
def dependency_unmet(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.Deb("twant", "1.0"))
    stage.offer(debs.wanting("1.1", "no-such-library (>= 2)"))
    reasons = stage.scan()
    return Seen(reasons | stage.patch(), stage, {"twant": stage.version("twant"), "whole": stage.whole()})


@drill
def would_remove(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.Deb("tpush", "1.0"), debs.Deb("tvictim", "1.0"))
    stage.offer(debs.pushing_out("1.1", "tvictim"))
    reasons = stage.scan()
    return Seen(reasons | stage.patch(), stage, {"tvictim": stage.version("tvictim"), "tpush": stage.version("tpush")})


@drill
def deb_tampered(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.offer(debs.library("1.1"))
    stage.fail(r"tlib_1\.1_all\.deb$", "tamper")
    stage.scan()
    return Seen(stage.patch(), stage, {"tlib": stage.version("tlib"), "whole": stage.whole()})


@drill
def deb_missing(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.offer(debs.library("1.1"))
    stage.fail(r"tlib_1\.1_all\.deb$", "missing")
    stage.scan()
    return Seen(stage.patch(), stage, {"tlib": stage.version("tlib"), "whole": stage.whole()})


def _planned_and_pooled(stage: Stage) -> str:
    """A frozen change set whose files the planning node has given to the pool."""
    frozen = stage.plan()
    wait_until("the pool to have what was frozen", lambda: stage.fleet.ask("plan", "show", frozen)["Pool"]["Status"] == "Complete", 120)
    return frozen


@drill
def no_longer_offered(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.library("1.0"))
    stage.offer(debs.library("1.1"))
    stage.scan()
    frozen = _planned_and_pooled(stage)
    stage.fleet.empty_pool()
    stage.archive.withdraw("tlib", "1.1")
    stage.offer(debs.library("1.2"))
    apt_get(stage.host, "update")
    return Seen(stage.apply(frozen), stage, {"tlib": stage.version("tlib")})


@drill
def disk_full_while_unpacking(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.many_files("1.0", count=2), debs.library("1.0"))
    stage.offer(debs.many_files("1.1", count=600))
    stage.host.shell("cp -a /opt /var/opt-kept; mount -t tmpfs -o size=2m tmpfs /opt; cp -a /var/opt-kept/. /opt/")
    stage.scan()
    return Seen(stage.patch(), stage, {"tbig": stage.version("tbig"), "whole": stage.whole()})


@drill
def disk_full_for_archives(_: Drills, stage: Stage) -> Seen:
    stage.begin(debs.many_files("1.0", count=2), debs.library("1.0"))
    stage.offer(debs.many_files("1.1", count=600))
    stage.host.shell("mount -t tmpfs -o size=1m tmpfs /var/cache/apt/archives; mkdir -p /var/cache/apt/archives/partial")
    stage.scan()
    return Seen(stage.patch(), stage, {"tbig": stage.version("tbig"), "whole": stage.whole()})


class DrillList(LabCase):
    lab_name = "tdrill"
    tools = ("dpkg-deb",)
    binaries = ("belayd", "belay-agent", "belay")
    results: dict[str, Future[Seen]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        drills = Drills(cls.lab)
        for key in drills.keys():
            cls.addClassCleanup(key.close)
        (cls.lab.folder / "www").mkdir()
        server = RepositoryServer(cls.lab.folder / "www", cls.lab.switch)
        cls.addClassCleanup(server.close)
        fleet = Fleet(cls.lab, cls.lab.folder / "server").start()
        cls.addClassCleanup(fleet.stop)
        hosts = {}
        wanted = sorted((name for name in DRILLS if cls._is_asked_for(name)), key=lambda name: name not in LONGEST)
        for index, name in enumerate(wanted):
            hosts[name] = cls.lab.host(f"drill{index + 1}", boot=False)

        def play(name: str) -> Seen:
            host = hosts[name]
            host.start()
            host.wait_running()
            seen = DRILLS[name](drills, Stage(fleet, server, drills.key, host))
            host.power_cut()
            return seen

        pool = ThreadPoolExecutor(max_workers=SIDE_BY_SIDE)
        cls.addClassCleanup(pool.shutdown, cancel_futures=True)
        cls.results = {name: pool.submit(play, name) for name in wanted}

    @classmethod
    def _is_asked_for(cls, name: str) -> bool:
        return any(name in method for method in cls.asked)

    asked: list[str] = []

    def seen(self, name: str) -> Seen:
        try:
            return self.results[name].result(timeout=900)
        except Exception as error:  # the drill's own story belongs to this test
            self.fail(f"the drill {name} broke off: {error}\n{''.join(traceback.format_exception(error)[-3:])}")

    def expect(self, name: str, reason: str) -> Seen:
        seen = self.seen(name)
        self.assertIn(reason, seen.reasons, f"{name}: {seen.more}")
        return seen

    def not_compliant(self, seen: Seen) -> None:
        self.assertNotEqual(seen.stage.report["Verdict"]["Status"], "COMPLIANT", "a scan that cannot be judged passed as compliant")

    # ---- repositories
    def refused(self, name: str, reason: str, apt_status: str, apt_text: str) -> None:
        """The node names the reason, whatever apt's exit status makes of it."""
        seen = self.expect(name, reason)
        self.assertEqual(seen.more["apt_status"], apt_status, seen.more["apt_text"])
        self.assertRegex(seen.more["apt_text"], apt_text)
        self.not_compliant(seen)

    def test_index_reworded(self) -> None:
        self.refused("index_reworded", "signature_bad", "0", "BADSIG")

    def test_index_unframed(self) -> None:
        self.refused("index_unframed", "signature_bad", "100", "Clearsigned file isn't valid")

    def test_index_unsplit(self) -> None:
        self.refused("index_unsplit", "signature_bad", "0", "into data and signature failed")

    def test_packages_tampered(self) -> None:
        self.not_compliant(self.expect("packages_tampered", "signature_bad"))

    def test_stranger_signed(self) -> None:
        self.not_compliant(self.expect("stranger_signed", "key_missing"))

    def test_key_expired(self) -> None:
        self.refused("key_expired", "key_expired", "0", "EXPKEYSIG")

    def test_release_expired(self) -> None:
        self.not_compliant(self.expect("release_expired", "release_expired"))

    def test_release_of_tomorrow(self) -> None:
        self.not_compliant(self.expect("release_of_tomorrow", "clock_wrong"))

    def test_mirror_hangs(self) -> None:
        self.refused("mirror_hangs", "repository_unreachable", "0", "Connection (failed|timed out)")

    def test_mirror_gone(self) -> None:
        self.not_compliant(self.expect("mirror_gone", "repository_unreachable"))

    def test_mirror_misses_index(self) -> None:
        self.not_compliant(self.expect("mirror_misses_index", "repository_unreachable"))

    # ---- the host
    def test_package_on_hold(self) -> None:
        self.assertEqual(self.expect("package_on_hold", "package_held").more["tlib"], "1.0 hi")

    def test_killed_in_configure(self) -> None:
        more = self.expect("killed_in_configure", "dpkg_interrupted").more
        self.assertIn("tslow", more["broken"])
        self.assertEqual((more["whole"], more["tslow"], more["tlib"]), ("", "1.1 ii", "1.1 ii"))

    def test_killed_in_unpack(self) -> None:
        more = self.expect("killed_in_unpack", "package_broken").more
        self.assertEqual(more["configure_status"], "0")
        self.assertIn("tbig", more["still_broken"], "dpkg --configure -a mended it; the drill has lost its point")
        self.assertEqual((more["whole"], more["tbig"], more["tlib"]), ("", "1.1 ii", "1.1 ii"))

    def test_conffile_prompt(self) -> None:
        more = self.expect("conffile_prompt", "dpkg_interrupted").more
        self.assertIn("conffile prompt", more["said"])
        self.assertEqual(more["broken"], "1.1 iU")
        self.assertEqual((more["whole"], more["tconf"], more["tlib"], more["text"]), ("", "1.1 ii", "1.1 ii", "setting = mine\n"))

    def test_lock_held_for_a_while(self) -> None:
        seen = self.seen("lock_held_for_a_while")
        self.assertEqual((seen.more["local"], seen.more["scanned"]), ("lock_held", ""), "a run under way is not an interrupted one")
        self.assertEqual(seen.reasons, set(), "it was to wait for the lock")
        self.assertEqual(seen.more["tlib"], "1.1 ii")

    # ---- installing
    def test_postinst_fails(self) -> None:
        more = self.expect("postinst_fails", "script_failed").more
        self.assertEqual((more["tfail"], more["whole"]), ("1.0 ii", ""), "it was to be rolled back")

    def test_conffile_changed(self) -> None:
        more = self.seen("conffile_changed").more
        self.assertEqual((more["tconf"], more["status"], more["text"]), ("1.1 ii", "0", "setting = mine\n"))
        self.assertIn("dpkg-dist", more["beside"])
        self.assertIn("/etc/tconf.conf", more["said"])

    def test_service_on_old_files(self) -> None:
        more = self.seen("service_on_old_files").more
        self.assertEqual((more["tdaemon"], more["file"]), ("1.1 ii", "/usr/lib/tdaemon/run (deleted)"))
        self.assertGreater(int(more["before"]), 0)
        self.assertEqual(more["after"], more["before"], "a service was restarted behind the operator's back")
        self.assertIn("restart needed: tdaemon.service", more["said"])

    def test_dependency_unmet(self) -> None:
        more = self.expect("dependency_unmet", "dependency_broken").more
        self.assertEqual((more["twant"], more["whole"]), ("1.0 ii", ""))

    def test_would_remove(self) -> None:
        more = self.expect("would_remove", "would_remove_packages").more
        self.assertEqual((more["tvictim"], more["tpush"]), ("1.0 ii", "1.0 ii"))

    def test_deb_tampered(self) -> None:
        more = self.expect("deb_tampered", "signature_bad").more
        self.assertEqual((more["tlib"], more["whole"]), ("1.0 ii", ""))

    def test_deb_missing(self) -> None:
        more = self.expect("deb_missing", "repository_unreachable").more
        self.assertEqual((more["tlib"], more["whole"]), ("1.0 ii", ""))

    def test_no_longer_offered(self) -> None:
        self.assertEqual(self.expect("no_longer_offered", "version_not_offered").more["tlib"], "1.0 ii")

    def test_disk_full_while_unpacking(self) -> None:
        more = self.expect("disk_full_while_unpacking", "disk_full").more
        self.assertEqual((more["tbig"], more["whole"]), ("1.0 ii", ""))

    def test_disk_full_for_archives(self) -> None:
        more = self.expect("disk_full_for_archives", "disk_full").more
        self.assertEqual((more["tbig"], more["whole"]), ("1.0 ii", ""))


class AgentDark(ArchiveCase):
    """A node that is not heard of any more, on a server whose patience is short."""

    lab_name = "tdark"
    binaries = ("belayd", "belay-agent", "belay")

    def test_agent_gone_dark(self) -> None:
        fleet = Fleet(self.lab, self.lab.folder / "server").start()
        self.addCleanup(fleet.stop)
        stage = Stage(fleet, self.server, self.key, self.lab.host("dark"))
        stage.begin(debs.library("1.0"))
        self.assertEqual(stage.scan(), set())
        self.assertEqual(stage.report["Verdict"]["Status"], "COMPLIANT")
        stage.host.power_cut()
        fleet.set("judge.dark-after", "2s")
        wait_until("the node to be dark", lambda: "agent_dark" in reasons_in(fleet.report(stage.host)), 120, every_s=0.5)
        self.assertEqual(fleet.report(stage.host)["Verdict"]["Status"], "UNKNOWN")
        fleet.set("judge.dark-after", "1h")
        stage.host.start()
        stage.host.wait_running()
        wait_until("the node to be heard of again", lambda: "agent_dark" not in reasons_in(fleet.report(stage.host)), 120, every_s=0.5)
        report = fleet.report(stage.host)
        self.assertEqual(report["Verdict"]["Status"], "COMPLIANT", report)


def load_tests(loader: unittest.TestLoader, tests: unittest.TestSuite, _: str | None) -> unittest.TestSuite:
    """Only drills whose tests were asked for are played."""
    DrillList.asked = [test.id() for suite in tests for test in suite]  # type: ignore[attr-defined, union-attr]
    return tests
