"""Local signed apt repositories, and a web server for them that can fail in the ways real mirrors do.

    key = make_key(folder / "key", "Lab archive")
    archive = AptRepository(folder / "archive", key, suite="stable")
    archive.add(debs.library("1.1"))
    archive.publish()
    server = RepositoryServer(folder, lab.switch)     # http://repo.lab:PORT/archive
    server.fail(r"InRelease$", "tamper")
"""

from __future__ import annotations

import email.utils
import gzip
import re
import shutil
import socket
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from lab import forward, network
from lab.debs import Deb, build
from lab.hosts import Host
from lab.keys import SigningKey
from lab.system import LabError, run
from lab.vm import Vm

Fault = Literal["missing", "hang", "tamper", "reword", "unframe", "unsplit", "truncate", "error"]
_HANG_SECONDS_MAX = 600


class AptRepository:
    """One archive with one suite. Every version added stays on offer until `withdraw`."""

    def __init__(self, folder: Path, key: SigningKey, *, suite: str = "stable", origin: str = "Lab", label: str = "Lab",
                 codename: str = ""):
        self.folder = folder
        self.key = key
        self.suite = suite
        self.origin = origin
        self.label = label
        self.codename = codename or suite
        (folder / "pool").mkdir(parents=True)

    def add(self, *debs: Deb) -> list[Path]:
        """Builds packages into the pool; `publish` puts them on offer."""
        return [build(deb, self.folder / "pool") for deb in debs]

    def withdraw(self, name: str, version: str) -> None:
        for path in (self.folder / "pool").glob(f"{name}_{version}_*.deb"):
            path.unlink()

    def publish(self, *, valid_for: timedelta | None = None, made: datetime | None = None,
                key: SigningKey | None = None) -> None:
        """Writes and signs the index. valid_for=timedelta(days=-1) makes it expired since yesterday."""
        suite = self.folder / "dists" / self.suite
        shutil.rmtree(suite, ignore_errors=True)
        binary = suite / "main" / "binary-amd64"
        binary.mkdir(parents=True)
        packages = run(["apt-ftparchive", "packages", "pool"], directory=self.folder).stdout
        (binary / "Packages").write_text(packages)
        (binary / "Packages.gz").write_bytes(gzip.compress(packages.encode(), mtime=0))
        now = datetime.now(timezone.utc)
        dates = {"Date": email.utils.format_datetime(made or now)}
        if valid_for is not None:
            dates["Valid-Until"] = email.utils.format_datetime(now + valid_for)
        heads = {"Origin": self.origin, "Label": self.label, "Suite": self.suite, "Codename": self.codename,
                 "Architectures": "amd64 all", "Components": "main", **dates}
        sums = run(["apt-ftparchive", "release", f"dists/{self.suite}"], directory=self.folder).stdout
        sums = re.sub(r"\A(?:[A-Z][A-Za-z-]*: .*\n)*", "", sums)
        release = suite / "Release"
        release.write_text("".join(f"{key}: {value}\n" for key, value in heads.items()).replace("+0000", "UTC") + sums)
        (key or self.key).clear_sign(release, suite / "InRelease")

    def offer_to(self, host: Host | Vm, base_url: str, *, key: SigningKey | None = None, only: bool = True) -> None:
        """Writes the host's source for it; with `only`, its other sources and lists are taken away."""
        if only:
            host.shell("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*; rm -rf /var/lib/apt/lists/*")
        name = f"{self.folder.name}-archive"
        host.put_text(f"/etc/apt/keyrings/{name}.asc", (key or self.key).public_file.read_text())
        host.put_text(f"/etc/apt/sources.list.d/{name}.sources",
                      f"Types: deb\nURIs: {base_url}/{self.folder.name}\nSuites: {self.suite}\nComponents: main\n"
                      f"Signed-By: /etc/apt/keyrings/{name}.asc\n")


class RepositoryServer:
    """Serves a folder to the lab's hosts, in this process, from a socket inside the switch's namespace.

    Without a namespace it listens on this machine's loopback; `name` is what the guests of a machine call that.
    """

    def __init__(self, folder: Path, namespace: str, name: str = "repo.lab"):
        self.folder = folder.resolve()
        self.requests: list[str] = []
        self._faults: list[tuple[re.Pattern[str], Fault]] = []
        self._ending = threading.Event()
        self._server = ThreadingHTTPServer(("", 0), self._handler(), bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.socket.close()
        self._server.socket = (forward.listen(namespace, network.SWITCH_ADDRESS, 0) if namespace
                               else socket.create_server(("127.0.0.1", 0), backlog=128))
        self.port = self._server.socket.getsockname()[1]
        self.url = f"http://{name}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def fail(self, pattern: str, fault: Fault) -> None:
        """From now on, paths that match the pattern fail that way."""
        self._faults.append((re.compile(pattern), fault))

    def mend(self) -> None:
        """Ends every fault; what hangs is let go."""
        self._faults.clear()
        self._ending.set()
        self._ending = threading.Event()

    def close(self) -> None:
        self.mend()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _fault_of(self, path: str) -> Fault | None:
        return next((fault for pattern, fault in self._faults if pattern.search(path)), None)

    def _read(self, path: str) -> bytes | None:
        file = (self.folder / path.lstrip("/")).resolve()
        if self.folder not in file.parents or not file.is_file():
            return None
        return file.read_bytes()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.split("?", 1)[0].replace("%2b", "+").replace("%7e", "~")
                outer.requests.append(path)
                fault = outer._fault_of(path)
                if fault == "hang":
                    outer._ending.wait(_HANG_SECONDS_MAX)
                    self.close_connection = True
                    return
                content = None if fault == "missing" else outer._read(path)
                status = 500 if fault == "error" else 404 if content is None else 200
                self._answer(status, content if status == 200 and content else b"", fault)

            def _answer(self, status: int, content: bytes, fault: Fault | None) -> None:
                if fault == "tamper" and content:
                    middle = len(content) // 2
                    content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]
                elif fault == "reword":  # a signed text that says something else, in a whole frame
                    content = content.replace(b"\nComponents: main", b"\nComponents:  main", 1)
                elif fault == "unframe":  # no clear-signed text any more
                    content = content.replace(b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----BEGIN PGP SIGNED MESSAGF-----", 1)
                elif fault == "unsplit":  # a clear-signed text whose signature cannot be found
                    content = content.replace(b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP SIGNATURF-----", 1)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if fault == "truncate":
                    content = content[:len(content) // 2]
                    self.close_connection = True
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def wait_for_second() -> None:
    """Steps over the second's edge: apt compares the dates of two indexes by whole seconds."""
    time.sleep(1.05 - time.time() % 1)


LOCK_WAIT_S = 120


def apt_get(host: Host | Vm, *words: str, check: bool = True) -> str:
    """What an administrator would type, and again while somebody else (the node's own agent) holds apt's lock; its output."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        result = host.run(["apt-get", "-y", "-q", "-o", "Dpkg::Use-Pty=0", *words], check=False,
                          environment={"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"})
        if result.ok or "Could not get lock" not in result.text or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    if check and not result.ok:
        raise LabError(result.text)
    return result.text
