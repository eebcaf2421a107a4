"""The real belay-agent beside the server under test, in a folder of its own: its scripts are real, its packages are rows of a file."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading

from tests.support.binaries import binary, wait_until


class RealAgent:
    """Enrolled and running; a context manager. `policy` is the file that the agent obeys."""

    def __init__(self, server, name, installed=(), offers=()):
        self._temporary = tempfile.TemporaryDirectory(prefix="belay-agent-")
        self.folder = pathlib.Path(self._temporary.name)
        self.state, self.policy, self.packages = self.folder / "state", self.folder / "agent-policy.toml", self.folder / "packages.json"
        self.packages.write_text(json.dumps({"installed": {"format": "deb", "packages": list(installed)},
                                             "offers": {"format": "deb", "offers": list(offers)}}))
        self.program = self.folder / "belay-agent"  # of its own, so that an update may replace it
        shutil.copy(binary("belay-agent-rehearsal"), self.program)
        self.server, self.name, self.process, self._supervisor = server, name, None, None
        self._stopping = threading.Event()

    def __enter__(self):
        made = json.loads(self.server.belay("activation", "create", "--name", self.name, "-o", "json").stdout)
        enrolled = self._run("enroll", "--server", self.server.env["BELAY_URL"], "--activation-id", made["ActivationId"],
                             "--activation-code", "-", "--ca", self.server.env["BELAY_CA"], "--state", str(self.state),
                             input=made["ActivationCode"] + "\n")
        if enrolled.returncode:
            raise RuntimeError("not enrolled: " + enrolled.stderr)
        self.node_id = enrolled.stdout.split()[2]
        self.log = open(self.folder / "log", "ab")
        self._begin()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()
        if not wait_until((self.state / "last-scan.json").exists):
            raise RuntimeError("the agent did not scan: " + self.log_text())
        return self

    def _begin(self):
        self.process = subprocess.Popen(
            [self.program, "run", "--config", str(self.folder / "agent.toml"), "--state", str(self.state), "--policy", str(self.policy)],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def _supervise(self):
        """As systemd does: begins it again where it ends."""
        while not self._stopping.wait(0.5):
            if self.process.poll() is not None:
                self._begin()

    def __exit__(self, *_):
        self._stopping.set()
        if self._supervisor:
            self._supervisor.join()
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.log.close()
        self._temporary.cleanup()

    def _run(self, *words, input=None):
        return subprocess.run([self.program, *words], input=input, capture_output=True, text=True, timeout=60, check=False)

    def check_policy(self):
        return self._run("policy", "check", str(self.policy))

    def allow(self, text):
        self.policy.write_text(text)
        os.chmod(self.policy, 0o644)

    def installed(self):
        return {package["name"]: package["version"] for package in json.loads(self.packages.read_text())["installed"]["packages"]}

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")[-3000:]
