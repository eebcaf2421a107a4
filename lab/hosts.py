"""Hosts that boot: each a real root file system with its own systemd, network namespace and control group.

    with Lab("mine") as lab:
        web = lab.host("web1")           # booted and running in about a second
        web.run(["systemctl", "is-active", "nginx"])
        web.reboot()

Everything lives under .lab/run/NAME, a tmpfs; whatever happens, it is taken down at the end, and what a killed run left
behind is swept away when the same name is opened again (or by `python3 -m lab down`).
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from lab import cgroups, disks, network, roots
from lab.system import (CLEAN_ENVIRONMENT, LAB_DIRECTORY, LabError, Process, Result, children, missing_tools, run,
                        unmount_under, wait_until)

RUN = LAB_DIRECTORY / "run"
STATE = LAB_DIRECTORY / "state"
TOOLS = ("systemd-nspawn", "ip", "nsenter", "unshare", "mount", *roots.TOOLS)
_INOTIFY_INSTANCES = 2048  # a host takes about 6 of the default 128, and nspawn fails without a word when they are gone
_VOLATILE = ("run", "tmp", "proc", "sys", "dev", "var/run", "var/lock")

# Boots again as long as the guest asks for it; 133 is nspawn's word for "the guest rebooted". A disk of its own is mounted
# for each boot, for another subvolume may be its root by then.
_BOOT_LOOP = """
for group in $GROUPS_OF_HOST; do echo $$ > "$group/cgroup.procs" || exit 1; done
while :; do
  if [ -n "$DISK" ]; then
    umount "$ROOT" && mount -t btrfs -o "$DISK_OPTIONS" "$DISK" "$ROOT" || exit 1
  fi >>"$CONSOLE" 2>&1
  "$@" </dev/null >>"$CONSOLE" 2>&1
  [ $? = 133 ] || break
