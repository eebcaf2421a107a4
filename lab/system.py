"""What the lab asks of the machine it runs on: folders, commands, processes, locks, and words for a failure."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LAB_DIRECTORY = Path(os.environ.get("BELAY_LAB_DIR", CHECKOUT / ".lab")).resolve()
BINARIES = Path(os.environ.get("BELAY_BIN", CHECKOUT / "build" / "bin")).resolve()
CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class LabError(Exception):
    """Something the lab could not do: what, on which thing, why, and what to do about it."""


class CommandError(LabError):
    """A command that ended with a status nobody expected. The whole result is in `.result`."""

    def __init__(self, result: Result):
        self.result = result
        tail = (result.stderr.strip() or result.stdout.strip())[-2000:]
        super().__init__(f"`{' '.join(result.command)}` ended with {result.status}: {tail}")


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    command: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def text(self) -> str:
        return self.stdout + self.stderr


def run(
    command: Sequence[str | Path],
    *,
    check: bool = True,
    timeout_s: float = 300,
    input_text: str | None = None,
    environment: dict[str, str] | None = None,
    directory: Path | None = None,
) -> Result:
    """Runs a command to its end. A status other than 0 raises CommandError unless check is False."""
    words = tuple(str(word) for word in command)
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if input_text is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            cwd=directory,
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed: {error}") from error
    with process:
        try:
            stdout, stderr = _communicate(process, input_text, timeout_s)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise LabError(f"`{' '.join(words)}` did not end in {timeout_s:.0f} s") from error
        except BaseException:
            process.kill()
            raise
    result = Result(words, process.returncode, stdout, stderr)
    if check and not result.ok:
        raise CommandError(result)
    return result


def _communicate(process: subprocess.Popen[str], input_text: str | None, timeout_s: float) -> tuple[str, str]:
    """Both outputs of a process, waited for. One that stopped is sent on its way.

    A host that goes down stops all its processes before it ends them. nsenter then stops as its child did, outside, where
    nobody wakes it; and the host cannot end before nsenter has taken note of its child's end.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return process.communicate(input_text, timeout=min(1.0, max(deadline - time.monotonic(), 0.01)))
        except subprocess.TimeoutExpired:
            input_text = None  # it is on its way already
            if time.monotonic() >= deadline:
                raise
            if _stat(process.pid)[:1] == ["T"]:
                process.send_signal(signal.SIGCONT)


def missing_tools(names: Sequence[str]) -> list[str]:
    """Those of the named programs that are not on the path."""
    return [name for name in names if shutil.which(name) is None]


def say(text: str) -> None:
    """One line of progress for a person."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


def wait_until(what: str, ready: Callable[[], object], timeout_s: float = 60, every_s: float = 0.05) -> object:
    """Asks until the answer is true and returns it; an exception or a time-out says what was waited for."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = ready()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(every_s)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds an exclusive lock on a file. Yields False where it is held elsewhere and wait is False."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


# ---- processes, told apart from later ones with the same number by their start time
@dataclass(frozen=True)
class Process:
    pid: int
    start: int

    @staticmethod
    def of(pid: int) -> Process | None:
        fields = _stat(pid)
        return Process(pid, int(fields[19])) if fields else None

    @property
    def alive(self) -> bool:
        fields = _stat(self.pid)
        return bool(fields) and int(fields[19]) == self.start and fields[0] not in ("Z", "X")

    def send(self, number: int) -> None:
        """Signals the process if it is still the one that was meant."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, patience_s: float = 5) -> None:
        """Asks it to end, then makes it."""
        self.send(signal.SIGTERM)
        deadline = time.monotonic() + patience_s
        while self.alive and time.monotonic() < deadline:
            time.sleep(0.02)
        self.send(signal.SIGKILL)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, or none where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


# ---- mounts
def mounts_under(folder: Path) -> list[Path]:
    """Mount points in the folder, deepest first."""
    found = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        where = Path(line.split()[1].encode().decode("unicode_escape"))
        if where == folder or folder in where.parents:
            found.append(where)
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def unmount_under(folder: Path) -> None:
    for where in mounts_under(folder):
        if not run(["umount", where], check=False).ok:
            run(["umount", "--lazy", where], check=False)


def memory_available_mib() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0
