"""Small Debian packages for tests: whole ones, and ones that break in every way a real one has broken."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.system import run


@dataclass(frozen=True)
class Deb:
    """What goes into one package. Scripts are shell without the first line; `fields` are control fields."""

    name: str
    version: str
    files: Mapping[str, str] = field(default_factory=dict)
    conffiles: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "all"
    compression: str = "gzip"
    tree: Path | None = None  # files as they lie in this folder
    many_files: int = 0      # so many files of
    many_bytes: int = 1024   # so many bytes each


def build(deb: Deb, folder: Path) -> Path:
    """The package's file, NAME_VERSION_ARCHITECTURE.deb."""
    tree = folder / f".build-{deb.name}"
    shutil.rmtree(tree, ignore_errors=True)
    control = tree / "DEBIAN"
    control.mkdir(parents=True)
    fields = {
        "Package": deb.name, "Version": deb.version, "Architecture": deb.architecture,
        "Maintainer": "Belay lab <lab@example.invalid>", "Section": "misc", "Priority": "optional",
        "Description": f"test package {deb.name}", **deb.fields,
    }
    (control / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    for script, text in deb.scripts.items():
        path = control / script
        path.write_text("#!/bin/sh\nset -e\n" + textwrap.dedent(text).strip() + "\n")
        path.chmod(0o755)
    for name, text in {f"/usr/share/{deb.name}/version": deb.version + "\n", **deb.files, **deb.conffiles}.items():
        _write(tree, name, text)
    if deb.conffiles:
        (control / "conffiles").write_text("".join(f"{name}\n" for name in deb.conffiles))
    if deb.tree:
        shutil.copytree(deb.tree, tree, symlinks=True, dirs_exist_ok=True)
    for index in range(deb.many_files):
        _write(tree, f"/opt/{deb.name}/{index % 50}/{index}", f"{deb.version} {index} ".ljust(deb.many_bytes, "x"))
    file = folder / f"{deb.name}_{deb.version}_{deb.architecture}.deb"
    run(["dpkg-deb", "--root-owner-group", f"-Z{deb.compression}", "--build", tree, file])
    shutil.rmtree(tree)
    return file


def _write(tree: Path, name: str, text: str) -> None:
    path = tree / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# ---- the ones tests share
def application(version: str, **more: object) -> Deb:
    """tapp: needs tlib at the same version."""
    return Deb("tapp", version, fields={"Depends": f"tlib (>= {version})"}, **more)  # type: ignore[arg-type]


def library(version: str) -> Deb:
    return Deb("tlib", version, files={"/usr/lib/tlib/tlib.so.1": f"library {version}\n"})


def failing_postinst(version: str) -> Deb:
    return Deb("tfail", version, scripts={"postinst": "echo tfail: cannot migrate its data >&2; exit 3"})


def slow_postinst(version: str, seconds: int = 60) -> Deb:
    """Stays in its configuration, so that it can be killed there."""
    return Deb("tslow", version, scripts={"postinst": f"sleep {seconds}"})


def many_files(version: str, count: int = 3000, each_bytes: int = 20_000) -> Deb:
    """Takes its time to unpack, so that it can be killed there."""
    return Deb("tbig", version, compression="none", many_files=count, many_bytes=each_bytes)


def configured(version: str) -> Deb:
    """Its configuration file differs from version to version."""
    return Deb("tconf", version, conffiles={"/etc/tconf.conf": f"# shipped with {version}\nsetting = {version}\n"})


def service(version: str, *, works: bool = True) -> Deb:
    """A service of systemd; in a broken version it does not start any more."""
    command = "/bin/sleep infinity" if works else "/bin/false"
    unit = (f"[Unit]\nDescription=Test service {version}\n[Service]\nExecStart={command}\n"
            "[Install]\nWantedBy=multi-user.target\n")
    postinst = """
        [ -d /run/systemd/system ] || exit 0
        systemctl daemon-reload
        systemctl enable --quiet tservice.service
        systemctl restart tservice.service || true
    """
    return Deb("tservice", version, files={"/usr/lib/systemd/system/tservice.service": unit}, scripts={"postinst": postinst})


def daemon(version: str) -> Deb:
    """Brings a program that a service may run; nobody restarts that."""
    return Deb("tdaemon", version, scripts={"postinst": """
        mkdir -p /usr/lib/tdaemon
        cp /bin/sleep /usr/lib/tdaemon/run.new
        mv /usr/lib/tdaemon/run.new /usr/lib/tdaemon/run
    """})


def pushing_out(version: str, victim: str) -> Deb:
    """Cannot stay beside `victim`: an upgrade to it would remove that."""
    return Deb("tpush", version, fields={"Conflicts": victim})


def wanting(version: str, depends: str) -> Deb:
    """Depends on what nobody offers."""
    return Deb("twant", version, fields={"Depends": depends})


def web_service(version: str, *, works: bool = True) -> Deb:
    """shop: answers HTTP on 127.0.0.1:8080. A broken version installs as well as any, and answers with an error."""
    status, body = ("200 OK", f"shop {version}") if works else ("500 Internal Server Error", "cannot read its own settings")
    answer = f"#!/bin/sh\nread -r request\nprintf 'HTTP/1.0 {status}\\r\\nContent-Length: {len(body) + 1}\\r\\n\\r\\n{body}\\n'\n"
    socket = "[Unit]\nDescription=Shop\n[Socket]\nListenStream=127.0.0.1:8080\nAccept=yes\n[Install]\nWantedBy=sockets.target\n"
    unit = "[Unit]\nDescription=Shop\n[Service]\nExecStart=/bin/sh /usr/lib/shop/answer\nStandardInput=socket\nStandardError=journal\n"
    postinst = """
        [ -d /run/systemd/system ] || exit 0
        systemctl daemon-reload
        systemctl enable --quiet shop.socket
        systemctl restart shop.socket
    """
    return Deb("shop", version, scripts={"postinst": postinst},
               files={"/usr/lib/shop/answer": answer, "/usr/lib/systemd/system/shop.socket": socket,
                      "/usr/lib/systemd/system/shop@.service": unit})
