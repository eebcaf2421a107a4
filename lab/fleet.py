"""Belay itself in the lab: the server on the switch's network, the agent on hosts, the command line on both.

    with Fleet(lab, folder) as fleet:
        fleet.enrol(host, {"Environment": "dev"})
        fleet.belay("scan", "tag:Environment=dev", "--wait")
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from lab import network
from lab.hosts import Host, Lab
from lab.system import BINARIES, CHECKOUT, CLEAN_ENVIRONMENT, LabError, Result, run, say, wait_until

PORT = 8443
HTTP_PORT = 8480
STATE = "/var/lib/belay-agent"
EXIT_NOT_COMPLIANT = 9

UNIT = CHECKOUT / "packaging" / "belay-agent.service"
AGENT = "/usr/bin/belay-agent"


def missing_binaries(*names: str) -> list[str]:
    return [name for name in names if not (BINARIES / name).exists()]


class Fleet:
    """A server with a data folder, and the hosts enrolled with it."""

    def __init__(self, lab: Lab, data: Path):
        self.lab = lab
        self.data = data
        self.listen, self.http = f"{network.SWITCH_ADDRESS}:{PORT}", f"127.0.0.1:{HTTP_PORT}"
        self.url = f"https://{self.listen}"
        self.names: tuple[str, ...] = ()  # besides the address, by which agents reach it
        self.log = lab.folder / "log" / "belayd.log"
        self._server: subprocess.Popen[str] | None = None

    # ---- the server
    def start(self) -> Fleet:
        missing = missing_binaries("belayd", "belay-agent", "belay")
        if missing:
            raise LabError(f"not built: {', '.join(missing)}; run `make build`")
        self.data.parent.mkdir(parents=True, exist_ok=True)
        ready = self.log.with_suffix(".out")
        with open(self.log, "a", encoding="utf-8") as errors, open(ready, "w", encoding="utf-8") as output:
            self._server = subprocess.Popen(
                self.lab.in_switch([BINARIES / "belayd", "--data", self.data, "--listen", self.listen, "--http", self.http,
                                    *(word for name in self.names for word in ("--name", name))]),
                stdin=subprocess.DEVNULL, stdout=output, stderr=errors, text=True, start_new_session=True, env=CLEAN_ENVIRONMENT)
        self.lab.adopt("belayd", self._server)

        def is_ready() -> bool:
            if self._server and self._server.poll() is not None:
                raise LabError(f"belayd ended with {self._server.returncode}: {self.log_tail()}")
            return "ready" in ready.read_text(encoding="utf-8") and (self.data / "admin.env").exists()

        wait_until("belayd to be ready", is_ready, 60)
        return self

    def stop(self) -> int:
        """Ends the server in order; its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Ends the server as a crash would."""
        return self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        server, self._server = self._server, None
        if server is None:
            return 0
        server.send_signal(number)
        try:
            return server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise LabError("belayd did not end in 30 s") from None

    def log_tail(self) -> str:
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        except FileNotFoundError:
            return "(no log)"

    def __enter__(self) -> Fleet:
        return self.start()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(LabError):
            self.stop()

    def set(self, key: str, value: str) -> None:
        """Changes one of the server's settings behind its back, in its database; it reads them when it judges."""
        with contextlib.closing(sqlite3.connect(self.data / "belay.db", timeout=30)) as database, database:
            database.execute("INSERT INTO settings (key, value, updated_at) VALUES (?, ?, ?) "
                             "ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value, int(time.time() * 1000)))

    def empty_pool(self) -> None:
        """Takes every package file out of the server's pool behind its back, as if no node had ever sent one."""
        with contextlib.closing(sqlite3.connect(self.data / "belay.db", timeout=30)) as database, database:
            database.execute("DELETE FROM pool_chunks")
            database.execute("UPDATE pool_packages SET stored_bytes = 0, completed_at = NULL, uploader = '', touched_at = NULL")

    # ---- the command line
    def environment(self) -> dict[str, str]:
        values = dict(CLEAN_ENVIRONMENT)
        for line in (self.data / "admin.env").read_text(encoding="utf-8").splitlines():
            name, equals, value = line.removeprefix("export ").partition("=")
            if equals and not name.startswith("#"):
                values[name.strip()] = "".join(shlex.split(value))
        return values

    def belay(self, *words: str, check: bool = True, timeout_s: float = 600) -> Result:
        """The command line, as an operator calls it. With check, a status that is neither 0 nor "not compliant" raises."""
        result = run(self.lab.in_switch([BINARIES / "belay", *words]), check=False, timeout_s=timeout_s,
                     environment=self.environment())
        if check and result.status not in (0, EXIT_NOT_COMPLIANT):
            raise LabError(f"`belay {' '.join(words)}` ended with {result.status}: {result.text.strip()[-3000:]}")
        return result

    def belay_aloud(self, *words: str, token: str = "") -> int:
        """The same, with its output for the person who watches; its exit status. With a token, as the one whose it is."""
        print(f"\n$ {'BELAY_TOKEN=… ' if token else ''}belay {' '.join(words)}", flush=True)
        environment = self.environment() | _terminal() | ({"BELAY_TOKEN": token} if token else {})
        done = subprocess.run(self.lab.in_switch([BINARIES / "belay", *words]), env=environment, check=False,
                              stdin=subprocess.DEVNULL, timeout=1800)
        return done.returncode

    def ask(self, *words: str) -> dict:
        """The command line's answer as JSON."""
        result = self.belay(*words, "-o", "json")
        try:
            return json.loads(result.stdout)
        except json.JSONDecodeError as error:
            raise LabError(f"`belay {' '.join(words)} -o json` did not print JSON: {result.text[:500]}") from error

    def aws(self, *words: str) -> dict:
        """`aws ssm …` over SigV4, as a user of SSM calls it; its answer."""
        # --endpoint-url, because Debian's awscli 2.9 does not read AWS_ENDPOINT_URL_SSM.
        environment = self.environment() | {"PATH": os.environ["PATH"], "AWS_CONFIG_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}
        result = run(self.lab.in_switch(["aws", "--endpoint-url", environment["BELAY_URL"], "--output", "json", "ssm", *words]),
                     check=False, timeout_s=120, environment=environment)
        if not result.ok:
            raise LabError(f"`aws ssm {' '.join(words)}` ended with {result.status}: {result.text.strip()[-3000:]}")
        return json.loads(result.stdout) if result.stdout.strip() else {}

    # ---- hosts
    def enrol(self, host: Host, tags: Mapping[str, str]) -> None:
        """Puts the agent on a host as a unit, enrolled with an activation of its own; returns when the server hears it."""
        activation = self.ask("activation", "create", "--name", host.name,
                              *(word for key, value in tags.items() for word in ("--tag", f"{key}={value}")))
        host.put(BINARIES / "belay-agent", AGENT, 0o755)
        host.put(Path(self.environment()["BELAY_CA"]), "/etc/belay-ca.pem")
        host.put(UNIT, "/etc/systemd/system/belay-agent.service")
        host.run([AGENT, "enroll", "--server", self.url, "--ca", "/etc/belay-ca.pem",
                  "--activation-id", activation["ActivationId"], "--activation-code", "-", "--state", STATE],
                 input_text=activation["ActivationCode"] + "\n")
        host.run(["systemctl", "daemon-reload"])
        host.run(["systemctl", "enable", "--now", "--quiet", "belay-agent.service"])
        try:
            wait_until(f"{host.name} to be online", lambda: self.is_online(host), 60, every_s=0.3)
        except LabError as error:
            raise LabError(f"{error}; its agent says: {self.agent_log(host)}") from error

    def node(self, host: Host) -> dict:
        """What the server lists of a host; empty where it does not know it."""
        nodes = self.ask("nodes")["InstanceInformationList"]
        return next((node for node in nodes if host.name in (node.get("Name"), node.get("ComputerName"))), {})

    def node_id(self, host: Host) -> str:
        return str(self.node(host)["InstanceId"])

    def is_online(self, host: Host) -> bool:
        return self.node(host).get("PingStatus") == "Online"

    def agent_log(self, host: Host) -> str:
        return host.run(["journalctl", "-u", "belay-agent", "-n", "20", "--no-pager", "-o", "cat"], check=False).text[-2000:]

    def report(self, host: Host) -> dict:
        """The node's verdict with its evidence."""
        return self.ask("compliance", self.node_id(host))


def _terminal() -> dict[str, str]:
    return {"TERM": os.environ.get("TERM", "dumb")}


class Clock:
    """Says how long each part took."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def lap(self, text: str) -> None:
        now = time.monotonic()
        say(f"{text} ({now - self._began:.1f} s)")
        self._began = now
