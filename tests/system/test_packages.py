"""The three packages: built, looked into, installed on a booted host, started under systemd, and taken off again."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from lab import system
from lab.hosts import Host
from lab.repos import apt_get
from lab.system import wait_until
from tests.system.case import LabCase

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"belay-server": "belayd", "belay-agent": "belay-agent", "belay": "belay"}
# What systemd itself says of the running server, not what the unit's file has.
HARDENED = {"User": "belay", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
            "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "LockPersonality": "yes", "CapabilityBoundingSet": ""}


def told(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class Packages(LabCase):
    lab_name = "tpackages"
    tools = ("dpkg-deb",)
    binaries = ("belayd", "belay-agent", "belay")
    folder: Path

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        temporary = tempfile.TemporaryDirectory(prefix="belay-packages-")
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = Path(temporary.name) / "made"
        subprocess.run(["sh", ROOT / "packaging/build-debs.sh"], check=True, capture_output=True,
                       env={**os.environ, "BELAY_BIN": str(system.BINARIES), "BELAY_PACKAGES": str(cls.folder)})

    def deb(self, name: str) -> Path:
        return next(self.folder.glob(f"{name}_*.deb"))

    def field(self, name: str, field: str) -> str:
        return subprocess.run(["dpkg-deb", "--field", self.deb(name), field], check=True, capture_output=True, text=True).stdout.strip()

    def files(self, name: str) -> dict[str, str]:
        """Mode and owner of each path."""
        lines = subprocess.run(["dpkg-deb", "--contents", self.deb(name)], check=True, capture_output=True, text=True).stdout.splitlines()
        return {line.split()[5].removeprefix("."): " ".join(line.split()[:2]) for line in lines}

    def test_content(self) -> None:
        version = self.field("belay", "Version")
        for name, binary in PACKAGES.items():
            with self.subTest(package=name):
                files = self.files(name)
                self.assertEqual(files[f"/usr/bin/{binary}"], "-rwxr-xr-x root/root")
                self.assertIn(f"/usr/share/doc/{name}/LICENSE", files)
                self.assertEqual(self.field(name, "Version"), version)
        units = {name: [path for path in self.files(name) if path.endswith(".service")] for name in PACKAGES}
        self.assertEqual(units, {"belay-server": ["/lib/systemd/system/belayd.service"],
                                 "belay-agent": ["/lib/systemd/system/belay-agent.service"], "belay": []})
        for library in ("libc6", "libssl3"):
            self.assertIn(library, self.field("belay-server", "Depends"))
        self.assertNotIn("libc6", self.field("belay-agent", "Depends"), "the agent is static")

    def test_on_a_host(self) -> None:
        host = self.lab.host("packaged")
        self.addCleanup(host.power_cut)
        host.wait_running()
        apt_get(host, "update")
        for name in PACKAGES:
            host.put(self.deb(name), f"/root/{name}.deb", 0o644)
        apt_get(host, "install", *(f"/root/{name}.deb" for name in PACKAGES))
        self.server_starts(host)
        self.agent_starts(host)
        host.shell("systemctl restart belayd")
        self.ready(host)
        kept = "/var/lib/belay/admin.env"
        before = host.run(["sha256sum", kept]).stdout
        apt_get(host, "remove", *PACKAGES)
        for unit in ("belayd", "belay-agent"):
            self.assertNotEqual(host.run(["systemctl", "is-active", unit], check=False).stdout.strip(), "active")
        self.assertEqual(host.run(["sha256sum", kept]).stdout, before, "a removed package took the server's data with it")
        self.assertEqual(host.run(["test", "-e", "/usr/bin/belayd"], check=False).ok, False)

    def ready(self, host: Host) -> None:
        wait_until("the server to answer", lambda: host.shell(f"{self.belay('nodes')} >/dev/null", check=False).ok, 90, every_s=0.5)

    @staticmethod
    def belay(*words: str) -> str:
        return f"set -a; . /var/lib/belay/admin.env; set +a; belay {shlex.join(words)}"

    def server_starts(self, host: Host) -> None:
        host.put_text("/etc/default/belayd", f"BELAYD_OPTIONS=--name {host.name}.example\n")
        host.shell(f"echo 127.0.0.1 {host.name}.example >>/etc/hosts; systemctl enable --now belayd")
        self.ready(host)
        shown = told(host.run(["systemctl", "show", "belayd", "--property=ActiveState,SubState,NRestarts,MainPID", *(f"--property={name}" for name in HARDENED)]).stdout)
        self.assertEqual((shown["ActiveState"], shown["SubState"], shown["NRestarts"]), ("active", "running", "0"))
        self.assertEqual({name: shown[name] for name in HARDENED}, HARDENED)
        process = told(host.shell(f"sed 's/:[[:space:]]*/=/' /proc/{shown['MainPID']}/status").stdout)
        self.assertEqual((int(process["CapBnd"], 16), int(process["CapEff"], 16), process["NoNewPrivs"]), (0, 0, "1"))
        owner = host.run(["stat", "-c", "%U %a", "/var/lib/belay", "/var/lib/belay/admin.env"]).stdout.split("\n")[:2]
        self.assertEqual(owner, ["belay 700", "belay 600"])

    def agent_starts(self, host: Host) -> None:
        """Without an identity the unit is passed over; enrolled it runs, and is seen."""
        host.shell("systemctl enable --now belay-agent")
        self.assertEqual(host.run(["systemctl", "is-active", "belay-agent"], check=False).stdout.strip(), "inactive")
        host.shell(self.belay("activation", "create", "-o", "json", "--name", "packaged") + " >/root/activation")
        host.shell("id=$(sed -n 's/.*\"ActivationId\": *\"\\([^\"]*\\)\".*/\\1/p' /root/activation); . /var/lib/belay/admin.env; "
                   "sed -n 's/.*\"ActivationCode\": *\"\\([^\"]*\\)\".*/\\1/p' /root/activation | "
                   'belay-agent enroll --server "$BELAY_URL" --ca "$BELAY_CA" --activation-id "$id" --activation-code -; '
                   "rm /root/activation; systemctl start belay-agent")
        wait_until("the node to be online", lambda: "Online" in host.shell(self.belay("nodes", "-o", "csv")).stdout, 90, every_s=0.5)
        shown = told(host.run(["systemctl", "show", "belay-agent", "--property=ActiveState,KillMode,OOMScoreAdjust,UMask,NRestarts"]).stdout)
        self.assertEqual(shown, {"ActiveState": "active", "KillMode": "process", "OOMScoreAdjust": "-500", "UMask": "0077", "NRestarts": "0"})
        self.assertEqual(host.run(["stat", "-c", "%U %a", "/var/lib/belay-agent"]).stdout.split(), ["root", "700"])
