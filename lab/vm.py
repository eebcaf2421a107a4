"""Virtual machines in QEMU's emulation, for what hosts of the lab cannot have: a kernel, a boot loader, LVM and md of their own.

    with Vm(folder, [Disk(overlay)]) as machine:
        machine.wait_running()
        machine.run(["uname", "-r"])
        machine.power_cut()          # kill -9: what was not on the disk is gone
        machine.start()

One boots in a quarter of a minute, and a reboot takes as long again; on a busy machine several times that. So every bound
here is generous. There is no network but the machine's own loopback, which the guest sees at 10.0.2.2; commands go through QEMU's
guest agent. A reboot ends QEMU and begins it anew, because one that has run long gets slow. One machine at a time.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.system import CLEAN_ENVIRONMENT, LabError, Result, memory_available_mib, missing_tools, wait_until

TOOLS = ("qemu-system-x86_64", "qemu-img")
OUTSIDE = "10.0.2.2"  # this machine's loopback, as a guest sees it
MEMORY_MIB = 768
_SYNC_S_MAX, _ANSWER_S_MAX = 20, 300  # a guest that is not up yet hears nothing; one that is may be slow to answer
BOOT_S_MAX = 3_600  # only a hang reaches it: where others have the processors a boot has taken ten minutes
_RUNNING = ("running", "degraded")


def why_not() -> str:
    """Why this machine cannot run virtual machines; empty where it can."""
    missing = missing_tools(TOOLS)
    if missing:
        return f"missing: {', '.join(missing)} (scripts/packages-vm.txt)"
    wanted = MEMORY_MIB * 2
    return "" if memory_available_mib() > wanted else f"a virtual machine needs {wanted} MiB of free memory"


@dataclass(frozen=True)
class Disk:
    path: Path
    format: str = "qcow2"
    serial: str = ""  # the guest finds it as /dev/disk/by-id/virtio-SERIAL


@dataclass(frozen=True)
class Boot:
    """A kernel to begin without a boot loader."""

    kernel: Path
    initrd: Path
    arguments: str


def bundle(folder: Path, target: Path) -> Path:
    """A folder as a disk that `Vm.unpack` reads: a tar file of whole blocks."""
    with tarfile.open(target, "w") as archive:
        archive.add(folder, arcname=".", filter=_as_root)
    return target


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


class Vm:
    """One machine. Its folder holds its sockets and its console's log."""

    def __init__(self, folder: Path, disks: Sequence[Disk], *, name: str = "guest", boot: Boot | None = None,
                 memory_mib: int = MEMORY_MIB):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.disks, self.boot_from, self.memory_mib = folder, name, list(disks), boot, memory_mib
        # A socket's path must be short.
        self._sockets = Path(tempfile.mkdtemp(prefix="belay-vm-"))
        self.console = folder / "console.log"
        self.boots = 0          # how often a machine was begun
        self.comes_back = True  # whether a reboot begins it again
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = ""        # why QEMU ended, in its own word
        self._lock = threading.RLock()
        self._talking = threading.RLock()
        self._line: socket.socket | None = None  # to the guest agent
        self._heard = b""

    # ---- power
    def start(self) -> None:
        with self._lock:
            if self.is_on():
                raise LabError(f"the virtual machine {self.name} is on already")
            for path in self._sockets.iterdir():
                path.unlink()
            self._ended = ""
            self._hang_up()
            with open(self.folder / "qemu.log", "ab") as log:
                self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                 env=CLEAN_ENVIRONMENT, start_new_session=True)
            self.boots += 1
            threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def power_cut(self) -> None:
        """Pulls the plug. Nothing is told to the guest."""
        with self._lock:
            process, self._process = self._process, None
            if process and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait(timeout=60)
            self._hang_up()

    def power_off(self, timeout_s: float = BOOT_S_MAX) -> None:
        """In order: the guest unmounts what it has."""
        process = self._process
        with contextlib.suppress(LabError):  # it may be gone before it answers
            self.run(["systemctl", "--no-block", "poweroff"])
        wait_until(f"{self.name} to power off", lambda: process is None or process.poll() is not None, timeout_s, every_s=0.5)
        with self._lock:
            self._process = None

    def close(self) -> None:
        self.comes_back = False
        self.power_cut()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def __enter__(self) -> Vm:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _command(self) -> list[str]:
        words = ["qemu-system-x86_64", "-M", "q35", "-cpu", "qemu64", "-m", str(self.memory_mib), "-smp", "2",
                 "-accel", "tcg,tb-size=192", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console",
                 "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile=", "-device", "virtio-rng-pci",
                 "-qmp", f"unix:{self._sockets}/q,server=on,wait=off",
                 "-chardev", f"socket,id=agent,path={self._sockets}/a,server=on,wait=off", "-device", "virtio-serial-pci",
                 "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
        for index, disk in enumerate(self.disks):
            more = (f",serial={disk.serial}" if disk.serial else "") + (",bootindex=1" if index == 0 else "")
            # What the guest flushes reaches the file, so it survives the end of QEMU; that is all a pulled plug needs.
            words += ["-drive", f"file={disk.path},format={disk.format},if=none,id=d{index},cache=unsafe,discard=unmap",
                      "-device", f"virtio-blk-pci,drive=d{index}{more}"]
        if self.boot_from:
            words += ["-kernel", str(self.boot_from.kernel), "-initrd", str(self.boot_from.initrd), "-append", self.boot_from.arguments]
        return words

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Reads why QEMU ended, and begins the machine again where the guest asked for that."""
        word = ""
        try:
            with self._connect("q", process) as stream:
                lines = stream.makefile("rw", encoding="utf-8")
                lines.write('{"execute": "qmp_capabilities"}\n')
                lines.flush()
                for line in lines:
                    event = json.loads(line)
                    if event.get("event") == "SHUTDOWN":
                        word = str(event["data"]["reason"])
        except (OSError, LabError, json.JSONDecodeError):
            pass
        process.wait()
        with self._lock:
            if self._process is not process:
                return  # the plug was pulled
            self._ended = word
            if word == "guest-reset" and self.comes_back:
                self.start()

    # ---- commands
    def run(self, command: Sequence[str | Path], *, check: bool = True, timeout_s: float = 600, input_text: str | None = None,
            environment: Mapping[str, str] | None = None) -> Result:
        """Runs a command in the guest to its end, as root. A status other than 0 raises unless check is False."""
        words = tuple(str(word) for word in command)
        order: dict[str, object] = {"path": words[0], "arg": list(words[1:]), "capture-output": True,
                                    "env": [f"{key}={value}" for key, value in {**CLEAN_ENVIRONMENT, **(environment or {})}.items()]}
        if input_text is not None:
            order["input-data"] = base64.b64encode(input_text.encode()).decode()
        deadline = time.monotonic() + timeout_s
        pid = self._ask("guest-exec", order)["pid"]
        while True:
            state = self._ask("guest-exec-status", {"pid": pid})
            if state["exited"]:
                break
            if time.monotonic() > deadline:
                raise LabError(f"`{' '.join(words)}` did not end in {timeout_s:.0f} s in {self.name}")
            time.sleep(0.3)
        texts = [base64.b64decode(state.get(key, "")).decode(errors="replace") for key in ("out-data", "err-data")]
        result = Result(words, state.get("exitcode", 128 + state.get("signal", 0)), *texts)
        if check and not result.ok:
            raise LabError(f"in {self.name}: `{' '.join(words)}` ended with {result.status}: {result.text.strip()[-2000:]}")
        return result

    def shell(self, script: str, *, check: bool = True, timeout_s: float = 600) -> Result:
        return self.run(["sh", "-c", script], check=check, timeout_s=timeout_s)

    def put_text(self, target: str, text: str, mode: int = 0o644) -> None:
        """A small file."""
        self.run(["sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"', "sh", target, f"{mode:o}"], input_text=text)

    def unpack(self, index: int) -> None:
        """Lays a bundle, attached as the disk of that index, over the guest's root."""
        self.run(["tar", "-xf", f"/dev/vd{'abcdefgh'[index]}", "--keep-directory-symlink", "--no-overwrite-dir", "-C", "/"])

    def boot_id(self) -> str:
        return self.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()

    def wait_running(self, timeout_s: float = BOOT_S_MAX) -> None:
        """Until the guest has begun every service."""
        def is_running() -> bool:
            self._check_alive()
            try:
                return self.run(["systemctl", "is-system-running"], check=False, timeout_s=60).stdout.strip() in _RUNNING
            except LabError:
                return False

        self._wait("come up", is_running, timeout_s)

    def reboot(self) -> None:
        before = self.boot_id()
        with contextlib.suppress(LabError):  # it may be gone before it answers
            self.run(["systemctl", "--no-block", "reboot"])
        self.wait_boot(before)

    def wait_boot(self, before: str, timeout_s: float = BOOT_S_MAX) -> None:
        """Until another boot than that one runs."""
        def is_another() -> bool:
            self._check_alive()
            try:
                return self.boot_id() != before
            except LabError:
                return False

        self._wait("boot again", is_another, timeout_s)
        self.wait_running(timeout_s)

    def console_tail(self) -> str:
        with contextlib.suppress(OSError):
            return self.console.read_text(encoding="utf-8", errors="replace")[-1500:]
        return ""

    def _wait(self, what: str, ready: object, timeout_s: float) -> None:
        try:
            wait_until(f"{self.name} to {what}", ready, timeout_s, every_s=1)  # type: ignore[arg-type]
        except LabError as error:
            raise LabError(f"{error}; its console ends with: {self.console_tail()}") from error

    def _check_alive(self) -> None:
        with self._lock:
            if not self.is_on() and self._ended != "guest-reset":
                raise LabError(f"the virtual machine {self.name} went off ({self._ended or 'QEMU ended'}): {self.console_tail()} "
                               f"{(self.folder / 'qemu.log').read_text(errors='replace')[-500:]}")

    # ---- the guest agent
    def _connect(self, name: str, process: subprocess.Popen[bytes] | None = None, patience_s: float = 20) -> socket.socket:
        deadline = time.monotonic() + patience_s
        while True:
            stream = socket.socket(socket.AF_UNIX)
            stream.settimeout(None if process else 30)
            try:
                stream.connect(str(self._sockets / name))
                return stream
            except OSError as error:
                stream.close()
                if time.monotonic() > deadline or (process and process.poll() is not None):
                    raise LabError(f"the virtual machine {self.name} does not answer on {name}: {error}") from error
                time.sleep(0.1)

    def _ask(self, command: str, arguments: Mapping[str, object] | None = None) -> dict:
        """One call of the guest agent. The line stays open: without a listener outside, the agent spins in the guest."""
        with self._talking:
            try:
                if self._line is None:
                    self._line, self._heard = self._connect("a", patience_s=5), b""
                mark = int.from_bytes(os.urandom(4), "big") >> 1
                self._say({"execute": "guest-sync", "arguments": {"id": mark}})
                # What an earlier boot asked, or a caller who gave up, is answered first.
                while self._hear(_SYNC_S_MAX).get("return") != mark:
                    pass
                self._say({"execute": command, "arguments": arguments or {}})
                answer = self._hear(_ANSWER_S_MAX)
            except OSError as error:
                if not isinstance(error, TimeoutError):
                    self._hang_up()
                raise LabError(f"the guest agent of {self.name} does not answer: {error}") from error
        if "error" in answer:
            raise LabError(f"the guest agent of {self.name} refused {command}: {answer['error'].get('desc')}")
        found = answer.get("return")
        return found if isinstance(found, dict) else {"return": found}

    def _say(self, order: dict) -> None:
        if self._line is None:
            raise OSError("the plug was pulled")
        self._line.sendall(json.dumps(order).encode() + b"\n")

    def _hear(self, timeout_s: float) -> dict:
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._heard:
            if self._line is None:
                raise OSError("the plug was pulled")
            self._line.settimeout(max(deadline - time.monotonic(), 0.01))
            more = self._line.recv(1 << 16)
            if not more:
                raise OSError("the line was closed")
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        with contextlib.suppress(json.JSONDecodeError):
            found = json.loads(line.strip(b"\xff\r\x00 ") or b"{}")
            return found if isinstance(found, dict) else {}
        return {}

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line:
            line.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


__all__ = ["BOOT_S_MAX", "MEMORY_MIB", "OUTSIDE", "TOOLS", "Boot", "Disk", "Vm", "bundle", "free_port", "why_not"]