done
"""


def why_not() -> str:
    """Why this machine cannot boot hosts; empty where it can."""
    if os.geteuid() != 0:
        return "booting hosts needs root"
    missing = missing_tools(TOOLS)
    return f"missing: {', '.join(missing)} (scripts/packages-lab.txt)" if missing else ""


class Lab:
    """A set of hosts on one network. Opened by name; two with the same name cannot be open at once."""

    def __init__(self, name: str):
        if not re.fullmatch(r"[a-z][a-z0-9]{0,9}", name):
            raise LabError(f"a lab's name is up to 10 small letters and digits, not {name!r}")
        self.name = name
        self.prefix = f"belay-{hashlib.sha256(str(LAB_DIRECTORY).encode()).hexdigest()[:6]}-{name}-"
        self.folder = RUN / name
        self.switch = f"{self.prefix}switch"
        self.hosts: dict[str, Host] = {}
        self._processes: dict[str, Process] = {}
        self._lock: IO[str] | None = None
        self._saving = threading.Lock()  # hosts may be started side by side

    # ---- life
    def open(self) -> Lab:
        problem = why_not()
        if problem:
            raise LabError(f"lab {self.name}: {problem}")
        self._take_lock()
        self._sweep()
        atexit.register(self.close)
        end_in_order_when_told()
        self._raise_inotify_limit()
        self.folder.mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "tmpfs", "-o", "size=60%,mode=0755", "belay-lab", self.folder])
        (self.folder / "log").mkdir()
        network.make_switch(self.switch)
        self.adopt("forward", network.forward_archives(self.switch, self.folder / "log" / "forward.log"))
        return self

    def close(self) -> None:
        """Takes everything down; refused while another process holds the lab. May be repeated."""
        atexit.unregister(self.close)
        if self._lock is None:
            self._take_lock()
        self._sweep()
        if self._lock:
            self._lock.close()
            self._lock = None

    def keep(self) -> None:
        """Leaves the hosts running when this process ends; `attach` finds them again."""
        atexit.unregister(self.close)
        self._save()

    @staticmethod
    def attach(name: str) -> Lab:
        """A lab that an earlier process left running."""
        lab = Lab(name)
        record = lab._record()
        if not record:
            raise LabError(f"no lab named {name} is up: start one with `python3 -m lab up {name}`")
        lab._load(record)
        return lab

    def __enter__(self) -> Lab:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- hosts
    def host(self, name: str, root: str = "bookworm", *, boot: bool = True, disk: str = "") -> Host:
        """A new host made from a root; booted and running unless told otherwise. `disk`: one of lab.disks, else an overlay."""
        host = self._make_host(name, root, disk)
        if boot:
            host.start()
            host.wait_running()
        return host

    def boot(self, names: Sequence[str], root: str = "bookworm") -> list[Host]:
        """Several hosts, booting side by side."""
        made = [self._make_host(name, root) for name in names]
        for host in made:
            host.start()
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(Host.wait_running, made))
        return made

    def base(self, root: str) -> Path:
        """A root unpacked once for this lab; hosts lay their own changes over it."""
        path = self.folder / "base" / root
        if not path.exists():
            roots.unpack(root, path)
        return path

    def _make_host(self, name: str, root: str, disk: str = "") -> Host:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,11}", name):
            raise LabError(f"a host's name is up to 12 small letters, digits and hyphens, not {name!r}")
        if name in self.hosts:
            raise LabError(f"lab {self.name} has a host {name} already")
        index = len(self.hosts) + 1
        host = Host(self, name, root, f"10.77.{1 + index // 250}.{index % 250 + 1}")
        self.hosts[name] = host
        self._save()
        host.prepare(disk)
        return host

    def one_shot(self, root: str, command: Sequence[str], *, files: dict[str, Path] | None = None,
                 timeout_s: float = 120) -> Result:
        """Runs one command in a throw-away copy of a root: no boot, no network, no trace."""
        folder = self.folder / "oneshot" / uuid.uuid4().hex
        mount_overlay(self.base(root), folder)
        top = folder / "root"
        for target, source in (files or {}).items():
            place(top, target, source.read_bytes(), source.stat().st_mode & 0o777)
        script = ('r=$1; shift; mkdir -p "$r/proc" "$r/tmp" "$r/dev"; mount -t proc proc "$r/proc"; '
                  'mount -t devtmpfs dev "$r/dev" 2>/dev/null; exec chroot "$r" "$@"')
        try:
            return run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts", "sh", "-c",
                        script, "sh", top, *command], check=False, timeout_s=timeout_s, environment=CLEAN_ENVIRONMENT)
        finally:
            unmount_under(folder)
            shutil.rmtree(folder, ignore_errors=True)

    # ---- processes beside the hosts
    def adopt(self, role: str, process: subprocess.Popen[str]) -> None:
        """Makes a process the lab's own: it ends when the lab does, even if this program is killed before."""
        started = Process.of(process.pid)
        if started:
            self._processes[role] = started
            self._save()

    def in_switch(self, command: Sequence[str | Path]) -> list[str]:
        """The command as it must be called to run in the switch's network, where the hosts can reach it."""
        return ["nsenter", f"--net=/run/netns/{self.switch}", "--", *(str(word) for word in command)]

    # ---- what is on disk about it, for whoever comes after a crash
    def _state_file(self) -> Path:
        return STATE / f"{self.name}.json"

    def _record(self) -> dict[str, object]:
        try:
            return json.loads(self._state_file().read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def _save(self) -> None:
        with self._saving:
            STATE.mkdir(parents=True, exist_ok=True)
            text = json.dumps({
                "hosts": [{"name": host.name, "root": host.root_name, "address": host.address} for host in list(self.hosts.values())],
                "processes": {role: [process.pid, process.start] for role, process in dict(self._processes).items()},
            }, indent=1)
            partial = self._state_file().with_suffix(".partial")
            partial.write_text(text, encoding="utf-8")
            partial.rename(self._state_file())

    def _load(self, record: dict) -> None:
        self._processes = {role: Process(*numbers) for role, numbers in record.get("processes", {}).items()}
        for row in record.get("hosts", []):
            self.hosts[row["name"]] = Host(self, row["name"], row["root"], row["address"])

    def _take_lock(self) -> None:
        STATE.mkdir(parents=True, exist_ok=True)
        self._lock = open(STATE / f"{self.name}.lock", "w", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError(f"lab {self.name} is in use by another process; wait for it or take another name") from error

    def _sweep(self) -> None:
        recorded = [Process(*numbers) for numbers in self._record().get("processes", {}).values()]
        for process in {*recorded, *self._processes.values(), *_key_agents(self.folder)}:
            process.end(patience_s=2)
        groups = cgroups.named(self.prefix)
        cgroups.kill(groups)
        cgroups.remove(groups)
        network.remove(self.prefix)
        unmount_under(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._state_file().unlink(missing_ok=True)
        self.hosts.clear()
        self._processes.clear()

    @staticmethod
    def _raise_inotify_limit() -> None:
        path = Path("/proc/sys/fs/inotify/max_user_instances")
        if int(path.read_text()) < _INOTIFY_INSTANCES:
            path.write_text(str(_INOTIFY_INSTANCES))


def _key_agents(folder: Path) -> list[Process]:
    """The agents that gpg left running for keyrings in the folder; it starts them by itself."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if words[0].endswith("gpg-agent") and any(word.startswith(f"{folder}/") for word in words):
                found.append(Process.of(int(path.parent.name)))
    return [process for process in found if process]


def end_in_order_when_told() -> None:
    """Lets SIGTERM end the program by way of its clean-up, unless the program has an answer of its own."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def names() -> list[str]:
    """Labs of this checkout that are up, or were when their process was killed."""
    return sorted(path.stem for path in STATE.glob("*.json"))


def mount_overlay(base: Path, folder: Path) -> None:
    """folder/root: the base with changes of its own laid over it."""
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={base},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    run(["mount", "-t", "overlay", "-o", options, "belay-lab", folder / "root"])


def place(top: Path, target: str, content: bytes, mode: int) -> None:
    """Writes a file into a root from outside. Refuses what the host has its own mount over."""
    relative = target.lstrip("/")
    if any(relative == part or relative.startswith(part + "/") for part in _VOLATILE):
        raise LabError(f"{target} lies on a mount of the host's own: write it from inside with host.run")
    path = top / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


class Host:
    """One host. Made by Lab.host."""

    def __init__(self, lab: Lab, name: str, root_name: str, address: str):
        self.lab = lab
        self.name = name
        self.root_name = root_name
        self.address = address
        self.folder = lab.folder / "hosts" / name
        self.root = self.folder / "root"
        self.console = lab.folder / "log" / f"{name}.console"
        self.group = f"{lab.prefix}{name}"
        self.namespace = f"{lab.prefix}{name}"
        self._loop: subprocess.Popen[str] | None = None
        self.disk: disks.Disk | None = None

    def prepare(self, disk: str = "") -> None:
        """Its disk and its network, not yet booted."""
        if disk:
            self.disk = disks.make(disk, self.folder, self.lab.base(self.root_name))
            self.root.mkdir()
            self.disk.mount(self.root)
        else:
            mount_overlay(self.lab.base(self.root_name), self.folder)
        self.put_text("/etc/hostname", self.name + "\n")
        self.put_text("/etc/machine-id", uuid.uuid4().hex + "\n")
        self.put_text("/etc/hosts", f"127.0.0.1 localhost\n{self.address} {self.name}\n" + network.hosts_lines())
        network.make_port(self.lab.switch, self.namespace, self.name, self.address)

    # ---- power
    def start(self) -> None:
        """Switches it on; wait_running says when it is up."""
        if self.leader():
            raise LabError(f"host {self.name} is on already")
        command = ["systemd-nspawn", "--quiet", f"--directory={self.root}", f"--machine={self.name}", "--register=no",
                   "--keep-unit", f"--network-namespace-path=/run/netns/{self.namespace}", "--resolv-conf=off",
                   "--timezone=off", "--link-journal=no", "--console=pipe", "--boot",
                   *([f"--bind={self.disk.device}"] if self.disk else [])]
        groups: list[str] = []
        prefix: list[str] = []
        if cgroups.systemd_is_init():
            prefix = ["systemd-run", "--quiet", "--scope", "--collect", f"--unit={self.group}", "--property=Delegate=yes"]
        else:
            groups = [str(path) for path in cgroups.make(self.group)]
        environment = {**CLEAN_ENVIRONMENT, "GROUPS_OF_HOST": " ".join(groups), "CONSOLE": str(self.console), "ROOT": str(self.root),
                       "DISK": self.disk.device if self.disk else "", "DISK_OPTIONS": self.disk.options if self.disk else ""}
        self._loop = subprocess.Popen([*prefix, "sh", "-c", _BOOT_LOOP, "sh", *command], env=environment, text=True,
                                      stdin=subprocess.DEVNULL, start_new_session=True)
        self.lab.adopt(f"host {self.name}", self._loop)

    def wait_running(self, timeout_s: float = 180) -> str:
        """Waits until systemd inside has started everything; "degraded" is an error that names the failed units."""
        def state() -> str:
            if not self._loop_alive():
                raise LabError(f"host {self.name} went off while it booted")
            word = self._try(["systemctl", "is-system-running"])
            return word if word in ("running", "degraded") else ""

        try:
            word = str(wait_until(f"host {self.name} to be running", state, timeout_s))
        except LabError as error:
            raise LabError(f"{error}; its console ends with: {self.console_tail()}") from error
        if word == "degraded":
            failed = self.run(["systemctl", "list-units", "--failed", "--plain", "--no-legend"], check=False).stdout
            raise LabError(f"host {self.name} came up degraded: {failed.strip()}")
        return word

    def reboot(self) -> None:
        """An orderly reboot; returns when it is running again."""
        before = self.boot_id()
        self.run(["systemctl", "--no-block", "reboot"])
        self.wait_reboot(before)

    def wait_reboot(self, before: str, timeout_s: float = 120) -> None:
        """Waits for another boot than the one with the id given."""
        def changed() -> bool:
            if not self._loop_alive():
                raise LabError(f"host {self.name} went off and did not boot again; its console ends with: {self.console_tail()}")
            return self._try(["cat", "/proc/sys/kernel/random/boot_id"]) not in ("", before)

        try:
            wait_until(f"host {self.name} to boot again", changed, timeout_s)
        except LabError as error:
            jobs = self._try(["systemctl", "list-jobs", "--no-pager"])
            raise LabError(f"{error}; systemd's jobs: {jobs or 'it does not answer'}; its console ends with: {self.console_tail()}") from error
        self.wait_running()

    def power_off(self) -> None:
        """An orderly shutdown."""
        if self.leader():
            self.run(["systemctl", "--no-block", "poweroff"], check=False)
            wait_until(f"host {self.name} to power off", lambda: not self._running_pids(), 60)
        self._reap()

    def power_cut(self) -> None:
        """Pulls the plug: everything in it ends at once, nothing is told beforehand. Its disk stays."""
        if self._loop and self._loop.poll() is None:
            self._loop.send_signal(signal.SIGKILL)
        cgroups.kill(cgroups.named(self.group))
        wait_until(f"host {self.name} to be dead", lambda: not self._running_pids(), 20)
        self._reap()

    def _reap(self) -> None:
        if self._loop:
            self._loop.wait(timeout=30)
            self._loop = None

    def _running_pids(self) -> set[int]:
        groups = [path for path in cgroups.named(self.group) if path.name in (self.group, f"{self.group}.scope")]
        return set().union(*(cgroups.members(path) for path in groups)) if groups else set()

    # ---- the inside
    def _loop_alive(self) -> bool:
        loop = self.lab._processes.get(f"host {self.name}")
        return bool(loop and loop.alive)

    def _try(self, command: Sequence[str]) -> str:
        """A command's output; empty while there is no inside, as in the middle of a boot."""
        try:
            return self.run(command, check=False).stdout.strip()
        except LabError:
            return ""

    def leader(self) -> int:
        """Its process 1 as this machine numbers it; 0 while it is off."""
        if not self._loop_alive():
            return 0
        todo = [self.lab._processes[f"host {self.name}"].pid]
        while todo:
            pid = todo.pop()
            if _is_init(pid):
                return pid
            todo += children(pid)
        return 0

    def boot_id(self) -> str:
        return self.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()

    def run(self, command: Sequence[str], *, check: bool = True, timeout_s: float = 300, input_text: str | None = None,
            environment: dict[str, str] | None = None) -> Result:
        """Runs a command inside as root, with a clean environment."""
        return run(self.inside(command), check=check, timeout_s=timeout_s, input_text=input_text,
                   environment=CLEAN_ENVIRONMENT | (environment or {}))

    def shell(self, script: str, *, check: bool = True, timeout_s: float = 300,
              environment: dict[str, str] | None = None) -> Result:
        """Runs a shell script inside; it ends at the first failure."""
        return self.run(["sh", "-ec", script], check=check, timeout_s=timeout_s, environment=environment)

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command as it must be called from outside; it belongs to the host and dies with it."""
        leader = self.leader()
        if not leader:
            raise LabError(f"host {self.name} is off; its console ends with: {self.console_tail()}")
        enter = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
        join = 'for group in $1; do echo $$ > "$group/cgroup.procs" 2>/dev/null; done; shift; exec "$@"'
        groups = " ".join(str(path) for path in _groups_of(leader))
        return ["sh", "-c", join, "sh", groups, *enter, *command]

    def put(self, source: Path, target: str, mode: int = 0o644) -> None:
        place(self.root, target, source.read_bytes(), mode)

    def put_text(self, target: str, text: str, mode: int = 0o644) -> None:
        place(self.root, target, text.encode(), mode)

    def cable(self, connected: bool) -> None:
        network.cable(self.lab.switch, self.name, connected)

    def console_tail(self) -> str:
        try:
            return self.console.read_text(encoding="utf-8", errors="replace")[-600:]
        except FileNotFoundError:
            return "(nothing)"


def _is_init(pid: int) -> bool:
    """True for a process that is number 1 in a namespace below ours."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    match = re.search(r"^NSpid:\s+(.*)$", text, re.MULTILINE)
    numbers = match.group(1).split() if match else []
    return len(numbers) > 1 and numbers[-1] == "1"


def _groups_of(pid: int) -> list[Path]:
    """The control groups a process is in, as folders."""
    found = []
    for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        name = controllers.removeprefix("name=") or ("" if cgroups.unified() else "unified")
        folder = cgroups.ROOT / name / path.lstrip("/")
        if path != "/" and folder.is_dir():
            found.append(folder)
    return found
