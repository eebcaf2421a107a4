"""Belay in front of virtual machines: the server on this machine's loopback, the real agent in guests, packages from an archive of
the test's own.

    with Outside(folder) as outside:
        guest = outside.guest("web", image.plain, debs.library("1.0"))
        outside.offer(debs.library("1.1"))
        outside.fleet.belay("patch", "web", "--wait")
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import vm, vm_image
from lab.debs import Deb
from lab.fleet import AGENT, STATE, UNIT, Fleet
from lab.hosts import end_in_order_when_told
from lab.keys import make_key
from lab.repos import AptRepository, RepositoryServer, apt_get
from lab.system import BINARIES, LAB_DIRECTORY, LabError, Process, unmount_under, wait_until

RUN = LAB_DIRECTORY / "run"
ONLINE_S_MAX = 3_600


class _Loopback:
    """Stands where a fleet has a lab: its server runs in this machine's own network."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "log").mkdir(parents=True, exist_ok=True)
        self.processes: list[Process | None] = []

    def in_switch(self, command: Sequence[str | Path]) -> list[str]:
        return [str(word) for word in command]

    def adopt(self, _: str, process: subprocess.Popen[str]) -> None:
        self.processes.append(Process.of(process.pid))


class LoopbackFleet(Fleet):
    def __init__(self, folder: Path):
        super().__init__(_Loopback(folder), folder / "server")  # type: ignore[arg-type]
        port = vm.free_port()
        self.listen, self.http = f"127.0.0.1:{port}", "127.0.0.1:0"
        self.names = ("127.0.0.1", vm.OUTSIDE)
        self.url = f"https://{vm.OUTSIDE}:{port}"


class Outside:
    """Everything around the guests: a server, a signed archive, a web server for it. Guests end with it."""

    def __init__(self, name: str):
        self.folder = RUN / f"vm-{name}"
        unmount_under(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        end_in_order_when_told()
        self.image = vm_image.golden()
        self._ending = contextlib.ExitStack()

    def __enter__(self) -> Outside:
        try:
            self._ending.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.key = make_key(self.folder / "key", "Lab archive <archive@example.invalid>")
            self._ending.callback(self.key.close)
            www = self.folder / "www"
            www.mkdir()
            self.server = RepositoryServer(www, "", vm.OUTSIDE)
            self._ending.callback(self.server.close)
            # What Debian's own security archive says of itself, so that the default baseline approves what it offers.
            self.archive = AptRepository(www / "archive", self.key, suite="bookworm-security", origin="Debian", label="Debian-Security")
            self.fleet = LoopbackFleet(self.folder)
            self._ending.enter_context(self.fleet)
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def offer(self, *newer: Deb) -> None:
        self.archive.add(*newer)
        self.archive.publish()

    def machine(self, name: str, backing: Path, *, boot: vm.Boot | None = None, disks: Sequence[vm.Disk] = ()) -> vm.Vm:
        """A guest over a golden image, with the agent's files in it; up and running."""
        folder = self.folder / name
        folder.mkdir()
        bundle = vm.bundle(self._files(folder / "files", name), folder / "files.tar")
        guest = vm.Vm(folder, [vm.Disk(vm_image.overlay(backing, folder / "disk.qcow2")), vm.Disk(bundle, "raw"), *disks], name=name, boot=boot)
        self._ending.callback(guest.close)
        guest.start()
        guest.wait_running()
        guest.unpack(1)
        guest.shell(f"hostname {name}; systemctl daemon-reload; sync")
        return guest

    def guest(self, name: str, backing: Path, *installed: Deb, boot: vm.Boot | None = None, disks: Sequence[vm.Disk] = ()) -> vm.Vm:
        """Such a machine with these packages installed from the archive, enrolled."""
        guest = self.machine(name, backing, boot=boot, disks=disks)
        self.offer(*installed)
        self.archive.offer_to(guest, self.server.url)
        apt_get(guest, "update")
        if installed:
            apt_get(guest, "install", *(deb.name for deb in installed))
        self.enrol(guest)
        return guest

    def enrol(self, guest: vm.Vm) -> None:
        activation = self.fleet.ask("activation", "create", "--name", guest.name, "--tag", "Environment=vm")
        guest.run([AGENT, "enroll", "--server", self.fleet.url, "--ca", "/etc/belay-ca.pem", "--activation-id",
                   activation["ActivationId"], "--activation-code", "-", "--state", STATE],
                  input_text=activation["ActivationCode"] + "\n")
        guest.run(["systemctl", "enable", "--now", "--quiet", "belay-agent.service"])
        try:
            wait_until(f"{guest.name} to be online", lambda: self.is_online(guest), ONLINE_S_MAX, every_s=1)
            wait_until("the node's own first scan", lambda: guest.run(["test", "-e", f"{STATE}/last-scan.json"], check=False).ok,
                       ONLINE_S_MAX, every_s=2)
        except LabError as error:
            raise LabError(f"{error}; its agent says: {self.agent_log(guest)}") from error

    def node(self, guest: vm.Vm) -> dict:
        return self.fleet.node(guest)  # type: ignore[arg-type]

    def is_online(self, guest: vm.Vm) -> bool:
        return self.node(guest).get("PingStatus") == "Online"

    def agent_log(self, guest: vm.Vm) -> str:
        return guest.run(["journalctl", "-u", "belay-agent", "-n", "20", "--no-pager", "-o", "cat"], check=False).text[-2000:]

    def _files(self, folder: Path, name: str) -> Path:
        for source, target, mode in ((BINARIES / "belay-agent", AGENT, 0o755), (UNIT, "/etc/systemd/system/belay-agent.service", 0o644),
                                     (Path(self.fleet.environment()["BELAY_CA"]), "/etc/belay-ca.pem", 0o644)):
            path = folder / target.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, path)
            path.chmod(mode)
        (folder / "etc" / "hostname").write_text(name + "\n")
        return folder
