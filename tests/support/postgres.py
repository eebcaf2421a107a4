"""A private PostgreSQL cluster in a folder of its own, over a socket only; it is gone with its owner."""
import ctypes
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1


class NoPostgres(Exception):
    """PostgreSQL cannot run here; the message says why."""


class PrivatePostgres:
    """Durable, as the server needs it; a context manager. stop() and start() again keep what is in it."""

    def __init__(self):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            raise NoPostgres("PostgreSQL is not installed (Debian: postgresql)")
        self.programs = found[-1].parent
        try:  # it refuses to run as root
            self.account = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        except KeyError:
            raise NoPostgres("there is no account to run it under (postgres)") from None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="belay-pg-"))
        os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)
        self.process, self.databases = None, 0
        self._run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")

    def _as_account(self):
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(self.account.pw_gid)
            os.setuid(self.account.pw_uid)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)  # a change of the account would clear it

    def _command(self, program, *words):
        return [str(self.programs / program), *map(str, words)]

    def _run(self, program, *words, check=True):
        return subprocess.run(self._command(program, *words), cwd=self.folder, preexec_fn=self._as_account, check=check,
                              capture_output=True, text=True)

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self._command("postgres", "-D", self.folder / "data", "-k", self.folder, "-c", "listen_addresses=", "-c", "shared_buffers=32MB",
                              "-c", "max_connections=100"), cwd=self.folder, preexec_fn=self._as_account, stdout=log, stderr=log)
        for _ in range(1200):
            if self._run("pg_isready", "-q", "-h", self.folder, "-U", "postgres", check=False).returncode == 0:
                return self
            time.sleep(0.05)
        raise NoPostgres("it does not start: " + (self.folder / "log").read_text(errors="replace")[-2000:])

    def stop(self, how=signal.SIGQUIT):
        """At once, as in a crash (SIGQUIT), or SIGINT for a clean end."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
        if self.process:
            self.process.wait(60)
        self.process = None

    def new_database(self):
        """What belayd's --database takes."""
        self.databases += 1
        name = f"belay{self.databases}"
        self._run("createdb", "-h", self.folder, "-U", "postgres", "-T", "template0", "-E", "UTF8", "--locale=C", name)
        return f"host={self.folder} user=postgres dbname={name}"

    def dump(self, database):
        """All that lies in the database which new_database named so, as text, binary columns decoded besides."""
        text = self._run("pg_dump", "-d", database).stdout
        text = text.encode() if isinstance(text, str) else text
        return text + b"".join(bytes.fromhex(found.decode()) for found in re.findall(rb"\\\\x((?:[0-9a-f]{2})+)", text))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)
